//! References: the last part of a manifest's path, a tag or a digest.

use crate::digest::{Digest, DigestError};
use crate::name::{Tag, TagError};

/// What names a manifest inside a repository.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Reference {
    /// A name that may be moved.
    Tag(Tag),
    /// The content itself.
    Digest(Digest),
}

/// Why a text is no reference.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ReferenceError {
    /// It holds a colon, so it was meant as a digest.
    #[error(transparent)]
    Digest(#[from] DigestError),
    /// It holds no colon, so it was meant as a tag.
    #[error(transparent)]
    Tag(#[from] TagError),
}

impl Reference {
    /// Reads a reference: with a colon a digest, otherwise a tag.
    ///
    /// # Errors
    /// The error of the kind that the text was meant as.
    pub fn parse(text: &str) -> Result<Self, ReferenceError> {
        if text.contains(':') {
            Ok(Self::Digest(Digest::parse(text)?))
        } else {
            Ok(Self::Tag(Tag::parse(text)?))
        }
    }

    /// The reference as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Reference::Tag(tag) => tag.as_str(),
            Reference::Digest(digest) => digest.as_str(),
        }
    }
}

impl std::fmt::Display for Reference {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.pad(self.as_str())
    }
}

impl std::str::FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_colon_decides_what_a_reference_was_meant_as() {
        let digest = Digest::sha256(b"");
        assert_eq!(Reference::parse(digest.as_str()), Ok(Reference::Digest(digest.clone())));
        assert_eq!(Reference::parse("v1"), Ok(Reference::Tag(Tag::parse("v1").unwrap())));
        assert_eq!(Reference::parse("sha256:x"), Err(ReferenceError::Digest(DigestError::InvalidSyntax)));
        assert_eq!(Reference::parse(".x"), Err(ReferenceError::Tag(TagError)));
        assert_eq!(Reference::parse(""), Err(ReferenceError::Tag(TagError)));
        assert_eq!(Reference::parse(digest.as_str()).unwrap().to_string(), digest.to_string());
    }
}
