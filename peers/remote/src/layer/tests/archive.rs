//! A maker of tars for tests, which keeps what tar-split would keep of them and unpacks them.
#![expect(clippy::disallowed_methods, reason = "plants what an engine would have unpacked")]

use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use dockless_oci::Digest;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;

use crate::layer::LayerPlace;
use crate::layer::content::crc64;
use crate::layer::file::EngineFile;

/// A tar that is being made.
#[derive(Clone, Default)]
pub(in crate::layer) struct Archive {
    pub(in crate::layer) tar: Vec<u8>,
    segment: Vec<u8>,
    lines: Vec<serde_json::Value>,
    /// What stands unpacked: a name, and its content or where it links to.
    unpacked: Vec<(Vec<u8>, Node)>,
}

#[derive(Clone)]
enum Node {
    File(Vec<u8>),
    Link(&'static str),
}

/// What an engine would have.
pub(in crate::layer) struct Planted {
    pub(in crate::layer) directory: tempfile::TempDir,
    pub(in crate::layer) place: LayerPlace,
    pub(in crate::layer) tar: Vec<u8>,
}

impl Planted {
    /// Where a file of the layer stands.
    pub(in crate::layer) fn file(&self, name: &str) -> PathBuf {
        self.place.root.join(name)
    }
}

/// A header in the form of GNU tar.
pub(in crate::layer) fn header(name: &[u8], kind: u8, size: u64) -> [u8; 512] {
    let mut block = [0; 512];
    block[..name.len()].copy_from_slice(name);
    block[100..108].copy_from_slice(b"0000644\0");
    block[124..136].copy_from_slice(format!("{size:011o}\0").as_bytes());
    block[156] = kind;
    block[257..265].copy_from_slice(b"ustar  \0");
    block
}

/// Bytes that do not repeat.
pub(in crate::layer) fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed | 1;
    let mut step = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state ^ state >> 29).to_le_bytes()
    };
    let mut bytes: Vec<u8> = (0..length.div_ceil(8)).flat_map(|_| step()).collect();
    bytes.truncate(length);
    bytes
}

impl Archive {
    /// Bytes that are no content.
    pub(in crate::layer) fn raw(&mut self, bytes: &[u8]) {
        self.tar.extend_from_slice(bytes);
        self.segment.extend_from_slice(bytes);
    }

    fn flush(&mut self) {
        if !self.segment.is_empty() {
            let payload = BASE64.encode(std::mem::take(&mut self.segment));
            self.lines.push(json!({"type": 2, "payload": payload}));
        }
    }

    /// An entry for which `stored` lies in the tar, and which a reader of tar sees as `size` bytes.
    pub(in crate::layer) fn entry(&mut self, name: &[u8], size: u64, seen: &[u8], stored: &[u8]) {
        self.flush();
        let payload = (size > 0).then(|| BASE64.encode(crc64(seen).to_be_bytes()));
        let mut line = json!({"type": 1, "payload": payload});
        match std::str::from_utf8(name) {
            Ok(name) => line["name"] = name.into(),
            Err(_) => line["name_raw"] = BASE64.encode(name).into(),
        }
        if size > 0 {
            line["size"] = size.into();
        }
        self.lines.push(line);
        self.tar.extend_from_slice(stored);
        self.raw(&vec![0; stored.len().wrapping_neg() % 512]);
    }

    /// A special header with its body and padding, which belongs to the next entry.
    pub(in crate::layer) fn special(&mut self, kind: u8, body: &[u8]) {
        self.raw(&header(b"special", kind, body.len() as u64));
        self.raw(body);
        self.raw(&vec![0; body.len().wrapping_neg() % 512]);
    }

    pub(in crate::layer) fn pax(&mut self, records: &[(&str, &[u8])]) {
        self.special(b'x', &pax(records));
    }

    /// An entry without content, whatever its header says of a size.
    pub(in crate::layer) fn bare(&mut self, name: &str, kind: u8, size: u64) {
        self.raw(&header(name.as_bytes(), kind, size));
        self.entry(name.as_bytes(), size, b"", b"");
    }

