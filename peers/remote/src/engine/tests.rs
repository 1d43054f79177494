//! An engine as a source, against a fake one that has no storage directory: names, exports, and every way to fail.

mod access;
mod containerd;
mod failures;
mod fake;
mod loads;
mod names;
mod storage;

use std::path::{Path, PathBuf};

use bytes::Bytes;
use dockless_runtime::Clock;
use dockless_store::Blob;
use tempfile::TempDir;
use tokio::sync::watch;

use super::*;
use fake::{Fake, Form, Manner, Picture, Running};

/// A directory with a socket and a spool, a fake engine that listens, and the source over it.
struct Place {
    directory: TempDir,
    fake: Arc<Fake>,
    running: Option<Running>,
    clock: Arc<StandingClock>,
    engine: Arc<Engine>,
}

/// A clock that goes only when told to, so that no limit passes by chance and none is waited for.
struct StandingClock(watch::Sender<Duration>);

impl Clock for StandingClock {
    fn monotonic(&self) -> Duration {
        *self.0.borrow()
    }

    fn unix_ms(&self) -> u64 {
        0
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let (mut now, until) = (self.0.subscribe(), self.monotonic() + duration);
        Box::pin(async move {
            // The clock is there as long as the test.
            let _ = now.wait_for(|now| *now >= until).await;
        })
    }
}

impl StandingClock {
    fn advance(&self, duration: Duration) {
        self.0.send_modify(|now| *now += duration);
    }
}

impl Place {
    fn new(images: Vec<Picture>) -> Self {
        Self::with(Fake::new(images), Share::All)
    }

    fn with(fake: Fake, share: Share) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (fake, clock) = (Arc::new(fake), Arc::new(StandingClock(watch::Sender::default())));
        let running = Some(fake.start(&directory.path().join("engine.sock")));
        let engine = Self::engine(directory.path(), clock.clone(), share, 64 << 20);
        Self { directory, fake, running, clock, engine }
    }

    fn engine(
        directory: &Path,
        clock: Arc<StandingClock>,
        share: Share,
        spool_bytes_max: u64,
    ) -> Arc<Engine> {
        let runtime = Runtime { clock, ..Runtime::real() };
        let address = format!("unix://{}", directory.join("engine.sock").display()).parse().unwrap();
        let settings = EngineSettings { address, share, spool: directory.join("spool"), spool_bytes_max };
        Arc::new(Engine::new(runtime, settings, Arc::new(Access::anonymous()), &EngineMetrics::default()))
    }

    /// The source as a new process has it.
    fn restart(&mut self) {
        self.engine = Self::engine(self.directory.path(), self.clock.clone(), Share::All, 64 << 20);
    }

    fn stop(&mut self) {
        self.running = None;
    }

    fn start(&mut self) {
        self.running = Some(self.fake.start(&self.directory.path().join("engine.sock")));
    }

    async fn tagged(&self, repository: &str, tag: &str) -> Result<Option<Manifest>, SourceError> {
        self.engine.manifest(&asked(repository), &Reference::parse(tag).unwrap()).await
    }

    async fn read(&self, repository: &str, digest: &Digest) -> Option<Bytes> {
        match self.engine.blob(&asked(repository), digest).await.unwrap()? {
            SourceBlob::InPlace(blob) => Some(read(&blob).await),
            SourceBlob::Foreign { .. } => panic!("an engine's blobs are verified where they lie"),
        }
    }

    /// Names of files that lie in uploads of the spool.
    fn half_files(&self) -> Vec<PathBuf> {
        let uploads = self.directory.path().join("spool/uploads");
        #[expect(clippy::disallowed_methods, reason = "a test looks at the real machine")]
        std::fs::read_dir(uploads).unwrap().map(|entry| entry.unwrap().path()).collect()
    }
}

fn asked(repository: &str) -> Asked {
    Asked {
        repository: RepositoryName::parse(repository).unwrap(),
        namespace: None,
        principal: Principal::Anonymous,
    }
}

async fn read(blob: &Blob) -> Bytes {
    let mut bytes = Vec::new();
    while (bytes.len() as u64) < blob.size {
        bytes.extend_from_slice(&blob.read(bytes.len() as u64, usize::MAX).await.unwrap());
    }
    bytes.into()
}

/// The digests of config and layers in a manifest.
fn parts(manifest: &Manifest) -> Vec<(Digest, u64)> {
    let parsed = dockless_oci::manifest::ParsedManifest::parse(&manifest.bytes, Some(&manifest.media_type));
    let references = parsed.unwrap().facts.references;
    references.into_iter().map(|reference| (reference.digest, reference.size)).collect()
}

/// An image with layers of all sizes, one of them twice.
fn app() -> Picture {
    let large: Vec<u8> = (0..1_500_000_u32).map(|number| (number % 251) as u8).collect();
    Picture::new(&[b"base", &large, b"base", &[0; 1024]], &["app:1", "ghcr.io/x/y:2"])
}

