//! Referrers: the manifests of a repository whose subject is a given digest.
//!
//! Every manifest with a subject is a row of the ledger from the moment it is put, whatever tags the client
//! maintains beside it. Indexes under fallback tags (`sha256-<hex>`, distribution-spec "Referrers Tag Schema") are
//! therefore never read: an entry of one counts only if its manifest is in the repository and names the subject,
//! and then it is such a row already, with the artifact type of the manifest instead of what the index says.

use std::io;

use dockless_oci::{Descriptor, Digest, RepositoryName};

use crate::error::Error;
use crate::registry::Registry;

/// Most bytes of the descriptors of one page: as much as a manifest may have, which is what clients read.
pub const REFERRERS_PAGE_BYTES_MAX: usize = 4 << 20;

/// Descriptors read from the ledger at once. Each may carry annotations of almost 4 MiB.
const DESCRIPTORS_AT_ONCE: usize = 8;

/// Most descriptors that one request looks at, whether its filter lets them through or not.
const LOOKED_AT_MAX: usize = 10_000;

/// Most bytes of descriptors that one request looks at and does not show: annotations may make each of them large.
const SKIPPED_BYTES_MAX: usize = 2 * REFERRERS_PAGE_BYTES_MAX;

/// A part of the list of referrers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReferrersPage {
    /// In the order of their digests.
    pub descriptors: Vec<Descriptor>,
    /// Whether only one artifact type was asked for, and is here.
    pub filtered: bool,
    /// If the list goes on, the `after` that gives the next page.
    pub next: Option<Digest>,
}

impl Registry {
    /// One page of the referrers of a digest, which need not exist; neither need the repository. With
    /// `artifact_type` only those of that type. A page holds at most [`REFERRERS_PAGE_BYTES_MAX`], or one
    /// descriptor.
    pub fn referrers(
        &self,
        repository: &RepositoryName,
        subject: &Digest,
        artifact_type: Option<&str>,
        after: Option<&Digest>,
    ) -> Result<ReferrersPage, Error> {
        let view = self.inner.view()?;
        let mut page = ReferrersPage { filtered: artifact_type.is_some(), ..ReferrersPage::default() };
        let (mut bytes, mut skipped_bytes, mut looked_at) = (0, 0, 0);
        let mut after = after.cloned();
        loop {
            let descriptors = view.referrers(repository, subject, after.as_ref(), DESCRIPTORS_AT_ONCE)?;
            let last = descriptors.len() < DESCRIPTORS_AT_ONCE;
            for descriptor in descriptors {
                looked_at += 1;
                let digest = descriptor.digest.clone();
                let size = json_bytes(&descriptor);
                if artifact_type.is_none_or(|wanted| descriptor.artifact_type.as_deref() == Some(wanted)) {
                    bytes += size;
                    if bytes > REFERRERS_PAGE_BYTES_MAX && !page.descriptors.is_empty() {
                        page.next = after;
                        return Ok(page);
                    }
                    page.descriptors.push(descriptor);
                } else {
                    skipped_bytes += size;
                }
                after = Some(digest);
            }
            if last {
                return Ok(page);
            }
            if looked_at >= LOOKED_AT_MAX || skipped_bytes >= SKIPPED_BYTES_MAX {
                page.next = after;
                return Ok(page);
            }
        }
    }
}

/// The length of the descriptor in the answer, its comma included.
fn json_bytes(descriptor: &Descriptor) -> usize {
    struct Count(usize);
    impl io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(1);
    serde_json::to_writer(&mut count, descriptor).expect("strings and integers always serialise");
    count.0
}
