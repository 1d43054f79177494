//! Speaks `/admin/v1` to the node that runs on this machine, over the socket in its data directory.

mod answer;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use dockless_runtime::Runtime;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::net::UnixStream;

use crate::failure::{Exit, Failure};
pub(crate) use answer::{Repository, TagRow, Totals, Usage};

/// Name of the socket in the data directory.
const SOCKET: &str = "admin.sock";

/// Longest answer read. A page of the largest list stays below 1 MiB; a manifest may have 4 MiB, and twice that as JSON.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// Longest wait for one answer: the admin API works on pages, so what takes longer is stuck.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(60);

/// A connection to the admin socket of a node.
pub(crate) struct AdminClient {
    runtime: Runtime,
    socket: PathBuf,
    sender: SendRequest<Full<Bytes>>,
}

impl AdminClient {
    /// Connects to the node whose data is in `data`.
    ///
    /// # Errors
    /// `Unreachable` when no node runs there, `Failed` when this user may not speak to it.
    pub(crate) async fn connect(data: &Path) -> Result<Self, Failure> {
        let runtime = Runtime::real();
        let socket = data.join(SOCKET);
        let stream =
            UnixStream::connect(&socket).await.map_err(|error| not_connected(data, &socket, &error))?;
        let broken = |error: hyper::Error| unreachable(&socket, &error.to_string());
        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(broken)?;
        runtime.spawn("admin connection", async move {
            // Whatever ends it also ends the request that waits on it, and that one reports.
            let _ = connection.await;
        });
        Ok(Self { runtime, socket, sender })
    }

    /// `GET`s `path` below `/admin/v1/`.
    pub(crate) async fn get<T: DeserializeOwned>(&mut self, path: &str) -> Result<T, Failure> {
        self.ask(Method::GET, &format!("/admin/v1/{path}"), None).await
    }

    /// `POST`s `body` to `path` below `/admin/v1/`.
    pub(crate) async fn post<T: DeserializeOwned>(&mut self, path: &str, body: &Value) -> Result<T, Failure> {
        self.ask(Method::POST, &format!("/admin/v1/{path}"), Some(body)).await
    }

    /// `DELETE`s `path` below `/admin/v1/`.
    pub(crate) async fn delete<T: DeserializeOwned>(&mut self, path: &str) -> Result<T, Failure> {
        self.ask(Method::DELETE, &format!("/admin/v1/{path}"), None).await
    }

    /// The status and text of `GET path`, whatever they are.
    pub(crate) async fn probe(&mut self, path: &str) -> Result<(StatusCode, String), Failure> {
        let (status, body) = self.send(Method::GET, path, Bytes::new()).await?;
        Ok((status, String::from_utf8_lossy(&body).into_owned()))
    }

    /// One request whose answer is JSON.
    async fn ask<T: DeserializeOwned>(
        &mut self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<T, Failure> {
        let body = body.map(|body| Bytes::from(body.to_string())).unwrap_or_default();
        let (status, answer) = self.send(method, path, body).await?;
        if !status.is_success() {
            return Err(refusal(status, &answer));
        }
        // What has no body answers `null`, so that every verb can ask in the same way.
        let text: &[u8] = if answer.is_empty() { b"null" } else { &answer };
        serde_json::from_slice(text).map_err(|error| {
            Failure::failed(format!("the node's answer to {path} makes no sense: {error}"))
                .hint("node and command may be of different versions; compare `dockless status` and `dockless version`")
        })
    }

    /// Sends one request and reads the whole answer, both bounded.
    async fn send(
        &mut self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<(StatusCode, Bytes), Failure> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(http::header::HOST, "localhost")
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .map_err(|error| Failure::failed(error.to_string()))?;
        let sent = self.sender.send_request(request);
        let whole = async { read(sent.await.map_err(|error| error.to_string())?).await };
        let answer = dockless_runtime::timeout(&*self.runtime.clock, ANSWER_TIME_MAX, whole).await;
        match answer {
            Ok(answer) => answer.map_err(|error| unreachable(&self.socket, &error)),
            Err(_) => {
                Err(unreachable(&self.socket, &format!("no answer within {} s", ANSWER_TIME_MAX.as_secs())))
            }
        }
    }
}

/// Reads the whole of an answer.
async fn read(response: Response<Incoming>) -> Result<(StatusCode, Bytes), String> {
    let status = response.status();
    let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
    Ok((status, body.map_err(|error| error.to_string())?.to_bytes()))
}

/// Why there is no connection, and what to do about it.
fn not_connected(data: &Path, socket: &Path, error: &std::io::Error) -> Failure {
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => Failure {
            exit: Exit::Unreachable,
            message: format!("no node is running at `{}`", data.display()),
            hint: Some(format!(
                "start one with `dockless serve --data {0}`, or name the data directory of one that runs with `--data DIR`",
                data.display()
            )),
        },
        ErrorKind::PermissionDenied => {
            Failure::failed(format!("this user may not speak to the node at `{}`", data.display()))
                .hint("run it as the user the node runs as, or as root")
        }
        _ => unreachable(socket, &error.to_string()),
    }
}

/// A node that cannot be spoken to.
fn unreachable(socket: &Path, reason: &str) -> Failure {
    let message = format!("cannot speak to the node at `{}`: {reason}", socket.display());
    Failure { exit: Exit::Unreachable, message, hint: None }
}

/// What the node said no with: the error body of the distribution specification.
fn refusal(status: StatusCode, body: &[u8]) -> Failure {
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    let first = &value["errors"][0];
    let message = match first["message"].as_str() {
        Some(message) if !message.is_empty() => message.to_owned(),
        _ => first["code"].as_str().map_or_else(|| status.to_string(), str::to_owned),
    };
    let exit = if status == StatusCode::NOT_FOUND { Exit::NotFound } else { Exit::Failed };
    Failure { exit, message, hint: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_what_the_node_said() {
        let table = [
            (
                404,
                r#"{"errors":[{"code":"NAME_UNKNOWN","message":"no repository `a`"}]}"#,
                Exit::NotFound,
                "no repository `a`",
            ),
            (405, r#"{"errors":[{"code":"UNSUPPORTED"}]}"#, Exit::Failed, "UNSUPPORTED"),
            (500, "<html>", Exit::Failed, "500 Internal Server Error"),
        ];
        for (status, body, exit, message) in table {
            let failure = refusal(StatusCode::from_u16(status).unwrap(), body.as_bytes());
            assert_eq!((failure.exit, failure.message.as_str()), (exit, message));
        }
    }

    #[tokio::test]
    async fn without_a_node_the_error_says_how_to_start_one() {
        let directory = tempfile::tempdir().unwrap();
        let failure = AdminClient::connect(directory.path()).await.err().unwrap();
        assert_eq!(failure.exit, Exit::Unreachable);
        assert!(failure.hint.unwrap().contains("dockless serve --data"), "{}", failure.message);
    }
}