#[tokio::test]
async fn both_forms_of_an_export_bring_the_same_image() {
    let mut digests = Vec::new();
    for form in [Form::Folders, Form::Layout] {
        let image = app();
        let place = Place::with(Fake { form, ..Fake::new(vec![image.clone()]) }, Share::All);
        let manifest = place.tagged("app", "1").await.unwrap().unwrap();
        assert_eq!(manifest.digest, Digest::sha256(&manifest.bytes));
        let config = (image.id(), image.config.len() as u64);
        let layers = image.digests().into_iter().zip(image.layers.iter().map(|layer| layer.len() as u64));
        let mut expected: Vec<_> = [config].into_iter().chain(layers).collect();
        // Each reference counts once.
        expected.remove(3);
        assert_eq!(parts(&manifest), expected);
        for (digest, bytes) in image.digests().iter().zip(&image.layers) {
            assert_eq!(place.read("app", digest).await.as_deref(), Some(&bytes[..]));
        }
        assert_eq!(place.read("app", &image.id()).await.as_deref(), Some(&image.config[..]));
        assert_eq!(place.fake.saves(), 1, "one export brings it all");
        assert!(place.half_files().is_empty());
        digests.push(manifest.digest);
    }
    assert_eq!(digests[0], digests[1]);
}

#[tokio::test]
async fn any_range_of_a_blob_can_be_read() {
    let image = app();
    let place = Place::new(vec![image.clone()]);
    let blob = place.engine.blob(&asked("app"), &image.digests()[1]).await.unwrap();
    let Some(SourceBlob::InPlace(blob)) = blob else { panic!("{blob:?}") };
    assert_eq!(blob.read(1_000_000, 7).await.unwrap(), image.layers[1][1_000_000..1_000_007]);
}

#[tokio::test]
async fn a_manifest_is_found_by_the_digest_that_it_was_given_also_after_a_restart() {
    let mut place = Place::new(vec![app(), Picture::new(&[b"other"], &["app:2", "b:1"])]);
    let unknown = place.tagged("app", Digest::sha256(b"").as_str()).await;
    assert_eq!(unknown, Ok(None), "the digest that an upstream gave the image");
    assert_eq!(place.fake.saves(), 0, "nothing is exported to look for a digest");
    let manifest = place.tagged("app", "1").await.unwrap().unwrap();
    let digest = manifest.digest.as_str();
    assert_eq!(place.tagged("app", digest).await, Ok(Some(manifest.clone())));
    assert_eq!(place.tagged("ghcr.io/x/y", digest).await, Ok(Some(manifest.clone())));
    assert_eq!(place.tagged("b", digest).await, Ok(None), "it is not in this repository");
    place.restart();
    assert_eq!(place.tagged("app", digest).await, Ok(Some(manifest)));
    assert_eq!(place.fake.saves(), 1);
}

#[tokio::test]
async fn a_blob_is_answered_in_the_repositories_whose_images_have_it() {
    let other = Picture::new(&[b"other"], &["b:1"]);
    let place = Place::new(vec![app(), other.clone()]);
    assert_eq!(place.read("b", &other.digests()[0]).await.as_deref(), Some(&b"other"[..]));
    assert_eq!(place.read("app", &other.digests()[0]).await, None);
    assert_eq!(place.read("nobody", &other.digests()[0]).await, None);
    assert_eq!(place.read("b", &Digest::sha256(b"unknown")).await, None);
    assert_eq!(place.fake.saves(), 1, "an image that does not have it is not exported");
}

#[tokio::test]
async fn rebuilt_retagged_and_removed_images_are_seen_at_once() {
    let place = Place::new(vec![Picture::new(&[b"one"], &["app:1"])]);
    let first = place.tagged("app", "1").await.unwrap().unwrap();
    let old = Digest::sha256(b"one");
    assert!(place.read("app", &old).await.is_some());
    *place.fake.images.lock().unwrap() =
        vec![Picture::new(&[b"one"], &["<none>:<none>"]), Picture::new(&[b"two"], &["app:1"])];
    let second = place.tagged("app", "1").await.unwrap().unwrap();
    assert_ne!(first.digest, second.digest);
    assert_eq!(place.read("app", &old).await, None, "an image without a name is not offered");
    assert_eq!(place.tagged("app", first.digest.as_str()).await, Ok(None));
    place.fake.images.lock().unwrap()[0].names = vec!["app:old"];
    assert_eq!(place.tagged("app", "old").await, Ok(Some(first.clone())));
    assert!(place.read("app", &old).await.is_some());
    place.fake.images.lock().unwrap().clear();
    for reference in ["1", "old", first.digest.as_str()] {
        assert_eq!(place.tagged("app", reference).await, Ok(None), "{reference}");
    }
    assert_eq!(place.read("app", &old).await, None);
}
