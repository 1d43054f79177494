//! Entry points for fuzzing: one total function for each parser of foreign bytes, with its invariants inside.
//!
//! `tests/corpus.rs` replays the committed corpus and mutations of it; a fuzzer can be linked to the same list.

use crate::digest::{Digest, Sha256State};
use crate::endpoint::parse_path;
use crate::manifest::{MANIFEST_BYTES_MAX, ParsedManifest, REFERENCES_MAX};
use crate::media_type;
use crate::name::{REPOSITORY_NAME_BYTES_MAX, RepositoryName, TAG_BYTES_MAX, Tag};
use crate::range::{RANGES_MAX, parse_content_range, parse_range};
use crate::reference::Reference;

/// A function that takes any bytes and panics only when an invariant of ours is broken.
pub type Target = fn(&[u8]);

/// All targets with the names of their corpus folders.
pub const TARGETS: [(&str, Target); 9] = [
    ("digest", digest),
    ("sha256_state", sha256_state),
    ("name", name),
    ("tag", tag),
    ("reference", reference),
    ("manifest", manifest),
    ("range", range),
    ("content_range", content_range),
    ("endpoint", endpoint),
];

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}

/// A digest that is read is written as it came.
pub fn digest(bytes: &[u8]) {
    if let Ok(digest) = Digest::parse(text(bytes)) {
        assert_eq!(digest.as_str(), text(bytes));
        assert_eq!(digest.hex().len(), digest.algorithm().hex_len());
    }
}

/// A state that is read is written as it came, and goes on without panic.
pub fn sha256_state(bytes: &[u8]) {
    if let Some(mut state) = Sha256State::from_bytes(bytes) {
        assert_eq!(state.to_bytes(), bytes);
        state.update(bytes);
        let _ = state.finish();
    }
}

/// A repository name that is read is written as it came and has no empty or dotted component.
pub fn name(bytes: &[u8]) {
    if let Ok(name) = RepositoryName::parse(text(bytes)) {
        assert_eq!(name.as_str(), text(bytes));
        assert!(name.as_str().len() <= REPOSITORY_NAME_BYTES_MAX);
        assert!(name.as_str().split('/').all(|part| !part.is_empty() && !part.starts_with('.')));
    }
}

/// A tag that is read is written as it came and could be a file name.
pub fn tag(bytes: &[u8]) {
    if let Ok(tag) = Tag::parse(text(bytes)) {
        assert_eq!(tag.as_str(), text(bytes));
        assert!(tag.as_str().len() <= TAG_BYTES_MAX && !tag.as_str().contains('/'));
    }
}

/// A reference that is read is written as it came.
pub fn reference(bytes: &[u8]) {
    if let Ok(reference) = Reference::parse(text(bytes)) {
        assert_eq!(reference.as_str(), text(bytes));
    }
}

/// The first line is the `Content-Type` when it looks like one; the rest is the body.
pub fn manifest(bytes: &[u8]) {
    let newline = bytes.iter().position(|&byte| byte == b'\n');
    let (header, body) = match newline {
        Some(end) if !bytes.starts_with(b"{") => (Some(text(&bytes[..end])), &bytes[end + 1..]),
        _ => (None, bytes),
    };
    if let Ok(parsed) = ParsedManifest::parse(body, header) {
        assert!(body.len() <= MANIFEST_BYTES_MAX);
        assert!(parsed.facts.references.len() <= REFERENCES_MAX);
        assert!(media_type::is_valid(&parsed.media_type), "it will stand in a header");
        assert!(parsed.facts.subject.is_some() || parsed.facts.annotations.is_empty());
    }
}

/// The size is the first eight bytes; what is selected lies inside, and is not more than the whole.
pub fn range(bytes: &[u8]) {
    let Some((size, header)) = bytes.split_first_chunk::<8>() else { return };
    let size = u64::from_be_bytes(*size);
    if let Ok(ranges) = parse_range(text(header), size) {
        assert!(!ranges.is_empty() && ranges.len() <= RANGES_MAX);
        assert!(ranges.iter().all(|range| range.first <= range.last && range.last < size));
        assert!(ranges.iter().map(|range| u128::from(range.len())).sum::<u128>() <= u128::from(size));
    }
}

/// What is read is in order and has a length.
pub fn content_range(bytes: &[u8]) {
    if let Some(range) = parse_content_range(text(bytes)) {
        assert!(range.first <= range.last);
        assert_eq!(u128::from(range.len()), u128::from(range.last) - u128::from(range.first) + 1);
    }
}

/// A path that is read has a legal name and no empty last part.
pub fn endpoint(bytes: &[u8]) {
    if let Ok(endpoint) = parse_path(text(bytes))
        && let Some(repository) = endpoint.repository()
    {
        assert!(text(bytes).starts_with(&format!("/v2/{repository}/")));
    }
}
