//! Work on an engine's files that may block, bounded in number and in time: a disk that hangs takes some threads of the
//! node and no more.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use dockless_runtime::{Runtime, timeout};
use tokio::sync::Semaphore;

/// Looks at the files of one engine that are under way at the same time, and as many readings of what is long, those
/// that nobody waits for any more included. Some disks give more to several who ask at once; none gives more to
/// hundreds.
const CALLS_MAX: usize = 8;

/// How long it may take to look at a file or to read a short one.
pub(crate) const LOOK_TIME_MAX: Duration = Duration::from_secs(10);

/// The calls that may be under way for one engine. Clones are the same ones.
#[derive(Clone)]
pub(crate) struct Calls {
    /// Of their own, so that they do not wait for what is long.
    looks: Arc<Semaphore>,
    readings: Arc<Semaphore>,
}

impl Default for Calls {
    fn default() -> Self {
        let some = || Arc::new(Semaphore::new(CALLS_MAX));
        Self { looks: some(), readings: some() }
    }
}

/// The way to the files of one engine. Cloning is cheap; clones share its bounds.
#[derive(Clone)]
pub(crate) struct Bounded {
    pub(crate) runtime: Runtime,
    calls: Calls,
}

/// The work was not done in time, or the node stops.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct NotDone(pub(crate) String);

impl Bounded {
    /// Work of one engine, together with all else that these calls are for.
    pub(crate) fn new(runtime: Runtime, calls: Calls) -> Self {
        Self { runtime, calls }
    }

    /// Looks at a file or reads a short one, as [`Bounded::run`] does.
    ///
    /// # Errors
    /// As [`Bounded::run`].
    pub(crate) async fn look<T: Send + 'static>(
        &self,
        name: &'static str,
        limit: Duration,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, NotDone> {
        self.call(&self.calls.looks, name, limit, work).await
    }

    /// Runs `work` where it may block, when it is its turn. Who stops waiting before that has done nothing; work that
    /// has begun goes on to its end, and takes one of the engine's calls until then.
    ///
    /// # Errors
    /// [`NotDone`] when it has no result after `limit`.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        name: &'static str,
        limit: Duration,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, NotDone> {
        self.call(&self.calls.readings, name, limit, work).await
    }

    async fn call<T: Send + 'static>(
        &self,
        calls: &Arc<Semaphore>,
        name: &'static str,
        limit: Duration,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, NotDone> {
        let done = async {
            let call = calls.clone().acquire_owned().await.map_err(|error| NotDone(error.to_string()))?;
            let work = move || {
                let _call = call;
                work()
            };
            self.runtime.blocking(name, work).await.map_err(|lost| NotDone(lost.to_string()))
        };
        self.within(name, limit, done).await?
    }

    /// Waits for `work` for at most `limit`.
    ///
    /// # Errors
    /// [`NotDone`] when that passed; `work` is then dropped where it stood.
    pub(crate) async fn within<F: Future>(
        &self,
        name: &'static str,
        limit: Duration,
        work: F,
    ) -> Result<F::Output, NotDone> {
        timeout(&*self.runtime.clock, limit, work).await.map_err(|_| {
            NotDone(format!("{name}: not done within {limit:?}; does the disk of the engine hang?"))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use futures_util::FutureExt as _;
    use futures_util::future::join_all;

    use super::*;

    #[tokio::test]
    async fn a_disk_that_hangs_takes_some_threads_and_nothing_else() {
        let runtime = Runtime::real();
        let files = Bounded::new(runtime.clone(), Calls::default());
        let (begun, begins) = mpsc::sync_channel(600);
        let (hanging, releases): (Vec<_>, Vec<_>) = (0..600)
            .map(|number| {
                let (release, hang) = mpsc::sync_channel::<()>(1);
                let begun = begun.clone();
                let work = move || {
                    begun.send(number).unwrap();
                    let _ = hang.recv();
                };
                (files.run("hang", Duration::from_millis(100), work), release)
            })
            .unzip();
        let results = join_all(hanging).await;
        assert!(results.iter().all(|result| result.as_ref().is_err_and(|error| error.0.contains("hang"))));
        assert_eq!(begins.try_iter().count(), CALLS_MAX, "those whose turn did not come never begin");
        assert_eq!(runtime.blocking("other work", || 7).await, Ok(7));
        assert_eq!(files.look("look", LOOK_TIME_MAX, || 6).await, Ok(6));
        drop(releases);
        assert_eq!(files.run("again", LOOK_TIME_MAX, || 8).await, Ok(8));
    }

    #[tokio::test]
    async fn who_stops_waiting_takes_nobodys_turn() {
        let files = Bounded::new(Runtime::real(), Calls::default());
        let (release, hang) = mpsc::sync_channel::<()>(1);
        let hang = Arc::new(std::sync::Mutex::new(hang));
        let work = || {
            let hang = hang.clone();
            move || {
                let _ = hang.lock().unwrap().recv();
            }
        };
        let hanging = (0..CALLS_MAX).map(|_| files.run("hang", LOOK_TIME_MAX, work()));
        let mut hanging = Box::pin(join_all(hanging));
        assert!((&mut hanging).now_or_never().is_none());
        for _ in 0..3 {
            let mut waiting = Box::pin(files.run("wait", LOOK_TIME_MAX, || ()));
            assert!((&mut waiting).now_or_never().is_none());
        }
        drop(release);
        hanging.await;
        assert_eq!(files.run("again", LOOK_TIME_MAX, || 9).await, Ok(9));
    }
}
