//! The derived file against its fixture, and against bytes that are none.

use proptest::prelude::*;

use super::*;
use crate::conformance::content;
use crate::progress::Progress;

const FIXTURE: &[u8] = include_bytes!("../../../../fixtures/format-1/chain");

fn sample() -> (Digest, Derived) {
    let bytes = content(1, 700_000);
    let mut progress = Progress::new(None);
    progress.update(&bytes, |_| ());
    let identity =
        Stat { is_dir: false, size: 700_000, inode: 0x0102_0304_0506, changed_ns: 1_700_000_000_123_456_789 };
    (Digest::sha256(&bytes), Derived { identity, list: progress.chain() })
}

#[test]
fn the_fixture_of_format_1_reads_and_writes_as_committed() {
    let (digest, derived) = sample();
    assert_eq!(decode(FIXTURE, &digest).unwrap(), derived);
    assert!(
        encode(&digest, &derived) == FIXTURE,
        "the format changed: it needs a new version, not a new fixture"
    );
}

#[test]
fn a_blob_without_list_is_remembered_too() {
    let (_, derived) = sample();
    let digest = Digest::of(dockless_oci::digest::Algorithm::Sha512, b"x");
    let derived = Derived { list: None, ..derived };
    assert_eq!(decode(&encode(&digest, &derived), &digest), Some(derived));
}

#[test]
fn any_changed_byte_and_any_other_length_is_refused() {
    let (digest, _) = sample();
    for at in 0..FIXTURE.len() {
        let mut bytes = FIXTURE.to_vec();
        bytes[at] ^= 0x10;
        assert_eq!(decode(&bytes, &digest), None, "byte {at}");
        assert_eq!(decode(&FIXTURE[..at], &digest), None, "cut at {at}");
    }
    assert_eq!(decode(&[FIXTURE, b"x"].concat(), &digest), None);
    assert_eq!(decode(FIXTURE, &Digest::sha256(b"another blob")), None);
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(head in prop::collection::vec(any::<u8>(), 0..300), sealed: bool) {
        let digest = Digest::sha256(b"any");
        let mut bytes = head;
        if sealed {
            // With the right magic and checksum, so that what is behind them is reached.
            bytes.splice(0..0, *MAGIC);
            bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
        }
        let _ = decode(&bytes, &digest);
    }
}
