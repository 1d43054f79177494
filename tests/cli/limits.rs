//! What a node refuses for lack of room, and how it says so: a status, an error body, when to come again; and that
//! its metrics stay as many as they are.

use dockless_testkit::process::Options;
use dockless_testkit::{ImageBuilder, Process};

use super::on;

/// Where uploads begin.
const UPLOADS: &str = "/v2/team/web/blobs/uploads/";

/// A node with one setting of its own.
fn node_with(variable: &str, value: &str) -> Process {
    let environment = vec![(variable.to_owned(), value.to_owned())];
    Process::start(&Options { environment, ..Options::default() })
}

#[tokio::test]
async fn more_uploads_than_may_be_open_are_asked_to_come_again() {
    let node = node_with("DOCKLESS_UPLOADS_OPEN_MAX", "1");
    let client = node.client();
    let open = client.post(UPLOADS).send().await.expect(202);
    let refused = client.post(UPLOADS).send().await;
    assert_eq!(refused.header("retry-after"), Some("5"), "{refused:?}");
    refused.expect_error(503, "UNAVAILABLE");
    let _ = client.delete(&open.location()).send().await.expect(204);
    let _ = client.post(UPLOADS).send().await.expect(202);
}

#[tokio::test]
async fn a_blob_over_the_limit_is_refused_by_every_way_in() {
    let node = node_with("DOCKLESS_UPLOADS_BYTES_MAX", "1KiB");
    let client = node.client();
    let digest = dockless_oci::Digest::sha256(&[7; 1025]);
    let at_once = client.post(&format!("{UPLOADS}?digest={digest}")).body(vec![7; 1025]).send().await;
    at_once.expect_error(413, "DENIED");
    let begun = client.post(UPLOADS).send().await.expect(202);
    client.patch(&begun.location()).body(vec![7; 1025]).send().await.expect_error(413, "DENIED");
    let begun = client.post(UPLOADS).send().await.expect(202);
    let pieces = vec![vec![7; 1024].into(), vec![7; 1].into()];
    client.patch(&begun.location()).stream(pieces).send().await.expect_error(413, "DENIED");
    let begun = client.post(UPLOADS).send().await.expect(202);
    let _ = client.patch(&begun.location()).body(vec![7; 1024]).send().await.expect(202);
}

#[tokio::test]
async fn a_disk_that_is_nearly_full_takes_no_upload_and_is_a_reason_not_to_be_ready() {
    let node = node_with("DOCKLESS_LIMITS_DISK_FREE_MIN", "1000000TiB");
    let client = node.client();
    client.post(UPLOADS).send().await.expect_error(507, "UNAVAILABLE");
    let ready = client.get("/readyz").send().await.expect(503).json();
    assert_eq!((&ready["ready"], &ready["reasons"][0]["code"]), (&false.into(), &"disk".into()));
    let _ = client.get("/healthz").send().await.expect(200);
    on(&node.data(), &["healthcheck"]).expect(0);
    on(&node.data(), &["healthcheck", "--ready"]).expect(1).says("disk");
}

#[tokio::test]
async fn metrics_name_no_repository_and_grow_with_none() {
    let node = Process::start(&Options::default());
    let client = node.client();
    let mut series = Vec::new();
    for repository in ["hidden/one", "hidden/two", "hidden/three"] {
        client.push_image(repository, Some("v1"), &ImageBuilder::new(1).build()).await;
        let page = client.get("/metrics").send().await.expect(200);
        let page = String::from_utf8(page.body.to_vec()).unwrap();
        assert!(!page.contains("hidden"), "{page}");
        series.push(page.lines().filter(|line| !line.starts_with('#')).count());
    }
    // The first page has not been counted itself when it is written.
    assert_eq!(series[1], series[2]);
}
