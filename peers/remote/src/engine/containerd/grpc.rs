//! gRPC over the unix socket of containerd: HTTP/2 by hyper, one connection a call, closed when the answer is dropped.

use std::future::Future;

use bytes::BytesMut;
use dockless_registry::SourceError;
use dockless_runtime::Runtime;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper::rt::Executor;
use hyper_util::rt::TokioIo;

use super::super::load::LoadError;
use super::super::socket::{MESSAGE_BYTES_MAX, RequestBody, Socket, SocketError, causes};
use super::frames::framed;
use super::message::{Message, MessageError};

/// Bytes on their way for one call: more than the largest piece that containerd reads at once (1 MiB) gains nothing.
const WINDOW_BYTES: u32 = 1 << 20;
/// The longest head of an answer, in bytes.
const HEAD_BYTES_MAX: u32 = 16 << 10;
/// The longest answer that is one message, unless a call says otherwise.
pub(crate) const ANSWER_BYTES_MAX: usize = 1 << 20;

/// The codes of gRPC that are told apart.
const OK: u32 = 0;
const INVALID_ARGUMENT: u32 = 3;
const NOT_FOUND: u32 = 5;
const ALREADY_EXISTS: u32 = 6;
const UNAVAILABLE: u32 = 14;

const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const NAMESPACE: HeaderName = HeaderName::from_static("containerd-namespace");
const LEASE: HeaderName = HeaderName::from_static("containerd-lease");

/// Calls of one containerd. Cloning is cheap.
#[derive(Clone, Debug)]
pub(crate) struct Channel {
    pub(super) runtime: Runtime,
    pub(super) socket: Socket,
}

/// Where a call acts.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Scope<'a> {
    /// Most services act within one.
    pub(crate) namespace: Option<&'a str>,
    /// What is written under a lease stays as long as that does.
    pub(crate) lease: Option<&'a str>,
}

/// Why there is no answer. The words name the engine.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CallError {
    /// It does not have what was asked for, or does not take it for a name.
    #[error("{0}")]
    NotFound(String),
    /// It has already what it should make.
    #[error("{0}")]
    Exists(String),
    /// It answered with another error.
    #[error("{0}")]
    Refused(String),
    /// It cannot be reached, has no time, did not answer in time, broke off, or said what cannot be read.
    #[error("{0}")]
    Broken(String),
}

/// Runs the tasks of hyper's HTTP/2. They end when the call is dropped.
#[derive(Clone)]
struct Tasks(Runtime);

impl<'a> From<&'a str> for Scope<'a> {
    fn from(namespace: &'a str) -> Self {
        Self { namespace: Some(namespace), lease: None }
    }
}

impl From<CallError> for SourceError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Broken(words) => Self::Unavailable(words),
            CallError::NotFound(words) | CallError::Exists(words) | CallError::Refused(words) => {
                Self::Refused(words)
            }
        }
    }
}

impl From<CallError> for LoadError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Broken(words) => Self::Unavailable(words),
            CallError::NotFound(words) | CallError::Exists(words) | CallError::Refused(words) => {
                Self::Refused(words)
            }
        }
    }
}

impl From<SocketError> for CallError {
    fn from(error: SocketError) -> Self {
        Self::Broken(error.to_string())
    }
}

impl Channel {
    pub(crate) fn new(runtime: Runtime, socket: Socket) -> Self {
        Self { runtime, socket }
    }

    /// Begins a call; what answers it, from its first sign on.
    ///
    /// # Errors
    /// [`CallError`].
    pub(super) async fn open(
        &self,
        scope: Scope<'_>,
        path: &'static str,
        body: RequestBody,
    ) -> Result<Incoming, CallError> {
        let request = self.request(scope, path, body)?;
        let stream = self.socket.connect().await?;
        let handshake = http2::Builder::new(Tasks(self.runtime.clone()))
            .initial_stream_window_size(WINDOW_BYTES)
            .initial_connection_window_size(WINDOW_BYTES)
            .max_header_list_size(HEAD_BYTES_MAX)
            .handshake(TokioIo::new(stream));
        let (mut sender, connection) = handshake.await.map_err(|error| self.foreign(&error))?;
        self.runtime.spawn("a call of containerd", async move {
            // Whatever ends the connection ends the call too, which says why.
            let _: hyper::Result<()> = connection.await;
        });
        let response = sender.send_request(request).await.map_err(|error| self.foreign(&error))?;
        let (head, incoming) = response.into_parts();
        if head.status != StatusCode::OK {
            return Err(self.broken(&format!("answered {} to a call", head.status.as_u16())));
        }
        // An answer that is nothing but an error says so in its head.
        if head.headers.contains_key(STATUS) {
            self.judge(&head.headers)?;
        }
        Ok(incoming)
    }

