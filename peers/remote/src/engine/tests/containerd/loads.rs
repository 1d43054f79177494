//! Images that are put into containerd: what it has then, and every way to fail.

use std::collections::BTreeSet;

use super::super::loads::{pushed, store_of};
use super::fake::Given;
use super::*;

const NAME: &str = "docker.io/team/app:1";

/// An index of two images of which the node has one, and what says how that was made.
pub(super) struct Pushed {
    pub(super) load: Load,
    /// All blobs, manifests too.
    pub(super) blobs: Vec<Vec<u8>>,
    large: Digest,
}

impl Pushed {
    /// Others have another `seed`.
    pub(super) async fn new(seed: &str) -> Self {
        let large: Vec<u8> = (0..700_000_u32).map(|number| (number % 251) as u8).collect();
        let (config, layers) =
            (format!("{{\"{seed}\":1}}").into_bytes(), [large, Vec::new(), b"one".to_vec()]);
        let manifest = manifest_of(&config, &layers);
        let attestation = manifest_of(b"{}", &[b"in-toto".to_vec()]);
        let index = index_of(&[
            (descriptor(OCI_MANIFEST, b"another platform"), false),
            (descriptor(OCI_MANIFEST, &manifest), false),
            (descriptor(OCI_MANIFEST, &attestation), true),
        ]);
        let mut blobs = vec![b"{}".to_vec(), b"in-toto".to_vec(), config.clone()];
        blobs.extend(layers.iter().cloned());
        let load = Load {
            asked: asked("team/app"),
            tag: Tag::parse("1").unwrap(),
            target: pushed(&index),
            listed: vec![pushed(&manifest), pushed(&attestation)],
            config: Digest::sha256(&config),
            layers: layers.iter().map(|layer| Digest::sha256(layer)).collect(),
            blobs: store_of(blobs.iter().map(Vec::as_slice)).await,
        };
        blobs.extend([manifest, attestation, index]);
        Self { load, large: Digest::sha256(&layers[0]), blobs }
    }

    pub(super) fn target(&self) -> Digest {
        self.load.target.manifest.digest.clone()
    }

    fn digests(&self) -> BTreeSet<Digest> {
        self.blobs.iter().map(|bytes| Digest::sha256(bytes)).collect()
    }
}

impl Node {
    pub(super) async fn load(&self, image: &Pushed) -> Result<(), LoadError> {
        self.engine.load(&image.load).await
    }

    fn held(&self) -> BTreeSet<Digest> {
        self.fake.blobs.lock().unwrap().keys().cloned().collect()
    }

    fn names(&self) -> Vec<fake::Name> {
        self.fake.names.lock().unwrap().clone()
    }

    fn sent(&self) -> usize {
        std::mem::take(&mut self.fake.given.lock().unwrap().sent).len()
    }

    /// Checks that nothing is left of a load that failed.
    fn is_empty(&self) {
        let Given { leases, ingests, .. } = &*self.fake.given.lock().unwrap();
        assert!(leases.is_empty() && ingests.is_empty(), "{leases:?} {:?}", ingests.keys());
        assert_eq!((self.held(), self.names()), (BTreeSet::new(), Vec::new()));
    }
}

