//! HTTP/1.1 over the unix socket of an engine: one connection a request, closed when the answer is dropped.

use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use dockless_registry::SourceError;
use dockless_runtime::{Runtime, timeout};
use futures_util::future::{Either, FusedFuture, FutureExt as _, poll_fn, select};
use http::{HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Empty, combinators::UnsyncBoxBody};
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::settings::EngineAddress;

/// How long an ordinary call may take from its beginning to its last byte, waiting for a turn included: an engine that
/// is busy lists a thousand images in about a second.
pub(crate) const CALL_TIME_MAX: Duration = Duration::from_secs(10);
/// How long a body may give no byte: an engine that exports reads from the disk without a pause.
pub(crate) const STALL_TIME_MAX: Duration = Duration::from_secs(60);
/// Calls at once. An engine answers lists one after the other, so more would only wait there.
const CALLS_MAX: usize = 16;
/// The longest message of an engine that an error repeats, in bytes.
pub(crate) const MESSAGE_BYTES_MAX: usize = 300;
/// The longest body of an error that is read for its message, in bytes.
const ERROR_BYTES_MAX: usize = 64 << 10;

/// What is sent in a request.
pub(crate) type RequestBody = UnsyncBoxBody<Bytes, io::Error>;

/// The socket of one engine. Cloning is cheap; clones share the bound on calls at once.
#[derive(Clone, Debug)]
pub(crate) struct Socket {
    runtime: Runtime,
    address: EngineAddress,
    calls: Arc<Semaphore>,
}

/// Why there is no answer. The words name the engine and say what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SocketError {
    /// Nobody takes the connection, or this process may not connect.
    #[error("{0}")]
    Unreachable(String),
    /// What answers does not speak HTTP/1.1.
    #[error("{0}")]
    Foreign(String),
    /// The connection was closed without an answer: it stops, or what answers spoke first, which HTTP/1.1 leaves unread.
    #[error("{0}")]
    Silent(String),
    /// The engine answered with an error.
    #[error("{message}")]
    Refused {
        /// The status.
        status: StatusCode,
        /// What it said.
        message: String,
    },
    /// It did not answer in time, broke off, or said what cannot be read.
    #[error("{0}")]
    Broken(String),
}

impl From<SocketError> for SourceError {
    fn from(error: SocketError) -> Self {
        match error {
            SocketError::Refused { message, .. } => Self::Refused(message),
            error => Self::Unavailable(error.to_string()),
        }
    }
}

/// An answer whose body is still to come. Dropping it closes the connection.
pub(crate) struct Answer {
    /// The status.
    pub(crate) status: StatusCode,
    body: Body,
}

/// The body of an answer together with the connection that brings it.
struct Body {
    socket: Socket,
    incoming: Incoming,
    connection: Connection,
}

/// Drives a connection; ends with it.
type Connection = Pin<Box<dyn FusedFuture<Output = hyper::Result<()>> + Send>>;

/// The shape of an engine's error.
#[derive(serde::Deserialize)]
struct Message {
    message: String,
}

impl Socket {
    /// The socket at `address`; connects to nothing yet.
    pub(crate) fn new(runtime: Runtime, address: EngineAddress) -> Self {
        Self { runtime, address, calls: Arc::new(Semaphore::new(CALLS_MAX)) }
    }

    /// The JSON that `GET path` answers, of at most `bytes_max` bytes; `None` for 404.
    ///
    /// # Errors
    /// [`SocketError`], after [`CALL_TIME_MAX`] at the latest.
    pub(crate) async fn json<T: DeserializeOwned>(
        &self,
        path: &str,
        bytes_max: usize,
    ) -> Result<Option<T>, SocketError> {
        let call = async {
            let _turn = self.turn().await;
            let answer = self.send(Method::GET, path, empty(), CALL_TIME_MAX).await?;
            match answer.accept().await {
                Ok(answer) => answer.collect(bytes_max).await.map(Some),
                Err(SocketError::Refused { status: StatusCode::NOT_FOUND, .. }) => Ok(None),
                Err(error) => Err(error),
            }
        };
        let Ok(body) = timeout(&*self.runtime.clock, CALL_TIME_MAX, call).await else {
            return Err(
                self.broken(&format!("did not answer within {} s: does it hang?", CALL_TIME_MAX.as_secs()))
            );
        };
        let Some(body) = body? else { return Ok(None) };
        let read = serde_json::from_slice(&body);
        read.map(Some)
            .map_err(|error| self.broken(&format!("answered {path} with what cannot be read: {error}")))
    }

