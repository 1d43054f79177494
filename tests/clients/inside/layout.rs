//! Images made here, as OCI layouts on disk: runnable, of any size, the same bytes on every run.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use dockless_oci::digest::{Algorithm, Digest, Hasher};
use serde_json::{Value, json};

use super::tar::{self, Entry, Gzip};

/// What a container of `Layout::runnable` prints.
pub(crate) const GREETING: &str = "hello from the image";
/// The applets that the runnable image links.
const APPLETS: [&str; 6] = ["sh", "cat", "ls", "echo", "sha256sum", "true"];

/// Which media types and which compression an image has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Flavour {
    /// OCI with gzip layers.
    Oci,
    /// OCI with zstd layers.
    Zstd,
    /// Docker's schema 2 with gzip layers.
    Docker,
}

impl Flavour {
    fn manifest(self) -> &'static str {
        match self {
            Self::Oci | Self::Zstd => "application/vnd.oci.image.manifest.v1+json",
            Self::Docker => "application/vnd.docker.distribution.manifest.v2+json",
        }
    }

    fn config(self) -> &'static str {
        match self {
            Self::Oci | Self::Zstd => "application/vnd.oci.image.config.v1+json",
            Self::Docker => "application/vnd.docker.container.image.v1+json",
        }
    }

    fn layer(self) -> &'static str {
        match self {
            Self::Oci => "application/vnd.oci.image.layer.v1.tar+gzip",
            Self::Zstd => "application/vnd.oci.image.layer.v1.tar+zstd",
            Self::Docker => "application/vnd.docker.image.rootfs.diff.tar.gzip",
        }
    }
}

/// The entries of one layer, in order.
pub(crate) type Files = Vec<(String, Entry)>;

/// Content of a layout.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) media_type: String,
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    /// Config and layers of an image; the images of an index.
    pub(crate) children: Vec<Stored>,
}

impl Stored {
    fn descriptor(&self) -> Value {
        json!({"mediaType": self.media_type, "digest": self.digest.as_str(), "size": self.size})
    }

    /// The bytes that a client moves for all of it: itself and everything below.
    pub(crate) fn total(&self) -> u64 {
        self.size + self.children.iter().map(Self::total).sum::<u64>()
    }
}

/// An OCI layout in a folder.
pub(crate) struct Layout {
    folder: PathBuf,
    entries: Vec<Value>,
}

