//! A registry on a simulated machine, and short words for what tests do with it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use dockless_meta::{Applied, Command, Event, Ledger, LedgerError, LocalLedger, MemoryLedger, View};
use dockless_oci::media_type::{OCI_CONFIG, OCI_LAYER_GZIP, OCI_MANIFEST};
use dockless_oci::{Algorithm, Digest, Reference, RepositoryName, Tag};
use dockless_runtime::simulation::Simulation;
use dockless_runtime::{Disk, MetricRegistry, Runtime};
use dockless_store::{BlobStore, FilesystemStore, MemoryStore, UploadId, UploadStatus};
use serde_json::json;
use tokio::sync::watch;

use crate::{
    Asked, BlobBody, Caller, Error, Parts, PutDone, PutRequest, Registry, Settings, Source, TagCondition,
};

/// A registry and the machine it runs on.
pub(super) struct Machine {
    pub(super) simulation: Simulation,
    pub(super) registry: Registry,
    /// The ledger in memory, which can be told to refuse.
    pub(super) memory: Option<Arc<MemoryLedger>>,
    pub(super) metrics: MetricRegistry,
}

/// The root of everything on the simulated disk.
pub(super) const DATA: &str = "/data";

impl Machine {
    /// All in memory.
    pub(super) fn memory(settings: Settings) -> Self {
        Self::with_sources(Simulation::new(1), settings, Vec::new())
    }

    /// All in memory, with others to ask.
    pub(super) fn with_sources(
        simulation: Simulation,
        settings: Settings,
        sources: Vec<Arc<dyn Source>>,
    ) -> Self {
        let runtime = simulation.runtime();
        let ledger = MemoryLedger::with_clock(runtime.clock.clone());
        let blobs = MemoryStore::new(runtime, dockless_store::Settings::default());
        Self::of(simulation, ledger.clone(), blobs, Some(ledger), settings, sources)
    }

    /// All in memory, over a ledger that takes its time on both ways, as one in a cluster does: whatever is decided
    /// on what a caller saw before is decided too early.
    pub(super) fn slow(seed: u64, settings: Settings) -> Self {
        let simulation = Simulation::new(seed);
        let runtime = simulation.runtime();
        let ledger = MemoryLedger::with_clock(runtime.clock.clone());
        let blobs = MemoryStore::new(runtime.clone(), dockless_store::Settings::default());
        let slow = Arc::new(SlowLedger { ledger: ledger.clone(), runtime });
        Self::of(simulation, slow, blobs, Some(ledger), settings, Vec::new())
    }

    /// Journal, tables and files on the machine's disk.
    pub(super) fn durable(simulation: Simulation, settings: Settings) -> Self {
        Self::durable_with_sources(simulation, settings, Vec::new())
    }

    /// Journal, tables and files on the machine's disk, with others to ask.
    pub(super) fn durable_with_sources(
        simulation: Simulation,
        settings: Settings,
        sources: Vec<Arc<dyn Source>>,
    ) -> Self {
        let runtime = simulation.runtime();
        let (ledger, blobs) = simulation.block_on(async {
            let ledger =
                LocalLedger::open(runtime.clone(), path("ledger"), dockless_meta::Settings::default());
            let blobs =
                FilesystemStore::open(runtime.clone(), path("store"), dockless_store::Settings::default());
            (ledger.await.unwrap(), blobs.await.unwrap())
        });
        Self::of(simulation, ledger, blobs, None, settings, sources)
    }

    fn of(
        simulation: Simulation,
        ledger: Arc<dyn Ledger>,
        blobs: Arc<dyn BlobStore>,
        memory: Option<Arc<MemoryLedger>>,
        settings: Settings,
        sources: Vec<Arc<dyn Source>>,
    ) -> Self {
        let metrics = MetricRegistry::new();
        let runtime = simulation.runtime();
        let parts = Parts { ledger, blobs, runtime, settings, sources, metrics: &metrics };
        let registry = Registry::new(parts);
        Self { simulation, registry, memory, metrics }
    }

    /// Power off and on.
    pub(super) fn power_cycle(self, seed: u64, settings: Settings) -> Self {
        self.simulation.power_cycle(seed);
        Self::durable(Simulation::with_disk(seed, self.simulation.disk()), settings)
    }

