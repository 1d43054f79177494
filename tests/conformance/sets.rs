//! The data sets of the new suite.

use dockless_oci::Algorithm;
use dockless_oci::media_type::{
    OCI_LAYER, OCI_LAYER_NONDISTRIBUTABLE, OCI_LAYER_NONDISTRIBUTABLE_GZIP, OCI_MANIFEST,
};
use dockless_testkit::image::{index, random_bytes};
use dockless_testkit::{Content, Image, ImageBuilder};
use serde_json::{Value, json};

use super::data_set::DataSet;

const TYPE_1: &str = "application/vnd.example.config.v1+json";
const TYPE_2: &str = "application/vnd.example.data.v1";

/// A platform of the two images of an index: the seed, and what the descriptor says.
fn platform(mut descriptor: Value, architecture: &str) -> Value {
    descriptor["platform"] = json!({"os": "linux", "architecture": architecture});
    descriptor
}

/// Adds two images and the index of both.
fn add_index(
    set: &mut DataSet,
    seed: u64,
    build: impl Fn(ImageBuilder) -> ImageBuilder,
    members: Value,
    tags: &[&str],
) -> Content {
    let images = [seed, seed + 1].map(|seed| build(ImageBuilder::new(seed)).build());
    let list = [
        platform(images[0].manifest.descriptor(), "amd64"),
        platform(images[1].manifest.descriptor(), "arm64"),
    ];
    let algorithm = images[0].manifest.digest.algorithm();
    for image in images {
        set.image(image, &[]);
    }
    let mut members = members;
    members["manifests"] = json!(list);
    let index = index(algorithm, &[], &members);
    set.manifest(index.clone(), tags);
    index
}

fn plain(builder: ImageBuilder) -> ImageBuilder {
    builder.layers(2, 1024)
}

fn one_image(image: Image, tag: &str) -> DataSet {
    let mut set = DataSet::default();
    set.image(image, &[tag]);
    set
}

pub(super) fn image() -> DataSet {
    one_image(plain(ImageBuilder::new(1)).build(), "image")
}

pub(super) fn image_uncompressed() -> DataSet {
    let layers = [1, 2].map(|seed| Content::new(Algorithm::Sha256, OCI_LAYER, random_bytes(seed, 4096)));
    one_image(ImageBuilder::new(2).with_layers(layers.to_vec()).build(), "image-uncompressed")
}

pub(super) fn large_manifest() -> DataSet {
    let filler = "x".repeat(10_000);
    let annotations: serde_json::Map<String, Value> =
        (0..390).map(|number| (format!("org.example.{number}"), json!(filler))).collect();
    let image = plain(ImageBuilder::new(3)).member("annotations", annotations.into()).build();
    assert!(image.manifest.bytes.len() > 3_900_000);
    one_image(image, "large-manifest")
}

pub(super) fn index_of_images() -> DataSet {
    let mut set = DataSet::default();
    add_index(&mut set, 10, plain, json!({}), &["index"]);
    set
}

pub(super) fn nested_index() -> DataSet {
    let mut set = DataSet::default();
    let first = add_index(&mut set, 20, plain, json!({}), &[]);
    let second = add_index(&mut set, 30, plain, json!({}), &[]);
    set.manifest(index(Algorithm::Sha256, &[&first, &second], &json!({})), &["index-of-index"]);
    set
}

pub(super) fn empty_index() -> DataSet {
    let mut set = DataSet::default();
    set.manifest(index(Algorithm::Sha256, &[], &json!({})), &["empty-index"]);
    set
}

fn artifact(seed: u64, kind: &str) -> ImageBuilder {
    let layer = Content::new(Algorithm::Sha256, kind, random_bytes(seed, 512));
    ImageBuilder::new(seed).artifact(kind).with_layers(vec![layer])
}

pub(super) fn artifact_image() -> DataSet {
    one_image(artifact(40, TYPE_1).build(), "artifact")
}

pub(super) fn artifact_index() -> DataSet {
    let mut set = DataSet::default();
    let build = |builder: ImageBuilder| builder.artifact(TYPE_1);
    add_index(&mut set, 50, build, json!({"artifactType": TYPE_1}), &["artifact-index"]);
    set
}

pub(super) fn artifact_without_layers() -> DataSet {
    let empty = Content::new(Algorithm::Sha256, dockless_oci::media_type::OCI_EMPTY, "{}");
    one_image(
        ImageBuilder::new(60).artifact(TYPE_1).with_layers(vec![empty]).build(),
        "artifact-without-layers",
    )
}

pub(super) fn artifacts_with_subject() -> DataSet {
    let subject = plain(ImageBuilder::new(70)).build();
    let manifest = subject.manifest.clone();
    let mut set = one_image(subject, "image");
    set.image(plain(ImageBuilder::new(71)).subject(&manifest).build(), &[]);
    for (seed, kind, tag) in [(72, TYPE_1, "tagged-artifact1"), (73, TYPE_2, "tagged-artifact2")] {
        let annotations = json!({"org.example.key": "value", "org.example.unique": tag});
        let image = artifact(seed, kind).member("annotations", annotations).subject(&manifest).build();
        set.image(image, &[tag]);
    }
    set
}

