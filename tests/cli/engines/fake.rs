//! A container engine on a unix socket that has one image, `app:1`, or accepts connections and says nothing.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dockless_oci::Digest;
use serde_json::json;
use tempfile::TempDir;

/// The longest wait for something that the node does by itself.
const WAIT_MAX: Duration = Duration::from_secs(60);
/// The name of a socket in its directory.
pub(super) const SOCKET: &str = "engine.sock";
/// The only layer: to a registry it is bytes like any other.
const LAYER: &[u8] = b"an empty layer, nearly";

/// The names of the image where it has several.
const NAMES: &[&str] = &["app:1", "public/free:1", "ghcr.io/public/app:1"];

/// What a fake does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// What it is asked.
    Well,
    /// The same, and its image has the names [`NAMES`].
    WithNames,
    /// It takes requests and never answers.
    Hangs,
}

/// A running fake. Its threads end with the test's process.
pub(super) struct Fake {
    directory: TempDir,
    loaded: Receiver<Vec<u8>>,
}

impl Fake {
    pub(super) fn start(manner: Manner) -> Self {
        Self::start_in(TempDir::with_prefix("dockless-engine-").unwrap(), manner)
    }

    /// One whose socket appears in this directory now.
    pub(super) fn start_in(directory: TempDir, manner: Manner) -> Self {
        let listener = UnixListener::bind(directory.path().join(SOCKET)).unwrap();
        let (loads, loaded) = sync_channel(8);
        let loads = Arc::new(Mutex::new(loads));
        #[expect(clippy::disallowed_methods, reason = "the fake is no part of the node")]
        std::thread::spawn(move || {
            let mut silent = Vec::new();
            for stream in listener.incoming().map_while(Result::ok) {
                match manner {
                    Manner::Hangs => silent.push(stream),
                    Manner::Well | Manner::WithNames => {
                        let names = if manner == Manner::Well { &NAMES[..1] } else { NAMES };
                        let loads = loads.lock().unwrap().clone();
                        #[expect(clippy::disallowed_methods, reason = "the fake is no part of the node")]
                        std::thread::spawn(move || answer(stream, names, &loads));
                    }
                }
            }
        });
        Self { directory, loaded }
    }

    /// How the node is told of it.
    pub(super) fn address(&self) -> String {
        format!("unix://{}", self.directory.path().join(SOCKET).display())
    }

    /// The digest of its layer.
    pub(super) fn layer(&self) -> Digest {
        Digest::sha256(LAYER)
    }

    /// Waits for an archive that is loaded.
    #[track_caller]
    pub(super) fn loaded(&self) -> Vec<u8> {
        self.loaded.recv_timeout(WAIT_MAX).expect("an image is loaded within a minute")
    }
}

/// Answers one request. Whoever asked may go away at any moment.
fn answer(stream: UnixStream, names: &[&str], loads: &SyncSender<Vec<u8>>) {
    let mut reader = BufReader::new(&stream);
    let mut head = Vec::new();
    while let Some(line) = line(&mut reader).filter(|line| !line.is_empty()) {
        head.push(line);
    }
    let path = head.first().and_then(|line| line.split(' ').nth(1)).unwrap_or_default();
    let config = config();
    let id = Digest::sha256(config.as_bytes());
    let image = json!({ "Id": id, "RepoTags": names, "RootFS": { "Layers": [Digest::sha256(LAYER)] } });
    let body = match path {
        "/version" => json!({ "Version": "20.10.24", "Components": [{ "Name": "Engine" }] }).to_string(),
        "/info" => json!({ "Driver": "vfs", "DockerRootDir": "/nowhere" }).to_string(),
        "/images/json" => json!([image]).to_string(),
        path if names.iter().any(|name| path.ends_with(&format!("{name}/json")))
            || path.contains(id.as_str()) && path.ends_with("/json") =>
        {
            image.to_string()
        }
        path if path.ends_with("/get") => archive(&config),
        path if path.starts_with("/images/load") => {
            // Nobody may be waiting for it.
            let _ = loads.send(chunks(&mut reader));
            json!({ "stream": "Loaded image" }).to_string()
        }
        _ => {
            let _ = (&stream).write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 15\r\nconnection: close\r\n\r\n{\"message\":\"x\"}");
            return;
        }
    };
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    let _ = (&stream).write_all(&[head.as_bytes(), body.as_bytes()].concat());
}

fn config() -> String {
    json!({ "os": "linux", "rootfs": { "type": "layers", "diff_ids": [Digest::sha256(LAYER)] } }).to_string()
}

/// The image as `docker save` writes it.
fn archive(config: &str) -> String {
    let manifest = json!([{ "Config": "config.json", "RepoTags": ["app:1"], "Layers": ["layer/layer.tar"] }]);
    let layer = std::str::from_utf8(LAYER).unwrap();
    let files =
        [("layer/layer.tar", layer), ("config.json", config), ("manifest.json", &manifest.to_string())];
    let mut archive: String = files.iter().map(|(name, text)| file(name, text)).collect();
    archive.push_str(&"\0".repeat(1024));
    archive
}

/// One file of a tar archive.
fn file(name: &str, text: &str) -> String {
    let mut header =
        format!("{name:\0<100}0000644\x000000000\x000000000\0{:011o}\x0000000000000\0", text.len());
    let rest = format!("0{:\0<100}ustar\x0000{:\0<247}", "", "");
    let sum: u32 = header.bytes().chain("        ".bytes()).chain(rest.bytes()).map(u32::from).sum();
    header.push_str(&format!("{sum:06o}\0 {rest}"));
    let filling = text.len().next_multiple_of(512) - text.len();
    format!("{header}{text}{}", "\0".repeat(filling))
}

/// A line without its end.
fn line(reader: &mut BufReader<&UnixStream>) -> Option<String> {
    let mut line = String::new();
    let length = reader.read_line(&mut line).ok()?;
    (length > 0).then(|| line.trim_end().to_owned())
}

/// A body that is sent in chunks.
fn chunks(reader: &mut BufReader<&UnixStream>) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(size) = line(reader).and_then(|line| usize::from_str_radix(&line, 16).ok()) {
        let mut chunk = vec![0; size + 2];
        if reader.read_exact(&mut chunk).is_err() || size == 0 {
            break;
        }
        body.extend_from_slice(&chunk[..size]);
    }
    body
}
