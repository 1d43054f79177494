//! Replays the committed corpus of every fuzz target, and deterministic mutations of each entry.

#![expect(clippy::disallowed_methods, reason = "reads the committed corpus")]

use std::path::{Path, PathBuf};

use dockless_store::fuzz::TARGETS;

/// Mutations of each corpus entry; enough to break every byte of a short one in some way, in about a second.
const MUTATIONS_PER_ENTRY: u64 = 2_000;
/// What parsers stumble over.
const TOKENS: [&[u8]; 12] = [
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

/// xorshift64*: small, and the same on every machine.
struct Mutator(u64);

impl Mutator {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let mixed = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        mixed as usize % limit.max(1)
    }

    fn mutate(&mut self, bytes: &mut Vec<u8>) {
        let at = self.below(bytes.len() + 1);
        match self.below(6) {
            0 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
            1 if at < bytes.len() => {
                let end = at + self.below(bytes.len() - at) + 1;
                bytes.drain(at..end);
            }
            2 => {
                let token = TOKENS[self.below(TOKENS.len())];
                bytes.splice(at..at, token.iter().copied());
            }
            3 => bytes.truncate(at),
            4 => {
                let end = at + self.below((bytes.len() - at).min(64) + 1);
                let copied = bytes[at..end].to_vec();
                bytes.splice(at..at, copied);
            }
            _ => bytes.insert(at, self.below(256) as u8),
        }
    }
}

fn entries(target: &str) -> std::io::Result<Vec<(PathBuf, Vec<u8>)>> {
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target))? {
        let path = entry?.path();
        let bytes = std::fs::read(&path)?;
        entries.push((path, bytes));
    }
    entries.sort();
    Ok(entries)
}

#[test]
fn every_target_survives_its_corpus_and_mutations_of_it() {
    for (name, target) in TARGETS {
        let entries = entries(name).unwrap();
        assert!(entries.len() >= 3, "the corpus of {name} has only {} entries", entries.len());
        for (number, (file, entry)) in entries.iter().enumerate() {
            target(entry);
            // Large entries are for their size; mutating them would take the time of a thousand small ones.
            let rounds = if entry.len() > 4096 { 20 } else { MUTATIONS_PER_ENTRY };
            for round in 0..rounds {
                let mut mutator = Mutator(0x9e37_79b9_7f4a_7c15 ^ ((number as u64) << 32) ^ (round + 1));
                let mut mutated = entry.clone();
                for _ in 0..=mutator.below(4) {
                    mutator.mutate(&mut mutated);
                }
                let run = std::panic::catch_unwind(|| target(&mutated));
                assert!(
                    run.is_ok(),
                    "{name}: mutation {round} of {} panics: {}",
                    file.display(),
                    mutated.escape_ascii()
                );
            }
        }
    }
}

#[test]
fn every_corpus_folder_has_a_target() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(TARGETS.iter().any(|(target, _)| *target == name), "corpus/{name} is replayed by nobody");
    }
}
