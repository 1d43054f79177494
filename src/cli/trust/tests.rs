//! Tests of what `dockless trust` writes and takes back, in a temporary root.

use std::path::Path;

use dockless_runtime::disk::{self, Disk as _, RealDisk};

use super::*;

const PEM: &str = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";

/// The paths, below the root, of what is written for `reg.example.org:5000`.
const WRITTEN: [&str; 4] = [
    "etc/containerd/certs.d/reg.example.org:5000/ca.crt",
    "etc/containerd/certs.d/reg.example.org:5000/hosts.toml",
    "etc/containers/certs.d/reg.example.org:5000/ca.crt",
    "etc/docker/certs.d/reg.example.org:5000/ca.crt",
];

/// A machine in a temporary directory.
struct Sandbox(tempfile::TempDir);

impl Sandbox {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn machine(&self) -> Machine<'_> {
        Machine { disk: &RealDisk, root: self.0.path() }
    }

    fn trust(&self, arguments: &[&str]) -> Trust {
        let root = self.0.path().to_str().unwrap();
        let line = ["trust", "reg.example.org", "--root", root].into_iter().chain(arguments.iter().copied());
        TrustLine::try_parse_from(line).unwrap().trust
    }

    fn establish(&self, pem: &str, arguments: &[&str]) -> Result<(), Failure> {
        let authority = Authority {
            subject: "CN=authority".to_owned(),
            not_before: "2026-01-01".to_owned(),
            not_after: "2036-01-01".to_owned(),
            fingerprint: "sha256:00".to_owned(),
            pem: pem.to_owned(),
        };
        self.trust(arguments).establish(&self.machine(), &authority, &mut Vec::new())
    }

    fn undo(&self) -> Result<(), Failure> {
        self.trust(&["--undo", "--yes"]).take_back(&self.machine(), &mut Vec::new())
    }

    fn put(&self, path: &str, text: &str) {
        let path = self.0.path().join(path);
        RealDisk.create_dir_all(path.parent().unwrap()).unwrap();
        disk::write_file_durable(&RealDisk, &path, text.as_bytes(), false).unwrap();
    }

    fn text(&self, path: &str) -> Option<String> {
        self.machine().text(&self.0.path().join(path)).unwrap()
    }

    /// Every file there is, below the root, sorted.
    fn files(&self) -> Vec<String> {
        let mut files = Vec::new();
        let mut open = vec![self.0.path().to_owned()];
        while let Some(directory) = open.pop() {
            for entry in RealDisk.list(&directory).unwrap() {
                let path = directory.join(&entry.name);
                if entry.is_dir {
                    open.push(path);
                } else {
                    files.push(path.strip_prefix(self.0.path()).unwrap().to_str().unwrap().to_owned());
                }
            }
        }
        files.sort();
        files
    }
}

/// The arguments alone, as a command line.
#[derive(clap::Parser)]
struct TrustLine {
    #[command(flatten)]
    trust: Trust,
}

use clap::Parser as _;

#[test]
fn the_authority_is_written_where_each_client_looks() {
    let sandbox = Sandbox::new();
    sandbox.establish(PEM, &["--yes"]).unwrap();
    let mut expected = WRITTEN.to_vec();
    expected.insert(3, "etc/dockless/trust/reg.example.org:5000.json");
    expected.sort_unstable();
    assert_eq!(sandbox.files(), expected);
    assert_eq!(sandbox.text(WRITTEN[3]).as_deref(), Some(PEM));
    let hosts = sandbox.text(WRITTEN[1]).unwrap();
    let hosts: toml::Table = hosts.parse().unwrap();
    assert_eq!(hosts["server"].as_str(), Some("https://reg.example.org:5000"));
    let host = &hosts["host"]["https://reg.example.org:5000"];
    assert_eq!(host["ca"].as_str(), Some("/etc/containerd/certs.d/reg.example.org:5000/ca.crt"));
    assert_eq!(host["capabilities"].as_array().unwrap().len(), 3);
}

#[test]
fn clients_of_other_users_can_read_what_is_written() {
    let sandbox = Sandbox::new();
    sandbox.establish(PEM, &["--yes"]).unwrap();
    let mode = |path: &str| rustix::fs::stat(sandbox.0.path().join(path)).unwrap().st_mode & 0o777;
    assert_eq!(mode("etc"), 0o755);
    assert_eq!(mode("etc/docker/certs.d/reg.example.org:5000"), 0o755);
    assert_eq!(mode(WRITTEN[3]) & 0o444, 0o444);
}

