//! One file that every engine loads: an OCI image layout that is a docker archive as well, over the same blobs.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::tar::Archive;

/// The name that the image has once it is loaded.
pub(crate) const NAME: &str = "dockless:latest";
/// Where the binary lies; `PATH` leads there too, so that `docker exec NAME dockless ls` works.
const BINARY: &str = "/dockless";
/// What the node keeps: a volume, so that it outlives the container.
const DATA: &str = "/var/lib/dockless";
/// No clock: the same binary gives the same image.
const CREATED: &str = "1970-01-01T00:00:00Z";
/// Nanoseconds of a second, the unit of a health check's times.
const SECOND: u64 = 1_000_000_000;

/// An image as one file, and what it is called by.
pub(crate) struct Image {
    /// The archive.
    pub(crate) bytes: Vec<u8>,
    /// Digest of the manifest: what a registry calls it.
    pub(crate) digest: String,
    /// Digest of the configuration: what docker and podman call it.
    pub(crate) id: String,
}

/// The image of a static `binary`, for machines of an `architecture` as OCI names it.
pub(crate) fn write(binary: &[u8], architecture: &str) -> Result<Image, String> {
    let layer = Blob::new("application/vnd.oci.image.layer.v1.tar", layer(binary)?);
    let config = configuration(architecture, &layer.digest);
    let config = Blob::json("application/vnd.oci.image.config.v1+json", &config);
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": config.descriptor(),
        "layers": [layer.descriptor()],
    });
    let manifest = Blob::json("application/vnd.oci.image.manifest.v1+json", &manifest);
    let mut archive = Archive::default();
    archive.file("oci-layout", 0o644, br#"{"imageLayoutVersion":"1.0.0"}"#)?;
    archive.file("index.json", 0o644, index(&manifest, architecture).to_string().as_bytes())?;
    let docker = json!([{ "Config": config.path(), "RepoTags": [NAME], "Layers": [layer.path()] }]);
    archive.file("manifest.json", 0o644, docker.to_string().as_bytes())?;
    for blob in [&manifest, &config, &layer] {
        archive.file(&blob.path(), 0o644, &blob.bytes)?;
    }
    Ok(Image { bytes: archive.finish(), digest: manifest.digest, id: config.digest })
}

/// What the container finds: the binary, and folders that must be there.
fn layer(binary: &[u8]) -> Result<Vec<u8>, String> {
    let mut archive = Archive::default();
    archive.file(&BINARY[1..], 0o755, binary)?;
    archive.folder("tmp/", 0o1777)?;
    archive.folder("var/", 0o755)?;
    archive.folder("var/lib/", 0o755)?;
    archive.folder(&format!("{}/", &DATA[1..]), 0o700)?;
    Ok(archive.finish())
}

fn configuration(architecture: &str, layer: &str) -> Value {
    json!({
        "architecture": architecture,
        "os": "linux",
        "created": CREATED,
        "config": {
            "Entrypoint": [BINARY],
            "Cmd": ["serve"],
            "Env": [
                "PATH=/",
                // Every address of the container; whoever runs it decides which of the machine's lead there.
                "DOCKLESS_LISTEN=0.0.0.0:5000",
                format!("DOCKLESS_DATA={DATA}"),
                "DOCKLESS_ENGINE=unix:///var/run/docker.sock",
            ],
            "ExposedPorts": { "5000/tcp": {} },
            "Volumes": { DATA: {} },
            // Of docker's own format; other engines pass it over.
            "Healthcheck": {
                "Test": ["CMD", BINARY, "healthcheck"],
                "Interval": 30 * SECOND,
                "Timeout": 10 * SECOND,
                "StartPeriod": 30 * SECOND,
                "Retries": 3,
            },
            "Labels": {
                "org.opencontainers.image.title": "dockless",
                "org.opencontainers.image.description": "A container registry without a dock",
                "org.opencontainers.image.licenses": env!("CARGO_PKG_LICENSE"),
                "org.opencontainers.image.version": env!("CARGO_PKG_VERSION"),
            },
        },
        "rootfs": { "type": "layers", "diff_ids": [layer] },
        "history": [{ "created": CREATED, "created_by": "cargo xtask image" }],
    })
}

/// `index.json`, with the annotations that `docker save` writes: podman and containerd take the name from theirs.
fn index(manifest: &Blob, architecture: &str) -> Value {
    let mut entry = manifest.descriptor();
    entry["platform"] = json!({ "architecture": architecture, "os": "linux" });
    entry["annotations"] = json!({
        "org.opencontainers.image.ref.name": "latest",
        "io.containerd.image.name": format!("docker.io/library/{NAME}"),
    });
    json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [entry],
    })
}

/// Bytes, named by their digest.
struct Blob {
    media_type: &'static str,
    bytes: Vec<u8>,
    digest: String,
}

impl Blob {
    fn new(media_type: &'static str, bytes: Vec<u8>) -> Self {
        let hex: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        Self { media_type, bytes, digest: format!("sha256:{hex}") }
    }

    fn json(media_type: &'static str, value: &Value) -> Self {
        Self::new(media_type, value.to_string().into_bytes())
    }

    /// Where it lies in the archive.
    fn path(&self) -> String {
        format!("blobs/{}", self.digest.replacen(':', "/", 1))
    }

    fn descriptor(&self) -> Value {
        json!({ "mediaType": self.media_type, "digest": self.digest, "size": self.bytes.len() })
    }
}