pub(super) fn index_with_subject() -> DataSet {
    let mut set = DataSet::default();
    let subject = add_index(&mut set, 80, plain, json!({}), &["index"]);
    let members = json!({
        "artifactType": TYPE_1,
        "annotations": {"org.example.key": "value"},
        "subject": subject.descriptor(),
    });
    add_index(&mut set, 90, |builder| builder.artifact(TYPE_1), members, &["tagged-artifact"]);
    set
}

pub(super) fn missing_subject() -> DataSet {
    let never_pushed = Content::new(Algorithm::Sha256, OCI_MANIFEST, "{\"never\":\"pushed\"}");
    let image = artifact(100, TYPE_1).member("annotations", json!({"org.example.key": "value"}));
    one_image(image.subject(&never_pushed).build(), "tagged-artifact")
}

/// Every descriptor carries the content itself, as base64.
pub(super) fn data_field() -> DataSet {
    use base64::Engine as _;
    let inline = |content: &Content| {
        let mut descriptor = content.descriptor();
        descriptor["data"] = base64::engine::general_purpose::STANDARD.encode(&content.bytes).into();
        descriptor
    };
    let image = ImageBuilder::new(110).layers(2, 64).build();
    let layers: Vec<Value> = image.layers.iter().map(inline).collect();
    let config = inline(&image.config);
    let image =
        ImageBuilder::new(110).layers(2, 64).member("config", config).member("layers", json!(layers)).build();
    one_image(image, "data-field")
}

pub(super) fn nondistributable_layers() -> DataSet {
    let normal = Content::random(120, 1024);
    let foreign = [OCI_LAYER_NONDISTRIBUTABLE, OCI_LAYER_NONDISTRIBUTABLE_GZIP].map(|media_type| {
        let mut descriptor = Content::new(Algorithm::Sha256, media_type, random_bytes(121, 512)).descriptor();
        descriptor["urls"] = json!(["https://store.example.com/blobs/x"]);
        descriptor
    });
    let layers = json!([foreign[0], foreign[1], normal.descriptor()]);
    let image = ImageBuilder::new(120).with_layers(vec![normal]).member("layers", layers).build();
    one_image(image, "non-distributable-image")
}

/// Members that no specification knows, in config, manifests, descriptors and index.
pub(super) fn custom_fields() -> DataSet {
    let build = |builder: ImageBuilder| {
        let config =
            json!({"architecture": "amd64", "os": "linux", "org.example.custom": {"a": [1, null, "x"]}});
        let config = Content::json(Algorithm::Sha256, dockless_oci::media_type::OCI_CONFIG, &config);
        let mut descriptor = config.descriptor();
        descriptor["org.example.custom"] = json!("in a descriptor");
        builder
            .with_config(config)
            .member("config", descriptor)
            .member("org.example.custom", json!([{"b": 2.5}]))
    };
    let mut set = DataSet::default();
    add_index(&mut set, 130, build, json!({"org.example.custom": true}), &["custom-fields"]);
    set
}

pub(super) fn no_layers() -> DataSet {
    one_image(ImageBuilder::new(140).layers(0, 0).build(), "no-layers")
}

/// An image that lacks one of its layers.
pub(super) fn sparse_image() -> DataSet {
    let image = plain(ImageBuilder::new(150)).build();
    let mut set = DataSet::default();
    set.blob(&image.config);
    set.blob(&image.layers[0]);
    set.manifest(image.manifest, &["sparse-image"]);
    set
}

/// An index that lists an image which is not there.
pub(super) fn sparse_index() -> DataSet {
    let there = plain(ImageBuilder::new(160)).build();
    let missing = plain(ImageBuilder::new(161)).build();
    let list =
        [platform(there.manifest.descriptor(), "amd64"), platform(missing.manifest.descriptor(), "arm64")];
    let mut set = DataSet::default();
    set.image(there, &[]);
    set.manifest(index(Algorithm::Sha256, &[], &json!({"manifests": list})), &["sparse-index"]);
    set
}

fn by_algorithm(algorithm: Algorithm) -> DataSet {
    let mut set = DataSet::default();
    add_index(&mut set, 170, |builder| builder.algorithm(algorithm).layers(2, 1024), json!({}), &[]);
    set
}

pub(super) fn digest_algorithm_sha512() -> DataSet {
    by_algorithm(Algorithm::Sha512)
}

pub(super) fn digest_algorithm_blake3() -> DataSet {
    by_algorithm(Algorithm::Blake3)
}

fn tag_parameters(algorithm: Algorithm) -> DataSet {
    let tags: Vec<String> = (0..10).map(|number| format!("tag-param-{number}")).collect();
    let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
    let mut set = DataSet { tags_by_parameter: true, ..DataSet::default() };
    set.image(ImageBuilder::new(180).algorithm(algorithm).layers(2, 1024).build(), &tags);
    set
}

pub(super) fn tag_param() -> DataSet {
    tag_parameters(Algorithm::Sha256)
}

pub(super) fn tag_param_sha512() -> DataSet {
    tag_parameters(Algorithm::Sha512)
}

pub(super) fn tag_param_blake3() -> DataSet {
    tag_parameters(Algorithm::Blake3)
}
