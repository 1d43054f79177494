//! Every case of the two conformance suites of the OCI distribution specification, one named test each.
//!
//! The suites are programs of their own; what they ask is written here again in Rust, with nothing allowed to be
//! skipped: where a suite takes "unsupported" for an answer, these tests want the real one. Cases marked `dev`
//! there (required after 1.1) are ordinary tests here. Each case runs on a node in memory and on one on disk.

mod blobs;
mod data_set;
mod errors;
mod sets;
mod steps;
mod workflow;

use dockless_testkit::{Answer, Client, Content};

/// Where cases push to.
const REPO: &str = "conformance/repo1";
/// Where mounts come from.
const OTHER_REPO: &str = "conformance/repo2";

/// Makes each `async fn case(client: &Client)` a test on every backing, or on the named ones.
macro_rules! cases {
    ($($case:ident),+ $(,)?) => {$(
        mod $case {
            $crate::conformance::on_backing!(memory Memory $case);
            $crate::conformance::on_backing!(disk Disk $case);
        }
    )+};
    ($backing:ident only: $($case:ident),+ $(,)?) => {
        $($crate::conformance::on_backing!($case $backing $case);)+
    };
}
pub(crate) use cases;

/// One test: a fresh node, the case, an orderly stop.
macro_rules! on_backing {
    ($test:ident $backing:ident $case:ident) => {
        #[tokio::test]
        async fn $test() {
            use dockless_testkit::node::{Backing, Node};
            let node = Node::start(Backing::$backing).await;
            super::$case(&node.client()).await;
            node.stop().await;
        }
    };
}
pub(crate) use on_backing;

fn blob_path(repository: &str, digest: impl std::fmt::Display) -> String {
    format!("/v2/{repository}/blobs/{digest}")
}

fn manifest_path(repository: &str, reference: impl std::fmt::Display) -> String {
    format!("/v2/{repository}/manifests/{reference}")
}

/// Where uploads of a repository begin.
fn uploads_path(repository: &str) -> String {
    format!("/v2/{repository}/blobs/uploads/")
}

/// A 201 of a blob: the digest header in the algorithm asked, and a `Location` that gives the exact bytes.
#[track_caller]
fn check_blob_created<'a>(
    client: &'a Client,
    answer: Answer,
    blob: &'a Content,
) -> impl Future<Output = ()> + 'a {
    let answer = answer.expect(201);
    assert_eq!(answer.header("docker-content-digest"), Some(blob.digest.as_str()), "{answer:?}");
    let location = answer.location();
    async move {
        let read = client.get(&location).send().await.expect(200);
        check_blob_read(&read, blob);
        assert_eq!(read.body, blob.bytes);
    }
}

/// What HEAD and GET of a blob have in common.
#[track_caller]
fn check_blob_read(answer: &Answer, blob: &Content) {
    assert_eq!(answer.content_length(), Some(blob.bytes.len() as u64), "{answer:?}");
    assert_eq!(answer.header("docker-content-digest"), Some(blob.digest.as_str()), "{answer:?}");
    assert_eq!(answer.header("accept-ranges"), Some("bytes"), "{answer:?}");
    assert_eq!(answer.header("content-encoding"), None, "{answer:?}");
}
