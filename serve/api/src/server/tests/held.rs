//! One connection in a world whose time is virtual.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use dockless_registry::Source;
use dockless_runtime::simulation::Simulation;
use dockless_runtime::{Clock, Runtime, ShutdownTrigger, shutdown};
use dockless_store::MemoryStore;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf, duplex};

use super::fixture::{Client, door};
use crate::Settings;
use crate::connection::{Connection, Peer, Scheme};
use crate::flow::Flow;
use crate::server::http::Server;

/// A request that is answered with `{}`.
pub(super) const GET: &str = "GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n";

/// A short time.
pub(super) const TICK: Duration = Duration::from_millis(1);

/// The server's end of a connection; a parked one asks for one byte only.
struct Watched {
    inner: DuplexStream,
    parked: Arc<AtomicBool>,
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        self.parked.store(buffer.remaining() == 1, Ordering::Relaxed);
        Pin::new(&mut self.inner).poll_read(context, buffer)
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

/// A connection in a world whose time is virtual.
pub(super) struct Held {
    pub(super) client: Client<DuplexStream>,
    parked: Arc<AtomicBool>,
    clock: Arc<dyn Clock>,
    pub(super) stop: ShutdownTrigger,
    _force: ShutdownTrigger,
}

impl Held {
    fn new(runtime: &Runtime, sources: Vec<Arc<dyn Source>>) -> Self {
        let blobs = MemoryStore::new(runtime.clone(), dockless_store::Settings::default());
        let (stop, draining) = shutdown();
        let (force, forced) = shutdown();
        let door = door(runtime.clone(), blobs, sources, Settings::default(), None);
        let server = Server::new(door, draining, forced);
        let (client, inner) = duplex(4096);
        let parked = Arc::new(AtomicBool::default());
        let watched = Watched { inner, parked: parked.clone() };
        let connection = Connection::new(Peer::Unix, Scheme::Http, false);
        runtime.spawn("connection", async move {
            let _ = server.http(watched, Flow::default(), connection, true).await;
        });
        Self { client: Client(client), parked, clock: runtime.clock.clone(), stop, _force: force }
    }

    /// Asks and is answered.
    pub(super) async fn ask(&mut self) {
        self.client.send(GET).await;
        self.answered().await;
    }

    /// The answer to [`GET`] comes.
    pub(super) async fn answered(&mut self) {
        let (head, body) = self.client.answer().await;
        assert!(head.starts_with("HTTP/1.1 200") && body == b"{}", "{head}");
    }

    /// Lets time pass.
    pub(super) async fn wait(&self, time: Duration) {
        self.clock.sleep(time).await;
    }

    /// The time.
    pub(super) fn now(&self) -> Duration {
        self.clock.monotonic()
    }

    /// Whether the server holds as little as it can.
    pub(super) fn is_parked(&self) -> bool {
        self.parked.load(Ordering::Relaxed)
    }

    /// How long it took until the server closed the connection, without another word.
    pub(super) async fn end(&mut self) -> Duration {
        let began = self.now();
        assert_eq!(self.client.rest().await, "");
        self.now() - began
    }
}

/// A test over one connection, in several orders of events.
pub(super) fn simulated<F: Future<Output = ()>>(seeds: u64, test: impl Fn(Held) -> F) {
    simulated_with(seeds, |_| Vec::new(), test);
}

/// The same, with content of sources.
pub(super) fn simulated_with<F: Future<Output = ()>>(
    seeds: u64,
    sources: impl Fn(&Runtime) -> Vec<Arc<dyn Source>>,
    test: impl Fn(Held) -> F,
) {
    for seed in 0..seeds {
        let simulation = Simulation::new(seed);
        let runtime = simulation.runtime();
        let held = Held::new(&runtime, sources(&runtime));
        simulation.block_on(test(held));
    }
}
