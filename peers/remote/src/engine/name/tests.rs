//! Every row of the name table, both ways.

use dockless_oci::{Digest, RepositoryName, Tag};
use dockless_registry::{Asked, Principal};
use proptest::prelude::*;

use super::{EngineName, Version, candidates, listed, listed_among};

fn asked(repository: &str, namespace: Option<&str>) -> Asked {
    Asked {
        repository: RepositoryName::parse(repository).unwrap(),
        namespace: namespace.map(Into::into),
        principal: Principal::Anonymous,
    }
}

#[test]
fn a_repository_is_looked_for_under_the_names_of_the_table() {
    let docker = [
        ("app", None, &["docker.io/library/app"][..]),
        ("library/app", None, &["docker.io/library/app"]),
        ("docker.io/library/app", None, &["docker.io/library/app"]),
        ("docker.io/app", None, &["docker.io/library/app"]),
        ("index.docker.io/team/app", None, &["docker.io/team/app"]),
        ("team/app", None, &["docker.io/team/app"]),
        ("a/b/c", None, &["docker.io/a/b/c"]),
        ("app.v2", None, &["docker.io/library/app.v2"]),
        ("ghcr.io/x/y", None, &["ghcr.io/x/y"]),
        ("localhost/app", None, &["localhost/app"]),
        ("localhost_5000/app", None, &["localhost:5000/app", "docker.io/localhost_5000/app"]),
        (
            "registry.example_5000/app",
            None,
            &["registry.example:5000/app", "docker.io/registry.example_5000/app"],
        ),
        ("10.0.0.1_80/app", None, &["10.0.0.1:80/app", "docker.io/10.0.0.1_80/app"]),
        ("my_app_1/x", None, &["docker.io/my_app_1/x"]),
        ("host_65536/x", None, &["docker.io/host_65536/x"]),
        ("a__b/x", None, &["docker.io/a__b/x"]),
        ("x/y", Some("ghcr.io"), &["ghcr.io/x/y"]),
        ("app", Some("localhost:5000"), &["localhost:5000/app"]),
        ("library/app", Some("docker.io"), &["docker.io/library/app"]),
        ("app", Some("registry-1.docker.io"), &["docker.io/library/app"]),
        ("app", Some("a/b"), &[]),
        ("app", Some(""), &[]),
        ("app", Some("[::1]:5000"), &[]),
        ("app", Some("x:+80"), &[]),
        ("app", Some("x:"), &[]),
    ];
    for (repository, namespace, expected) in docker {
        assert_eq!(candidates(&asked(repository, namespace), false), expected, "{repository} {namespace:?}");
    }
    let podman = [
        ("app", None, &["docker.io/library/app", "localhost/app"][..]),
        ("library/app", None, &["docker.io/library/app", "localhost/app", "localhost/library/app"]),
        ("team/app", None, &["docker.io/team/app", "localhost/team/app"]),
        ("localhost/app", None, &["localhost/app"]),
        ("ghcr.io/x/y", None, &["ghcr.io/x/y"]),
        ("app", Some("docker.io"), &["docker.io/library/app"]),
    ];
    for (repository, namespace, expected) in podman {
        assert_eq!(candidates(&asked(repository, namespace), true), expected, "{repository} {namespace:?}");
    }
}

#[test]
fn what_is_too_long_for_an_engine_is_not_looked_for() {
    let (fits, too_long) = ("a".repeat(237), "a".repeat(238));
    assert_eq!(candidates(&asked(&fits, None), false), [format!("docker.io/library/{fits}")]);
    assert_eq!(candidates(&asked(&too_long, None), false), [""; 0]);
    assert_eq!(candidates(&asked(&too_long, None), true), [format!("localhost/{too_long}")]);
    assert_eq!(candidates(&asked(&too_long, Some("registry.example:5000")), false), [""; 0]);
    assert!(EngineName::parse(&fits).is_some() && EngineName::parse(&too_long).is_none());
}

