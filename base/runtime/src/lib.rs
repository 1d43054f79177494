//! The one door to time, randomness, tasks, disks, shutdown and metrics.
//!
//! Every other crate takes a [`Runtime`] and reaches the machine through its four seams. The real implementations
//! stand beside the traits; with the feature `simulation` there is a deterministic double of each, and a
//! conformance suite that both must pass.

pub mod clock;
#[cfg(any(test, feature = "simulation"))]
pub mod conformance;
pub mod disk;
pub mod entropy;
pub mod metric;
pub mod runtime;
pub mod shutdown;
#[cfg(any(test, feature = "simulation"))]
pub mod simulation;
pub mod spawn;

pub use clock::{Clock, Elapsed, timeout};
pub use disk::{Disk, DiskEntry, DiskFile, OpenMode, Stat};
pub use entropy::Entropy;
pub use futures_util::future::BoxFuture;
pub use metric::MetricRegistry;
pub use runtime::{Runtime, TaskLost};
pub use shutdown::{Shutdown, ShutdownTrigger, shutdown};
pub use spawn::Spawn;
