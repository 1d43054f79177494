//! Bodies in and out: `100-continue`, early errors, slow readers, damaged blobs.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use dockless_oci::Digest;
use dockless_store::{Blob, BlobRead, StoreError};
use http_body_util::BodyExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::fixture::Live;
use crate::Settings;
use crate::outbound::{BlobPart, Outbound};

const UNKNOWN_UPLOAD: &str = "/v2/a/blobs/uploads/00000000000000000000000000000000";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_is_asked_for_with_100_only_when_it_is_wanted() {
    let live = Live::plain(Settings::default()).await;
    let body = b"{}";
    let digest = Digest::sha256(body);
    let mut client = live.connect().await;
    let head =
        format!("POST /v2/a/blobs/uploads/?digest={digest} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n");
    client.send(&format!("{head}Expect: 100-continue\r\n\r\n")).await;
    assert_eq!(client.head().await, "HTTP/1.1 100 Continue\r\n\r\n");
    client.0.write_all(body).await.unwrap();
    assert!(client.answer().await.0.starts_with("HTTP/1.1 201"));
    let head = format!("PATCH {UNKNOWN_UPLOAD} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n");
    client.send(&format!("{head}Expect: 100-continue\r\n\r\n")).await;
    let (head, body) = client.answer().await;
    assert!(head.starts_with("HTTP/1.1 404"), "{head}");
    assert!(String::from_utf8(body).unwrap().contains("BLOB_UPLOAD_UNKNOWN"));
}

/// Sends 32 MiB, far more than the sockets hold, without a look at the answer; then reads it.
async fn send_all_then_read(live: &Live, framing: &str, chunked: bool) -> String {
    let mut client = live.connect().await;
    client.send(&format!("PATCH {UNKNOWN_UPLOAD} HTTP/1.1\r\nHost: x\r\n{framing}\r\n\r\n")).await;
    let piece = vec![b'x'; 1 << 20];
    for _ in 0..32 {
        if chunked {
            client.send("100000\r\n").await;
        }
        client.0.write_all(&piece).await.unwrap();
        if chunked {
            client.send("\r\n").await;
        }
    }
    client.rest().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_early_error_reaches_a_client_that_is_still_sending() {
    let live = Live::plain(Settings::default()).await;
    for (framing, chunked) in [("Content-Length: 1000000000", false), ("Transfer-Encoding: chunked", true)] {
        let answer = send_all_then_read(&live, framing, chunked).await;
        assert!(answer.starts_with("HTTP/1.1 404 Not Found\r\n"), "{answer}");
        assert!(answer.contains("connection: close\r\n"), "{answer}");
        assert!(
            answer.ends_with(r#"expire, begin a new one"}]}"#)
                || answer.contains(r#""code":"BLOB_UPLOAD_UNKNOWN""#)
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_short_refused_body_does_not_cost_the_connection() {
    let live = Live::plain(Settings::default()).await;
    let mut client = live.connect().await;
    for _ in 0..3 {
        client
            .send(&format!("PATCH {UNKNOWN_UPLOAD} HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n"))
            .await;
        client.send("12345").await;
        let (head, _) = client.answer().await;
        assert!(head.starts_with("HTTP/1.1 404"), "{head}");
    }
    client
        .send("POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
        .await;
    let (head, _) = client.answer().await;
    assert!(head.starts_with("HTTP/1.1 202") && !head.contains("connection: close"), "{head}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_that_stands_still_ends_with_408() {
    let settings = Settings { idle_timeout: Duration::from_millis(100), ..Settings::default() };
    let live = Live::plain(settings).await;
    let mut client = live.connect().await;
    client.send("POST /v2/a/blobs/uploads/?digest=sha256:").await;
    client.send(&"0".repeat(64)).await;
    client.send(" HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nabc").await;
    let answer = client.head().await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_reader_gets_everything_and_holds_nobody_up() {
    let live = Live::plain(Settings::default()).await;
    let content: Vec<u8> = (0..24_u32 << 20).map(|n| u8::try_from((n ^ (n >> 8)) & 0xff).unwrap()).collect();
    let digest = live.push(content.clone()).await;
    let mut slow = live.connect().await;
    slow.send(&format!("GET /v2/a/blobs/{digest} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")).await;
    slow.head().await;
    let mut first = vec![0; 1000];
    slow.0.read_exact(&mut first).await.unwrap();
    for _ in 0..20 {
        assert!(live.ask("GET /v2/ HTTP/1.1").await.starts_with("HTTP/1.1 200"));
    }
    let (rest, whole) = slow.rest_bytes().await;
    assert!(whole && content[..1000] == first && content[1000..] == rest);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_takes_nothing_is_let_go() {
    let settings = Settings { idle_timeout: Duration::from_millis(200), ..Settings::default() };
    let live = Live::plain(settings).await;
    let digest = live.push(vec![7; 32 << 20]).await;
    let mut client = live.connect_narrow().await;
    client.send(&format!("GET /v2/a/blobs/{digest} HTTP/1.1\r\nHost: x\r\n\r\n")).await;
    // The server's end is over while nothing was read here; what the sockets held still comes, then the cut.
    while live.door.metrics.connections.get() != 0 || live.door.metrics.accepted.get() == 0 {
        tokio::task::yield_now().await;
    }
    assert!(client.rest_bytes().await.0.len() < 32 << 20);
}

/// Gives zeros, and finds the blob damaged at the end.
struct Damaged;

#[async_trait]
impl BlobRead for Damaged {
    fn try_read(&self, offset: u64, max: usize) -> Option<Result<Bytes, StoreError>> {
        (offset < 100_000).then(|| Ok(Bytes::from(vec![0; max])))
    }

    async fn read(&self, _offset: u64, _max: usize) -> Result<Bytes, StoreError> {
        Err(StoreError::Damaged(Digest::sha256(b"")))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_blob_is_never_ended_well() {
    let live = Live::plain(Settings::default()).await;
    let blob = Blob::new(200_000, std::sync::Arc::new(Damaged));
    let part = BlobPart::new(live.door.registry.clone(), blob, 0, 200_000);
    let collected = Outbound::blob(part).collect().await;
    assert!(collected.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn content_that_reads_like_an_error_of_http_is_sent_as_it_is() {
    let live = Live::plain(Settings::default()).await;
    // The last frame is written alone, and looks as if hyper had refused a head.
    let mut blob = vec![b'x'; dockless_store::READ_BYTES_FIRST];
    blob.extend_from_slice(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n");
    let digest = live.push(blob.clone()).await;
    let mut client = live.connect().await;
    let head = format!("GET /v2/a/blobs/{digest} HTTP/1.1\r\nHost: x\r\n");
    for end in ["\r\n", "Connection: close\r\n\r\n"] {
        client.send(&format!("{head}{end}")).await;
        assert!(client.answer().await.1 == blob);
    }
    assert_eq!(client.rest().await, "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_will_send_nothing_more_gets_its_answer() {
    let live = Live::plain(Settings::default()).await;
    let blob = vec![b'x'; 8 << 20];
    let digest = live.push(blob.clone()).await;
    let mut client = live.connect().await;
    client.send(&format!("GET /v2/a/blobs/{digest} HTTP/1.1\r\nHost: x\r\n\r\n")).await;
    client.0.shutdown().await.unwrap();
    assert!(client.answer().await.1 == blob);
    assert_eq!(client.rest().await, "");
}
