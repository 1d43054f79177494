//! Blobs at rest: uploads that hash while they write, reads that are verified, and the drivers that do it.
//!
//! The seam is [`BlobStore`]; [`MemoryStore`] and [`FilesystemStore`] implement it, and both pass the suite in the
//! module `conformance` (a feature of the same name). [`DataDirectory`] keeps other processes and newer formats out
//! of a node's directory.

mod blob;
mod blob_store;
mod chain;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod data_directory;
mod drivers;
mod error;
pub mod fuzz;
mod progress;
mod settings;
mod upload;

pub use blob::{Blob, BlobRead, READ_BYTES_FIRST, READ_BYTES_MAX, Sent};
pub use blob_store::BlobStore;
pub use chain::{ChainList, PIECE_BYTES_MAX, PIECE_BYTES_MIN, piece_bytes};
pub use data_directory::{DataDirectory, DataDirectoryError, FORMAT};
pub use drivers::filesystem::FilesystemStore;
pub use drivers::memory::MemoryStore;
pub use error::StoreError;
pub use settings::Settings;
pub use upload::{NewUpload, UploadId, UploadIdError, UploadStatus, UploadWriter};
