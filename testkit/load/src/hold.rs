//! `hold`: many connections that stay open, idle or reading slowly, while `/v2/` is probed.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpSocket, TcpStream};

use crate::connection::{Connection, empty};
use crate::options::Options;
use crate::report::{Tally, report};

/// Connections per source address, below the number of ephemeral ports.
const CONNECTIONS_PER_ADDRESS: u64 = 10_000;
/// Time between two probes.
const PROBE_EVERY: Duration = Duration::from_millis(20);

/// `connections` held for `seconds`: `kind=idle` sends nothing, `kind=slow` asks for `path` and never reads. `wait` seconds pass before
/// the probes begin, and the process says `held` on standard error once all are open.
pub(crate) async fn run(options: &Options) -> Result<Value, String> {
    let to = options.to()?;
    let request = match options.text("kind", "idle") {
        "idle" => None,
        "slow" => Some(format!("GET {} HTTP/1.1\r\nhost: {to}\r\n\r\n", options.text("path", "/v2/"))),
        other => return Err(format!("kind={other} is neither idle nor slow")),
    };
    let mut held = Vec::new();
    let mut refused = 0u64;
    for number in 0..options.connections()? {
        match open(to, number, request.as_deref()).await {
            Ok(stream) => held.push(stream),
            Err(_) => refused += 1,
        }
    }
    eprintln!("held {}", held.len());
    tokio::time::sleep(Duration::from_secs(options.number("wait", 1)?.min(60))).await;
    let end = Instant::now() + Duration::from_secs(options.number("seconds", 3)?.min(600));
    let begun = Instant::now();
    let tally = probe(to, end).await;
    let mut value = report(vec![tally], begun.elapsed());
    value["held"] = json!(held.len());
    value["refused"] = json!(refused);
    Ok(value)
}

async fn open(to: SocketAddr, number: u64, request: Option<&str>) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    if to.ip().is_loopback() {
        let last = u8::try_from(2 + number / CONNECTIONS_PER_ADDRESS).unwrap_or(2);
        socket.bind(SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, last)), 0))?;
    }
    if request.is_some() {
        socket.set_recv_buffer_size(4096)?;
    }
    let mut stream = socket.connect(to).await?;
    if let Some(request) = request {
        stream.write_all(request.as_bytes()).await?;
    }
    Ok(stream)
}

async fn probe(to: SocketAddr, end: Instant) -> Tally {
    let mut tally = Tally::default();
    while Instant::now() < end {
        let begun = Instant::now();
        let outcome = match Connection::open(to).await {
            Ok(mut connection) => {
                connection.exchange("GET", "/v2/", &[], empty()).await.map(|answer| answer.length)
            }
            Err(error) => Err(error),
        };
        tally.note(begun, outcome);
        tokio::time::sleep(PROBE_EVERY).await;
    }
    tally
}
