//! A small HTTP/1.1 client: any method, any header, bodies with a length or streamed, a fresh connection each time.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use dockless_runtime::clock::real::RealClock;
use futures_util::stream;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::answer::Answer;

/// The longest that one request may take before the test is said to hang.
const REQUEST_LIMIT: Duration = Duration::from_secs(60);

type Body = BoxBody<Bytes, std::io::Error>;

/// Who asks.
#[derive(Clone, Debug)]
enum Credentials {
    None,
    /// Sent with every request.
    Header(HeaderValue),
    /// Traded for a token when a request is answered with a `Bearer` challenge, as docker does.
    Login {
        user: String,
        password: String,
    },
}

/// A client of one server.
#[derive(Clone, Debug)]
pub struct Client {
    address: SocketAddr,
    credentials: Credentials,
}

impl Client {
    /// A client without credentials.
    #[must_use]
    pub fn new(address: SocketAddr) -> Self {
        Self { address, credentials: Credentials::None }
    }

    /// The server's address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The same client, sending `Basic` credentials with every request.
    ///
    /// # Panics
    /// Never: base64 is legal in a header.
    #[must_use]
    pub fn with_basic(&self, user: &str, password: &str) -> Self {
        let value = HeaderValue::from_str(&basic(user, password)).expect("base64 is legal in a header");
        Self { address: self.address, credentials: Credentials::Header(value) }
    }

    /// The same client, fetching a token when it is challenged.
    #[must_use]
    pub fn with_login(&self, user: &str, password: &str) -> Self {
        let (user, password) = (user.to_owned(), password.to_owned());
        Self { address: self.address, credentials: Credentials::Login { user, password } }
    }

    /// Begins a request; `target` is path and query as they are to be sent.
    #[must_use]
    pub fn request(&self, method: &str, target: &str) -> Ask<'_> {
        Ask {
            client: self,
            method: method.to_owned(),
            target: target.to_owned(),
            headers: HeaderMap::new(),
            payload: Payload::None,
        }
    }

    /// Begins a GET.
    #[must_use]
    pub fn get(&self, target: &str) -> Ask<'_> {
        self.request("GET", target)
    }

    /// Begins a HEAD.
    #[must_use]
    pub fn head(&self, target: &str) -> Ask<'_> {
        self.request("HEAD", target)
    }

    /// Begins a POST.
    #[must_use]
    pub fn post(&self, target: &str) -> Ask<'_> {
        self.request("POST", target)
    }

    /// Begins a PUT.
    #[must_use]
    pub fn put(&self, target: &str) -> Ask<'_> {
        self.request("PUT", target)
    }

    /// Begins a PATCH.
    #[must_use]
    pub fn patch(&self, target: &str) -> Ask<'_> {
        self.request("PATCH", target)
    }

    /// Begins a DELETE.
    #[must_use]
    pub fn delete(&self, target: &str) -> Ask<'_> {
        self.request("DELETE", target)
    }

    async fn exchange(&self, request: Request<Body>) -> Result<Answer, String> {
        let limited = async {
            let stream =
                TcpStream::connect(self.address).await.map_err(|error| format!("connect: {error}"))?;
            let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
                .await
                .map_err(|error| format!("handshake: {error}"))?;
            let exchange = async move {
                let response = sender.send_request(request).await.map_err(|error| format!("{error:?}"))?;
                let (head, body) = response.into_parts();
                let body = body.collect().await.map_err(|error| format!("body: {error:?}"))?.to_bytes();
                Ok(Answer { status: head.status.as_u16(), headers: head.headers, body })
            };
            // The connection ends by itself once the sender is gone; its own error is the exchange's.
            let (answer, _) = tokio::join!(exchange, connection);
            answer
        };
        dockless_runtime::timeout(&RealClock::new(), REQUEST_LIMIT, limited)
            .await
            .unwrap_or_else(|_| Err(format!("no answer within {} s", REQUEST_LIMIT.as_secs())))
    }

    /// The token for a challenge, asked for with Basic credentials.
    async fn fetch_token(&self, challenge: &str, user: &str, password: &str) -> Result<String, String> {
        let realm = parameter(challenge, "realm").ok_or("a challenge without realm")?;
        let path =
            realm.split_once("://").map_or(realm.as_str(), |(_, rest)| &rest[rest.find('/').unwrap_or(0)..]);
        let mut target = format!("{path}?account={user}");
        for name in ["service", "scope"] {
            for value in parameter(challenge, name).iter().flat_map(|value| value.split(' ')) {
                target.push_str(&format!("&{name}={value}"));
            }
        }
        let answer = Box::pin(self.with_basic(user, password).get(&target).try_send()).await?;
        match answer.status {
            200 => Ok(answer.json()["token"].as_str().unwrap_or_default().to_owned()),
            status => Err(format!("the token endpoint answered {status}")),
        }
    }
}

