//! What a registry does: push, pull, tag, delete, list; and who may.
//!
//! [`Registry`] is the one entrance for every door. It reads and changes truth through a
//! [`Ledger`](dockless_meta::ledger::Ledger), bytes through a [`BlobStore`](dockless_store::BlobStore), and decides
//! nothing about HTTP. [`access`] says who a caller is and what that caller may; a door asks it before it calls.

pub mod access;
mod adopt;
mod cache;
mod catalog;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod content;
mod delete;
mod error;
mod inner;
mod mirror;
mod mount;
mod page;
mod pull;
mod pulls;
mod push;
mod readiness;
mod references;
mod referrers;
mod registry;
mod settings;
mod source;
mod statistics;
mod sweep;
mod tag;
#[cfg(test)]
mod tests;
mod upload;

pub use access::{Access, Action, Caller, Credentials, IssuedToken, Refusal, Resource, Rule, Scope};
pub use content::{BlobBody, BlobContent, Manifest, ManifestHead};
pub use error::Error;
pub use mirror::report::SourceReport;
pub use page::{PAGE_ITEMS_MAX, Page};
pub use pulls::{PULLS_MAX, Pull, PulledContent};
pub use push::{PutDone, PutRequest, TAGS_PER_PUT_MAX};
pub use readiness::Reason;
pub use referrers::{REFERRERS_PAGE_BYTES_MAX, ReferrersPage};
pub use registry::{Parts, Registry};
pub use settings::{ImmutableTags, Settings};
pub use source::{Asked, Principal, Source, SourceBlob, SourceError, SourceKind, SourceStatus, SourceTraits};

pub use dockless_meta::command::TagCondition;
pub use dockless_store::{Blob, StoreError, UploadId, UploadStatus, UploadWriter};
