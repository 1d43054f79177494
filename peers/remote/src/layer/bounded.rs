//! Work on an engine's files that may block, bounded in number and in time: a disk that hangs takes some threads of the
//! node and no more.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use dockless_runtime::{Runtime, timeout};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Looks at the files of one engine that are under way at the same time, and as many readings of what is long, those
/// that nobody waits for any more included. Some disks give more to several who ask at once; none gives more to
/// hundreds.
const CALLS_MAX: usize = 8;

/// How long it may take to look at a file or to read a short one.
pub(crate) const LOOK_TIME_MAX: Duration = Duration::from_secs(10);

/// How long work may wait for its turn. That takes long where much is read of a slow disk, which is no sign that
/// anything hangs.
const TURN_TIME_MAX: Duration = Duration::from_secs(120);

/// The calls that may be under way for one engine. Clones are the same ones.
#[derive(Clone)]
pub(crate) struct Calls {
    /// Of their own, so that they do not wait for what is long.
    looks: Arc<Semaphore>,
    readings: Arc<Semaphore>,
    /// One at a time, for what an engine is found out by.
    openings: Arc<Semaphore>,
    turn_time_max: Duration,
}

impl Default for Calls {
    fn default() -> Self {
        Self::limited(TURN_TIME_MAX)
    }
}

impl Calls {
    fn limited(turn_time_max: Duration) -> Self {
        let some = |count| Arc::new(Semaphore::new(count));
        Self { looks: some(CALLS_MAX), readings: some(CALLS_MAX), openings: some(1), turn_time_max }
    }
}

/// The way to the files of one engine. Cloning is cheap; clones share its bounds.
#[derive(Clone)]
pub(crate) struct Bounded {
    pub(crate) runtime: Runtime,
    calls: Calls,
}

/// The work was not done in time, or its turn did not come, or the node stops.
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

    /// Looks whether directories can be read at all: beside all other calls, and in `limit`, its turn included.
    ///
    /// # Errors
    /// [`NotDone`] when that passed: an earlier one may still hang.
    pub(crate) async fn open<T: Send + 'static>(
        &self,
        name: &'static str,
        limit: Duration,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, NotDone> {
        self.limited(name, limit, self.call(&self.calls.openings, name, limit, work)).await?
    }

    /// Runs `work` where it may block, when it is its turn. Who stops waiting before that has done nothing; work that
    /// has begun goes on to its end, and takes one of the engine's calls until then.
    ///
    /// # Errors
    /// [`NotDone`] when it has no result `limit` after it began, or does not come to its turn for two minutes.
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
        let turn = self.turn(name, calls).await?;
        let work = move || {
            let _turn = turn;
            work()
        };
        let done = self.limited(name, limit, self.runtime.blocking(name, work)).await?;
        done.map_err(|lost| NotDone(lost.to_string()))
    }

    /// Waits for a turn.
    ///
    /// # Errors
    /// [`NotDone`] when it does not come for two minutes.
    pub(crate) async fn turn(
        &self,
        name: &'static str,
        turns: &Arc<Semaphore>,
    ) -> Result<OwnedSemaphorePermit, NotDone> {
        let turn = turns.clone().acquire_owned();
        let turn = timeout(&*self.runtime.clock, self.calls.turn_time_max, turn).await;
        let turn = turn.map_err(|_| {
            let limit = self.calls.turn_time_max;
            NotDone(format!("{name}: too much is being read of the engine, no turn came within {limit:?}"))
        })?;
        turn.map_err(|error| NotDone(error.to_string()))
    }

    /// Waits for `work` that somebody else may lead: until its turn must have come, and then for at most `limit`.
    ///
    /// # Errors
    /// [`NotDone`] when that passed; `work` is then dropped where it stood.
    pub(crate) async fn within<F: Future>(
        &self,
        name: &'static str,
        limit: Duration,
        work: F,
    ) -> Result<F::Output, NotDone> {
        self.limited(name, self.calls.turn_time_max + limit, work).await
    }

    async fn limited<F: Future>(
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
        let files = Bounded::new(runtime.clone(), Calls::limited(Duration::from_millis(100)));
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
        let said = |words: &'static str| {
            results.iter().filter(move |result| result.as_ref().is_err_and(|why| why.0.contains(words)))
        };
        assert_eq!(said("does the disk of the engine hang?").count(), CALLS_MAX);
        assert_eq!(said("too much is being read").count(), 600 - CALLS_MAX);
        assert_eq!(begins.try_iter().count(), CALLS_MAX, "those whose turn did not come never begin");
        assert_eq!(runtime.blocking("other work", || 7).await, Ok(7));
        assert_eq!(files.look("look", LOOK_TIME_MAX, || 6).await, Ok(6));
        drop(releases);
        assert_eq!(files.run("again", LOOK_TIME_MAX, || 8).await, Ok(8));
    }

    #[tokio::test]
    async fn who_waits_for_a_turn_longer_than_the_work_may_take_does_it_all_the_same() {
        let files = Bounded::new(Runtime::real(), Calls::default());
        let limit = Duration::from_millis(50);
        let turns = files.calls.looks.clone().acquire_many_owned(CALLS_MAX as u32).await.unwrap();
        let late = async {
            files.runtime.clock.sleep(2 * limit).await;
            drop(turns);
        };
        let (done, ()) = tokio::join!(files.look("look", limit, || 6), late);
        assert_eq!(done, Ok(6));
    }

    #[tokio::test]
    async fn an_engine_is_looked_at_beside_all_readings_and_given_up_when_that_hangs() {
        let files = Bounded::new(Runtime::real(), Calls::default());
        let _turns = files.calls.looks.clone().acquire_many_owned(CALLS_MAX as u32).await.unwrap();
        assert_eq!(files.open("open", LOOK_TIME_MAX, || 5).await, Ok(5));
        let _opening = files.calls.openings.clone().acquire_owned().await.unwrap();
        let given_up = files.open("open", Duration::from_millis(10), || 5).await.unwrap_err();
        assert!(given_up.0.contains("does the disk of the engine hang?"), "{given_up}");
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
