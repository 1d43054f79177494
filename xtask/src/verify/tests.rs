//! Each check of `verify` that another tool carries out is shown to refuse a planted violation, with the rules of this
//! house: its lints, its `clippy.toml`, its `deny.toml`, its `rustfmt.toml`.
//!
//! What needs `cargo-deny` is left to `cargo xtask verify`, which needs it too: `cargo xtask test` asks for no more than
//! Rust and a C compiler.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A crate of one file in a folder of its own; the folder goes with it.
struct Planted(PathBuf);

impl Planted {
    /// A crate that holds to every rule but for what `source` breaks.
    fn new(name: &str, source: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("dockless-planted-{}-{name}", std::process::id()));
        fs::create_dir_all(folder.join("src")).unwrap();
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        for rules in ["clippy.toml", "deny.toml", "rustfmt.toml"] {
            fs::copy(root.join(rules), folder.join(rules)).unwrap();
        }
        let house: toml::Table = fs::read_to_string(root.join("Cargo.toml")).unwrap().parse().unwrap();
        let lints = toml::to_string(&house["workspace"]["lints"]["clippy"]).unwrap();
        let rust = toml::to_string(&house["workspace"]["lints"]["rust"]).unwrap();
        let manifest = format!(
            "[package]\nname = \"planted\"\nversion = \"0.1.0\"\nedition = \"2024\"\nlicense = \"Apache-2.0\"\npublish = false\n\n\
             [workspace]\n\n[lints.clippy]\n{lints}\n[lints.rust]\n{rust}\n[dependencies]\n"
        );
        fs::write(folder.join("Cargo.toml"), manifest).unwrap();
        fs::write(folder.join("src/lib.rs"), format!("//! A planted crate.\n\n{source}")).unwrap();
        Self(folder)
    }

    fn depends_on(self, line: &str) -> Self {
        let path = self.0.join("Cargo.toml");
        let manifest = fs::read_to_string(&path).unwrap();
        fs::write(path, format!("{manifest}{line}\n")).unwrap();
        self
    }

    /// A crate beside it, for it to depend on.
    fn with_crate(self, name: &str, license: &str) -> Self {
        let folder = self.0.join(name);
        fs::create_dir_all(folder.join("src")).unwrap();
        let manifest = format!(
            "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\nlicense = \"{license}\"\n"
        );
        fs::write(folder.join("Cargo.toml"), manifest).unwrap();
        fs::write(folder.join("src/lib.rs"), "//! A crate.\n").unwrap();
        self
    }

    /// Whether cargo succeeds, and what it says.
    fn cargo(&self, arguments: &[&str]) -> (bool, String) {
        let mut command = Command::new("cargo");
        command.current_dir(&self.0).args(arguments).env("RUSTDOCFLAGS", "-D warnings");
        command.env("CARGO_TARGET_DIR", self.0.join("target"));
        let output = command.output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&said).into_owned())
    }

    #[track_caller]
    fn is_refused(&self, arguments: &[&str], because: &str) {
        let (passed, said) = self.cargo(arguments);
        assert!(!passed && said.contains(because), "{arguments:?} should refuse with {because:?}:\n{said}");
    }

    #[track_caller]
    fn passes(&self, arguments: &[&str]) {
        let (passed, said) = self.cargo(arguments);
        assert!(passed, "{arguments:?}:\n{said}");
    }
}

impl Drop for Planted {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const CLIPPY: [&str; 4] = ["clippy", "--", "-D", "warnings"];
const HONEST: &str = "/// Adds one.\n#[must_use]\npub const fn next(number: u8) -> Option<u8> {\n    number.checked_add(1)\n}\n";

#[test]
fn an_honest_crate_passes() {
    let crate_ = Planted::new("honest", HONEST);
    for arguments in [&["fmt", "--check"][..], &CLIPPY, &["doc", "--no-deps"]] {
        crate_.passes(arguments);
    }
}

#[test]
fn clippy_refuses_every_way_around_a_seam() {
    for (name, body, because) in [
        (
            "files",
            "pub fn f() -> bool { std::fs::read(\"x\").is_ok() }",
            "go through dockless_runtime's Disk",
        ),
        (
            "time",
            "pub fn f() -> std::time::Instant { std::time::Instant::now() }",
            "ask dockless_runtime's Clock",
        ),
        (
            "waits",
            "pub fn f() { std::thread::sleep(std::time::Duration::ZERO); }",
            "wait on dockless_runtime's Clock",
        ),
        ("threads", "pub fn f() { drop(std::thread::spawn(|| ())); }", "start tasks"),
        ("queues", "pub fn f() { drop(std::sync::mpsc::channel::<u8>()); }", "bound it"),
        (
            "environment",
            "pub fn f() -> bool { std::env::var(\"X\").is_ok() }",
            "only src/config reads the environment",
        ),
        ("unwrap", "pub fn f(x: Option<u8>) -> u8 { x.unwrap() }", "unwrap"),
        ("print", "pub fn f() { println!(\"x\"); }", "println"),
        ("unsafe", "pub fn f() -> u8 { unsafe { *std::ptr::null::<u8>() } }", "unsafe"),
    ] {
        Planted::new(name, &format!("/// Breaks a rule.\n{body}\n")).is_refused(&CLIPPY, because);
    }
    Planted::new("undocumented", "pub fn f() {}\n").is_refused(&CLIPPY, "missing documentation");
}

#[test]
fn formatting_and_broken_links_are_refused() {
    Planted::new("format", "/// Adds one.\npub  const fn next( ) { }\n")
        .is_refused(&["fmt", "--check"], "Diff");
    let broken = Planted::new("link", "/// As [`Nothing`].\npub const fn next() {}\n");
    broken.is_refused(&["doc", "--no-deps"], "unresolved link");
}

#[test]
#[ignore = "cargo xtask verify runs it: it needs cargo-deny"]
fn deny_refuses_licences_bans_and_sources() {
    let deny = |what| ["deny", "check", what];
    Planted::new("permitted", HONEST).passes(&["deny", "check", "bans", "licenses", "sources"]);
    let licence = Planted::new("licence", HONEST)
        .with_crate("copyleft", "GPL-3.0-only")
        .depends_on("copyleft = { path = \"copyleft\" }");
    licence.is_refused(&deny("licenses"), "rejected");
    let banned =
        Planted::new("ban", HONEST).with_crate("axum", "MIT").depends_on("axum = { path = \"axum\" }");
    banned.is_refused(&deny("bans"), "banned");
    let owner =
        Planted::new("owner", HONEST).with_crate("redb", "MIT").depends_on("redb = { path = \"redb\" }");
    owner.is_refused(&deny("bans"), "redb");

    let source = Planted::new("source", HONEST).with_crate("elsewhere", "MIT");
    let folder = source.0.join("elsewhere");
    for words in [
        &["init", "--quiet"][..],
        &["add", "."],
        &["-c", "user.name=x", "-c", "user.email=x", "commit", "--quiet", "-m", "x"],
    ] {
        let git = Command::new("git").current_dir(&folder).args(words).status();
        assert!(git.expect("git is not installed: apt-get install git").success());
    }
    let line = format!("elsewhere = {{ git = \"file://{}\" }}", folder.display());
    source.depends_on(&line).is_refused(&deny("sources"), "source");
}
