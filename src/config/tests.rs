//! Tests of the configuration: precedence, unknown keys, values that do not fit.

use std::path::Path;

use dockless_remote::Share;
use dockless_runtime::disk::RealDisk;

use super::*;

/// An environment.
type Variables = &'static [(&'static str, &'static str)];

/// Loads `file`, `environment` and `flags` (TOML) as a start of the node would.
fn load(file: &str, environment: &[(&str, &str)], flags: &str) -> Result<Settings, ConfigError> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("dockless.toml");
    disk::write_file_durable(&RealDisk, &path, file.as_bytes(), false).unwrap();
    let environment: Vec<_> = environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let sources = Sources { file: Some(&path), environment: &environment, flags: flags.parse().unwrap() };
    Settings::load(&RealDisk, sources)
}

/// The error of a file, a variable or flags that must be refused, and its hint.
fn refusal(file: &str, environment: &[(&str, &str)]) -> (String, String) {
    let error = load(file, environment, "").unwrap_err();
    (error.to_string(), error.hint().unwrap_or_default())
}

#[test]
fn later_sources_win_key_by_key() {
    let table: [(&str, Variables, &str, &str); 6] = [
        ("", &[], "", "info"),
        ("log.level = 'warn'", &[], "", "warn"),
        ("log.level = 'warn'", &[("DOCKLESS_LOG_LEVEL", "error")], "", "error"),
        ("log.level = 'warn'", &[("DOCKLESS_LOG_LEVEL", "error")], "log.level = 'debug'", "debug"),
        ("log.level = 'warn'", &[("DOCKLESS_LOG_FORMAT", "json")], "", "warn"),
        ("log.level = 'warn'", &[("DOCKLESS_LOG_LEVEL", "")], "", "warn"),
    ];
    for (file, environment, flags, level) in table {
        let settings = load(file, environment, flags).unwrap();
        assert_eq!(
            Value::try_from(settings.log.level).unwrap().as_str(),
            Some(level),
            "{file} {environment:?}"
        );
    }
}

#[test]
fn a_list_replaces_a_list() {
    let file = "listen = ['127.0.0.1:1', '127.0.0.1:2']";
    let settings = load(file, &[("DOCKLESS_LISTEN", "unix:/run/x.sock, 127.0.0.1:3")], "").unwrap();
    assert_eq!(settings.listen, ["unix:/run/x.sock", "127.0.0.1:3"]);
    let settings = load(file, &[], "listen = ['127.0.0.1:4']").unwrap();
    assert_eq!(settings.listen, ["127.0.0.1:4"]);
}

#[test]
fn variables_are_read_by_the_type_of_their_key() {
    let environment = [
        ("DOCKLESS_READ_ONLY", "true"),
        ("DOCKLESS_UPLOADS_OPEN_MAX", "7"),
        ("DOCKLESS_UPLOADS_BYTES_MAX", "3GiB"),
        ("DOCKLESS_HTTP_IDLE_TIMEOUT", "5m"),
        ("DOCKLESS_ACCESS_HTPASSWD", "/etc/passwords"),
        ("DOCKLESS_ACCESS_RULES", "[{ users = ['ci'], repositories = ['**'], actions = ['push'] }]"),
        ("DOCKLESS_CONFIG", "ignored here"),
        ("HOME", "/root"),
    ];
    let settings = load("", &environment, "").unwrap();
    assert!(settings.read_only);
    assert_eq!(settings.uploads.open_max, 7);
    assert_eq!(settings.uploads.bytes_max, Size(3 << 30));
    assert_eq!(settings.http.idle_timeout, units::Period(std::time::Duration::from_secs(300)));
    assert_eq!(settings.access.rules[0].users, ["ci"]);
}

#[test]
fn an_unknown_key_is_refused_with_its_line_and_the_nearest_key() {
    let table = [
        ("lisen = []", "`lisen`", 1, "`listen`"),
        ("\n[http]\npublic_ulr = 'x'", "`http.public_ulr`", 3, "`http.public_url`"),
        ("[manifests]\nrequire_blobs = true\nimmutable = []", "`manifests.immutable`", 3, "`tags.immutable`"),
        ("[upload]\nbytes_max = 1", "`upload`", 1, "`uploads`"),
        (
            "[access]\nhtpasswd = 'f'\n[[access.rules]]\nuser = ['a']",
            "`access.rules[].user`",
            4,
            "`access.rules[].users`",
        ),
    ];
    for (file, key, line, nearest) in table {
        let (message, hint) = refusal(file, &[]);
        assert!(message.contains(&format!("unknown key {key} in ")), "{message}");
        assert!(message.ends_with(&format!("on line {line}")), "{message}");
        assert_eq!(hint, format!("did you mean {nearest}?"));
    }
}

