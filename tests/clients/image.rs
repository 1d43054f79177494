//! The node's own image: loaded and run by docker and by podman with an engine's socket mounted, and pulled from.

use std::path::PathBuf;

use crate::inside::layout::GREETING;
use crate::inside::network::Network;
use crate::inside::tool::{Tool, says};
use crate::inside::{Dockerd, DockerdOptions, PodmanService, Room};

/// What the node calls the engine whose socket it finds.
const ENGINE: &str = "unix:///var/run/docker.sock";

/// The image as `cargo xtask image` wrote it.
pub(crate) fn archive() -> PathBuf {
    let path = std::env::var_os("DOCKLESS_IMAGE").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/image/dockless-dev.tar")),
        PathBuf::from,
    );
    assert!(path.is_file(), "there is no {}: run `cargo xtask image --profile=dev`", path.display());
    path
}

/// A dockerd as it comes, with its bridge and its rules for packets, in a namespace that they do not leave.
#[track_caller]
pub(crate) fn routed(room: &Room, network: &Network) -> Dockerd {
    let arguments = &["--bridge=docker0", "--iptables=true"];
    Dockerd::with(room, &DockerdOptions { network: Some(network.name()), arguments, ..Default::default() })
}

/// A program of a room, in a namespace.
fn there(room: &Room, network: &Network, program: &str) -> Tool {
    room.tool("nsenter").arg(format!("--net=/run/netns/{}", network.name())).arg(program)
}

fn podman(room: &Room, network: &Network) -> Tool {
    there(room, network, "podman").arg("--tmpdir").arg(room.path("run/libpod"))
}

/// A container of podman's called `node`, which no daemon ends with the test.
struct Running<'a>(&'a Room, &'a Network);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let _ = podman(self.0, self.1).words("rm --force --time 5 node").run();
    }
}

/// Waits until `ask` prints `answer`.
#[track_caller]
fn wait(answer: &str, ask: impl Fn() -> Tool) {
    for _ in 0..300 {
        let said = ask().run();
        if said.succeeded() && said.ok().trim() == answer {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    panic!("not {answer} after half a minute: {}", ask().run());
}

#[test]
fn docker_runs_it_and_another_docker_pulls_what_the_first_has() {
    let (network, room, other_room) = (Network::new(), Room::new(), Room::new());
    // First: a dockerd that is to have no bridge removes the one that it finds.
    let other = Dockerd::start(&other_room, Some(network.name()));
    let engine = routed(&room, &network);
    let docker = |words: &str| engine.docker(&room).words(words);
    let context = room.context(5);
    let build = docker("build --quiet --tag you/app:1 --file").env("DOCKER_BUILDKIT", "0");
    let id = build.arg(context.join("Containerfile")).arg(&context).ok();
    says(&docker("load --input").arg(archive()).ok(), &["Loaded image: dockless:latest"]);

    let socket = format!("{}:/var/run/docker.sock", engine.host().trim_start_matches("unix://"));
    let run =
        |words: &str| docker("run --detach --publish 5000:5000 --volume").arg(&socket).words(words).ok();
    run("--name node --read-only --health-interval 1s --volume dockless:/var/lib/dockless \
         --env DOCKLESS_TLS_NAMES=registry.lan dockless");
    wait("healthy", || docker("inspect --format {{.State.Health.Status}} node"));

    let image = "127.0.0.1:5000/you/app:1";
    other.docker(&other_room).words("pull").arg(image).ok();
    assert_eq!(other.docker(&other_room).words("images --quiet --no-trunc").ok(), id, "it is another image");
    let greeting = other.docker(&other_room).words("run --rm --network none").arg(image).ok();
    assert_eq!(greeting.trim(), GREETING);
    says(
        &docker("exec node dockless engines").ok(),
        &[ENGINE, "answers", "docker 20.10", "overlay2", "exported"],
    );
    says(&docker("exec node dockless pulls").ok(), &["you/app@sha256:", &format!("engine {ENGINE}")]);

    // A wide address: TLS and nothing else, by the names that were given.
    let curl =
        |words: &str| there(&room, &network, "curl").words("--silent --show-error --fail").words(words);
    curl("--insecure https://127.0.0.1:5000/v2/").ok();
    says(&curl("http://127.0.0.1:5000/v2/").fails(), &["400"]);
    let show =
        "openssl s_client -connect 127.0.0.1:5000 </dev/null | openssl x509 -noout -ext subjectAltName";
    says(&there(&room, &network, "sh").arg("-c").arg(show).ok(), &["DNS:registry.lan"]);

    // What it keeps outlives it: the same authority, so that nobody must trust it anew. With docker's storage where
    // docker says that it is, layers are read where they lie.
    let logs = || docker("logs node").run().everything();
    let before = logs();
    let fingerprint = before.split("fingerprint=").nth(1).and_then(|rest| rest.lines().next()).unwrap();
    docker("rm --force node").ok();
    let storage = room.path("dockerd/root").display().to_string();
    run(&format!("--name node --volume dockless:/var/lib/dockless --volume {storage}:{storage}:ro dockless"));
    wait("healthy", || docker("exec node dockless healthcheck"));
    says(&logs(), &[fingerprint]);
    let engines = docker("exec node dockless engines").ok();
    assert!(engines.contains("overlay2") && !engines.contains("exported"), "{engines}");
}

#[test]
fn without_a_socket_it_is_a_registry_that_says_what_is_missing() {
    let (network, room) = (Network::new(), Room::new());
    let engine = routed(&room, &network);
    let docker = |words: &str| engine.docker(&room).words(words);
    docker("load --quiet --input").arg(archive()).ok();
    docker("run --detach --name node --publish 5000:5000 dockless").ok();
    wait("ready", || docker("exec node dockless healthcheck --ready"));
    says(&docker("exec node dockless engines").ok(), &[ENGINE, "down", "no such socket"]);
    let image = "127.0.0.1:5000/copy/dockless:1";
    docker("tag dockless").arg(image).ok();
    docker("push").arg(image).ok();
    says(&docker("exec node dockless ls").ok(), &["copy/dockless"]);
}

#[test]
fn podman_runs_it_and_serves_its_own_images() {
    let (network, room, other) = (Network::new(), Room::new(), Room::new());
    let service = PodmanService::start(&room);
    let podman_there = |words: &str| podman(&room, &network).words(words);
    podman_there("build --quiet --tag app:1").arg(room.context(5)).ok();
    podman_there("load --quiet --input").arg(archive()).ok();
    let socket = format!("{}:/var/run/docker.sock", service.address().trim_start_matches("unix://"));
    let _running = Running(&room, &network);
    let run = podman_there("run --detach --name node --network host --volume").arg(socket);
    run.words("--volume dockless:/var/lib/dockless dockless").ok();
    wait("healthy", || podman_there("exec node dockless healthcheck"));

    let image = "127.0.0.1:5000/app:1";
    podman(&other, &network).words("pull --quiet --tls-verify=false").arg(image).ok();
    let greeting = podman(&other, &network).words("run --rm --network none --pull never").arg(image).ok();
    assert_eq!(greeting.trim(), GREETING);
    let id = |room: &Room, image: &str| {
        podman(room, &network).words("image inspect --format {{.Id}}").arg(image).ok()
    };
    assert_eq!(id(&other, image), id(&room, "localhost/app:1"), "it is another image");
    says(&podman_there("exec node dockless engines").ok(), &[ENGINE, "answers", "podman"]);
}
