//! Heads that are too slow or too large, and more connections than there is room for.

use std::time::{Duration, Instant};

use dockless_runtime::timeout;
use tokio::net::TcpStream;

use super::fixture::{Client, Live};
use crate::Settings;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_may_follow_each_other_and_be_sent_ahead() {
    let live = Live::plain(Settings::default()).await;
    let mut client = live.connect().await;
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
    client.send(&(get("/v2/") + &get("/healthz") + &get("/v2/a/manifests/x"))).await;
    assert_eq!(client.answer().await.1, b"{}");
    assert_eq!(client.answer().await.1, br#"{"status":"ok"}"#);
    assert!(client.answer().await.0.starts_with("HTTP/1.1 404"));
    client.send(&get("/v2/")).await;
    assert!(client.answer().await.0.starts_with("HTTP/1.1 200"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heads_that_are_no_http_or_too_large_get_words() {
    let live = Live::plain(Settings::default()).await;
    let check = async |head: String, status: &str| {
        let mut client = live.connect().await;
        client.send(&head).await;
        let answer = client.rest().await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
        assert!(answer.contains(r#"{"errors":[{"code":"UNSUPPORTED","message":"#), "{answer}");
    };
    check("nonsense\r\n\r\n".to_owned(), "400").await;
    check("GET /v2/ HTTP/1.1\r\nHost: x\r\nbad header\r\n\r\n".to_owned(), "400").await;
    check(
        format!("GET /v2/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX: {}\r\n\r\n", "a".repeat(40_000)),
        "431",
    )
    .await;
    check(format!("GET /v2/ HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "a".repeat(150_000)), "431").await;
    check(format!("GET /v2/ HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(150)), "431").await;
    let long = "a".repeat(17_000);
    check(format!("GET /v2/{long} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"), "414").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::disallowed_methods, reason = "measures real time")]
async fn a_head_has_a_time_limit_and_an_idle_connection_a_longer_one() {
    let settings = Settings {
        header_timeout: Duration::from_millis(100),
        keep_alive_timeout: Duration::from_millis(1000),
        ..Settings::default()
    };
    let live = Live::plain(settings).await;
    let mut slow = live.connect().await;
    let began = Instant::now();
    slow.send("GET /v2/ HT").await;
    assert_eq!(slow.rest().await, "");
    assert!(began.elapsed() < Duration::from_millis(900));
    let mut second = live.connect().await;
    second.send("GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n").await;
    second.answer().await;
    let began = Instant::now();
    assert_eq!(second.rest().await, "");
    assert!(began.elapsed() > Duration::from_millis(700), "idle is not slow");
    second = live.connect().await;
    second.send("GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n").await;
    second.answer().await;
    let began = Instant::now();
    second.send("GET /v2/ HT").await;
    assert_eq!(second.rest().await, "");
    assert!(began.elapsed() < Duration::from_millis(900), "the second head has the limit as well");
    let mut silent = live.connect().await;
    assert_eq!(silent.rest().await, "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_that_begins_like_the_preface_of_http2_has_the_same_limit() {
    let settings = Settings { header_timeout: Duration::from_millis(100), ..Settings::default() };
    let live = Live::plain(settings).await;
    for pieces in [&["PRI * HTTP/2.0\r\n"][..], &["P", "RI * HTTP"], &["PRINT /v2/ HT"]] {
        let mut slow = live.connect().await;
        for piece in pieces {
            slow.send(piece).await;
        }
        let ended = timeout(&*live.door.runtime.clock, Duration::from_secs(20), slow.rest()).await;
        assert_eq!(ended.as_deref(), Ok(""), "{pieces:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_the_limit_the_next_connection_waits_for_one_to_end() {
    let settings = Settings { connections_max: Some(2), ..Settings::default() };
    let live = Live::plain(settings).await;
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut client = live.connect().await;
        client.send("GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n").await;
        client.answer().await;
        held.push(client);
    }
    let mut third = Client(TcpStream::connect(live.address).await.unwrap());
    third.send("GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n").await;
    while live.door.metrics.pauses.get() == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(live.door.metrics.accepted.get(), 2);
    held.pop();
    assert!(third.answer().await.0.starts_with("HTTP/1.1 200"));
}
