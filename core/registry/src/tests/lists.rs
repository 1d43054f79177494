//! Lists: tags, repositories and referrers, in pages and in order.

use dockless_oci::media_type::{OCI_CONFIG, OCI_INDEX, OCI_MANIFEST};
use dockless_oci::{Descriptor, Digest, Reference};
use serde_json::json;

use super::fixture::{Machine, asked, image, image_of, name, on_both, tag};
use crate::access::{Action, Pattern};
use crate::*;

#[test]
fn tags_are_paged_in_byte_order() {
    on_both(|machine| {
        let bytes = image_of("x");
        for text in ["b", "a", "B", "1", "a.b", "_z", "a-b"] {
            machine.put("a", text, &bytes).unwrap();
        }
        let all = ["1", "B", "_z", "a", "a-b", "a.b", "b"];
        let check = |n: Option<usize>, last: Option<&str>, expected: &[&str], more: bool| {
            let page = machine.run(machine.registry.tags(&asked("a"), n, last)).unwrap();
            let items: Vec<String> = page.items.iter().map(ToString::to_string).collect();
            assert_eq!(items, expected);
            assert_eq!(page.next, items.last().filter(|_| more).cloned());
        };
        check(None, None, &all, false);
        check(None, Some("a"), &all[4..], false);
        check(None, Some("a0 not a tag"), &all[6..], false);
        check(Some(3), None, &all[..3], true);
        check(Some(3), Some("_z"), &all[3..6], true);
        check(Some(3), Some("a.b"), &all[6..], false);
        check(Some(7), None, &all, false);
        check(Some(0), None, &[], false);
        check(Some(usize::MAX), Some("zzz"), &[], false);
        assert_eq!(machine.run(machine.registry.tags(&asked("b"), None, None)), Err(Error::NameUnknown));
    });
}

#[test]
fn a_repository_without_tags_has_an_empty_list() {
    let machine = Machine::memory(Settings::default());
    machine.push_blob("a", b"x");
    assert_eq!(machine.tags("a"), Vec::<String>::new());
}

#[test]
fn a_page_has_at_most_ten_thousand_items_and_says_whether_there_are_more() {
    let machine = Machine::memory(Settings::default());
    machine.put("a", "x", &image_of("x")).unwrap();
    let tags: Vec<_> = (1..PAGE_ITEMS_MAX).map(|number| tag(&format!("t{number:05}"))).collect();
    for some in tags.chunks(TAGS_PER_PUT_MAX) {
        let request = PutRequest {
            reference: Reference::Digest(Digest::sha256(&image_of("x"))),
            tags: some.to_vec(),
            content_type: None,
            bytes: image_of("x").into(),
            if_match: None,
        };
        machine.run(machine.registry.put_manifest(&asked("a"), request)).unwrap();
    }
    let page = machine.run(machine.registry.tags(&asked("a"), Some(usize::MAX), None)).unwrap();
    assert_eq!((page.items.len(), page.next), (PAGE_ITEMS_MAX, None));
    machine.put("a", "z", &image_of("x")).unwrap();
    let page = machine.run(machine.registry.tags(&asked("a"), None, None)).unwrap();
    assert_eq!((page.items.len(), page.next.as_deref()), (PAGE_ITEMS_MAX, Some("x")));
}

fn catalog(machine: &Machine, caller: &Caller, n: usize) -> Vec<String> {
    let (mut names, mut last) = (Vec::new(), None);
    loop {
        let page = machine.run(machine.registry.catalog(caller, Some(n), last.as_deref())).unwrap();
        assert!(page.items.len() <= n);
        names.extend(page.items.iter().map(ToString::to_string));
        match page.next {
            Some(next) => last = Some(next),
            None => return names,
        }
    }
}

fn lister(patterns: &[&str]) -> Caller {
    let repositories = patterns.iter().map(|text| Pattern::parse(text).unwrap()).collect();
    let rule = Rule { users: vec!["*".into()], repositories, actions: vec![Action::Catalog] };
    Caller::with_rules(Some("alice"), vec![rule])
}

