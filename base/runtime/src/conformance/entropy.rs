//! What every [`Entropy`] must do.

use std::collections::BTreeSet;

use crate::entropy::{Entropy, hex_id};

/// Runs the suite.
///
/// # Panics
/// With the first thing that is wrong.
pub fn check(entropy: &dyn Entropy) {
    entropy.fill(&mut []);
    // 64 buffers of each length: a byte that is never written would be the same 64 times (chance 2^-500).
    for length in 1..=33 {
        let mut seen = vec![BTreeSet::new(); length];
        for _ in 0..64 {
            let mut buffer = vec![0; length];
            entropy.fill(&mut buffer);
            buffer.iter().zip(&mut seen).for_each(|(byte, seen)| {
                seen.insert(*byte);
            });
        }
        assert!(seen.iter().all(|seen| seen.len() > 1), "every byte of {length} is filled");
    }
    let ids: BTreeSet<String> = (0..256).map(|_| hex_id(entropy, 16)).collect();
    assert_eq!(ids.len(), 256, "identifiers do not repeat");
    assert!(ids.iter().all(|id| id.len() == 32 && id.bytes().all(|b| b"0123456789abcdef".contains(&b))));
}
