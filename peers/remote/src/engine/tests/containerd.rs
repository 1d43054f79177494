//! containerd as a source: original bytes through its socket and in place, and every way to fail.

mod docker;
mod fake;
mod loads;

use std::fmt::Write as _;
use std::path::Path;
use std::sync::atomic::Ordering;

use futures_util::future::join_all;

use super::*;
use fake::{Containerd, Manner};

const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// A source over a fake containerd, whose blobs also lie in a directory where `place` says so.
struct Node {
    directory: TempDir,
    fake: Arc<Containerd>,
    clock: Arc<StandingClock>,
    engine: Arc<Engine>,
    _running: Running,
}

impl Node {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let fake = Arc::new(Containerd::new(&directory.path().join("content")));
        let clock = Arc::new(StandingClock(watch::Sender::default()));
        let running = fake.start(&directory.path().join("engine.sock"));
        let engine = Place::engine(directory.path(), clock.clone(), Share::All, 64 << 20);
        Self { directory, fake, clock, engine, _running: running }
    }

    /// Also puts all blobs into a directory that can be read.
    fn in_place(self) -> Self {
        for (digest, bytes) in &*self.fake.blobs.lock().unwrap() {
            write(&self.file(digest), bytes);
        }
        self
    }

    fn file(&self, digest: &Digest) -> PathBuf {
        self.directory.path().join("content/blobs/sha256").join(digest.hex())
    }

    async fn get(&self, repository: &str, reference: &str) -> Result<Option<Manifest>, SourceError> {
        self.engine.manifest(&asked(repository), &Reference::parse(reference).unwrap()).await
    }

    async fn read(&self, repository: &str, digest: &Digest) -> Option<Bytes> {
        match self.engine.blob(&asked(repository), digest).await.unwrap()? {
            SourceBlob::InPlace(blob) => Some(read(&blob).await),
            SourceBlob::Foreign { .. } => panic!("an engine's blobs are verified where they lie"),
        }
    }

    /// Files that lie in the spool, whole or not.
    #[expect(clippy::disallowed_methods, reason = "a test looks at the real machine")]
    fn half_files(&self) -> usize {
        let uploads = self.directory.path().join("spool/uploads");
        std::fs::read_dir(uploads).map_or(0, Iterator::count)
    }
}

