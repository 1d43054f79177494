//! One keep-alive HTTP/1.1 connection.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;

pub(crate) type Body = BoxBody<Bytes, std::io::Error>;

pub(crate) fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed()
}

pub(crate) fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed()
}

/// A connection that sends one request at a time.
pub(crate) struct Connection {
    sender: SendRequest<Body>,
    host: String,
}

impl Connection {
    pub(crate) async fn open(to: SocketAddr) -> Result<Self, String> {
        let stream =
            tokio::net::TcpStream::connect(to).await.map_err(|error| format!("connect {to}: {error}"))?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        let (sender, driver) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| error.to_string())?;
        tokio::spawn(driver);
        Ok(Self { sender, host: to.to_string() })
    }

    /// Sends a request and gives the response with its body unread.
    pub(crate) async fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Body,
    ) -> Result<Response<Incoming>, String> {
        let mut request = Request::builder().method(method).uri(path).header("host", &self.host);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body).map_err(|error| error.to_string())?;
        self.sender.ready().await.map_err(|error| error.to_string())?;
        self.sender.send_request(request).await.map_err(|error| error.to_string())
    }

    /// Sends a request, reads the body to its end and gives the status, the `Location` and the body's length.
    pub(crate) async fn exchange(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Body,
    ) -> Result<Answer, String> {
        let response = self.send(method, path, headers, body).await?;
        let status = response.status().as_u16();
        let location = response.headers().get("location").and_then(|value| value.to_str().ok()).map(path_of);
        let length = drain(response.into_body()).await?;
        Ok(Answer { status, location, length })
    }
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) location: Option<String>,
    pub(crate) length: u64,
}

async fn drain(mut body: Incoming) -> Result<u64, String> {
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| error.to_string())?;
        length += frame.data_ref().map_or(0, |data| data.len() as u64);
    }
    Ok(length)
}

/// The path and query of a `Location` that may be absolute.
fn path_of(location: &str) -> String {
    match location.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or("/".to_owned(), |at| rest[at..].to_owned()),
        None => location.to_owned(),
    }
}