    pub(super) fn run<F: Future>(&self, work: F) -> F::Output {
        self.simulation.block_on(work)
    }

    /// A whole upload by an anonymous caller.
    pub(super) fn push_blob(&self, repository: &str, bytes: &[u8]) -> Digest {
        let digest = Digest::sha256(bytes);
        self.run(push_blob(&self.registry, repository, bytes, &digest)).unwrap();
        digest
    }

    /// Begins an upload and gives it bytes.
    pub(super) fn begin(&self, caller: &Caller, repository: &str, bytes: &[u8]) -> UploadStatus {
        let upload = self.run(self.registry.begin_upload(caller, &name(repository), None)).unwrap();
        self.append(caller, &upload, 0, bytes).unwrap();
        upload
    }

    /// Gives an upload bytes, as one that stands at `at`; where it stands then.
    pub(super) fn append(
        &self,
        caller: &Caller,
        upload: &UploadStatus,
        at: u64,
        bytes: &[u8],
    ) -> Result<u64, Error> {
        self.run(async {
            let append = self.registry.append(caller, &upload.repository, &upload.id, Some(at));
            let mut writer = append.await?;
            writer.write(Bytes::copy_from_slice(bytes)).await?;
            Ok(writer.close().await?)
        })
    }

    pub(super) fn finish(
        &self,
        caller: &Caller,
        repository: &str,
        id: &UploadId,
        digest: &Digest,
    ) -> Result<u64, Error> {
        self.run(self.registry.finish(caller, &name(repository), id, digest))
    }

    pub(super) fn blob_size(&self, repository: &str, digest: &Digest) -> Result<u64, Error> {
        self.run(self.registry.blob_size(&asked(repository), digest))
    }

    /// The bytes of a blob, or why there are none.
    pub(super) fn blob(&self, repository: &str, digest: &Digest) -> Result<Bytes, Error> {
        let content = self.run(self.registry.blob(&asked(repository), digest))?;
        assert_eq!(self.blob_size(repository, digest), Ok(content.size));
        match content.body {
            BlobBody::Cached(bytes) => Ok(bytes),
            BlobBody::File(blob) => self.run(async {
                let mut bytes = Vec::new();
                while (bytes.len() as u64) < blob.size {
                    bytes.extend_from_slice(&blob.read(bytes.len() as u64, usize::MAX).await?);
                }
                Ok(bytes.into())
            }),
        }
    }

    pub(super) fn put(&self, repository: &str, reference: &str, bytes: &[u8]) -> Result<PutDone, Error> {
        self.put_if(repository, reference, bytes, None)
    }

    pub(super) fn put_if(
        &self,
        repository: &str,
        reference: &str,
        bytes: &[u8],
        if_match: Option<TagCondition>,
    ) -> Result<PutDone, Error> {
        let request = PutRequest {
            reference: Reference::parse(reference).unwrap(),
            tags: Vec::new(),
            content_type: None,
            bytes: Bytes::copy_from_slice(bytes),
            if_match,
        };
        self.run(self.registry.put_manifest(&asked(repository), request))
    }

    /// The bytes of a manifest, or why there are none.
    pub(super) fn manifest(&self, repository: &str, reference: &str) -> Result<Bytes, Error> {
        let reference = Reference::parse(reference).unwrap();
        let head = self.run(self.registry.manifest_head(&asked(repository), &reference));
        let manifest = self.run(self.registry.manifest(&asked(repository), &reference));
        assert_eq!(head.is_ok(), manifest.is_ok(), "HEAD and GET agree");
        let (head, manifest) = (head?, manifest?);
        assert_eq!((head.digest, head.media_type), (manifest.digest, manifest.media_type));
        assert_eq!(head.size, manifest.bytes.len() as u64);
        Ok(manifest.bytes)
    }

    pub(super) fn tags(&self, repository: &str) -> Vec<String> {
        let page = self.run(self.registry.tags(&asked(repository), None, None)).unwrap();
        page.items.iter().map(ToString::to_string).collect()
    }

