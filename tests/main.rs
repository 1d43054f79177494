//! The one integration binary: tests of the whole house.

#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod cli;
#[cfg(test)]
mod conformance;
