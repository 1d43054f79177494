//! The verbs that ask and change a running node.

use dockless_oci::Digest;
use dockless_testkit::process::Options;
use dockless_testkit::{Image, ImageBuilder, Process};

use super::{on, run};

/// A node with two tags of one image in `team/web`, and a signature of that image.
async fn furnished() -> (Process, Image, Image) {
    let node = Process::start(&Options::default());
    let image = ImageBuilder::new(1).layers(2, 100_000).build();
    let signature = ImageBuilder::new(2).artifact("application/x.signature").subject(&image.manifest).build();
    let client = node.client();
    client.push_image("team/web", Some("v1"), &image).await;
    let _ = client.push_manifest("team/web", "v2", &image.manifest).await;
    client.push_image("team/web", None, &signature).await;
    client.push_image("you/app", Some("1"), &ImageBuilder::new(3).build()).await;
    (node, image, signature)
}

#[tokio::test]
async fn repositories_and_tags_are_listed_for_people_and_machines() {
    let (node, image, _) = furnished().await;
    let listed = on(&node.data(), &["ls"]).expect(0).stdout;
    let lines: Vec<Vec<&str>> = listed.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["REPOSITORY", "TAGS", "MANIFESTS", "BLOBS", "SIZE"]);
    assert_eq!(lines[1][..4], ["team/web", "2", "2", "5"]);
    assert_eq!((lines[1][5], lines[2][0], lines.len()), ("KiB", "you/app", 3));

    let listed = on(&node.data(), &["ls", "you/", "--json"]).expect(0).json();
    assert_eq!(listed["repositories"].as_array().unwrap().len(), 1);
    assert_eq!(listed["repositories"][0]["name"], "you/app");

    let address = node.address();
    let tags = on(&node.data(), &["tags", &format!("{address}/team/web")]).expect(0).stdout;
    assert_eq!(tags, format!("TAG  DIGEST\nv1   {0}\nv2   {0}\n", image.manifest.digest));
    let tags = on(&node.data(), &["tags", "team/web", "--json"]).expect(0).json();
    assert_eq!(tags["tags"][1]["digest"], image.manifest.digest.as_str());
}

#[tokio::test]
async fn a_list_longer_than_a_page_is_read_to_its_end() {
    let node = Process::start(&Options::default());
    let image = ImageBuilder::new(1).build();
    let client = node.client();
    client.push_image("many", Some("first"), &image).await;
    for hundred in 0..22 {
        let tags: Vec<_> = (0..50).map(|unit| format!("tag=t{:04}", hundred * 50 + unit)).collect();
        let target = format!("/v2/many/manifests/{}?{}", image.manifest.digest, tags.join("&"));
        let put = client.put(&target).header("content-type", &image.manifest.media_type);
        let _ = put.body(image.manifest.bytes.clone()).send().await.expect(201);
    }
    let tags = on(&node.data(), &["tags", "many", "--json"]).expect(0).json();
    let tags = tags["tags"].as_array().unwrap().clone();
    assert_eq!((tags.len(), tags[1100]["tag"].as_str()), (1101, Some("t1099")));
}

#[tokio::test]
async fn a_manifest_is_shown_with_what_it_refers_to_and_what_refers_to_it() {
    let (node, image, signature) = furnished().await;
    let shown = on(&node.data(), &["inspect", "team/web:v1"]).expect(0).stdout;
    for expected in [image.manifest.digest.as_str(), "v1, v2", signature.manifest.digest.as_str()] {
        assert!(shown.contains(expected), "{expected} is not in:\n{shown}");
    }
    let by_digest = format!("team/web@{}", signature.manifest.digest);
    let shown = on(&node.data(), &["inspect", &by_digest, "--json"]).expect(0).json();
    assert_eq!(shown["subject"], image.manifest.digest.as_str());
    assert_eq!(shown["artifact_type"], "application/x.signature");
    on(&node.data(), &["inspect", "team/web"]).expect(3).says("error: ");
}

#[tokio::test]
async fn tags_are_set_and_removed() {
    let (node, image, _) = furnished().await;
    let data = node.data();
    let _ = on(&data, &["tag", "team/web:v1", "latest", "stable"]).expect(0);
    let digest = format!("team/web@{}", image.manifest.digest);
    let set = on(&data, &["tag", &digest, "again", "--json"]).expect(0).json();
    assert_eq!(set["digest"], image.manifest.digest.as_str());
    let client = node.client();
    let _ = client.get("/v2/team/web/manifests/stable").send().await.expect(200);

    assert_eq!(on(&data, &["rm", "team/web:stable"]).expect(0).stdout, "removed team/web:stable\n");
    client.get("/v2/team/web/manifests/stable").send().await.expect_error(404, "MANIFEST_UNKNOWN");
    on(&data, &["rm", "team/web:stable"]).expect(3).says("team/web:stable");
    let _ = on(&data, &["rm", "team/web:stable", "--ignore-missing"]).expect(0);
    on(&data, &["tag", "team/web:nope", "x"]).expect(3).says("error: ");
}

