//! Access as a door uses it: logins, tokens, uploads that outlive their token, a password file that changes.

use std::path::Path;
use std::time::Duration;

use dockless_oci::RepositoryName;
use dockless_runtime::disk::write_file_durable;
use dockless_runtime::simulation::Simulation;
use dockless_store::{UploadId, UploadStatus};

use super::*;

const FILE: &str = "/etc/htpasswd";
const KEY: [u8; KEY_BYTES] = [3; KEY_BYTES];

fn line(user: &str, password: &str) -> String {
    let hash = bcrypt::hash_with_salt(password, 4, [7; 16]).unwrap();
    format!("{user}:{}\n", hash.format_for_version(bcrypt::Version::TwoY))
}

fn write(simulation: &Simulation, text: &str) {
    let disk = simulation.disk();
    dockless_runtime::Disk::create_dir_all(&*disk, Path::new("/etc")).unwrap();
    write_file_durable(&*disk, Path::new(FILE), text.as_bytes(), true).unwrap();
}

fn rules() -> Vec<Rule> {
    let rule = |users: &[&str], pattern: &str, actions: &[Action]| Rule {
        users: users.iter().map(|user| (*user).to_owned()).collect(),
        repositories: vec![Pattern::parse(pattern).unwrap()],
        actions: actions.to_vec(),
    };
    vec![
        rule(&["anonymous"], "public/**", &[Action::Pull]),
        rule(&["alice"], "team/**", &[Action::Pull, Action::Push, Action::Catalog]),
        rule(&["bob"], "team/**", &[Action::Pull]),
    ]
}

struct Fixture {
    simulation: Simulation,
    access: Arc<Access>,
}

impl Fixture {
    fn new(rules: Vec<Rule>) -> Self {
        let simulation = Simulation::new(1);
        write(&simulation, &(line("alice", "secret") + &line("bob", "hunter2")));
        Self::on(simulation, rules, KEY)
    }

    fn on(simulation: Simulation, rules: Vec<Rule>, key: [u8; KEY_BYTES]) -> Self {
        let opened =
            Access::from_htpasswd(simulation.runtime(), FILE.into(), rules, key, Settings::default())
                .unwrap();
        Self { simulation, access: Arc::new(opened) }
    }

    fn login(&self, user: &str, password: &str) -> Result<Caller, Refusal> {
        let credentials = Credentials::Basic { user: user.into(), password: password.into() };
        self.simulation.block_on(self.access.authenticate(credentials))
    }

    fn bearer(&self, token: &str) -> Result<Caller, Refusal> {
        self.simulation.block_on(self.access.authenticate(Credentials::Bearer(token.into())))
    }

    fn nobody(&self) -> Caller {
        self.simulation.block_on(self.access.authenticate(Credentials::None)).unwrap()
    }

    fn token(&self, caller: &Caller, scopes: &str) -> IssuedToken {
        self.access.issue(caller, &Scope::parse_all([scopes]).unwrap()).unwrap()
    }
}

fn name(text: &str) -> RepositoryName {
    RepositoryName::parse(text).unwrap()
}

fn rights(caller: &Caller, repository: &str) -> Vec<Action> {
    Action::ALL.into_iter().filter(|action| caller.may(&name(repository), *action)).collect()
}

#[test]
fn an_open_node_asks_nobody() {
    let simulation = Simulation::new(1);
    let access = Access::anonymous();
    assert!(!access.required());
    for credentials in [
        Credentials::None,
        Credentials::Bearer("stale".into()),
        Credentials::Basic { user: "a".into(), password: "b".into() },
    ] {
        let caller = simulation.block_on(access.authenticate(credentials)).unwrap();
        assert_eq!(rights(&caller, "a/b"), Action::ALL);
        assert_eq!(caller.subject(), "anonymous");
        assert!(caller.may_list() && caller.sees(&name("a/b")));
    }
}

