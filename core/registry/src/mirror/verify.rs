//! What a source gives is checked here before anybody sees it.

use bytes::{Bytes, BytesMut};
use dockless_oci::manifest::{MANIFEST_BYTES_MAX, ParsedManifest};
use dockless_oci::{Algorithm, Digest, Reference};
use dockless_store::{Blob, StoreError};

use crate::content::Manifest;
use crate::source::SourceError;

/// The manifest with its true digest and media type, if the bytes are what was asked for: those of the digest, or
/// under a tag those of the digest that the source itself states.
///
/// # Errors
/// [`SourceError::Damaged`].
pub(super) fn manifest(given: Manifest, reference: &Reference) -> Result<Manifest, SourceError> {
    let damaged = |what: String| Err(SourceError::Damaged(what));
    if given.bytes.len() > MANIFEST_BYTES_MAX {
        return damaged(format!("the manifest {reference} has {} bytes", given.bytes.len()));
    }
    let expected = match reference {
        Reference::Digest(digest) => digest,
        Reference::Tag(_) => &given.digest,
    };
    let computed = Digest::of(expected.algorithm(), &given.bytes);
    if computed != *expected {
        return damaged(format!("the manifest {reference} should be {expected}, but is {computed}"));
    }
    let digest = match reference {
        Reference::Tag(_) if computed.algorithm() != Algorithm::Sha256 => Digest::sha256(&given.bytes),
        _ => computed,
    };
    match ParsedManifest::parse(&given.bytes, Some(&given.media_type)) {
        Ok(parsed) => Ok(Manifest { digest, media_type: parsed.media_type, bytes: given.bytes }),
        Err(error) => damaged(format!("the manifest {reference} cannot be read: {error}")),
    }
}

/// The bytes of a small blob, read and hashed as a whole.
///
/// # Errors
/// [`SourceError`]: they cannot be read, or are others.
pub(super) async fn small_blob(blob: &Blob, digest: &Digest) -> Result<Bytes, SourceError> {
    let mut bytes = BytesMut::new();
    while (bytes.len() as u64) < blob.size {
        let read = blob.read(bytes.len() as u64, usize::MAX).await;
        match read.map_err(|error| of_read(error, digest))? {
            part if part.is_empty() => {
                return Err(SourceError::Damaged(format!("the blob {digest} ends too early")));
            }
            part => bytes.extend_from_slice(&part),
        }
    }
    let computed = Digest::of(digest.algorithm(), &bytes);
    if computed != *digest {
        return Err(SourceError::Damaged(format!("the blob {digest} has the bytes of {computed}")));
    }
    Ok(bytes.freeze())
}

/// What a failed reading of a blob in place says of its source.
pub(super) fn of_read(error: StoreError, digest: &Digest) -> SourceError {
    match error {
        StoreError::Damaged(_) => SourceError::Damaged(format!("the blob {digest} is damaged")),
        // A file fails, or goes while it is read: that says nothing about the rest of what the source has.
        other => SourceError::Refused(format!("the blob {digest} cannot be read: {other}")),
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    const BODY: &[u8] =
        br#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;
    const INDEX: &str = "application/vnd.oci.image.index.v1+json";

    fn given(digest: Digest, media_type: &str, bytes: &[u8]) -> Manifest {
        Manifest { digest, media_type: media_type.into(), bytes: Bytes::copy_from_slice(bytes) }
    }

    #[test]
    fn a_manifest_has_the_digest_that_was_asked_for_or_that_was_stated() {
        let (true_digest, other) = (Digest::sha256(BODY), Digest::sha256(b"other"));
        let sha512 = Digest::of(Algorithm::Sha512, BODY);
        let by = |digest: &Digest| Reference::Digest(digest.clone());
        let tag = Reference::parse("v1").unwrap();
        for (stated, media_type, bytes, reference, expected) in [
            (&true_digest, INDEX, BODY, tag.clone(), Some(&true_digest)),
            (&sha512, INDEX, BODY, tag.clone(), Some(&true_digest)),
            (&true_digest, INDEX, BODY, by(&true_digest), Some(&true_digest)),
            (&other, INDEX, BODY, by(&sha512), Some(&sha512)),
            (&other, INDEX, BODY, tag.clone(), None),
            (&other, INDEX, BODY, by(&other), None),
            (&Digest::sha256(&BODY[1..]), INDEX, &BODY[1..], tag.clone(), None),
            (&true_digest, "application/vnd.oci.image.manifest.v1+json", BODY, tag, None),
        ] {
            let checked = manifest(given(stated.clone(), media_type, bytes), &reference);
            let digest = checked.as_ref().ok().map(|manifest| &manifest.digest);
            assert_eq!(digest, expected, "{stated} {media_type} {reference}: {checked:?}");
        }
    }

    #[test]
    fn a_manifest_without_a_type_in_its_body_has_the_one_that_is_stated() {
        let bytes = br#"{"schemaVersion":2,"manifests":[]}"#;
        let checked = manifest(given(Digest::sha256(bytes), INDEX, bytes), &Reference::parse("v1").unwrap());
        assert_eq!(checked.unwrap().media_type, INDEX);
    }

    #[test]
    fn a_small_blob_has_the_bytes_of_its_digest_and_as_many_as_it_says() {
        let bytes = Bytes::from_static(b"layer");
        let check = |said: u64, digest: &Digest| {
            let blob = Blob::new(said, std::sync::Arc::new(Lies(bytes.clone())));
            small_blob(&blob, digest).now_or_never().expect("memory never waits")
        };
        let digest = Digest::sha256(&bytes);
        assert_eq!(check(5, &digest), Ok(bytes.clone()));
        for (said, digest) in [(5, &Digest::sha256(b"other")), (4, &digest), (6, &digest), (0, &digest)] {
            assert!(matches!(check(said, digest), Err(SourceError::Damaged(_))), "{said} {digest}");
        }
    }

    /// Reads that end where the bytes do, whatever the blob says.
    struct Lies(Bytes);

    #[async_trait::async_trait]
    impl dockless_store::BlobRead for Lies {
        fn try_read(&self, _: u64, _: usize) -> Option<Result<Bytes, StoreError>> {
            None
        }

        async fn read(&self, offset: u64, max: usize) -> Result<Bytes, StoreError> {
            let from = usize::try_from(offset).unwrap().min(self.0.len());
            Ok(self.0.slice(from..(from + max).min(self.0.len())))
        }
    }

    #[test]
    fn a_manifest_is_bounded() {
        let large = vec![b' '; MANIFEST_BYTES_MAX + 1];
        let given = given(Digest::sha256(&large), INDEX, &large);
        assert!(matches!(manifest(given, &Reference::parse("v1").unwrap()), Err(SourceError::Damaged(_))));
    }
}
