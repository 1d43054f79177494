//! Answers: the headers that all of them carry, and those of the specification.

use bytes::Bytes;
use dockless_oci::{Digest, RepositoryName};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};

use crate::outbound::Outbound;

/// What of a client's own words is repeated to it.
pub(crate) const ECHO_CHARS_MAX: usize = 100;

/// Errors in one body; a manifest may lack many thousand blobs.
pub(crate) const ERRORS_MAX: usize = 100;

/// `Docker-Distribution-Api-Version`: old docker and helm look for it on every answer under `/v2`.
pub(crate) const DOCKER_API_VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");
/// `Docker-Content-Digest`
pub(crate) const DOCKER_CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
/// `Docker-Upload-UUID`
pub(crate) const DOCKER_UPLOAD_UUID: HeaderName = HeaderName::from_static("docker-upload-uuid");
/// `OCI-Subject`
pub(crate) const OCI_SUBJECT: HeaderName = HeaderName::from_static("oci-subject");
/// `OCI-Tag`
pub(crate) const OCI_TAG: HeaderName = HeaderName::from_static("oci-tag");
/// `OCI-Filters-Applied`
pub(crate) const OCI_FILTERS_APPLIED: HeaderName = HeaderName::from_static("oci-filters-applied");
/// `OCI-Namespace`
pub(crate) const OCI_NAMESPACE: HeaderName = HeaderName::from_static("oci-namespace");
/// `X-Request-Id`
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// An answer without content.
pub(crate) fn empty(status: StatusCode) -> Response<Outbound> {
    let mut response = Response::new(Outbound::empty());
    *response.status_mut() = status;
    if status != StatusCode::NO_CONTENT && status != StatusCode::NOT_MODIFIED {
        response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
    response
}

/// An answer of JSON.
pub(crate) fn json(status: StatusCode, body: Vec<u8>) -> Response<Outbound> {
    content(status, "application/json", body.into())
}

/// An answer of some type, from memory.
pub(crate) fn content(status: StatusCode, content_type: &str, body: Bytes) -> Response<Outbound> {
    let length = body.len() as u64;
    let mut response = Response::new(Outbound::memory(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    set(headers, header::CONTENT_TYPE, content_type);
    response
}

/// Sets a header whose value comes from checked words; a value that HTTP cannot carry is left out.
pub(crate) fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// The digest of the content, in the algorithm the client used, and the entity tag made of it.
pub(crate) fn set_digest(headers: &mut HeaderMap, digest: &Digest) {
    set(headers, DOCKER_CONTENT_DIGEST, digest.as_str());
    set(headers, header::ETAG, &entity_tag(digest));
}

/// The strong entity tag of content with this digest.
pub(crate) fn entity_tag(digest: &Digest) -> String {
    format!("\"{digest}\"")
}

/// Where a blob can be had. Relative, so that it holds behind any proxy.
pub(crate) fn blob_location(repository: &RepositoryName, digest: &Digest) -> String {
    format!("/v2/{repository}/blobs/{digest}")
}

/// Where an upload goes on. The offset tells apart what `Range: 0-0` cannot: nothing, and one byte.
pub(crate) fn upload_location(repository: &RepositoryName, id: &str, offset: u64) -> String {
    format!("/v2/{repository}/blobs/uploads/{id}?offset={offset}")
}

/// The `Range` of an upload that holds `offset` bytes.
pub(crate) fn upload_range(offset: u64) -> String {
    format!("0-{}", offset.saturating_sub(1))
}

/// How long others may keep content with a digest; behind a login only the client itself.
pub(crate) fn immutable(private: bool) -> HeaderValue {
    HeaderValue::from_static(if private {
        "private, max-age=31536000, immutable"
    } else {
        "public, max-age=31536000, immutable"
    })
}