#[test]
fn the_catalog_shows_what_the_caller_may_see() {
    on_both(|machine| {
        let all = ["a", "a/b", "ab", "b", "team", "team-x/a", "team/a", "team/b", "team/b/c", "z"];
        for repository in all {
            machine.put(repository, "v1", &image_of("x")).unwrap();
        }
        machine.push_blob("only-a-blob", b"x");
        let check = |caller: &Caller, expected: &[&str]| {
            for n in [1, 2, 3, 100] {
                assert_eq!(catalog(machine, caller, n), expected, "{n}");
            }
        };
        check(&Caller::anonymous(), &all);
        check(&lister(&["**"]), &all);
        check(&lister(&["team/**"]), &["team/a", "team/b", "team/b/c"]);
        check(&lister(&["team/*", "z"]), &["team/a", "team/b", "z"]);
        check(&lister(&["team"]), &["team"]);
        check(
            &lister(&["team", "team/b/c", "a/**", "team/**"]),
            &["a/b", "team", "team/a", "team/b", "team/b/c"],
        );
        check(&lister(&["**/b", "b"]), &["a/b", "b", "team/b"]);
        check(&lister(&["nothing/**"]), &[]);
        let page = machine.run(machine.registry.catalog(&Caller::anonymous(), None, Some("team"))).unwrap();
        assert_eq!(page.items[0].as_str(), "team-x/a");
        assert!(
            machine
                .run(machine.registry.catalog(&Caller::anonymous(), Some(0), None))
                .unwrap()
                .items
                .is_empty()
        );
        let blind = Caller::with_rules(Some("bob"), Vec::new());
        assert!(matches!(machine.run(machine.registry.catalog(&blind, None, None)), Err(Error::Denied(_))));
    });
}

#[test]
fn a_catalog_that_looked_at_enough_leaves_no_name_out() {
    let machine = Machine::memory(Settings::default());
    let all = ["a", "b", "c", "d", "e", "f"];
    for repository in all {
        machine.put(repository, "v1", &image_of("x")).unwrap();
    }
    for looked_at_max in 1..8 {
        let (mut names, mut last) = (Vec::new(), None);
        loop {
            let page = machine.registry.catalog_page(&Caller::anonymous(), 2, last.as_deref(), looked_at_max);
            let page = page.unwrap();
            assert!(page.items.len() <= 2);
            names.extend(page.items.iter().map(ToString::to_string));
            match page.next {
                Some(next) => last = Some(next),
                None => break,
            }
        }
        assert_eq!(names, all, "{looked_at_max} names looked at");
    }
}

fn referrer(subject: &Digest, artifact_type: Option<&str>, annotation: &str) -> Vec<u8> {
    let mut more = json!({
        "subject": {"mediaType": OCI_MANIFEST, "digest": subject.as_str(), "size": 2},
        "annotations": {"a": annotation},
    });
    if let Some(artifact_type) = artifact_type {
        more["artifactType"] = artifact_type.into();
    }
    image(&[], more)
}

fn referrers(machine: &Machine, subject: &Digest, artifact_type: Option<&str>) -> Vec<Descriptor> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = machine.registry.referrers(&name("a"), subject, artifact_type, after.as_ref()).unwrap();
        assert_eq!(page.filtered, artifact_type.is_some());
        let bytes = serde_json::to_vec(&page.descriptors).unwrap().len();
        assert!(bytes <= REFERRERS_PAGE_BYTES_MAX || page.descriptors.len() == 1);
        all.extend(page.descriptors);
        match page.next {
            Some(next) => after = Some(next),
            None => return all,
        }
    }
}

