//! The rows of engines: an image goes from one docker to another, through a node, a pipe, or a registry.
//!
//! Both are dockerd of this machine with a data directory each. Before each way the receiver is emptied and the sender
//! loaded anew, since what was read once is read again without its access time being written; and what is still to be
//! written is, before the clock runs. Each way brings the whole image, then the same image with another last layer, for
//! which it may use what the first one left.

mod docker;
mod image;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use self::docker::Docker;
use self::image::Image;
use super::measure::{self, Used};
use super::servers::{self, Server};
use super::table::{Row, Rule, Table};
use super::{Plan, driver};

/// The words that `only=` may be part of.
const WORDS: &str = "engine image of MB time to image CPU written into files last layer changed";
/// The way without a registry, as the table names it.
const PIPE: &str = "docker save, load";

/// Whether these rows are to be measured; an error names what they need and this machine lacks.
pub(crate) fn wanted(plan: &Plan) -> Result<bool, String> {
    let wanted = WORDS.contains(&plan.only);
    if wanted {
        docker::programs()?;
    }
    Ok(wanted)
}

/// The dockers, and what is brought from one to the other.
struct Scene {
    folder: PathBuf,
    /// The images, as `docker load` takes them.
    archive: PathBuf,
    sender: Docker,
    receiver: Docker,
    images: [Image; 2],
}

/// How an image comes from one docker to the other.
enum Way {
    Pipe,
    /// Pushed to a registry, pulled from there.
    Registry(Server),
    /// Pulled from a node that serves the sender.
    Node(Server),
}

/// What one transfer took.
struct Taken {
    seconds: f64,
    /// The sending dockerd, whatever serves, and the clients.
    sending: Used,
    receiving: Used,
}

/// Time, CPU and bytes written, for the whole image and for a changed last layer.
pub(crate) fn rows(root: &Path, plan: &Plan, table: &mut Table) -> Result<(), String> {
    if !wanted(plan)? {
        return Ok(());
    }
    let scene = Scene::make(plan.scratch.join("engines"))?;
    let [first, second] = &scene.images;
    let mut groups = [
        rows_of(&format!("engine: image of {:.0} MB", first.bytes as f64 / 1e6)),
        rows_of(&format!("engine: image with another last layer of {:.0} MB", second.top_bytes as f64 / 1e6)),
    ];
    for round in 0..plan.rounds {
        let folder = scene.folder.join(format!("round{round}"));
        std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
        for way in [0, 1, 2] {
            scene.prepare()?;
            let way = scene.way(way, root, &folder, table)?;
            for (image, rows) in scene.images.iter().zip(&mut groups) {
                let taken = scene.bring(&way, image)?;
                for (row, figure) in rows.iter_mut().zip(taken.figures()) {
                    row.add(way.name(), figure);
                }
            }
        }
    }
    groups.into_iter().flatten().for_each(|row| table.push(row));
    Ok(())
}

fn rows_of(name: &str) -> [Row; 4] {
    let bar = |text, rule| Some((text, rule));
    [
        Row::new(
            &format!("{name}, time to image"),
            "s",
            bar("<= 1.0 x each other way", Rule::MostTimesEach(1.0)),
        ),
        Row::new(
            &format!("{name}, CPU without the receiving dockerd"),
            "CPU s of sending dockerd, registry, clients",
            None,
        ),
        Row::new(&format!("{name}, CPU of all"), "CPU s of both dockerd, registry, clients", None),
        Row::new(
            &format!("{name}, written into files on the sending side"),
            "MB, by dockerd, registry, clients",
            bar("<= 1 MB", Rule::Most(1.0)),
        ),
    ]
}

impl Taken {
    /// In the order of the rows.
    fn figures(&self) -> [f64; 4] {
        let cpu = self.sending.cpu_seconds;
        [self.seconds, cpu, cpu + self.receiving.cpu_seconds, self.sending.written_bytes / 1e6]
    }
}

impl Scene {
    fn make(folder: PathBuf) -> Result<Self, String> {
        let [sender, receiver] = ["sender", "receiver"].map(|name| Docker::start(folder.join(name)));
        let (sender, receiver) = (sender?, receiver?);
        let archive = folder.join("images.tar");
        let images = image::write(&archive)?;
        Ok(Self { folder, archive, sender, receiver, images })
    }

