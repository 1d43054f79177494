//! How long a connection of HTTP/2 may stand still.

use std::time::Duration;

use bytes::Bytes;
use dockless_runtime::Runtime;
use http::Request;
use http_body::Frame;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Empty, StreamBody};
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::TokioIo;

use super::fixture::Live;
use crate::Settings;
use crate::server::timer::SpawnExecutor;

type Body = BoxBody<Bytes, std::convert::Infallible>;

/// A client that lets the server send one byte of each answer before it reads.
async fn connect(live: &Live) -> SendRequest<Body> {
    let runtime = Runtime::real();
    let executor = SpawnExecutor(runtime.clone());
    let mut builder = Builder::new(executor);
    builder.initial_stream_window_size(1);
    let (sender, connection) = builder.handshake(TokioIo::new(live.connect().await.0)).await.unwrap();
    runtime.spawn("client", async move {
        let _ = connection.await;
    });
    sender
}

fn get(path: &str) -> Request<Body> {
    Request::get(format!("http://127.0.0.1{path}")).body(Empty::new().boxed()).unwrap()
}

/// Waits until the server has let the one client go.
async fn let_go(live: &Live) {
    let gone = async {
        while live.door.metrics.connections.get() != 0 {
            tokio::task::yield_now().await;
        }
    };
    let ended = dockless_runtime::timeout(&*live.door.runtime.clock, Duration::from_secs(20), gone).await;
    assert_eq!(ended, Ok(()), "the connection is held");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_takes_nothing_of_its_answers_is_let_go() {
    let settings = Settings { idle_timeout: Duration::from_millis(200), ..Settings::default() };
    let live = Live::plain(settings).await;
    let digest = live.push(vec![7; 1 << 20]).await;
    let mut sender = connect(&live).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(sender.send_request(get(&format!("/v2/a/blobs/{digest}"))).await.unwrap());
    }
    let_go(&live).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_asks_nothing_more_is_let_go() {
    let settings = Settings { keep_alive_timeout: Duration::from_millis(200), ..Settings::default() };
    let live = Live::plain(settings).await;
    let mut sender = connect(&live).await;
    let answer = sender.send_request(get("/v2/")).await.unwrap();
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "{}");
    let_go(&live).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_that_stands_still_gets_its_answer() {
    let limit = Duration::from_millis(200);
    let settings = Settings { idle_timeout: limit, keep_alive_timeout: limit, ..Settings::default() };
    let live = Live::plain(settings).await;
    let mut sender = connect(&live).await;
    let target = format!("http://127.0.0.1/v2/a/blobs/uploads/?digest=sha256:{}", "0".repeat(64));
    let never = StreamBody::new(futures_util::stream::pending::<Result<Frame<Bytes>, _>>());
    let request = Request::post(target).body(never.boxed()).unwrap();
    assert_eq!(sender.send_request(request).await.unwrap().status().as_u16(), 408);
}
