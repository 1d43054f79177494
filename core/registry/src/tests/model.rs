//! Random clients push, mount, tag and delete at once; what each of them saw must fit one order of all changes,
//! for every tag, manifest and blob, and what they were told must survive a power cut.

use dockless_runtime::simulation::{Random, Simulation};
use tokio::sync::oneshot;

use super::client::{BLOBS, Client, History, MANIFESTS, REPOSITORIES, TAGS, Value, manifest_digest};
use super::fixture::Machine;
use super::linear::Effect;
use crate::Settings;

const CLIENTS: usize = 4;

/// Reads every value there is.
fn read_all(machine: &Machine, history: &History) {
    let crowded = false;
    let client = Client {
        registry: machine.registry.clone(),
        random: Random::new(0),
        history: history.clone(),
        crowded,
    };
    for (repository, repository_name) in REPOSITORIES.iter().enumerate() {
        for at in 0..TAGS.len() {
            let called = history.now();
            history.add(called, machine.run(client.get(repository, at)));
        }
        for blob in 0..BLOBS.len() {
            let called = history.now();
            history.add(called, machine.run(client.get_blob(repository, blob)));
        }
        for number in 0..MANIFESTS {
            let called = history.now();
            let seen = machine.manifest(repository_name, manifest_digest(number).as_str());
            let effect = Effect::Is(seen.ok().map(|_| 0));
            history.add(called, vec![(Value::Manifest(repository, number), effect)]);
        }
    }
}

/// Runs all clients to their end.
fn run_clients(machine: &Machine, history: &History, seed: u64) {
    let runtime = machine.simulation.runtime();
    let clients = (0..CLIENTS as u64).map(|client| {
        let random = Random::new(seed * 100 + client);
        let crowded = seed.is_multiple_of(2);
        let client = Client { registry: machine.registry.clone(), random, history: history.clone(), crowded };
        let (done, ended) = oneshot::channel();
        let work = client.run(runtime.clone());
        runtime.spawn("client", async move {
            work.await;
            let _ = done.send(());
        });
        ended
    });
    let ended: Vec<_> = clients.collect();
    for end in machine.run(futures_util::future::join_all(ended)) {
        end.expect("a client ended early");
    }
}

#[test]
fn concurrent_changes_over_a_slow_ledger_fit_one_order() {
    for seed in 0..150 {
        let machine = Machine::slow(seed, Settings::default());
        let history = History::default();
        run_clients(&machine, &history, seed);
        read_all(&machine, &history);
        history.check(seed);
    }
}

#[test]
fn concurrent_changes_on_disk_fit_one_order_that_survives_a_power_cut() {
    for seed in 0..40 {
        let machine = Machine::durable(Simulation::new(seed), Settings::default());
        let history = History::default();
        run_clients(&machine, &history, seed);
        read_all(&machine, &history);
        assert_eq!(machine.metric("dockless_blobs_missing_total "), 0, "seed {seed}");
        let machine = machine.power_cycle(seed, Settings::default());
        read_all(&machine, &history);
        history.check(seed);
    }
}
