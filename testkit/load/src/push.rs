//! `push-blobs`, `push-file` and `put-manifests`: what clients do when they push.

use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;
use dockless_oci::digest::Digest;
use futures_util::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use serde_json::Value;

use crate::connection::{Body, Connection, empty, full};
use crate::options::Options;
use crate::report::{Tally, report, report_all};

const OCTETS: (&str, &str) = ("content-type", "application/octet-stream");
const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
/// One frame of a streamed file.
const FRAME_BYTES: usize = 256 << 10;

/// `count` blobs of `size` bytes each, unlike each other, by POST and one PUT, over `connections`.
pub(crate) async fn blobs(options: &Options) -> Result<Value, String> {
    let size = usize::try_from(options.number("size", 4096)?.min(64 << 20)).unwrap_or(4096);
    let seed = options.number("seed", 1)?;
    each(options, move |to, repository, turn| {
        Box::pin(async move {
            let mut connection = to;
            let bytes = content(seed, turn, size);
            let digest = Digest::sha256(&bytes);
            let pushed = push_blob(&mut connection, &repository, &digest, Bytes::from(bytes)).await;
            (connection, pushed)
        })
    })
    .await
}

/// Puts `count` manifests with a tag each; the config and the `layers` of `layer_bytes` each are pushed once.
pub(crate) async fn manifests(options: &Options) -> Result<Value, String> {
    let mut connection = Connection::open(options.to()?).await?;
    let repository = options.text("repository", "bench/app").replace("{i}", "0");
    push_blob(&mut connection, &repository, &Digest::sha256(b"{}"), Bytes::from_static(b"{}")).await?;
    let mut layers = Vec::new();
    for layer in layers_of(options)? {
        layers.push((Digest::sha256(&layer), layer.len()));
        push_blob(&mut connection, &repository, &Digest::sha256(&layer), layer.into()).await?;
    }
    let seed = options.number("seed", 1)?;
    each(options, move |mut connection, repository, turn| {
        let body = manifest(&layers, seed, turn);
        Box::pin(async move {
            let path = format!("/v2/{repository}/manifests/t{turn}");
            let length = body.len() as u64;
            let answer = connection.exchange("PUT", &path, &[("content-type", IMAGE)], full(body)).await;
            let outcome = answer.and_then(|answer| expect(201, answer.status, &path).map(|()| length));
            (connection, outcome)
        })
    })
    .await
}

/// Deletes by digest what `put-manifests` with the same words has put.
pub(crate) async fn delete_manifests(options: &Options) -> Result<Value, String> {
    let seed = options.number("seed", 1)?;
    let layers: Vec<_> =
        layers_of(options)?.iter().map(|layer| (Digest::sha256(layer), layer.len())).collect();
    each(options, move |mut connection, repository, turn| {
        let digest = Digest::sha256(manifest(&layers, seed, turn).as_bytes());
        Box::pin(async move {
            let path = format!("/v2/{repository}/manifests/{digest}");
            let answer = connection.exchange("DELETE", &path, &[], empty()).await;
            let outcome = answer.and_then(|answer| expect(202, answer.status, &path).map(|()| 0));
            (connection, outcome)
        })
    })
    .await
}

fn layers_of(options: &Options) -> Result<Vec<Vec<u8>>, String> {
    let layers = options.number("layers", 1)?.min(16);
    let bytes = usize::try_from(options.number("layer_bytes", 4096)?.min(64 << 20)).unwrap_or(4096);
    Ok((0..layers).map(|layer| content(7, 7 + layer, bytes)).collect())
}

fn manifest(layers: &[(Digest, usize)], seed: u64, turn: u64) -> String {
    let layers: Vec<_> = layers
        .iter()
        .map(|(digest, size)| {
            serde_json::json!({"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": digest.as_str(), "size": size})
        })
        .collect();
    serde_json::json!({
        "schemaVersion": 2, "mediaType": IMAGE,
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": Digest::sha256(b"{}").as_str(), "size": 2},
        "layers": layers,
        "annotations": {"turn": format!("{seed}-{turn}")},
    })
    .to_string()
}

