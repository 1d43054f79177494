//! Container engines as a node serves them: named at the start, shown by the verbs, asked within bounds.

mod fake;

use std::time::Duration;

use dockless_runtime::Runtime;
use dockless_runtime::disk::{RealDisk, write_file_durable};
use dockless_testkit::process::{Options, free_port};
use dockless_testkit::{ImageBuilder, Process};
use tempfile::TempDir;

use self::fake::{Fake, Manner, SOCKET};
use super::{on, run, run_with};

/// How long an answer may take that must not wait for an engine that hangs; the wait itself is shorter by far.
const SOON: Duration = Duration::from_secs(30);

/// A node that serves these engines.
fn node(engines: &[&Fake], further: &[&str]) -> Process {
    let mut arguments: Vec<String> = further.iter().map(|text| (*text).to_owned()).collect();
    arguments.extend(engines.iter().flat_map(|engine| ["--engine".to_owned(), engine.address()]));
    Process::start(&Options { arguments, ..Options::default() })
}

#[tokio::test]
async fn an_engine_is_announced_listed_and_answered() {
    let engine = Fake::start(Manner::Well);
    let node = node(&[&engine], &[]);
    let said = format!(", it answers the images of {}", engine.address());
    assert!(node.first_line().ends_with(&said), "{}", node.first_line());
    let listed = on(&node.data(), &["engines"]).expect(0).stdout;
    let lines: Vec<&str> = listed.lines().collect();
    let row: Vec<&str> = lines[1].split_whitespace().collect();
    assert_eq!(row, [&*engine.address(), "answers", "1", "docker", "20.10.24,", "vfs"], "{listed}");
    let listed = on(&node.data(), &["engines", "--json"]).expect(0).json();
    let row = &listed["engines"][0];
    assert_eq!(row["label"], format!("engine {}", engine.address()));
    assert_eq!((&row["answers"], &row["images"], &row["problem"]), (&true.into(), &1.into(), &().into()));
    let client = node.client();
    let names = client.get("/v2/_catalog").send().await.expect(200).json();
    assert_eq!(names["repositories"], serde_json::json!(["app"]));
    let status = on(&node.data(), &["status", "--json"]).expect(0).json();
    assert_eq!(status["warnings"], serde_json::json!([]));
}

#[tokio::test]
async fn images_of_an_engine_are_listed_and_shown_with_those_of_the_store() {
    let engine = Fake::start(Manner::Well);
    let node = node(&[&engine], &[]);
    let image = ImageBuilder::new(1).build();
    node.client().push_image("app", Some("pushed"), &image).await;
    node.client().push_image("team/web", Some("v1"), &image).await;
    let listed = on(&node.data(), &["ls", "--json"]).expect(0).json();
    let rows = listed["repositories"].as_array().unwrap();
    let names: Vec<_> = rows.iter().map(|row| (row["name"].as_str().unwrap(), &row["held"])).collect();
    assert_eq!(names, [("app", &true.into()), ("team/web", &true.into())], "each once");
    let listed = on(&node.data(), &["tags", "app", "--json"]).expect(0).json();
    let tags =
        serde_json::json!([{"tag": "1", "digest": null}, {"tag": "pushed", "digest": image.manifest.digest}]);
    assert_eq!(listed["tags"], tags);
    assert!(on(&node.data(), &["tags", "app"]).expect(0).stdout.contains("in an engine"));
    let shown = on(&node.data(), &["inspect", "app:1", "--json"]).expect(0).json();
    assert_eq!(shown["source"], format!("engine {}", engine.address()));
    assert_eq!(shown["references_total"], 2);
    let shown = on(&node.data(), &["inspect", "app:pushed", "--json"]).expect(0).json();
    assert!(shown["source"].is_null(), "{shown}");
    on(&node.data(), &["inspect", "app:none"]).expect(3);
    let pulls = on(&node.data(), &["pulls", "--json"]).expect(0).json();
    assert_eq!(pulls["pulls"], serde_json::json!([]), "nobody pulled");
}

