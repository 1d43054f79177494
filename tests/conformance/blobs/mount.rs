//! Mounts: a blob of another repository without sending it again.

use dockless_oci::Algorithm;
use dockless_testkit::Client;

use super::{assert_absent, blob, blob_cases, closing};
use crate::conformance::{OTHER_REPO, REPO, blob_path, check_blob_created, uploads_path};

blob_cases!(mount, mount_anonymous, mount_missing, mount_unknown_repository, delete_after_mount);

async fn mount(client: &Client, algorithm: Algorithm) {
    let blob = blob(algorithm, 512);
    client.push_blob(OTHER_REPO, &blob).await;
    assert_absent(client, &blob).await;
    let target = format!("{}?mount={}&from={OTHER_REPO}", uploads_path(REPO), blob.digest);
    let mounted = client.post(&target).body("").send().await;
    assert_eq!(mounted.location(), blob_path(REPO, &blob.digest), "{mounted:?}");
    check_blob_created(client, mounted, &blob).await;
}

async fn mount_anonymous(client: &Client, algorithm: Algorithm) {
    let blob = blob(algorithm, 512);
    client.push_blob(OTHER_REPO, &blob).await;
    let target = format!("{}?mount={}", uploads_path(REPO), blob.digest);
    let mounted = client.post(&target).body("").send().await;
    assert_eq!(mounted.location(), blob_path(REPO, &blob.digest), "{mounted:?}");
    check_blob_created(client, mounted, &blob).await;
}

async fn mount_missing(client: &Client, algorithm: Algorithm) {
    let blob = blob(algorithm, 512);
    client.push_blob(OTHER_REPO, &super::blob(algorithm, 513)).await;
    let target = format!("{}?mount={}&from={OTHER_REPO}", uploads_path(REPO), blob.digest);
    let begun = client.post(&target).body("").send().await.expect(202);
    let pushed = client.put(&closing(&begun.location(), &blob)).body(blob.bytes.clone()).send().await;
    check_blob_created(client, pushed, &blob).await;
}

async fn mount_unknown_repository(client: &Client, algorithm: Algorithm) {
    let blob = blob(algorithm, 512);
    client.push_blob(OTHER_REPO, &blob).await;
    let target = format!("{}?mount={}&from=nobody/knows", uploads_path(REPO), blob.digest);
    let begun = client.post(&target).body("").send().await.expect(202);
    let pushed = client.put(&closing(&begun.location(), &blob)).body(blob.bytes.clone()).send().await;
    check_blob_created(client, pushed, &blob).await;
}

async fn delete_after_mount(client: &Client, algorithm: Algorithm) {
    let blob = blob(algorithm, 512);
    client.push_blob(OTHER_REPO, &blob).await;
    let target = format!("{}?mount={}&from={OTHER_REPO}", uploads_path(REPO), blob.digest);
    client.post(&target).body("").send().await.expect(201);
    client.delete(&blob_path(REPO, &blob.digest)).send().await.expect(202);
    assert_absent(client, &blob).await;
    let read = client.get(&blob_path(OTHER_REPO, &blob.digest)).send().await.expect(200);
    assert_eq!(read.body, blob.bytes, "a repository loses only its own");
    client.delete(&blob_path(OTHER_REPO, &blob.digest)).send().await.expect(202);
    client.head(&blob_path(OTHER_REPO, &blob.digest)).send().await.expect(404);
}
