//! Engines that are down, hang, break off or lie; and clients that leave.

use std::future::poll_fn;
use std::sync::atomic::Ordering;
use std::task::Poll;

use futures_util::FutureExt as _;
use futures_util::future::join_all;

use super::*;

/// Polls a future once.
async fn polled<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    poll_fn(|context| Poll::Ready(future.poll_unpin(context))).await
}

fn unavailable<T: fmt::Debug>(result: Result<T, SourceError>) -> String {
    match result {
        Err(SourceError::Unavailable(words)) => words,
        other => panic!("{other:?}"),
    }
}

fn refused<T: fmt::Debug>(result: Result<T, SourceError>) -> String {
    match result {
        Err(SourceError::Refused(words)) => words,
        other => panic!("{other:?}"),
    }
}

fn damaged<T: fmt::Debug>(result: Result<T, SourceError>) -> String {
    match result {
        Err(SourceError::Damaged(words)) => words,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn twenty_who_wait_cost_one_export() {
    let place = Place::new(vec![app()]);
    let asks: Vec<_> = (0..20).map(|_| place.tagged("app", "1")).collect();
    let manifests = join_all(asks).await;
    assert!(
        manifests
            .iter()
            .all(|manifest| manifest == &manifests[0] && manifest.as_ref().is_ok_and(Option::is_some))
    );
    assert_eq!(place.fake.saves(), 1);
}

#[tokio::test]
async fn an_export_is_given_up_when_the_last_who_waits_leaves_and_nothing_stays_of_it() {
    let place = Place::new(vec![app()]);
    place.fake.gate.forget_permits(usize::MAX);
    let ask = async || place.tagged("app", "1").await;
    let (mut one, mut two) = (Box::pin(ask()), Box::pin(ask()));
    while place.fake.saves() == 0 {
        assert!(polled(&mut one).await.is_pending() && polled(&mut two).await.is_pending());
        tokio::task::yield_now().await;
    }
    drop(one);
    assert!(polled(&mut two).await.is_pending(), "the other one goes on");
    assert!(place.fake.given_up.notified().now_or_never().is_none());
    drop(two);
    place.fake.given_up.notified().await;
    while !place.half_files().is_empty() {
        tokio::task::yield_now().await;
    }
    place.fake.gate.add_permits(1);
    assert!(ask().await.unwrap().is_some());
    assert_eq!(place.fake.saves(), 2);
}

#[tokio::test]
async fn an_export_that_breaks_off_or_lies_leaves_nothing_and_can_be_tried_again() {
    let place = Place::new(vec![app()]);
    for at in [0, 100, 600, 5_000, 1_200_000] {
        place.fake.behave(Manner::Cuts(at));
        let words = refused(place.tagged("app", "1").await);
        assert!(words.contains("broke off"), "{at}: {words}");
    }
    place.fake.behave(Manner::Garbage);
    let words = damaged(place.tagged("app", "1").await);
    assert!(words.contains("a header of the archive is damaged"), "{words}");
    for manner in [Manner::Lacks, Manner::Turns] {
        place.fake.behave(manner);
        let words = damaged(place.tagged("app", "1").await);
        let missing = Digest::sha256(&[0; 1024]);
        assert!(words.contains(&format!("{missing} is not in it")), "{words}");
        assert!(words.contains(app().id().as_str()), "{words}");
    }
    place.fake.behave(Manner::Well);
    assert!(place.tagged("app", "1").await.unwrap().is_some());
    while !place.half_files().is_empty() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn an_image_that_does_not_fit_into_the_spool_is_refused_in_words() {
    let place = Place::new(vec![app()]);
    let engine = Place::engine(place.directory.path(), place.clock.clone(), Share::All, 1_000_000);
    let words = refused(engine.manifest(&asked("app"), &Reference::parse("1").unwrap()).await);
    assert!(
        words.contains("1500000 bytes") && words.contains("may hold 1000000 bytes; allow more"),
        "{words}"
    );
}

#[tokio::test]
async fn an_image_larger_than_half_of_the_spool_is_exported_again_when_part_of_it_went() {
    let image = app();
    let place = Place::new(vec![image.clone()]);
    // Room for the image, and not for its large layer twice.
    let engine = Place::engine(place.directory.path(), place.clock.clone(), Share::All, 2_000_000);
    let ask = async || engine.manifest(&asked("app"), &Reference::parse("1").unwrap()).await;
    assert!(ask().await.unwrap().is_some());
    let blobs = place.directory.path().join("spool/blobs/sha256");
    for (number, (digest, bytes)) in image.digests().iter().zip(&image.layers).enumerate().skip(2) {
        #[expect(clippy::disallowed_methods, reason = "somebody removes it")]
        std::fs::remove_file(blobs.join(&digest.hex()[..2]).join(digest.hex())).unwrap();
        let blob = engine.blob(&asked("app"), digest).await.unwrap();
        let Some(SourceBlob::InPlace(blob)) = blob else { panic!("{blob:?}") };
        assert_eq!(read(&blob).await, bytes);
        assert_eq!(place.fake.saves(), number);
    }
    assert_eq!(place.fake.saves(), 3);
}

#[tokio::test]
async fn a_layer_that_is_read_out_of_the_spool_takes_no_room_twice_when_an_export_brings_it_again() {
    let image = app();
    let place = Place::new(vec![image.clone()]);
    let engine = Place::engine(place.directory.path(), place.clock.clone(), Share::All, 2_000_000);
    assert!(engine.manifest(&asked("app"), &Reference::parse("1").unwrap()).await.unwrap().is_some());
    let open = async |digest: &Digest| match engine.blob(&asked("app"), digest).await {
        Ok(Some(SourceBlob::InPlace(blob))) => blob,
        other => panic!("{other:?}"),
    };
    let mut layers: Vec<_> = image.digests().into_iter().zip(&image.layers).collect();
    layers.sort_by_key(|(_, bytes)| bytes.len());
    let [small, .., large] = &layers[..] else { panic!("some layers") };
    let reading = open(&large.0).await;
    let blobs = place.directory.path().join("spool/blobs/sha256");
    #[expect(clippy::disallowed_methods, reason = "somebody removes it")]
    std::fs::remove_file(blobs.join(&small.0.hex()[..2]).join(small.0.hex())).unwrap();
    assert_eq!(read(&open(&small.0).await).await, small.1);
    assert_eq!(read(&reading).await, large.1);
    assert_eq!(place.fake.saves(), 2);
}

#[tokio::test]
async fn an_engine_that_is_down_is_told_of_and_found_again() {
    let mut place = Place::new(vec![app()]);
    assert!(place.tagged("app", "1").await.unwrap().is_some());
    place.stop();
    let words = unavailable(place.tagged("app", "1").await);
    let socket = format!("unix://{}/engine.sock", place.directory.path().display());
    assert_eq!(words, format!("the engine at {socket} is not there: no such socket; is it running?"));
    let status = place.engine.status().await;
    assert_eq!((status.images, status.problem), (None, Some(words)));
    // It comes back as another one.
    place.fake = Arc::new(Fake { podman: true, ..Fake::new(vec![app()]) });
    place.start();
    assert!(place.tagged("app", "1").await.unwrap().is_some());
    let status = place.engine.status().await;
    assert_eq!(status.description, "podman 4.3.1, overlay2");
    assert_eq!((status.images, status.problem), (Some(1), None));
}

#[tokio::test]
async fn an_engine_without_readable_storage_says_so() {
    let place = Place::new(vec![app()]);
    let status = place.engine.status().await;
    assert_eq!(status.description, "docker 20.10.24+dfsg1, overlay2");
    let note = status.note.unwrap();
    assert!(note.contains("/nowhere/at/all"), "{note}");
}

#[tokio::test]
async fn an_engine_that_hangs_is_given_up_after_its_limit() {
    let place = Place::new(vec![app()]);
    for (path, limit, words) in [
        ("/version", 5, "did not say what it is within 5 s: does it hang?"),
        ("/info", 5, "did not say what it is within 5 s: does it hang?"),
        ("/images/docker.io", 10, "did not answer within 10 s: does it hang?"),
        ("/get", 15 * 60, "did not answer within 900 s: does it hang?"),
    ] {
        place.fake.behave(Manner::Hangs(path));
        let mut ask = Box::pin(place.tagged("app", "1"));
        tokio::select! {
            biased;
            early = &mut ask => panic!("{path}: {early:?}"),
            () = place.fake.hanging.notified() => {}
        }
        place.clock.advance(Duration::from_secs(limit));
        let told = match path {
            // One image.
            "/get" => refused(ask.await),
            _ => unavailable(ask.await),
        };
        assert!(told.ends_with(words), "{path}: {told}");
        // What took long to fail is not tried again at once.
        if path == "/version" {
            assert_eq!(unavailable(place.tagged("app", "1").await), told);
        }
        place.clock.advance(Duration::from_secs(limit));
    }
    place.fake.behave(Manner::Well);
    assert!(place.tagged("app", "1").await.unwrap().is_some());
}

#[tokio::test]
async fn an_export_that_stalls_is_given_up() {
    let place = Place::new(vec![app()]);
    place.fake.gate.forget_permits(usize::MAX);
    let mut ask = Box::pin(place.tagged("app", "1"));
    while place.fake.saves() == 0 {
        assert!(polled(&mut ask).await.is_pending());
        tokio::task::yield_now().await;
    }
    let told = loop {
        place.clock.advance(Duration::from_secs(60));
        match polled(&mut ask).await {
            Poll::Ready(told) => break refused(told),
            Poll::Pending => tokio::task::yield_now().await,
        }
    };
    assert!(told.ends_with("sent nothing for 60 s: does it hang?"), "{told}");
    place.fake.given_up.notified().await;
}

#[tokio::test]
async fn what_is_no_engine_that_we_know_is_told_in_words() {
    let place = Place::new(vec![app()]);
    place.fake.behave(Manner::Fails);
    let told = unavailable(place.tagged("app", "1").await);
    assert!(told.ends_with("answered 500: the disk is on fire"), "{told}");
    // It speaks HTTP/2, but not as containerd.
    place.fake.behave(Manner::Foreign);
    let told = unavailable(place.tagged("app", "1").await);
    assert!(told.contains("did not answer as containerd"), "{told}");
    // What stops may be any engine.
    place.fake.behave(Manner::Closes);
    let told = unavailable(place.tagged("app", "1").await);
    assert!(told.contains("did not answer as one"), "{told}");
    place.fake.behave(Manner::Well);
    assert!(place.tagged("app", "1").await.unwrap().is_some());
}

#[tokio::test]
async fn an_image_whose_config_is_none_has_no_manifest() {
    let mut image = app();
    // As docker calls it by when it keeps manifests.
    image.config = br#"{"schemaVersion":2,"config":{},"layers":[]}"#.to_vec();
    for form in [Form::Folders, Form::Layout] {
        let place = Place::with(Fake { form, ..Fake::new(vec![image.clone()]) }, Share::All);
        let told = damaged(place.tagged("app", "1").await);
        assert!(told.contains("its config cannot be read: missing field `rootfs`"), "{told}");
        assert_eq!(damaged(place.tagged("app", "1").await), told);
        assert_eq!(place.fake.saves(), 1, "what was exported is kept");
    }
}

#[tokio::test]
async fn a_damaged_image_hides_no_other_one_of_its_repository() {
    let mut bad = Picture::new(&[b"bad"], &["app:1"]);
    bad.config = b"{}".to_vec();
    let mut place = Place::new(vec![bad, Picture::new(&[b"good"], &["app:2"])]);
    let _held_now = damaged(place.tagged("app", "1").await);
    let good = place.tagged("app", "2").await.unwrap().unwrap();
    place.restart();
    assert_eq!(place.tagged("app", good.digest.as_str()).await, Ok(Some(good)));
    let told = damaged(place.tagged("app", Digest::sha256(b"of none").as_str()).await);
    assert!(told.contains("its config cannot be read"), "{told}");
}

#[tokio::test]
async fn an_image_that_takes_long_to_fail_hides_no_other_one_until_there_are_many_of_them() {
    let names = ["app:1", "app:2", "app:3", "app:4", "app:5", "app:6", "app:7", "app:8"];
    let image = |name: &&'static str| Picture::new(&[b"base", name.as_bytes()], &[*name]);
    let place = Place::new(names.iter().map(image).collect());
    let get = |name: &'static str| format!("/{}/get", image(&name).id()).leak();
    let (repository, digest) = (asked("app"), Digest::sha256(b"base"));
    // The first one fails after a quarter of an hour, the second one has it.
    place.fake.behave(Manner::Hangs(get("app:1")));
    let mut ask = Box::pin(place.engine.blob(&repository, &digest));
    tokio::select! {
        biased;
        early = &mut ask => panic!("{early:?}"),
        () = place.fake.hanging.notified() => {}
    }
    place.clock.advance(Duration::from_secs(15 * 60));
    assert!(ask.await.unwrap().is_some());
    // What only the last one could have: it is said what is wrong with the others.
    let place = Place::new(names.iter().map(image).collect());
    place.fake.behave(Manner::Hangs("/get"));
    let mut ask = Box::pin(place.engine.blob(&repository, &digest));
    let mut exports = 0;
    let told = loop {
        tokio::select! {
            biased;
            told = &mut ask => break refused(told),
            () = place.fake.hanging.notified() => {
                exports += 1;
                place.clock.advance(Duration::from_secs(15 * 60));
            }
        }
    };
    assert!(told.ends_with("did not answer within 900 s: does it hang?"), "{told}");
    assert_eq!(exports, 6);
}

#[tokio::test]
async fn an_engine_that_is_slow_to_say_what_it_is_stays_what_it_was() {
    let place = Place::new(vec![app()]);
    assert!(place.tagged("app", "1").await.unwrap().is_some());
    place.fake.behave(Manner::Hangs("/info"));
    place.clock.advance(Duration::from_secs(3));
    let mut ask = Box::pin(place.tagged("app", "1"));
    tokio::select! {
        biased;
        early = &mut ask => panic!("{early:?}"),
        () = place.fake.hanging.notified() => {}
    }
    place.clock.advance(Duration::from_secs(2));
    assert!(ask.await.unwrap().is_some());
    place.fake.behave(Manner::Says("/info", 500));
    place.clock.advance(Duration::from_secs(3));
    assert!(place.tagged("app", "1").await.unwrap().is_some());
    assert_eq!(place.fake.versions.load(Ordering::SeqCst), 1);
    // The question itself decides.
    place.fake.behave(Manner::Fails);
    place.clock.advance(Duration::from_secs(3));
    assert!(refused(place.tagged("app", "1").await).ends_with("answered 500: the disk is on fire"));
}

#[tokio::test]
async fn what_an_engine_refuses_of_one_image_is_no_failure_of_the_engine() {
    let place = Place::new(vec![app(), Picture::new(&[b"other"], &["b:1"])]);
    assert!(place.tagged("b", "1").await.unwrap().is_some());
    let id = app().id().to_string().leak();
    for (path, status) in [(&*id, 500), (id, 409), ("/images/docker.io/library/app:1/json", 500)] {
        place.fake.behave(Manner::Says(path, status));
        let told = refused(place.tagged("app", "1").await);
        assert!(told.ends_with(&format!("answered {status}: file integrity checksum failed")), "{told}");
        assert!(place.tagged("b", "1").await.unwrap().is_some());
    }
    // A name that is none to the engine is one that it does not have.
    place.fake.behave(Manner::Says("/images/docker.io/library/app:1/json", 400));
    assert_eq!(place.tagged("app", "1").await, Ok(None));
    place.fake.behave(Manner::Cuts(5_000));
    assert!(refused(place.tagged("app", "1").await).contains("broke off"));
    assert_eq!(place.fake.versions.load(Ordering::SeqCst), 1, "nobody asks again what it is");
}
