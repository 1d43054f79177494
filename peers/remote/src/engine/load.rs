//! Puts an image into an engine: an archive as `docker save` wrote it first, made while it is sent.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use dockless_oci::{Digest, Tag};
use dockless_registry::{Asked, Blob, SourceError};
use futures_util::stream::{self, StreamExt as _};
use http::Method;
use http_body_util::StreamBody;
use hyper::body::Frame;
use serde::Deserialize;

use super::socket::{RequestBody, Socket};

/// How long an engine may take to read an archive and unpack it: unpacking was measured at some 50 MB/s, so this is
/// enough for 90 GB.
const LOAD_TIME_MAX: Duration = Duration::from_secs(30 * 60);
/// What an engine may say while it loads, in bytes: a line for each layer and each step of a progress bar.
const SAID_BYTES_MAX: usize = 16 << 20;
/// The unit of a tar archive.
const BLOCK_BYTES: usize = 512;
/// The longest name in a header that ends with a zero, in bytes.
const NAME_BYTES_MAX: usize = 99;
/// The largest size that a header holds in octal digits.
const OCTAL_MAX: u64 = 0o777_7777_7777;

/// An image that an engine is to have.
#[derive(Clone, Debug)]
pub struct Load {
    /// Its repository.
    pub asked: Asked,
    /// Its tag there.
    pub tag: Tag,
    /// Its config; the engine names the image by the digest.
    pub config: LoadPart,
    /// Its layers, bottom first, compressed or not.
    pub layers: Vec<LoadPart>,
}

/// A blob of a [`Load`].
#[derive(Clone, Debug)]
pub struct LoadPart {
    /// Its digest.
    pub digest: Digest,
    /// Its bytes.
    pub blob: Blob,
}

/// One line of an engine's answer: it says that it failed after it said that all is well.
#[derive(Deserialize)]
struct Said {
    #[serde(default)]
    error: Option<String>,
}

/// Loads an image under the engine's name for it.
///
/// # Errors
/// [`SourceError::Unavailable`] when the engine cannot be reached, [`SourceError::Damaged`] with its words when it
/// refuses the image.
pub(super) async fn load(socket: &Socket, name: &str, load: &Load) -> Result<(), SourceError> {
    let body = body(archive(name, load));
    let answer = socket.send(Method::POST, "/images/load?quiet=1", body, LOAD_TIME_MAX).await?;
    let said = answer.accept().await?.collect(SAID_BYTES_MAX).await?;
    let lines = serde_json::Deserializer::from_slice(&said).into_iter::<Said>();
    match lines.map_while(Result::ok).find_map(|said| said.error) {
        None => Ok(()),
        Some(error) => Err(SourceError::Damaged(format!("the engine did not load {name}: {error}"))),
    }
}

/// A piece of the archive.
enum Piece {
    Bytes(Bytes),
    Blob(Blob),
}

/// The pieces of the archive, in order; each layer once.
fn archive(name: &str, load: &Load) -> Vec<Piece> {
    let mut parts = Vec::with_capacity(load.layers.len() * 3 + 6);
    let mut written = std::collections::HashSet::new();
    for part in [&load.config].into_iter().chain(&load.layers) {
        if written.insert(&part.digest) {
            parts.push(Piece::Bytes(header(&file_name(part), part.blob.size)));
            parts.push(Piece::Blob(part.blob.clone()));
            parts.push(Piece::Bytes(filling(part.blob.size)));
        }
    }
    let layers: Vec<_> = load.layers.iter().map(file_name).collect();
    let manifest =
        serde_json::json!([{"Config": file_name(&load.config), "RepoTags": [name], "Layers": layers}]);
    let manifest = Bytes::from(manifest.to_string());
    let size = manifest.len() as u64;
    parts.push(Piece::Bytes(header("manifest.json", size)));
    parts.push(Piece::Bytes(manifest));
    parts.push(Piece::Bytes(filling(size)));
    parts.push(Piece::Bytes(Bytes::from_static(&[0; 2 * BLOCK_BYTES])));
    parts
}

/// What a blob is called in the archive: as much of its digest as a header has room for tells it from all others.
fn file_name(part: &LoadPart) -> String {
    part.digest.hex().chars().take(NAME_BYTES_MAX).collect()
}

/// A tar header (POSIX.1-2017, pax, "ustar Interchange Format") of a plain file; a size
/// over 8 GiB stands in base 256, as GNU tar does it.
fn header(name: &str, size: u64) -> Bytes {
    let mut header = [0; BLOCK_BYTES];
    let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, name.as_bytes());
    put(100, b"0000644\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    if size <= OCTAL_MAX {
        put(124, format!("{size:011o}\0").as_bytes());
    } else {
        put(124, &[0x80, 0, 0, 0]);
        put(128, &size.to_be_bytes());
    }
    put(136, b"00000000000\0");
    put(148, b"        ");
    put(156, b"0");
    put(257, b"ustar\x0000");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    Bytes::copy_from_slice(&header)
}

fn filling(size: u64) -> Bytes {
    const ZEROS: &[u8] = &[0; BLOCK_BYTES];
    let length = usize::try_from(size.wrapping_neg() % BLOCK_BYTES as u64).unwrap_or_default();
    Bytes::from_static(&ZEROS[..length])
}

/// Sends the pieces, reading each blob as the engine takes it.
fn body(pieces: Vec<Piece>) -> RequestBody {
    let pieces = stream::iter(pieces).flat_map(|piece| match piece {
        Piece::Bytes(bytes) => stream::iter([Ok(bytes)]).left_stream(),
        Piece::Blob(blob) => read(blob).right_stream(),
    });
    RequestBody::new(StreamBody::new(pieces.map(|bytes| bytes.map(Frame::data))))
}

fn read(blob: Blob) -> impl stream::Stream<Item = Result<Bytes, io::Error>> + Send {
    stream::try_unfold((blob, 0), |(blob, offset)| async move {
        if offset == blob.size {
            return Ok(None);
        }
        let bytes = blob.read(offset, usize::MAX).await.map_err(io::Error::other)?;
        let next = offset + bytes.len() as u64;
        Ok((!bytes.is_empty()).then_some((bytes, (blob, next))))
    })
}
