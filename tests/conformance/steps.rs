//! What is done with each data set: push, tag list, head, pull, referrers, delete.

use dockless_oci::media_type::{OCI_INDEX, OCI_MANIFEST};
use dockless_testkit::push::with_parameter;
use dockless_testkit::{Answer, Client, Content};
use serde_json::Value;

use super::data_set::{DataSet, Entry, subject_of};
use super::{REPO, blob_path, check_blob_read, manifest_path};

/// Makes a module of each data set with a test for each step in memory, and one of all steps on disk.
macro_rules! data_sets {
    ($($set:ident),+ $(,)?) => {$(
        mod $set {
            use crate::conformance::sets::$set;
            use dockless_testkit::Client;

            async fn push(client: &Client) {
                super::push(client, &$set()).await;
            }

            async fn all_steps_on_disk(client: &Client) {
                let set = $set();
                super::push(client, &set).await;
                super::tag_list(client, &set).await;
                super::head(client, &set).await;
                super::pull(client, &set).await;
                super::referrers(client, &set).await;
                super::delete(client, &set).await;
            }

            data_sets!(@ $set: tag_list, head, pull, referrers, delete);

            mod step {
                crate::conformance::cases!(Memory only: push, tag_list, head, pull, referrers, delete);
                crate::conformance::cases!(Disk only: all_steps_on_disk);
            }
        }
    )+};
    (@ $set:ident: $($step:ident),+) => {$(
        async fn $step(client: &Client) {
            let set = $set();
            super::push(client, &set).await;
            super::$step(client, &set).await;
        }
    )+};
}

data_sets!(
    image,
    image_uncompressed,
    large_manifest,
    index_of_images,
    nested_index,
    empty_index,
    artifact_image,
    artifact_index,
    artifact_without_layers,
    artifacts_with_subject,
    index_with_subject,
    missing_subject,
    data_field,
    nondistributable_layers,
    custom_fields,
    no_layers,
    sparse_image,
    sparse_index,
    digest_algorithm_sha512,
    digest_algorithm_blake3,
    tag_param,
    tag_param_sha512,
    tag_param_blake3,
);

async fn push(client: &Client, set: &DataSet) {
    for blob in &set.blobs {
        client.push_blob(REPO, blob).await;
    }
    for entry in &set.entries {
        push_entry(client, set, entry).await;
    }
}

async fn push_entry(client: &Client, set: &DataSet, entry: &Entry) {
    let mut target = entry.manifest.digest.to_string();
    if set.tags_by_parameter {
        for tag in &entry.tags {
            target = with_parameter(&target, &format!("tag={tag}"));
        }
    }
    let pushed = client.put_manifest(REPO, &target, &entry.manifest).await;
    if set.tags_by_parameter {
        let mut confirmed = pushed.header_list("oci-tag");
        confirmed.sort_unstable();
        assert_eq!(confirmed, entry.tags, "{pushed:?}");
        return check_created(client, pushed, &entry.manifest).await;
    }
    check_created(client, pushed, &entry.manifest).await;
    for tag in &entry.tags {
        let pushed = client.put_manifest(REPO, tag, &entry.manifest).await;
        check_created(client, pushed, &entry.manifest).await;
    }
}

async fn check_created(client: &Client, pushed: Answer, manifest: &Content) {
    let pushed = pushed.expect(201);
    assert_eq!(pushed.header("docker-content-digest"), Some(manifest.digest.as_str()), "{pushed:?}");
    let subject = subject_of(manifest);
    assert_eq!(pushed.header("oci-subject"), subject.as_ref().map(|subject| subject.as_str()), "{pushed:?}");
    let asked = client.get(&pushed.location()).header("accept", OCI_MANIFEST).header("accept", OCI_INDEX);
    let read = asked.send().await;
    check_read(&read, manifest);
    assert_eq!(read.body, manifest.bytes);
}

/// What HEAD and GET of a manifest have in common.
#[track_caller]
fn check_read(answer: &Answer, manifest: &Content) {
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some(manifest.media_type.as_str()), "{answer:?}");
    assert_eq!(answer.content_length(), Some(manifest.bytes.len() as u64), "{answer:?}");
    assert_eq!(answer.header("docker-content-digest"), Some(manifest.digest.as_str()), "{answer:?}");
}

/// Digest and tags of an entry.
fn references(entry: &Entry) -> impl Iterator<Item = &str> {
    std::iter::once(entry.manifest.digest.as_str()).chain(entry.tags.iter().map(String::as_str))
}

async fn tag_list(client: &Client, set: &DataSet) {
    let target = format!("/v2/{REPO}/tags/list");
    let list = client.get(&target).send().await.expect(200).json();
    assert_eq!(list["name"], REPO);
    let tags = set.tags();
    assert_eq!(list["tags"], serde_json::json!(tags));
    for (place, last) in tags.iter().enumerate() {
        let list = client.get(&format!("{target}?last={last}")).send().await.expect(200).json();
        assert_eq!(list["tags"], serde_json::json!(tags[place + 1..]), "after {last}");
    }
}

