//! The operating system's random source.

use crate::entropy::Entropy;

/// The operating system's random source.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealEntropy;

impl Entropy for RealEntropy {
    #[expect(clippy::disallowed_methods, reason = "the one place that asks the system for random bytes")]
    fn fill(&self, buffer: &mut [u8]) {
        // Linux's getrandom cannot fail after boot but under a seccomp filter that forbids it; going on with
        // guessable keys would be worse than stopping.
        getrandom::fill(buffer).expect("the operating system gives random bytes");
    }
}
