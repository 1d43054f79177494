//! A registry and its sources, and short words for them.

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use dockless_oci::{Digest, Reference};
use dockless_runtime::Runtime;
use dockless_runtime::simulation::{Random, Simulation};

use crate::conformance::{Bring, Lie, LyingSource, MemorySource, Offer, read_blob};
use crate::tests::fixture::{Machine, asked};
use crate::{Asked, BlobBody, Error, Principal, Registry, Settings, Source};

/// Bytes of a layer, others for each number.
pub(super) fn layer(number: u64, size: usize) -> Bytes {
    let mut random = Random::new(number);
    let mut bytes = Vec::with_capacity(size + 8);
    while bytes.len() < size {
        bytes.extend_from_slice(&random.bits().to_le_bytes());
    }
    bytes.truncate(size);
    bytes.into()
}

/// Two repositories: images with a small layer, with a large one, with none; one layer in common; an index.
pub(super) fn offers() -> Vec<Offer> {
    static OFFERS: LazyLock<Vec<Offer>> = LazyLock::new(make_offers);
    OFFERS.clone()
}

fn make_offers() -> Vec<Offer> {
    let (small, large) = (layer(1, 1_000), layer(2, 200_000));
    vec![
        Offer::new("app").image("1", &[small.clone(), large.clone()]).image("empty", &[]),
        Offer::new("team/tool")
            .image("latest", &[large, layer(3, 65_537), Bytes::new()])
            .index("multi", &[&[layer(4, 70_000)], &[small]]),
    ]
}

/// The image `app:1` of [`offers`]: its manifest's digest and its blobs, the smallest first.
pub(super) fn app() -> (Digest, Vec<(Digest, Bytes)>) {
    let offer = offers().remove(0);
    let manifest = offer.tags["1".parse().as_ref().unwrap()].clone();
    let layers = [layer(1, 1_000), layer(2, 200_000)];
    (manifest, layers.into_iter().map(|bytes| (Digest::sha256(&bytes), bytes)).collect())
}

pub(super) fn tagged(text: &str) -> Reference {
    Reference::parse(text).unwrap()
}

pub(super) fn as_user(repository: &str, user: &str) -> Asked {
    Asked { principal: Principal::User(user.into()), ..asked(repository) }
}

pub(super) fn memory(runtime: &Runtime, label: &str, bring: Bring) -> Arc<MemorySource> {
    MemorySource::new(runtime.clone(), label, bring, offers())
}

/// One that tells the truth behind one that always tells the same lie.
pub(super) fn liar(runtime: &Runtime, label: &str, bring: Bring, lie: Lie) -> Arc<LyingSource> {
    LyingSource::new(memory(runtime, label, bring), runtime.clone(), move || lie)
}

/// A registry in memory with these sources.
pub(super) fn machine<const N: usize>(make: impl FnOnce(&Runtime) -> [Arc<dyn Source>; N]) -> Machine {
    let simulation = Simulation::new(1);
    let sources = make(&simulation.runtime()).into_iter().collect();
    Machine::with_sources(simulation, Settings::default(), sources)
}

/// The bytes of a blob as a client gets them, or why it gets none or not all.
pub(super) async fn get_blob(registry: &Registry, asked: &Asked, digest: &Digest) -> Result<Bytes, Error> {
    let content = registry.blob(asked, digest).await?;
    let bytes = match content.body {
        BlobBody::Cached(bytes) => bytes,
        BlobBody::File(blob) => {
            let mut bytes = Vec::new();
            while (bytes.len() as u64) < blob.size {
                bytes.extend_from_slice(&blob.read(bytes.len() as u64, usize::MAX).await?);
            }
            bytes.into()
        }
    };
    assert_eq!(bytes.len() as u64, content.size);
    Ok(bytes)
}

/// That nothing is left of what was not finished.
#[track_caller]
pub(super) fn check_nothing_is_left(machine: &Machine) {
    // What is dropped goes in a task of its own.
    machine.simulation.run_for(std::time::Duration::from_secs(1));
    assert_eq!(machine.run(machine.registry.inner.blobs.uploads()).unwrap(), []);
}

/// Whether the store has a file for this digest.
pub(super) fn is_stored(machine: &Machine, digest: &Digest) -> bool {
    machine.run(machine.registry.inner.blobs.open(digest)).unwrap().is_some()
}

/// Whether the repository holds a blob by the ledger.
pub(super) fn is_linked(machine: &Machine, repository: &str, digest: &Digest) -> bool {
    machine.registry.snapshot().unwrap().blob(&asked(repository).repository, digest).unwrap().is_some()
}

/// The bytes that the sources themselves give.
pub(super) async fn true_bytes(source: &dyn Source, asked: &Asked, digest: &Digest) -> Bytes {
    read_blob(source, asked, digest).await.unwrap().unwrap()
}
