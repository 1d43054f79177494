//! An engine that answers as docker and podman were recorded to, and misbehaves when told to.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use dockless_oci::Digest;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinHandle;

use super::super::name::EngineName;

const DOCKER_VERSION: &str = r#"{"Platform":{"Name":""},"Components":[{"Name":"Engine","Version":"20.10.24+dfsg1","Details":{"ApiVersion":"1.41","Os":"linux"}},{"Name":"containerd","Version":"1.6.20~ds1","Details":{"GitCommit":"1.6.20~ds1-1+deb12u3"}}],"Version":"20.10.24+dfsg1","ApiVersion":"1.41","MinAPIVersion":"1.12"}"#;
const PODMAN_VERSION: &str = r#"{"Platform":{"Name":"linux/amd64/debian-12"},"Components":[{"Name":"Podman Engine","Version":"4.3.1","Details":{"APIVersion":"4.3.1"}},{"Name":"Conmon","Version":"2.1.6"}],"Version":"4.3.1","ApiVersion":"1.41"}"#;

/// An image of the fake.
#[derive(Clone)]
pub(super) struct Picture {
    pub(super) config: Vec<u8>,
    pub(super) layers: Vec<Vec<u8>>,
    pub(super) names: Vec<&'static str>,
}

/// What the fake does instead of what it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// Nothing else.
    Well,
    /// Takes a request for a path that contains this, and never answers.
    Hangs(&'static str),
    /// Answers 500.
    Fails,
    /// Answers a request for a path that contains this with such a status.
    Says(&'static str, u16),
    /// Speaks something else.
    Foreign,
    /// Closes the connection without a word.
    Closes,
    /// Sends so many bytes of an export and closes.
    Cuts(usize),
    /// Sends an export that is none.
    Garbage,
    /// Sends an export without the last layer.
    Lacks,
    /// Turns a bit in the last layer.
    Turns,
}

/// In which form images are exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Folders with a `layer.tar`, as docker before 25; a repeated layer is a link.
    Folders,
    /// An OCI layout with a `manifest.json`, as docker since 25.
    Layout,
}

pub(super) struct Fake {
    pub(super) images: Mutex<Vec<Picture>>,
    pub(super) manner: Mutex<Manner>,
    pub(super) form: Form,
    pub(super) podman: bool,
    /// Where it says that its directory is.
    pub(super) root: PathBuf,
    pub(super) saves: AtomicUsize,
    /// How often all of its images were listed.
    pub(super) lists: AtomicUsize,
    /// How often it was asked what it is.
    pub(super) versions: AtomicUsize,
    /// A request that hangs has come.
    pub(super) hanging: Notify,
    /// An export needs one permit before its last byte.
    pub(super) gate: Semaphore,
    /// The archive that was loaded last.
    pub(super) loaded: Mutex<Vec<u8>>,
    /// A client closed the connection in the middle of an export.
    pub(super) given_up: Notify,
}

/// A running fake; stops when dropped.
pub(super) struct Running {
    task: JoinHandle<()>,
    path: PathBuf,
}

impl Running {
    pub(super) fn new(task: JoinHandle<()>, path: &Path) -> Self {
        Self { task, path: path.to_owned() }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
        #[expect(clippy::disallowed_methods, reason = "the socket of the fake")]
        let _gone_with_its_directory = std::fs::remove_file(&self.path);
    }
}