#[tokio::test]
async fn a_loaded_image_keeps_its_bytes_and_stays_when_its_lease_has_ended() {
    let (node, image) = (Node::new(), Pushed::new("a").await);
    node.load(&image).await.unwrap();
    assert_eq!(node.names(), [("default", NAME.to_owned(), image.target())]);
    node.fake.collect();
    assert_eq!(node.held(), image.digests());
    let labels = node.fake.given.lock().unwrap().labels.clone();
    let of = |digest: &Digest| labels[digest].iter().map(|(key, kept)| (key.clone(), kept.clone()));
    let keep =
        |kind: &str, digest: &Digest| (format!("containerd.io/gc.ref.content.{kind}"), digest.to_string());
    let children = [&Digest::sha256(b"another platform"), &image.load.listed[0].manifest.digest];
    let children = children.into_iter().chain([&image.load.listed[1].manifest.digest]).enumerate();
    let children: Vec<_> = children.map(|(at, digest)| keep(&format!("m.{at}"), digest)).collect();
    assert_eq!(of(&image.target()).collect::<Vec<_>>(), children);
    let mut parts = vec![keep("config", &image.load.config)];
    parts.extend(image.load.layers.iter().enumerate().map(|(at, layer)| keep(&format!("l.{at}"), layer)));
    assert_eq!(of(&image.load.listed[0].manifest.digest).collect::<Vec<_>>(), parts);
    let answered = node.get("team/app", "1").await.unwrap().unwrap();
    assert_eq!(answered, image.load.target.manifest);
    let layer = node.read("team/app", &image.large).await.unwrap();
    assert_eq!(Digest::sha256(&layer), image.large);
}

#[tokio::test]
async fn what_containerd_has_is_not_sent_again_and_is_kept() {
    let (node, image) = (Node::new(), Pushed::new("a").await);
    for bytes in &image.blobs {
        node.fake.put(bytes);
    }
    node.load(&image).await.unwrap();
    node.fake.collect();
    assert_eq!((node.sent(), node.held()), (0, image.digests()), "also what had no labels");
    node.load(&image).await.unwrap();
    assert_eq!(node.sent(), 0);
    // Another namespace has it: only its name is new.
    let node = Node::new();
    let elsewhere = image.blobs.iter().map(|bytes| (Digest::sha256(bytes), bytes.clone()));
    node.fake.given.lock().unwrap().elsewhere = elsewhere.collect();
    node.load(&image).await.unwrap();
    assert_eq!((node.sent(), node.held()), (0, image.digests()));
}

#[tokio::test]
async fn a_load_moves_a_name_and_what_stood_there_goes() {
    let (node, before, after) = (Node::new(), Pushed::new("a").await, Pushed::new("b").await);
    node.load(&before).await.unwrap();
    assert_eq!(node.sent(), before.blobs.len() - 1, "of an empty layer nothing is sent");
    node.load(&after).await.unwrap();
    assert_eq!(node.sent(), 3, "config, manifest and index");
    assert_eq!(node.names(), [("default", NAME.to_owned(), after.target())]);
    node.fake.collect();
    assert_eq!(node.held(), after.digests());
}

#[tokio::test]
async fn an_image_is_loaded_where_a_pull_of_its_name_looks() {
    let other = Digest::sha256(b"another image");
    for (names, home) in [
        (&[][..], "default"),
        (&[("buildkit", NAME), ("moby", "docker.io/team/other:1")], "default"),
        (&[("k8s.io", "registry.k8s.io/pause:3.9")], "k8s.io"),
        (&[("k8s.io", "registry.k8s.io/pause:3.9"), ("default", "docker.io/team/app:2")], "default"),
        (&[("moby", "docker.io/team/app:2"), ("default", "docker.io/team/app:3")], "moby"),
        (&[("moby", "docker.io/team/app:2"), ("default", NAME)], "default"),
        (&[("k8s.io", NAME), ("default", NAME)], "k8s.io"),
    ] {
        let (node, image) = (Node::new(), Pushed::new("a").await);
        for (namespace, name) in names {
            node.fake.name(namespace, name, &other);
        }
        node.load(&image).await.unwrap();
        let mut loaded = node.names();
        loaded.retain(|(_, _, target)| *target != other);
        assert_eq!(loaded, [(home, NAME.to_owned(), image.target())], "{names:?}");
        assert_eq!(node.get("team/app", "1").await.unwrap().unwrap().digest, image.target(), "{names:?}");
    }
}

