//! What is asked for.

use dockless_oci::{Digest, Reference};

use crate::source::{Asked, Principal};

/// What kind of content is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Manifest,
    Blob,
}

/// What is asked for, where and for whom.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Question {
    pub(super) asked: Asked,
    pub(super) kind: Kind,
    pub(super) reference: Reference,
}

impl Question {
    /// A manifest.
    pub(super) fn manifest(asked: &Asked, reference: &Reference) -> Self {
        Self { asked: asked.clone(), kind: Kind::Manifest, reference: reference.clone() }
    }

    /// A blob.
    pub(super) fn blob(asked: &Asked, digest: &Digest) -> Self {
        Self { asked: asked.clone(), kind: Kind::Blob, reference: Reference::Digest(digest.clone()) }
    }

    /// The same question, as one who answers everybody alike hears it.
    pub(super) fn of_anybody(&self) -> Self {
        let asked = Asked { principal: Principal::Anonymous, ..self.asked.clone() };
        Self { asked, ..self.clone() }
    }
}
