//! What every [`Clock`] must do.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;

use crate::clock::{Clock, Elapsed, timeout};

/// Runs the suite; takes some tens of milliseconds of the clock's time.
///
/// # Panics
/// With the first thing that is wrong.
pub async fn check(clock: Arc<dyn Clock>) {
    let start = clock.monotonic();
    clock.sleep(Duration::ZERO).await;
    let pause = Duration::from_millis(20);
    clock.sleep(pause).await;
    assert!(clock.monotonic() >= start + pause, "a sleep is never too short");

    let wall = clock.unix_ms();
    assert!(wall > 1_700_000_000_000, "the wall clock counts milliseconds since 1970: {wall}");

    let never = std::future::pending::<()>();
    assert_eq!(timeout(&*clock, pause, never).await, Err(Elapsed), "a limit ends what never ends");
    assert_eq!(
        timeout(&*clock, Duration::ZERO, async { 7 }).await,
        Ok(7),
        "work that is ready beats its limit"
    );
    let slow = clock.sleep(Duration::from_millis(1));
    assert_eq!(
        timeout(&*clock, Duration::from_secs(60), slow).await,
        Ok(()),
        "work inside its limit is done"
    );

    // The same sleep may be polled from elsewhere before it ends: the last waker counts.
    let mut sleep = clock.sleep(pause);
    assert!((&mut sleep).now_or_never().is_none(), "a sleep that has just begun is not over");
    sleep.await;
    drop(clock.sleep(Duration::MAX));
}
