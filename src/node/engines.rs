//! The container engines of the machine, as sources of the registry.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use dockless_oci::Digest;
use dockless_registry::access::Access;
use dockless_remote::{Engine, EngineMetrics, EngineSettings};
use dockless_runtime::disk::remove_tree;
use dockless_runtime::{Disk, MetricRegistry, Runtime};
use dockless_store::DataDirectory;

use crate::config::Settings;

/// Makes each engine, open to those who by `access` may pull. Nothing is asked of them yet: one that is down is found
/// when it is back.
pub(super) fn open(
    runtime: &Runtime,
    settings: &Settings,
    directory: &DataDirectory,
    access: &Arc<Access>,
    metrics: &MetricRegistry,
) -> Vec<Arc<Engine>> {
    let engines = settings.engines(|address| directory.engines().join(spool_name(address)));
    forget_others(runtime, directory, &engines);
    if engines.is_empty() {
        return Vec::new();
    }
    let metrics = EngineMetrics::new(metrics);
    let open = |engine| Arc::new(Engine::new(runtime.clone(), engine, access.clone(), &metrics));
    engines.into_iter().map(open).collect()
}

/// The directory of an engine: a name that no two addresses share, and that is one component however long they are.
fn spool_name(address: &str) -> String {
    Digest::sha256(address.as_bytes()).hex().to_owned()
}

/// Removes, in the background, what is kept of engines that are not served any more.
fn forget_others(runtime: &Runtime, directory: &DataDirectory, engines: &[EngineSettings]) {
    let kept: Vec<_> = engines.iter().map(|engine| engine.spool.clone()).collect();
    let (disk, parent) = (runtime.disk.clone(), directory.engines());
    let within = runtime.clone();
    runtime.spawn("forget engines", async move {
        let removed = within.blocking("forget engines", move || {
            remove_others(&*disk, &parent, |path| kept.iter().any(|kept| kept == path))
        });
        if let Ok(Err(error)) = removed.await {
            tracing::warn!(%error, "layers of engines that are not served any more cannot be removed");
        }
    });
}

/// Removes what is in `parent` and not `kept`.
fn remove_others(disk: &dyn Disk, parent: &Path, kept: impl Fn(&Path) -> bool) -> std::io::Result<()> {
    let entries = match disk.list(parent) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    let paths = entries.into_iter().map(|entry| parent.join(entry.name));
    paths.filter(|path| !kept(path)).try_for_each(|path| remove_tree(disk, &path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use dockless_runtime::disk::{RealDisk, write_file_durable};

    #[test]
    fn only_what_is_not_served_any_more_is_removed() {
        let directory = tempfile::tempdir().unwrap();
        let parent = directory.path().join("engines");
        remove_others(&RealDisk, &parent, |_| false).unwrap();
        let names = ["unix:///run/a.sock", "unix:///run/b.sock"].map(spool_name);
        for name in &names {
            RealDisk.create_dir_all(&parent.join(name).join("blobs")).unwrap();
            write_file_durable(&RealDisk, &parent.join(name).join("blobs/x"), b"x", false).unwrap();
        }
        remove_others(&RealDisk, &parent, |path| path.ends_with(&names[0])).unwrap();
        let left = RealDisk.list(&parent).unwrap();
        assert_eq!(left.len(), 1);
        assert!(parent.join(&left[0].name).ends_with(&names[0]));
    }
}
