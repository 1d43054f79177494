//! Which images are answered under which names.

use std::sync::atomic::Ordering;

use dockless_registry::access::Pattern;

use super::*;

async fn repositories(place: &Place) -> Vec<String> {
    let listed = place.engine.repositories(&Principal::Anonymous).await.unwrap();
    listed.iter().map(ToString::to_string).collect()
}

async fn tags(place: &Place, repository: &str) -> Option<Vec<String>> {
    let tags = place.engine.tags(&asked(repository)).await.unwrap()?;
    Some(tags.iter().map(ToString::to_string).collect())
}

#[tokio::test]
async fn lists_are_what_the_engine_lists() {
    let place = Place::new(vec![
        Picture::new(&[b"1"], &["app:1", "app:latest", "localhost:5000/app:3"]),
        Picture::new(&[b"2"], &["app:2", "team/app:1", "ghcr.io/x/y:1", "UPPER.io/x:1"]),
        Picture::new(&[b"3"], &["<none>:<none>"]),
        Picture::new(&[b"4"], &[]),
    ]);
    assert_eq!(repositories(&place).await, ["app", "ghcr.io/x/y", "localhost_5000/app", "team/app"]);
    for (repository, expected) in [
        ("app", Some(vec!["1", "2", "latest"])),
        ("library/app", Some(vec!["1", "2", "latest"])),
        ("docker.io/library/app", Some(vec!["1", "2", "latest"])),
        ("localhost_5000/app", Some(vec!["3"])),
        ("team/app", Some(vec!["1"])),
        ("team/other", None),
    ] {
        let expected = expected.map(|tags| tags.into_iter().map(str::to_owned).collect());
        assert_eq!(tags(&place, repository).await, expected, "{repository}");
    }
    let namespace = Some("ghcr.io".into());
    let meant = Asked { namespace, ..asked("x/y") };
    let reference = Reference::parse("1").unwrap();
    assert!(place.engine.manifest(&meant, &reference).await.unwrap().is_some());
    assert!(place.engine.manifest(&asked("x/y"), &reference).await.unwrap().is_none());
}

#[tokio::test]
async fn podman_names_without_a_host_are_found_behind_those_of_docker_io() {
    let images = vec![
        Picture::new(&[b"1"], &["localhost/app:1", "localhost/app:2", "localhost/own:1"]),
        Picture::new(&[b"2"], &["docker.io/library/app:2"]),
    ];
    let place = Place::with(Fake { podman: true, ..Fake::new(images) }, Share::All);
    assert_eq!(repositories(&place).await, ["app", "localhost/app", "own"]);
    // Each name of the engine once.
    for (repository, expected) in [("app", &["2"][..]), ("localhost/app", &["1", "2"]), ("own", &["1"])] {
        assert_eq!(tags(&place, repository).await.unwrap(), expected, "{repository}");
    }
    let local = parts(&place.tagged("app", "1").await.unwrap().unwrap());
    let pulled = parts(&place.tagged("app", "2").await.unwrap().unwrap());
    assert_eq!((&local[1].0, &pulled[1].0), (&Digest::sha256(b"1"), &Digest::sha256(b"2")));
    assert_eq!(parts(&place.tagged("localhost/app", "2").await.unwrap().unwrap()), local);
    assert_eq!(place.engine.status().await.description, "podman 4.3.1, overlay2");
}

#[tokio::test]
async fn the_parts_of_what_was_pulled_are_found_without_a_list() {
    let image = Picture::new(&[b"1", b"2"], &["app:1"]);
    let place = Place::new(vec![Picture::new(&[b"3"], &["app:2"]), image.clone()]);
    let manifest = place.tagged("app", "1").await.unwrap().unwrap();
    assert_eq!(place.tagged("app", manifest.digest.as_str()).await, Ok(Some(manifest)));
    for digest in image.digests().into_iter().chain([image.id()]) {
        assert!(place.read("app", &digest).await.is_some());
    }
    assert_eq!(place.fake.lists.load(Ordering::SeqCst), 0);
    assert!(place.read("app", &Digest::sha256(b"3")).await.is_some(), "of another image of the repository");
    assert_eq!(place.fake.lists.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn what_is_not_shared_is_unknown() {
    let image = Picture::new(&[b"1"], &["team/app:1", "secret:1"]);
    let share = Share::Patterns(vec![Pattern::parse("team/**").unwrap()]);
    let place = Place::with(Fake::new(vec![image.clone()]), share);
    assert_eq!(repositories(&place).await, ["team/app"]);
    assert_eq!(tags(&place, "secret").await, None);
    assert_eq!(place.tagged("secret", "1").await, Ok(None));
    assert_eq!(place.read("secret", &image.id()).await, None);
    assert_eq!(place.engine.status().await.images, Some(1));
    for spelling in ["team/app", "docker.io/team/app"] {
        assert!(place.tagged(spelling, "1").await.unwrap().is_some());
    }
    let place = Place::with(Fake::new(vec![image]), Share::None);
    assert_eq!(repositories(&place).await, [""; 0]);
    assert_eq!(place.tagged("team/app", "1").await, Ok(None));
}

#[tokio::test]
async fn what_is_shared_goes_by_the_name_that_lists_show() {
    let images = || {
        vec![Picture::new(&[b"1"], &["docker.io/library/app:1"]), Picture::new(&[b"2"], &["localhost/app:2"])]
    };
    for (pattern, answered, listed) in [("app", false, "app"), ("localhost/**", true, "localhost/app")] {
        let share = Share::Patterns(vec![Pattern::parse(pattern).unwrap()]);
        let place = Place::with(Fake { podman: true, ..Fake::new(images()) }, share);
        for spelling in ["app", "localhost/app"] {
            assert_eq!(place.tagged(spelling, "2").await.unwrap().is_some(), answered, "{spelling}");
        }
        assert_eq!(repositories(&place).await, [listed]);
        assert_eq!(place.engine.status().await.images, Some(1));
    }
}
