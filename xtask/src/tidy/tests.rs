//! Each rule is shown to refuse a planted violation, and a small honest house to pass them all.

use super::{Finding, Tree, check};

const MAP: &str = "# Map\n\n**base/oci** is\n**base/runtime** is\n**core/meta** is\n**core/registry** is\n**serve/api** is\n**src** is\n";

fn manifest(package: &str, dependencies: &[&str]) -> String {
    let lines: Vec<String> = dependencies.iter().map(|name| format!("{name} = \"1\"\n")).collect();
    format!("[package]\nname = \"{package}\"\n[dependencies]\n{}", lines.concat())
}

/// A house without fault: each crate has a root that says what it is.
fn house() -> Vec<(String, String)> {
    let crates = [
        ("base/oci", "dockless-oci", &[][..]),
        ("base/runtime", "dockless-runtime", &["prometheus-client"][..]),
        ("core/meta", "dockless-meta", &["dockless-oci", "dockless-runtime", "redb"][..]),
        ("core/registry", "dockless-registry", &["dockless-meta", "bcrypt"][..]),
        ("serve/api", "dockless-api", &["dockless-registry", "hyper", "rcgen"][..]),
    ];
    let mut files = vec![
        ("ARCHITECTURE.md".to_owned(), MAP.to_owned()),
        ("Cargo.toml".to_owned(), manifest("dockless", &["dockless-api", "dockless-meta", "clap"])),
        ("src/main.rs".to_owned(), "//! The binary.\nfn main() {}\n".to_owned()),
    ];
    for (folder, package, dependencies) in crates {
        files.push((format!("{folder}/Cargo.toml"), manifest(package, dependencies)));
        files.push((format!("{folder}/src/lib.rs"), "//! A crate.\n".to_owned()));
    }
    files
}

/// The findings of the house with some files added or replaced.
fn with(changes: &[(&str, &str)]) -> Vec<Finding> {
    let mut files = house();
    for (path, text) in changes {
        files.retain(|(known, _)| known != path);
        files.push(((*path).to_owned(), (*text).to_owned()));
    }
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    check(&Tree::planted(&files))
}

/// Exactly one error, at `place`, that says `word`.
#[track_caller]
fn refused(changes: &[(&str, &str)], place: &str, word: &str) {
    let findings = with(changes);
    assert_eq!(findings.len(), 1, "{findings:#?}");
    let finding = &findings[0];
    assert!(finding.fatal && finding.place == place && finding.rule.contains(word), "{finding:#?}");
}

/// A root file that declares one module.
fn declaring(module: &str) -> String {
    format!("//! A crate.\nmod {module};\n")
}

#[track_caller]
fn refused_in_module(module: &str, text: &str, line: &str, word: &str) {
    let path = format!("core/meta/src/{module}.rs");
    refused(&[("core/meta/src/lib.rs", &declaring(module)), (&path, text)], &format!("{path}{line}"), word);
}

#[test]
fn an_honest_house_passes() {
    assert_eq!(with(&[]), []);
}

#[test]
fn arrows_up_and_sideways_are_refused() {
    let table = [
        ("base/oci", "dockless-oci", "dockless-runtime"),
        ("base/runtime", "dockless-runtime", "dockless-meta"),
        ("core/meta", "dockless-meta", "dockless-registry"),
        ("core/meta", "dockless-meta", "dockless-api"),
        ("core/registry", "dockless-registry", "dockless-api"),
        ("serve/api", "dockless-api", "dockless"),
    ];
    for (folder, package, target) in table {
        let path = format!("{folder}/Cargo.toml");
        refused(&[(&path, &manifest(package, &[target]))], &path, target);
    }
}

#[test]
fn core_siblings_do_not_know_each_other() {
    let map = format!("{MAP}**core/store** is\n");
    let files = [
        ("ARCHITECTURE.md", map.as_str()),
        ("core/store/Cargo.toml", &manifest("dockless-store", &["dockless-meta"])),
        ("core/store/src/lib.rs", "//! Blobs.\n"),
    ];
    refused(&files, "core/store/Cargo.toml", "sideways");
}

