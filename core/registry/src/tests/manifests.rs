//! Manifests: put, read back, tagged, conditional, incomplete.

use bytes::Bytes;
use dockless_oci::media_type::{OCI_INDEX, OCI_LAYER_NONDISTRIBUTABLE_GZIP, OCI_MANIFEST};
use dockless_oci::{Algorithm, Digest, Reference};
use futures_util::future::join;
use serde_json::json;

use super::fixture::{Machine, asked, image, image_of, name, on_both, tag};
use crate::access::Pattern;
use crate::*;

#[test]
fn a_manifest_is_given_back_byte_for_byte_by_tag_and_by_digest() {
    on_both(|machine| {
        let odd = String::from_utf8(image_of("x")).unwrap().replacen('{', "{ \"unknown\" : [ 1.0 ],\n", 1);
        for bytes in [image_of("plain"), odd.into_bytes(), image_of(&"long ".repeat(100_000))] {
            let done = machine.put("a", "v1", &bytes).unwrap();
            assert_eq!(
                done,
                PutDone { digest: Digest::sha256(&bytes), tags: vec![tag("v1")], subject: None, missing: 1 }
            );
            for reference in ["v1", done.digest.as_str()] {
                assert_eq!(machine.manifest("a", reference).unwrap(), bytes);
                assert_eq!(machine.manifest("a", reference).unwrap(), bytes, "cached");
                assert_eq!(machine.manifest("b", reference), Err(Error::ManifestUnknown));
            }
        }
        assert_eq!(machine.manifest("a", "v2"), Err(Error::ManifestUnknown));
    });
}

#[test]
fn a_digest_is_checked_in_its_own_algorithm() {
    on_both(|machine| {
        let bytes = image_of("x");
        for algorithm in Algorithm::ALL {
            let digest = Digest::of(algorithm, &bytes);
            let done = machine.put("a", digest.as_str(), &bytes).unwrap();
            assert_eq!((&done.digest, done.tags.len()), (&digest, 0));
            assert_eq!(machine.manifest("a", digest.as_str()).unwrap(), bytes);
            let spaced = [&bytes[..], b"  "].concat();
            let refused = machine.put("a", digest.as_str(), &spaced);
            assert!(
                matches!(refused, Err(Error::DigestInvalid(message)) if message.contains(digest.as_str()))
            );
        }
    });
}

