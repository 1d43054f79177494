//! Every endpoint with credentials that are missing, wrong, forged, expired, or not enough: nothing is shown, and
//! nothing changes.

use dockless_oci::Algorithm;
use dockless_oci::media_type::OCI_MANIFEST;
use dockless_testkit::{Client, Content};

use super::cells;
use super::row::{Row, with_body};
use super::scene::Scene;

const OCI: &str = "content-type: application/vnd.oci.image.manifest.v1+json";

/// What each kind of credentials comes to: `reader` and `writer` are users whose rules do not cover the request.
fn refused(line: &str, headers: &str, body: &str, reader: &'static str) -> Vec<Row> {
    let with = |authorization: &str, expected: &'static str| {
        let headers = match authorization {
            "" => headers.to_owned(),
            value => format!("{headers}\nauthorization: {value}"),
        };
        with_body(line, headers, body, expected)
    };
    vec![
        with("", "401 UNAUTHORIZED"),
        with("<wrong_password>", "401 UNAUTHORIZED"),
        with("<unknown_user>", "401 UNAUTHORIZED"),
        with("Basic !!!", "401 UNAUTHORIZED"),
        with("Negotiate abc", "401 UNAUTHORIZED"),
        with("Bearer", "401 UNAUTHORIZED"),
        with("Bearer abc.def.ghi", "401 UNAUTHORIZED"),
        with("<forged>", "401 UNAUTHORIZED"),
        with("<expired>", "401 UNAUTHORIZED"),
        with("<token_bare>", "401 UNAUTHORIZED"),
        with("<token_other>", "401 UNAUTHORIZED"),
        with("<writer>", "403 DENIED"),
        with("<reader>", reader),
        with("<token_reader>", reader),
        with("<owner>\nauthorization: <owner>", "401 UNAUTHORIZED"),
    ]
}

cells!(locked
    ping => [
        ("", "401 UNAUTHORIZED"), ("<wrong_password>", "401 UNAUTHORIZED"), ("<unknown_user>", "401 UNAUTHORIZED"),
        ("<forged>", "401 UNAUTHORIZED"), ("<expired>", "401 UNAUTHORIZED"), ("Bearer abc", "401 UNAUTHORIZED"),
        ("<token_bare>", "200"), ("<reader>", "200"),
    ].map(|(value, expected)| with_body("GET /v2/", format!("authorization: {value}"), "", expected)).to_vec(),
    get_blob => refused("GET /v2/<repo>/blobs/<blob>", "", "", "200"),
    get_absent_blob => refused("GET /v2/<repo>/blobs/<absent>", "", "", "404 BLOB_UNKNOWN"),
    get_manifest => refused("GET /v2/<repo>/manifests/v1", "", "", "200"),
    get_manifest_elsewhere => [
        ("<reader>", "403 DENIED"), ("<token_reader>", "403 DENIED"), ("<token_all>", "401 UNAUTHORIZED"),
        ("<forged>", "401 UNAUTHORIZED"), ("<expired>", "401 UNAUTHORIZED"), ("<wrong_password>", "401 UNAUTHORIZED"),
        ("<writer>", "200"), ("<token_other>", "200"),
    ].map(|(value, expected)| with_body("GET /v2/<other>/manifests/elsewhere", format!("authorization: {value}"), "", expected)).to_vec(),
    tags => refused("GET /v2/<repo>/tags/list", "", "", "200"),
    referrers => refused("GET /v2/<repo>/referrers/<image>", "", "", "200"),
    // It belongs to no repository: tokens for one do not open it.
    catalog => refused("GET /v2/_catalog", "", "", "403 DENIED"),
    put_manifest => refused("PUT /v2/<repo>/manifests/v1", OCI, "<new_manifest>", "403 DENIED"),
    delete_tag => refused("DELETE /v2/<repo>/manifests/v1", "", "", "403 DENIED"),
    delete_manifest => refused("DELETE /v2/<repo>/manifests/<image>", "", "", "403 DENIED"),
    delete_blob => refused("DELETE /v2/<repo>/blobs/<free>", "", "", "403 DENIED"),
    begin_upload => refused("POST /v2/<repo>/blobs/uploads/", "", "", "403 DENIED"),
    push_at_once => refused("POST /v2/<repo>/blobs/uploads/?digest=<absent>", "", "absent", "403 DENIED"),
    mount => refused("POST /v2/<repo>/blobs/uploads/?mount=<blob_elsewhere>&from=<other>", "", "", "403 DENIED"),
    status => refused("GET /v2/<repo>/blobs/uploads/<upload>", "", "", "403 DENIED"),
    append => refused("PATCH /v2/<repo>/blobs/uploads/<upload>", "", "abc", "403 DENIED"),
    finish => refused("PUT /v2/<repo>/blobs/uploads/<upload>?digest=<abc>", "", "abc", "403 DENIED"),
    cancel => refused("DELETE /v2/<repo>/blobs/uploads/<upload>", "", "", "403 DENIED"),
    // Who may push here may still not read there: the mount becomes an upload, and never shows what it was.
    mount_of_what_one_may_not_read => [
        "POST /v2/<other>/blobs/uploads/?mount=<blob>&from=<repo>",
        "POST /v2/<other>/blobs/uploads/?mount=<config>&from=<repo>",
        "POST /v2/<other>/blobs/uploads/?mount=<free>&from=<repo>",
        "POST /v2/<other>/blobs/uploads/?mount=<blob>",
        "POST /v2/<other>/blobs/uploads/?mount=<config>",
        "POST /v2/<other>/blobs/uploads/?mount=<free>",
        "POST /v2/<other>/blobs/uploads/?mount=<absent>&from=<repo>",
        "POST /v2/<other>/blobs/uploads/?mount=<absent>",
    ].map(|line| with_body(line, "authorization: <writer>", "", "202 changes")).to_vec(),
);

/// The user who may pull from and push to the other repository, and nothing else.
fn writer(scene: &Scene) -> Client {
    Client::new(scene.address()).with_basic("writer", "secret-writer")
}

#[tokio::test]
async fn a_manifest_that_mentions_what_one_may_not_read_opens_nothing() {
    let scene = Scene::locked().await;
    let value = |name: &str| scene.value(name).unwrap();
    let (other, manifest) =
        (value("other"), Content::new(Algorithm::Sha256, OCI_MANIFEST, value("manifest")));
    let client = writer(&scene);
    client.push_manifest(&other, "stolen", &manifest).await;
    for name in ["blob", "config"] {
        let target = format!("/v2/{other}/blobs/{}", value(name));
        client.get(&target).send().await.expect_error(404, "BLOB_UNKNOWN");
        client.head(&target).send().await.expect(404);
    }
    scene.stop().await;
}

/// podman drops the upload of a mount that could not be made.
#[tokio::test]
async fn who_may_push_may_cancel_without_the_right_to_delete() {
    let scene = Scene::locked().await;
    let client = writer(&scene);
    let uploads = format!("/v2/{}/blobs/uploads/", scene.value("other").unwrap());
    let begun = client.post(&uploads).send().await.expect(202);
    client.delete(&begun.location()).send().await.expect(204);
    client.get(&begun.location()).send().await.expect_error(404, "BLOB_UPLOAD_UNKNOWN");
    scene.stop().await;
}
