//! The README as a newcomer follows it: its blocks are read from the page and run, in their order, by a shell.
//!
//! The machine of the README is a namespace with a loopback of its own, so that port 5000 is free, as there.

use std::fs;
use std::path::PathBuf;

use dockless_testkit::process::{Options, binary};

use crate::image;
use crate::inside::network::Network;
use crate::inside::tool::{Tool, says};
use crate::inside::{Containerd, Dockerd, Node, Room};

/// What stands between the fences of the `sh` blocks below a heading.
#[track_caller]
fn block(heading: &str) -> String {
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md")).unwrap();
    let section = page.split("\n## ").find(|section| section.lines().next() == Some(heading));
    let section = section.unwrap_or_else(|| panic!("the README has no section {heading:?}"));
    let blocks: Vec<&str> =
        section.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(!blocks.is_empty(), "{heading:?} has no block of commands");
    blocks.concat()
}

/// Where the commands of the README run.
struct Machine {
    room: Room,
    network: Network,
    engine: Dockerd,
    containerd: Containerd,
}

impl Machine {
    fn new() -> Self {
        let (room, network) = (Room::new(), Network::new());
        fs::create_dir(room.path("bin")).unwrap();
        std::os::unix::fs::symlink(binary(), room.path("bin/dockless")).unwrap();
        let engine = image::routed(&room, &network);
        let containerd = Containerd::start(&room);
        engine.build(&room, "you/app:1", 7);
        Self { room, network, engine, containerd }
    }

    /// A shell that ends at the first command that fails.
    fn shell(&self, commands: &str) -> Tool {
        let path = format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", self.room.path("bin").display());
        let tool = self.room.tool("nsenter").arg(format!("--net=/run/netns/{}", self.network.name()));
        tool.words("sh -ec")
            .arg(commands)
            .env("PATH", path)
            .env("DOCKER_HOST", self.engine.host())
            .env("CONTAINERD_ADDRESS", self.containerd.address())
            .env("DOCKLESS_DATA", self.data())
    }

    fn data(&self) -> PathBuf {
        self.room.path("node")
    }

    /// Runs commands beside a node that the README's own command started.
    #[track_caller]
    fn beside_a_node(&self, serve: &str, commands: &str) -> String {
        let serve = serve.replace("cargo run --release -- ", "dockless ");
        let wait = "for i in $(seq 100); do dockless healthcheck >/dev/null 2>&1 && break; sleep 0.1; done";
        self.shell(&format!("{serve} & node=$!\ntrap 'kill $node; wait $node' EXIT\n{wait}\n{commands}")).ok()
    }
}

#[test]
fn run_push_pull_and_look_around() {
    let machine = Machine::new();
    let commands = format!("{}\n{}", block("Push and pull"), block("Look around"));
    let said = machine.beside_a_node(block("Run it").trim(), &commands);
    says(&said, &["you/app", "stable"]);
}

#[test]
fn serve_what_docker_has() {
    let machine = Machine::new();
    let commands = block("Serve what docker has");
    let (serve, commands) = commands.split_once('\n').unwrap();
    let serve = serve.split('#').next().unwrap().trim();
    let served = serve.replace("unix:///var/run/docker.sock", machine.engine.host());
    assert_ne!(serve, served, "the block does not begin with the node that serves docker's socket");
    let room = Room::new();
    let other = Dockerd::start(&room, Some(machine.network.name()));
    let commands = format!("export DOCKER_HOST={}\n{commands}", other.host());
    let said = machine.beside_a_node(&served, &commands);
    let label = format!("engine {}", machine.engine.host());
    says(&said, &["Downloaded newer image for 127.0.0.1:5000/you/app:1", "answers", "overlay2", &label]);
    let images = |engine: &Dockerd, room: &Room| engine.docker(room).words("images --quiet --no-trunc").ok();
    assert_eq!(images(&other, &room), images(&machine.engine, &machine.room), "it is another image");
}

#[test]
fn in_a_container() {
    let machine = Machine::new();
    let commands = block("In a container");
    let (write, commands) = commands.split_once('\n').unwrap();
    // Not again: it was done for these tests, in the profile that takes less time.
    assert_eq!(write.split('#').next().unwrap().trim(), "cargo xtask image");
    let socket = machine.engine.host().trim_start_matches("unix://");
    let wait = "for i in $(seq 100); do docker exec dockless dockless healthcheck >/dev/null 2>&1 && break; sleep 0.1; done";
    let there = commands
        .replace("target/image/dockless.tar", &image::archive().display().to_string())
        .replace("/var/run/docker.sock:/", &format!("{socket}:/"))
        .replace("docker pull", &format!("{wait}\ndocker pull"));
    let said = machine.shell(&there).ok();
    let pulled = "Downloaded newer image for 127.0.0.1:5000/you/app:1";
    says(&said, &["Loaded image: dockless:latest", pulled, "answers", "overlay2"]);
}

#[test]
fn trust_a_node_on_another_machine() {
    let machine = Machine::new();
    let host = format!("{}:{}", machine.network.outside(), dockless_testkit::process::free_port());
    let commands = block("From other machines").replace("registry.lan:5000", &host);
    let mut lines = commands.lines().map(|line| line.split('#').next().unwrap().trim().to_owned());
    let htpasswd = lines.next().unwrap().replacen("htpasswd", "htpasswd -i", 1);
    machine.room.tool("sh").arg("-ec").arg(htpasswd).input("secret").ok();
    let users = format!("--htpasswd {}", machine.room.path("users").display());
    let serve = lines.next().unwrap().replace("0.0.0.0:5000", &host).replace("--htpasswd users", &users);
    let arguments = serve.strip_prefix("dockless serve ").unwrap().split(' ').map(str::to_owned).collect();
    let _node = Node::with(&Options { arguments, ..Options::default() });
    let mut there: Vec<String> = lines.collect();
    for line in &mut there {
        if line.starts_with("dockless trust") {
            line.push_str(" --yes");
        }
        if line.starts_with("docker login") {
            line.push_str(" --username you --password-stdin");
        }
    }
    let undo = format!("dockless trust {host} --undo --yes");
    let script = format!("trap '{undo}' EXIT\n{}", there.join("\n"));
    says(&machine.shell(&script).input("secret").ok(), &["Login Succeeded"]);
}
