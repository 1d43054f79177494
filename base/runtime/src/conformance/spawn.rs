//! What every [`Spawn`](crate::Spawn) must do.

use tokio::sync::{mpsc, oneshot};

use crate::runtime::Runtime;

/// Runs the suite.
///
/// # Panics
/// With the first thing that is wrong.
pub async fn check(runtime: &Runtime) {
    let (sender, mut receiver) = mpsc::channel(1);
    for number in 0..10_u32 {
        let sender = sender.clone();
        let inner = runtime.clone();
        runtime.spawn("outer", async move {
            inner.spawn("inner", async move {
                // The channel holds one: nine of ten tasks have to wait here for the reader.
                sender.send(number).await.unwrap();
            });
        });
    }
    drop(sender);
    let mut numbers = Vec::new();
    while let Some(number) = receiver.recv().await {
        numbers.push(number);
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (0..10).collect::<Vec<_>>(), "every task runs, and only once");

    assert_eq!(
        runtime.blocking("sum", || (1..=4).sum::<u32>()).await,
        Ok(10),
        "blocking work gives its result"
    );
    let nested = runtime.clone();
    let (done, result) = oneshot::channel();
    runtime.spawn("waits for blocking work", async move {
        done.send(nested.blocking("value", || "value").await).unwrap();
    });
    assert_eq!(result.await.unwrap(), Ok("value"), "a task waits for blocking work");

    let (started, ran) = oneshot::channel();
    drop(runtime.blocking("not waited for", || ()));
    runtime.spawn.spawn_blocking("not waited for", Box::new(move || started.send(()).unwrap()));
    ran.await.unwrap();
}
