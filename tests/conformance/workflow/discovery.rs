//! 03: content discovery.

use dockless_oci::media_type::{OCI_INDEX, OCI_MANIFEST};
use dockless_oci::{Algorithm, Digest};
use dockless_testkit::image::index;
use dockless_testkit::{Client, Content, ImageBuilder};
use serde_json::{Value, json};

use super::image;
use crate::conformance::{REPO, cases};

cases!(
    tag_list,
    tag_list_limited,
    tag_list_limited_after_last,
    referrers_of_unknown_digest,
    referrers_of_subject,
    referrers_filtered,
    referrers_of_missing_subject,
);

const TYPE_A: &str = "application/vnd.nhl.peanut.butter.bagel";
const TYPE_B: &str = "application/vnd.nba.strawberry.jam.croissant";

async fn with_tags(client: &Client) -> Vec<String> {
    let image = image(1);
    client.push_image(REPO, None, &image).await;
    let tags = ["test0", "TEST0", "test1", "TEST1", "test2", "TEST2", "test3", "TEST3"];
    for tag in tags {
        client.push_manifest(REPO, tag, &image.manifest).await;
    }
    let mut tags = tags.map(str::to_owned).to_vec();
    tags.sort();
    tags
}

async fn list(client: &Client, query: &str) -> Value {
    client.get(&format!("/v2/{REPO}/tags/list{query}")).send().await.expect(200).json()["tags"].clone()
}

async fn tag_list(client: &Client) {
    let tags = with_tags(client).await;
    assert_eq!(list(client, "").await, json!(tags));
}

async fn tag_list_limited(client: &Client) {
    let tags = with_tags(client).await;
    for count in 0..=tags.len() {
        assert_eq!(list(client, &format!("?n={count}")).await, json!(tags[..count]), "exactly n");
    }
    assert_eq!(list(client, "?n=1000").await, json!(tags));
}

async fn tag_list_limited_after_last(client: &Client) {
    let tags = with_tags(client).await;
    let last = &tags[3];
    assert_eq!(list(client, &format!("?n=2&last={last}")).await, json!(tags[4..6]));
    assert_eq!(list(client, &format!("?last={last}&n=100")).await, json!(tags[4..]));
}

/// Subject, six referrers, and a digest that is never pushed.
struct Scene {
    subject: Content,
    missing: Content,
    /// What refers to `subject`: digest and artifact type.
    referrers: Vec<(Digest, &'static str)>,
}

/// Two referrers by artifactType and two by config type, pushed before and after the subject, an index, and one
/// whose subject is never pushed; each answers with its subject.
async fn scene(client: &Client) -> Scene {
    let subject = image(10);
    let missing = Content::new(Algorithm::Sha256, OCI_MANIFEST, "{\"never\":true}");
    let mut referrers = Vec::new();
    let by_type = |seed: u64, kind: &'static str| {
        ImageBuilder::new(seed)
            .artifact(kind)
            .member("annotations", json!({"org.opencontainers.conformance.test": "x"}))
    };
    let by_config = |seed: u64, kind: &'static str| {
        let config = Content::new(Algorithm::Sha256, kind, format!("config {seed}"));
        ImageBuilder::new(seed)
            .with_config(config)
            .member("annotations", json!({"org.opencontainers.conformance.test": "x"}))
    };
    for (seed, kind, builder) in [
        (11, TYPE_A, by_type(11, TYPE_A)),
        (12, TYPE_B, by_type(12, TYPE_B)),
        (13, TYPE_A, by_config(13, TYPE_A)),
        (14, TYPE_B, by_config(14, TYPE_B)),
    ] {
        if seed == 13 {
            client.push_image(REPO, Some("subject"), &subject).await;
        }
        let referrer = builder.subject(&subject.manifest).build();
        referrers.push((referrer.manifest.digest.clone(), kind));
        push(client, &referrer.manifest, &subject.manifest).await;
    }
    let members = json!({
        "artifactType": "application/vnd.food.stand",
        "annotations": {"org.opencontainers.conformance.test": "x"},
        "subject": subject.manifest.descriptor(),
    });
    let list = index(Algorithm::Sha256, &[], &members);
    referrers.push((list.digest.clone(), "application/vnd.food.stand"));
    push(client, &list, &subject.manifest).await;
    let orphan = by_type(15, TYPE_A).subject(&missing).build();
    push(client, &orphan.manifest, &missing).await;
    Scene { subject: subject.manifest, missing, referrers }
}

async fn push(client: &Client, referrer: &Content, subject: &Content) {
    let pushed = client.push_manifest(REPO, referrer.digest.as_str(), referrer).await;
    assert_eq!(pushed.header("oci-subject"), Some(subject.digest.as_str()));
}

async fn referrers(client: &Client, subject: &Digest, query: &str) -> (dockless_testkit::Answer, Vec<Value>) {
    let answer = client.get(&format!("/v2/{REPO}/referrers/{subject}{query}")).send().await.expect(200);
    assert_eq!(answer.header("content-type"), Some(OCI_INDEX));
    let list = answer.json()["manifests"].as_array().unwrap().clone();
    (answer, list)
}

fn digests(list: &[Value]) -> Vec<String> {
    let mut digests: Vec<String> =
        list.iter().map(|entry| entry["digest"].as_str().unwrap().to_owned()).collect();
    digests.sort();
    digests
}

async fn referrers_of_unknown_digest(client: &Client) {
    assert!(referrers(client, &Digest::sha256(b"nobody"), "").await.1.is_empty());
}

async fn referrers_of_subject(client: &Client) {
    let scene = scene(client).await;
    let (_, list) = referrers(client, &scene.subject.digest, "").await;
    let mut expected: Vec<String> = scene.referrers.iter().map(|(digest, _)| digest.to_string()).collect();
    expected.sort();
    assert_eq!(digests(&list), expected);
    for entry in list {
        assert_eq!(entry["annotations"].as_object().unwrap().len(), 1, "exactly one annotation: {entry}");
    }
}

async fn referrers_filtered(client: &Client) {
    let scene = scene(client).await;
    let (answer, list) = referrers(client, &scene.subject.digest, &format!("?artifactType={TYPE_A}")).await;
    assert_eq!(answer.header("oci-filters-applied"), Some("artifactType"));
    let of_kind = scene.referrers.iter().filter(|(_, kind)| *kind == TYPE_A);
    let mut expected: Vec<String> = of_kind.map(|(digest, _)| digest.to_string()).collect();
    expected.sort();
    assert_eq!(expected.len(), 2, "one by artifactType, one by config type");
    assert_eq!(digests(&list), expected);
}

async fn referrers_of_missing_subject(client: &Client) {
    let scene = scene(client).await;
    assert_eq!(referrers(client, &scene.missing.digest, "").await.1.len(), 1);
}
