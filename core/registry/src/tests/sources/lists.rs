//! Lists of what is here and of what sources have, as one.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use dockless_runtime::Clock as _;
use dockless_runtime::simulation::{Random, Simulation};

use super::fixture::{as_user, liar, machine, memory, tagged};
use crate::access::{Action, Pattern};
use crate::conformance::{Bring, Lie, MemorySource, Offer, PrivateSource};
use crate::tests::fixture::{Machine, asked, image_of};
use crate::{Caller, Error, Page, Principal, Rule, Settings, Source};

/// All pages of `n` items; checks that each is right by itself.
fn walk<T: ToString>(n: usize, page: impl Fn(Option<&str>) -> Page<T>) -> Vec<String> {
    let (mut all, mut last) = (Vec::new(), None::<String>);
    loop {
        let page = page(last.as_deref());
        assert!(page.items.len() <= n);
        all.extend(page.items.iter().map(ToString::to_string));
        match page.next {
            Some(next) => last = Some(next),
            None => return all,
        }
    }
}

#[test]
fn lists_are_those_of_all_together_in_byte_order_whatever_the_pages() {
    for seed in 0..30 {
        let mut random = Random::new(seed);
        let mut some = |count: usize| -> BTreeSet<String> {
            let alphabet = ["a", "b", "a-b", "a.b", "ab", "0", "z", "a/b", "m", "m/n", "team", "team/x"];
            (0..random.below(count + 1)).map(|_| (*random.pick(&alphabet)).to_owned()).collect()
        };
        let [here, one, two] = [some(8), some(8), some(8)];
        let simulation = Simulation::new(seed);
        let source = |label: &str, names: &BTreeSet<String>| -> Arc<dyn Source> {
            let mut offers: Vec<Offer> = names.iter().map(|name| Offer::new(name).image("x", &[])).collect();
            // The same names as tags of one repository.
            let tags = names.iter().map(|name| name.replace('/', "_"));
            offers.push(tags.fold(Offer::new("tags"), |offer, tag| offer.image(&tag, &[])));
            MemorySource::new(simulation.runtime(), label, Bring::InPlace, offers)
        };
        let sources = vec![source("one", &one), source("two", &two)];
        let machine = Machine::with_sources(simulation, Settings::default(), sources);
        for name in &here {
            machine.put(name, "v1", &image_of("x")).unwrap();
            machine.put("tags", &name.replace('/', "_"), &image_of("x")).unwrap();
        }
        let union: BTreeSet<String> = here.iter().chain(&one).chain(&two).cloned().collect();
        let tags: BTreeSet<String> = union.iter().map(|name| name.replace('/', "_")).collect();
        let repositories: BTreeSet<String> = union.into_iter().chain(["tags".to_owned()]).collect();
        let registry = &machine.registry;
        for n in [1, 2, 3, 5, 1_000] {
            let listed = walk(n, |last| machine.run(registry.tags(&asked("tags"), Some(n), last)).unwrap());
            assert_eq!(listed, tags.iter().cloned().collect::<Vec<_>>(), "seed {seed}, {n}");
            let caller = Caller::anonymous();
            let listed = walk(n, |last| machine.run(registry.catalog(&caller, Some(n), last)).unwrap());
            assert_eq!(listed, repositories.iter().cloned().collect::<Vec<_>>(), "seed {seed}, {n}");
        }
        assert_eq!(machine.run(registry.tags(&asked("tags"), Some(0), None)), Ok(Page::default()));
    }
}

#[test]
fn the_catalog_shows_of_sources_what_the_caller_may_see() {
    let machine = machine(|runtime| [memory(runtime, "engine", Bring::InPlace)]);
    machine.put("team/own", "v1", &image_of("x")).unwrap();
    let rule = Rule {
        users: vec!["*".into()],
        repositories: vec![Pattern::parse("team/**").unwrap()],
        actions: vec![Action::Catalog],
    };
    let caller = Caller::with_rules(Some("alice"), vec![rule]);
    let listed = walk(1, |last| machine.run(machine.registry.catalog(&caller, Some(1), last)).unwrap());
    assert_eq!(listed, ["team/own", "team/tool"]);
    let blind = Caller::with_rules(Some("bob"), Vec::new());
    assert!(matches!(machine.run(machine.registry.catalog(&blind, None, None)), Err(Error::Denied(_))));
}

