//! Deterministic doubles of every seam: one seed decides the order of tasks, the random bytes and the crashes.

mod clock;
mod disk;
mod entropy;
mod executor;
mod random;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use executor::Executor;

pub use clock::SimClock;
pub use disk::{Fault, Operation, OperationKind, SimDisk};
pub use entropy::SimEntropy;
pub use executor::SimSpawn;
pub use random::Random;

use crate::runtime::Runtime;

/// A machine of one thread, in which nothing happens by chance and waiting takes no time.
///
/// All work of a test goes through [`Simulation::block_on`]; when no task can go on, the clock jumps to the next
/// timer. `tokio::sync` works in it. Three things bring chance back and must be kept out of code that is to be
/// simulated: `tokio::select!` without `biased`, the order of a `HashMap`, and threads.
pub struct Simulation {
    executor: Arc<Executor>,
    clock: Arc<SimClock>,
    entropy: Arc<SimEntropy>,
    disk: Arc<SimDisk>,
}

impl Simulation {
    /// A machine with an empty disk without limits.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self::with_disk(seed, SimDisk::new())
    }

    /// A machine with a disk that another one used before.
    #[must_use]
    pub fn with_disk(seed: u64, disk: Arc<SimDisk>) -> Self {
        let executor = Executor::new(seed);
        Self {
            clock: Arc::new(SimClock::new(executor.clone())),
            entropy: Arc::new(SimEntropy::new(seed)),
            executor,
            disk,
        }
    }

    /// The four seams of this machine.
    #[must_use]
    pub fn runtime(&self) -> Runtime {
        Runtime {
            clock: self.clock.clone(),
            entropy: self.entropy.clone(),
            spawn: Arc::new(SimSpawn::new(self.executor.clone())),
            disk: self.disk.clone(),
        }
    }

    /// The disk, with its controls.
    #[must_use]
    pub fn disk(&self) -> Arc<SimDisk> {
        self.disk.clone()
    }

    /// The clock, with its controls.
    #[must_use]
    pub fn clock(&self) -> Arc<SimClock> {
        self.clock.clone()
    }

    /// Runs all tasks, in an order that the seed decides, until `future` is complete. Tasks that are not done then
    /// go on in the next call.
    ///
    /// # Panics
    /// When a task panics, when nothing can ever go on (a deadlock), and when `future` is not complete after
    /// a year of virtual time.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.executor.block_on(future)
    }

    /// Runs all tasks for `duration` of virtual time.
    ///
    /// # Panics
    /// As [`Simulation::block_on`].
    pub fn run_for(&self, duration: Duration) {
        self.block_on(crate::clock::Clock::sleep(&*self.clock, duration));
    }

    /// Drops every task where it stands, as a killed process does. The disk keeps all that was written.
    pub fn kill(&self) {
        self.executor.kill();
    }

    /// Power off and on: every task is dropped, and the disk loses what it may lose ([`SimDisk::crash`]).
    pub fn power_cycle(&self, seed: u64) {
        // Nothing a task does while it is dropped may reach the disk.
        self.disk.fail_from(0);
        self.executor.kill();
        self.disk.crash(seed);
    }
}

impl Drop for Simulation {
    fn drop(&mut self) {
        // Tasks hold the runtime, which holds the executor, which holds the tasks.
        self.executor.kill();
    }
}

#[cfg(test)]
mod tests;