#[test]
fn serve_and_peers_never_meet() {
    let map = format!("{MAP}**peers/swarm** is\n");
    let swarm = |uses: &str| {
        let changed = [
            ("ARCHITECTURE.md", map.clone()),
            (
                "peers/swarm/Cargo.toml",
                manifest("dockless-swarm", if uses == "swarm" { &["dockless-api"] } else { &[] }),
            ),
            ("peers/swarm/src/lib.rs", "//! Peers.\n".to_owned()),
            (
                "serve/api/Cargo.toml",
                manifest("dockless-api", if uses == "api" { &["dockless-swarm"] } else { &[] }),
            ),
        ];
        let changed: Vec<(&str, &str)> = changed.iter().map(|(path, text)| (*path, text.as_str())).collect();
        with(&changed)
    };
    assert_eq!(swarm("nobody"), []);
    assert_eq!(swarm("swarm").len(), 1);
    assert_eq!(swarm("api").len(), 1);
}

#[test]
fn a_dev_dependency_is_an_arrow_too() {
    let text = "[package]\nname = \"dockless-meta\"\n[dev-dependencies]\ndockless-api = \"1\"\n";
    refused(&[("core/meta/Cargo.toml", text)], "core/meta/Cargo.toml", "dockless-api");
}

#[test]
fn only_tests_use_the_replay_of_corpora() {
    let map = format!("{MAP}**testkit/corpus** is\n");
    let uses = |section: &str| {
        let text = format!("[package]\nname = \"dockless-oci\"\n[{section}]\ndockless-corpus = \"1\"\n");
        with(&[
            ("ARCHITECTURE.md", map.as_str()),
            ("testkit/corpus/Cargo.toml", &manifest("dockless-corpus", &[])),
            ("testkit/corpus/src/lib.rs", "//! Corpora.\n"),
            ("base/oci/Cargo.toml", &text),
        ])
    };
    assert_eq!(uses("dev-dependencies"), []);
    let findings = uses("dependencies");
    assert!(findings.len() == 1 && findings[0].rule.contains("dockless-corpus"), "{findings:#?}");
}

#[test]
fn a_crate_off_the_floors_or_with_a_strange_name_is_refused() {
    let crate_at = |path, package| [(path, manifest(package, &[]))];
    let [(path, text)] = crate_at("libs/extra/Cargo.toml", "dockless-extra");
    let findings = with(&[(path, &text)]);
    assert!(findings.iter().any(|finding| finding.rule.contains("no floor")), "{findings:#?}");
    let [(path, text)] = crate_at("base/oci/Cargo.toml", "oci");
    let findings = with(&[(path, &text)]);
    assert!(findings.iter().any(|finding| finding.rule.contains("dockless-oci")), "{findings:#?}");
}

#[test]
fn heavy_dependencies_stay_with_their_owners() {
    let table = [
        ("core/registry", "dockless-registry", "redb", "core/meta"),
        ("core/registry", "dockless-registry", "hyper", "serve/api"),
        ("core/meta", "dockless-meta", "bcrypt", "core/registry"),
        ("core/meta", "dockless-meta", "prometheus-client", "base/runtime"),
        ("base/oci", "dockless-oci", "clap", "the binary"),
        ("base/runtime", "dockless-runtime", "rcgen", "serve/api"),
        ("serve/api", "dockless-api", "hmac", "core/registry"),
    ];
    for (folder, package, dependency, owner) in table {
        let path = format!("{folder}/Cargo.toml");
        refused(&[(&path, &manifest(package, &[dependency]))], &path, owner);
    }
}

#[test]
fn a_renamed_dependency_does_not_hide_its_owner() {
    let text = "[package]\nname = \"dockless-oci\"\n[dependencies]\nbase = { package = \"redb\", version = \"4\" }\n";
    refused(&[("base/oci/Cargo.toml", text)], "base/oci/Cargo.toml", "redb");
}