impl Picture {
    pub(super) fn new(layers: &[&[u8]], names: &[&'static str]) -> Self {
        let layers: Vec<_> = layers.iter().map(|layer| layer.to_vec()).collect();
        let diff_ids: Vec<_> = layers.iter().map(|layer| format!("\"{}\"", Digest::sha256(layer))).collect();
        let config = format!(r#"{{"rootfs":{{"type":"layers","diff_ids":[{}]}}}}"#, diff_ids.join(","));
        Self { config: config.into(), layers, names: names.to_vec() }
    }

    pub(super) fn id(&self) -> Digest {
        Digest::sha256(&self.config)
    }

    pub(super) fn digests(&self) -> Vec<Digest> {
        self.layers.iter().map(|layer| Digest::sha256(layer)).collect()
    }

    fn row(&self) -> String {
        let names: Vec<_> = self.names.iter().map(|name| format!("{name:?}")).collect();
        let digests = r#""RepoDigests":["app@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"]"#;
        format!(r#""Containers":-1,"Id":"{}",{digests},"RepoTags":[{}],"Size":3"#, self.id(), names.join(","))
    }

    fn inspected(&self) -> String {
        let digests: Vec<_> = self.digests().iter().map(|digest| format!("\"{digest}\"")).collect();
        format!(
            r#"{{{},"Config":{{"Env":null}},"RootFS":{{"Type":"layers","Layers":[{}]}}}}"#,
            self.row(),
            digests.join(",")
        )
    }
}

impl Fake {
    pub(super) fn new(images: Vec<Picture>) -> Self {
        Self {
            images: Mutex::new(images),
            manner: Mutex::new(Manner::Well),
            form: Form::Folders,
            podman: false,
            root: "/nowhere/at/all".into(),
            saves: AtomicUsize::new(0),
            lists: AtomicUsize::new(0),
            versions: AtomicUsize::new(0),
            hanging: Notify::new(),
            gate: Semaphore::new(Semaphore::MAX_PERMITS),
            loaded: Mutex::default(),
            given_up: Notify::new(),
        }
    }

    #[expect(clippy::disallowed_methods, reason = "the fake is no part of the node")]
    pub(super) fn start(self: &Arc<Self>, path: &Path) -> Running {
        let listener = UnixListener::bind(path).unwrap();
        let fake = self.clone();
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let fake = fake.clone();
                connections.spawn(async move { fake.serve(stream).await });
            }
        });
        Running::new(task, path)
    }

    pub(super) fn behave(&self, manner: Manner) {
        *self.manner.lock().unwrap() = manner;
    }

    pub(super) fn saves(&self) -> usize {
        self.saves.load(Ordering::SeqCst)
    }

    async fn serve(&self, mut stream: UnixStream) {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            if stream.read(&mut byte).await.unwrap_or(0) == 0 {
                return;
            }
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap();
        if head.starts_with("POST /images/load?quiet=1 ") {
            return self.load(&mut stream).await;
        }
        let path = head.strip_prefix("GET ").unwrap().split(' ').next().unwrap().to_owned();
        let manner = *self.manner.lock().unwrap();
        match manner {
            Manner::Hangs(what) if path.contains(what) => {
                self.hanging.notify_one();
                return std::future::pending().await;
            }
            Manner::Foreign => {
                let _ = stream.write_all(b"\0\0\x06\x04\0\0\0\0\0\0\x05\0\0@\0").await;
                return;
            }
            Manner::Closes => return,
            Manner::Fails => return answer(&mut stream, 500, r#"{"message":"the disk is on fire"}"#).await,
            Manner::Says(what, status) if path.contains(what) => {
                return answer(&mut stream, status, r#"{"message":"file integrity checksum failed"}"#).await;
            }
            _ => {}
        }
        if path == "/version" {
            self.versions.fetch_add(1, Ordering::SeqCst);
        }
        if let Some(id) = path.strip_suffix("/get") {
            return self.save(&mut stream, id.strip_prefix("/images/").unwrap(), manner).await;
        }
        let (status, body) = self.json(&path);
        answer(&mut stream, status, &body).await;
    }

    /// Takes a body in chunks.
    async fn load(&self, stream: &mut UnixStream) {
        let (mut stream, mut body) = (tokio::io::BufReader::new(stream), Vec::new());
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).await.unwrap();
            let length = u64::from_str_radix(line.trim(), 16).unwrap();
            (&mut stream).take(length).read_to_end(&mut body).await.unwrap();
            stream.read_line(&mut line).await.unwrap();
            if length == 0 {
                break;
            }
        }
        *self.loaded.lock().unwrap() = body;
        let said = match *self.manner.lock().unwrap() {
            Manner::Lacks => r#"{"errorDetail":{"message":"invalid diffID"},"error":"invalid diffID"}"#,
            _ => "",
        };
        let said = format!("{{\"stream\":\"Loading\"}}\n{said}\n");
        answer(stream.get_mut(), 200, &said).await;
    }

