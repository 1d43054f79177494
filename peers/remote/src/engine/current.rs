//! The driver in use: found when it is needed, confirmed after a silence, found anew after the engine was down.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dockless_registry::SourceError;
use dockless_runtime::BoxFuture;
use futures_util::future::{FutureExt as _, Shared, WeakShared};

use super::driver::Driver;
use super::ground::Ground;
use super::kind::{self, Before, Known};

/// An engine that was asked nothing for so long may have been restarted as another one; no engine restarts faster.
const SILENCE_MAX: Duration = Duration::from_secs(2);
/// How long it holds that an engine's directory cannot be read.
const BLIND_TIME_MAX: Duration = Duration::from_secs(60);

type Found = Result<Arc<dyn Driver>, SourceError>;

/// Which driver an engine needs now.
pub(super) struct Current {
    ground: Arc<Ground>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    held: Option<Held>,
    /// Someone is finding out.
    finding: Option<WeakShared<BoxFuture<'static, Found>>>,
    /// The last attempt failed, and until when that holds.
    failed: Option<(SourceError, Duration)>,
    /// What the last driver said that an operator should know.
    told: Option<String>,
}

/// A driver that was found; time is that of the runtime's clock.
#[derive(Clone)]
struct Held {
    known: Known,
    found_at: Duration,
    asked_at: Duration,
    /// What it did makes it doubtful that it is the right one.
    doubted: bool,
}

impl Held {
    fn holds(&self, now: Duration) -> bool {
        !self.doubted && now < self.asked_at + SILENCE_MAX && self.sees(now)
    }

    /// Whether it reads what it can: permissions may have been mended.
    fn sees(&self, now: Duration) -> bool {
        self.known.driver.traits().note.is_none() || now < self.found_at + BLIND_TIME_MAX
    }
}

impl Current {
    pub(super) fn new(ground: Arc<Ground>) -> Self {
        Self { ground, state: Mutex::default() }
    }

    /// The driver; found out first where it is not known, or no longer sure. All who ask meanwhile wait for one answer,
    /// and a failure holds for as long as it took, so that an engine that hangs is not waited for by everyone in turn,
    /// while one that refuses at once is asked again at once.
    pub(super) async fn driver(self: &Arc<Self>) -> Found {
        let finding = {
            let (mut state, now) = (self.state(), self.now());
            if let Some(held) = state.held.as_mut().filter(|held| held.holds(now)) {
                held.asked_at = now;
                return Ok(held.known.driver.clone());
            }
            match state.failed.take() {
                Some((error, until)) if now < until => {
                    state.failed = Some((error.clone(), until));
                    return Err(error);
                }
                _ => self.join(&mut state),
            }
        };
        finding.await
    }

    /// The time of the runtime's clock.
    pub(super) fn now(&self) -> Duration {
        self.ground.runtime.clock.monotonic()
    }

    /// Says that a call of `driver` failed because the engine does not answer.
    pub(super) fn lost(&self, driver: &Arc<dyn Driver>) {
        self.state().held.take_if(|held| Arc::ptr_eq(&held.known.driver, driver));
    }

    /// Says that `driver` answers as one of another engine would: that is found out before the next call.
    pub(super) fn doubt(&self, driver: &Arc<dyn Driver>) {
        let mut state = self.state();
        if let Some(held) = state.held.as_mut().filter(|held| Arc::ptr_eq(&held.known.driver, driver)) {
            held.doubted = true;
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
        let begun = self.now();
        let before = self.state().held.clone().filter(|held| held.sees(begun));
        let known = |held: &Held| Before { known: held.known.clone(), doubted: held.doubted };
        let found = kind::find(self.ground.clone(), before.as_ref().map(known)).await;
        let (mut state, now) = (self.state(), self.now());
        match found {
            Ok(known) => {
                let same = before.filter(|held| Arc::ptr_eq(&held.known.driver, &known.driver));
                let driver = known.driver.clone();
                let found_at = same.map_or(now, |held| held.found_at);
                state.held = Some(Held { known, found_at, asked_at: now, doubted: false });
                self.tell(&mut state, &driver);
                Ok(driver)
            }
            Err(error) => {
                state.held = None;
                state.failed = Some((error.clone(), now + (now - begun)));
                Err(error)
            }
        }
    }

    /// Tells an operator what is to be known of the engine, once.
    fn tell(&self, state: &mut State, driver: &Arc<dyn Driver>) {
        let note = &driver.traits().note;
        if state.told != *note {
            state.told.clone_from(note);
            if let Some(note) = note {
                tracing::info!(engine = %self.ground.address, "{note}");
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change is one assignment.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
