//! Blobs sent in chunks, in order and out of it.

use dockless_oci::Algorithm;
use dockless_testkit::{Client, Content};

use super::{begin, blob, blob_cases, chunk, closing};
use crate::conformance::check_blob_created;

blob_cases!(
    single,
    multi,
    multi_and_put_chunk,
    out_of_order,
    out_of_order_and_put_chunk,
    status_after_each_chunk,
);

/// The chunk length of the suite; the last of three chunks is five bytes shorter.
const CHUNK: usize = 1024;
const LENGTH: usize = 3 * CHUNK - 5;

async fn single(client: &Client, algorithm: Algorithm) {
    let blob = blob(algorithm, 512);
    let held = chunk(client, "PATCH", &begin(client).await, 0, blob.bytes.clone()).await.expect(202);
    assert_eq!(held.header("range"), Some("0-511"), "{held:?}");
    let pushed = client.put(&closing(&held.location(), &blob)).body("").send().await;
    check_blob_created(client, pushed, &blob).await;
}

async fn multi(client: &Client, algorithm: Algorithm) {
    let blob = blob(algorithm, LENGTH);
    send_chunks(client, &blob, false, false).await;
}

async fn multi_and_put_chunk(client: &Client, algorithm: Algorithm) {
    let blob = blob(algorithm, LENGTH);
    send_chunks(client, &blob, false, true).await;
}

async fn out_of_order(client: &Client, algorithm: Algorithm) {
    let blob = blob(algorithm, LENGTH);
    send_chunks(client, &blob, true, false).await;
}

async fn out_of_order_and_put_chunk(client: &Client, algorithm: Algorithm) {
    let blob = blob(algorithm, LENGTH);
    send_chunks(client, &blob, true, true).await;
}

/// Sends the blob in three chunks, each after a wrong one if asked; the last by the closing PUT if asked.
async fn send_chunks(client: &Client, blob: &Content, wrong_ones: bool, put_last: bool) {
    let mut location = begin(client).await;
    let mut first = 0;
    while first < LENGTH {
        if wrong_ones {
            location = send_wrong_chunk(client, blob, &location, first, put_last).await;
        }
        let end = (first + CHUNK).min(LENGTH);
        let bytes = blob.bytes.slice(first..end);
        if put_last && end == LENGTH {
            let pushed = chunk(client, "PUT", &closing(&location, blob), first, bytes).await;
            return check_blob_created(client, pushed, blob).await;
        }
        let held = chunk(client, "PATCH", &location, first, bytes).await.expect(202);
        assert_eq!(held.header("range"), Some(format!("0-{}", end - 1).as_str()), "{held:?}");
        location = held.location();
        first = end;
    }
    let pushed = client.put(&closing(&location, blob)).body("").send().await;
    check_blob_created(client, pushed, blob).await;
}

/// A chunk that skips ahead, or begins anew when there is none ahead: 416, and the upload stands where it was.
/// Gives the `Location` to go on with.
async fn send_wrong_chunk(client: &Client, blob: &Content, location: &str, held: usize, put: bool) -> String {
    let ahead = held + CHUNK;
    let first = if ahead >= LENGTH { 0 } else { ahead };
    let end = (first + CHUNK).min(LENGTH);
    let (method, target) = match put && end == LENGTH {
        true => ("PUT", closing(location, blob)),
        false => ("PATCH", location.to_owned()),
    };
    let refused = chunk(client, method, &target, first, blob.bytes.slice(first..end)).await;
    assert_eq!(refused.status, 416, "{refused:?}");
    assert_eq!(refused.error_codes(), ["RANGE_INVALID"]);
    let expected = format!("0-{}", held.saturating_sub(1));
    assert_eq!(refused.header("range"), Some(expected.as_str()), "{refused:?}");
    assert!(refused.header("location").is_some(), "a client goes on from it: {refused:?}");
    let status = client.get(&target).send().await.expect(204);
    assert_eq!(status.header("range"), Some(expected.as_str()), "{status:?}");
    status.location()
}

async fn status_after_each_chunk(client: &Client, algorithm: Algorithm) {
    let blob = blob(algorithm, LENGTH);
    let mut location = begin(client).await;
    let status = client.get(&location).send().await.expect(204);
    assert_eq!(status.header("range"), Some("0-0"), "nothing received is sent as 0-0");
    for (first, range) in [(0, "0-1023"), (CHUNK, "0-2047"), (2 * CHUNK, "0-3066")] {
        let bytes = blob.bytes.slice(first..(first + CHUNK).min(LENGTH));
        location = chunk(client, "PATCH", &location, first, bytes).await.expect(202).location();
        let status = client.get(&location).send().await.expect(204);
        assert_eq!(status.header("range"), Some(range));
        assert!(status.header("docker-upload-uuid").is_some());
        assert!(status.body.is_empty());
    }
    let pushed = client.put(&closing(&location, &blob)).send().await;
    check_blob_created(client, pushed, &blob).await;
}
