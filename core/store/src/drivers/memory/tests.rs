//! The memory driver does what every store does.

use dockless_runtime::simulation::Simulation;

use super::MemoryStore;
use crate::conformance::{cases, settings};

#[test]
fn every_case_of_the_suite_holds() {
    for case in cases() {
        let simulation = Simulation::new(7);
        let store = MemoryStore::new(simulation.runtime(), settings());
        simulation.block_on((case.run)(store));
    }
}
