//! The doubles pass the suites of their seams, and one seed gives one run.

use std::sync::Mutex;

use tokio::sync::{Mutex as AsyncMutex, Notify, Semaphore, mpsc, oneshot, watch};

use super::*;
use crate::conformance;

#[test]
fn the_doubles_conform() {
    for seed in 0..20 {
        let simulation = Simulation::new(seed);
        let runtime = simulation.runtime();
        simulation.block_on(conformance::clock::check(runtime.clock.clone()));
        simulation.block_on(conformance::spawn::check(&runtime));
        conformance::entropy::check(&*runtime.entropy);
    }
}

#[tokio::test]
async fn the_real_ones_conform() {
    let runtime = Runtime::real();
    conformance::clock::check(runtime.clock.clone()).await;
    conformance::spawn::check(&runtime).await;
    conformance::entropy::check(&*runtime.entropy);
}

#[tokio::test]
async fn a_real_task_that_panics_ends_alone() {
    let runtime = Runtime::real();
    runtime.spawn("panics", async { panic!("on purpose") });
    let lost = runtime.blocking("panics too", || panic!("on purpose")).await;
    assert_eq!(lost, Err::<(), _>(crate::TaskLost { name: "panics too" }));
    assert_eq!(runtime.blocking("goes on", || 1).await, Ok(1));
}

/// The order in which ten tasks, which take turns, get theirs.
fn order(seed: u64) -> Vec<(u32, u64)> {
    let simulation = Simulation::new(seed);
    let runtime = simulation.runtime();
    let log = Arc::new(Mutex::new(Vec::new()));
    simulation.block_on(async {
        let (done, mut all_done) = mpsc::channel::<()>(1);
        for number in 0..10 {
            let (log, done, task) = (log.clone(), done.clone(), runtime.clone());
            runtime.spawn("turns", async move {
                for _ in 0..3 {
                    let mut pause = [0];
                    task.entropy.fill(&mut pause);
                    task.clock.sleep(Duration::from_millis(u64::from(pause[0]) % 4)).await;
                    task.blocking("note", || ()).await.unwrap();
                    log.lock().unwrap().push((number, task.clock.unix_ms()));
                }
                drop(done);
            });
        }
        drop(done);
        assert_eq!(all_done.recv().await, None);
    });
    log.lock().unwrap().clone()
}

#[test]
fn one_seed_gives_one_order_and_another_seed_another() {
    assert_eq!(order(1), order(1));
    assert_ne!(order(1), order(2));
}

#[test]
fn waiting_takes_no_time() {
    let simulation = Simulation::new(1);
    let clock = simulation.clock();
    simulation.run_for(Duration::from_secs(30 * 24 * 3600));
    assert_eq!(crate::Clock::monotonic(&*clock), Duration::from_secs(30 * 24 * 3600));
}

#[test]
fn tokio_sync_works() {
    let simulation = Simulation::new(7);
    let runtime = simulation.runtime();
    simulation.block_on(async {
        let (sender, receiver) = oneshot::channel();
        let (watched, mut watcher) = watch::channel(0);
        let notify = Arc::new(Notify::new());
        let semaphore = Arc::new(Semaphore::new(1));
        let total = Arc::new(AsyncMutex::new(0));
        let permit = semaphore.clone().acquire_owned().await.unwrap();
        for _ in 0..5 {
            let (semaphore, total, notify) = (semaphore.clone(), total.clone(), notify.clone());
            runtime.spawn("adds", async move {
                let _permit = semaphore.acquire().await.unwrap();
                *total.lock().await += 1;
                notify.notify_one();
            });
        }
        let clock = runtime.clock.clone();
        runtime.spawn("sends", async move {
            clock.sleep(Duration::from_secs(5)).await;
            watched.send(9).unwrap();
            sender.send("sent").unwrap();
        });
        drop(permit);
        notify.notified().await;
        watcher.wait_for(|value| *value == 9).await.unwrap();
        assert_eq!(receiver.await, Ok("sent"));
        assert_eq!(*total.lock().await, 5);
    });
}

#[test]
#[should_panic(expected = "deadlock")]
fn a_deadlock_is_said() {
    Simulation::new(1).block_on(std::future::pending::<()>());
}

#[test]
#[should_panic(expected = "a year of virtual time")]
fn waiting_beside_a_periodic_task_is_said_too() {
    let simulation = Simulation::new(1);
    let runtime = simulation.runtime();
    let clock = runtime.clock.clone();
    runtime.spawn("hourly", async move {
        loop {
            clock.sleep(Duration::from_secs(3600)).await;
        }
    });
    simulation.block_on(std::future::pending::<()>());
}

#[test]
#[should_panic(expected = "on purpose")]
fn a_panic_of_a_task_fails_the_test() {
    let simulation = Simulation::new(1);
    simulation.runtime().spawn("panics", async { panic!("on purpose") });
    simulation.run_for(Duration::from_secs(1));
}

#[test]
fn a_kill_drops_tasks_and_keeps_the_disk() {
    let simulation = Simulation::new(1);
    let runtime = simulation.runtime();
    let (alive, mut watcher) = mpsc::channel::<()>(1);
    let clock = runtime.clock.clone();
    runtime.spawn("waits", async move {
        clock.sleep(Duration::from_secs(9)).await;
        drop(alive);
    });
    crate::disk::write_file_durable(&*runtime.disk, "/f".as_ref(), b"x", false).unwrap();
    simulation.run_for(Duration::from_secs(1));
    simulation.kill();
    assert_eq!(watcher.try_recv(), Err(mpsc::error::TryRecvError::Disconnected));
    assert!(runtime.disk.stat("/f".as_ref()).is_ok());
}
