//! A machine with a docker, and a node that serves it.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use dockless_oci::Digest;
use dockless_testkit::process::Options;
use serde_json::Value;

use crate::inside::layout::GREETING;
use crate::inside::tool::Tool;
use crate::inside::{Dockerd, DockerdOptions, Node, Room};

/// How often at most something is looked at that must come, and how long between: half a minute in all.
const LOOKS_MAX: usize = 300;
const PAUSE: Duration = Duration::from_millis(100);

/// A docker, and the room that it lives in.
pub(super) struct Machine {
    pub(super) engine: Dockerd,
    pub(super) room: Room,
}

impl Machine {
    pub(super) fn new() -> Self {
        Self::with(&DockerdOptions::default())
    }

    pub(super) fn with(options: &DockerdOptions<'_>) -> Self {
        let room = Room::new();
        Self { engine: Dockerd::with(&room, options), room }
    }

    /// Its client.
    pub(super) fn docker(&self, words: &str) -> Tool {
        self.engine.docker(&self.room).words(words)
    }

    /// Builds an image that prints the greeting when it runs; other seeds make other images.
    pub(super) fn build(&self, name: &str, seed: u64) {
        let context = self.room.context(seed);
        let text = fs::read_to_string(context.join("Containerfile")).unwrap();
        self.build_in(&context, &text, name);
    }

    /// Builds an image of one layer more than another one has.
    pub(super) fn build_on(&self, base: &str, name: &str, text: &str) {
        let context = self.room.path("context-on");
        fs::create_dir_all(&context).unwrap();
        fs::write(context.join("more"), text).unwrap();
        self.build_in(&context, &format!("FROM {base}\nCOPY more /more\n"), name);
    }

    /// Builds what a Containerfile says, without a name where there is none.
    pub(super) fn build_in(&self, context: &PathBuf, text: &str, name: &str) -> String {
        let file = context.join("Containerfile");
        fs::write(&file, text).unwrap();
        let build = self.docker("build --quiet --network none --file").arg(file);
        let build = if name.is_empty() { build } else { build.arg("--tag").arg(name) };
        build.env("DOCKER_BUILDKIT", "0").arg(context).ok().trim().to_owned()
    }

    /// The id of an image.
    pub(super) fn id(&self, image: &str) -> String {
        self.docker("image inspect --format {{.Id}}").arg(image).ok().trim().to_owned()
    }

    /// Runs an image and checks that it says what it should.
    pub(super) fn runs(&self, image: &str) {
        assert_eq!(self.docker("run --rm --network none").arg(image).ok().trim(), GREETING, "{image}");
    }

    /// What `docker images` lists, but images without a name: repositories as a node spells them, with their tags.
    pub(super) fn listed(&self) -> BTreeSet<(String, String)> {
        let listed = self.docker("images --format {{.Repository}}|{{.Tag}}").ok();
        let rows = listed.lines().map(|line| line.split_once('|').unwrap());
        rows.filter(|(repository, _)| *repository != "<none>")
            .map(|(repository, tag)| (repository.replacen(':', "_", 1), tag.to_owned()))
            .collect()
    }
}

/// A node that serves these engines.
pub(super) fn serve(engines: &[&str], further: &[&str]) -> Node {
    Node::with(&options(engines, further))
}

/// How a node is started that serves these engines.
pub(super) fn options(engines: &[&str], further: &[&str]) -> Options {
    let mut arguments: Vec<String> = further.iter().map(|text| (*text).to_owned()).collect();
    arguments.extend(engines.iter().flat_map(|engine| ["--engine".to_owned(), (*engine).to_owned()]));
    Options { arguments, ..Options::default() }
}

/// What a node answers for a tag: the digest of the manifest, and its config and layers with their sizes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Shown {
    pub(super) digest: Digest,
    pub(super) config: (String, u64),
    pub(super) layers: Vec<(String, u64)>,
}

impl Shown {
    #[track_caller]
    pub(super) fn of(node: &Node, repository: &str, reference: &str) -> Self {
        let (digest, bytes) = node.manifest(repository, reference);
        let manifest: Value = serde_json::from_slice(&bytes).unwrap();
        let part =
            |value: &Value| (value["digest"].as_str().unwrap().to_owned(), value["size"].as_u64().unwrap());
        let layers = manifest["layers"].as_array().unwrap().iter().map(part).collect();
        Self { digest, config: part(&manifest["config"]), layers }
    }

    /// The bytes of config and layers.
    pub(super) fn total(&self) -> u64 {
        self.config.1 + self.layers.iter().map(|(_, size)| size).sum::<u64>()
    }
}

/// Looks until `look` gives something; how long that took.
#[track_caller]
pub(super) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> (T, Duration) {
    let began = Instant::now();
    for _ in 0..LOOKS_MAX {
        if let Some(found) = look() {
            return (found, began.elapsed());
        }
        std::thread::sleep(PAUSE);
    }
    panic!("{what}: not within {:?}", began.elapsed());
}

/// The tags of a repository as the node lists them.
#[track_caller]
pub(super) fn tags(node: &Node, repository: &str) -> Vec<String> {
    strings(&node.get(&format!("/v2/{repository}/tags/list")).expect(200).json()["tags"])
}

/// The repositories that the node lists.
#[track_caller]
pub(super) fn repositories(node: &Node) -> Vec<String> {
    strings(&node.get("/v2/_catalog").expect(200).json()["repositories"])
}

fn strings(list: &Value) -> Vec<String> {
    list.as_array().unwrap().iter().map(|value| value.as_str().unwrap().to_owned()).collect()
}