#[test]
fn an_unknown_variable_is_refused_with_the_nearest() {
    let (message, hint) = refusal("", &[("DOCKLESS_LISTN", "x")]);
    assert_eq!(message, "unknown environment variable `DOCKLESS_LISTN`");
    assert_eq!(hint, "did you mean `DOCKLESS_LISTEN`?");
    let (_, hint) = refusal("", &[("DOCKLESS_QQQ", "x")]);
    assert!(hint.contains("dockless reference configuration"), "{hint}");
}

#[test]
fn values_that_do_not_fit_are_refused_with_their_place() {
    let (message, _) = refusal("[uploads]\nbytes_max = 'big'", &[]);
    assert!(message.contains("line 2") && message.contains("`big` is not a size"), "{message}");
    let rules =
        "[access]\nhtpasswd = 'f'\n[[access.rules]]\nusers = []\nrepositories = ['a b']\nactions = []";
    let (message, _) = refusal(rules, &[]);
    assert!(message.contains("line 5") && message.contains("\"a b\""), "{message}");
    let (message, _) = refusal("log.level = 'loud'", &[]);
    assert!(message.contains("`loud`") && message.contains("`debug`"), "{message}");
    let (message, _) = refusal("", &[("DOCKLESS_READ_ONLY", "yes")]);
    assert!(message.contains("`DOCKLESS_READ_ONLY`") && message.contains("`true`"), "{message}");
    let (message, _) = refusal("", &[("DOCKLESS_LOG_LEVEL", "loud")]);
    assert!(message.contains("`DOCKLESS_LOG_LEVEL`") && message.contains("`loud`"), "{message}");
}

