//! Who is answered what, where rules say who may pull from which repository.

use dockless_registry::Rule;
use dockless_registry::access::{Action, Pattern, Settings};
use dockless_runtime::disk::write_file_durable;

use super::*;

/// An engine with rules: each a user, and a pattern of what that one may pull.
pub(super) fn guarded(fake: Fake, rules: &[(&str, &str)]) -> Place {
    let mut place = Place::with(fake, Share::All);
    let users = place.directory.path().join("users");
    let runtime = Runtime { clock: place.clock.clone(), ..Runtime::real() };
    write_file_durable(&*runtime.disk, &users, b"", true).unwrap();
    let rule = |(user, pattern): &(&str, &str)| Rule {
        users: vec![(*user).to_owned()],
        repositories: vec![Pattern::parse(pattern).unwrap()],
        actions: vec![Action::Pull],
    };
    let rules = rules.iter().map(rule).collect();
    let access = Access::from_htpasswd(runtime.clone(), users, rules, [1; 32], Settings::default()).unwrap();
    let address = format!("unix://{}", place.directory.path().join("engine.sock").display());
    let settings = EngineSettings {
        address: address.parse().unwrap(),
        share: Share::All,
        spool: place.directory.path().join("spool"),
        spool_bytes_max: 64 << 20,
    };
    place.engine = Arc::new(Engine::new(runtime, settings, Arc::new(access), &EngineMetrics::default()));
    place
}

/// A question by a spelling, with the registry that is meant after a `?`.
fn spelled(spelling: &str, principal: Principal) -> Asked {
    let (path, namespace) = match spelling.split_once('?') {
        Some((path, namespace)) => (path, Some(namespace.into())),
        None => (spelling, None),
    };
    Asked { namespace, principal, ..asked(path) }
}

fn user(name: &str) -> Principal {
    Principal::User(name.into())
}

#[tokio::test]
async fn a_repository_is_answered_to_those_who_may_pull_what_lists_call_it_by_any_spelling() {
    let names = ["ghcr.io/public/app:1", "secret:1", "public/free:1", "UPPER.io/public/app:1"];
    let image = Picture::new(&[b"1"], &names);
    let rules =
        [("anonymous", "public/**"), ("anonymous", "library/**"), ("alice", "ghcr.io/**"), ("root", "**")];
    let place = guarded(Fake::new(vec![image.clone()]), &rules);
    assert!(place.engine.traits().private);
    let (one, anybody) = (Reference::parse("1").unwrap(), Principal::Anonymous);
    for (spelling, principal, answered) in [
        ("public/free", anybody.clone(), true),
        ("public/free?docker.io", anybody.clone(), true),
        ("docker.io/public/free", anybody.clone(), true),
        ("public/app?ghcr.io", anybody.clone(), false),
        ("ghcr.io/public/app", anybody.clone(), false),
        ("public/app?UPPER.io", anybody.clone(), false),
        ("library/secret", anybody.clone(), false),
        ("docker.io/library/secret", anybody.clone(), false),
        ("secret", anybody, false),
        ("public/app?ghcr.io", user("alice"), true),
        ("ghcr.io/public/app", user("alice"), true),
        ("library/secret", user("alice"), false),
        ("public/app?UPPER.io", user("alice"), false),
        ("public/app?UPPER.io", user("root"), true),
        ("library/secret", user("root"), true),
        ("library/secret", Principal::Owner, true),
    ] {
        let asked = spelled(spelling, principal);
        let manifest = place.engine.manifest(&asked, &one).await.unwrap();
        assert_eq!(manifest.is_some(), answered, "{asked:?}");
        let blob = place.engine.blob(&asked, &image.id()).await.unwrap();
        assert_eq!(blob.is_some(), answered, "{asked:?}");
        assert_eq!(place.engine.tags(&asked).await.unwrap().is_some(), answered, "{asked:?}");
    }
}

#[tokio::test]
async fn where_one_found_a_blob_tells_nothing_to_one_who_may_less() {
    let image = Picture::new(&[b"1"], &["localhost/library/app:1"]);
    let fake = Fake { podman: true, ..Fake::new(vec![image.clone()]) };
    // The spelling `library/app` may mean `docker.io/library/app`, which lists as `app`, and this one.
    let place = guarded(fake, &[("*", "app"), ("alice", "library/app"), ("alice", "localhost/**")]);
    for (name, answered) in [("bob", false), ("alice", true), ("bob", false)] {
        let asked = spelled("library/app", user(name));
        let blob = place.engine.blob(&asked, &image.id()).await.unwrap();
        assert_eq!(blob.is_some(), answered, "{name}");
    }
}

#[tokio::test]
async fn without_rules_answers_are_for_everybody() {
    let place = guarded(Fake::new(vec![Picture::new(&[b"1"], &["secret:1"])]), &[]);
    assert!(!place.engine.traits().private);
    let asked = spelled("library/secret", user("alice"));
    assert!(place.engine.manifest(&asked, &Reference::parse("1").unwrap()).await.unwrap().is_some());
}

#[tokio::test]
async fn podman_names_without_a_host_are_answered_to_those_who_may_pull_what_lists_call_them_now() {
    let (pulled, own) = (
        Picture::new(&[b"1"], &["docker.io/library/app:1"]),
        Picture::new(&[b"2"], &["localhost/app:2", "localhost/lone:2"]),
    );
    let fake = Fake { podman: true, ..Fake::new(vec![pulled, own]) };
    let rules = [("bob", "app"), ("bob", "lone"), ("alice", "localhost/**"), ("carol", "**")];
    let place = guarded(fake, &rules);
    let answered = async |name: &str, spelling: &str| {
        let (asked, two) = (spelled(spelling, user(name)), Reference::parse("2").unwrap());
        place.engine.manifest(&asked, &two).await.unwrap().is_some()
    };
    // The short name is that of docker.io's repository, so this one has its long name.
    for spelling in ["app", "library/app", "app?localhost", "localhost/app"] {
        assert!(!answered("bob", spelling).await, "{spelling}");
        assert!(answered("alice", spelling).await, "{spelling}");
        assert!(answered("carol", spelling).await, "{spelling}");
    }
    for (name, expected) in [("bob", &["app", "lone"][..]), ("alice", &["localhost/app"])] {
        let listed = place.engine.repositories(&user(name)).await.unwrap();
        assert_eq!(listed.iter().map(RepositoryName::as_str).collect::<Vec<_>>(), expected, "{name}");
    }
    // What has the short name to itself goes by that.
    assert!(answered("bob", "lone").await && answered("bob", "localhost/lone").await);
    assert!(!answered("alice", "lone").await && !answered("alice", "localhost/lone").await);
    place.fake.images.lock().unwrap().remove(0);
    assert!(answered("bob", "app").await && !answered("alice", "localhost/app").await);
}

#[tokio::test]
async fn engines_are_listed_for_a_request_only_where_rules_depend_on_it() {
    let fake = Fake { podman: true, ..Fake::new(vec![Picture::new(&[b"1"], &["localhost/app:1"])]) };
    let place = guarded(fake, &[("bob", "app"), ("carol", "**")]);
    for (name, lists) in [("carol", 0), ("dave", 0), ("bob", 1)] {
        let asked = spelled("app", user(name));
        let found = place.engine.manifest(&asked, &Reference::parse("1").unwrap()).await.unwrap();
        assert_eq!(found.is_some(), name != "dave");
        assert_eq!(place.fake.lists.load(std::sync::atomic::Ordering::SeqCst), lists, "{name}");
    }
}