#[test]
fn files_are_touched_through_the_disk_alone() {
    refused_in_module("journal", "//! J.\nuse std::fs;\n", ":2", "Disk");
    refused_in_module("journal", "//! J.\nuse std::{fs, io};\n", ":2", "Disk");
    refused_in_module("journal", "//! J.\nfn a() { std::fs::read(\"b\"); }\n", ":2", "Disk");
    let tests = "//! J.\n// std::fs in words\n#[cfg(test)]\nmod tests {\n    use std::fs;\n}\n";
    assert_eq!(
        with(&[("core/meta/src/lib.rs", &declaring("journal")), ("core/meta/src/journal.rs", tests)]),
        []
    );
    let real = [
        ("base/runtime/src/lib.rs", "//! R.\nmod disk;\n"),
        ("base/runtime/src/disk.rs", "//! D.\nmod real;\n"),
        ("base/runtime/src/disk/real.rs", "//! The real one.\nuse std::fs::File;\n"),
    ];
    assert_eq!(with(&real), []);
}

#[test]
fn servers_and_clients_stay_behind_their_doors() {
    refused_in_module("query", "//! Q.\nuse hyper_util::server::conn::auto;\n", ":2", "serve/");
    refused_in_module("query", "//! Q.\nuse hyper::client::conn;\n", ":2", "dials");
    refused_in_module("query", "//! Q.\nfn a() { std::env::var(\"B\"); }\n", ":2", "environment");
}

#[test]
fn long_files_are_refused_and_comments_do_not_count() {
    let lines = |count: usize, line: &str| format!("//! L.\n{}", line.repeat(count));
    refused_in_module("long", &lines(501, "const A: u8 = 0;\n"), "", "501 lines");
    let check_long =
        |text: &str| with(&[("core/meta/src/lib.rs", &declaring("long")), ("core/meta/src/long.rs", text)]);
    assert_eq!(check_long(&lines(600, "// words\n\n")), []);
    let warned = check_long(&lines(301, "const A: u8 = 0;\n"));
    assert!(warned.len() == 1 && !warned[0].fatal, "{warned:#?}");
}

#[test]
fn long_functions_are_refused() {
    let text = |lines: usize| format!("//! L.\nfn long() {{\n{}}}\n", "    work();\n".repeat(lines));
    refused_in_module("long", &text(69), ":2", "fn long has 71 lines");
    assert_eq!(
        with(&[("core/meta/src/lib.rs", &declaring("long")), ("core/meta/src/long.rs", &text(68))]),
        []
    );
}

#[test]
fn long_inline_tests_are_refused_and_stand_better_beside() {
    let body = "    const A: u8 = 0;\n".repeat(200);
    refused_in_module(
        "long",
        &format!("//! L.\n#[cfg(test)]\nmod tests {{\n{body}}}\n"),
        ":2",
        "inline tests",
    );
    let beside = [
        ("core/meta/src/lib.rs", declaring("long")),
        ("core/meta/src/long.rs", "//! L.\n#[cfg(test)]\nmod tests;\n".to_owned()),
        ("core/meta/src/long/tests.rs", format!("//! T.\n{}", body.repeat(3))),
    ];
    let beside: Vec<(&str, &str)> = beside.iter().map(|(path, text)| (*path, text.as_str())).collect();
    assert_eq!(with(&beside), []);
}

#[test]
fn wide_traits_are_refused() {
    let text =
        |methods: usize| format!("//! T.\ntrait Wide {{\n{}}}\n", "    fn a(&self);\n".repeat(methods));
    refused_in_module("wide", &text(9), ":2", "trait Wide has 9 methods");
    assert_eq!(
        with(&[("core/meta/src/lib.rs", &declaring("wide")), ("core/meta/src/wide.rs", &text(8))]),
        []
    );
}

#[test]
fn every_file_says_first_what_it_is_for() {
    refused(&[("core/meta/src/lib.rs", "#![deny(x)]\n//! Late.\n")], "core/meta/src/lib.rs", "//!");
    refused(&[("core/meta/src/lib.rs", "//!\n//! Late.\n")], "core/meta/src/lib.rs", "//!");
}

#[test]
fn drawers_are_refused_as_file_names() {
    for stem in
        ["util", "utils", "common", "helpers", "misc", "manager", "types", "tag_utils", "test_helpers"]
    {
        let path = format!("core/meta/src/{stem}.rs");
        let findings = with(&[("core/meta/src/lib.rs", &declaring(stem)), (&path, "//! D.\n")]);
        assert!(findings.len() == 1 && findings[0].rule.contains("drawer"), "{stem}: {findings:#?}");
    }
    let findings = with(&[("core/meta/src/tag/mod.rs", "//! T.\n")]);
    assert!(findings.iter().any(|finding| finding.rule.contains("mod.rs")), "{findings:#?}");
}

