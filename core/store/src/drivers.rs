//! The implementations of the seam.

pub(crate) mod filesystem;
pub(crate) mod memory;
#[cfg(test)]
mod tests;