    /// Sends one request and waits at most `head_time_max` for the head of its answer, whatever the status.
    ///
    /// # Errors
    /// [`SocketError`], never `Refused`.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        body: RequestBody,
        head_time_max: Duration,
    ) -> Result<Answer, SocketError> {
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() =
            path.parse().map_err(|_| self.broken(&format!("cannot be asked for {path:?}")))?;
        request.headers_mut().insert(header::HOST, HeaderValue::from_static("engine"));
        let exchange = self.exchange(request);
        let exchanged = timeout(&*self.runtime.clock, head_time_max, exchange).await;
        exchanged.unwrap_or_else(|_| {
            Err(self.broken(&format!("did not answer within {} s: does it hang?", head_time_max.as_secs())))
        })
    }

    async fn exchange(&self, request: Request<RequestBody>) -> Result<Answer, SocketError> {
        let stream = self.connect().await?;
        let (mut sender, connection) =
            handshake(TokioIo::new(stream)).await.map_err(|error| self.foreign(&error))?;
        let mut connection: Connection = Box::pin(connection.fuse());
        let sent = sender.send_request(request);
        let response = match select(std::pin::pin!(sent), &mut connection).await {
            Either::Left((sent, _)) => sent,
            // The connection ended first: what that means the request knows.
            Either::Right((_, sent)) => sent.await,
        };
        let (head, incoming) = response.map_err(|error| self.foreign(&error))?.into_parts();
        Ok(Answer { status: head.status, body: Body { socket: self.clone(), incoming, connection } })
    }

    /// A connection of its own, for another protocol.
    ///
    /// # Errors
    /// `Unreachable`.
    pub(crate) async fn connect(&self) -> Result<UnixStream, SocketError> {
        UnixStream::connect(self.address.path()).await.map_err(|error| self.unreachable(&error))
    }

    /// Where it connects to.
    pub(crate) fn address(&self) -> &EngineAddress {
        &self.address
    }

    /// A turn for one call, held while it lasts.
    pub(crate) async fn turn(&self) -> SemaphorePermit<'_> {
        self.calls.acquire().await.expect("the semaphore is never closed")
    }

    fn broken(&self, what: &str) -> SocketError {
        SocketError::Broken(format!("the engine at {} {what}", self.address))
    }

    fn unreachable(&self, error: &io::Error) -> SocketError {
        let why = match error.kind() {
            ErrorKind::NotFound => "is not there: no such socket; is it running?".to_owned(),
            ErrorKind::ConnectionRefused => "is not running: nobody listens at its socket".to_owned(),
            ErrorKind::PermissionDenied => {
                "may not be asked: permission denied on its socket; run as root or in the group that owns the socket \
                 (docker's is called docker)"
                    .to_owned()
            }
            ErrorKind::WouldBlock => "takes no connection: it is too busy, or hangs".to_owned(),
            _ => format!("cannot be reached: {error}"),
        };
        SocketError::Unreachable(format!("the engine at {} {why}", self.address))
    }

    /// What went wrong before the head of an answer was read.
    fn foreign(&self, error: &hyper::Error) -> SocketError {
        let what = format!("the engine at {} did not answer as one: {}", self.address, causes(error));
        if error.is_parse() { SocketError::Foreign(what) } else { SocketError::Silent(what) }
    }
}

impl Answer {
    /// The answer if its status says that it went well.
    ///
    /// # Errors
    /// `Refused` with the engine's words.
    pub(crate) async fn accept(self) -> Result<Self, SocketError> {
        if self.status.is_success() {
            return Ok(self);
        }
        let (status, socket) = (self.status, self.body.socket.clone());
        // The status is what counts; what else it says is for people.
        let body = self.collect(ERROR_BYTES_MAX).await.unwrap_or_default();
        let said = serde_json::from_slice(&body).map(|Message { message }| message);
        let said = said.unwrap_or_else(|_| String::from_utf8_lossy(&body).into_owned());
        let said = &said[..said.floor_char_boundary(MESSAGE_BYTES_MAX)];
        let message =
            format!("the engine at {} answered {}: {}", socket.address, status.as_u16(), said.trim());
        Err(SocketError::Refused { status, message })
    }

    /// The next bytes of the body; `None` after the last ones.
    ///
    /// # Errors
    /// `Broken` when it was cut, or gave nothing for [`STALL_TIME_MAX`].
    pub(crate) async fn next(&mut self) -> Option<Result<Bytes, SocketError>> {
        let (incoming, connection) = (&mut self.body.incoming, &mut self.body.connection);
        let frame = poll_fn(|context| {
            if !connection.is_terminated() {
                // Whatever ends the connection also ends the body, and that one says why.
                let _: Poll<_> = connection.as_mut().poll(context);
            }
            Pin::new(&mut *incoming).poll_frame(context)
        });
        let socket = &self.body.socket;
        match timeout(&*socket.runtime.clock, STALL_TIME_MAX, frame).await {
            Ok(None) => None,
            Ok(Some(Ok(frame))) => Some(Ok(frame.into_data().unwrap_or_default())),
            Ok(Some(Err(error))) => Some(Err(socket.broken(&format!("broke off: {}", causes(&error))))),
            Err(_) => {
                let what = format!("sent nothing for {} s: does it hang?", STALL_TIME_MAX.as_secs());
                Some(Err(socket.broken(&what)))
            }
        }
    }

    /// The whole body.
    ///
    /// # Errors
    /// As [`Answer::next`], and `Broken` for more than `bytes_max` bytes.
    pub(crate) async fn collect(mut self, bytes_max: usize) -> Result<Bytes, SocketError> {
        let mut body = BytesMut::new();
        while let Some(bytes) = self.next().await {
            let bytes = bytes?;
            if body.len() + bytes.len() > bytes_max {
                return Err(self.body.socket.broken(&format!("answered more than {bytes_max} bytes")));
            }
            body.extend_from_slice(&bytes);
        }
        Ok(body.freeze())
    }
}

/// No body.
pub(crate) fn empty() -> RequestBody {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// An error with what caused it: hyper's own words leave that out.
pub(crate) fn causes(error: &hyper::Error) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error} ({source})"),
        None => error.to_string(),
    }
}
