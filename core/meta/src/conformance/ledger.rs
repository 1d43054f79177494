//! The suite of the seam [`Ledger`].

mod blobs;

use std::future::Future;
use std::sync::Arc;

use dockless_oci::manifest::{ManifestFacts, ReferenceFact};

use super::sample::{
    delete, delete_tag, digest, done, layer, link, manifest, put, refused, repository, set_tag, tag,
};
use crate::answer::{Totals, Usage};
use crate::command::{Command, PutManifest, Rejection, TAGS_MAX, TagCondition};
use crate::error::LedgerError;
use crate::event::Event;
use crate::ledger::Ledger;

/// Runs the suite; `make` makes an empty ledger.
///
/// # Panics
/// When the implementation does not do as it must.
pub async fn ledger<F: Future<Output = Arc<dyn Ledger>>>(make: impl Fn() -> F) {
    what_was_submitted_is_seen(&*make().await).await;
    several_tags_move_together_or_not_at_all(&*make().await).await;
    immutable_tags_stay(&*make().await).await;
    a_tag_is_set_only_to_what_is_held(&*make().await).await;
    required_references_are_held(&*make().await).await;
    a_deleted_manifest_takes_its_tags_along(&*make().await).await;
    contents_are_kept_while_any_repository_holds_them(&*make().await).await;
    referrers_are_listed_before_their_subject_exists(&*make().await).await;
    blobs::blobs_are_doomed_with_their_last_link(&*make().await).await;
    blobs::a_referenced_blob_stays(&*make().await).await;
    blobs::sizes_must_agree(&*make().await).await;
    blobs::mounts_need_a_source(&*make().await).await;
    lists_are_paged(&*make().await).await;
    events_follow_a_cursor(&*make().await).await;
    a_view_is_one_moment(&*make().await).await;
    a_command_over_the_limits_gets_no_number(&*make().await).await;
    a_stopped_one_refuses(&*make().await).await;
}

async fn what_was_submitted_is_seen(ledger: &dyn Ledger) {
    let name = repository("a/b");
    let events = done(ledger, put("a/b", "one", &["v1", "v2"])).await;
    assert_eq!(events.len(), 3, "a manifest and two tags: {events:?}");
    let view = ledger.view().expect("a view");
    assert_eq!((view.index(), *ledger.applied().borrow()), (1, 1));
    assert_eq!(view.tag(&name, &tag("v2")).expect("a tag"), Some(digest("one")));
    let found = view.manifest(&name, &digest("one")).expect("a manifest").expect("it is there");
    assert_eq!((&found.bytes[..], found.facts), (&b"one"[..], ManifestFacts::default()));
    assert_eq!(view.manifest(&repository("a"), &digest("one")).expect("a manifest"), None, "elsewhere");
    let usage = view.usage(&name).expect("usage");
    assert_eq!(usage, Usage { manifests: 1, tags: 2, blobs: 0, bytes: 3 });
    let again = done(ledger, put("a/b", "one", &["v1"])).await;
    assert!(matches!(&again[..], [Event::ManifestPut { created: false, .. }]), "no change: {again:?}");
}

async fn several_tags_move_together_or_not_at_all(ledger: &dyn Ledger) {
    done(ledger, put("r", "one", &["a", "b"])).await;
    let conditional = |only_if, tags: &[&str]| {
        let tags = tags.iter().map(|name| tag(name)).collect();
        Command::PutManifest(PutManifest { tags, only_if: Some(only_if), ..manifest("r", "two") })
    };
    let rejection = refused(ledger, conditional(TagCondition::Absent, &["c", "b"])).await;
    assert_eq!(rejection, Rejection::TagChanged { current: Some(digest("one")) });
    let stale = TagCondition::MatchOneOf(vec![digest("zero")]);
    assert_eq!(
        refused(ledger, conditional(stale, &["a"])).await,
        Rejection::TagChanged { current: Some(digest("one")) }
    );
    let missing = TagCondition::MatchOneOf(vec![digest("one")]);
    let rejection = refused(ledger, conditional(missing, &["a", "new"])).await;
    assert_eq!(rejection, Rejection::TagChanged { current: None });
    assert!(
        ledger
            .view()
            .expect("a view")
            .manifest_head(&repository("r"), &digest("two"))
            .expect("a head")
            .is_none()
    );
    let fresh = TagCondition::MatchOneOf(vec![digest("one")]);
    let events = done(ledger, conditional(fresh, &["a", "b"])).await;
    assert!(
        matches!(&events[2], Event::TagSet { previous: Some(previous), .. } if *previous == digest("one"))
    );
}

async fn immutable_tags_stay(ledger: &dyn Ledger) {
    done(ledger, put("r", "one", &["v1"])).await;
    let immutable = |bytes: &str| {
        let tags = vec![tag("v0"), tag("v1")];
        Command::PutManifest(PutManifest { tags, immutable_tags: true, ..manifest("r", bytes) })
    };
    assert_eq!(
        refused(ledger, immutable("two")).await,
        Rejection::TagImmutable { tag: tag("v1"), current: digest("one") }
    );
    let events = done(ledger, immutable("one")).await;
    assert_eq!(events.len(), 2, "v0 is new, v1 is no change: {events:?}");
}