/// The value of `Authorization` for a user and a password.
#[must_use]
pub fn basic(user: &str, password: &str) -> String {
    use base64::Engine as _;
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}")))
}

/// A quoted parameter of a `WWW-Authenticate` value.
#[must_use]
pub fn parameter(challenge: &str, name: &str) -> Option<String> {
    let from = challenge.find(&format!("{name}=\""))? + name.len() + 2;
    let to = from + challenge[from..].find('"')?;
    Some(challenge[from..to].to_owned())
}

#[derive(Clone, Debug)]
enum Payload {
    None,
    Whole(Bytes),
    Streamed(Vec<Bytes>),
}

/// A request being put together.
#[derive(Clone, Debug)]
pub struct Ask<'a> {
    client: &'a Client,
    method: String,
    target: String,
    headers: HeaderMap,
    payload: Payload,
}

impl Ask<'_> {
    /// Adds a header; the same name may be added again.
    ///
    /// # Panics
    /// When name or value cannot stand in a request; use [`crate::raw`] for those.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("the test gives a legal header name");
        let value = HeaderValue::from_bytes(value.as_ref()).expect("the test gives a legal header value");
        self.headers.append(name, value);
        self
    }

    /// Sends a body with its `Content-Length`.
    #[must_use]
    pub fn body(mut self, bytes: impl Into<Bytes>) -> Self {
        self.payload = Payload::Whole(bytes.into());
        self
    }

    /// Sends a body in pieces, chunked and without its length.
    #[must_use]
    pub fn stream(mut self, pieces: Vec<Bytes>) -> Self {
        self.payload = Payload::Streamed(pieces);
        self
    }

    fn build(&self, authorization: Option<HeaderValue>) -> Request<Body> {
        let body: Body = match self.payload.clone() {
            Payload::None => Full::default().map_err(|never| match never {}).boxed(),
            Payload::Whole(bytes) => Full::new(bytes).map_err(|never| match never {}).boxed(),
            Payload::Streamed(pieces) => {
                StreamBody::new(stream::iter(pieces.into_iter().map(|piece| Ok(Frame::data(piece))))).boxed()
            }
        };
        let mut request = Request::new(body);
        *request.method_mut() =
            Method::from_bytes(self.method.as_bytes()).expect("the test gives a legal method");
        *request.uri_mut() = self.target.parse().unwrap_or_else(|error| panic!("{}: {error}", self.target));
        *request.headers_mut() = self.headers.clone();
        let headers = request.headers_mut();
        if !headers.contains_key("host") {
            let host = self.client.address.to_string();
            headers.insert("host", HeaderValue::from_str(&host).expect("an address is legal in a header"));
        }
        if let Some(value) = authorization {
            headers.insert("authorization", value);
        }
        request
    }

    /// Sends the request and reads the answer.
    ///
    /// # Errors
    /// A sentence when the connection breaks, the answer breaks off, or nothing comes for a minute.
    pub async fn try_send(self) -> Result<Answer, String> {
        let Credentials::Login { user, password } = &self.client.credentials else {
            let authorization = match &self.client.credentials {
                Credentials::Header(value) => Some(value.clone()),
                _ => None,
            };
            return self.client.exchange(self.build(authorization)).await;
        };
        let answer = self.client.exchange(self.build(None)).await?;
        let challenge = answer.header("www-authenticate").unwrap_or_default().to_owned();
        if answer.status != 401 || !challenge.starts_with("Bearer ") {
            return Ok(answer);
        }
        let token = self.client.fetch_token(&challenge, user, password).await?;
        let authorization =
            HeaderValue::from_str(&format!("Bearer {token}")).map_err(|error| error.to_string())?;
        self.client.exchange(self.build(Some(authorization))).await
    }

    /// Sends the request and reads the answer.
    ///
    /// # Panics
    /// Where `try_send` gives an error.
    pub async fn send(self) -> Answer {
        let asked = format!("{} {}", self.method, self.target);
        self.try_send().await.unwrap_or_else(|error| panic!("{asked}: {error}"))
    }
}
