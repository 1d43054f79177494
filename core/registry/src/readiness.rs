//! Whether a node should get traffic, and if not, why.

use crate::registry::Registry;

/// Something that keeps the registry from doing all its work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// A word for programs: `stopping`, `ledger`, `disk`.
    pub code: &'static str,
    /// A sentence for people.
    pub message: String,
}

impl Registry {
    /// Why the registry cannot do all its work now; empty when it can. Asks the disk once, so call it when someone
    /// wants to know, not with every request. A registry that is read-only by its settings is ready.
    pub fn readiness(&self) -> Vec<Reason> {
        let mut reasons = Vec::new();
        if self.inner.stopping().is_requested() {
            reasons.push(Reason { code: "stopping", message: "the registry is stopping".to_owned() });
        }
        if let Some(reason) = self.inner.ledger_failure() {
            let message = format!("the ledger takes no writes until the node is restarted: {reason}");
            reasons.push(Reason { code: "ledger", message });
        } else if let Err(error) = self.inner.ledger.view() {
            reasons.push(Reason { code: "ledger", message: error.to_string() });
        }
        reasons.extend(self.disk_reason());
        reasons
    }

    fn disk_reason(&self) -> Option<Reason> {
        let directory = self.settings().data_directory.as_ref()?;
        let limit = self.settings().disk_free_min;
        let message = match self.inner.runtime.disk.free_bytes(directory) {
            Ok(free) if free >= limit => return None,
            Ok(free) => {
                format!("the disk of {} has {free} bytes free, less than {limit}", directory.display())
            }
            Err(error) => format!("the disk of {} cannot be asked: {error}", directory.display()),
        };
        Some(Reason { code: "disk", message })
    }
}