#[test]
fn deep_modules_are_refused() {
    let chain = |deepest: &'static str| {
        with(&[
            ("core/meta/src/lib.rs", "//! A.\nmod a;\n"),
            ("core/meta/src/a.rs", "//! A.\nmod b;\n"),
            ("core/meta/src/a/b.rs", "//! B.\nmod c;\n"),
            ("core/meta/src/a/b/c.rs", "//! C.\nmod d;\nmod tests;\n"),
            (deepest, "//! D.\n"),
        ])
    };
    assert_eq!(chain("core/meta/src/a/b/c/tests.rs"), []);
    let beside =
        [("core/meta/src/lib.rs", "//! A.\nmod a;\n"), ("core/meta/src/a.rs", "//! A.\nmod tests;\n")];
    let inside =
        [("core/meta/src/a/tests.rs", "//! T.\nmod e;\n"), ("core/meta/src/a/tests/e.rs", "//! E.\n")];
    assert_eq!(with(&[beside, inside].concat()), []);
    let findings = chain("core/meta/src/a/b/c/d.rs");
    assert!(findings.len() == 1 && findings[0].rule.contains("deep"), "{findings:#?}");
}

#[test]
fn what_is_not_finished_is_refused() {
    let note = concat!("//! T.\n// FIX", "ME later\n");
    refused_in_module("tag", note, ":2", concat!("FIX", "ME"));
    refused_in_module("tag", concat!("//! T.\n// TO", "DO later\n"), ":2", "issue");
    refused_in_module("tag", concat!("//! T.\nfn a() { db", "g!(1); }\n"), ":2", "does not stay");
    refused_in_module("tag", concat!("//! T.\nfn a() { to", "do!() }\n"), ":2", "does not stay");
}

#[test]
fn forgotten_files_are_found() {
    refused(&[("core/meta/src/lost.rs", "//! L.\n")], "core/meta/src/lost.rs", "mod line");
    refused(&[("core/meta/src/tag/tests.rs", "//! L.\n")], "core/meta/src/tag/tests.rs", "mod line");
    assert_eq!(with(&[("core/meta/tests/found.rs", "//! Cargo finds it.\n")]), []);
    let stated = "[package]\nname = \"dockless-tests\"\n[[test]]\nname = \"it\"\npath = \"main.rs\"\n";
    let map = format!("{MAP}**tests** is\n");
    let tests = |main: &str| {
        with(&[
            ("ARCHITECTURE.md", &map),
            ("tests/Cargo.toml", stated),
            ("tests/main.rs", main),
            ("tests/crash.rs", "//! C.\n"),
        ])
    };
    assert_eq!(tests("//! T.\nmod crash;\n"), []);
    assert_eq!(tests("//! T.\n").len(), 1);
}

#[test]
fn the_map_names_each_crate_once() {
    let without = MAP.replace("**core/meta** is\n", "");
    refused(&[("ARCHITECTURE.md", &without)], "ARCHITECTURE.md", "`core/meta` heads 0");
    let twice = format!("{MAP}**core/meta** again\n");
    refused(&[("ARCHITECTURE.md", &twice)], "ARCHITECTURE.md", "`core/meta` heads 2");
    let ghost = format!("{MAP}**core/ghost** is not there\n");
    refused(&[("ARCHITECTURE.md", &ghost)], "ARCHITECTURE.md", "`core/ghost` is no crate");
    let findings = check(&Tree::planted(&[("Cargo.toml", "[workspace]\n")]));
    assert!(findings.len() == 1 && findings[0].rule.contains("missing"), "{findings:#?}");
}

#[test]
fn a_broken_manifest_is_said() {
    let findings = with(&[("core/meta/Cargo.toml", "[package\n")]);
    assert!(findings.iter().any(|finding| finding.rule.contains("not TOML")), "{findings:#?}");
}
