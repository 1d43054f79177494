//! A server on a port of its own, and clients that know nothing of HTTP.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use dockless_meta::MemoryLedger;
use dockless_oci::Digest;
use dockless_registry::access::Access;
use dockless_registry::{Parts, Registry, Source};
use dockless_runtime::{MetricRegistry, Runtime, ShutdownTrigger, shutdown};
use dockless_store::{BlobStore, MemoryStore};
use http::Request;
use http_body_util::Full;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::oneshot;

use crate::connection::{Connection, Peer, Scheme};
use crate::tls::Certificates;
use crate::{BoundListener, Door, DoorParts, ListenerSocket, NodeFacts, Served, Settings, serve};

/// A running server.
pub(super) struct Live {
    pub(super) address: SocketAddr,
    pub(super) door: Arc<Door>,
    stop: ShutdownTrigger,
    ended: oneshot::Receiver<Served>,
}

/// What a listener speaks.
#[derive(Clone, Copy)]
pub(super) struct Speaks {
    pub(super) plain: bool,
    pub(super) tls: bool,
}

impl Live {
    /// A server of plain HTTP.
    pub(super) async fn plain(settings: Settings) -> Self {
        Self::start(settings, None, Speaks { plain: true, tls: false }).await
    }

    pub(super) async fn start(settings: Settings, tls: Option<Arc<Certificates>>, speaks: Speaks) -> Self {
        let blobs = MemoryStore::new(Runtime::real(), dockless_store::Settings::default());
        Self::over(blobs, settings, tls, speaks).await
    }

    /// With its blobs in `blobs`.
    pub(super) async fn over(
        blobs: Arc<dyn BlobStore>,
        settings: Settings,
        tls: Option<Arc<Certificates>>,
        speaks: Speaks,
    ) -> Self {
        let runtime = Runtime::real();
        let door = door(runtime.clone(), blobs, Vec::new(), settings, tls);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let listener = BoundListener {
            socket: ListenerSocket::Tcp(listener),
            plain: speaks.plain,
            tls: speaks.tls,
            admin: false,
        };
        let (stop, stopping) = shutdown();
        let (end, ended) = oneshot::channel();
        let serving = serve(door.clone(), vec![listener], stopping);
        runtime.spawn("serve", async move {
            let _ = end.send(serving.await);
        });
        Self { address, door, stop, ended }
    }

    pub(super) async fn connect(&self) -> Client<TcpStream> {
        Client(TcpStream::connect(self.address).await.unwrap())
    }

    /// A client whose socket holds little, so that what it does not read stays with the server.
    pub(super) async fn connect_narrow(&self) -> Client<TcpStream> {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(64 << 10).unwrap();
        Client(socket.connect(self.address).await.unwrap())
    }

    /// Sends one request on a connection of its own, which is closed after it.
    pub(super) async fn ask(&self, head: &str) -> String {
        let mut client = self.connect().await;
        client.send(&format!("{head}\r\nHost: x\r\nConnection: close\r\n\r\n")).await;
        client.rest().await
    }

    /// Puts a blob into the repository `a`, not over the network.
    pub(super) async fn push(&self, bytes: Vec<u8>) -> Digest {
        let digest = Digest::sha256(&bytes);
        let request = Request::post(format!("/v2/a/blobs/uploads/?digest={digest}")).header("host", "x");
        let request =
            request.header("content-length", bytes.len()).body(Full::new(Bytes::from(bytes))).unwrap();
        let within = Connection::new(Peer::Unix, Scheme::Http, false);
        assert_eq!(self.door.handle(request, &within).await.status(), 201);
        digest
    }

    /// Asks the server to stop.
    pub(super) fn stop(&self) {
        self.stop.trigger();
    }

    /// How serving ended.
    pub(super) async fn ended(self) -> Served {
        self.ended.await.unwrap()
    }
}

/// A door over an empty ledger.
pub(super) fn door(
    runtime: Runtime,
    blobs: Arc<dyn BlobStore>,
    sources: Vec<Arc<dyn Source>>,
    settings: Settings,
    tls: Option<Arc<Certificates>>,
) -> Arc<Door> {
    let metrics = Arc::new(MetricRegistry::new());
    let registry = Registry::new(Parts {
        ledger: MemoryLedger::new(),
        blobs,
        runtime: runtime.clone(),
        settings: dockless_registry::Settings::default(),
        sources,
        metrics: &metrics,
    });
    let access = Arc::new(Access::anonymous());
    let facts = NodeFacts::default();
    let parts = DoorParts { registry, access, runtime, settings, metrics, tls, facts };
    Door::new(parts).unwrap()
}

/// A client that writes bytes and reads bytes.
pub(super) struct Client<S>(pub(super) S);

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    pub(super) async fn send(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
        // TLS may hold what the socket did not take.
        self.0.flush().await.unwrap();
    }

    /// Reads until the end; the end may be a reset after some bytes.
    pub(super) async fn rest(&mut self) -> String {
        String::from_utf8_lossy(&self.rest_bytes().await.0).into_owned()
    }

    /// All that comes, and whether it ended in order.
    pub(super) async fn rest_bytes(&mut self) -> (Vec<u8>, bool) {
        let mut bytes = Vec::new();
        let ended = self.0.read_to_end(&mut bytes).await;
        (bytes, ended.is_ok())
    }

    /// Reads one answer with a `Content-Length`: its head and its body.
    pub(super) async fn answer(&mut self) -> (String, Vec<u8>) {
        let head = self.head().await;
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .map_or(0, |n| n.parse().unwrap());
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).await.unwrap();
        (head, body)
    }

    /// Reads one head.
    pub(super) async fn head(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.0.read_u8().await.unwrap());
        }
        String::from_utf8(head).unwrap()
    }
}
