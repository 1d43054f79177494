//! Blobs by every way of pushing them, for every algorithm (new suite, "sha256 blobs" and "sha512 blobs").

mod cancel;
mod chunked;
mod mount;
mod range;
mod small;
mod whole;
mod wrong_digest;

use dockless_oci::Algorithm;
use dockless_testkit::image::random_bytes;
use dockless_testkit::push::with_parameter;
use dockless_testkit::{Answer, Client, Content};

use super::{REPO, blob_path, uploads_path};

/// Makes each `async fn case(client: &Client, algorithm: Algorithm)` a test for every algorithm and backing.
macro_rules! blob_cases {
    ($($case:ident),+ $(,)?) => {
        mod sha256 { $crate::conformance::blobs::blob_cases!(@ Sha256: $($case),+); }
        mod sha512 { $crate::conformance::blobs::blob_cases!(@ Sha512: $($case),+); }
        mod blake3 { $crate::conformance::blobs::blob_cases!(@ Blake3: $($case),+); }
    };
    (@ $algorithm:ident: $($case:ident),+) => {
        $(async fn $case(client: &dockless_testkit::Client) {
            super::$case(client, dockless_oci::Algorithm::$algorithm).await;
        })+
        $crate::conformance::cases!($($case),+);
    };
}
use blob_cases;

/// The octet stream that layers are sent as.
const OCTETS: &str = "application/octet-stream";

fn blob(algorithm: Algorithm, length: usize) -> Content {
    Content::new(algorithm, OCTETS, random_bytes(length as u64, length))
}

/// Begins an upload and gives its `Location`.
async fn begin(client: &Client) -> String {
    let begun = client.post(&uploads_path(REPO)).body("").send().await.expect(202);
    assert!(begun.header("docker-upload-uuid").is_some(), "{begun:?}");
    begun.location()
}

/// The URL that closes an upload.
fn closing(location: &str, blob: &Content) -> String {
    with_parameter(location, &format!("digest={}", blob.digest))
}

/// Sends bytes `first..` of a chunk with its `Content-Range`.
async fn chunk(client: &Client, method: &str, target: &str, first: usize, bytes: bytes::Bytes) -> Answer {
    let range = format!("{first}-{}", first + bytes.len() - 1);
    let asked = client.request(method, target).header("content-range", range).header("content-type", OCTETS);
    asked.body(bytes).send().await
}

async fn assert_absent(client: &Client, blob: &Content) {
    client.get(&blob_path(REPO, &blob.digest)).send().await.expect_error(404, "BLOB_UNKNOWN");
    assert!(client.head(&blob_path(REPO, &blob.digest)).send().await.expect(404).body.is_empty());
}
