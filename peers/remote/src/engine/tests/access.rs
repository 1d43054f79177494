//! Who is answered what, where rules say who may pull from which repository.

use dockless_registry::Rule;
use dockless_registry::access::{Action, Pattern, Settings};
use dockless_runtime::disk::write_file_durable;

use super::*;

/// An engine with rules: each a user, and a pattern of what that one may pull.
fn guarded(fake: Fake, rules: &[(&str, &str)]) -> Place {
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
