//! Replays the committed corpus of every fuzz target, and deterministic mutations of each entry.

use dockless_store::fuzz::TARGETS;

/// What these parsers stumble over.
const TOKENS: &[&[u8]] = &[
    b"\0",
    b"\x01",
    b"\x02",
    b"\x80",
    b"\xff",
    b"\xff\xff\xff\xff",
    b"dku1",
    b"\"",
    b"{",
    b"}",
    b"null",
    b"\n",
];

#[test]
fn every_target_survives_its_corpus_and_mutations_of_it() {
    dockless_corpus::replay(env!("CARGO_MANIFEST_DIR"), &TARGETS, TOKENS);
}
