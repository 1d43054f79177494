//! Connections that wait for their next request: parked after a while, and nobody notices.

use std::time::Duration;

use dockless_runtime::Runtime;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};

use super::fixture::{Client, Live, Speaks};
use super::held::{GET, TICK, simulated};
use super::protocols::tls_client;
use crate::Settings;
use crate::server::http1::PARK_AFTER;
use crate::tls::Certificates;

#[test]
fn a_connection_is_parked_only_when_it_has_waited() {
    simulated(4, async |mut held| {
        held.wait(PARK_AFTER * 2).await;
        for _ in 0..3 {
            held.ask().await;
            held.wait(PARK_AFTER - TICK).await;
            assert!(!held.is_parked());
            held.ask().await;
            held.wait(PARK_AFTER - TICK).await;
            assert!(!held.is_parked(), "the time begins with each answer");
            held.wait(TICK * 2).await;
            assert!(held.is_parked());
        }
        held.client.send("GET /v2/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
        held.answered().await;
        assert_eq!(held.end().await, Duration::ZERO);
    });
}

#[test]
fn answers_without_a_body_and_requests_with_one_come_to_rest_too() {
    simulated(2, async |mut held| {
        held.client.send("HEAD /v2/ HTTP/1.1\r\nHost: x\r\n\r\n").await;
        assert!(held.client.head().await.starts_with("HTTP/1.1 200"));
        held.wait(PARK_AFTER + TICK).await;
        assert!(held.is_parked());
        for _ in 0..2 {
            let head = "POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n";
            held.client.send(head).await;
            held.wait(PARK_AFTER + TICK).await;
            assert!(!held.is_parked(), "the body is on its way");
            held.client.send("abc").await;
            assert!(held.client.answer().await.0.starts_with("HTTP/1.1"));
            held.wait(PARK_AFTER + TICK).await;
            assert!(held.is_parked());
        }
    });
}

#[test]
fn bytes_that_come_while_a_connection_is_being_parked_are_not_lost() {
    simulated(40, async |mut held| {
        held.ask().await;
        for early in 0..4 {
            for cut in [0, 1, 2, GET.len() - 1] {
                held.wait(PARK_AFTER - Duration::from_nanos(early)).await;
                for piece in [&GET[..cut], &GET[cut..]] {
                    held.client.send(piece).await;
                    held.wait(Duration::from_nanos(early)).await;
                }
                held.answered().await;
            }
        }
    });
}

#[test]
fn a_part_of_the_next_head_is_kept() {
    let ahead = format!("{GET}{}", &GET[..20]);
    simulated(2, async |mut held| {
        held.client.send(&ahead).await;
        held.answered().await;
        held.wait(PARK_AFTER * 3).await;
        held.client.send(&GET[20..]).await;
        held.answered().await;
        held.client.send(&ahead).await;
        held.answered().await;
        assert!(held.end().await <= PARK_AFTER + Settings::default().header_timeout);
    });
}

#[test]
fn the_limits_of_a_parked_connection_are_those_of_any_other() {
    let Settings { keep_alive_timeout, header_timeout, .. } = Settings::default();
    simulated(2, async |mut held| {
        held.ask().await;
        assert_eq!(held.end().await, keep_alive_timeout);
    });
    simulated(2, async |mut held| {
        held.ask().await;
        held.wait(PARK_AFTER * 2).await;
        assert!(held.is_parked());
        held.client.send("G").await;
        assert_eq!(held.end().await, header_timeout);
    });
}

#[test]
fn a_parked_connection_ends_at_once_with_the_node_and_with_its_client() {
    simulated(2, async |mut held| {
        held.ask().await;
        held.wait(PARK_AFTER * 2).await;
        held.stop.trigger();
        assert_eq!(held.end().await, Duration::ZERO);
    });
    simulated(2, async |mut held| {
        held.ask().await;
        held.wait(PARK_AFTER * 2).await;
        assert!(held.is_parked());
        held.client.0.shutdown().await.unwrap();
        assert_eq!(held.end().await, Duration::ZERO);
    });
}

#[test]
fn a_client_that_says_that_no_more_comes_has_its_answer_after_parking() {
    simulated(2, async |mut held| {
        held.ask().await;
        held.wait(PARK_AFTER * 2).await;
        held.client.send(GET).await;
        held.client.0.shutdown().await.unwrap();
        held.answered().await;
        assert_eq!(held.end().await, Duration::ZERO);
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn real_clients_that_ask_again_about_when_they_are_parked_are_answered() {
    let directory = tempfile::tempdir().unwrap();
    let tls = Certificates::own(&Runtime::real(), directory.path(), &[]).await.unwrap();
    let speaks = Speaks { plain: true, tls: true };
    let live = Live::start(Settings::default(), Some(tls.clone()), speaks).await;
    let plain = (0..64).map(|number| {
        let live = &live;
        async move { again(live, live.connect().await.0, number).await }
    });
    let encrypted = (0..16).map(|number| {
        let (live, tls) = (&live, &tls);
        async move { again(live, tls_client(live, tls, &["http/1.1"]).await, number * 4).await }
    });
    futures_util::future::join(
        futures_util::future::join_all(plain),
        futures_util::future::join_all(encrypted),
    )
    .await;
    assert_eq!(live.door.metrics.accepted.get(), 80, "all went over the connections that there were");
}

/// Asks twice, about [`PARK_AFTER`] apart; then a last time when the connection is surely parked.
async fn again(live: &Live, stream: impl AsyncRead + AsyncWrite + Unpin, number: u32) {
    let clock = &live.door.runtime.clock;
    let mut client = Client(stream);
    for pause in [PARK_AFTER - TICK * 8 + TICK / 4 * number, PARK_AFTER * 2, Duration::ZERO] {
        client.send(GET).await;
        let (head, body) = client.answer().await;
        assert!(head.starts_with("HTTP/1.1 200") && body == b"{}", "{head}");
        clock.sleep(pause).await;
    }
}