    /// The content of a file after its headers.
    pub(in crate::layer) fn content(&mut self, name: &[u8], content: &[u8]) {
        self.content_at(name, name, content);
    }

    /// The content of a file that stands under another name when it is unpacked: a link of the layer leads there.
    pub(in crate::layer) fn content_at(&mut self, name: &[u8], stands_at: &[u8], content: &[u8]) {
        self.entry(name, content.len() as u64, content, content);
        self.unpacked.push((stands_at.to_vec(), Node::File(content.to_vec())));
    }

    pub(in crate::layer) fn file(&mut self, name: &str, content: &[u8]) {
        self.raw(&header(name.as_bytes(), b'0', content.len() as u64));
        self.content(name.as_bytes(), content);
    }

    /// A symbolic link.
    pub(in crate::layer) fn link(&mut self, name: &str, target: &'static str) {
        self.bare(name, b'2', 0);
        self.unpacked.push((name.into(), Node::Link(target)));
    }

    /// A file with holes after its headers: `parts` are offset and length of what lies in the tar.
    pub(in crate::layer) fn holes(&mut self, name: &str, content: &[u8], parts: &[(u64, u64)]) {
        let mut seen = vec![0; content.len()];
        let mut stored = Vec::new();
        for (offset, length) in parts {
            let part = *offset as usize..(offset + length) as usize;
            seen[part.clone()].copy_from_slice(&content[part.clone()]);
            stored.extend_from_slice(&content[part]);
        }
        self.entry(name.as_bytes(), seen.len() as u64, &seen, &stored);
        self.unpacked.push((name.into(), Node::File(seen)));
    }

    /// A file with holes as `tar --sparse --sparse-version=0.1` writes it.
    pub(in crate::layer) fn sparse(&mut self, name: &str, content: &[u8], parts: &[(u64, u64)]) {
        let map: Vec<String> = parts.iter().map(|(offset, length)| format!("{offset},{length}")).collect();
        self.pax(&[
            ("GNU.sparse.size", content.len().to_string().as_bytes()),
            ("GNU.sparse.numblocks", parts.len().to_string().as_bytes()),
            ("GNU.sparse.map", map.join(",").as_bytes()),
        ]);
        let stored = parts.iter().map(|(_, length)| length).sum();
        self.raw(&header(b"GNUSparseFile", b'0', stored));
        self.holes(name, content, parts);
    }

    /// The metadata, before it is packed.
    pub(in crate::layer) fn json(&self) -> String {
        let mut whole = self.clone();
        whole.flush();
        let mut json = String::new();
        for (position, line) in whole.lines.iter_mut().enumerate() {
            line["position"] = position.into();
            json += &format!("{line}\n");
        }
        json
    }

    /// Unpacks it all.
    pub(in crate::layer) fn plant(&self) -> Planted {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("root");
        std::fs::create_dir(&root).unwrap();
        for (name, node) in &self.unpacked {
            let name = Path::new(OsStr::from_bytes(name));
            let path = root.join(name.strip_prefix("/").unwrap_or(name));
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            match node {
                Node::File(content) => std::fs::write(path, content).unwrap(),
                Node::Link(target) => std::os::unix::fs::symlink(target, path).unwrap(),
            }
        }
        let split = EngineFile::root(directory.path()).join("split.gz");
        std::fs::write(split.path(), pack(self.json().as_bytes())).unwrap();
        let diff_id = Digest::sha256(&self.tar);
        Planted { place: LayerPlace { diff_id, split, root }, directory, tar: self.tar.clone() }
    }
}

pub(in crate::layer) fn pax(records: &[(&str, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (key, value) in records {
        let rest = key.len() + value.len() + 3;
        let mut length = rest + 1;
        while length != rest + length.to_string().len() {
            length = rest + length.to_string().len();
        }
        body.extend_from_slice(format!("{length} {key}=").as_bytes());
        body.extend_from_slice(value);
        body.push(b'\n');
    }
    body
}

pub(in crate::layer) fn pack(json: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(json).unwrap();
    packed.finish().unwrap()
}