#[test]
fn a_password_gives_the_rights_of_the_rules() {
    let fixture = Fixture::new(rules());
    assert!(fixture.access.required());
    let alice = fixture.login("alice", "secret").unwrap();
    assert_eq!(rights(&alice, "team/a"), [Action::Pull, Action::Push, Action::Catalog]);
    assert_eq!(rights(&alice, "public/a"), [Action::Pull]);
    assert_eq!(rights(&alice, "other"), []);
    assert!(alice.may_list() && alice.sees(&name("team/a")) && !alice.sees(&name("public/a")));
    let bob = fixture.login("bob", "hunter2").unwrap();
    assert_eq!(rights(&bob, "team/a"), [Action::Pull]);
    assert!(!bob.may_list());
    assert_eq!(rights(&fixture.nobody(), "public/a"), [Action::Pull]);
    assert_eq!(rights(&fixture.nobody(), "team/a"), []);
}

#[test]
fn without_rules_users_may_everything_and_others_nothing() {
    let fixture = Fixture::new(Vec::new());
    assert_eq!(rights(&fixture.login("bob", "hunter2").unwrap(), "a"), Action::ALL);
    assert_eq!(rights(&fixture.nobody(), "a"), []);
    assert!(!fixture.nobody().may_list());
}

#[test]
fn wrong_passwords_and_unknown_users_are_refused_again_and_again() {
    let fixture = Fixture::new(rules());
    for _ in 0..2 {
        for (user, password) in
            [("alice", "Secret"), ("alice", ""), ("carol", "secret"), ("", ""), ("Alice", "secret")]
        {
            assert_eq!(fixture.login(user, password).unwrap_err(), Refusal::Invalid, "{user}");
        }
        assert!(fixture.login("alice", "secret").is_ok());
    }
}

#[test]
fn a_login_is_remembered_for_a_while_and_with_its_password_only() {
    let fixture = Fixture::new(rules());
    fixture.login("alice", "secret").unwrap();
    let guard = fixture.access.guard.as_ref().unwrap();
    let file = fixture.simulation.block_on(guard.passwords.current());
    let remembered = |password: &str| {
        // A future that is ready at once has compared nothing.
        use futures_util::FutureExt as _;
        guard.logins.check(&file, "alice", password).now_or_never()
    };
    assert_eq!(remembered("secret"), Some(Ok(true)));
    assert_eq!(remembered("other"), None);
    fixture.simulation.run_for(Settings::default().login_remembered);
    assert_eq!(remembered("secret"), None);
}

#[test]
fn logins_beyond_those_that_can_wait_are_postponed_and_places_come_back() {
    let fixture = Fixture::new(rules());
    let attempts = |password: &str| {
        let tries = (0..400).map(|number| {
            let credentials =
                Credentials::Basic { user: format!("u{number}"), password: password.to_owned() };
            fixture.access.authenticate(credentials)
        });
        let answers = fixture.simulation.block_on(futures_util::future::join_all(tries));
        answers.into_iter().filter(|answer| matches!(answer, Err(Refusal::TooMany))).count()
    };
    assert_eq!(attempts("x"), 400 - 256);
    assert_eq!(attempts("y"), 400 - 256);
    assert!(fixture.login("alice", "secret").is_ok());
}

#[test]
fn many_first_requests_of_one_user_compare_once() {
    let fixture = Fixture::new(rules());
    let one = || {
        let credentials = Credentials::Basic { user: "alice".into(), password: "secret".into() };
        fixture.access.authenticate(credentials)
    };
    let answers = fixture.simulation.block_on(futures_util::future::join_all((0..200).map(|_| one())));
    assert!(answers.iter().all(Result::is_ok));
    let guard = fixture.access.guard.as_ref().unwrap();
    let accepted = guard.counted.get_or_create(&[("result", "accepted")]).get();
    assert_eq!(accepted, 200);
}