#[tokio::test]
async fn a_repository_that_only_an_engine_has_is_listed_and_uses_nothing() {
    let engine = Fake::start(Manner::Well);
    let node = node(&[&engine], &[]);
    let row = |listed: &serde_json::Value| (listed[0]["name"].clone(), listed[0]["held"].clone());
    let listed = on(&node.data(), &["ls", "--json"]).expect(0).json();
    assert_eq!(row(&listed["repositories"]), ("app".into(), false.into()));
    assert!(on(&node.data(), &["ls"]).expect(0).stdout.contains("in an engine"));
    assert_eq!(on(&node.data(), &["du", "--json"]).expect(0).json()["repositories"], serde_json::json!([]));
}

#[tokio::test]
async fn an_engine_that_is_down_or_hangs_is_told_of_and_other_content_goes_on() {
    let (hanging, well) = (Fake::start(Manner::Hangs), Fake::start(Manner::Well));
    let down = "unix:///nowhere/engine.sock";
    let node = node(&[&hanging, &well], &["--engine", down]);
    let (client, image) = (node.client(), ImageBuilder::new(1).build());
    let clock = Runtime::real().clock;
    let began = clock.monotonic();
    client.push_image("team/web", Some("v1"), &image).await;
    let _ = client.get("/v2/team/web/manifests/v1").send().await.expect(200);
    let ready = client.get("/readyz").send().await.expect(200).json();
    let took = clock.monotonic().saturating_sub(began);
    assert!(took < SOON, "{took:?}");
    let warnings: Vec<_> = ready["warnings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|warning| warning["message"].as_str().unwrap())
        .collect();
    let about = |engine: &str| warnings.iter().filter(|warning| warning.contains(engine)).count();
    assert_eq!((about(&hanging.address()), about(down), about(&well.address())), (1, 1, 0), "{ready}");
    let shown = on(&node.data(), &["status"]).expect(0).stdout;
    assert!(shown.contains(down) && shown.contains(&hanging.address()), "{shown}");
    on(&node.data(), &["healthcheck", "--ready"]).expect(0);
    let listed = on(&node.data(), &["engines", "--json"]).expect(0).json();
    let rows = listed["engines"].as_array().unwrap();
    let answers: Vec<_> = rows.iter().map(|row| row["answers"].as_bool().unwrap()).collect();
    assert_eq!(answers, [false, false, true], "{listed}");
    assert!(rows.iter().all(|row| row["answers"] == true || row["problem"].is_string()), "{listed}");
    let shown = on(&node.data(), &["engines"]).expect(0).stdout;
    assert!(shown.contains("down") && shown.contains(&format!("the engine at {down} ")), "{shown}");
}

#[tokio::test]
async fn pulls_are_listed_with_where_they_came_from() {
    let engine = Fake::start(Manner::Well);
    let node = node(&[&engine], &[]);
    on(&node.data(), &["pulls"]).expect(0).says("no pulls since");
    let (client, image) = (node.client(), ImageBuilder::new(1).build());
    client.push_image("team/web", Some("v1"), &image).await;
    let _ = client.get("/v2/team/web/manifests/v1").send().await.expect(200);
    let _ = client.get("/v2/app/manifests/1").send().await.expect(200);
    let _ = client.get(&format!("/v2/app/blobs/{}", engine.layer())).send().await.expect(200);
    let listed = on(&node.data(), &["pulls", "--json"]).expect(0).json();
    let pulls = listed["pulls"].as_array().unwrap();
    let from: Vec<_> = pulls.iter().map(|pull| pull["from"].as_str().unwrap()).collect();
    let label = format!("engine {}", engine.address());
    assert_eq!(from, [&*label, &*label, "store"], "{listed}");
    let shown = on(&node.data(), &["pulls", "-n", "2"]).expect(0).stdout;
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!(lines.len(), 3, "{shown}");
    assert!(lines[1].contains("blob app@sha256:") && lines[2].contains("app:1"), "{shown}");
    on(&node.data(), &["pulls", "-n", "0"]).expect(2).says("1..=1000");
}

#[tokio::test]
async fn what_is_pushed_is_loaded_into_the_engine_when_asked() {
    let image = ImageBuilder::new(1).layers(2, 10_000).build();
    let engine = Fake::start(Manner::Well);
    let node = node(&[&engine], &["--engine-load"]);
    node.client().push_image("team/web", Some("v1"), &image).await;
    let loaded = engine.loaded();
    for text in ["manifest.json", "team/web:v1", image.layers[1].digest.hex()] {
        assert!(
            loaded.windows(text.len()).any(|part| part == text.as_bytes()),
            "{text} is not in the archive"
        );
    }
    for layer in &image.layers {
        let is_there = loaded.windows(layer.bytes.len()).any(|part| part == &layer.bytes[..]);
        assert!(is_there, "{} is not in the archive", layer.digest);
    }
}

#[tokio::test]
async fn an_engine_that_is_down_has_what_was_pushed_when_it_is_back() {
    let directory = TempDir::with_prefix("dockless-engine-").unwrap();
    let address = format!("unix://{}", directory.path().join(SOCKET).display());
    let node = node(&[], &["--engine", &address, "--engine-load"]);
    for (tag, seed) in [("v1", 1), ("v2", 2), ("v2", 3)] {
        node.client().push_image("team/web", Some(tag), &ImageBuilder::new(seed).build()).await;
    }
    let _ = node.stderr_line("not loaded yet");
    let engine = Fake::start_in(directory, Manner::Well);
    // What a tag no longer points to is not loaded.
    for (name, seed) in [("team/web:v1", 1), ("team/web:v2", 3)] {
        let (loaded, image) = (engine.loaded(), ImageBuilder::new(seed).build());
        for text in [name, image.config.digest.hex()] {
            assert!(loaded.windows(text.len()).any(|part| part == text.as_bytes()), "{name}: no {text}");
        }
    }
}

#[tokio::test]
async fn what_only_an_engine_holds_is_not_removed() {
    let engine = Fake::start(Manner::Well);
    let node = node(&[&engine], &[]);
    node.client().delete("/v2/app/manifests/1").send().await.expect_error(405, "UNSUPPORTED");
    on(&node.data(), &["rm", "app:1"]).expect(1).says("docker rmi");
}

/// Two users whose passwords are their names behind `secret-`.
const USERS: &str = "owner:$2y$04$Wn8iUMZoT9fVUlbdfV5GSeZE8bsbZSNqQ.bKg.1sOFSkya/nHeDOS\n\
    reader:$2y$04$zfKhslZyNjs6p2Vhlf/.GeBhQ2HZpfap8FjG/C1bEAArXiMfj5gAW\n";

/// The owner may everything; everybody may pull below two folders, and the reader may push to one of them.
const RULES: &str = "\
[[access.rules]]
users = ['owner']
repositories = ['**']
actions = ['pull', 'push', 'catalog']
[[access.rules]]
users = ['reader']
repositories = ['library/**']
actions = ['pull', 'push']
[[access.rules]]
users = ['anonymous']
repositories = ['public/**', 'library/**']
actions = ['pull']
";

/// A node that serves an engine to users by rules.
fn guarded(engine: &Fake, further: &[&str]) -> (Process, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let (users, file) = (directory.path().join("users"), directory.path().join("dockless.toml"));
    let config = format!("[access]\nhtpasswd = '{}'\n{RULES}", users.display());
    write_file_durable(&RealDisk, &users, USERS.as_bytes(), true).unwrap();
    write_file_durable(&RealDisk, &file, config.as_bytes(), false).unwrap();
    let arguments = [&["--config", file.to_str().unwrap()], further].concat();
    (node(&[engine], &arguments), directory)
}

#[tokio::test]
async fn a_push_by_another_name_than_that_of_lists_replaces_nothing_in_an_engine_where_there_are_rules() {
    let engine = Fake::start(Manner::Well);
    let (node, _directory) = guarded(&engine, &["--engine-load"]);
    let reader = node.client().with_basic("reader", "secret-reader");
    reader.push_image("library/app", Some("v1"), &ImageBuilder::new(1).build()).await;
    let told = node.stderr_line("lists show as");
    assert!(told.contains("library/app") && told.contains("lists show as app"), "{told}");
    let image = ImageBuilder::new(2).build();
    node.client().with_basic("owner", "secret-owner").push_image("app", Some("v2"), &image).await;
    let loaded = engine.loaded();
    let text = b"docker.io/library/app:v2";
    assert!(loaded.windows(text.len()).any(|part| part == text), "it is the first that was loaded");
}

#[tokio::test]
async fn no_spelling_of_a_name_leads_past_the_rules() {
    let engine = Fake::start(Manner::WithNames);
    let (node, _directory) = guarded(&engine, &[]);
    let clients = [
        node.client(),
        node.client().with_basic("reader", "secret-reader"),
        node.client().with_basic("owner", "secret-owner"),
    ];
    // The image is `app`, `public/free` and `ghcr.io/public/app`.
    for (path, query, expected) in [
        ("app", "", [401, 403, 200]),
        ("none", "", [401, 403, 404]),
        ("library/app", "", [404, 404, 200]),
        ("library/none", "", [404, 404, 404]),
        ("library/app", "?ns=docker.io", [404, 404, 200]),
        ("docker.io/library/app", "", [401, 403, 200]),
        ("app", "?ns=docker.io", [401, 403, 200]),
        ("ghcr.io/public/app", "", [401, 403, 200]),
        ("public/app", "?ns=ghcr.io", [404, 404, 200]),
        ("public/none", "?ns=ghcr.io", [404, 404, 404]),
        ("public/app", "", [404, 404, 404]),
        ("public/free", "", [200, 200, 200]),
        ("public/free", "?ns=docker.io", [200, 200, 200]),
    ] {
        for (client, expected) in clients.iter().zip(expected) {
            let answer = client.get(&format!("/v2/{path}/manifests/1{query}")).send().await;
            assert_eq!(answer.status, expected, "{path}{query}: {answer:?}");
            let answer = client.head(&format!("/v2/{path}/manifests/1{query}")).send().await;
            assert_eq!(answer.status, expected, "{path}{query}: {answer:?}");
        }
    }
    let layer = format!("/v2/library/app/blobs/{}", engine.layer());
    for (client, expected) in clients.iter().zip([404, 404, 200]) {
        let _ = client.get(&layer).send().await.expect(expected);
    }
    // Who runs the node sees all that its engines have.
    assert_eq!(on(&node.data(), &["inspect", "app:1", "--json"]).expect(0).json()["references_total"], 2);
    let listed = on(&node.data(), &["tags", "app", "--json"]).expect(0).json();
    assert_eq!(listed["tags"][0]["tag"], "1", "{listed}");
}

#[test]
fn a_wide_node_without_login_says_that_the_images_of_its_engines_are_pulled_by_everybody() {
    let engine = Fake::start(Manner::Well);
    let wide = format!("0.0.0.0:{}", free_port());
    let node = node(&[&engine], &["--listen", &wide]);
    let warned = node.stderr_line("with whatever secrets are in them");
    assert!(warned.contains(&engine.address()) && warned.contains(&wide), "{warned}");
}

#[test]
fn an_address_that_is_none_is_refused_with_the_right_form() {
    for address in ["/var/run/docker.sock", "tcp://127.0.0.1:2375", "docker"] {
        run(&["serve", "--engine", address]).expect(2).says("such as unix:///var/run/docker.sock");
        let refused = run_with(&[("DOCKLESS_ENGINE", address)], &["serve"]).expect(2);
        refused.says("such as unix:///var/run/docker.sock");
        refused.says("`DOCKLESS_ENGINE`");
    }
    run(&["serve", "--engine-load"]).expect(2).says("`engine.addresses`");
}

#[test]
fn a_node_without_engines_says_how_to_serve_one() {
    let node = Process::start(&Options::default());
    on(&node.data(), &["engines"]).expect(0).says("--engine unix:///var/run/docker.sock");
    assert_eq!(on(&node.data(), &["engines", "--json"]).expect(0).json()["engines"], serde_json::json!([]));
}
