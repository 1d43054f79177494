//! Replays a committed fuzz corpus, and deterministic mutations of each entry, against the readers of foreign bytes.

#![expect(clippy::disallowed_methods, reason = "reads the committed corpus of a crate under test")]

use std::path::{Path, PathBuf};

/// A reader of foreign bytes by its name; it panics when it breaks a promise.
pub type Target = (&'static str, fn(&[u8]));

/// What readers of text stumble over.
pub const TEXT: &[&[u8]] = &[
    b":",
    b"/",
    b"-",
    b",",
    b"=",
    b"\"",
    b"{",
    b"}",
    b"[",
    b"]",
    b"\0",
    b"\xff",
    b"null",
    b"18446744073709551616",
    b"\n",
    b"\\u0000",
];

/// Mutations of each corpus entry; enough to break every byte of a short one in some way, in about a second.
const MUTATIONS_PER_ENTRY: u64 = 2_000;
/// Mutations of an entry over [`SHORT_BYTES`]: it is there for its size, and takes the time of a thousand short ones.
const MUTATIONS_PER_LONG_ENTRY: u64 = 20;
const SHORT_BYTES: usize = 4096;
/// Fewer entries than this cover no target.
const ENTRIES_MIN: usize = 3;

/// xorshift64*: small, and the same on every machine.
struct Mutator<'a>(u64, &'a [&'a [u8]]);

impl Mutator<'_> {
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
                let token = self.1[self.below(self.1.len())];
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

/// Hands every entry of `CRATE/corpus/TARGET/` and mutations of it, with `tokens` put in here and there, to the targets.
/// `crate_folder` is the `CARGO_MANIFEST_DIR` of the caller.
///
/// # Panics
/// When a target panics, when it has too few entries, and when a folder of the corpus belongs to no target.
pub fn replay(crate_folder: &str, targets: &[Target], tokens: &[&[u8]]) {
    let corpus = Path::new(crate_folder).join("corpus");
    for (folder, _) in list(&corpus) {
        let name = folder.file_name().unwrap_or_default();
        assert!(
            targets.iter().any(|(target, _)| *target == name),
            "corpus/{} is replayed by nobody",
            name.display()
        );
    }
    for (name, target) in targets {
        let entries = list(&corpus.join(name));
        assert!(entries.len() >= ENTRIES_MIN, "the corpus of {name} has only {} entries", entries.len());
        for (number, (file, entry)) in entries.iter().enumerate() {
            target(entry);
            let rounds =
                if entry.len() > SHORT_BYTES { MUTATIONS_PER_LONG_ENTRY } else { MUTATIONS_PER_ENTRY };
            for round in 0..rounds {
                let seed = 0x9e37_79b9_7f4a_7c15 ^ ((number as u64) << 32) ^ (round + 1);
                let mutated = mutated(entry, Mutator(seed, tokens));
                let run = std::panic::catch_unwind(|| target(&mutated));
                let shown = file.display();
                assert!(
                    run.is_ok(),
                    "{name}: mutation {round} of {shown} panics: {}",
                    mutated.escape_ascii()
                );
            }
        }
    }
}

fn mutated(entry: &[u8], mut mutator: Mutator<'_>) -> Vec<u8> {
    let mut bytes = entry.to_vec();
    for _ in 0..=mutator.below(4) {
        mutator.mutate(&mut bytes);
    }
    bytes
}

/// What stands in a folder, in order; folders have no content.
fn list(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut listed: Vec<_> = entries
        .map(|entry| {
            let path = entry.unwrap_or_else(|error| panic!("{}: {error}", folder.display())).path();
            let bytes = if path.is_dir() { Ok(Vec::new()) } else { std::fs::read(&path) };
            let bytes = bytes.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            (path, bytes)
        })
        .collect();
    listed.sort();
    listed
}
