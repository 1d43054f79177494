//! The password file in use: read at the start, read again when it changes.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use dockless_runtime::disk::read_file;
use dockless_runtime::{Disk, Runtime, Stat};

use super::error::OpenError;
use super::htpasswd::{FILE_BYTES_MAX, Htpasswd};

/// The newest password file that could be read, and whether it is still the newest there is.
pub(super) struct Passwords {
    runtime: Runtime,
    path: PathBuf,
    check_every: Duration,
    /// When the file was last looked at, in milliseconds of the monotonic clock.
    checked_ms: AtomicU64,
    loaded: RwLock<Loaded>,
}

#[derive(Clone)]
struct Loaded {
    file: Arc<Htpasswd>,
    /// What the file was when it was read, or when reading it failed.
    identity: Option<Stat>,
    problem: Option<Arc<str>>,
}

impl Passwords {
    /// Reads the file; a node does not start with a password file that it cannot read.
    pub(super) fn open(runtime: Runtime, path: PathBuf, check_every: Duration) -> Result<Self, OpenError> {
        let (identity, file) = load(&*runtime.disk, &path)?;
        let loaded = Loaded { file: Arc::new(file), identity: Some(identity), problem: None };
        let checked_ms = AtomicU64::new(millis(runtime.clock.monotonic()));
        Ok(Self { runtime, path, check_every, checked_ms, loaded: RwLock::new(loaded) })
    }

    /// The users of now. At most once each `check_every` this looks whether the file is another one; if it cannot
    /// be read then, the last good one stays in force and [`Passwords::problem`] says so.
    pub(super) async fn current(self: &Arc<Self>) -> Arc<Htpasswd> {
        if self.due() {
            let this = Arc::clone(self);
            // Lost only while the node stops: what is loaded stays right.
            let _ = self.runtime.blocking("password file", move || this.refresh()).await;
        }
        Arc::clone(&self.read().file)
    }

    /// Why the file as it is now is not in force.
    pub(super) fn problem(&self) -> Option<Arc<str>> {
        self.read().problem.clone()
    }

    /// True for one caller of each interval.
    fn due(&self) -> bool {
        let now = millis(self.runtime.clock.monotonic());
        let last = self.checked_ms.load(Ordering::Acquire);
        now.saturating_sub(last) >= millis(self.check_every)
            && self.checked_ms.compare_exchange(last, now, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    fn refresh(&self) {
        let found = self.runtime.disk.stat(&self.path).ok();
        if found.is_some() && found == self.read().identity {
            return;
        }
        let mut next = self.read().clone();
        match load(&*self.runtime.disk, &self.path) {
            Ok((identity, file)) => {
                tracing::info!(path = %self.path.display(), users = file.len(), "the password file was read again");
                next = Loaded { file: Arc::new(file), identity: Some(identity), problem: None };
            }
            Err(error) => {
                let problem = error.to_string();
                if next.problem.as_deref() != Some(&*problem) {
                    tracing::error!(%problem, "the changed password file is not used; the last good one stays in force");
                }
                next.problem = Some(problem.into());
                next.identity = found;
            }
        }
        *self.loaded.write().unwrap_or_else(std::sync::PoisonError::into_inner) = next;
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Loaded> {
        // Writers replace the whole value in one move, so it is whole after any panic.
        self.loaded.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// The identity is taken first: a file that changes while it is read looks changed the next time.
fn load(disk: &dyn Disk, path: &std::path::Path) -> Result<(Stat, Htpasswd), OpenError> {
    let unreadable =
        |error: std::io::Error| OpenError::Unreadable { path: path.to_owned(), reason: error.to_string() };
    let identity = disk.stat(path).map_err(unreadable)?;
    let bytes = read_file(disk, path, FILE_BYTES_MAX).map_err(unreadable)?;
    let file =
        Htpasswd::parse(&bytes).map_err(|cause| OpenError::Htpasswd { path: path.to_owned(), cause })?;
    Ok((identity, file))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
