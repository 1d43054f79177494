//! What the servers hold before they are measured: the same blobs and manifests each.

use std::path::{Path, PathBuf};

use super::driver::push_file;
use super::servers::{self, Server};
use super::{Plan, driver};

/// Manifests that every server holds while it is asked for one.
const TAGS: u64 = 1000;
/// Connections that put them.
const FEW: u64 = 8;

/// What every server holds before the reads begin.
pub(crate) struct Seed {
    pub(crate) small: String,
    pub(crate) large: String,
    pub(crate) manifest: String,
    pub(crate) keys: Option<(PathBuf, PathBuf)>,
}

impl Seed {
    pub(crate) fn make(root: &Path, plan: &Plan, all: &[Server]) -> Result<Self, String> {
        let small_file = plan.scratch.join("small");
        random_file(&small_file, 4096)?;
        let large_file = large_file(plan)?;
        let (small, large) = (digest_of(&small_file)?, digest_of(&large_file)?);
        for server in all {
            let to = format!("to={}", server.address);
            driver::load(
                root,
                &[
                    "put-manifests".to_owned(),
                    to.clone(),
                    format!("count={TAGS}"),
                    format!("connections={FEW}"),
                ],
            )?;
            for (file, digest) in [(&small_file, &small), (&large_file, &large)] {
                push_file(root, server.address, file, digest, "put")?;
            }
        }
        let pages = plan.scratch.join("nginx/v2/bench/app");
        for folder in ["blobs", "manifests"] {
            std::fs::create_dir_all(pages.join(folder)).map_err(|error| error.to_string())?;
        }
        let manifest = digest_of_tag(&all[0])?;
        let copy =
            |from: &Path, to: PathBuf| std::fs::copy(from, to).map(|_| ()).map_err(|error| error.to_string());
        copy(&small_file, pages.join("blobs").join(&small))?;
        copy(&large_file, pages.join("blobs").join(&large))?;
        std::fs::write(plan.scratch.join("nginx/v2/index.html"), "{}").map_err(|error| error.to_string())?;
        for name in ["t1", &manifest] {
            std::fs::write(pages.join("manifests").join(name), vec![b'x'; 500])
                .map_err(|error| error.to_string())?;
        }
        Ok(Self { small, large, manifest, keys: keys_of(&all[0].data) })
    }
}

/// The digest of the manifest that the reads ask for.
fn digest_of_tag(ours: &Server) -> Result<String, String> {
    let page =
        servers::page(ours.address, "/v2/bench/app/manifests/t1").map_err(|error| error.to_string())?;
    let digest = page.lines().find_map(|line| line.strip_prefix("docker-content-digest: "));
    digest.map(|digest| digest.trim().to_owned()).ok_or("the node named no digest".to_owned())
}

fn keys_of(data: &Path) -> Option<(PathBuf, PathBuf)> {
    // One file holds both.
    let leaf = data.join("keys/leaf.pem");
    leaf.is_file().then_some((leaf.clone(), leaf))
}

/// The large file, made once.
pub(crate) fn large_file(plan: &Plan) -> Result<PathBuf, String> {
    let path = plan.scratch.join("large");
    if !path.is_file() {
        random_file(&path, plan.large_mib << 20)?;
    }
    Ok(path)
}

fn random_file(path: &Path, bytes: u64) -> Result<(), String> {
    let mut random =
        std::io::Read::take(std::fs::File::open("/dev/urandom").map_err(|error| error.to_string())?, bytes);
    let mut file = std::fs::File::create(path).map_err(|error| error.to_string())?;
    std::io::copy(&mut random, &mut file).map(|_| ()).map_err(|error| error.to_string())
}

/// `sha256:<hex>` of a file, by the tool that is always there.
pub(crate) fn digest_of(path: &Path) -> Result<String, String> {
    let output =
        std::process::Command::new("sha256sum").arg(path).output().map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout);
    let hex = text.split_whitespace().next().ok_or("sha256sum printed nothing")?;
    Ok(format!("sha256:{}", hex.trim_start_matches('\\')))
}
