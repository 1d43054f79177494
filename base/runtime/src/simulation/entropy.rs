//! Random bytes that follow from a seed.

use std::sync::{Mutex, PoisonError};

use crate::entropy::Entropy;
use crate::simulation::random::Random;

/// Random bytes that follow from a seed.
#[derive(Debug)]
pub struct SimEntropy {
    random: Mutex<Random>,
}

impl SimEntropy {
    /// The sequence that belongs to `seed`, unlike the one that orders tasks by the same seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { random: Mutex::new(Random::new(seed ^ 0x656e_7472_6f70_7921)) }
    }
}

impl Entropy for SimEntropy {
    fn fill(&self, buffer: &mut [u8]) {
        let mut random = self.random.lock().unwrap_or_else(PoisonError::into_inner);
        for chunk in buffer.chunks_mut(8) {
            chunk.copy_from_slice(&random.bits().to_le_bytes()[..chunk.len()]);
        }
    }
}
