//! Entry points for fuzzing: one total function for each reader of foreign bytes, with its invariants inside.
//!
//! `tests/corpus.rs` replays the committed corpus and mutations of it; a fuzzer can be linked to the same list.

use bytes::Bytes;
use dockless_registry::{Asked, Principal};

use crate::engine::archive::{Archive, ArchiveError, Event};
use crate::engine::containerd::changes;
use crate::engine::containerd::frames::{FrameError, Frames};
use crate::engine::containerd::services;
use crate::engine::name::{EngineName, candidates, listed};
pub use crate::layer::fuzz::{layer_headers, layer_metadata, layer_packed};

/// A function that takes any bytes and panics only when an invariant of ours is broken.
pub type Target = fn(&[u8]);

/// All targets with the names of their corpus folders.
pub const TARGETS: [(&str, Target); 8] = [
    ("archive", archive),
    ("call_frames", call_frames),
    ("call_images", call_images),
    ("call_changes", call_changes),
    ("name", name),
    ("layer_metadata", layer_metadata),
    ("layer_packed", layer_packed),
    ("layer_headers", layer_headers),
];

/// An archive reads the same in one piece and byte by byte, and gives each file as long as it announced it.
pub fn archive(bytes: &[u8]) {
    assert_eq!(files(bytes, bytes.len().max(1)), files(bytes, 1));
}

fn files(archive: &[u8], piece: usize) -> Result<Vec<(u64, Vec<u8>)>, ArchiveError> {
    let (mut reader, mut files) = (Archive::new(), Vec::new());
    for part in archive.chunks(piece) {
        let mut input = Bytes::copy_from_slice(part);
        while let Some(event) = reader.next(&mut input)? {
            match event {
                Event::Begin(size) => files.push((size, Vec::new())),
                Event::Data(data) => files.last_mut().expect("a file has begun").1.extend_from_slice(&data),
                Event::End => {
                    let (size, bytes) = files.last().expect("a file has begun");
                    assert_eq!(*size, bytes.len() as u64);
                }
            }
        }
        assert!(input.is_empty());
    }
    reader.finish().map(|()| files)
}

/// A name that is read and listed leads back to the image.
pub fn name(bytes: &[u8]) {
    let Some(name) = std::str::from_utf8(bytes).ok().and_then(EngineName::parse) else { return };
    for local in [false, true] {
        let Some(repository) = listed(&name.repository, local) else { continue };
        let asked = Asked { repository, namespace: None, principal: Principal::Anonymous };
        assert!(candidates(&asked, local).contains(&name.repository));
    }
}

/// The answer to a call of containerd holds the same messages in one piece and byte by byte.
pub fn call_frames(bytes: &[u8]) {
    assert_eq!(messages(bytes, bytes.len().max(1)), messages(bytes, 1));
}

fn messages(answer: &[u8], piece: usize) -> (Vec<Bytes>, Result<(), FrameError>) {
    let (mut frames, mut messages) = (Frames::new(1 << 16), Vec::new());
    for part in answer.chunks(piece) {
        frames.push(part);
        loop {
            match frames.next() {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(error) => return (messages, Err(error)),
            }
        }
    }
    (messages, frames.finish())
}

/// Whatever containerd lists, a name and a target that are read stand in it.
pub fn call_images(bytes: &[u8]) {
    let Ok(Some(images)) = services::images(Bytes::copy_from_slice(bytes)) else { return };
    for image in images {
        for text in [image.name.as_bytes(), image.target.as_str().as_bytes()] {
            assert!(text.is_empty() || bytes.windows(text.len()).any(|window| window == text));
        }
    }
}

/// Whatever containerd answers to a change, the id of a lease stands in it, and the end of what was written is found as
/// often as the message can be read.
pub fn call_changes(bytes: &[u8]) {
    let answer = Bytes::copy_from_slice(bytes);
    if let Ok(id) = changes::lease_id(&answer) {
        assert!(id.is_empty() || bytes.windows(id.len()).any(|window| window == id.as_bytes()));
        assert!(changes::offset_after(&answer).is_ok());
    }
}