    fn request(
        &self,
        scope: Scope<'_>,
        path: &str,
        body: RequestBody,
    ) -> Result<Request<RequestBody>, CallError> {
        let mut request = Request::new(body);
        *request.method_mut() = Method::POST;
        let unfit = || self.broken(&format!("cannot be asked {path}"));
        *request.uri_mut() = format!("http://engine{path}").parse().map_err(|_| unfit())?;
        let headers = request.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
        for (name, value) in [(NAMESPACE, scope.namespace), (LEASE, scope.lease)] {
            if let Some(value) = value {
                headers.insert(name, HeaderValue::from_str(value).map_err(|_| unfit())?);
            }
        }
        Ok(request)
    }

    /// What the headers that end a call say of it.
    pub(super) fn judge(&self, headers: &HeaderMap) -> Result<(), CallError> {
        let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        let Some(code) = text(STATUS).and_then(|code| code.parse().ok()) else {
            return Err(self.broken("did not say how a call ended"));
        };
        let said = plain(text(MESSAGE).unwrap_or_default());
        let said = &said[..said.floor_char_boundary(MESSAGE_BYTES_MAX)];
        let words = format!("the engine at {} answered {code}: {said}", self.socket.address());
        match code {
            OK => Ok(()),
            NOT_FOUND | INVALID_ARGUMENT => Err(CallError::NotFound(words)),
            ALREADY_EXISTS => Err(CallError::Exists(words)),
            UNAVAILABLE => Err(CallError::Broken(words)),
            _ => Err(CallError::Refused(words)),
        }
    }

    /// An answer that cannot be read.
    pub(crate) fn unreadable(&self, error: MessageError) -> CallError {
        self.broken(&format!("said what cannot be read: {error}"))
    }

    pub(crate) fn broken(&self, what: &str) -> CallError {
        CallError::Broken(format!("the engine at {} {what}", self.socket.address()))
    }

    pub(super) fn hangs(&self, what: &str, seconds: u64) -> CallError {
        self.broken(&format!("{what} {seconds} s: does it hang?"))
    }

    fn foreign(&self, error: &hyper::Error) -> CallError {
        self.broken(&format!("did not answer as containerd: {}", causes(error)))
    }
}

impl<F> Executor<F> for Tasks
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, task: F) {
        self.0.spawn("http2 of a call", task);
    }
}

/// The body of a call that sends one message.
pub(crate) fn whole(request: &Message) -> RequestBody {
    Full::new(framed(request.as_ref())).map_err(|never| match never {}).boxed_unsync()
}

/// An error's words, in which gRPC writes bytes that a header cannot hold as `%` and two digits.
fn plain(message: &str) -> String {
    let (mut bytes, mut rest) = (BytesMut::with_capacity(message.len()), message.as_bytes());
    while let Some((byte, after)) = rest.split_first() {
        let digits = after.first_chunk::<2>().and_then(|digits| std::str::from_utf8(digits).ok());
        let escaped = digits.filter(|_| *byte == b'%').and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.extend_from_slice(&[escaped.unwrap_or(*byte)]);
        rest = if escaped.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_an_error_are_read() {
        for (sent, words) in [
            ("image \"a\": not found", "image \"a\": not found"),
            ("50%25 of %C3%A9", "50% of é"),
            ("%", "%"),
            ("%2", "%2"),
            ("%zz%41", "%zzA"),
            ("%FF", "\u{fffd}"),
        ] {
            assert_eq!(plain(sent), words);
        }
    }
}
