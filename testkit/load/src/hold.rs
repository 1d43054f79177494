//! `hold`: many connections that stay open, idle, kept alive or never reading, until standard input ends.

use std::io::Read as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use crate::options::Options;

/// Connections per source address: far below the 28,000 ports of an address, since those of an earlier run are not free for a minute.
const CONNECTIONS_PER_ADDRESS: u64 = 1_000;
/// Connections that are being opened at once: fewer than a listener's queue, or the kernel drops what does not fit and waits a second.
const OPENING_MAX: usize = 64;
/// Longest time for opening all of them; well below the five minutes after which a node gives up one that is silent.
const OPENING_TIME: Duration = Duration::from_secs(120);
/// Attempts at one connection, and the pause between them.
const ATTEMPTS_MAX: usize = 5;
const ATTEMPT_AGAIN_AFTER: Duration = Duration::from_millis(200);
/// Longest time that connections are held, so that every run ends.
const SECONDS_MAX: u64 = 600;

/// What a held connection does once it is open.
#[derive(Clone, Copy)]
enum Kind {
    /// Nothing at all.
    Idle,
    /// One request, reads its answer, and waits with the next.
    Kept,
    /// One request, and never reads.
    Slow,
}

/// `connections` held: `kind=idle` sends nothing, `kind=kept` has asked for `path` once, `kind=slow` asks for it and never reads. The process
/// says `held` and their number on standard error once all are open or given up, and holds them until standard input ends, `seconds` at most.
pub(crate) async fn run(options: &Options) -> Result<Value, String> {
    let to = options.to()?;
    let kind = match options.text("kind", "idle") {
        "idle" => Kind::Idle,
        "kept" => Kind::Kept,
        "slow" => Kind::Slow,
        other => return Err(format!("kind={other} is none of idle, kept, slow")),
    };
    let request = format!("GET {} HTTP/1.1\r\nhost: {to}\r\n\r\n", options.text("path", "/v2/"));
    let longest = Duration::from_secs(options.number("seconds", SECONDS_MAX)?.min(SECONDS_MAX));
    let begun = Instant::now();
    let opened = open_all(to, options.connections()?, kind, &request, begun + OPENING_TIME).await;
    let opening = begun.elapsed();
    let refused = opened.iter().filter(|one| one.is_err()).count();
    let first_error = opened.iter().find_map(|one| one.as_ref().err());
    eprintln!("held {}", opened.len() - refused);
    // Either way the connections have been held for as long as they were wanted.
    let _ended = tokio::time::timeout(longest, end_of_input()).await;
    Ok(json!({
        "held": opened.len() - refused,
        "refused": refused,
        "first_error": first_error,
        "opening_seconds": opening.as_secs_f64(),
    }))
}

async fn open_all(
    to: SocketAddr,
    connections: u64,
    kind: Kind,
    request: &str,
    until: Instant,
) -> Vec<Result<TcpStream, String>> {
    let opening = stream::iter(0..connections).map(|number| open(to, number, kind, request, until));
    opening.buffer_unordered(OPENING_MAX).collect().await
}

/// Opens one connection, in several attempts if need be.
async fn open(
    to: SocketAddr,
    number: u64,
    kind: Kind,
    request: &str,
    until: Instant,
) -> Result<TcpStream, String> {
    let attempts = async {
        for _ in 1..ATTEMPTS_MAX {
            if let Ok(stream) = attempt(to, number, kind, request).await {
                return Ok(stream);
            }
            tokio::time::sleep(ATTEMPT_AGAIN_AFTER).await;
        }
        attempt(to, number, kind, request).await
    };
    match tokio::time::timeout_at(until.into(), attempts).await {
        Ok(outcome) => outcome.map_err(|error| error.to_string()),
        Err(_) => Err(format!("not open after {} s", OPENING_TIME.as_secs())),
    }
}

async fn attempt(to: SocketAddr, number: u64, kind: Kind, request: &str) -> std::io::Result<TcpStream> {
    let socket = if to.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if let Some(source) = source_address(to, number) {
        socket.bind(SocketAddr::new(source, 0))?;
    }
    if let Kind::Slow = kind {
        socket.set_recv_buffer_size(4096)?;
    }
    let mut stream = socket.connect(to).await?;
    match kind {
        Kind::Idle => {}
        Kind::Slow => stream.write_all(request.as_bytes()).await?,
        Kind::Kept => {
            stream.write_all(request.as_bytes()).await?;
            // A short answer comes at once, and a node that is still writing waits for nobody.
            if stream.read(&mut [0; 4096]).await? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
    Ok(stream)
}

/// Where the connection comes from, on loopback: a network of 127/8 for each port it goes to, so that generators beside each other do not
/// share the ports of an address.
fn source_address(to: SocketAddr, number: u64) -> Option<IpAddr> {
    let IpAddr::V4(address) = to.ip() else { return None };
    let [high, low] = to.port().to_be_bytes();
    // 0 and 1 may be addresses of the machine's own, 255 is the broadcast of 127/8.
    let last = u8::try_from(2 + number / CONNECTIONS_PER_ADDRESS % 250).ok()?;
    address.is_loopback().then_some(IpAddr::V4(Ipv4Addr::new(127, high, low, last)))
}

/// Ready when standard input ends, as it does at the latest when the process that started this one is gone.
async fn end_of_input() {
    let (ended, end) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let mut scratch = [0; 64];
        while std::io::stdin().read(&mut scratch).is_ok_and(|read| read > 0) {}
        // Nobody waits when the longest time is over.
        let _waiting = ended.send(());
    });
    let _ended = end.await;
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn generators_beside_each_other_share_no_source_address() {
        let mut owners = HashMap::new();
        for port in [255, 256, 5000, 32_768, 65_535] {
            let to = SocketAddr::from(([127, 0, 0, 1], port));
            for number in 0..19_900 {
                let source = source_address(to, number).unwrap();
                assert!(source.is_loopback() && source != to.ip());
                assert_eq!(*owners.entry(source).or_insert(port), port);
            }
        }
        assert_eq!(owners.len(), 5 * 20);
    }

    #[test]
    fn only_loopback_is_bound_to_a_source() {
        assert_eq!(source_address(SocketAddr::from(([192, 0, 2, 1], 80)), 0), None);
    }

    #[tokio::test]
    async fn all_are_opened_even_by_a_listener_that_accepts_none() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let until = Instant::now() + Duration::from_secs(60);
        let opened = open_all(listener.local_addr().unwrap(), 100, Kind::Idle, "", until).await;
        assert_eq!(opened.iter().filter(|one| one.is_ok()).count(), 100);
    }

    #[tokio::test]
    async fn opening_ends_in_time_where_nobody_listens() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let to = listener.local_addr().unwrap();
        drop(listener);
        let opened = open_all(to, 300, Kind::Idle, "", Instant::now() + ATTEMPT_AGAIN_AFTER).await;
        assert!(opened.len() == 300 && opened.iter().all(Result::is_err));
    }
}
