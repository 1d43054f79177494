//! One connection: TLS or not, HTTP/1.1 or HTTP/2, until its end.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;

use dockless_runtime::{Shutdown, timeout};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsAcceptor;

use super::accept::Manners;
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
    limits: StreamLimits,
    stand_in: StandIn,
    draining: Shutdown,
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
        builder
            .http1()
            .timer(timer.clone())
            // hyper's clock runs while a connection is idle, too; `Stream` has the shorter one for heads.
            .header_read_timeout(settings.keep_alive_timeout)
            .max_headers(HEADERS_MAX)
            // Who says that nothing more comes (`nc -N`, some proxies) still waits for the answer.
            .half_close(true)
            .max_buf_size(BUFFER_BYTES);
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
        Self { builder, limits, stand_in: StandIn::new(), draining, forced, door }
    }

    /// Serves one connection to its end.
    pub(super) async fn connection(&self, socket: Socket, peer: Peer, manners: Manners) {
        let metrics = &self.door.metrics;
        metrics.accepted.inc();
        metrics.connections.inc();
        let ended = match socket {
            Socket::Tcp(stream) => self.tcp(stream, peer, manners).await,
            Socket::Unix(stream) => {
                self.http(stream, Flow::default(), peer, Scheme::Http, manners, false).await
            }
        };
        metrics.connections.dec();
        if let Err(error) = ended {
            tracing::debug!(%error, %peer, "a connection ended early");
        }
    }

    async fn tcp(&self, stream: TcpStream, peer: Peer, manners: Manners) -> io::Result<()> {
        let Some(first) = self.first_byte(&stream).await? else { return Ok(()) };
        if first != TLS_HANDSHAKE {
            let transfers = Transfers::new(self.stand_in.clone());
            let flow = Flow::with_transfers(transfers.clone());
            let stream = FileStream::new(stream, transfers);
            return self.http(stream, flow, peer, Scheme::Http, manners, !manners.plain).await;
        }
        let Some(tls) = self.door.tls.as_ref().filter(|_| manners.tls) else {
            return self.refuse_tls(stream).await;
        };
        let handshake = TlsAcceptor::from(tls.server_config()).accept(stream);
        let limit = timeout(&*self.door.runtime.clock, self.limits.header_timeout, handshake);
        match self.unless_forced(limit).await? {
            Ok(Ok(stream)) => self.http(stream, Flow::default(), peer, Scheme::Https, manners, false).await,
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

    /// The first byte, left where it is; `None` when there will be none.
    async fn first_byte(&self, stream: &TcpStream) -> io::Result<Option<u8>> {
        let mut first = [0];
        let peek =
            timeout(&*self.door.runtime.clock, self.limits.keep_alive_timeout, stream.peek(&mut first));
        let peeked = tokio::select! {
            biased;
            peeked = peek => peeked,
            // A connection without a request has nothing to finish.
            () = self.draining.requested() => return Ok(None),
        };
        match peeked {
            Ok(Ok(1)) => Ok(Some(first[0])),
            Ok(Ok(_)) | Err(_) => Ok(None),
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

    async fn http<S>(
        &self,
        io: S,
        flow: Flow,
        peer: Peer,
        scheme: Scheme,
        manners: Manners,
        refuse_plain: bool,
    ) -> io::Result<()>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let flow = Arc::new(flow);
        let stream = Stream::new(io, flow.clone(), self.door.runtime.clock.clone(), self.limits);
        let connection =
            Arc::new(Connection { peer, scheme, admin: manners.admin, refuse_plain, flow: Some(flow) });
        let door = self.door.clone();
        let service = service_fn(move |request| {
            let (door, connection) = (door.clone(), connection.clone());
            async move { Ok::<_, Infallible>(door.handle(request, &connection).await) }
        });
        let mut serving = pin!(self.builder.serve_connection(TokioIo::new(stream), service));
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
    async fn unless_forced<T>(&self, work: impl Future<Output = T>) -> io::Result<T> {
        tokio::select! {
            done = work => Ok(done),
            () = self.forced.requested() => Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the node stops")),
        }
    }
}
