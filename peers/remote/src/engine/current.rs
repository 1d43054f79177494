//! The driver in use: found when it is needed, found anew after the engine was down.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dockless_registry::SourceError;
use dockless_runtime::BoxFuture;
use futures_util::future::{FutureExt as _, Shared, WeakShared};

use super::driver::Driver;
use super::ground::Ground;
use super::kind;

type Found = Result<Arc<dyn Driver>, SourceError>;

/// Which driver an engine needs now.
pub(super) struct Current {
    ground: Arc<Ground>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    driver: Option<Arc<dyn Driver>>,
    /// Someone is finding out.
    finding: Option<WeakShared<BoxFuture<'static, Found>>>,
    /// The last attempt failed, and until when that holds.
    failed: Option<(SourceError, Duration)>,
}

impl Current {
    pub(super) fn new(ground: Arc<Ground>) -> Self {
        Self { ground, state: Mutex::default() }
    }

    /// The driver; found out first where it is not known. All who ask meanwhile wait for one answer, and a failure
    /// holds for as long as it took, so that an engine that hangs is not waited for by everyone in turn, while one that
    /// refuses at once is asked again at once.
    pub(super) async fn driver(self: &Arc<Self>) -> Found {
        let finding = {
            let mut state = self.state();
            if let Some(driver) = &state.driver {
                return Ok(driver.clone());
            }
            match state.failed.take() {
                Some((error, until)) if self.ground.runtime.clock.monotonic() < until => {
                    state.failed = Some((error.clone(), until));
                    return Err(error);
                }
                _ => self.join(&mut state),
            }
        };
        finding.await
    }

    /// Says that a call of `driver` failed because the engine does not answer.
    pub(super) fn lost(&self, driver: &Arc<dyn Driver>) {
        let mut state = self.state();
        if state.driver.as_ref().is_some_and(|current| Arc::ptr_eq(current, driver)) {
            state.driver = None;
        }
    }

    fn join(self: &Arc<Self>, state: &mut State) -> Shared<BoxFuture<'static, Found>> {
        if let Some(finding) = state.finding.as_ref().and_then(WeakShared::upgrade)
            && finding.peek().is_none()
        {
            return finding;
        }
        let current = self.clone();
        let finding = async move { current.find().await }.boxed().shared();
        state.finding = finding.downgrade();
        finding
    }

    async fn find(&self) -> Found {
        let clock = &self.ground.runtime.clock;
        let begun = clock.monotonic();
        let found = kind::find(self.ground.clone()).await;
        let mut state = self.state();
        match &found {
            Ok(driver) => state.driver = Some(driver.clone()),
            Err(error) => {
                let now = clock.monotonic();
                state.failed = Some((error.clone(), now + (now - begun)));
            }
        }
        found
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change is one assignment.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