    fn json(&self, path: &str) -> (u16, String) {
        let images = self.images.lock().unwrap();
        match path {
            "/version" => (200, if self.podman { PODMAN_VERSION } else { DOCKER_VERSION }.to_owned()),
            "/info" => (
                200,
                format!(
                    r#"{{"Driver":"overlay2","DriverStatus":[["Backing Filesystem","extfs"]],"DockerRootDir":{:?}}}"#,
                    self.root
                ),
            ),
            "/images/json" => {
                self.lists.fetch_add(1, Ordering::SeqCst);
                let rows: Vec<_> = images.iter().map(|image| format!("{{{}}}", image.row())).collect();
                (200, format!("[{}]", rows.join(",")))
            }
            _ => {
                let name = path.strip_prefix("/images/").unwrap().strip_suffix("/json").unwrap();
                let asked = EngineName::parse(name);
                let found = images.iter().find(|image| {
                    image.id().as_str() == name
                        || image.names.iter().any(|name| asked.is_some() && EngineName::parse(name) == asked)
                });
                match found {
                    Some(image) => (200, image.inspected()),
                    None => (404, format!(r#"{{"message":"no such image: {name}"}}"#)),
                }
            }
        }
    }

    async fn save(&self, stream: &mut UnixStream, id: &str, manner: Manner) {
        self.saves.fetch_add(1, Ordering::SeqCst);
        let image = self.images.lock().unwrap().iter().find(|image| image.id().as_str() == id).cloned();
        let Some(mut image) = image else {
            return answer(stream, 404, r#"{"message":"no such image"}"#).await;
        };
        match manner {
            Manner::Lacks => drop(image.layers.pop()),
            Manner::Turns => image.layers.last_mut().unwrap()[0] ^= 1,
            _ => {}
        }
        let mut archive = match manner {
            Manner::Garbage => vec![b'x'; 5000],
            _ => export(&image, id, self.form),
        };
        let whole = archive.len();
        if let Manner::Cuts(at) = manner {
            archive.truncate(at);
        }
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/x-tar\r\nTransfer-Encoding: chunked\r\n\r\n";
        let mut parts = vec![head.as_bytes().to_vec()];
        parts.extend(
            archive
                .chunks(70_000)
                .map(|part| [format!("{:x}\r\n", part.len()).as_bytes(), part, b"\r\n"].concat()),
        );
        for part in parts {
            if stream.write_all(&part).await.is_err() {
                return self.given_up.notify_one();
            }
        }
        if whole != archive.len() {
            return;
        }
        tokio::select! {
            permit = self.gate.acquire() => permit.unwrap().forget(),
            // Nothing more is sent by a client: what ends is the connection.
            _ = stream.read_u8() => return self.given_up.notify_one(),
        }
        let _ = stream.write_all(b"0\r\n\r\n").await;
    }
}

async fn answer(stream: &mut UnixStream, status: u16, body: &str) {
    let head = format!(
        "HTTP/1.1 {status} Word\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let _ = stream.write_all(head.as_bytes()).await;
    let _ = stream.write_all(body.as_bytes()).await;
}

/// One entry of a tar archive.
pub(super) fn entry(name: &str, kind: u8, bytes: &[u8]) -> Vec<u8> {
    let mut entry = vec![0; 512];
    entry[..name.len()].copy_from_slice(name.as_bytes());
    entry[124..135].copy_from_slice(format!("{:011o}", bytes.len()).as_bytes());
    entry[156] = kind;
    entry[148..156].fill(b' ');
    let sum: u32 = entry.iter().map(|byte| u32::from(*byte)).sum();
    entry[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    entry.extend_from_slice(bytes);
    entry.resize(entry.len().next_multiple_of(512), 0);
    entry
}

fn export(image: &Picture, id: &str, form: Form) -> Vec<u8> {
    let hex = id.strip_prefix("sha256:").unwrap();
    let mut archive = Vec::new();
    for (number, layer) in image.layers.iter().enumerate() {
        let repeated = image.layers[..number].contains(layer);
        match form {
            Form::Folders => {
                archive.extend(entry(&format!("{number}/"), b'5', b""));
                archive.extend(entry(&format!("{number}/VERSION"), b'0', b"1.0"));
                archive.extend(entry(&format!("{number}/json"), b'0', br#"{"id":"x"}"#));
                let (kind, bytes) = if repeated { (b'2', &b""[..]) } else { (b'0', &layer[..]) };
                archive.extend(entry(&format!("{number}/layer.tar"), kind, bytes));
            }
            Form::Layout if repeated => {}
            Form::Layout => {
                archive.extend(entry(&format!("blobs/sha256/{}", Digest::sha256(layer).hex()), b'0', layer));
            }
        }
    }
    let config = if form == Form::Folders { format!("{hex}.json") } else { format!("blobs/sha256/{hex}") };
    archive.extend(entry(&config, b'0', &image.config));
    if form == Form::Layout {
        archive.extend(entry("index.json", b'0', b"{}"));
        archive.extend(entry("oci-layout", b'0', br#"{"imageLayoutVersion":"1.0.0"}"#));
    }
    archive.extend(entry("manifest.json", b'0', b"[]"));
    archive.extend(vec![0; 1024]);
    archive
}