impl Layout {
    pub(crate) fn new(folder: PathBuf) -> Self {
        fs::create_dir_all(folder.join("blobs/sha256")).unwrap();
        fs::write(folder.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
        Self { folder, entries: Vec::new() }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// `oci:FOLDER:TAG`, as skopeo, podman and buildah name an image in a layout.
    pub(crate) fn name(&self, tag: &str) -> String {
        format!("oci:{}:{tag}", self.folder.display())
    }

    /// The file of a blob.
    pub(crate) fn path(&self, digest: &Digest) -> PathBuf {
        self.folder.join("blobs/sha256").join(digest.hex())
    }

    /// The bytes of a blob.
    pub(crate) fn bytes(&self, digest: &Digest) -> Bytes {
        fs::read(self.path(digest)).unwrap().into()
    }

    /// Checks that this copy holds `stored`, and all below it, as `original` does.
    #[track_caller]
    pub(crate) fn is_copy_of(&self, original: &Self, stored: &Stored) {
        assert!(original.bytes(&stored.digest) == self.bytes(&stored.digest), "{}", stored.digest);
        stored.children.iter().for_each(|child| self.is_copy_of(original, child));
    }

    /// An image of three layers (busybox, a greeting, data of `megabytes`) that prints the greeting when it runs.
    pub(crate) fn runnable(&mut self, tag: &str, flavour: Flavour, megabytes: u64) -> Stored {
        let data = Entry::Large { seed: 7 + flavour as u64, length: megabytes << 20 };
        let greeting =
            vec![folder("app"), ("app/greeting".to_owned(), Entry::text(&format!("{GREETING}\n")))];
        self.image(tag, flavour, "amd64", &[busybox(), greeting, vec![("data".to_owned(), data)]])
    }

    /// An image of the given layers.
    pub(crate) fn image(
        &mut self,
        tag: &str,
        flavour: Flavour,
        architecture: &str,
        layers: &[Files],
    ) -> Stored {
        let stored: Vec<(Stored, Digest)> = layers.iter().map(|files| self.layer(flavour, files)).collect();
        let (layers, contents): (Vec<Stored>, Vec<Digest>) = stored.into_iter().unzip();
        let diff_ids: Vec<&str> = contents.iter().map(Digest::as_str).collect();
        let config = json!({
            "architecture": architecture, "os": "linux", "created": "2001-01-01T00:00:00Z",
            "config": {"Cmd": ["/bin/cat", "/app/greeting"], "Env": ["PATH=/bin"]},
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
            "history": diff_ids.iter().map(|_| json!({"created": "2001-01-01T00:00:00Z"})).collect::<Vec<_>>(),
        });
        let config = self.blob(flavour.config(), config.to_string().as_bytes());
        let manifest = json!({
            "schemaVersion": 2, "mediaType": flavour.manifest(), "config": config.descriptor(),
            "layers": layers.iter().map(Stored::descriptor).collect::<Vec<_>>(),
        });
        let children = std::iter::once(config).chain(layers).collect();
        self.tagged(tag, flavour.manifest(), &manifest, children)
    }

    /// An index of images, each with its architecture.
    pub(crate) fn index(&mut self, tag: &str, images: &[(&str, Stored)]) -> Stored {
        let media_type = "application/vnd.oci.image.index.v1+json";
        let entry = |(architecture, image): &(&str, Stored)| {
            let mut value = image.descriptor();
            value["platform"] = json!({"architecture": architecture, "os": "linux"});
            value
        };
        let manifests: Vec<Value> = images.iter().map(entry).collect();
        let index = json!({"schemaVersion": 2, "mediaType": media_type, "manifests": manifests});
        self.tagged(tag, media_type, &index, images.iter().map(|(_, image)| image.clone()).collect())
    }

    /// A manifest or index under a tag of the layout; an empty tag leaves it untagged.
    fn tagged(&mut self, tag: &str, media_type: &str, value: &Value, children: Vec<Stored>) -> Stored {
        // Indented, so that whoever writes it anew changes its digest.
        let stored = Stored { children, ..self.blob(media_type, format!("{value:#}").as_bytes()) };
        if !tag.is_empty() {
            let mut entry = stored.descriptor();
            entry["annotations"] = json!({"org.opencontainers.image.ref.name": tag});
            self.entries.push(entry);
            let index = json!({"schemaVersion": 2, "manifests": self.entries});
            fs::write(self.folder.join("index.json"), index.to_string()).unwrap();
        }
        stored
    }

    fn blob(&self, media_type: &str, bytes: &[u8]) -> Stored {
        let digest = Digest::sha256(bytes);
        fs::write(self.path(&digest), bytes).unwrap();
        Stored { media_type: media_type.to_owned(), digest, size: bytes.len() as u64, children: Vec::new() }
    }

    /// A layer, and the digest of its archive before compression.
    fn layer(&self, flavour: Flavour, files: &Files) -> (Stored, Digest) {
        let path = self.folder.join("layer");
        let file = Counted::new(BufWriter::with_capacity(1 << 20, File::create(&path).unwrap()));
        let (file, content) = match flavour {
            Flavour::Oci | Flavour::Docker => {
                let mut archive = Counted::new(Gzip::new(file).unwrap());
                tar::write(files, &mut archive).unwrap();
                (archive.into.finish().unwrap(), archive.hasher.finish())
            }
            Flavour::Zstd => {
                let mut archive = Counted::new(zstd::stream::Encoder::new(file, 1).unwrap());
                tar::write(files, &mut archive).unwrap();
                (archive.into.finish().unwrap(), archive.hasher.finish())
            }
        };
        file.into.into_inner().unwrap();
        let digest = file.hasher.finish();
        fs::rename(&path, self.path(&digest)).unwrap();
        let media_type = flavour.layer().to_owned();
        (Stored { media_type, digest, size: file.length, children: Vec::new() }, content)
    }
}

/// The entry of a folder.
pub(crate) fn folder(path: &str) -> (String, Entry) {
    (format!("{path}/"), Entry::Folder)
}

/// A layer with a static busybox and links for its applets.
pub(crate) fn busybox() -> Files {
    let bytes = fs::read("/usr/bin/busybox").or_else(|_| fs::read("/bin/busybox"));
    let bytes = bytes.expect("there is no busybox: apt-get install busybox-static").into();
    let mut files = vec![folder("bin"), ("bin/busybox".to_owned(), Entry::File { bytes, executable: true })];
    files.extend(APPLETS.map(|applet| (format!("bin/{applet}"), Entry::Link("busybox".to_owned()))));
    files.extend(["etc", "proc", "sys", "dev", "tmp"].map(folder));
    files.push(("etc/passwd".to_owned(), Entry::text("root:x:0:0:root:/:/bin/sh\n")));
    files
}

/// Counts and hashes what passes on its way.
struct Counted<W: Write> {
    into: W,
    hasher: Hasher,
    length: u64,
}

impl<W: Write> Counted<W> {
    fn new(into: W) -> Self {
        Self { into, hasher: Hasher::new(Algorithm::Sha256), length: 0 }
    }
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = self.into.write(bytes)?;
        self.hasher.update(&bytes[..taken]);
        self.length += taken as u64;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.into.flush()
    }
}