#[test]
fn undo_removes_exactly_what_was_written() {
    let sandbox = Sandbox::new();
    sandbox.put("etc/docker/daemon.json", "{}");
    sandbox.put("etc/containerd/certs.d/other:5000/ca.crt", "theirs");
    let before = sandbox.files();
    sandbox.establish(PEM, &["--yes"]).unwrap();
    sandbox.undo().unwrap();
    assert_eq!(sandbox.files(), before);
    assert!(RealDisk.stat(&sandbox.0.path().join("etc/containers")).is_err());
    assert!(RealDisk.stat(&sandbox.0.path().join("etc/dockless")).is_err());
    assert!(RealDisk.stat(&sandbox.0.path().join("etc/docker/certs.d")).is_err());
    assert_eq!(sandbox.undo().unwrap_err().exit, Exit::NotFound);
}

#[test]
fn a_file_of_somebody_else_is_never_overwritten() {
    let sandbox = Sandbox::new();
    sandbox.put(WRITTEN[1], "server = \"https://mirror\"\n");
    let failure = sandbox.establish(PEM, &["--yes"]).unwrap_err();
    assert!(
        failure.message.contains("hosts.toml") && failure.message.contains("not overwritten"),
        "{failure:?}"
    );
    assert_eq!(sandbox.files(), [WRITTEN[1]]);
    sandbox.establish(PEM, &["--yes", "--only", "docker"]).unwrap();
    assert_eq!(sandbox.text(WRITTEN[3]).as_deref(), Some(PEM));
    assert_eq!(sandbox.text(WRITTEN[1]).as_deref(), Some("server = \"https://mirror\"\n"));
}

#[test]
fn a_file_that_says_the_same_already_stays_somebody_elses() {
    let sandbox = Sandbox::new();
    sandbox.put(WRITTEN[3], PEM);
    sandbox.establish(PEM, &["--yes"]).unwrap();
    sandbox.undo().unwrap();
    assert_eq!(sandbox.files(), [WRITTEN[3]]);
}

#[test]
fn what_we_wrote_is_replaced_when_the_authority_is_new() {
    let sandbox = Sandbox::new();
    sandbox.establish(PEM, &["--yes"]).unwrap();
    let renewed = PEM.replace("AAAA", "BBBB");
    sandbox.establish(&renewed, &["--yes"]).unwrap();
    assert_eq!(sandbox.text(WRITTEN[3]), Some(renewed));
    sandbox.undo().unwrap();
    assert_eq!(sandbox.files(), Vec::<String>::new());
}

#[test]
fn undo_leaves_a_file_that_was_changed_since() {
    let sandbox = Sandbox::new();
    sandbox.establish(PEM, &["--yes"]).unwrap();
    sandbox.put(WRITTEN[1], "edited");
    sandbox.undo().unwrap();
    assert_eq!(sandbox.files(), [WRITTEN[1]]);
}

#[test]
fn without_a_terminal_nothing_is_written_unless_told_so() {
    // Test runners give no terminal as standard input; where one does, there would be somebody to ask.
    if std::io::stdin().is_terminal() {
        return;
    }
    let sandbox = Sandbox::new();
    let failure = sandbox.establish(PEM, &[]).unwrap_err();
    assert_eq!(failure.exit, Exit::Usage);
    assert!(failure.hint.unwrap().contains("--yes"));
    assert_eq!(sandbox.files(), Vec::<String>::new());
    sandbox.establish(PEM, &["--dry-run"]).unwrap();
    assert_eq!(sandbox.files(), Vec::<String>::new());
}

#[test]
fn a_fingerprint_answers_the_question_and_must_match() {
    let sandbox = Sandbox::new();
    let trust = sandbox.trust(&["--fingerprint", "SHA256:AB:CD"]);
    let mut authority = certificate_of("sha256:abcd");
    assert!(trust.check_fingerprint(&authority).is_ok() && trust.consent("?").is_ok());
    authority.fingerprint = "sha256:abce".to_owned();
    assert!(trust.check_fingerprint(&authority).unwrap_err().message.contains("sha256:abce"));
}

#[test]
fn the_diff_shows_lines_that_come_and_go() {
    let files = [
        PlannedFile { path: Path::new("/a").into(), change: Change::Create, content: "x\ny\n".into() },
        PlannedFile {
            path: Path::new("/b").into(),
            change: Change::Replace("old\n".into()),
            content: "new\n".into(),
        },
        PlannedFile { path: Path::new("/c").into(), change: Change::Keep, content: "z\n".into() },
        PlannedFile { path: Path::new("/d").into(), change: Change::Create, content: "x\ny\n".into() },
    ];
    let expected =
        "/a (new)\n+ x\n+ y\n/b (changed)\n- old\n+ new\n  /c (already there)\n/d (new)\n  as /a\n";
    assert_eq!(files::diff(&files), expected);
}

/// An authority with this fingerprint.
fn certificate_of(fingerprint: &str) -> Authority {
    Authority {
        subject: String::new(),
        not_before: String::new(),
        not_after: String::new(),
        fingerprint: fingerprint.to_owned(),
        pem: String::new(),
    }
}