    /// Takes the file of a blob away, as a failing disk does.
    pub(super) fn lose_file(&self, digest: &Digest) {
        self.simulation.disk().remove(&blob_file(digest)).unwrap();
    }

    /// The value of a metric by the beginning of its line.
    pub(super) fn metric(&self, line: &str) -> u64 {
        let text = self.metrics.encode();
        let found = text.lines().find_map(|candidate| candidate.strip_prefix(line));
        found.map_or(0, |value| value.trim().parse().unwrap())
    }
}

struct SlowLedger {
    ledger: Arc<MemoryLedger>,
    runtime: Runtime,
}

impl SlowLedger {
    async fn pause(&self) {
        let mut random = [0; 1];
        self.runtime.entropy.fill(&mut random);
        self.runtime.clock.sleep(Duration::from_micros(u64::from(random[0]))).await;
    }
}

#[async_trait]
impl Ledger for SlowLedger {
    async fn submit(&self, command: Command) -> Result<Applied, LedgerError> {
        self.pause().await;
        let applied = self.ledger.submit(command).await;
        self.pause().await;
        applied
    }

    fn view(&self) -> Result<View, LedgerError> {
        self.ledger.view()
    }

    fn applied(&self) -> watch::Receiver<u64> {
        self.ledger.applied()
    }

    async fn events(&self, after: u64, limit: usize) -> Result<Vec<(u64, Event)>, LedgerError> {
        self.ledger.events(after, limit).await
    }

    async fn stop(&self) -> Result<(), LedgerError> {
        self.ledger.stop().await
    }
}

/// Runs a test over the ledger and store in memory and over those on disk.
pub(super) fn on_both(test: impl Fn(&Machine)) {
    test(&Machine::memory(Settings::default()));
    test(&Machine::durable(Simulation::new(2), Settings::default()));
}

pub(super) async fn push_blob(
    registry: &Registry,
    repository: &str,
    bytes: &[u8],
    digest: &Digest,
) -> Result<u64, Error> {
    let (caller, repository) = (Caller::anonymous(), name(repository));
    let hint = Some(digest.algorithm()).filter(|algorithm| *algorithm != Algorithm::Sha256);
    let upload = registry.begin_upload(&caller, &repository, hint).await?;
    let mut writer = registry.append(&caller, &repository, &upload.id, None).await?;
    for part in bytes.chunks(100_000) {
        writer.write(Bytes::copy_from_slice(part)).await?;
    }
    writer.close().await?;
    registry.finish(&caller, &repository, &upload.id, digest).await
}

pub(super) fn path(part: &str) -> PathBuf {
    Path::new(DATA).join(part)
}

pub(super) fn blob_file(digest: &Digest) -> PathBuf {
    path("store/blobs").join(digest.algorithm().as_str()).join(&digest.hex()[..2]).join(digest.hex())
}

pub(super) fn name(text: &str) -> RepositoryName {
    RepositoryName::parse(text).unwrap()
}

/// Anybody's question about a repository.
pub(super) fn asked(repository: &str) -> Asked {
    Asked::anonymous(&name(repository))
}

pub(super) fn tag(text: &str) -> Tag {
    Tag::parse(text).unwrap()
}

/// An image manifest with these members besides; its blobs are `config` and one layer for each of `layers`.
pub(super) fn image(layers: &[&[u8]], more: serde_json::Value) -> Vec<u8> {
    let descriptor = |media_type: &str, bytes: &[u8]| json!({"mediaType": media_type, "digest": Digest::sha256(bytes).as_str(), "size": bytes.len()});
    let layers: Vec<_> = layers.iter().map(|bytes| descriptor(OCI_LAYER_GZIP, bytes)).collect();
    let mut manifest = json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": descriptor(OCI_CONFIG, b"{}"), "layers": layers,
    });
    let serde_json::Value::Object(more) = more else { panic!("more members are an object") };
    manifest.as_object_mut().unwrap().extend(more);
    serde_json::to_vec(&manifest).unwrap()
}

/// An image without layers whose bytes differ by `text`.
pub(super) fn image_of(text: &str) -> Vec<u8> {
    image(&[], json!({"annotations": {"text": text}}))
}
