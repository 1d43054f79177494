//! The archives that bring an image to an engine, made while they are sent.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use dockless_oci::manifest::{ReferenceFact, ReferenceKind};
use dockless_oci::{Digest, media_type};
use dockless_store::{Blob, BlobStore};
use futures_util::stream::{self, Stream, StreamExt as _, TryStreamExt as _};
use http_body_util::StreamBody;
use hyper::body::Frame;
use serde_json::json;

use super::super::socket::RequestBody;
use super::{Load, open};

/// How an index says what its entry is called in an engine.
const NAME_KEY: &str = "io.containerd.image.name";
/// The unit of a tar archive.
const BLOCK_BYTES: usize = 512;
/// The longest name in a header that ends with a zero, in bytes.
const NAME_BYTES_MAX: usize = 99;
/// The largest size that a header holds in octal digits.
const OCTAL_MAX: u64 = 0o777_7777_7777;

/// A file of an archive.
struct File {
    name: String,
    content: Content,
}

enum Content {
    Bytes(Bytes),
    Part(ReferenceFact),
}

/// As `docker save` wrote it first: config and layers of the image that runs here. The engine makes a manifest of its
/// own.
pub(crate) fn saved(name: &str, load: &Load) -> RequestBody {
    // As much of a digest as a header has room for tells it from all others.
    let file_name = |digest: &Digest| digest.hex().chars().take(NAME_BYTES_MAX).collect::<String>();
    let (mut files, mut written) = (Vec::new(), HashSet::new());
    for digest in [&load.config].into_iter().chain(&load.layers) {
        if written.insert(digest) {
            let part =
                ReferenceFact { digest: digest.clone(), kind: ReferenceKind::Blob, size: 0, foreign: false };
            files.push(File { name: file_name(digest), content: Content::Part(part) });
        }
    }
    let layers: Vec<_> = load.layers.iter().map(file_name).collect();
    let row = json!({"Config": file_name(&load.config), "RepoTags": [name], "Layers": layers});
    files.push(File::text("manifest.json", json!([row]).to_string()));
    body(files, load.blobs.clone())
}

/// As an OCI layout (image-spec 1.1, "OCI Image Layout Specification"): all manifests as they were pushed, so that
/// their digests stay. Holds only what is named by SHA-256.
pub(crate) fn layout(name: &str, load: &Load) -> RequestBody {
    let file_name = |digest: &Digest| format!("blobs/sha256/{}", digest.hex());
    let (mut files, mut written) = (Vec::new(), HashSet::new());
    files.push(File::text("oci-layout", json!({"imageLayoutVersion": "1.0.0"}).to_string()));
    for part in load.parts() {
        if written.insert(&part.digest) {
            files.push(File { name: file_name(&part.digest), content: Content::Part(part.clone()) });
        }
    }
    for entry in load.manifests() {
        let name = file_name(&entry.manifest.digest);
        files.push(File { name, content: Content::Bytes(entry.manifest.bytes.clone()) });
    }
    let target = &load.target.manifest;
    let entry = json!({
        "mediaType": target.media_type, "digest": target.digest, "size": target.bytes.len(),
        "annotations": {NAME_KEY: name},
    });
    let index = json!({"schemaVersion": 2, "mediaType": media_type::OCI_INDEX, "manifests": [entry]});
    files.push(File::text("index.json", index.to_string()));
    body(files, load.blobs.clone())
}

impl File {
    fn text(name: &str, text: String) -> Self {
        Self { name: name.to_owned(), content: Content::Bytes(text.into()) }
    }

    async fn open(&self, blobs: &dyn BlobStore) -> io::Result<Option<Blob>> {
        match &self.content {
            Content::Bytes(bytes) => Ok(Some(Blob::from(bytes.clone()))),
            Content::Part(part) => open(blobs, part).await.map_err(io::Error::other),
        }
    }
}

/// Sends the files, reading each as the engine takes it.
fn body(files: Vec<File>, blobs: Arc<dyn BlobStore>) -> RequestBody {
    let entries = stream::iter(files).then(move |file| entry(file, blobs.clone()));
    let end = stream::iter([Ok(Bytes::from_static(&[0; 2 * BLOCK_BYTES]))]);
    RequestBody::new(StreamBody::new(entries.try_flatten().chain(end).map_ok(Frame::data)))
}

/// All bytes of a file in the archive: none for one that is left out.
async fn entry(
    file: File,
    blobs: Arc<dyn BlobStore>,
) -> io::Result<impl Stream<Item = io::Result<Bytes>> + Send> {
    let blob = file.open(&*blobs).await?;
    Ok(stream::iter(blob).flat_map(move |blob| {
        let (before, after) = (header(&file.name, blob.size), filling(blob.size));
        stream::iter([Ok(before)]).chain(read(blob)).chain(stream::iter([Ok(after)]))
    }))
}

fn read(blob: Blob) -> impl Stream<Item = io::Result<Bytes>> + Send {
    stream::try_unfold((blob, 0), |(blob, offset)| async move {
        if offset == blob.size {
            return Ok(None);
        }
        let bytes = blob.read(offset, usize::MAX).await.map_err(io::Error::other)?;
        let next = offset + bytes.len() as u64;
        Ok((!bytes.is_empty()).then_some((bytes, (blob, next))))
    })
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
