//! Uploads that are given up (required after 1.1).

use dockless_oci::Algorithm;
use dockless_testkit::Client;

use super::{assert_absent, begin, blob, blob_cases, chunk, closing};

blob_cases!(post_cancel, cancel_after_chunk);

async fn post_cancel(client: &Client, algorithm: Algorithm) {
    let blob = blob(algorithm, 512);
    let location = begin(client).await;
    client.delete(&location).send().await.expect(204);
    client.get(&location).send().await.expect_error(404, "BLOB_UPLOAD_UNKNOWN");
    let late = client.put(&closing(&location, &blob)).body(blob.bytes.clone()).send().await;
    late.expect_error(404, "BLOB_UPLOAD_UNKNOWN");
    assert_absent(client, &blob).await;
}

async fn cancel_after_chunk(client: &Client, algorithm: Algorithm) {
    let blob = blob(algorithm, 512);
    let held = chunk(client, "PATCH", &begin(client).await, 0, blob.bytes.clone()).await.expect(202);
    client.delete(&held.location()).send().await.expect(204);
    client.delete(&held.location()).send().await.expect_error(404, "BLOB_UPLOAD_UNKNOWN");
    assert_absent(client, &blob).await;
}