#[test]
fn what_is_no_manifest_is_refused_with_a_reason() {
    let machine = Machine::memory(Settings::default());
    for (bytes, expected) in
        [(&b"nonsense"[..], "JSON"), (b"", "JSON"), (br#"{"schemaVersion":1,"name":"a"}"#, "schema 1")]
    {
        let refused = machine.put("a", "v1", bytes);
        assert!(
            matches!(&refused, Err(Error::ManifestInvalid(message)) if message.contains(expected)),
            "{refused:?}"
        );
    }
    let huge = image_of(&"x".repeat(4 << 20));
    assert_eq!(machine.put("a", "v1", &huge), Err(Error::ManifestTooLarge));
    let request = PutRequest {
        reference: Reference::Tag(tag("v1")),
        tags: Vec::new(),
        content_type: Some(OCI_INDEX.into()),
        bytes: image_of("x").into(),
        if_match: None,
    };
    let refused = machine.run(machine.registry.put_manifest(&asked("a"), request));
    assert!(matches!(refused, Err(Error::ManifestInvalid(message)) if message.contains(OCI_MANIFEST)));
    assert_eq!(
        machine.run(machine.registry.tags(&asked("a"), None, None)),
        Err(Error::NameUnknown),
        "nothing was made"
    );
    let small = Machine::memory(Settings { manifest_bytes_max: 100, ..Settings::default() });
    assert_eq!(small.put("a", "v1", &image_of("x")), Err(Error::ManifestTooLarge));
}

fn put_tags(machine: &Machine, reference: &str, tags: &[&str], bytes: &[u8]) -> Result<Vec<String>, Error> {
    let request = PutRequest {
        reference: Reference::parse(reference).unwrap(),
        tags: tags.iter().map(|text| tag(text)).collect(),
        content_type: None,
        bytes: Bytes::copy_from_slice(bytes),
        if_match: None,
    };
    let done = machine.run(machine.registry.put_manifest(&asked("a"), request))?;
    Ok(done.tags.iter().map(ToString::to_string).collect())
}

#[test]
fn several_tags_are_set_at_once() {
    on_both(|machine| {
        let bytes = image_of("x");
        let digest = Digest::of(Algorithm::Sha512, &bytes);
        assert_eq!(put_tags(machine, digest.as_str(), &["b", "a", "b"], &bytes).unwrap(), ["b", "a"]);
        assert_eq!(put_tags(machine, "path", &["c", "path"], &bytes).unwrap(), ["path", "c"]);
        assert_eq!(machine.tags("a"), ["a", "b", "c", "path"]);
        let head =
            machine.run(machine.registry.manifest_head(&asked("a"), &Reference::Tag(tag("a")))).unwrap();
        assert_eq!(head.digest, digest, "in the algorithm of the push");
        let many: Vec<String> = (0..=TAGS_PER_PUT_MAX).map(|number| format!("t{number}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let limit = TAGS_PER_PUT_MAX;
        assert_eq!(put_tags(machine, "path", &many, &bytes), Err(Error::TooManyTags { limit }));
        assert_eq!(put_tags(machine, "path", &many[..limit], &bytes).unwrap().len(), limit + 1);
    });
}

#[test]
fn a_condition_on_the_tag_decides_whether_the_put_happens() {
    on_both(|machine| {
        let (one, two) = (image_of("1"), image_of("2"));
        let (first, second) = (Digest::sha256(&one), Digest::sha256(&two));
        let check = |bytes: &[u8], condition: TagCondition, happens: bool| {
            let done = machine.put_if("a", "v1", bytes, Some(condition.clone()));
            assert_eq!(done.is_ok(), happens, "{condition:?}");
            assert!(happens || done == Err(Error::TagChanged));
        };
        check(&one, TagCondition::Exists, false);
        check(&one, TagCondition::MatchOneOf(Vec::new()), false);
        check(&one, TagCondition::MatchOneOf(vec![first.clone()]), false);
        check(&one, TagCondition::Absent, true);
        check(&one, TagCondition::Absent, false);
        check(&two, TagCondition::MatchOneOf(vec![second.clone()]), false);
        assert_eq!(machine.manifest("a", "v1").unwrap(), one, "a refused put changes nothing");
        assert_eq!(machine.manifest("a", second.as_str()), Err(Error::ManifestUnknown));
        check(&two, TagCondition::MatchOneOf(vec![first.clone()]), true);
        check(&one, TagCondition::MatchOneOf(vec![first, second]), true);
        check(&two, TagCondition::Exists, true);
    });
}

#[test]
fn a_condition_is_on_every_tag_of_a_put() {
    let machine = Machine::memory(Settings::default());
    let (one, two, three) = (image_of("1"), image_of("2"), image_of("3"));
    let first = machine.put("a", "v1", &one).unwrap().digest;
    let second = machine.put("a", "v2", &two).unwrap().digest;
    let put = |tags: &[&str], condition: TagCondition| {
        let request = PutRequest {
            reference: Reference::Digest(Digest::sha256(&three)),
            tags: tags.iter().map(|text| tag(text)).collect(),
            content_type: None,
            bytes: three.clone().into(),
            if_match: Some(condition),
        };
        machine.run(machine.registry.put_manifest(&asked("a"), request)).map(drop)
    };
    let both = TagCondition::MatchOneOf(vec![first.clone(), second]);
    assert_eq!(put(&["v1", "v2"], TagCondition::MatchOneOf(vec![first])), Err(Error::TagChanged));
    assert_eq!(put(&["v1", "v3"], both.clone()), Err(Error::TagChanged));
    assert_eq!(put(&["v1", "v3"], TagCondition::Exists), Err(Error::TagChanged));
    assert_eq!(put(&["v3", "v1"], TagCondition::Absent), Err(Error::TagChanged));
    assert_eq!(put(&["v1", "v2"], both), Ok(()));
    machine.put("a", "v2", &two).unwrap();
    assert_eq!(put(&["v1", "v2"], TagCondition::Exists), Ok(()));
}

#[test]
fn required_content_stays_however_a_put_and_a_delete_race() {
    let mut outcomes = [0; 2];
    for seed in 0..100 {
        let machine = Machine::slow(seed, Settings { require_blobs: true, ..Settings::default() });
        let config = machine.push_blob("a", b"{}");
        let bytes = image_of("x");
        let request = PutRequest {
            reference: Reference::Tag(tag("v1")),
            tags: Vec::new(),
            content_type: None,
            bytes: bytes.clone().into(),
            if_match: None,
        };
        let repository = name("a");
        let (put, deleted) = machine.run(join(
            machine.registry.put_manifest(&asked("a"), request),
            machine.registry.delete_blob(&repository, &config),
        ));
        assert_ne!(put.is_ok(), deleted.is_ok(), "seed {seed}: {put:?} {deleted:?}");
        outcomes[usize::from(put.is_ok())] += 1;
        assert_eq!(machine.manifest("a", "v1").is_ok(), machine.blob("a", &config).is_ok(), "seed {seed}");
    }
    assert!(outcomes.iter().all(|times| *times > 10), "both orders happen: {outcomes:?}");
}

#[test]
fn without_a_tag_the_condition_is_on_the_manifest() {
    let machine = Machine::memory(Settings::default());
    let bytes = image_of("x");
    let digest = Digest::sha256(&bytes);
    let put = |condition| machine.put_if("a", digest.as_str(), &bytes, Some(condition));
    assert_eq!(put(TagCondition::Exists), Err(Error::TagChanged));
    assert!(put(TagCondition::Absent).is_ok());
    assert_eq!(put(TagCondition::Absent), Err(Error::TagChanged));
    assert!(put(TagCondition::Exists).is_ok());
    assert!(put(TagCondition::MatchOneOf(vec![digest.clone()])).is_ok());
}

#[test]
fn missing_content_is_counted_or_refused_as_set() {
    let foreign = json!({
        "mediaType": OCI_LAYER_NONDISTRIBUTABLE_GZIP, "digest": Digest::sha256(b"foreign").as_str(), "size": 7,
        "urls": ["https://example.org/layer"],
    });
    let sparse = image(&[b"one", b"two"], json!({}));
    let with_foreign = image(&[], json!({"layers": [foreign]}));
    let child = Digest::sha256(b"no such child");
    let index = serde_json::to_vec(&json!({
        "schemaVersion": 2, "mediaType": OCI_INDEX,
        "manifests": [{"mediaType": OCI_MANIFEST, "digest": child.as_str(), "size": 3}],
    }))
    .unwrap();
    let lax = Machine::memory(Settings::default());
    lax.push_blob("a", b"one");
    lax.push_blob("elsewhere", b"two");
    lax.put("a", "sparse", &sparse).unwrap();
    lax.put("a", "index", &index).unwrap();
    assert_eq!(lax.metric("dockless_references_missing_total"), 3, "config and a layer, then a child");
    assert_eq!(lax.blob("a", &Digest::sha256(b"two")), Err(Error::BlobUnknown), "a mention grants nothing");
    let strict = Machine::memory(Settings { require_blobs: true, ..Settings::default() });
    strict.push_blob("a", b"one");
    strict.push_blob("elsewhere", b"two");
    let missing = vec![Digest::sha256(b"{}"), Digest::sha256(b"two")];
    assert_eq!(strict.put("a", "v1", &sparse), Err(Error::ManifestBlobUnknown(missing)));
    assert_eq!(strict.put("a", "v1", &index), Err(Error::ManifestBlobUnknown(vec![child])));
    strict.push_blob("a", b"two");
    strict.push_blob("a", b"{}");
    strict.put("a", "v1", &sparse).unwrap();
    strict.put("a", "foreign", &with_foreign).unwrap();
}

#[test]
fn a_wrong_size_in_a_descriptor_is_refused() {
    let machine = Machine::memory(Settings::default());
    let digest = machine.push_blob("a", b"layer");
    let layer = json!({"mediaType": "application/x", "digest": digest.as_str(), "size": 6});
    let refused = machine.put("a", "v1", &image(&[], json!({"layers": [layer]})));
    assert!(
        matches!(&refused, Err(Error::SizeInvalid(message)) if message.contains("5 bytes")),
        "{refused:?}"
    );
}

#[test]
fn the_subject_is_told() {
    let machine = Machine::memory(Settings::default());
    let subject = Digest::sha256(b"never pushed");
    let descriptor = json!({"mediaType": OCI_MANIFEST, "digest": subject.as_str(), "size": 12});
    let done = machine.put("a", "v1", &image(&[], json!({"subject": descriptor}))).unwrap();
    assert_eq!(done.subject, Some(subject));
}

#[test]
fn a_tag_is_set_to_a_manifest_of_its_repository() {
    on_both(|machine| {
        let bytes = image_of("x");
        let digest = machine.put("a", "v1", &bytes).unwrap().digest;
        machine.run(machine.registry.set_tag(&name("a"), &tag("latest"), &digest)).unwrap();
        assert_eq!(machine.manifest("a", "latest").unwrap(), bytes);
        let elsewhere = machine.run(machine.registry.set_tag(&name("b"), &tag("v1"), &digest));
        assert_eq!(elsewhere, Err(Error::ManifestUnknown));
    });
}

fn immutable() -> Settings {
    let (repositories, tags) = (Pattern::parse("a").unwrap(), Pattern::parse("v*").unwrap());
    Settings { immutable_tags: vec![ImmutableTags { repositories, tags }], ..Settings::default() }
}

#[test]
fn immutable_tags_are_set_once() {
    let machine = Machine::memory(immutable());
    let (one, two) = (image_of("1"), image_of("2"));
    let first = machine.put("a", "v1", &one).unwrap().digest;
    machine.put("a", "v1", &one).expect("the same again is no change");
    assert_eq!(machine.put("a", "v1", &two), Err(Error::TagImmutable));
    machine.put("a", "latest", &one).unwrap();
    machine.put("a", "latest", &two).unwrap();
    machine.put("b", "v1", &one).unwrap();
    machine.put("b", "v1", &two).unwrap();
    let moved = machine.run(machine.registry.set_tag(&name("a"), &tag("v1"), &Digest::sha256(&two)));
    assert_eq!(moved, Err(Error::TagImmutable));
    assert_eq!(put_tags(&machine, "latest", &["v1", "v2"], &two), Err(Error::TagImmutable));
    assert_eq!(machine.tags("a"), ["latest", "v1"], "all or none");
    assert_eq!(put_tags(&machine, "latest", &["v1", "v2"], &one).unwrap(), ["latest", "v1", "v2"]);
    let delete = |reference: &str| machine.run(machine.registry.delete_tag(&name("a"), &tag(reference)));
    assert_eq!(delete("v1"), Err(Error::TagImmutable));
    assert_eq!(delete("v3"), Err(Error::ManifestUnknown));
    assert_eq!(delete("latest"), Ok(()));
    assert_eq!(machine.run(machine.registry.delete_manifest(&name("a"), &first)), Err(Error::TagImmutable));
    machine.run(machine.registry.delete_manifest(&name("a"), &Digest::sha256(&two))).unwrap();
    assert_eq!(machine.manifest("a", "v1").unwrap(), one);
}

#[test]
fn an_immutable_tag_keeps_the_media_type_of_its_manifest() {
    let machine = Machine::memory(immutable());
    // Nothing in these bytes says what they are.
    let bytes = Bytes::from_static(br#"{"schemaVersion":2,"config":{},"layers":[]}"#);
    let digest = Digest::sha256(&bytes);
    let put = |reference: &str, media_type: &str| {
        let request = PutRequest {
            reference: Reference::parse(reference).unwrap(),
            tags: Vec::new(),
            content_type: Some(media_type.to_owned()),
            bytes: bytes.clone(),
            if_match: None,
        };
        machine.run(machine.registry.put_manifest(&asked("a"), request)).map(drop)
    };
    put("latest", "application/vnd.one+json").unwrap();
    put(digest.as_str(), "application/vnd.two+json").expect("no immutable tag points to it");
    put("v1", "application/vnd.one+json").unwrap();
    for reference in [digest.as_str(), "latest", "v1"] {
        assert_eq!(put(reference, "application/vnd.two+json"), Err(Error::TagImmutable), "{reference}");
        put(reference, "application/vnd.one+json").expect("the same again is no change");
    }
    let head = machine.run(machine.registry.manifest_head(&asked("a"), &Reference::Tag(tag("v1")))).unwrap();
    assert_eq!(head.media_type, "application/vnd.one+json");
}

#[test]
fn an_immutable_tag_never_moves_however_puts_race() {
    for seed in 0..50 {
        let machine = Machine::slow(seed, immutable());
        let results = machine.run(async {
            let put = |number: usize| {
                let request = PutRequest {
                    reference: Reference::Tag(tag("v1")),
                    // With and without a tag that may move: two ways through the code.
                    tags: if (number as u64 + seed).is_multiple_of(2) {
                        vec![tag("latest")]
                    } else {
                        Vec::new()
                    },
                    content_type: None,
                    bytes: image_of(&number.to_string()).into(),
                    if_match: None,
                };
                let registry = machine.registry.clone();
                async move { registry.put_manifest(&asked("a"), request).await }
            };
            futures_util::future::join_all((0..6).map(put)).await
        });
        let accepted: Vec<_> = results.iter().flatten().collect();
        assert_eq!(accepted.len(), 1, "{results:?}");
        let head =
            machine.run(machine.registry.manifest_head(&asked("a"), &Reference::Tag(tag("v1")))).unwrap();
        assert_eq!(head.digest, accepted[0].digest);
    }
}
