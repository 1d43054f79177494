//! `dockless trust` against a node that speaks TLS.

use std::path::Path;

use dockless_runtime::disk::{Disk as _, RealDisk, read_file, write_file_durable};
use dockless_testkit::Process;
use dockless_testkit::process::{Options, free_port};

use super::{Ran, on, run};

/// The text of a file below `root`.
fn text(root: &Path, path: &str) -> Option<String> {
    read_file(&RealDisk, &root.join(path), 1 << 20).ok().map(|bytes| String::from_utf8(bytes).unwrap())
}

/// Whether a directory holds nothing.
fn is_empty(path: &Path) -> bool {
    RealDisk.list(path).unwrap().is_empty()
}

/// Runs `dockless trust HOST` below `root`.
fn trust(host: &str, root: &Path, further: &[&str]) -> Ran {
    run(&[&["trust", host, "--root", root.to_str().unwrap()], further].concat())
}

#[test]
fn the_authority_of_a_node_is_written_for_its_clients_and_taken_back() {
    let node = Process::start(&Options::default());
    let status = on(&node.data(), &["status", "--json"]).expect(0).json();
    let (pem, fingerprint) =
        (status["trust"]["pem"].as_str().unwrap(), status["trust"]["fingerprint"].as_str().unwrap());
    let root = tempfile::tempdir().unwrap();
    let host = node.address().to_string();
    let written = trust(&host, root.path(), &["--fingerprint", fingerprint]).expect(0);
    assert!(written.stdout.contains(fingerprint) && written.stdout.contains("+ -----BEGIN CERTIFICATE-----"));
    for client in ["docker", "containers", "containerd"] {
        let path = format!("etc/{client}/certs.d/{host}/ca.crt");
        assert_eq!(text(root.path(), &path).as_deref(), Some(pem), "{client}");
    }
    assert!(text(root.path(), &format!("etc/containerd/certs.d/{host}/hosts.toml")).unwrap().contains(&host));
    assert!(trust(&host, root.path(), &["--yes"]).expect(0).stdout.ends_with("Nothing to do.\n"));
    let undone = trust(&host, root.path(), &["--undo", "--yes", "--json"]).expect(0).json();
    assert_eq!(undone["files"].as_array().unwrap().len(), 4);
    assert!(is_empty(root.path()));
    let _ = trust(&host, root.path(), &["--undo", "--yes"]).expect(3);
}

#[test]
fn another_authority_than_the_expected_is_refused() {
    let node = Process::start(&Options::default());
    let root = tempfile::tempdir().unwrap();
    let host = node.address().to_string();
    let wrong = "00:".repeat(31) + "00";
    trust(&host, root.path(), &["--fingerprint", &wrong]).expect(1).says("another authority");
    trust(&host, root.path(), &[]).expect(2).says("--yes");
    let shown = trust(&host, root.path(), &["--dry-run", "--json"]).expect(0).json();
    assert_eq!(
        (shown["written"].as_bool(), shown["files"][0]["change"].as_str()),
        (Some(false), Some("create"))
    );
    assert!(is_empty(root.path()));
}

#[test]
fn what_speaks_no_tls_or_does_not_answer_cannot_be_trusted() {
    let node = Process::start(&Options { arguments: vec!["--plain-http".to_owned()], ..Options::default() });
    let root = tempfile::tempdir().unwrap();
    trust(&node.address().to_string(), root.path(), &["--yes"]).expect(4).says("does not speak TLS");
    trust(&format!("127.0.0.1:{}", free_port()), root.path(), &["--yes"]).expect(4).says("cannot connect");
    trust("../x", root.path(), &["--yes"]).expect(2).says("HOST:PORT");
}

#[test]
fn a_file_that_somebody_else_wrote_stays() {
    let node = Process::start(&Options::default());
    let root = tempfile::tempdir().unwrap();
    let host = node.address().to_string();
    let path = format!("etc/docker/certs.d/{host}/ca.crt");
    let theirs = root.path().join(&path);
    RealDisk.create_dir_all(theirs.parent().unwrap()).unwrap();
    write_file_durable(&RealDisk, &theirs, b"theirs", false).unwrap();
    trust(&host, root.path(), &["--yes"]).expect(1).says("not overwritten");
    assert_eq!(text(root.path(), &path).as_deref(), Some("theirs"));
    let _ = trust(&host, root.path(), &["--yes", "--only", "podman"]).expect(0);
}
