//! What lies in a source and is read there: late, by several at once, or not at all.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use dockless_oci::{Digest, Reference, RepositoryName, Tag};
use dockless_runtime::{Clock, Runtime};
use dockless_store::{Blob, BlobRead, StoreError};
use futures_util::future::join_all;

use super::fixture::{app, check_nothing_is_left, get_blob, machine, memory, offers};
use crate::conformance::{Bring, MemorySource};
use crate::tests::fixture::asked;
use crate::{
    Asked, BlobBody, Error, Manifest, Principal, Source, SourceBlob, SourceError, SourceStatus, SourceTraits,
};

/// How a blob is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// Its first bytes come after this time.
    Late(Duration),
    /// Each reader is given the bytes in order from the start, and nothing else.
    InOrder,
    /// The disk fails.
    Fails,
}

/// A source whose blobs are read in a manner.
struct Engine {
    source: Arc<MemorySource>,
    clock: Arc<dyn Clock>,
    manner: Manner,
}

/// One reader of one blob.
struct Reader {
    blob: Blob,
    clock: Arc<dyn Clock>,
    manner: Manner,
    at: AtomicU64,
}

fn engine(runtime: &Runtime, manner: Manner) -> Arc<Engine> {
    let (source, clock) = (memory(runtime, "engine", Bring::InPlace), runtime.clock.clone());
    source.slow_down(Duration::from_millis(5));
    Arc::new(Engine { source, clock, manner })
}

#[async_trait]
impl Source for Engine {
    fn traits(&self) -> &SourceTraits {
        self.source.traits()
    }

    async fn manifest(&self, asked: &Asked, reference: &Reference) -> Result<Option<Manifest>, SourceError> {
        self.source.manifest(asked, reference).await
    }

    async fn blob(&self, asked: &Asked, digest: &Digest) -> Result<Option<SourceBlob>, SourceError> {
        let Some(SourceBlob::InPlace(blob)) = self.source.blob(asked, digest).await? else {
            return Ok(None);
        };
        let (clock, manner) = (self.clock.clone(), self.manner);
        let size = blob.size;
        let reader = Reader { blob, clock, manner, at: AtomicU64::new(0) };
        Ok(Some(SourceBlob::InPlace(Blob::new(size, Arc::new(reader)))))
    }

    async fn tags(&self, asked: &Asked) -> Result<Option<Vec<Tag>>, SourceError> {
        self.source.tags(asked).await
    }

    async fn repositories(&self, principal: &Principal) -> Result<Vec<RepositoryName>, SourceError> {
        self.source.repositories(principal).await
    }

    async fn status(&self) -> SourceStatus {
        self.source.status().await
    }
}

#[async_trait]
impl BlobRead for Reader {
    fn try_read(&self, _: u64, _: usize) -> Option<Result<Bytes, StoreError>> {
        None
    }

    async fn read(&self, offset: u64, max: usize) -> Result<Bytes, StoreError> {
        let at = self.at.load(Ordering::Relaxed);
        match self.manner {
            Manner::Late(time) if at == 0 => self.clock.sleep(time).await,
            Manner::Late(_) => {}
            Manner::InOrder if offset == at => {}
            Manner::InOrder => return Err(StoreError::Io(format!("{at} comes next, not {offset}"))),
            Manner::Fails => return Err(StoreError::Io("the disk fails".to_owned())),
        }
        let bytes = self.blob.read(offset, max.min(50_000)).await?;
        self.at.store(offset + bytes.len() as u64, Ordering::Relaxed);
        Ok(bytes)
    }
}

#[test]
fn a_layer_whose_first_byte_is_late_is_taken_over_by_a_push() {
    let put = |late: Duration| {
        let machine = machine(|runtime| [engine(runtime, Manner::Late(late))]);
        let manifest = offers()[0].manifests[&app().0].bytes.clone();
        let put = machine.put("app", "v1", &manifest);
        check_nothing_is_left(&machine);
        put.map(|done| done.missing)
    };
    assert_eq!(put(Duration::from_secs(10 * 60)), Ok(0), "a large file is read once before");
    let stuck = put(Duration::from_secs(24 * 3600));
    assert!(matches!(&stuck, Err(Error::Unavailable(why)) if why.contains("stood still")), "{stuck:?}");
}

#[test]
fn each_has_a_reader_of_its_own() {
    let machine = machine(|runtime| [engine(runtime, Manner::InOrder)]);
    let (digest, bytes) = app().1.remove(1);
    let (registry, app) = (&machine.registry, asked("app"));
    let pulled = machine.run(async { join_all((0..10).map(|_| get_blob(registry, &app, &digest))).await });
    assert!(pulled.into_iter().all(|pulled| pulled.as_ref() == Ok(&bytes)));
}

#[test]
fn one_thing_that_cannot_be_read_in_place_says_nothing_about_the_others() {
    let machine = machine(|runtime| [engine(runtime, Manner::Fails)]);
    let (registry, app, blobs) = (&machine.registry, asked("app"), app().1);
    for _ in 0..10 {
        for (digest, _) in &blobs {
            assert!(machine.run(get_blob(registry, &app, digest)).is_err());
        }
    }
    let report = machine.run(registry.sources()).remove(0);
    assert_eq!((report.rests, report.failures), (false, 0));
    assert!(machine.run(registry.manifest(&app, &Reference::parse("1").unwrap())).is_ok());
}

#[test]
fn who_comes_back_for_what_could_not_be_read_gets_it_from_another_source_that_has_it() {
    let machine = machine(|runtime| {
        [engine(runtime, Manner::Fails) as Arc<dyn Source>, memory(runtime, "other", Bring::InPlace)]
    });
    let (registry, app, blobs) = (&machine.registry, asked("app"), app().1);
    let (small, large) = (&blobs[0], &blobs[1]);
    assert!(machine.run(get_blob(registry, &app, &small.0)).is_ok_and(|bytes| bytes == small.1));
    assert!(machine.run(get_blob(registry, &app, &large.0)).is_err(), "it is cut");
    assert!(machine.run(get_blob(registry, &app, &large.0)).is_ok_and(|bytes| bytes == large.1));
    assert_eq!(registry.pulls()[0].from.as_ref(), "other");
    machine.simulation.run_for(Duration::from_secs(60));
    let content = machine.run(registry.blob(&app, &large.0)).unwrap();
    assert!(matches!(content.body, BlobBody::File(_)));
    assert_eq!(registry.pulls()[0].from.as_ref(), "engine", "it may be readable again");
}
