//! The `/v2` grammar: which endpoint a path names (distribution-spec, "Endpoints").
//!
//! Repository names hold slashes and may hold the words of the grammar (`a/blobs/uploads`), so a path is read
//! from its end: the last segments say what is asked, all before them is the name.

#[cfg(test)]
mod tests;

use crate::name::RepositoryName;

/// What a path under `/v2` asks for. References, digests and upload ids are raw: what is wrong with them is
/// answered differently by method.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Endpoint {
    /// `/v2/`
    Base,
    /// `/v2/_catalog`
    Catalog,
    /// `/v2/<name>/tags/list`
    Tags {
        /// The repository.
        repository: RepositoryName,
    },
    /// `/v2/<name>/manifests/<reference>`
    Manifest {
        /// The repository.
        repository: RepositoryName,
        /// The raw tag or digest, not empty.
        reference: String,
    },
    /// `/v2/<name>/blobs/<digest>`
    Blob {
        /// The repository.
        repository: RepositoryName,
        /// The raw digest, not empty.
        digest: String,
    },
    /// `/v2/<name>/blobs/uploads/`
    Uploads {
        /// The repository.
        repository: RepositoryName,
    },
    /// `/v2/<name>/blobs/uploads/<id>`
    Upload {
        /// The repository.
        repository: RepositoryName,
        /// The raw id, not empty.
        id: String,
    },
    /// `/v2/<name>/referrers/<digest>`
    Referrers {
        /// The repository.
        repository: RepositoryName,
        /// The raw digest, not empty.
        digest: String,
    },
}

impl Endpoint {
    /// The repository that the path names, if any.
    #[must_use]
    pub fn repository(&self) -> Option<&RepositoryName> {
        match self {
            Endpoint::Base | Endpoint::Catalog => None,
            Endpoint::Tags { repository }
            | Endpoint::Manifest { repository, .. }
            | Endpoint::Blob { repository, .. }
            | Endpoint::Uploads { repository }
            | Endpoint::Upload { repository, .. }
            | Endpoint::Referrers { repository, .. } => Some(repository),
        }
    }
}

/// Why a path names no endpoint.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum EndpointError {
    /// No endpoint has this form.
    #[error("no such endpoint")]
    NotFound,
    /// An endpoint has this form, but what stands for the repository is no name.
    #[error("invalid repository name {0:?}")]
    NameInvalid(String),
}

/// Finds the endpoint of a percent-decoded path without query. A trailing slash is allowed where the
/// specification writes one: `/v2/` and `.../blobs/uploads/`.
///
/// # Errors
/// `EndpointError` says whether the form or the name is wrong.
pub fn parse_path(path: &str) -> Result<Endpoint, EndpointError> {
    let rest = match path.strip_prefix("/v2") {
        Some("" | "/") => return Ok(Endpoint::Base),
        Some("/_catalog") => return Ok(Endpoint::Catalog),
        Some(rest) => rest.strip_prefix('/').ok_or(EndpointError::NotFound)?,
        None => return Err(EndpointError::NotFound),
    };
    if let Some(name) = rest.strip_suffix("/tags/list") {
        return Ok(Endpoint::Tags { repository: repository(name)? });
    }
    if let Some(name) = rest.strip_suffix("/blobs/uploads/").or_else(|| rest.strip_suffix("/blobs/uploads")) {
        return Ok(Endpoint::Uploads { repository: repository(name)? });
    }
    let (before, last) = rest.rsplit_once('/').ok_or(EndpointError::NotFound)?;
    if last.is_empty() {
        return Err(EndpointError::NotFound);
    }
    let last = last.to_owned();
    if let Some(name) = before.strip_suffix("/manifests") {
        Ok(Endpoint::Manifest { repository: repository(name)?, reference: last })
    } else if let Some(name) = before.strip_suffix("/blobs/uploads") {
        Ok(Endpoint::Upload { repository: repository(name)?, id: last })
    } else if let Some(name) = before.strip_suffix("/blobs") {
        Ok(Endpoint::Blob { repository: repository(name)?, digest: last })
    } else if let Some(name) = before.strip_suffix("/referrers") {
        Ok(Endpoint::Referrers { repository: repository(name)?, digest: last })
    } else {
        Err(EndpointError::NotFound)
    }
}

fn repository(name: &str) -> Result<RepositoryName, EndpointError> {
    RepositoryName::parse(name).map_err(|_| EndpointError::NameInvalid(name.to_owned()))
}