    /// The images are on the sender, and there nothing else; on the receiver nothing is.
    fn prepare(&self) -> Result<(), String> {
        self.receiver.empty()?;
        self.sender.empty()?;
        driver::run(self.sender.client(&["load", "--input"]).arg(&self.archive))
    }

    /// A way, with what it needs started and empty.
    fn way(&self, number: usize, root: &Path, folder: &Path, table: &mut Table) -> Result<Way, String> {
        match number {
            0 => Ok(Way::Pipe),
            1 => Ok(Way::Registry(servers::docker_registry(folder)?)),
            _ => {
                let data = folder.join("dockless");
                let node = servers::dockless_with(root, &data, &["--engine", &self.sender.address()])?;
                table.about.insert("engines", said_of_engine(root, &data)?);
                Ok(Way::Node(node))
            }
        }
    }

    fn bring(&self, way: &Way, image: &Image) -> Result<Taken, String> {
        driver::run(&mut Command::new("sync"))?;
        let name = way.name_of(image);
        let before = self.used(way)?;
        let begun = Instant::now();
        match way {
            Way::Pipe => self.pipe(image)?,
            Way::Registry(_) => {
                self.sender.run(&["tag", image.name, &name])?;
                self.sender.run(&["push", "--quiet", &name])?;
                self.receiver.run(&["pull", "--quiet", &name])?;
            }
            Way::Node(_) => self.receiver.run(&["pull", "--quiet", &name])?,
        }
        let seconds = begun.elapsed().as_secs_f64();
        let after = self.used(way)?;
        let id = self.receiver.says(&["image", "inspect", "--format", "{{.Id}}", &name])?;
        if id != image.id {
            return Err(format!("{}: {name} arrived as {id} instead of {}", way.name(), image.id));
        }
        let [sending, receiving] = [0, 1].map(|side| after[side].since(before[side]));
        Ok(Taken { seconds, sending, receiving })
    }

    fn pipe(&self, image: &Image) -> Result<(), String> {
        let mut save = self.sender.client(&["save", image.name]);
        let mut saving = save.stdout(Stdio::piped()).spawn().map_err(|error| format!("{save:?}: {error}"))?;
        let pipe = saving.stdout.take().ok_or("a child without its pipe")?;
        let loaded = driver::run(self.receiver.client(&["load", "--quiet"]).stdin(pipe));
        let saved = saving.wait().map_err(|error| format!("{save:?}: {error}"))?;
        loaded?;
        if saved.success() { Ok(()) } else { Err(format!("{save:?}: {saved}")) }
    }

    /// What the sending side with all clients, and the receiving dockerd, have used so far.
    fn used(&self, way: &Way) -> Result<[Used; 2], String> {
        let mut sending = measure::used(self.sender.pid())?.and(measure::used_by_children()?);
        if let Some(server) = way.server() {
            sending = sending.and(measure::used(server.pid())?);
        }
        Ok([sending, measure::used(self.receiver.pid())?])
    }
}

impl Way {
    /// As the table names it.
    fn name(&self) -> &'static str {
        self.server().map_or(PIPE, |server| server.name)
    }

    fn server(&self) -> Option<&Server> {
        match self {
            Self::Pipe => None,
            Self::Registry(server) | Self::Node(server) => Some(server),
        }
    }

    /// What the image is called where it arrives.
    fn name_of(&self, image: &Image) -> String {
        let name = image.name;
        self.server().map_or(name.to_owned(), |server| format!("{}/{name}", server.address))
    }
}

/// Which engine it is, and whether its layers are read where they lie: `dockless engines` tells when they are not.
fn said_of_engine(root: &Path, data: &Path) -> Result<String, String> {
    let mut command = Command::new(root.join("target/release/dockless"));
    command.arg("engines").arg("--json").arg("--data").arg(data);
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    let answer: serde_json::Value =
        serde_json::from_slice(&output.stdout).map_err(|error| format!("{command:?}: {error}"))?;
    let engine = &answer["engines"][0];
    let kind = engine["description"].as_str().ok_or(format!("{command:?}: no engine in {answer}"))?;
    Ok(format!("{kind}; {}", engine["note"].as_str().unwrap_or("layers are read where they lie")))
}
