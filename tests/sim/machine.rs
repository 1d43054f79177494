//! The registry on a simulated machine.

use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use dockless_meta::{LocalLedger, Settings as LedgerSettings};
use dockless_registry::{Parts, Registry, Settings};
use dockless_runtime::MetricRegistry;
use dockless_runtime::simulation::{SimDisk, Simulation};
use dockless_store::{DataDirectory, FilesystemStore, Settings as StoreSettings};

/// Where the data directory is.
pub(crate) const DATA: &str = "/data";

/// A registry that runs.
pub(crate) struct Machine {
    // First, so that the tasks go before what they use.
    pub(crate) simulation: Simulation,
    pub(crate) disk: Arc<SimDisk>,
    pub(crate) registry: Registry,
    pub(crate) ledger: Arc<LocalLedger>,
    pub(crate) store: Arc<FilesystemStore>,
    _directory: DataDirectory,
}

/// Small segments and frequent snapshots, so that few operations reach all of the ledger's files.
fn ledger_settings() -> LedgerSettings {
    LedgerSettings {
        checkpoint_every: Duration::from_secs(1),
        snapshot_every: Duration::from_secs(60),
        snapshots_kept: 2,
        segment_bytes: 1024,
        cache_bytes: 1 << 20,
        ..LedgerSettings::default()
    }
}

impl Machine {
    /// Starts on what `disk` holds; an empty one becomes a new data directory.
    pub(crate) fn start(disk: &Arc<SimDisk>, seed: u64) -> Result<Self, String> {
        let simulation = Simulation::with_disk(seed, disk.clone());
        let runtime = simulation.runtime();
        let directory = DataDirectory::open(&*runtime.disk, Path::new(DATA)).map_err(|e| e.to_string())?;
        let (registry, ledger, store) = simulation.block_on(async {
            let store = FilesystemStore::open(runtime.clone(), directory.store(), StoreSettings::default());
            let store = store.await.map_err(|error| format!("the store does not open: {error}"))?;
            let ledger = LocalLedger::open(runtime.clone(), directory.ledger(), ledger_settings());
            let ledger = ledger.await.map_err(|error| format!("the ledger does not open: {error}"))?;
            let registry = Registry::new(Parts {
                ledger: ledger.clone(),
                blobs: store.clone(),
                runtime: runtime.clone(),
                settings: Settings::default(),
                sources: Vec::new(),
                metrics: &MetricRegistry::new(),
            });
            Ok::<_, String>((registry, ledger, store))
        })?;
        Ok(Self { simulation, disk: disk.clone(), registry, ledger, store, _directory: directory })
    }

    pub(crate) fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.simulation.block_on(future)
    }

    /// What a killed process leaves: everything it wrote, and no power was lost.
    pub(crate) fn killed(&self) -> Arc<SimDisk> {
        self.disk.fork()
    }

    /// What a power cut leaves.
    pub(crate) fn crashed(&self, seed: u64) -> Arc<SimDisk> {
        let disk = self.disk.fork();
        disk.crash(seed);
        disk
    }
}