#[test]
fn lists_spell_what_the_engine_calls_an_image_as_the_table_does() {
    let rows = [
        ("docker.io/library/app:1", false, Some("app")),
        ("app:1", false, Some("app")),
        ("library/app", false, Some("app")),
        ("team/app:1", false, Some("team/app")),
        ("docker.io/library/a/b:1", false, Some("library/a/b")),
        ("ghcr.io/x/y:2", false, Some("ghcr.io/x/y")),
        ("localhost:5000/app:1", false, Some("localhost_5000/app")),
        ("registry:5000/app", false, Some("registry_5000/app")),
        ("docker.io:443/library/app", false, Some("docker.io_443/library/app")),
        ("localhost/app:1", false, Some("localhost/app")),
        ("localhost/app:1", true, Some("app")),
        ("localhost/team/app:1", true, Some("team/app")),
        ("localhost/library/app:1", true, Some("library/app")),
        ("localhost/ghcr.io/x:1", true, Some("localhost/ghcr.io/x")),
        ("localhost/localhost/x:1", true, Some("localhost/localhost/x")),
        ("docker.io/library/app:1", true, Some("app")),
        ("GHCR.io/x/y:2", false, None),
        ("Registry/x:2", false, None),
    ];
    for (name, local, expected) in rows {
        let name = EngineName::parse(name).unwrap();
        let spelled = listed(&name.repository, local);
        assert_eq!(spelled.as_ref().map(RepositoryName::as_str), expected, "{name:?} {local}");
    }
}

#[test]
fn a_repository_whose_short_spelling_leads_elsewhere_is_listed_by_its_long_one() {
    let there = [
        ("docker.io/library/app", "app"),
        ("localhost/app", "localhost/app"),
        ("localhost/other", "other"),
        ("localhost/library/app", "localhost/library/app"),
        ("localhost:5000/app", "localhost_5000/app"),
        ("docker.io/localhost_5000/app", "docker.io/localhost_5000/app"),
    ];
    for (repository, expected) in there {
        let name = listed_among(repository, true, |other| there.iter().any(|(there, _)| *there == other));
        assert_eq!(name.unwrap().as_str(), expected);
    }
}

#[test]
fn an_engine_name_is_taken_apart_and_completed() {
    let digest = Digest::sha256(b"");
    let tag = |text| Version::Tag(Tag::parse(text).unwrap());
    let rows = [
        ("app:1".to_owned(), "docker.io/library/app", tag("1")),
        ("app".to_owned(), "docker.io/library/app", tag("latest")),
        ("localhost:5000/app".to_owned(), "localhost:5000/app", tag("latest")),
        ("localhost:5000/app:V_1".to_owned(), "localhost:5000/app", tag("V_1")),
        (format!("ghcr.io/x/y@{digest}"), "ghcr.io/x/y", Version::Digest(digest.clone())),
        (format!("ghcr.io/x/y:1@{digest}"), "ghcr.io/x/y", Version::Digest(digest)),
    ];
    for (text, repository, version) in rows {
        let parsed = EngineName::parse(&text);
        assert_eq!(parsed, Some(EngineName { repository: repository.to_owned(), version }), "{text}");
    }
    for text in
        ["<none>:<none>", "", ":1", "app:", "app:.x", "a//b", "/a", "[::1]:5000/app", "app@sha256:x", "App"]
    {
        assert_eq!(EngineName::parse(text), None, "{text}");
    }
}

proptest! {
    #[test]
    fn what_is_listed_is_found_under_the_listed_name(
        host in "(docker\\.io/|localhost/|library/|[a-z]{1,3}(\\.[a-z]{1,2})?(:[0-9]{1,5})?/|localhost:[0-9]{1,5}/)?",
        path in "(library/|localhost/|localhost_5000/|[a-z]{1,2}\\.[a-z]{1,2}/)?[a-z]{1,3}([._-][a-z0-9]{1,3})?(/[a-z]{1,2})?",
        local: bool,
    ) {
        let Some(name) = EngineName::parse(&format!("{host}{path}:1")) else { return Ok(()) };
        if let Some(listed) = listed(&name.repository, local) {
            prop_assert!(candidates(&asked(listed.as_str(), None), local).contains(&name.repository));
        } else {
            prop_assert!(false, "{name:?} is not addressable");
        }
    }

    #[test]
    fn no_text_makes_the_reader_fail(text in "\\PC{0,40}", local: bool) {
        if let Some(name) = EngineName::parse(&text) {
            let again = EngineName::parse(&format!("{}:1", name.repository));
            prop_assert_eq!(again.map(|again| again.repository), Some(name.repository.clone()));
            let _ = listed(&name.repository, local);
        }
    }
}
