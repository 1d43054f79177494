//! An orderly end: what runs comes to its end, for as long as is allowed.

use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

use super::fixture::Live;
use crate::{Served, Settings};

/// A client in the middle of a download that the sockets cannot hold.
async fn downloading(live: &Live) -> super::fixture::Client<TcpStream> {
    let digest = live.push(vec![7; 32 << 20]).await;
    let mut client = live.connect().await;
    client.send(&format!("GET /v2/a/blobs/{digest} HTTP/1.1\r\nHost: x\r\n\r\n")).await;
    client.head().await;
    client
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_lets_downloads_end_and_closes_what_is_idle() {
    let live = Live::plain(Settings::default()).await;
    let mut client = downloading(&live).await;
    let mut idle = live.connect().await;
    idle.send("GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n").await;
    idle.answer().await;
    let mut silent = live.connect().await;
    live.stop();
    assert_eq!(idle.rest().await, "");
    // Never accepted or never asked: either way it is over.
    silent.rest_bytes().await;
    let mut body = vec![0; 32 << 20];
    client.0.read_exact(&mut body).await.unwrap();
    assert!(body.iter().all(|byte| *byte == 7));
    assert_eq!(client.rest().await, "", "the connection is closed after the answer");
    let address = live.address;
    assert_eq!(live.ended().await, Served { cut: 0 });
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_does_not_end_is_cut() {
    let settings = Settings { drain_timeout: Duration::from_millis(100), ..Settings::default() };
    let live = Live::plain(settings).await;
    let mut client = downloading(&live).await;
    live.stop();
    assert_eq!(live.ended().await, Served { cut: 1 });
    assert!(client.rest_bytes().await.0.len() < 32 << 20);
}
