//! The words of the OCI specifications: digests, names, manifests, ranges, error codes, the `/v2` grammar.
//!
//! Everything here is pure: no network, no disk, no clock. Every reader of foreign bytes is total: it answers
//! `Err`, never panics, and holds memory in proportion to its input.

pub mod descriptor;
pub mod digest;
pub mod endpoint;
pub mod error_code;
pub mod fuzz;
pub mod hex;
pub mod index;
pub mod manifest;
pub mod media_type;
pub mod name;
pub mod range;
pub mod reference;
mod text;

pub use descriptor::Descriptor;
pub use digest::{Algorithm, Digest};
pub use error_code::ErrorCode;
pub use name::{RepositoryName, Tag};
pub use reference::Reference;
