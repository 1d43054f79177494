//! One connection: TLS or not, HTTP/1.1 or HTTP/2, until its end.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::sync::Arc;

use dockless_runtime::{Shutdown, timeout};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsAcceptor;

use super::bare_error;
use super::file_stream::FileStream;
use super::stream::{Stream, StreamLimits};
use super::timer::{ClockTimer, SpawnExecutor};
use crate::connection::{Connection, Peer, Scheme};
use crate::door::Door;
use crate::flow::Flow;
use crate::transfer::{StandIn, Transfers};

/// The first byte of every TLS connection: a handshake record (RFC 8446, section 5.1). No HTTP method has it.
const TLS_HANDSHAKE: u8 = 0x16;

/// hyper's buffer of one HTTP/1.1 connection: twice the headers we take, so that larger ones still get an answer in
/// JSON; and what one read of an upload takes at most.
const BUFFER_BYTES: usize = 64 << 10;

/// Lines of a head: hyper's own default, and more than any client sends behind any proxy.
const HEADERS_MAX: usize = 100;

/// Requests at once on one HTTP/2 connection: what RFC 9113 (section 6.5.2) recommends at least.
const STREAMS_MAX: u32 = 100;

/// What one HTTP/2 upload may have on its way: a gigabit line at 8 ms, beyond which clients open more streams.
const STREAM_WINDOW: u32 = 1 << 20;

/// What all uploads of one HTTP/2 connection may have on their way, and so what it can make us hold.
const CONNECTION_WINDOW: u32 = 4 << 20;

/// Gives a builder of HTTP/1.1 its settings: the one that also takes HTTP/2 has no type in common with the other.
macro_rules! set_http1 {
    ($builder:expr, $timer:expr, $settings:expr) => {
        $builder
            .timer($timer)
            // hyper's clock runs while a connection is idle, too; `Stream` has the shorter one for heads.
            .header_read_timeout($settings.keep_alive_timeout)
            .max_headers(HEADERS_MAX)
            .max_buf_size(BUFFER_BYTES)
    };
}

/// What the connections of one listener have in common.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manners {
    pub(super) plain: bool,
    pub(super) tls: bool,
    pub(super) admin: bool,
}

/// An accepted socket.
#[derive(Debug)]
pub(super) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// What all connections share.
pub(super) struct Server {
    pub(super) door: Arc<Door>,
    builder: auto::Builder<SpawnExecutor>,
    pub(super) http1: http1::Builder,
    pub(super) limits: StreamLimits,
    stand_in: StandIn,
    pub(super) draining: Shutdown,
    forced: Shutdown,
}

impl Server {
    /// `draining`: finish what runs. `forced`: end now.
    pub(super) fn new(door: Arc<Door>, draining: Shutdown, forced: Shutdown) -> Self {
        let settings = &door.settings;
        let limits = StreamLimits {
            keep_alive_timeout: settings.keep_alive_timeout,
            header_timeout: settings.header_timeout,
            idle_timeout: settings.idle_timeout,
        };
        let timer = ClockTimer::new(door.runtime.clock.clone());
        let mut builder = auto::Builder::new(SpawnExecutor(door.runtime.clone()));
        set_http1!(builder.http1(), timer.clone(), settings);
        let mut http1 = http1::Builder::new();
        set_http1!(http1, timer.clone(), settings);
        builder
            .http2()
            .timer(timer)
            .max_concurrent_streams(STREAMS_MAX)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_send_buf_size(BUFFER_BYTES)
            .max_header_list_size(u32::try_from(BUFFER_BYTES).unwrap_or(u32::MAX))
            .keep_alive_interval(settings.keep_alive_timeout / 4)
            .keep_alive_timeout(settings.header_timeout);
        Self { builder, http1, limits, stand_in: StandIn::new(), draining, forced, door }
    }

    /// Serves one connection to its end. What comes after its first byte is in a box: most are silent.
    pub(super) async fn connection(&self, socket: Socket, peer: Peer, manners: Manners) {
        let metrics = &self.door.metrics;
        metrics.accepted.inc();
        metrics.connections.inc();
        let ended = match socket {
            Socket::Tcp(stream) => self.tcp(stream, peer, manners).await,
            Socket::Unix(stream) => {
                let connection = Connection::new(peer, Scheme::Http, manners.admin);
                Box::pin(self.http(stream, Flow::default(), connection, false)).await
            }
        };
        metrics.connections.dec();
        if let Err(error) = ended {
            tracing::debug!(%error, %peer, "a connection ended early");
        }
    }

