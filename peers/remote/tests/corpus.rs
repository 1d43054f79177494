//! Replays the committed corpus of every fuzz target, and deterministic mutations of each entry.

use dockless_remote::fuzz::TARGETS;

#[test]
fn every_target_survives_its_corpus_and_mutations_of_it() {
    dockless_corpus::replay(env!("CARGO_MANIFEST_DIR"), &TARGETS, dockless_corpus::TEXT);
}
