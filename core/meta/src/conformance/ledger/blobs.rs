//! Blobs: links, mounts, sizes, and files that may go.

use dockless_oci::manifest::{ManifestFacts, ReferenceKind};

use crate::command::{Command, PutManifest, Rejection};
use crate::conformance::sample::{
    LAYER_BYTES, delete, digest, done, layer, link, manifest, mount, put, put_with_layers, refused,
    repository, unlink,
};
use crate::event::Event;
use crate::ledger::Ledger;

pub(super) async fn blobs_are_doomed_with_their_last_link(ledger: &dyn Ledger) {
    let doomed = || async {
        let found = ledger.view().expect("a view").doomed(None, 9).expect("the doomed");
        found.into_iter().map(|doomed| (doomed.digest, doomed.expected)).collect::<Vec<_>>()
    };
    let (expect, forget) =
        (Command::ExpectBlob { digest: digest("x") }, Command::ForgetBlob { digest: digest("x") });
    assert_eq!(done(ledger, expect.clone()).await, []);
    assert_eq!(doomed().await, [(digest("x"), true)]);
    done(ledger, link("a", "x")).await;
    assert_eq!(done(ledger, link("a", "x")).await, [], "linked already");
    assert_eq!(doomed().await, [], "a link revives");
    done(ledger, expect.clone()).await;
    assert_eq!(doomed().await, [], "a linked blob is not doomed");
    done(ledger, mount("a", "b", "x")).await;
    assert_eq!(done(ledger, unlink("a", "x")).await.len(), 1);
    let holders = || ledger.view().expect("a view").blob_holders(&digest("x"), None, 9).expect("holders");
    assert_eq!(holders(), [repository("b")]);
    let events = done(ledger, unlink("b", "x")).await;
    assert_eq!(events[1], Event::Doomed { digest: digest("x") });
    assert_eq!(doomed().await, [(digest("x"), false)]);
    assert_eq!(holders(), []);
    assert_eq!(refused(ledger, unlink("b", "x")).await, Rejection::BlobUnknown);
    done(ledger, forget.clone()).await;
    assert_eq!(doomed().await, []);
    assert_eq!(done(ledger, forget).await, [], "forgotten already");
}

pub(super) async fn a_referenced_blob_stays(ledger: &dyn Ledger) {
    for name in ["a", "b"] {
        done(ledger, link(name, "x")).await;
    }
    done(ledger, put_with_layers("a", "one", &["x", "never pushed"])).await;
    assert_eq!(refused(ledger, unlink("a", "x")).await, Rejection::BlobReferenced { by: digest("one") });
    let by = ledger.view().expect("a view").referenced_by(&repository("a"), &digest("never pushed"));
    assert_eq!(by.expect("an answer"), Some(digest("one")), "sparse references count");
    done(ledger, unlink("b", "x")).await;
    done(ledger, delete("a", "one")).await;
    done(ledger, unlink("a", "x")).await;
}

pub(super) async fn sizes_must_agree(ledger: &dyn Ledger) {
    let link_as =
        |name: &str, size| Command::LinkBlob { repository: repository(name), digest: digest("x"), size };
    done(ledger, link_as("a", 7)).await;
    let conflict = Rejection::SizeConflict { digest: digest("x"), stored: 7, stated: 8 };
    assert_eq!(refused(ledger, link_as("b", 8)).await, conflict);
    let conflict = Rejection::SizeConflict { digest: digest("x"), stored: 7, stated: LAYER_BYTES };
    assert_eq!(refused(ledger, put_with_layers("a", "one", &["x"])).await, conflict);
    done(ledger, put_with_layers("b", "one", &["x"])).await;
    done(ledger, put("a", "child", &[])).await;
    let mut child = layer("child");
    child.kind = ReferenceKind::Manifest;
    let facts = ManifestFacts { references: vec![child], ..ManifestFacts::default() };
    let index = Command::PutManifest(PutManifest { facts, ..manifest("a", "index") });
    let conflict = Rejection::SizeConflict { digest: digest("child"), stored: 5, stated: LAYER_BYTES };
    assert_eq!(refused(ledger, index).await, conflict);
}

pub(super) async fn mounts_need_a_source(ledger: &dyn Ledger) {
    assert_eq!(refused(ledger, mount("a", "b", "x")).await, Rejection::SourceUnknown);
    done(ledger, link("a", "x")).await;
    let events = done(ledger, mount("a", "b", "x")).await;
    let expected = Event::BlobLinked {
        repository: repository("b"),
        digest: digest("x"),
        size: LAYER_BYTES,
        mounted_from: Some(repository("a")),
    };
    assert_eq!(events, [expected]);
    assert_eq!(done(ledger, mount("a", "b", "x")).await, [], "mounted already");
    assert_eq!(done(ledger, mount("a", "a", "x")).await, [], "onto itself");
    let view = ledger.view().expect("a view");
    let holders = view.blob_holders(&digest("x"), None, 9).expect("holders");
    assert_eq!(holders, [repository("a"), repository("b")]);
    assert_eq!(
        view.blob_holders(&digest("x"), Some(&repository("a")), 9).expect("holders"),
        [repository("b")]
    );
}
