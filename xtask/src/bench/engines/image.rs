//! The images that are brought from one docker to another, made here: nothing is fetched, and each run has the same.

use std::path::Path;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::image::tar::Archive;

/// The layers that both images begin with, and the last one of each: small files, and the MiB of each large one.
const BELOW: [(usize, &[usize]); 4] = [(2500, &[20, 20]), (3000, &[10, 10, 10]), (500, &[60]), (1500, &[])];
const TOP: (usize, &[usize]) = (100, &[6]);
/// A small file has up to so many bytes, half of it on average: most of what is in a root file system.
const SMALL_BYTES_MAX: usize = 32 << 10;
/// Content is noise or text in pieces of so many bytes; of four pieces three are text, so that gzip halves the whole.
const PIECE_BYTES: usize = 4096;
/// Words that the text is made of.
const WORDS: usize = 1024;

/// An image in the archive.
pub(super) struct Image {
    /// What it is called in the engine.
    pub(super) name: &'static str,
    /// Its id: the digest of its configuration.
    pub(super) id: String,
    /// Of its layers as tar.
    pub(super) bytes: u64,
    /// Of its last layer.
    pub(super) top_bytes: u64,
}

struct Layer {
    digest: String,
    bytes: u64,
}

/// Writes the archive that `docker load` reads: an image, and the same image with another last layer.
pub(super) fn write(path: &Path) -> Result<[Image; 2], String> {
    let mut noise = Noise::new();
    let mut archive = Archive::default();
    let mut add = |(small, large): (usize, &[usize])| {
        let bytes = noise.layer(small, large)?;
        let layer = Layer { digest: sha256(&bytes), bytes: bytes.len() as u64 };
        archive.file(&file_of(&layer.digest), 0o644, &bytes)?;
        Ok::<Layer, String>(layer)
    };
    let below: Vec<Layer> = BELOW.into_iter().map(&mut add).collect::<Result<_, _>>()?;
    let tops = [add(TOP)?, add(TOP)?];
    let mut images = Vec::new();
    let mut listed = Vec::new();
    for (name, top) in ["bench/app:1", "bench/app:2"].into_iter().zip(&tops) {
        let layers: Vec<&Layer> = below.iter().chain([top]).collect();
        let config = configuration(&layers).to_string();
        let id = sha256(config.as_bytes());
        archive.file(&file_of(&id), 0o644, config.as_bytes())?;
        let files: Vec<String> = layers.iter().map(|layer| file_of(&layer.digest)).collect();
        listed.push(json!({ "Config": file_of(&id), "RepoTags": [name], "Layers": files }));
        let bytes = layers.iter().map(|layer| layer.bytes).sum();
        images.push(Image { name, id, bytes, top_bytes: top.bytes });
    }
    archive.file("manifest.json", 0o644, Value::from(listed).to_string().as_bytes())?;
    std::fs::write(path, archive.finish()).map_err(|error| format!("{}: {error}", path.display()))?;
    images.try_into().map_err(|_| "two images were to be made".to_owned())
}

fn configuration(layers: &[&Layer]) -> Value {
    let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    let digests: Vec<&str> = layers.iter().map(|layer| layer.digest.as_str()).collect();
    json!({
        "architecture": architecture,
        "os": "linux",
        "config": {},
        "rootfs": { "type": "layers", "diff_ids": digests },
    })
}

/// What a blob is called in the archive.
fn file_of(digest: &str) -> String {
    format!("blobs/{}", digest.replace(':', "/"))
}

fn sha256(bytes: &[u8]) -> String {
    let hex: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

/// Content that looks like software to a compressor: the same in every run.
struct Noise {
    state: u64,
    words: Vec<Vec<u8>>,
    layers: usize,
}

impl Noise {
    fn new() -> Self {
        let mut noise = Self { state: 0x9e37_79b9_7f4a_7c15, words: Vec::new(), layers: 0 };
        noise.words = (0..WORDS).map(|_| noise.word()).collect();
        noise
    }

    /// Marsaglia's xorshift.
    fn next(&mut self) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state
    }

    fn word(&mut self) -> Vec<u8> {
        let length = 3 + self.next() % 9;
        (0..length).map(|_| b'a' + (self.next() % 26) as u8).chain([b' ']).collect()
    }

    fn layer(&mut self, small: usize, large: &[usize]) -> Result<Vec<u8>, String> {
        let folder = format!("layer{}", self.layers);
        self.layers += 1;
        let mut archive = Archive::default();
        archive.folder(&format!("{folder}/"), 0o755)?;
        for number in 0..small {
            if number % 100 == 0 {
                archive.folder(&format!("{folder}/{}/", number / 100), 0o755)?;
            }
            let length = self.next() as usize % SMALL_BYTES_MAX;
            let content = self.content(length);
            archive.file(&format!("{folder}/{}/{number}", number / 100), 0o644, &content)?;
        }
        for (number, mebibytes) in large.iter().enumerate() {
            archive.file(&format!("{folder}/large{number}"), 0o755, &self.content(mebibytes << 20))?;
        }
        Ok(archive.finish())
    }

    fn content(&mut self, length: usize) -> Vec<u8> {
        let mut content = Vec::with_capacity(length + PIECE_BYTES);
        while content.len() < length {
            let end = content.len() + PIECE_BYTES;
            let text = !self.next().is_multiple_of(4);
            while content.len() < end {
                let drawn = self.next();
                if text {
                    content.extend_from_slice(&self.words[drawn as usize % WORDS]);
                } else {
                    content.extend_from_slice(&drawn.to_le_bytes());
                }
            }
        }
        content.truncate(length);
        content
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_are_the_same_in_every_run_and_differ_from_each_other() {
        let (mut one, mut other) = (Noise::new(), Noise::new());
        let first = one.layer(3, &[1]).unwrap();
        assert!(first.len() > 1 << 20);
        assert_eq!(first, other.layer(3, &[1]).unwrap());
        assert_ne!(sha256(&first), sha256(&one.layer(3, &[1]).unwrap()));
    }
}
