//! Tests of the manifest reader: real shapes are taken, confusing or broken ones are refused with the reason.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::media_type::*;

fn digest(text: &str) -> Digest {
    Digest::sha256(text.as_bytes())
}

fn descriptor(media_type: &str, text: &str) -> Value {
    json!({"mediaType": media_type, "digest": digest(text).as_str(), "size": text.len()})
}

fn image() -> Value {
    json!({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": descriptor(OCI_CONFIG, "config"),
        "layers": [descriptor(OCI_LAYER_GZIP, "layer")],
    })
}

fn index() -> Value {
    json!({
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": [descriptor(OCI_MANIFEST, "image"), descriptor(OCI_LAYER_GZIP, "cache")],
    })
}

/// `value` with `member` set; `null` removes it.
fn with(mut value: Value, member: &str, change: Value) -> Value {
    if change.is_null() {
        value.as_object_mut().unwrap().remove(member);
    } else {
        value[member] = change;
    }
    value
}

fn parse(value: &Value, content_type: Option<&str>) -> Result<ParsedManifest, ManifestError> {
    ParsedManifest::parse(value.to_string().as_bytes(), content_type)
}

fn facts(value: &Value) -> ManifestFacts {
    parse(value, None).unwrap().facts
}

fn fact(text: &str, kind: ReferenceKind) -> ReferenceFact {
    ReferenceFact { digest: digest(text), kind, size: text.len() as u64, foreign: false }
}

#[test]
fn an_image_refers_to_its_config_and_layers() {
    let expected = [fact("config", ReferenceKind::Blob), fact("layer", ReferenceKind::Blob)];
    assert_eq!(facts(&image()).references, expected);
    assert_eq!(facts(&image()).artifact_type.as_deref(), Some(OCI_CONFIG));
    let docker = with(image(), "mediaType", DOCKER_MANIFEST.into());
    assert_eq!(facts(&docker).references, expected);
    let twice =
        with(image(), "layers", json!([descriptor(OCI_LAYER, "layer"), descriptor(OCI_LAYER, "layer")]));
    assert_eq!(facts(&twice).references, expected);
    for none in [json!([]), Value::Null] {
        assert_eq!(facts(&with(image(), "layers", none)).references, expected[..1]);
    }
}

