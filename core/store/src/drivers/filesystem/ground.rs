//! What every part of the driver stands on: the machine, the paths, the limits, the free space.

use std::sync::atomic::{AtomicBool, Ordering};

use dockless_runtime::{Disk, Runtime};

use super::layout::Layout;
use super::marks::Pace;
use crate::error::StoreError;
use crate::settings::Settings;

pub(crate) struct Ground {
    pub(crate) runtime: Runtime,
    pub(crate) layout: Layout,
    pub(crate) settings: Settings,
    pub(crate) pace: Pace,
    /// The last look at the disk found too little. Saves the callers who may not block from looking themselves.
    low: AtomicBool,
}

impl Ground {
    pub(crate) fn new(runtime: Runtime, layout: Layout, settings: Settings, pace: Pace) -> Self {
        Self { runtime, layout, settings, pace, low: AtomicBool::new(false) }
    }

    pub(crate) fn disk(&self) -> &dyn Disk {
        &*self.runtime.disk
    }

    /// Refuses when `bytes` more would leave less than the low-water mark. Blocks.
    pub(crate) fn check_space(&self, bytes: u64) -> Result<(), StoreError> {
        let low = self.settings.free_bytes_min > 0 && {
            let free = self.disk().free_bytes(self.layout.root())?;
            free < self.settings.free_bytes_min.saturating_add(bytes)
        };
        self.low.store(low, Ordering::Relaxed);
        if low { Err(StoreError::DiskFull) } else { Ok(()) }
    }

    /// True when it is worth asking [`Ground::check_space`] before anything else is done.
    pub(crate) fn was_low(&self) -> bool {
        self.low.load(Ordering::Relaxed)
    }
}