#[test]
fn a_source_that_fails_does_not_fail_a_list() {
    for lie in [Lie::Unreachable, Lie::Silence, Lie::Denied, Lie::Damaged] {
        let machine = machine(|runtime| {
            [liar(runtime, "failing", Bring::InPlace, lie), memory(runtime, "engine", Bring::InPlace)]
        });
        machine.put("app", "own", &image_of("x")).unwrap();
        let clock = machine.simulation.clock();
        let began = clock.monotonic();
        assert_eq!(machine.tags("app"), ["1", "empty", "own"], "{lie:?}");
        let page = machine.run(machine.registry.catalog(&Caller::anonymous(), None, None)).unwrap();
        assert_eq!(page.items.iter().map(|name| name.as_str()).collect::<Vec<_>>(), ["app", "team/tool"]);
        assert!(
            clock.monotonic() - began <= Duration::from_secs(10),
            "{lie:?}: each list waits a bounded time"
        );
    }
}

#[test]
fn lists_do_not_wait_again_and_again_for_one_that_hangs() {
    let mut slow = None;
    let machine = machine(|runtime| {
        let made = memory(runtime, "engine", Bring::InPlace);
        slow = Some(made.clone());
        [made]
    });
    let slow = slow.unwrap();
    slow.slow_down(Duration::from_secs(6));
    machine.put("app", "own", &image_of("x")).unwrap();
    let clock = machine.simulation.clock();
    let list = || {
        let began = clock.monotonic();
        (machine.tags("app").len(), (clock.monotonic() - began).as_secs())
    };
    assert_eq!([list(), list(), list()], [(1, 5); 3]);
    assert_eq!([list(), list()], [(1, 0); 2]);
    let pulled = machine.run(machine.registry.manifest(&asked("app"), &tagged("1")));
    assert!(pulled.is_ok(), "it is asked for all else");
    slow.slow_down(Duration::ZERO);
    machine.simulation.run_for(Duration::from_secs(20));
    assert_eq!(list(), (3, 0), "and for lists again after a while");
}

#[test]
fn a_repository_that_nobody_knows_is_unknown_unless_nobody_says_so() {
    let tags = |lies: [Lie; 2]| {
        let machine = machine(|runtime| {
            [liar(runtime, "one", Bring::InPlace, lies[0]), liar(runtime, "two", Bring::InPlace, lies[1])]
        });
        machine.run(machine.registry.tags(&asked("nowhere"), None, None)).unwrap_err()
    };
    assert_eq!(tags([Lie::None, Lie::None]), Error::NameUnknown);
    assert_eq!(tags([Lie::Unreachable, Lie::None]), Error::NameUnknown);
    let unanswered = tags([Lie::Unreachable, Lie::Damaged]);
    assert!(matches!(&unanswered, Error::Unavailable(why) if why.contains("one: ") && why.contains("two: ")));
    assert!(matches!(tags([Lie::Denied, Lie::Denied]), Error::Denied(_)));
}

#[test]
fn private_tags_are_listed_to_whom_the_source_answers() {
    let owner = Principal::User("owner".into());
    let machine =
        machine(|runtime| [PrivateSource::new(memory(runtime, "private", Bring::InPlace), owner, true)]);
    machine.put("app", "own", &image_of("x")).unwrap();
    let tags = |asked| {
        let page = machine.run(machine.registry.tags(&asked, None, None)).unwrap();
        page.items.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(tags(asked("app")), ["own"]);
    assert_eq!(tags(as_user("app", "owner")), ["1", "empty", "own"]);
}
