//! Engines that stop, hang or are not there: the rest goes on, what fails says why, and they are back when they are.

use std::time::{Duration, Instant};

use dockless_testkit::Answer;
use dockless_testkit::client::Ask;
use futures_util::future::join_all;

use super::scene::{Machine, Shown, serve, until};
use crate::inside::tool::says;
use crate::inside::{Dockerd, Flavour, Layout, Node};

/// How long what does not need an engine may take beside one that hangs, on a loaded machine: far less than such an
/// engine is waited for.
const SOON: Duration = Duration::from_secs(5);
/// How long after an engine is back a pull may still fail.
const BACK_WITHIN: Duration = Duration::from_secs(8);
/// A socket that is not there.
const NOWHERE: &str = "unix:///nowhere/docker.sock";

#[track_caller]
fn soon<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let began = Instant::now();
    let result = work();
    assert!(began.elapsed() < SOON, "{what} took {:?}", began.elapsed());
    result
}

/// Checks that the node says, in these words, why it cannot answer now.
#[track_caller]
fn refused(answer: &Answer, words: &[&str]) {
    let said = String::from_utf8_lossy(&answer.body);
    assert_eq!(answer.status, 503, "{said}");
    says(&said, words);
}

/// Checks that readiness and `dockless engines` tell of `engine`, in these words, and of no other.
#[track_caller]
fn is_shown(node: &Node, engine: &str, words: &[&str]) {
    let ready = String::from_utf8(node.get("/readyz").expect(200).body.to_vec()).unwrap();
    says(&ready, &[engine]);
    says(&ready, words);
    let engines = node.verb("engines").ok();
    let row = engines.lines().find(|line| line.contains(engine)).unwrap_or_default().to_owned();
    assert!(["  down ", "  rests "].iter().any(|word| row.contains(word)), "{engines}");
    says(&engines, words);
}

/// A node beside engines, with an image of its own.
fn node_with_own(machine: &Machine, engines: &[&str]) -> Node {
    let node = serve(engines, &[]);
    let mut layout = Layout::new(machine.room.path("layout"));
    let stored = layout.runnable("v1", Flavour::Docker, 1);
    node.push("own/app", "v1", &layout, &stored);
    node
}

#[test]
fn a_docker_that_is_stopped_is_named_and_its_images_are_back_with_it() {
    let (mut one, other) = (Machine::new(), Machine::new());
    one.build("one/app:1", 3);
    other.build("other/app:1", 4);
    let host = one.engine.host().to_owned();
    let alone = node_with_own(&one, &[&host]);
    let both = serve(&[&host, other.engine.host(), NOWHERE], &[]);
    let shown = Shown::of(&alone, "one/app", "1");
    assert_eq!(Shown::of(&both, "one/app", "1"), shown);
    is_shown(&both, NOWHERE, &["no such socket"]);

    one.engine.stop();
    for _ in 0..5 {
        refused(&alone.get("/v2/one/app/manifests/1"), &[&host, "is it running?"]);
    }
    is_shown(&alone, &host, &["is it running?"]);
    is_shown(&both, &host, &["is it running?"]);
    let _ = soon("own content", || alone.manifest("own/app", "v1"));
    let pull = || other.docker("pull").arg(both.image("other/app:1")).ok();
    soon("what another docker has", pull);
    // Who answers says that it does not have it.
    both.get("/v2/one/app/manifests/1").expect_error(404, "MANIFEST_UNKNOWN");

    one.engine = Dockerd::start(&one.room, None);
    let back = || (alone.get("/v2/one/app/manifests/1").status == 200).then_some(());
    let ((), took) = until("the docker that runs again", back);
    assert!(took < BACK_WITHIN, "it took {took:?}");
    assert_eq!(Shown::of(&alone, "one/app", "1"), shown);
    other.docker("pull").arg(alone.image("one/app:1")).ok();
    let ready = alone.get("/readyz").expect(200).json();
    assert_eq!(ready["warnings"].as_array().map_or(0, Vec::len), 0, "{ready}");
}

#[test]
fn a_docker_that_hangs_holds_nothing_else_up_and_is_back_when_it_goes_on() {
    let (one, other) = (Machine::new(), Machine::new());
    one.build("one/app:1", 3);
    other.build("other/app:1", 4);
    let host = one.engine.host().to_owned();
    let alone = node_with_own(&one, &[&host]);
    let both = serve(&[&host, other.engine.host()], &[]);
    let shown = Shown::of(&alone, "one/app", "1");
    assert_eq!(Shown::of(&both, "one/app", "1"), shown);

    one.engine.hang();
    let _ = soon("own content", || alone.manifest("own/app", "v1"));
    let pull = || other.docker("pull").arg(both.image("other/app:1")).ok();
    soon("what another docker has", pull);
    // At once, so that each of them finds it hanging and the node then does not ask it for a while.
    let asks = ["1", "2", "3", "4"].map(|tag| format!("/v2/one/app/manifests/{tag}"));
    let asks = asks.each_ref().map(|target| alone.client().get(target));
    for answer in alone.block_on(join_all(asks.map(Ask::send))) {
        refused(&answer, &[&host, "does it hang?"]);
    }
    is_shown(&alone, &host, &["did not "]);
    let _ = soon("own content", || alone.manifest("own/app", "v1"));

    one.engine.go_on();
    let back = || (alone.get("/v2/one/app/manifests/1").status == 200).then_some(());
    let ((), took) = until("the docker that goes on", back);
    assert!(took < BACK_WITHIN, "it took {took:?}");
    assert_eq!(Shown::of(&alone, "one/app", "1"), shown);
    other.docker("pull").arg(both.image("one/app:1")).ok();
}