#[test]
fn settings_that_contradict_each_other_are_refused() {
    let table = [
        ("tls.key = 'k'", "`tls.certificate` is not"),
        ("tls.certificate = 'c'", "`tls.key` is not"),
        ("[access]\ntoken_key = 'a'\ntoken_key_file = 'f'", "both set"),
        ("[[access.rules]]\nusers = []\nrepositories = []\nactions = []", "nobody could log in"),
    ];
    for (file, expected) in table {
        let (message, _) = refusal(file, &[]);
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn a_value_that_would_stop_the_node_from_working_is_refused() {
    let table = [
        ("http.header_timeout = '0s'", "`http.header_timeout` is 0"),
        ("http.keep_alive_timeout = '0s'", "`http.keep_alive_timeout` is 0"),
        ("http.idle_timeout = '0s'", "`http.idle_timeout` is 0"),
        ("access.token_lifetime = '0s'", "`access.token_lifetime` is 0"),
        ("uploads.expire_after = '0s'", "`uploads.expire_after` is 0"),
        ("limits.connections_max = 0", "`limits.connections_max` is 0"),
        ("manifests.bytes_max = '5MiB'", "at most `4MiB`"),
    ];
    for (file, expected) in table {
        let (message, _) = refusal(file, &[]);
        assert!(message.contains(expected), "{message}");
    }
    load("http.drain_timeout = '0s'\nmanifests.bytes_max = '4MiB'", &[], "").unwrap();
}

#[test]
fn a_variable_of_ours_that_is_no_text_is_refused_and_any_other_left_out() {
    use std::os::unix::ffi::OsStringExt as _;
    let odd = || OsString::from_vec(vec![b'/', 0xff]);
    let good = ("HOME".into(), "/home/a".into());
    let others = texts([good, ("OTHER".into(), odd())].into_iter()).unwrap();
    assert_eq!(others, [("HOME".to_owned(), "/home/a".to_owned())]);
    let error = texts([("DOCKLESS_DATA".into(), odd())].into_iter()).unwrap_err();
    assert!(error.to_string().contains("`DOCKLESS_DATA`"), "{error}");
}

#[test]
fn a_file_that_cannot_be_read_is_named_with_what_to_do() {
    let path = Path::new("/nowhere/dockless.toml");
    let sources = Sources { file: Some(path), environment: &[], flags: Table::new() };
    let error = Settings::load(&RealDisk, sources).unwrap_err();
    assert!(
        error.to_string().contains("`/nowhere/dockless.toml`") && error.hint().unwrap().contains("--config")
    );
}

#[test]
fn the_data_directory_follows_the_user() {
    let table: [(bool, Variables, Option<&str>); 5] = [
        (true, &[("HOME", "/root")], Some("/var/lib/dockless")),
        (false, &[("HOME", "/home/a")], Some("/home/a/.local/share/dockless")),
        (false, &[("HOME", "/home/a"), ("XDG_DATA_HOME", "/data/a")], Some("/data/a/dockless")),
        (false, &[("HOME", "/home/a"), ("XDG_DATA_HOME", "relative")], Some("/home/a/.local/share/dockless")),
        (false, &[], None),
    ];
    for (root, environment, expected) in table {
        let environment: Vec<_> =
            environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        assert_eq!(default_data(&environment, root).ok().as_deref(), expected.map(Path::new));
    }
}

#[test]
fn the_committed_reference_page_is_the_one_the_types_give() {
    let committed = include_str!("../../docs/reference/configuration.md");
    assert!(
        committed == reference::page(),
        "docs/reference/configuration.md is stale; run: cargo run -- reference configuration > docs/reference/configuration.md"
    );
}

#[test]
fn the_example_of_the_reference_page_is_valid() {
    let page = reference::page();
    let example = page.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    assert_eq!(load(example, &[], "").unwrap().access.rules.len(), 2);
}

#[test]
fn engines_are_named_by_file_variable_or_flag() {
    let engines = |file: &str, environment: &[(&str, &str)], flags: &str| {
        let settings = load(file, environment, flags).unwrap();
        let addresses: Vec<_> = settings.engine.addresses.iter().map(ToString::to_string).collect();
        addresses
    };
    let file = "[engine]\naddresses = ['unix:/run/file.sock']";
    let variable = [("DOCKLESS_ENGINE", "unix:///run/a.sock, unix:///run/b.sock")];
    assert_eq!(engines("", &[], ""), [""; 0]);
    assert_eq!(engines(file, &[], ""), ["unix:///run/file.sock"]);
    assert_eq!(engines(file, &variable, ""), ["unix:///run/a.sock", "unix:///run/b.sock"]);
    assert_eq!(engines(file, &variable, "engine.addresses = ['unix:///run/c.sock']"), ["unix:///run/c.sock"]);
}

#[test]
fn what_is_shared_follows_the_patterns() {
    let shared = |text: &str| {
        let text = format!("engine.addresses = ['unix:///run/a.sock']\n{text}");
        let engines = load(&text, &[], "").unwrap().engines(|address| Path::new("/d").join(address));
        assert_eq!(engines[0].spool, Path::new("/d/unix:/run/a.sock"));
        assert_eq!(engines[0].spool_bytes_max, 20 << 30);
        engines[0].share.clone()
    };
    assert_eq!(shared(""), Share::All);
    assert_eq!(shared("engine.share = ['team/**', '**']"), Share::All);
    assert_eq!(shared("engine.share = []"), Share::None);
    let team = shared("engine.share = ['team/**']");
    assert!(team.allows("team/a/b") && !team.allows("other"));
}

#[test]
fn mistakes_about_engines_name_what_would_be_right() {
    let table = [
        ("engine.addresses = ['/var/run/docker.sock']", "such as unix:///var/run/docker.sock"),
        ("engine.addresses = ['tcp://127.0.0.1:2375']", "such as unix:///var/run/docker.sock"),
        ("engine.addresses = ['unix://docker.sock']", "absolute path"),
        ("engine.addresses = ['unix:///a', 'unix:/a']", "names `unix:///a` twice"),
        ("engine.load = true", "`engine.addresses` is not"),
        ("engine.share = ['a b']", "\"a b\""),
    ];
    for (file, expected) in table {
        let (message, _) = refusal(file, &[]);
        assert!(message.contains(expected), "{message}");
    }
    let (message, _) = refusal("", &[("DOCKLESS_ENGINE", "docker")]);
    assert!(
        message.contains("`DOCKLESS_ENGINE`") && message.contains("unix:///var/run/docker.sock"),
        "{message}"
    );
    let (_, hint) = refusal("", &[("DOCKLESS_ENGINE_ADDRESSES", "unix:///a")]);
    assert_eq!(hint, "did you mean `DOCKLESS_ENGINE`?");
    let (_, hint) = refusal("[engine]\naddress = []", &[]);
    assert_eq!(hint, "did you mean `engine.addresses`?");
    let (_, hint) = refusal("[engines]\nshare = []", &[]);
    assert_eq!(hint, "did you mean `engine`?");
}