#[test]
fn a_token_grants_what_was_asked_for_and_allowed() {
    let fixture = Fixture::new(rules());
    let alice = fixture.login("alice", "secret").unwrap();
    let issued =
        fixture.token(&alice, "repository:team/a:pull,push,delete repository:other:pull registry:catalog:*");
    let granted: Vec<String> = issued.scopes.iter().map(ToString::to_string).collect();
    assert_eq!(granted, ["repository:team/a:pull,push", "registry:catalog:*"]);
    assert_eq!(issued.expires_in, 15 * 60);
    let caller = fixture.bearer(&issued.token).unwrap();
    assert_eq!(caller.subject(), "alice");
    assert_eq!(rights(&caller, "team/a"), [Action::Pull, Action::Push]);
    assert_eq!(rights(&caller, "team/b"), [], "allowed by the rules, not granted by the token");
    assert!(caller.may_list() && caller.sees(&name("team/b")));
    let narrow = fixture.bearer(&fixture.token(&alice, "repository:team/a:pull").token).unwrap();
    assert!(!narrow.may_list());
    assert_eq!(rights(&narrow, "team/a"), [Action::Pull]);
}

#[test]
fn anyone_gets_a_token_for_what_anyone_may() {
    let fixture = Fixture::new(rules());
    let issued = fixture.token(&fixture.nobody(), "repository:public/a:pull,push repository:team/a:pull");
    assert_eq!(issued.scopes.len(), 1);
    let caller = fixture.bearer(&issued.token).unwrap();
    assert_eq!(rights(&caller, "public/a"), [Action::Pull]);
    assert_eq!(caller.subject(), "anonymous");
    let login_only = fixture.token(&fixture.nobody(), "");
    assert_eq!(rights(&fixture.bearer(&login_only.token).unwrap(), "public/a"), []);
}

#[test]
fn a_token_ends_with_its_time_its_key_and_its_user() {
    let fixture = Fixture::new(rules());
    let alice = fixture.login("alice", "secret").unwrap();
    let token = fixture.token(&alice, "repository:team/a:pull").token;
    fixture.simulation.run_for(Duration::from_secs(15 * 60 - 1));
    assert!(fixture.bearer(&token).is_ok());
    fixture.simulation.run_for(Duration::from_secs(1));
    assert_eq!(fixture.bearer(&token).unwrap_err(), Refusal::Expired);
    let token = fixture.token(&alice, "repository:team/a:pull").token;
    write(&fixture.simulation, &line("bob", "hunter2"));
    fixture.simulation.run_for(Duration::from_secs(3));
    assert_eq!(fixture.bearer(&token).unwrap_err(), Refusal::Invalid);
    write(&fixture.simulation, &line("alice", "secret"));
    let other = Fixture::on(fixture.simulation, rules(), [4; KEY_BYTES]);
    assert_eq!(other.bearer(&token).unwrap_err(), Refusal::Invalid);
}

#[test]
fn a_token_outlives_a_restart_and_never_grants_what_the_new_rules_forbid() {
    let fixture = Fixture::new(rules());
    let alice = fixture.login("alice", "secret").unwrap();
    let token = fixture.token(&alice, "repository:team/a:pull,push").token;
    let mut fewer = rules();
    fewer[1].actions = vec![Action::Pull];
    let restarted = Fixture::on(fixture.simulation, fewer, KEY);
    assert_eq!(rights(&restarted.bearer(&token).unwrap(), "team/a"), [Action::Pull]);
}

#[test]
fn a_token_from_the_future_is_refused() {
    let fixture = Fixture::new(rules());
    let token = fixture.token(&fixture.login("bob", "hunter2").unwrap(), "repository:team/a:pull").token;
    fixture.simulation.clock().jump_wall(-59_000);
    assert!(fixture.bearer(&token).is_ok());
    fixture.simulation.clock().jump_wall(-3_600_000);
    assert_eq!(fixture.bearer(&token).unwrap_err(), Refusal::Invalid);
}

fn upload(fixture: &Fixture, subject: &str, repository: &str) -> UploadStatus {
    let runtime = fixture.simulation.runtime();
    let now = runtime.clock.unix_ms();
    UploadStatus {
        id: UploadId::random(&*runtime.entropy),
        repository: name(repository),
        subject: subject.to_owned(),
        offset: 0,
        begun_ms: now,
        touched_ms: now,
        hint: None,
    }
}