    async fn tcp(&self, stream: TcpStream, peer: Peer, manners: Manners) -> io::Result<()> {
        let Some(first) = self.first_bytes(&stream).await? else { return Ok(()) };
        if first[0] != TLS_HANDSHAKE {
            let transfers = Transfers::new(self.stand_in.clone());
            let flow = Flow::with_transfers(transfers.clone());
            let stream = FileStream::new(stream, transfers);
            let mut connection = Connection::new(peer, Scheme::Http, manners.admin);
            connection.refuse_plain = !manners.plain;
            return Box::pin(self.http(stream, flow, connection, !may_be_http2(first))).await;
        }
        let Some(tls) = self.door.tls.as_ref().filter(|_| manners.tls) else {
            return self.refuse_tls(stream).await;
        };
        let handshake = TlsAcceptor::from(tls.server_config()).accept(stream);
        let limit = timeout(&*self.door.runtime.clock, self.limits.header_timeout, handshake);
        match self.unless_forced(limit).await? {
            Ok(Ok(stream)) => {
                let only_http1 = stream.get_ref().1.alpn_protocol() == Some(b"http/1.1");
                let connection = Connection::new(peer, Scheme::Https, manners.admin);
                Box::pin(self.http(stream, Flow::default(), connection, only_http1)).await
            }
            Ok(Err(error)) => {
                self.door.metrics.handshakes_failed.inc();
                Err(error)
            }
            Err(_) => {
                self.door.metrics.handshakes_failed.inc();
                Err(io::Error::new(io::ErrorKind::TimedOut, "the TLS handshake took too long"))
            }
        }
    }

    /// The first byte, and the second or 0 if it is not there yet, left where they are; `None` when there will be none.
    async fn first_bytes(&self, stream: &TcpStream) -> io::Result<Option<[u8; 2]>> {
        let mut first = [0; 2];
        let peek =
            timeout(&*self.door.runtime.clock, self.limits.keep_alive_timeout, stream.peek(&mut first));
        let peeked = tokio::select! {
            biased;
            peeked = peek => peeked,
            // A connection without a request has nothing to finish.
            () = self.draining.requested() => return Ok(None),
        };
        match peeked {
            Ok(Ok(0)) | Err(_) => Ok(None),
            Ok(Ok(_)) => Ok(Some(first)),
            Ok(Err(error)) => Err(error),
        }
    }

    /// Clients that try TLS first fall back to plain HTTP when the answer begins like HTTP, and only then.
    async fn refuse_tls(&self, stream: TcpStream) -> io::Result<()> {
        let flow = Arc::new(Flow::default());
        flow.ask_linger();
        let mut stream = Stream::new(stream, flow, self.door.runtime.clock.clone(), self.limits);
        let answer =
            bare_error::answer("400 Bad Request", "this address speaks plain HTTP only: use http://");
        let refuse = async {
            stream.write_all(&answer).await?;
            stream.shutdown().await
        };
        self.unless_forced(refuse).await?
    }

    pub(super) async fn http<S>(
        &self,
        io: S,
        flow: Flow,
        mut connection: Connection,
        only_http1: bool,
    ) -> io::Result<()>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let flow = Arc::new(flow);
        let stream = Stream::new(io, flow.clone(), self.door.runtime.clock.clone(), self.limits);
        connection.flow = Some(flow.clone());
        let connection = Arc::new(connection);
        let door = self.door.clone();
        let service = service_fn(move |request| {
            let (door, connection) = (door.clone(), connection.clone());
            async move { Ok::<_, Infallible>(door.handle(request, &connection).await) }
        });
        if only_http1 {
            return self.http1(stream, &flow, service).await;
        }
        // In a box, so that connections of other kinds have no room for it.
        let mut serving = Box::pin(self.builder.serve_connection(TokioIo::new(stream), service));
        let ended = tokio::select! {
            ended = serving.as_mut() => ended,
            () = self.draining.requested() => {
                serving.as_mut().graceful_shutdown();
                self.unless_forced(serving).await?
            }
        };
        ended.map_err(io::Error::other)
    }

    /// Lets `work` go on until the end of the drain time.
    pub(super) async fn unless_forced<T>(&self, work: impl Future<Output = T>) -> io::Result<T> {
        tokio::select! {
            done = work => Ok(done),
            () = self.forced.requested() => Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the node stops")),
        }
    }
}

/// Whether a connection that begins so may speak HTTP/2: of the methods that clients use, none begins with `PR`.
fn may_be_http2(first: [u8; 2]) -> bool {
    first[0] == b'P' && matches!(first[1], b'R' | 0)
}
