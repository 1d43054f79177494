//! Names: repositories and tags (distribution-spec, "Pulling manifests").

#[cfg(test)]
mod tests;

use std::sync::Arc;

/// The longest repository name in bytes: clients refuse more than 255 for host, slash and name together.
pub const REPOSITORY_NAME_BYTES_MAX: usize = 255;
/// The longest tag in bytes, from the grammar `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`.
pub const TAG_BYTES_MAX: usize = 128;

/// Why a text names no repository.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NameError {
    /// No characters at all.
    #[error("the repository name is empty")]
    Empty,
    /// More than `REPOSITORY_NAME_BYTES_MAX` bytes.
    #[error("the repository name is longer than {REPOSITORY_NAME_BYTES_MAX} bytes")]
    TooLong,
    /// Outside the grammar.
    #[error(
        "not a repository name: expected components of lower-case letters and digits, joined inside by one \
         '.', one or two '_' or any '-', and separated by '/'"
    )]
    InvalidSyntax,
}

/// The name of a repository:
/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*`, at most 255 bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RepositoryName(Arc<str>);

impl RepositoryName {
    /// Reads a name strictly by the grammar.
    ///
    /// # Errors
    /// `NameError` says which rule is broken.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        if text.len() > REPOSITORY_NAME_BYTES_MAX {
            return Err(NameError::TooLong);
        }
        if !text.split('/').all(is_component) {
            return Err(NameError::InvalidSyntax);
        }
        Ok(Self(text.into()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`: runs of letters and digits, with one legal separator between two runs.
fn is_component(text: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    let (Some(&first), Some(&last)) = (bytes.first(), bytes.last()) else { return false };
    if !is_letter(first) || !is_letter(last) {
        return false;
    }
    bytes.split(|&byte| is_letter(byte)).all(|between| {
        matches!(between, b"" | b"." | b"_" | b"__") || between.iter().all(|&byte| byte == b'-')
    })
}

/// Why a text is no tag.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "not a tag: expected 1 to {TAG_BYTES_MAX} letters, digits, '_', '.' and '-', beginning with none of the last two"
)]
pub struct TagError;

/// A tag: `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`. The order is byte order.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(Arc<str>);

impl Tag {
    /// Reads a tag strictly by the grammar.
    ///
    /// # Errors
    /// `TagError` when the text is outside it.
    pub fn parse(text: &str) -> Result<Self, TagError> {
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let begins_well = text.bytes().next().is_some_and(is_word);
        let goes_on_well = text.bytes().all(|byte| is_word(byte) || byte == b'.' || byte == b'-');
        if !begins_well || !goes_on_well || text.len() > TAG_BYTES_MAX {
            return Err(TagError);
        }
        Ok(Self(text.into()))
    }

    /// The tag as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

crate::text::text_type!(RepositoryName, NameError);
crate::text::text_type!(Tag, TagError);