#[tokio::test]
async fn removing_a_manifest_removes_its_tags_and_frees_its_blobs_for_removal() {
    let (node, image, _) = furnished().await;
    let data = node.data();
    let blob = format!("team/web@{}", image.layers[0].digest);
    on(&data, &["rm", "--blob", &blob]).expect(1).says(image.manifest.digest.as_str());
    let removed =
        on(&data, &["rm", &format!("team/web@{}", image.manifest.digest), "--json"]).expect(0).json();
    assert_eq!(removed["removed"].as_array().unwrap().len(), 1);
    assert_eq!(on(&data, &["tags", "team/web"]).expect(0).stdout, "TAG  DIGEST\n");
    let _ = on(&data, &["rm", "--blob", &blob]).expect(0);
    let path = format!("/v2/team/web/blobs/{}", image.layers[0].digest);
    node.client().get(&path).send().await.expect_error(404, "BLOB_UNKNOWN");
}

#[tokio::test]
async fn usage_counts_shared_content_once_in_the_total() {
    let (node, image, _) = furnished().await;
    node.client().push_image("copy", Some("1"), &image).await;
    let usage = on(&node.data(), &["du", "--json"]).expect(0).json();
    let repositories = usage["repositories"].as_array().unwrap();
    let sum: u64 = repositories.iter().map(|repository| repository["bytes"].as_u64().unwrap()).sum();
    let image_bytes: u64 = image.blobs().chain([&image.manifest]).map(|part| part.bytes.len() as u64).sum();
    assert_eq!(usage["total"]["bytes"].as_u64().unwrap() + image_bytes, sum);
    let shown = on(&node.data(), &["du"]).expect(0).stdout;
    assert!(shown.lines().nth(1).unwrap().ends_with("team/web"), "{shown}");
    assert!(on(&node.data(), &["du", "copy"]).expect(0).stdout.ends_with(" in 3 blobs, 1 manifest, 1 tag\n"));
}

#[tokio::test]
async fn a_node_says_how_it_is() {
    let node = Process::start(&Options::default());
    let status = on(&node.data(), &["status", "--json"]).expect(0).json();
    assert_eq!((status["ready"].as_bool(), status["login"].as_bool()), (Some(true), Some(false)));
    assert_eq!(status["data"], node.data().to_str().unwrap());
    assert_eq!(status["listeners"][0], format!("http://{}", node.address()));
    let shown = on(&node.data(), &["status"]).expect(0).stdout;
    assert!(shown.contains(status["trust"]["fingerprint"].as_str().unwrap()), "{shown}");
    assert_eq!(on(&node.data(), &["healthcheck"]).expect(0).stdout, "healthy\n");
    assert_eq!(on(&node.data(), &["healthcheck", "--ready"]).expect(0).stdout, "ready\n");
    assert_eq!(on(&node.data(), &["healthcheck", "--json"]).expect(0).json()["healthy"], true);
}

#[tokio::test]
async fn without_a_node_every_verb_says_how_to_start_one() {
    let node = Process::start(&Options::default());
    let data = node.data();
    let (_, _directory) = node.stop();
    let digest = Digest::sha256(b"").to_string();
    let table: [&[&str]; 10] = [
        &["ls"],
        &["tags", "a"],
        &["inspect", "a"],
        &["tag", "a:b", "c"],
        &["rm", &format!("a@{digest}")],
        &["du"],
        &["engines"],
        &["pulls"],
        &["status"],
        &["healthcheck"],
    ];
    for arguments in table {
        on(&data, arguments).expect(4).says("dockless serve --data");
    }
}

#[test]
fn what_needs_no_node_runs_without_one() {
    assert_eq!(run(&["version"]).expect(0).stdout, format!("dockless {}\n", env!("CARGO_PKG_VERSION")));
    assert_eq!(run(&["version", "--json"]).expect(0).json()["version"], env!("CARGO_PKG_VERSION"));
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = run(&["completion", shell]).expect(0).stdout;
        assert!(script.contains("healthcheck"), "{shell}");
        let answer = run(&["completion", shell, "--json"]).expect(0).json();
        assert_eq!((&answer["shell"], &answer["script"]), (&shell.into(), &script.into()));
    }
    assert!(run(&["reference", "man"]).expect(0).stdout.contains(".SH SYNOPSIS"));
    assert!(run(&["reference", "man", "serve"]).expect(0).stdout.contains(".TH dockless-serve 1"));
    run(&["reference", "man", "sevre"]).expect(2).says("no verb `sevre`");
    assert!(run(&["--help"]).expect(0).stdout.contains("Exit codes:"));
}

#[test]
fn mistakes_on_the_command_line_are_told_apart_from_failures() {
    run(&["sevre"]).expect(2).says("serve");
    run(&["rm", "team/web"]).expect(2).says("team/web:TAG");
    run(&["rm", "--blob", "team/web:v1"]).expect(2).says("REPOSITORY@DIGEST");
    run(&["tag", "team/web", "x"]).expect(2).says("team/web:TAG");
    run(&["inspect", "Team/Web"]).expect(2).says("Team/Web");
}