#[test]
fn referrers_are_listed_with_their_own_type_and_annotations() {
    on_both(|machine| {
        let subject = Digest::sha256(b"never pushed");
        assert_eq!(referrers(machine, &subject, None), []);
        let plain = referrer(&subject, None, "plain");
        let typed = referrer(&subject, Some("application/x-sbom"), "typed");
        let index = serde_json::to_vec(&json!({
            "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [], "annotations": {"a": "index"},
            "subject": {"mediaType": OCI_MANIFEST, "digest": subject.as_str(), "size": 2},
        }))
        .unwrap();
        machine.put("a", "plain", &plain).unwrap();
        machine.put("a", Digest::sha256(&typed).as_str(), &typed).unwrap();
        machine.put("a", "index", &index).unwrap();
        machine.put("b", "elsewhere", &referrer(&subject, None, "elsewhere")).unwrap();
        let listed = referrers(machine, &subject, None);
        let mut expected = [
            (Digest::sha256(&plain), OCI_MANIFEST, Some(OCI_CONFIG), "plain", plain.len()),
            (Digest::sha256(&typed), OCI_MANIFEST, Some("application/x-sbom"), "typed", typed.len()),
            (Digest::sha256(&index), OCI_INDEX, None, "index", index.len()),
        ];
        expected.sort();
        assert_eq!(listed.len(), 3);
        for (descriptor, (digest, media_type, artifact_type, annotation, size)) in listed.iter().zip(expected)
        {
            assert_eq!((&descriptor.digest, descriptor.media_type.as_str()), (&digest, media_type));
            assert_eq!((descriptor.artifact_type.as_deref(), descriptor.size), (artifact_type, size as u64));
            assert_eq!(descriptor.annotations.as_ref().unwrap()["a"], annotation);
        }
        let filtered = referrers(machine, &subject, Some("application/x-sbom"));
        assert_eq!(filtered.iter().map(|d| &d.digest).collect::<Vec<_>>(), [&Digest::sha256(&typed)]);
        assert_eq!(referrers(machine, &subject, Some("application/x-none")), []);
        machine.run(machine.registry.delete_manifest(&name("a"), &Digest::sha256(&typed))).unwrap();
        assert_eq!(referrers(machine, &subject, None).len(), 2);
    });
}

#[test]
fn entries_of_a_fallback_index_count_by_their_manifests_alone() {
    let machine = Machine::memory(Settings::default());
    let subject = machine.put("a", "v1", &image_of("subject")).unwrap().digest;
    let valid = referrer(&subject, Some("application/x-real"), "valid");
    let unrelated = image_of("no subject");
    for bytes in [&valid, &unrelated] {
        machine.put("a", Digest::sha256(bytes).as_str(), bytes).unwrap();
    }
    let entry = |digest: &Digest, size: usize| {
        // What one client writes there as artifact type, whatever the manifest says.
        json!({"mediaType": OCI_MANIFEST, "digest": digest.as_str(), "size": size,
               "artifactType": "application/vnd.oci.empty.v1+json"})
    };
    let index = serde_json::to_vec(&json!({
        "schemaVersion": 2, "mediaType": OCI_INDEX,
        "manifests": [
            entry(&Digest::sha256(&valid), valid.len()),
            entry(&Digest::sha256(&unrelated), unrelated.len()),
            entry(&Digest::sha256(b"never pushed"), 12),
        ],
    }))
    .unwrap();
    machine.put("a", &format!("sha256-{}", subject.hex()), &index).unwrap();
    let listed = referrers(&machine, &subject, None);
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].digest, Digest::sha256(&valid));
    assert_eq!(listed[0].artifact_type.as_deref(), Some("application/x-real"));
}

#[test]
fn pages_of_referrers_are_bounded_in_bytes_and_lose_nothing() {
    on_both(|machine| {
        let subject = Digest::sha256(b"popular");
        let mut expected = Vec::new();
        for number in 0..30 {
            let size = [10, 300_000, 1_500_000][number % 3];
            let bytes = referrer(&subject, None, &format!("{number:02}{}", "x".repeat(size)));
            expected.push(machine.put("a", &format!("t{number}"), &bytes).unwrap().digest);
        }
        expected.sort();
        let listed = referrers(machine, &subject, None);
        assert_eq!(listed.into_iter().map(|descriptor| descriptor.digest).collect::<Vec<_>>(), expected);
        let first = machine.registry.referrers(&name("a"), &subject, None, None).unwrap();
        assert!(first.next.is_some() && first.descriptors.len() < 15);
        let none = Some("application/x-none");
        let skipped = machine.registry.referrers(&name("a"), &subject, none, None).unwrap();
        assert!(skipped.next.is_some(), "what the filter hides is bounded as well");
        assert_eq!(referrers(machine, &subject, none), []);
    });
}