#[test]
fn an_index_refers_to_manifests_and_sometimes_to_blobs() {
    let expected = [fact("image", ReferenceKind::Manifest), fact("cache", ReferenceKind::Blob)];
    assert_eq!(facts(&index()).references, expected);
    assert_eq!(facts(&index()).artifact_type, None);
    assert_eq!(facts(&with(index(), "mediaType", DOCKER_LIST.into())).references, expected);
    assert_eq!(facts(&with(index(), "manifests", json!([]))).references, []);
    let go = format!(r#"{{"schemaVersion":2,"mediaType":"{OCI_INDEX}","manifests":null}}"#);
    assert_eq!(ParsedManifest::parse(go.as_bytes(), None).unwrap().facts.references, []);
}

#[test]
fn foreign_layers_are_marked() {
    let mut by_urls = descriptor(OCI_LAYER, "urls");
    by_urls["urls"] = json!(["https://example.com/layer"]);
    let mut no_urls = descriptor(OCI_LAYER, "none");
    no_urls["urls"] = json!([]);
    let layers = json!([descriptor(OCI_LAYER_NONDISTRIBUTABLE_GZIP, "type"), by_urls, no_urls]);
    let references = facts(&with(image(), "layers", layers)).references;
    assert_eq!(references.iter().map(|fact| fact.foreign).collect::<Vec<_>>(), [false, true, true, false]);
}

#[test]
fn a_subject_brings_its_annotations_and_type() {
    let annotated = with(image(), "annotations", json!({"k": "v"}));
    assert!(facts(&annotated).annotations.is_empty(), "nobody asks for them without a subject");
    let referrer = with(annotated, "subject", descriptor(OCI_MANIFEST, "subject"));
    let read = facts(&referrer);
    assert_eq!(read.subject, Some(digest("subject")));
    assert_eq!(read.annotations, BTreeMap::from([("k".to_owned(), "v".to_owned())]));
    assert_eq!(read.references.len(), 2, "the subject is no reference");
    for (own, expected) in [(json!("a/b"), "a/b"), (json!(""), OCI_CONFIG), (Value::Null, OCI_CONFIG)] {
        let read = facts(&with(referrer.clone(), "artifactType", own));
        assert_eq!(read.artifact_type.as_deref(), Some(expected));
    }
    let referrer = with(with(index(), "artifactType", "a/b".into()), "subject", descriptor(OCI_INDEX, "s"));
    assert_eq!(facts(&referrer).artifact_type.as_deref(), Some("a/b"));
    assert_eq!(facts(&referrer).subject, Some(digest("s")));
}

#[test]
fn the_media_type_comes_from_body_header_or_shape() {
    let bare = with(image(), "mediaType", Value::Null);
    let bare_index = with(index(), "mediaType", Value::Null);
    let parameters = format!("{OCI_MANIFEST}; charset=utf-8");
    for (body, header, expected) in [
        (&image(), None, OCI_MANIFEST),
        (&image(), Some(OCI_MANIFEST), OCI_MANIFEST),
        (&image(), Some(parameters.as_str()), OCI_MANIFEST),
        (&image(), Some(""), OCI_MANIFEST),
        (&image(), Some("Application/vnd.oci.image.manifest.v1+JSON"), OCI_MANIFEST),
        (&bare, None, OCI_MANIFEST),
        (&bare, Some(DOCKER_MANIFEST), DOCKER_MANIFEST),
        (&bare, Some("application/json"), OCI_MANIFEST),
        (&bare, Some("application/octet-stream"), OCI_MANIFEST),
        (&bare_index, None, OCI_INDEX),
        (&bare_index, Some(DOCKER_LIST), DOCKER_LIST),
        (&json!({}), Some("application/x.custom+json"), "application/x.custom+json"),
        (&json!({"mediaType": "a/b"}), None, "a/b"),
    ] {
        assert_eq!(parse(body, header).unwrap().media_type, expected, "{header:?}");
    }
}

#[test]
fn unknown_types_are_taken_and_read_as_far_as_they_are_alike() {
    let custom = |value: Value| facts(&with(value, "mediaType", "application/x.custom+json".into()));
    assert_eq!(custom(image()).references.len(), 2);
    assert_eq!(custom(index()).references.len(), 2);
    assert_eq!(custom(json!({})).references, []);
    assert_eq!(custom(json!({"schemaVersion": "x", "annotations": 5})).references, []);
    assert_eq!(
        custom(json!({"config": "x", "layers": {"a": 1}, "subject": 5, "artifactType": []})).references,
        []
    );
    let odd = json!({"layers": [{"digest": "md5:0", "size": 1}, descriptor("a/b", "layer")]});
    assert_eq!(custom(odd).references, [fact("layer", ReferenceKind::Blob)]);
    let artifact = json!({
        "mediaType": OCI_ARTIFACT_MANIFEST,
        "artifactType": "a/b",
        "blobs": [descriptor("c/d", "blob")],
        "subject": descriptor(OCI_MANIFEST, "subject"),
        "annotations": {"k": "v"},
    });
    let read = facts(&artifact);
    assert_eq!(read.references, [fact("blob", ReferenceKind::Blob)]);
    assert_eq!(read.subject, Some(digest("subject")));
    assert_eq!(read.artifact_type.as_deref(), Some("a/b"));
    assert_eq!(read.annotations.len(), 1);
}

#[test]
fn what_could_be_read_in_two_ways_is_refused() {
    let both = with(image(), "manifests", json!([]));
    let layers_only = with(with(index(), "manifests", Value::Null), "layers", json!([]));
    for (body, header) in [
        (both.clone(), None),
        (with(both.clone(), "mediaType", OCI_INDEX.into()), None),
        (with(both, "mediaType", "application/x.custom+json".into()), None),
        (with(image(), "mediaType", OCI_INDEX.into()), None),
        (with(index(), "mediaType", OCI_MANIFEST.into()), None),
        (with(index(), "mediaType", Value::Null), Some(OCI_MANIFEST)),
        (with(image(), "mediaType", Value::Null), Some(OCI_INDEX)),
        (layers_only, None),
    ] {
        assert!(matches!(parse(&body, header), Err(ManifestError::Confused(_))), "{body}");
    }
    for (body, header) in [(image(), OCI_INDEX), (image(), DOCKER_MANIFEST), (image(), "application/json")] {
        assert!(
            matches!(parse(&body, Some(header)), Err(ManifestError::MediaTypeDiffers { .. })),
            "{header}"
        );
    }
    for repeated in ["mediaType", "config", "layers", "manifests", "subject", "schemaVersion", "annotations"]
    {
        let text = format!(r#"{{"{repeated}":null,"{repeated}":null}}"#);
        assert!(
            matches!(ParsedManifest::parse(text.as_bytes(), None), Err(ManifestError::NotJson(_))),
            "{repeated} twice"
        );
    }
}

#[test]
fn schema_1_is_refused_by_name() {
    for (body, header) in [
        (json!({"schemaVersion": 1, "name": "a", "fsLayers": []}), None),
        (json!({"schemaVersion": 1}), Some(DOCKER_SCHEMA1)),
        (json!({}), Some(DOCKER_SCHEMA1_SIGNED)),
        (with(image(), "schemaVersion", 1.into()), None),
        (with(image(), "fsLayers", json!([])), None),
    ] {
        assert_eq!(parse(&body, header), Err(ManifestError::Schema1), "{body}");
    }
}

#[test]
fn broken_members_are_named() {
    let with_config = |config: Value| with(image(), "config", config);
    let bad_digest = json!({"mediaType": OCI_CONFIG, "digest": "sha256:x", "size": 1});
    let other_algorithm = json!({"mediaType": OCI_CONFIG, "digest": "sha384:00", "size": 1});
    let negative = json!({"mediaType": OCI_CONFIG, "digest": digest("x").as_str(), "size": -1});
    let huge = json!({"mediaType": OCI_CONFIG, "digest": digest("x").as_str(), "size": 1_u64 << 63});
    for (body, word) in [
        (with(image(), "schemaVersion", Value::Null), "schemaVersion"),
        (with(image(), "schemaVersion", 3.into()), "schemaVersion"),
        (with(image(), "schemaVersion", "2".into()), "schemaVersion"),
        (with(image(), "config", Value::Null), "config is missing"),
        (with(index(), "manifests", Value::Null), "manifests is missing"),
        (with(index(), "manifests", json!({})), "manifests"),
        (with(index(), "manifests", json!([null])), "manifests"),
        (with(image(), "layers", json!("x")), "layers"),
        (with(image(), "layers", json!([5])), "layers"),
        (with(image(), "subject", json!("x")), "subject"),
        (with(image(), "subject", bad_digest.clone()), "subject"),
        (with(image(), "annotations", json!({"k": 1})), "annotations"),
        (with(image(), "artifactType", json!(1)), "artifactType"),
        (with(image(), "mediaType", json!(1)), "string"),
        (with(image(), "mediaType", json!("a")), "not a media type"),
        (with(image(), "mediaType", json!("a/b\r\nSet-Cookie: x")), "not a media type"),
        (with_config(bad_digest), "\"sha256:x\""),
        (with_config(other_algorithm), "unsupported digest algorithm sha384"),
        (with_config(negative), "negative"),
        (with_config(huge), "config"),
        (with_config(json!({"mediaType": OCI_CONFIG, "size": 1})), "digest"),
        (with_config(json!({"mediaType": OCI_CONFIG, "digest": digest("x").as_str()})), "size"),
    ] {
        let message = parse(&body, None).expect_err(&body.to_string()).to_string();
        assert!(message.contains(word), "{word:?} in {message:?}");
    }
}

#[test]
fn what_is_not_an_object_is_refused() {
    for text in [
        "",
        " ",
        "null",
        "5",
        "\"x\"",
        "[]",
        "[2,\"a/b\"]",
        "{",
        "{}x",
        "{\"a\":}",
        "\u{feff}{}",
        "{'a':1}",
        "nul\0",
    ] {
        assert!(
            matches!(ParsedManifest::parse(text.as_bytes(), None), Err(ManifestError::NotJson(_))),
            "{text:?}"
        );
    }
    let not_utf8 = b"{\"mediaType\":\"a/b\",\"x\":\"\xff\"}";
    assert!(matches!(ParsedManifest::parse(not_utf8, None), Err(ManifestError::NotJson(_))));
    assert_eq!(ParsedManifest::parse(b"{}", None), Err(ManifestError::MediaTypeMissing));
    assert_eq!(ParsedManifest::parse(b"{}", Some("application/json")), Err(ManifestError::MediaTypeMissing));
}

#[test]
fn limits_hold_at_their_edge() {
    let filled = |length: usize| {
        let body = with(image(), "x", "".into()).to_string();
        let padding = " ".repeat(length - body.len());
        ParsedManifest::parse((body + &padding).as_bytes(), None)
    };
    assert!(filled(MANIFEST_BYTES_MAX).is_ok());
    assert_eq!(filled(MANIFEST_BYTES_MAX + 1), Err(ManifestError::TooLarge(MANIFEST_BYTES_MAX + 1)));

    let listed = |count: usize| {
        let children: Vec<Value> = (0..count).map(|number| descriptor("a/b", &number.to_string())).collect();
        parse(&with(index(), "manifests", json!(children)), None)
    };
    assert_eq!(listed(REFERENCES_MAX).unwrap().facts.references.len(), REFERENCES_MAX);
    assert_eq!(listed(REFERENCES_MAX + 1), Err(ManifestError::TooManyReferences));

    let deep = format!(r#"{{"mediaType":"a/b","x":{}{}}}"#, "[".repeat(1_000_000), "]".repeat(1_000_000));
    assert!(ParsedManifest::parse(deep.as_bytes(), None).is_ok(), "an unknown member is not looked into");
    let deep = deep.replace("\"x\"", "\"config\"");
    assert!(ParsedManifest::parse(deep.as_bytes(), None).is_ok(), "nor is a known one of another shape");
}

proptest! {
    #[test]
    fn nothing_makes_the_reader_panic(body in "\\PC{0,200}", header in proptest::option::of("\\PC{0,30}")) {
        let _ = ParsedManifest::parse(body.as_bytes(), header.as_deref());
    }

    #[test]
    fn facts_survive_json(layers in proptest::collection::vec((any::<u8>(), any::<bool>()), 0..6)) {
        let layers: Vec<Value> = layers.iter().map(|(number, foreign)| {
            descriptor(if *foreign { OCI_LAYER_NONDISTRIBUTABLE } else { OCI_LAYER }, &number.to_string())
        }).collect();
        let read = facts(&with(with(image(), "layers", json!(layers)), "subject", descriptor("a/b", "s")));
        let json = serde_json::to_string(&read).unwrap();
        prop_assert_eq!(serde_json::from_str::<ManifestFacts>(&json).unwrap(), read);
    }
}
