//! Clients of HTTP/1.1 that close their side: some wait for the answer, some are gone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use dockless_oci::{Digest, Reference, RepositoryName, Tag};
use dockless_registry::conformance::{Bring, MemorySource};
use dockless_registry::{
    Asked, Manifest, Principal, Source, SourceBlob, SourceError, SourceStatus, SourceTraits,
};
use dockless_runtime::{Clock, Runtime};
use tokio::io::AsyncWriteExt as _;

use super::held::{TICK, simulated, simulated_with};
use crate::server::stream::GONE_AFTER;

const MANIFEST: &str = "GET /v2/a/manifests/x HTTP/1.1\r\nHost: x\r\n\r\n";

/// A source that has nothing and takes long to say so.
struct Slow {
    source: Arc<MemorySource>,
    clock: Arc<dyn Clock>,
    takes: Duration,
    asked: Arc<AtomicBool>,
}

/// Whether somebody asks, until it is dropped.
struct Asking(Arc<AtomicBool>);

impl Drop for Asking {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

#[async_trait]
impl Source for Slow {
    fn traits(&self) -> &SourceTraits {
        self.source.traits()
    }

    async fn manifest(&self, _: &Asked, _: &Reference) -> Result<Option<Manifest>, SourceError> {
        self.asked.store(true, Ordering::Relaxed);
        let _asking = Asking(self.asked.clone());
        self.clock.sleep(self.takes).await;
        Ok(None)
    }

    async fn blob(&self, asked: &Asked, digest: &Digest) -> Result<Option<SourceBlob>, SourceError> {
        self.source.blob(asked, digest).await
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

/// A source that takes so long; whether it is being asked.
fn slow(takes: Duration, asked: &Arc<AtomicBool>) -> impl Fn(&Runtime) -> Vec<Arc<dyn Source>> {
    let asked = asked.clone();
    move |runtime| {
        let source = MemorySource::new(runtime.clone(), "memory", Bring::InPlace, Vec::new());
        vec![Arc::new(Slow { source, clock: runtime.clock.clone(), takes, asked: asked.clone() })]
    }
}

/// The head of a request that pushes these bytes, up to what it says of their length.
fn push_of(bytes: &[u8]) -> String {
    format!("POST /v2/a/blobs/uploads/?digest={} HTTP/1.1\r\nHost: x\r\n", Digest::sha256(bytes))
}

#[test]
fn who_closes_its_side_has_an_answer_that_takes_a_while() {
    let asked = Arc::default();
    simulated_with(4, slow(GONE_AFTER - TICK, &asked), async |mut held| {
        held.client.send(MANIFEST).await;
        held.client.0.shutdown().await.unwrap();
        assert!(held.client.answer().await.0.starts_with("HTTP/1.1 404"));
        assert_eq!(held.end().await, Duration::ZERO);
    });
}

#[test]
fn what_is_asked_for_a_client_that_is_gone_is_given_up() {
    let asked = Arc::default();
    simulated_with(4, slow(Duration::from_secs(3600), &asked), async |mut held| {
        held.client.send(MANIFEST).await;
        held.wait(GONE_AFTER * 2).await;
        assert!(asked.load(Ordering::Relaxed), "the client is there");
        held.client.0.shutdown().await.unwrap();
        held.wait(GONE_AFTER - TICK).await;
        assert!(asked.load(Ordering::Relaxed), "the client may wait for the answer");
        held.wait(TICK * 2).await;
        assert!(!asked.load(Ordering::Relaxed));
        assert_eq!(held.end().await, Duration::ZERO);
    });
}

#[test]
fn a_body_that_is_cut_short_is_noticed_at_once() {
    simulated(4, async |mut held| {
        held.client.send(&format!("{}Content-Length: 30\r\n\r\nabc", push_of(b"abc"))).await;
        held.wait(TICK).await;
        held.client.0.shutdown().await.unwrap();
        let began = held.now();
        assert!(held.client.rest().await.contains("the request body broke off"));
        assert_eq!(held.now(), began);
    });
}

#[test]
fn who_sends_whole_bodies_and_closes_its_side_is_answered() {
    let head = push_of(b"abc");
    let whole = ["Content-Length: 3\r\n\r\nabc", "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"];
    for body in whole {
        simulated(20, async |mut held| {
            held.client.send(&format!("{head}{body}").repeat(3)).await;
            held.client.0.shutdown().await.unwrap();
            for _ in 0..3 {
                let (head, _) = held.client.answer().await;
                assert!(head.starts_with("HTTP/1.1 201"), "{head}");
            }
            assert_eq!(held.end().await, Duration::ZERO);
        });
    }
}