#[test]
fn a_token_that_expired_is_good_for_the_upload_it_began_and_for_nothing_else() {
    let fixture = Fixture::new(rules());
    let before = upload(&fixture, "alice", "team/a");
    fixture.simulation.run_for(Duration::from_secs(10));
    let alice = fixture.login("alice", "secret").unwrap();
    let token = fixture.token(&alice, "repository:team/a:pull,push").token;
    let narrow = fixture.token(&alice, "repository:team/a:pull").token;
    let begun = upload(&fixture, "alice", "team/a");
    let (of_bob, elsewhere) = (upload(&fixture, "bob", "team/a"), upload(&fixture, "alice", "team/b"));
    fixture.simulation.run_for(Duration::from_secs(3600));
    let after = upload(&fixture, "alice", "team/a");
    let show = |token: &str| {
        let credentials = Credentials::Bearer(token.to_owned());
        fixture.simulation.block_on(fixture.access.authenticate_upload(credentials)).unwrap()
    };
    assert_eq!(fixture.bearer(&token).unwrap_err(), Refusal::Expired);
    let caller = show(&token);
    assert!(caller.is_expired());
    assert_eq!(rights(&caller, "team/a"), []);
    assert!(caller.may_continue(&begun));
    for other in [&before, &after, &of_bob, &elsewhere] {
        assert!(!caller.may_continue(other), "{other:?}");
    }
    assert!(!show(&narrow).may_continue(&begun), "a token without the right to push");
    assert!(
        fixture
            .access
            .issue(&caller, &Scope::parse_all(["repository:team/a:pull"]).unwrap())
            .unwrap()
            .scopes
            .is_empty()
    );
}

#[test]
fn only_who_began_an_upload_goes_on_with_it() {
    let fixture = Fixture::new(Vec::new());
    let begun = upload(&fixture, "alice", "a");
    assert!(fixture.login("alice", "secret").unwrap().may_continue(&begun));
    assert!(!fixture.login("bob", "hunter2").unwrap().may_continue(&begun));
    assert!(!fixture.nobody().may_continue(&begun));
    assert!(
        !fixture.nobody().may_continue(&upload(&fixture, "anonymous", "a")),
        "anonymous may not push here"
    );
}

#[test]
fn a_refresh_token_stands_for_the_user_until_the_password_changes() {
    let fixture = Fixture::new(rules());
    let redeem = |token: &str| fixture.simulation.block_on(fixture.access.redeem(token));
    let alice = fixture.login("alice", "secret").unwrap();
    let refresh = fixture.simulation.block_on(fixture.access.issue_refresh(&alice)).unwrap();
    let access = fixture.token(&alice, "repository:team/a:pull").token;
    assert_eq!(rights(&redeem(&refresh).unwrap(), "team/a"), rights(&alice, "team/a"));
    assert_eq!(redeem(&access).unwrap_err(), Refusal::Invalid, "an access token refreshes nothing");
    assert_eq!(fixture.bearer(&refresh).unwrap_err(), Refusal::Invalid, "a refresh token opens nothing");
    let by_token = fixture.bearer(&access).unwrap();
    assert_eq!(fixture.simulation.block_on(fixture.access.issue_refresh(&by_token)), None);
    assert_eq!(fixture.simulation.block_on(fixture.access.issue_refresh(&fixture.nobody())), None);
    write(&fixture.simulation, &line("alice", "changed"));
    fixture.simulation.run_for(Duration::from_secs(3));
    assert_eq!(redeem(&refresh).unwrap_err(), Refusal::Invalid);
    let alice = fixture.login("alice", "changed").unwrap();
    let refresh = fixture.simulation.block_on(fixture.access.issue_refresh(&alice)).unwrap();
    fixture.simulation.run_for(Duration::from_secs(90 * 24 * 3600));
    assert_eq!(redeem(&refresh).unwrap_err(), Refusal::Expired);
}

#[test]
fn a_changed_password_file_is_in_force_within_seconds() {
    let fixture = Fixture::new(rules());
    fixture.login("alice", "secret").unwrap();
    write(&fixture.simulation, &(line("alice", "new") + &line("carol", "x")));
    fixture.simulation.run_for(Duration::from_secs(3));
    assert_eq!(fixture.login("alice", "secret").unwrap_err(), Refusal::Invalid, "remembered logins end too");
    assert!(fixture.login("alice", "new").is_ok() && fixture.login("carol", "x").is_ok());
    assert_eq!(fixture.login("bob", "hunter2").unwrap_err(), Refusal::Invalid);
}

