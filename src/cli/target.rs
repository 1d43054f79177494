//! What a verb is about, as people write it: `REPOSITORY`, `REPOSITORY:TAG` or `REPOSITORY@DIGEST`.

use std::str::FromStr;

use dockless_oci::digest::Digest;
use dockless_oci::name::{RepositoryName, Tag};
use dockless_oci::reference::Reference;

use crate::failure::Failure;

/// A repository, and perhaps a tag or digest in it.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// The repository.
    pub(crate) repository: RepositoryName,
    /// The tag or digest; absent when only the repository was named.
    pub(crate) reference: Option<Reference>,
}

impl Target {
    /// The repository, for verbs that are about a whole one.
    ///
    /// # Errors
    /// A tag or digest was named as well.
    pub(crate) fn whole(&self) -> Result<&RepositoryName, Failure> {
        match &self.reference {
            None => Ok(&self.repository),
            Some(_) => Err(Failure::usage(format!("`{self}` is not a whole repository"))
                .hint(format!("write `{}`, or use `dockless inspect {self}`", self.repository))),
        }
    }
}

impl FromStr for Target {
    type Err = String;

    /// Reads a target. A first component with a port (`127.0.0.1:5000/`) is dropped, so that the name given to
    /// `docker push` works here as well; no repository name can hold a colon.
    fn from_str(text: &str) -> Result<Self, String> {
        let text = match text.split_once('/') {
            Some((host, rest)) if host.contains(':') => rest,
            _ => text,
        };
        let (name, reference) = match text.split_once('@') {
            Some((name, digest)) => {
                let digest: Digest = digest.parse().map_err(|error| format!("`{digest}`: {error}"))?;
                // docker writes NAME:TAG@DIGEST as well; the digest alone decides.
                (name.split_once(':').map_or(name, |(name, _)| name), Some(Reference::Digest(digest)))
            }
            None => match text.split_once(':') {
                Some((name, tag)) => {
                    let tag: Tag = tag.parse().map_err(|error| format!("`{tag}`: {error}"))?;
                    (name, Some(Reference::Tag(tag)))
                }
                None => (text, None),
            },
        };
        let repository = name.parse().map_err(|error| format!("`{name}`: {error}"))?;
        Ok(Self { repository, reference })
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.reference {
            None => write!(f, "{}", self.repository),
            Some(Reference::Tag(tag)) => write!(f, "{}:{tag}", self.repository),
            Some(Reference::Digest(digest)) => write!(f, "{}@{digest}", self.repository),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_no_whole_repository() {
        let whole = |text: &str| text.parse::<Target>().unwrap().whole().cloned();
        assert_eq!(whole("you/app").unwrap().as_str(), "you/app");
        assert!(whole("you/app:1").unwrap_err().hint.unwrap().contains("write `you/app`"));
    }

    #[test]
    fn targets_are_read_as_people_write_them() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let table = [
            ("app".to_owned(), "app".to_owned()),
            ("you/app:1".to_owned(), "you/app:1".to_owned()),
            ("127.0.0.1:5000/you/app:1".to_owned(), "you/app:1".to_owned()),
            ("[::1]:5000/app".to_owned(), "app".to_owned()),
            ("docker.io/library/app:1".to_owned(), "docker.io/library/app:1".to_owned()),
            (format!("app@{digest}"), format!("app@{digest}")),
            (format!("app:1@{digest}"), format!("app@{digest}")),
        ];
        for (text, expected) in table {
            assert_eq!(text.parse::<Target>().map(|target| target.to_string()), Ok(expected));
        }
        for text in ["", "App", "app:", "app:-x", "app@sha256:zz", "app@", "host:5000/"] {
            assert!(text.parse::<Target>().is_err(), "{text}");
        }
    }
}
