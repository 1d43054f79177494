//! How a node starts, and what keeps it from starting.

use std::path::Path;

use dockless_runtime::disk::{RealDisk, write_file_durable};
use dockless_testkit::Process;
use dockless_testkit::process::{Options, free_port};
use rustix::fs::stat;

use super::{on, run, run_with};

/// Arguments of `serve` on a free port over `data`.
fn serve<'a>(data: &'a Path, listen: &'a str, further: &[&'a str]) -> Vec<&'a str> {
    let data = data.to_str().expect("temporary paths are text");
    [&["serve", "--data", data, "--listen", listen], further].concat()
}

#[test]
fn the_first_line_says_where_it_listens_and_where_its_data_is() {
    let node = Process::start(&Options::default());
    let expected = format!(
        "dockless {} listens on http://{}, its data is in {}",
        env!("CARGO_PKG_VERSION"),
        node.address(),
        node.data().display()
    );
    assert_eq!(node.first_line(), expected);
}

#[test]
fn the_first_line_can_be_json() {
    let node = Process::start(&Options { arguments: vec!["--json".to_owned()], ..Options::default() });
    let said: serde_json::Value = serde_json::from_str(node.first_line()).unwrap();
    let expected = serde_json::json!({
        "version": env!("CARGO_PKG_VERSION"),
        "listeners": [format!("http://{}", node.address())],
        "engines": [],
        "data": node.data(),
    });
    assert_eq!(said, expected);
}

#[test]
fn only_its_owner_can_open_the_admin_socket_and_the_keys() {
    let node = Process::start(&Options::default());
    let mode = |path: &str| stat(node.data().join(path)).unwrap().st_mode & 0o777;
    assert_eq!((mode("admin.sock"), mode(""), mode("keys")), (0o600, 0o700, 0o700));
}

#[tokio::test]
async fn the_admin_api_answers_on_no_other_address() {
    let node = Process::start(&Options::default());
    node.client().get("/admin/v1/status").send().await.expect_error(403, "DENIED");
}

#[test]
fn a_data_directory_that_is_in_use_is_refused() {
    let node = Process::start(&Options::default());
    let refused = run(&serve(&node.data(), &format!("127.0.0.1:{}", free_port()), &[])).expect(1);
    refused.says("in use by another dockless process");
    refused.says("`--data`");
}

#[test]
fn a_busy_port_names_its_holder_and_the_flag() {
    let node = Process::start(&Options::default());
    let directory = tempfile::tempdir().unwrap();
    let refused = run(&serve(directory.path(), &node.address().to_string(), &[])).expect(1);
    refused.says(&format!("`dockless` (process {}) holds port {}", node.id(), node.address().port()));
    refused.says("`--listen 127.0.0.1:5000`");
}

#[test]
fn mistakes_in_the_configuration_name_the_place_and_the_nearest_key() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("dockless.toml");
    write_file_durable(&RealDisk, &file, b"[http]\npublic_ulr = 'https://r'\n", false).unwrap();
    let config = file.to_str().unwrap();
    let refused = run(&["serve", "--config", config]).expect(2);
    refused.says("unknown key `http.public_ulr`");
    refused.says("line 2");
    refused.says("did you mean `http.public_url`?");
    run_with(&[("DOCKLESS_CONFIG", config)], &["serve"]).expect(2).says("`http.public_ulr`");
    run_with(&[("DOCKLESS_LISTN", "x")], &["serve"]).expect(2).says("did you mean `DOCKLESS_LISTEN`?");
    let data = directory.path().join("data");
    run(&serve(&data, "localhost", &[])).expect(2).says("`127.0.0.1:5000`");
    run(&serve(&data, "127.0.0.1:0", &["--htpasswd", "/nowhere/users"])).expect(2).says("/nowhere/users");
}

#[tokio::test]
async fn flags_win_over_the_environment_and_that_over_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("dockless.toml");
    write_file_durable(&RealDisk, &file, b"read_only = false\n[log]\nformat = 'text'\n", false).unwrap();
    let environment = [("DOCKLESS_READ_ONLY", "true"), ("DOCKLESS_LOG_FORMAT", "text")];
    let options = Options {
        arguments: ["--config", file.to_str().unwrap(), "--log-format", "json"].map(str::to_owned).to_vec(),
        environment: environment
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        ..Options::default()
    };
    let node = Process::start(&options);
    let client = node.client();
    let refused = client.post("/v2/a/blobs/uploads/").header("x-request-id", "refused-upload").send().await;
    refused.expect_error(405, "UNSUPPORTED");
    let line = node.stderr_line("refused-upload");
    assert!(serde_json::from_str::<serde_json::Value>(&line).is_ok(), "the flag asked for JSON: {line}");
    assert_eq!(on(&node.data(), &["status", "--json"]).expect(0).json()["read_only"], true);
    let (_, _directory) = node.stop();
}

#[tokio::test]
async fn a_log_for_machines_has_an_object_a_line_with_the_id_of_the_request() {
    let arguments = ["--log-format", "json"].map(str::to_owned).to_vec();
    let node = Process::start(&Options { arguments, ..Options::default() });
    let asked =
        node.client().get("/v2/?token=hidden").header("x-request-id", "sent-by-the-proxy").send().await;
    assert_eq!(asked.expect(200).header("x-request-id"), Some("sent-by-the-proxy"));
    let line = node.stderr_line("sent-by-the-proxy");
    let said: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!((&said["level"], &said["target"]), (&"INFO".into(), &"access".into()), "{line}");
    assert_eq!((&said["method"], &said["status"]), (&"GET".into(), &200.into()), "{line}");
    assert_eq!(said["request_id"], "sent-by-the-proxy", "{line}");
    for line in node.stderr().lines() {
        assert!(serde_json::from_str::<serde_json::Value>(line).is_ok(), "{line}");
        assert!(!line.contains("hidden"), "{line}");
    }
}

#[test]
fn a_node_that_others_reach_speaks_tls_and_says_what_it_exposes() {
    let wide = format!("0.0.0.0:{}", free_port());
    let options = |further: &[&str]| Options {
        arguments: [&["--listen", &wide], further].concat().into_iter().map(str::to_owned).collect(),
        ..Options::default()
    };
    let node = Process::start(&options(&[]));
    assert!(node.first_line().contains(&format!("https://{wide}")), "{}", node.first_line());
    let warning = "may pull, push and delete everything";
    assert!(node.stderr_line(warning).contains(&wide));
    drop(node);
    let node = Process::start(&options(&["--plain-http"]));
    assert!(node.first_line().contains(&format!("http://{wide}")), "{}", node.first_line());
    let _ = node.stderr_line(warning);
}

#[tokio::test]
async fn a_unix_socket_is_made_over_one_that_was_left_behind() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("listen.sock");
    let options = Options {
        arguments: vec!["--listen".to_owned(), format!("unix:{}", path.display())],
        ..Options::default()
    };
    drop(Process::start(&options).kill());
    assert!(stat(&path).is_ok(), "a killed node leaves its socket");
    let node = Process::start(&options);
    assert!(node.first_line().contains(&format!("unix:{}", path.display())));
    let _ = tokio::net::UnixStream::connect(&path).await.expect("the new node listens");
    let (status, _directory) = node.stop();
    assert_eq!(status.code(), Some(0));
    assert!(stat(&path).is_err(), "a stopped node removes its socket");
}