async fn a_tag_is_set_only_to_what_is_held(ledger: &dyn Ledger) {
    done(ledger, put("r", "one", &["a"])).await;
    done(ledger, put("r", "two", &[])).await;
    done(ledger, put("other", "three", &[])).await;
    assert_eq!(refused(ledger, set_tag("r", "a", "three")).await, Rejection::ManifestUnknown);
    assert_eq!(done(ledger, set_tag("r", "a", "one")).await, [], "it points there already");
    let fixed = Command::SetTag {
        repository: repository("r"),
        tag: tag("a"),
        digest: digest("two"),
        immutable: true,
    };
    let immutable = Rejection::TagImmutable { tag: tag("a"), current: digest("one") };
    assert_eq!(refused(ledger, fixed).await, immutable);
    let events = done(ledger, set_tag("r", "a", "two")).await;
    assert!(matches!(&events[..], [Event::TagSet { previous: Some(one), .. }] if *one == digest("one")));
    let tags = ledger.view().expect("a view").tags(&repository("r"), None, 9).expect("tags");
    assert_eq!(tags, [(tag("a"), digest("two"))]);
}

async fn required_references_are_held(ledger: &dyn Ledger) {
    let facts = ManifestFacts {
        references: vec![layer("x"), ReferenceFact { foreign: true, ..layer("elsewhere") }],
        ..ManifestFacts::default()
    };
    let put = PutManifest { facts, require_references: true, ..manifest("r", "one") };
    let put = Command::PutManifest(put);
    done(ledger, link("other", "x")).await;
    let missing = Rejection::ReferencesMissing { digests: vec![digest("x")] };
    assert_eq!(refused(ledger, put.clone()).await, missing);
    done(ledger, link("r", "x")).await;
    done(ledger, put).await;
}

async fn a_deleted_manifest_takes_its_tags_along(ledger: &dyn Ledger) {
    let name = repository("r");
    let many: Vec<String> = (0..600).map(|number| format!("t{number:03}")).collect();
    done(ledger, put("r", "one", &many.iter().map(String::as_str).collect::<Vec<_>>())).await;
    done(ledger, put("r", "two", &["t000", "other"])).await;
    let events = done(ledger, delete("r", "one")).await;
    assert_eq!(events.len(), 600, "599 tags and the manifest");
    let view = ledger.view().expect("a view");
    let left = view.tags(&name, None, 10).expect("tags");
    assert_eq!(left, [(tag("other"), digest("two")), (tag("t000"), digest("two"))]);
    assert_eq!(refused(ledger, delete("r", "one")).await, Rejection::ManifestUnknown);
    assert_eq!(refused(ledger, delete_tag("r", "t001")).await, Rejection::TagUnknown);
    done(ledger, delete_tag("r", "t000")).await;
    assert_eq!(
        ledger.view().expect("a view").tags_of(&name, &digest("two"), 9).expect("tags"),
        [tag("other")]
    );
}

async fn contents_are_kept_while_any_repository_holds_them(ledger: &dyn Ledger) {
    let read = |name: &str| {
        let view = ledger.view().expect("a view");
        let found = view.manifest(&repository(name), &digest("one")).expect("a manifest");
        (found.map(|found| found.bytes), view.totals().expect("totals").bytes)
    };
    done(ledger, put("a", "one", &[])).await;
    done(ledger, put("b", "one", &["v1"])).await;
    assert_eq!(read("a").1, 3, "kept once");
    done(ledger, delete("a", "one")).await;
    assert_eq!(read("a"), (None, 3));
    assert_eq!(read("b").0.as_deref(), Some(&b"one"[..]));
    done(ledger, delete("b", "one")).await;
    assert_eq!(read("b"), (None, 0));
    let view = ledger.view().expect("a view");
    assert_eq!(view.totals().expect("totals"), Totals::default());
    assert!(!view.repository_exists(&repository("b")).expect("an answer"));
}

async fn referrers_are_listed_before_their_subject_exists(ledger: &dyn Ledger) {
    let name = repository("r");
    let subject = digest("never pushed");
    for bytes in ["one", "two", "three"] {
        let facts = ManifestFacts {
            subject: Some(subject.clone()),
            artifact_type: Some("a/b".to_owned()),
            annotations: [("k".to_owned(), bytes.to_owned())].into(),
            ..ManifestFacts::default()
        };
        done(ledger, Command::PutManifest(PutManifest { facts, ..manifest("r", bytes) })).await;
    }
    let view = ledger.view().expect("a view");
    let all = view.referrers(&name, &subject, None, 9).expect("referrers");
    assert_eq!(all.len(), 3);
    assert!(all.windows(2).all(|pair| pair[0].digest < pair[1].digest), "in the order of their digests");
    let one = all.iter().find(|descriptor| descriptor.digest == digest("one")).expect("it is listed");
    assert_eq!((one.size, one.artifact_type.as_deref()), (3, Some("a/b")));
    assert_eq!(one.annotations.as_ref().map(|all| all["k"].as_str()), Some("one"));
    let rest = view.referrers(&name, &subject, Some(&all[0].digest), 1).expect("referrers");
    assert_eq!(rest, all[1..2]);
    done(ledger, delete("r", "one")).await;
    let view = ledger.view().expect("a view");
    assert_eq!(view.referrers(&name, &subject, None, 9).expect("referrers").len(), 2);
}

