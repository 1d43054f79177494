//! Mounts: named and anonymous, never beyond what the caller may pull.

use dockless_oci::Digest;

use super::fixture::{Machine, name, on_both};
use crate::access::{Action, Pattern};
use crate::{Caller, Error, Rule, Settings};

fn caller(rules: &[(&str, &[Action])]) -> Caller {
    let rule = |(pattern, actions): &(&str, &[Action])| Rule {
        users: vec!["alice".into()],
        repositories: vec![Pattern::parse(pattern).unwrap()],
        actions: actions.to_vec(),
    };
    Caller::with_rules(Some("alice"), rules.iter().map(rule).collect())
}

fn check(
    machine: &Machine,
    caller: &Caller,
    to: &str,
    digest: &Digest,
    from: Option<&str>,
    expected: Result<bool, Error>,
) {
    let from = from.map(name);
    let mounted = machine.run(machine.registry.mount(caller, &name(to), digest, from.as_ref()));
    assert_eq!(mounted, expected, "{to} from {from:?}");
    if expected == Ok(false) {
        assert_eq!(machine.blob(to, digest), Err(Error::BlobUnknown));
    }
}

#[test]
fn a_blob_is_mounted_from_where_it_is() {
    on_both(|machine| {
        let digest = machine.push_blob("source", b"layer");
        let anyone = Caller::anonymous();
        check(machine, &anyone, "named", &digest, Some("source"), Ok(true));
        check(machine, &anyone, "searched", &digest, None, Ok(true));
        check(machine, &anyone, "searched", &digest, None, Ok(true));
        check(machine, &anyone, "searched", &digest, Some("nowhere"), Ok(true));
        for repository in ["named", "searched"] {
            assert_eq!(machine.blob(repository, &digest).unwrap(), &b"layer"[..]);
        }
        check(machine, &anyone, "other", &digest, Some("nowhere"), Ok(false));
        check(machine, &anyone, "other", &Digest::sha256(b"unknown"), None, Ok(false));
    });
}

#[test]
fn nothing_is_mounted_from_where_the_caller_may_not_pull() {
    on_both(|machine| {
        let secret = machine.push_blob("private/secret", b"secret");
        let shared = machine.push_blob("private/shared", b"shared");
        machine.push_blob("public/shared", b"shared");
        let alice = caller(&[("public/**", &[Action::Pull]), ("alice/**", &[Action::Pull, Action::Push])]);
        check(machine, &alice, "alice/a", &secret, Some("private/secret"), Ok(false));
        check(machine, &alice, "alice/a", &secret, None, Ok(false));
        check(machine, &alice, "alice/a", &shared, Some("private/shared"), Ok(false));
        check(machine, &alice, "alice/a", &shared, None, Ok(true));
        let denied = Err(Error::Denied("alice may not push to public/a".into()));
        check(machine, &alice, "public/a", &shared, None, denied);
    });
}

#[test]
fn the_search_for_a_source_goes_beyond_the_first_holders() {
    let machine = Machine::memory(Settings::default());
    let digest = machine.push_blob("a000", b"base");
    for number in 1..600 {
        check(&machine, &Caller::anonymous(), &format!("a{number:03}"), &digest, Some("a000"), Ok(true));
    }
    check(&machine, &Caller::anonymous(), "z/mine", &digest, Some("a000"), Ok(true));
    let alice = caller(&[("z/**", &[Action::Pull, Action::Push])]);
    check(&machine, &alice, "z/other", &digest, None, Ok(true));
}

#[test]
fn a_blob_that_was_deleted_everywhere_is_not_mounted() {
    on_both(|machine| {
        let digest = machine.push_blob("a", b"layer");
        machine.run(machine.registry.delete_blob(&name("a"), &digest)).unwrap();
        check(machine, &Caller::anonymous(), "b", &digest, Some("a"), Ok(false));
        check(machine, &Caller::anonymous(), "b", &digest, None, Ok(false));
    });
}