/// One file of `path` by POST and a streamed PUT (`way=put`) or a streamed PATCH and an empty PUT (`way=patch`); `digest` is given.
pub(crate) async fn file(options: &Options) -> Result<Value, String> {
    let mut connection = Connection::open(options.to()?).await?;
    let path = options.text("path", "");
    let file = std::fs::File::open(path).map_err(|error| format!("{path}: {error}"))?;
    let size = file.metadata().map_err(|error| error.to_string())?.len();
    let digest = options.text("digest", "");
    let repository = options.text("repository", "bench/app");
    let length = size.to_string();
    let headers = [OCTETS, ("content-length", length.as_str())];
    let mut tally = Tally::default();
    let begun = Instant::now();
    let mut location = begin(&mut connection, repository).await?;
    if options.text("way", "put") == "patch" {
        let answer = connection.exchange("PATCH", &location, &headers[..1], stream_of(file)).await?;
        expect(202, answer.status, &location)?;
        location = answer.location.ok_or("no Location in the answer to PATCH")?;
        let answer = connection.exchange("PUT", &closing(&location, digest), &[], empty()).await?;
        expect(201, answer.status, &location)?;
    } else {
        let answer =
            connection.exchange("PUT", &closing(&location, digest), &headers, stream_of(file)).await?;
        expect(201, answer.status, &location)?;
    }
    tally.note(begun, Ok(size));
    Ok(report(tally, begun))
}

type Work = std::pin::Pin<Box<dyn Future<Output = (Connection, Result<u64, String>)> + Send>>;

async fn each<F>(options: &Options, work: F) -> Result<Value, String>
where
    F: Fn(Connection, String, u64) -> Work + Clone + Send + 'static,
{
    let (to, connections, count) = (options.to()?, options.connections()?, options.count(1000)?);
    let repository = options.text("repository", "bench/app").to_owned();
    let begun = Instant::now();
    let workers = (0..connections).map(|worker| {
        let (work, repository) = (work.clone(), repository.clone());
        tokio::spawn(turns(to, repository, (worker..count).step_by(connections as usize), work))
    });
    report_all(workers, begun).await
}

async fn turns<F>(
    to: SocketAddr,
    repository: String,
    turns: impl Iterator<Item = u64>,
    work: F,
) -> Result<Tally, String>
where
    F: Fn(Connection, String, u64) -> Work,
{
    let mut connection = Connection::open(to).await?;
    let mut tally = Tally::default();
    for turn in turns {
        let begun = Instant::now();
        let (used, outcome) = work(connection, repository.replace("{i}", &turn.to_string()), turn).await;
        connection = match outcome {
            Ok(_) => used,
            Err(_) => Connection::open(to).await?,
        };
        tally.note(begun, outcome);
    }
    Ok(tally)
}

async fn begin(connection: &mut Connection, repository: &str) -> Result<String, String> {
    let path = format!("/v2/{repository}/blobs/uploads/");
    let answer = connection.exchange("POST", &path, &[("content-length", "0")], empty()).await?;
    expect(202, answer.status, &path)?;
    answer.location.ok_or_else(|| "no Location in the answer to POST".to_owned())
}

async fn push_blob(
    connection: &mut Connection,
    repository: &str,
    digest: &Digest,
    bytes: Bytes,
) -> Result<u64, String> {
    let size = bytes.len() as u64;
    let location = begin(connection, repository).await?;
    let path = closing(&location, digest.as_str());
    let answer = connection.exchange("PUT", &path, &[OCTETS], full(bytes)).await?;
    expect(201, answer.status, &path).map(|()| size)
}

fn closing(location: &str, digest: &str) -> String {
    let sign = if location.contains('?') { '&' } else { '?' };
    format!("{location}{sign}digest={digest}")
}

fn expect(wanted: u16, status: u16, path: &str) -> Result<(), String> {
    if status == wanted { Ok(()) } else { Err(format!("{path}: {status} instead of {wanted}")) }
}

fn stream_of(file: std::fs::File) -> Body {
    use std::io::Read as _;
    let frames = stream::unfold(Some(file), |file| async move {
        let mut file = file?;
        let mut frame = vec![0; FRAME_BYTES];
        match file.read(&mut frame) {
            Ok(0) => None,
            Ok(read) => {
                frame.truncate(read);
                Some((Ok(Frame::data(Bytes::from(frame))), Some(file)))
            }
            Err(error) => Some((Err(error), None)),
        }
    });
    BodyExt::boxed(StreamBody::new(frames))
}

/// Bytes that are cheap to make and unlike for each seed and turn (a xorshift sequence).
fn content(seed: u64, turn: u64, size: usize) -> Vec<u8> {
    let mut state = (seed << 40) ^ turn.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut bytes = Vec::with_capacity(size + 8);
    while bytes.len() < size {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(size);
    bytes
}