#[expect(clippy::disallowed_methods, reason = "a test makes what an engine has")]
fn write(path: &Path, bytes: &[u8]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

/// The image that most tests pull.
struct App {
    config: Digest,
    layers: Vec<(Digest, Vec<u8>)>,
    manifest: (Digest, Vec<u8>),
    /// Lists the manifest, one that is not there, and what says how the image was made.
    index: (Digest, Vec<u8>),
}

fn descriptor(media_type: &str, bytes: &[u8]) -> String {
    let (digest, size) = (Digest::sha256(bytes), bytes.len());
    format!(r#"{{"mediaType":"{media_type}","digest":"{digest}","size":{size}}}"#)
}

/// A manifest with spaces that nobody would make again.
fn manifest_of(config: &[u8], layers: &[Vec<u8>]) -> Vec<u8> {
    let layers: Vec<_> = layers.iter().map(|layer| descriptor("application/x", layer)).collect();
    let config = descriptor("application/vnd.oci.image.config.v1+json", config);
    format!(
        r#"{{ "layers" : [{}], "config": {config}, "mediaType":"{OCI_MANIFEST}", "schemaVersion":2 }}"#,
        layers.join(" , ")
    )
    .into()
}

fn index_of(entries: &[(String, bool)]) -> Vec<u8> {
    let mut text = format!(r#"{{"schemaVersion":2,"mediaType":"{OCI_INDEX}","manifests":["#);
    for (number, (entry, attests)) in entries.iter().enumerate() {
        let mark = r#","annotations":{"vnd.docker.reference.type":"attestation-manifest"}}"#;
        let comma = if number == 0 { "" } else { "," };
        let end = if *attests { mark } else { "}" };
        write!(text, "{comma}{}{end}", entry.strip_suffix('}').unwrap()).unwrap();
    }
    (text + "]}").into()
}

impl App {
    /// Its blobs are put into the engine, but for names.
    fn put(fake: &Containerd) -> Self {
        let large: Vec<u8> = (0..1_500_000_u32).map(|number| (number % 251) as u8).collect();
        let (config, layers) = (b"{\"a\":1}".to_vec(), vec![b"one".to_vec(), large]);
        let manifest = manifest_of(&config, &layers);
        let attestation = manifest_of(b"{}", &[b"in-toto".to_vec()]);
        let index = index_of(&[
            (descriptor(OCI_MANIFEST, b"another platform"), false),
            (descriptor(OCI_MANIFEST, &manifest), false),
            (descriptor(OCI_MANIFEST, &attestation), true),
        ]);
        for bytes in [b"{}".to_vec(), b"in-toto".to_vec(), attestation] {
            fake.put(&bytes);
        }
        let layers = layers.into_iter().map(|layer| (fake.put(&layer), layer)).collect();
        Self {
            config: fake.put(&config),
            layers,
            manifest: (fake.put(&manifest), manifest),
            index: (fake.put(&index), index),
        }
    }
}

/// A node whose containerd has the image as `app:1` and `ghcr.io/x/y:2`.
fn with_app() -> (Node, App) {
    let node = Node::new();
    let app = App::put(&node.fake);
    node.fake.name("k8s.io", "docker.io/library/app:1", &app.index.0);
    node.fake.name("default", "ghcr.io/x/y:2", &app.manifest.0);
    (node, app)
}

fn served(original: &(Digest, Vec<u8>), media_type: &str) -> Manifest {
    let (digest, bytes) = original.clone();
    Manifest { digest, media_type: media_type.into(), bytes: bytes.into() }
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

#[tokio::test]
async fn original_bytes_are_answered_through_the_socket_and_in_place() {
    for in_place in [false, true] {
        let (mut node, app) = with_app();
        if in_place {
            node = node.in_place();
        }
        let status = node.engine.status().await;
        assert_eq!((&*status.description, status.images), ("containerd 1.6.20~ds1", Some(2)));
        assert_eq!((status.problem, status.note.is_none()), (None, in_place));
        let (index, manifest) = (served(&app.index, OCI_INDEX), served(&app.manifest, OCI_MANIFEST));
        assert_eq!(node.get("app", "1").await, Ok(Some(index.clone())), "the index is kept");
        assert_eq!(node.get("app", index.digest.as_str()).await, Ok(Some(index)));
        assert_eq!(node.get("app", manifest.digest.as_str()).await, Ok(Some(manifest.clone())));
        assert_eq!(node.get("ghcr.io/x/y", "2").await, Ok(Some(manifest)));
        let missing = Digest::sha256(b"another platform");
        assert_eq!(node.get("app", missing.as_str()).await, Ok(None), "a platform that is not there");
        for (digest, bytes) in &app.layers {
            assert_eq!(node.read("app", digest).await.as_deref(), Some(&bytes[..]));
        }
        assert_eq!(node.read("ghcr.io/x/y", &app.config).await.as_deref(), Some(&b"{\"a\":1}"[..]));
        assert_eq!(node.read("app", &Digest::sha256(b"in-toto")).await.as_deref(), Some(&b"in-toto"[..]));
        assert_eq!(node.read("ghcr.io/x/y", &Digest::sha256(b"in-toto")).await, None, "of another image");
        assert_eq!(node.read("nobody", &app.config).await, None);
        assert_eq!((node.fake.reads() == 0, node.half_files()), (in_place, 0));
    }
}

#[tokio::test]
async fn a_containerd_that_closes_what_it_does_not_understand_is_known_as_one() {
    let (node, _app) = with_app();
    node.fake.closes.store(true, Ordering::SeqCst);
    assert!(node.get("app", "1").await.unwrap().is_some());
}

#[tokio::test]
async fn names_are_listed_as_clients_ask_for_them() {
    let (node, app) = with_app();
    let pinned = format!("docker.io/library/pinned@{}", app.manifest.0);
    let nameless = [
        app.config.to_string(),
        format!("moby-dangling@{}", app.manifest.0),
        "docker.io/library/untagged".to_owned(),
        "unqualified:1".to_owned(),
        "import-2026-01-01".to_owned(),
    ];
    for name in nameless.iter().chain([&pinned]) {
        node.fake.name("k8s.io", name, &app.manifest.0);
    }
    node.fake.name("buildkit", "docker.io/library/secret:1", &app.manifest.0);
    // docker's comes first.
    node.fake.name("moby", "ghcr.io/x/y:2", &app.index.0);
    let repositories = node.engine.repositories(&Principal::Anonymous).await.unwrap();
    assert_eq!(repositories.iter().map(RepositoryName::as_str).collect::<Vec<_>>(), ["app", "ghcr.io/x/y"]);
    let tags = node.engine.tags(&asked("app")).await.unwrap();
    assert_eq!(tags, Some(vec![Tag::parse("1").unwrap()]));
    assert_eq!(node.engine.tags(&asked("pinned")).await, Ok(None));
    for unknown in ["secret", "sha256", "moby-dangling", "untagged", "unqualified"] {
        assert_eq!(node.get(unknown, app.manifest.0.as_str()).await, Ok(None), "{unknown}");
        assert_eq!(node.get(unknown, "1").await, Ok(None), "{unknown}");
    }
    let manifest = served(&app.manifest, OCI_MANIFEST);
    assert_eq!(node.get("pinned", manifest.digest.as_str()).await, Ok(Some(manifest)));
    assert_eq!(node.get("ghcr.io/x/y", "2").await, Ok(Some(served(&app.index, OCI_INDEX))));
}

#[tokio::test]
async fn an_image_of_which_something_is_missing_is_not_offered() {
    let (node, app) = with_app();
    for missing in [&app.layers[0].0, &app.layers[1].0, &app.config, &app.manifest.0] {
        let taken = node.fake.blobs.lock().unwrap().remove(missing).unwrap();
        assert_eq!(node.get("app", "1").await, Ok(None), "only what says how it was made is whole");
        assert_eq!(node.get("ghcr.io/x/y", "2").await, Ok(None));
        assert_eq!(node.get("app", app.manifest.0.as_str()).await, Ok(None));
        // Another size than the manifest says.
        node.fake.blobs.lock().unwrap().insert(missing.clone(), vec![b'x'; taken.len() + 1]);
        if missing != &app.manifest.0 {
            assert_eq!(node.get("app", "1").await, Ok(None));
        }
        node.fake.blobs.lock().unwrap().insert(missing.clone(), taken);
        assert!(node.get("app", "1").await.unwrap().is_some());
    }
    node.fake.names.lock().unwrap().clear();
    assert_eq!(node.get("app", "1").await, Ok(None), "gone");
    assert_eq!(node.read("app", &app.config).await, None, "gone");
}

#[tokio::test]
async fn twenty_who_read_a_blob_cost_one_transfer_and_read_any_range() {
    let (node, app) = with_app();
    assert!(node.get("app", "1").await.unwrap().is_some());
    let (before, (digest, bytes)) = (node.fake.reads(), &app.layers[1]);
    let reads = join_all((0..20).map(|_| node.read("app", digest))).await;
    assert!(reads.iter().all(|read| read.as_deref() == Some(&bytes[..])));
    assert_eq!(node.fake.reads(), before + 1);
    let Some(SourceBlob::InPlace(blob)) = node.engine.blob(&asked("app"), digest).await.unwrap() else {
        panic!("it is there")
    };
    assert_eq!(blob.read(1_000_000, 7).await.unwrap(), bytes[1_000_000..1_000_007]);
}

#[tokio::test]
async fn a_blob_that_is_cut_or_wrong_is_never_given_and_leaves_nothing() {
    let (node, app) = with_app();
    assert!(node.get("app", "1").await.unwrap().is_some());
    let digest = &app.layers[1].0;
    for (manner, words) in [
        (Manner::Cuts, "broke off"),
        (Manner::Shortens, "is something else"),
        (Manner::Turns, "is something else"),
        (Manner::Lengthens, "is something else"),
        (Manner::Silent, "ended an answer without a word"),
    ] {
        node.fake.behave(manner);
        let refused = node.engine.blob(&asked("app"), digest).await.unwrap_err().to_string();
        assert!(refused.contains(words), "{manner:?}: {refused}");
        node.fake.behave(Manner::Well);
        while node.half_files() > 0 {
            tokio::task::yield_now().await;
        }
    }
    node.fake.behave(Manner::Turns);
    let fresh = Place::engine(node.directory.path(), node.clock.clone(), Share::All, 64 << 20);
    let turned = fresh.manifest(&asked("app"), &Reference::parse("1").unwrap()).await;
    assert!(matches!(turned, Err(SourceError::Damaged(_))), "{turned:?}");
    node.fake.behave(Manner::Well);
    assert_eq!(node.read("app", digest).await.as_deref(), Some(&app.layers[1].1[..]));
}

#[tokio::test]
async fn a_file_that_is_damaged_in_place_is_never_given() {
    let (node, app) = with_app();
    let node = node.in_place();
    assert!(node.get("app", "1").await.unwrap().is_some());
    let (digest, bytes) = &app.layers[1];
    let mut damaged = bytes.clone();
    damaged[1_499_999] ^= 1;
    write(&node.file(digest), &damaged);
    let Some(SourceBlob::InPlace(blob)) = node.engine.blob(&asked("app"), digest).await.unwrap() else {
        panic!("it has the right size")
    };
    let refused = blob.read(0, 10).await;
    assert_eq!(refused, Err(dockless_store::StoreError::Damaged(digest.clone())));
    write(&node.file(digest), bytes);
    assert_eq!(node.read("app", digest).await.as_deref(), Some(&bytes[..]), "mended");
    write(&node.file(&app.manifest.0), b"{}");
    let refused = node.get("ghcr.io/x/y", "2").await;
    assert!(matches!(refused, Err(SourceError::Damaged(_))), "{refused:?}");
}

#[tokio::test]
async fn what_containerd_cannot_do_is_told_in_words() {
    let (node, _app) = with_app();
    for (manner, words) in [
        (Manner::Fails("Version"), "answered 13: the disk is on fire: 50%"),
        (Manner::Fails("Images/Get"), "answered 13: the disk is on fire: 50%"),
        (Manner::Fails("Content/Info"), "answered 13: the disk is on fire: 50%"),
        (Manner::Oversize, "said what cannot be read: a message has 1073741824 bytes, more than are read"),
        (Manner::Compresses, "said what cannot be read: a message is compressed"),
        (Manner::Garbage, "said what cannot be read: the message was cut short"),
        (Manner::Silent, "ended an answer without a word"),
        (Manner::Plain, "answered 403 to a call"),
    ] {
        node.fake.behave(manner);
        let told = match manner {
            // Of one image.
            Manner::Fails("Images/Get" | "Content/Info") => refused(node.get("app", "1").await),
            _ => unavailable(node.get("app", "1").await),
        };
        assert!(told.starts_with("the engine at unix:///") && told.ends_with(words), "{manner:?}: {told}");
    }
    node.fake.behave(Manner::Well);
    assert!(node.get("app", "1").await.unwrap().is_some());
}

#[tokio::test]
async fn a_containerd_that_does_not_say_where_its_blobs_are_has_them_where_they_were() {
    let (node, app) = with_app();
    let node = node.in_place();
    assert!(node.get("app", "1").await.unwrap().is_some());
    for manner in [Manner::Fails("Introspection"), Manner::Fails("Version")] {
        node.fake.behave(manner);
        node.clock.advance(Duration::from_secs(3));
        assert!(node.get("app", "1").await.unwrap().is_some(), "{manner:?}");
        assert_eq!(node.engine.status().await.note, None, "{manner:?}");
        assert!(node.read("app", &app.layers[1].0).await.is_some(), "{manner:?}");
    }
    assert_eq!(node.fake.reads(), 0, "all is read in place");
}

#[tokio::test]
async fn a_containerd_that_hangs_is_given_up_after_its_limit() {
    let (node, app) = with_app();
    for (method, limit, words) in [
        ("Version", 5, "did not say what it is within 5 s: does it hang?"),
        ("Images/Get", 10, "did not answer within 10 s: does it hang?"),
        ("Content/Info", 10, "did not answer within 10 s: does it hang?"),
        ("Content/Read", 10, "did not answer within 10 s: does it hang?"),
    ] {
        node.fake.behave(Manner::Hangs(method));
        let mut ask = Box::pin(node.get("app", "1"));
        tokio::select! {
            biased;
            early = &mut ask => panic!("{method}: {early:?}"),
            () = node.fake.hanging.notified() => {}
        }
        node.clock.advance(Duration::from_secs(limit));
        let told = unavailable(ask.await);
        assert!(told.ends_with(words), "{method}: {told}");
        node.clock.advance(Duration::from_secs(limit));
    }
    node.fake.behave(Manner::Well);
    assert!(node.get("app", "1").await.unwrap().is_some());
    assert_eq!(node.read("app", &app.config).await.as_deref(), Some(&b"{\"a\":1}"[..]));
}

#[tokio::test]
async fn a_blob_that_stalls_is_given_up_and_one_that_nobody_wants_leaves_nothing() {
    let (node, app) = with_app();
    assert!(node.get("app", "1").await.unwrap().is_some());
    node.fake.behave(Manner::Stalls);
    for given_up in [false, true] {
        let (repository, digest) = (asked("app"), &app.layers[1].0);
        let mut ask = Box::pin(node.engine.blob(&repository, digest));
        while node.half_files() == 0 {
            tokio::select! {
                biased;
                early = &mut ask => panic!("{early:?}"),
                () = tokio::task::yield_now() => {}
            }
        }
        if given_up {
            drop(ask);
        } else {
            let told = loop {
                node.clock.advance(Duration::from_secs(60));
                tokio::select! {
                    biased;
                    told = &mut ask => break unavailable(told),
                    () = tokio::task::yield_now() => {}
                }
            };
            assert!(told.ends_with("sent nothing for 60 s: does it hang?"), "{told}");
        }
        while node.half_files() > 0 {
            tokio::task::yield_now().await;
        }
    }
    node.fake.behave(Manner::Well);
    assert_eq!(node.read("app", &app.layers[1].0).await.as_deref(), Some(&app.layers[1].1[..]));
}

#[tokio::test]
async fn a_wide_index_is_looked_at_only_for_a_while() {
    let node = Node::new();
    let child = |number: u32| (descriptor(OCI_MANIFEST, &number.to_le_bytes()), false);
    let index = node.fake.put(&index_of(&(0..5000).map(child).collect::<Vec<_>>()));
    node.fake.name("default", "docker.io/library/wide:1", &index);
    let node = node.in_place();
    assert_eq!(node.get("wide", "1").await, Ok(None));
    assert_eq!(node.read("wide", &Digest::sha256(b"x")).await, None);
}
