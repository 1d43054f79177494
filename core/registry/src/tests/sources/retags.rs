//! Tags that move while somebody is being answered.

use std::time::Duration;

use futures_util::FutureExt as _;

use super::fixture::{layer, machine, memory, offers, tagged};
use crate::conformance::{Bring, Offer};
use crate::tests::fixture::asked;

#[test]
fn a_pull_that_begins_after_a_tag_moved_gets_what_it_points_to_now() {
    let mut source = None;
    let machine = machine(|runtime| {
        let made = memory(runtime, "engine", Bring::InPlace);
        source = Some(made.clone());
        [made]
    });
    let source = source.unwrap();
    let new = Offer::new("app").image("1", &[layer(7, 1_000)]);
    let digest_of = |offer: &Offer| offer.tags[&"1".parse().unwrap()].clone();
    let (registry, app, reference) = (&machine.registry, asked("app"), tagged("1"));
    machine.run(async {
        // The source decides at the end of its time: what it says to the first one may be old or new.
        source.slow_down(Duration::from_secs(8));
        let mut first = registry.manifest(&app, &reference).boxed();
        assert!((&mut first).now_or_never().is_none());
        source.slow_down(Duration::ZERO);
        source.offer(vec![new.clone()]);
        let second = registry.manifest(&app, &reference).now_or_never();
        let second = second.expect("nobody waits for what was asked before the tag moved");
        assert_eq!(second.unwrap().digest, digest_of(&new));
        let head = registry.manifest_head(&app, &reference).now_or_never();
        assert_eq!(head.unwrap().unwrap().digest, digest_of(&new));
    });
    assert_ne!(digest_of(&new), digest_of(&offers()[0]));
}