async fn lists_are_paged(ledger: &dyn Ledger) {
    for name in ["b", "a", "a-b", "a/b", "c"] {
        done(ledger, put(name, "one", &["B", "a", "a-1", "a.1"])).await;
    }
    done(ledger, link("only-a-blob", "x")).await;
    let view = ledger.view().expect("a view");
    let names = |after, limit| {
        let page = view.repositories(after, limit).expect("repositories");
        page.iter().map(|name| name.as_str().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(None, 9), ["a", "a-b", "a/b", "b", "c"]);
    assert_eq!(names(Some("a-b"), 2), ["a/b", "b"]);
    assert_eq!(names(Some("a-z"), 1), ["a/b"], "after what does not exist");
    assert!(view.repository_exists(&repository("only-a-blob")).expect("an answer"));
    let tags = |after, limit| {
        let page = view.tags(&repository("a"), after, limit).expect("tags");
        page.iter().map(|(tag, _)| tag.as_str().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(tags(None, 9), ["B", "a", "a-1", "a.1"]);
    assert_eq!(tags(Some("a"), 1), ["a-1"]);
    assert_eq!(tags(Some("\u{10ffff} no tag"), 9), [""; 0]);
    assert_eq!(view.tags(&repository("none"), None, 9).expect("tags"), []);
}

async fn events_follow_a_cursor(ledger: &dyn Ledger) {
    assert_eq!(ledger.events(0, 9).await, Ok(Vec::new()));
    done(ledger, put("r", "one", &["a", "b"])).await;
    refused(ledger, delete_tag("r", "c")).await;
    done(ledger, link("r", "x")).await;
    let numbers = |events: Vec<(u64, Event)>| events.into_iter().map(|(index, _)| index).collect::<Vec<_>>();
    assert_eq!(numbers(ledger.events(0, 9).await.expect("events")), [1, 1, 1, 3]);
    assert_eq!(numbers(ledger.events(0, 1).await.expect("events")), [1, 1, 1], "a command is never split");
    assert_eq!(numbers(ledger.events(1, 9).await.expect("events")), [3]);
    assert_eq!(numbers(ledger.events(3, 9).await.expect("events")), [0; 0]);
    assert_eq!(numbers(ledger.events(u64::MAX, 9).await.expect("events")), [0; 0]);
}

async fn a_view_is_one_moment(ledger: &dyn Ledger) {
    done(ledger, put("r", "one", &["a"])).await;
    let before = ledger.view().expect("a view");
    done(ledger, put("r", "two", &["a"])).await;
    done(ledger, delete("r", "one")).await;
    assert_eq!(before.tag(&repository("r"), &tag("a")).expect("a tag"), Some(digest("one")));
    assert!(before.manifest(&repository("r"), &digest("one")).expect("a manifest").is_some());
    assert_eq!((before.index(), ledger.view().expect("a view").index()), (1, 3));
}

async fn a_command_over_the_limits_gets_no_number(ledger: &dyn Ledger) {
    let tags = (0..=TAGS_MAX).map(|number| tag(&format!("t{number}"))).collect();
    let too_many = Command::PutManifest(PutManifest { tags, ..manifest("r", "one") });
    let applied = ledger.submit(too_many).await.expect("an answer");
    assert!(matches!(applied.outcome, Err(Rejection::TooLarge { .. })));
    let bytes = vec![b' '; crate::record::ENTRY_BYTES_MAX].into();
    let too_long = Command::PutManifest(PutManifest { bytes, ..manifest("r", "one") });
    let applied = ledger.submit(too_long).await.expect("an answer");
    assert!(matches!(applied.outcome, Err(Rejection::TooLarge { .. })));
    assert_eq!((applied.index, ledger.view().expect("a view").index()), (0, 0));
}

async fn a_stopped_one_refuses(ledger: &dyn Ledger) {
    done(ledger, put("r", "one", &["a"])).await;
    ledger.stop().await.expect("a stop");
    ledger.stop().await.expect("stopping again");
    assert_eq!(ledger.submit(link("r", "x")).await, Err(LedgerError::Stopped));
    assert_eq!(ledger.view().err(), Some(LedgerError::Stopped));
    assert_eq!(ledger.events(0, 1).await, Err(LedgerError::Stopped));
}