#[tokio::test]
async fn a_refusal_is_told_in_containerds_words_and_leaves_nothing() {
    let (node, image) = (Node::new(), Pushed::new("a").await);
    for (manner, words) in [
        (Manner::Fails("Leases/Create"), "answered 13: the disk is on fire: 50%"),
        (Manner::Fails("Content/Write"), "answered 13: the disk is on fire: 50%"),
        (Manner::RefusesAt(1), "answered 9: no space left on device"),
        (Manner::RefusesAt(2), "answered 9: no space left on device"),
        (Manner::Fails("Content/Update"), "answered 13: the disk is on fire: 50%"),
        (Manner::Fails("Images/Create"), "answered 13: the disk is on fire: 50%"),
    ] {
        node.fake.behave(manner);
        match node.load(&image).await {
            Err(LoadError::Refused(said)) => assert!(said.ends_with(words), "{manner:?}: {said}"),
            other => panic!("{manner:?}: {other:?}"),
        }
        node.is_empty();
    }
    node.fake.behave(Manner::Well);
    node.load(&image).await.unwrap();
}

#[tokio::test]
async fn a_write_that_breaks_off_is_told_and_leaves_nothing() {
    let (node, image) = (Node::new(), Pushed::new("a").await);
    for (manner, words) in [
        (Manner::DropsAt(1), "broke off"),
        (Manner::DropsAt(2), "broke off"),
        (Manner::Misplaces, "wrote up to 6 bytes of a blob and not to 7"),
    ] {
        node.fake.behave(manner);
        match node.load(&image).await {
            Err(LoadError::Unavailable(said)) => assert!(said.contains(words), "{manner:?}: {said}"),
            other => panic!("{manner:?}: {other:?}"),
        }
        node.is_empty();
    }
    node.fake.behave(Manner::Well);
    let here = image.blobs.iter().filter(|bytes| Digest::sha256(bytes) != image.large);
    let (mut lacking, blobs) = (image.load.clone(), store_of(here.map(Vec::as_slice)).await);
    lacking.blobs = blobs;
    let refused = node.engine.load(&lacking).await;
    let words = format!("{} is not here any more", image.large);
    assert_eq!(refused, Err(LoadError::Unreadable(words)));
    node.is_empty();
    node.load(&image).await.unwrap();
}

#[tokio::test]
async fn a_load_that_hangs_is_given_up_after_its_limit_and_leaves_nothing() {
    let (node, image) = (Node::new(), Pushed::new("a").await);
    for (manner, limit, words) in [
        (Manner::Hangs("Leases/Create"), 10, "did not answer within 10 s: does it hang?"),
        (Manner::Hangs("Content/Write"), 10, "did not answer within 10 s: does it hang?"),
        (Manner::HangsAt(1), 60, "sent nothing for 60 s: does it hang?"),
        (Manner::HangsAt(2), 600, "sent nothing for 600 s: does it hang?"),
        (Manner::Hangs("Images/Create"), 10, "did not answer within 10 s: does it hang?"),
    ] {
        node.fake.behave(manner);
        let mut load = Box::pin(node.load(&image));
        tokio::select! {
            biased;
            early = &mut load => panic!("{manner:?}: {early:?}"),
            () = node.fake.hanging.notified() => {}
        }
        node.clock.advance(Duration::from_secs(limit));
        match load.await {
            Err(LoadError::Unavailable(said)) => assert!(said.ends_with(words), "{manner:?}: {said}"),
            other => panic!("{manner:?}: {other:?}"),
        }
        node.is_empty();
    }
}

#[tokio::test]
async fn a_load_that_nobody_waits_for_ends_its_lease_which_else_ends_after_an_hour() {
    let (node, image) = (Node::new(), Pushed::new("a").await);
    node.fake.behave(Manner::HangsAt(1));
    let mut load = Box::pin(node.load(&image));
    tokio::select! {
        biased;
        early = &mut load => panic!("{early:?}"),
        () = node.fake.hanging.notified() => {}
    }
    {
        let given = node.fake.given.lock().unwrap();
        let lease = given.leases.values().next().unwrap();
        assert_eq!((&*lease.namespace, &*lease.until), ("default", "1970-01-01T01:00:00Z"));
        assert_eq!(given.ingests.len(), 1);
    }
    drop(load);
    node.fake.ended.notified().await;
    node.is_empty();
}
