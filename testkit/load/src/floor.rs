//! `floor`: the least a durable push can cost: receive, SHA-256, write, fdatasync, answer. The bar for pushes is a multiple of it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};

use dockless_oci::digest::{Algorithm, hasher::Hasher};
use serde_json::{Value, json};

use crate::options::Options;

/// One read from the socket.
const CHUNK_BYTES: usize = 256 << 10;

/// Listens on `to`, writes each received body to the file `path`, and ends after `count` connections.
pub(crate) fn run(options: &Options) -> Result<Value, String> {
    let listener = TcpListener::bind(options.to()?).map_err(|error| error.to_string())?;
    let count = options.count(1)?;
    let mut bytes = 0;
    for _ in 0..count {
        let (stream, _) = listener.accept().map_err(|error| error.to_string())?;
        // A probe goes away without a word; a push that breaks is seen by its client.
        bytes += serve(&stream, options.text("path", "floor.data")).unwrap_or(0);
    }
    Ok(json!({"connections": count, "bytes": bytes}))
}

/// Answers the two requests of a push: a POST without a body, then a PUT with a known length.
fn serve(stream: &TcpStream, path: &str) -> std::io::Result<u64> {
    let mut reader = BufReader::with_capacity(CHUNK_BYTES, stream);
    let mut writer = stream;
    let mut total = 0;
    while let Some(head) = read_head(&mut reader)? {
        if head.method == "GET" {
            writer.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")?;
            continue;
        }
        if head.method == "POST" {
            writer.write_all(b"HTTP/1.1 202 Accepted\r\nlocation: /upload\r\ncontent-length: 0\r\n\r\n")?;
            continue;
        }
        total += store(&mut reader, head.length, path)?;
        writer.write_all(b"HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n")?;
    }
    Ok(total)
}

struct Head {
    method: String,
    length: u64,
}

fn read_head(reader: &mut impl std::io::BufRead) -> std::io::Result<Option<Head>> {
    let mut head = Head { method: String::new(), length: 0 };
    let mut line = String::new();
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let text = line.trim_end();
        if text.is_empty() {
            return Ok(Some(head));
        }
        if head.method.is_empty() {
            text.split(' ').next().unwrap_or_default().clone_into(&mut head.method);
        } else if let Some(length) = text.to_ascii_lowercase().strip_prefix("content-length:") {
            head.length = length.trim().parse().unwrap_or(0);
        }
    }
}

fn store(reader: &mut BufReader<&TcpStream>, length: u64, path: &str) -> std::io::Result<u64> {
    let mut file = std::fs::File::create(path)?;
    let mut hasher = Hasher::new(Algorithm::Sha256);
    let mut left = length;
    while left > 0 {
        let chunk = reader.fill_buf()?;
        let taken = chunk.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        if taken == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        hasher.update(&chunk[..taken]);
        file.write_all(&chunk[..taken])?;
        reader.consume(taken);
        left -= taken as u64;
    }
    file.sync_data()?;
    std::hint::black_box(hasher.finish());
    Ok(length)
}