async fn head(client: &Client, set: &DataSet) {
    for entry in &set.entries {
        for reference in references(entry) {
            let answer = client.head(&manifest_path(REPO, reference)).send().await;
            check_read(&answer, &entry.manifest);
            assert!(answer.body.is_empty());
        }
    }
    for blob in &set.blobs {
        let answer = client.head(&blob_path(REPO, &blob.digest)).send().await.expect(200);
        check_blob_read(&answer, blob);
        assert!(answer.body.is_empty());
    }
}

async fn pull(client: &Client, set: &DataSet) {
    for entry in &set.entries {
        for reference in references(entry) {
            let asked =
                client.get(&manifest_path(REPO, reference)).header("accept", &entry.manifest.media_type);
            let answer = asked.send().await;
            check_read(&answer, &entry.manifest);
            assert_eq!(answer.body, entry.manifest.bytes);
        }
    }
    for blob in &set.blobs {
        let answer = client.get(&blob_path(REPO, &blob.digest)).send().await.expect(200);
        check_blob_read(&answer, blob);
        assert_eq!(answer.body, blob.bytes);
    }
}

async fn list_referrers(
    client: &Client,
    subject: impl std::fmt::Display,
    query: &str,
) -> (Answer, Vec<Value>) {
    let answer = client.get(&format!("/v2/{REPO}/referrers/{subject}{query}")).send().await.expect(200);
    assert_eq!(answer.header("content-type"), Some(OCI_INDEX));
    let index = answer.json();
    assert_eq!((&index["schemaVersion"], &index["mediaType"]), (&2.into(), &OCI_INDEX.into()));
    let mut list = index["manifests"].as_array().unwrap().clone();
    list.sort_by_key(|descriptor| descriptor["digest"].to_string());
    (answer, list)
}

async fn referrers(client: &Client, set: &DataSet) {
    let all = set.referrers();
    for entry in &set.entries {
        if !all.iter().any(|(subject, _)| *subject == entry.manifest.digest) {
            assert!(list_referrers(client, &entry.manifest.digest, "").await.1.is_empty());
        }
    }
    for (subject, mut expected) in all {
        expected.sort_by_key(|descriptor| descriptor["digest"].to_string());
        let (answer, list) = list_referrers(client, &subject, "").await;
        assert_eq!(list, expected);
        assert_eq!(answer.header("oci-filters-applied"), None);
        for descriptor in &expected {
            let kind = descriptor["artifactType"].as_str().unwrap();
            let query = format!("?artifactType={}", kind.replace('+', "%2B"));
            let (answer, list) = list_referrers(client, &subject, &query).await;
            assert_eq!(answer.header("oci-filters-applied"), Some("artifactType"));
            let of_kind: Vec<&Value> =
                expected.iter().filter(|other| other["artifactType"] == kind).collect();
            assert_eq!(list.iter().collect::<Vec<_>>(), of_kind);
        }
        let (answer, list) = list_referrers(client, &subject, "?artifactType=application/x.nobody").await;
        assert_eq!(answer.header("oci-filters-applied"), Some("artifactType"));
        assert!(list.is_empty());
    }
}

async fn delete(client: &Client, set: &DataSet) {
    for tag in set.tags() {
        client.delete(&manifest_path(REPO, &tag)).send().await.expect(202);
        client.head(&manifest_path(REPO, &tag)).send().await.expect(404);
    }
    for entry in set.entries.iter().rev() {
        let target = manifest_path(REPO, &entry.manifest.digest);
        client.head(&target).send().await.expect(200);
        client.delete(&target).send().await.expect(202);
        client.get(&target).send().await.expect_error(404, "MANIFEST_UNKNOWN");
    }
    for (subject, _) in set.referrers() {
        assert!(list_referrers(client, &subject, "").await.1.is_empty(), "referrers go with their manifests");
    }
    for blob in &set.blobs {
        client.delete(&blob_path(REPO, &blob.digest)).send().await.expect(202);
        client.head(&blob_path(REPO, &blob.digest)).send().await.expect(404);
    }
    // The repository is gone with its last content.
    client.get(&format!("/v2/{REPO}/tags/list")).send().await.expect_error(404, "NAME_UNKNOWN");
}

/// "Bad Digest Image": two spaces behind the body are another digest.
async fn bad_digest_image(client: &Client) {
    let image = dockless_testkit::ImageBuilder::new(190).build();
    client.push_image(REPO, None, &image).await;
    client.delete(&manifest_path(REPO, &image.manifest.digest)).send().await.expect(202);
    let bytes = [&image.manifest.bytes[..], b"  "].concat();
    let changed = Content { bytes: bytes.into(), ..image.manifest.clone() };
    let refused = client.put_manifest(REPO, changed.digest.as_str(), &changed).await;
    refused.expect_error(400, "DIGEST_INVALID");
    client.head(&manifest_path(REPO, &changed.digest)).send().await.expect(404);
}

super::cases!(bad_digest_image);
