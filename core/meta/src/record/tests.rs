//! Records: as they are frozen, and total.

use bytes::Bytes;
use dockless_oci::digest::{Algorithm, Digest};
use dockless_oci::manifest::{ManifestFacts, ReferenceFact, ReferenceKind};
use dockless_oci::media_type::OCI_MANIFEST;
use proptest::prelude::*;

use super::{ENTRY_BYTES_MAX, RecordError, check_limits, decode, encode, v1};
use crate::command::{Command, PutManifest, TagCondition};
use crate::conformance::sample::{
    delete, delete_tag, digest, link, manifest, mount, repository, set_tag, tag, unlink,
};

/// A put with something in every field.
fn full_put() -> PutManifest {
    let facts = ManifestFacts {
        references: vec![
            ReferenceFact {
                digest: Digest::of(Algorithm::Blake3, b"layer"),
                kind: ReferenceKind::Blob,
                size: 300,
                foreign: true,
            },
            ReferenceFact {
                digest: digest("child"),
                kind: ReferenceKind::Manifest,
                size: u64::MAX,
                foreign: false,
            },
        ],
        subject: Some(Digest::of(Algorithm::Sha512, b"subject")),
        artifact_type: Some("a/b".to_owned()),
        annotations: [("k".to_owned(), "v".to_owned()), ("l".to_owned(), String::new())].into(),
    };
    PutManifest {
        media_type: "m/t".to_owned(),
        bytes: Bytes::from_static(b"{\xff}"),
        facts,
        tags: vec![tag("v1"), tag("v2")],
        only_if: Some(TagCondition::MatchOneOf(vec![digest("before")])),
        immutable_tags: true,
        ..manifest("a/b", "one")
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// These bytes are in journals: a change here needs a new version of the record.
#[test]
fn records_are_what_they_always_were() {
    // SHA-256 of the texts, as it stands in the records.
    let (x, one) = (digest("x"), digest("one"));
    let (x, one) = (x.hex(), one.hex());
    let golden = |command: Command, expected: String| {
        let written = encode(300, &command);
        assert_eq!(hex(&written), expected, "{command:?}");
        assert_eq!(
            decode(9, &written).map(|entry| (entry.index, entry.time_ms, entry.command)),
            Ok((9, 300, command))
        );
    };
    golden(delete_tag("a/b", "v1"), "0102ac0203612f62027631".to_owned());
    golden(delete("a/b", "one"), format!("0103ac0203612f6202{one}"));
    golden(Command::ExpectBlob { digest: digest("x") }, format!("0104ac0202{x}"));
    golden(link("a/b", "x"), format!("0105ac0203612f6202{x}e807"));
    golden(mount("c", "a/b", "x"), format!("0106ac02016303612f6202{x}"));
    golden(unlink("a/b", "x"), format!("0107ac0203612f6202{x}"));
    golden(Command::ForgetBlob { digest: digest("x") }, format!("0108ac0202{x}"));
    golden(set_tag("a/b", "v1", "one"), format!("0109ac0203612f6202763102{one}00"));
    let of_condition = |only_if, require_references| {
        Command::PutManifest(PutManifest { only_if, require_references, ..manifest("a/b", "one") })
    };
    let head = format!("0101ac0203612f6202{one}2a{}036f6e650000000000", hex(OCI_MANIFEST.as_bytes()));
    let two = vec![digest("x"), digest("one")];
    for (condition, require_references, end) in [
        (None, true, "0002".to_owned()),
        (Some(TagCondition::Absent), false, "0100".to_owned()),
        (Some(TagCondition::Exists), false, "0300".to_owned()),
        (Some(TagCondition::MatchOneOf(Vec::new())), false, "040000".to_owned()),
        (Some(TagCondition::MatchOneOf(two)), false, format!("040202{x}02{one}00")),
    ] {
        golden(of_condition(condition, require_references), format!("{head}{end}"));
    }
    golden(
        Command::PutManifest(manifest("a/b", "one")),
        format!(
            "0101ac0203612f6202{one}2a{}036f6e65000000000000",
            hex(b"application/vnd.oci.image.manifest.v1+json")
        ) + "00",
    );
    let put = full_put();
    let before = digest("before");
    golden(
        Command::PutManifest(put.clone()),
        [
            format!("0101ac0203612f6202{one}036d2f74037bff7d"),
            format!("0201{}02ac02", put.facts.references[0].digest.hex()),
            format!("02{}01ffffffffffffffffff01", put.facts.references[1].digest.hex()),
            format!("0103{}", put.facts.subject.as_ref().unwrap().hex()),
            "0103612f6202016b0176016c00".to_owned(),
            format!("0202763102763202 02{}01", before.hex()).replace(' ', ""),
        ]
        .concat(),
    );
}

#[test]
fn records_that_are_none_are_refused() {
    let written = encode(300, &Command::PutManifest(full_put()));
    for length in 0..written.len() {
        assert!(decode(1, &written[..length]).is_err(), "{length} bytes of {}", written.len());
    }
    let mut longer = written;
    longer.push(0);
    assert_eq!(decode(1, &longer), Err(RecordError::Invalid("end")));
    assert_eq!(decode(1, &[2, 1]), Err(RecordError::Version(2)));
    assert_eq!(decode(1, &[v1::VERSION, 99, 0]), Err(RecordError::Invalid("kind")));
    let text =
        |name: &str| [&[1, 2, 0, u8::try_from(name.len()).unwrap()], name.as_bytes(), &[1, b'a']].concat();
    assert_eq!(decode(1, &text("a/b")).map(|entry| entry.command), Ok(delete_tag("a/b", "a")));
    assert_eq!(decode(1, &text("A")), Err(RecordError::Invalid("repository")));
    assert_eq!(decode(1, &[1, 4, 0, 4]), Err(RecordError::Invalid("digest algorithm")));
    // An integer has one form only, and 64 bits.
    assert_eq!(decode(1, &[1, 4, 0x80, 0]), Err(RecordError::Invalid("integer")));
    let too_large = [&[1, 4][..], &[0xff; 9], &[2]].concat();
    assert_eq!(decode(1, &too_large), Err(RecordError::Invalid("integer")));
}

#[test]
fn the_bound_of_a_record_holds() {
    let mut put = full_put();
    put.repository = repository(&"r".repeat(255));
    put.tags = vec![tag(&"t".repeat(128)); 1_000];
    put.only_if = Some(TagCondition::MatchOneOf(vec![Digest::of(Algorithm::Sha512, b"x"); 100]));
    put.facts.references = vec![
        ReferenceFact {
            digest: Digest::of(Algorithm::Sha512, b"x"),
            kind: ReferenceKind::Blob,
            size: u64::MAX,
            foreign: false,
        };
        1_000
    ];
    let bound = v1::size_bound(&put);
    let written = encode(u64::MAX, &Command::PutManifest(put.clone())).len();
    assert!(written <= bound && bound < written + 20_000, "{written} bytes, {bound} at most");
    let room = ENTRY_BYTES_MAX - bound + put.bytes.len();
    put.bytes = vec![b' '; room].into();
    assert_eq!(check_limits(&Command::PutManifest(put.clone())), Ok(()));
    put.bytes = vec![b' '; room + 1].into();
    assert!(check_limits(&Command::PutManifest(put)).is_err());
}

proptest! {
    #[test]
    fn any_bytes_are_a_record_or_an_error(mut bytes in prop::collection::vec(any::<u8>(), 0..200), kind in 0..10_u8) {
        if let [version, second, ..] = &mut bytes[..] {
            (*version, *second) = (v1::VERSION, kind);
        }
        if let Ok(entry) = decode(1, &bytes) {
            prop_assert_eq!(encode(entry.time_ms, &entry.command), bytes);
        }
    }
}
