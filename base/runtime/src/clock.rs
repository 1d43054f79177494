//! Time: the seam [`Clock`], and a time limit for any future.

pub mod real;

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use futures_util::future::{BoxFuture, Either, select};

/// The only way to the time.
pub trait Clock: Send + Sync {
    /// Time since some fixed point before this clock was made; never goes back.
    fn monotonic(&self) -> Duration;

    /// Milliseconds since 1970-01-01 UTC; may jump when someone sets the machine's clock.
    fn unix_ms(&self) -> u64;

    /// Completes once at least `duration` has passed. Dropping the future cancels it.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;
}

/// The time limit passed before the work was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the time limit passed")]
pub struct Elapsed;

/// Runs `work` for at most `limit`.
///
/// # Errors
/// [`Elapsed`] when the limit passed first; `work` is then dropped where it stood.
pub async fn timeout<F: Future>(clock: &dyn Clock, limit: Duration, work: F) -> Result<F::Output, Elapsed> {
    let limit = clock.sleep(limit);
    // `select` polls its first argument first: work that is ready wins over a limit that passed meanwhile.
    match select(pin!(work), limit).await {
        Either::Left((output, _)) => Ok(output),
        Either::Right(((), _)) => Err(Elapsed),
    }
}