#[test]
fn a_password_file_that_breaks_or_goes_leaves_the_last_good_one_in_force() {
    let fixture = Fixture::new(rules());
    write(&fixture.simulation, "alice:plain\n");
    fixture.simulation.run_for(Duration::from_secs(3));
    assert!(fixture.login("alice", "secret").is_ok());
    let problem = fixture.access.problem().unwrap();
    assert!(problem.contains("line 1") && problem.contains(FILE), "{problem}");
    dockless_runtime::Disk::remove(&*fixture.simulation.disk(), Path::new(FILE)).unwrap();
    fixture.simulation.run_for(Duration::from_secs(3));
    assert!(fixture.login("alice", "secret").is_ok());
    assert!(fixture.access.problem().unwrap().contains("cannot be read"));
    write(&fixture.simulation, &line("alice", "mended"));
    fixture.simulation.run_for(Duration::from_secs(3));
    assert!(fixture.login("alice", "mended").is_ok());
    assert_eq!(fixture.access.problem(), None);
}

#[test]
fn a_node_does_not_start_with_a_password_file_it_cannot_use() {
    let simulation = Simulation::new(1);
    let open = || {
        let settings = Settings::default();
        let error = Access::from_htpasswd(simulation.runtime(), FILE.into(), Vec::new(), KEY, settings)
            .err()
            .unwrap();
        error.to_string()
    };
    assert!(open().contains("cannot be read"));
    write(&simulation, "alice:$apr1$a$b\n");
    assert!(open().contains("line 1"));
}

#[test]
fn scopes_that_do_not_fit_into_a_token_are_an_error() {
    let fixture = Fixture::new(Vec::new());
    let alice = fixture.login("alice", "secret").unwrap();
    let scopes: Vec<Scope> = (0..SCOPES_MAX)
        .map(|number| Scope::repository(name(&format!("{}{number}", "a".repeat(250))), [Action::Pull]))
        .collect();
    assert_eq!(fixture.access.issue(&alice, &scopes).err(), Some(ScopesTooLong));
}

#[test]
fn the_key_is_made_once_and_kept() {
    let simulation = Simulation::new(1);
    let runtime = simulation.runtime();
    let directory = Path::new("/data/keys");
    let key = open_or_create_key(&runtime, directory).unwrap();
    assert_ne!(key, [0; KEY_BYTES]);
    assert_eq!(open_or_create_key(&runtime, directory).unwrap(), key);
    simulation.power_cycle(7);
    let again = Simulation::with_disk(2, simulation.disk());
    assert_eq!(open_or_create_key(&again.runtime(), directory).unwrap(), key);
    write_file_durable(&*again.disk(), &directory.join("token.key"), b"short", true).unwrap();
    let message = open_or_create_key(&again.runtime(), directory).unwrap_err().to_string();
    assert!(message.contains("5 bytes instead of 32"), "{message}");
}

#[test]
fn credentials_are_never_shown() {
    let basic = Credentials::Basic { user: "alice".into(), password: "secret".into() };
    assert!(!format!("{basic:?}{:?}", Credentials::Bearer("secret".into())).contains("secret"));
}

#[test]
fn sources_learn_who_may_pull_by_the_rules_alone() {
    let guarded = Fixture::new(rules()).access;
    let (open, users) = (Access::anonymous(), Fixture::new(Vec::new()).access);
    assert!(guarded.has_rules() && !open.has_rules() && !users.has_rules());
    let alice = Principal::User("alice".into());
    for (principal, repository, expected) in [
        (&Principal::Anonymous, "public/app", [true, true, false]),
        (&Principal::Anonymous, "team/app", [false, true, false]),
        (&alice, "team/app", [true, true, true]),
        (&alice, "other", [false, true, true]),
        (&Principal::Owner, "other", [true, true, true]),
    ] {
        let may = [&*guarded, &open, &*users].map(|access| access.may_pull(principal, repository));
        assert_eq!(may, expected, "{principal:?} {repository}");
    }
}
