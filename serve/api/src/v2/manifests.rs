//! Manifests: by tag or by digest, byte for byte as they were pushed.

use dockless_oci::manifest::MANIFEST_BYTES_MAX;
use dockless_oci::reference::ReferenceError;
use dockless_oci::{Digest, ErrorCode, Reference, RepositoryName, Tag};
use dockless_registry::access::Action;
use dockless_registry::{Error, PutDone, PutRequest, TAGS_PER_PUT_MAX};
use http::{HeaderValue, Method, Response, StatusCode, header};

use super::{Answer, conditions};
use crate::call::Call;
use crate::error::ApiError;
use crate::inbound::InboundError;
use crate::outbound::Outbound;
use crate::reply;

/// `GET` and `HEAD /v2/<name>/manifests/<reference>`. `Accept` is not looked at: the one manifest that there is, is
/// served as it is; a client that cannot read it says so better than a 404.
pub(super) async fn get(call: &Call<'_>, repository: &RepositoryName, reference: &str) -> Answer {
    call.require(repository, Action::Pull)?;
    let reference = match Reference::parse(reference) {
        Ok(reference) => reference,
        Err(ReferenceError::Digest(error)) => return Err(ApiError::digest(reference, error)),
        // No tag of this name can exist (v1.1.1's suite asks for `.INVALID_MANIFEST_NAME` and wants 404).
        Err(ReferenceError::Tag(_)) => return Err(Error::ManifestUnknown.into()),
    };
    if *call.method == Method::HEAD {
        let head = call.registry.manifest_head(&call.asked(repository), &reference).await?;
        if let Some(response) = conditions::not_modified(call, &head.digest) {
            return Ok(with_headers(call, response, &reference, &head.digest));
        }
        let mut response = reply::empty(StatusCode::OK);
        reply::set(response.headers_mut(), header::CONTENT_TYPE, &head.media_type);
        response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(head.size));
        return Ok(with_headers(call, response, &reference, &head.digest));
    }
    let manifest = call.registry.manifest(&call.asked(repository), &reference).await?;
    if let Some(response) = conditions::not_modified(call, &manifest.digest) {
        return Ok(with_headers(call, response, &reference, &manifest.digest));
    }
    let response = reply::content(StatusCode::OK, &manifest.media_type, manifest.bytes);
    Ok(with_headers(call, response, &reference, &manifest.digest))
}

fn with_headers(
    call: &Call<'_>,
    mut response: Response<Outbound>,
    reference: &Reference,
    digest: &Digest,
) -> Response<Outbound> {
    let headers = response.headers_mut();
    reply::set_digest(headers, digest);
    let caching = match reference {
        Reference::Digest(_) => reply::immutable(call.is_private()),
        Reference::Tag(_) => HeaderValue::from_static("no-cache"),
    };
    headers.insert(header::CACHE_CONTROL, caching);
    response
}

/// `PUT /v2/<name>/manifests/<reference>`
pub(super) async fn put(call: &mut Call<'_>, repository: &RepositoryName, reference: &str) -> Answer {
    call.require(repository, Action::Push)?;
    let reference = Reference::parse(reference).map_err(|error| match error {
        ReferenceError::Digest(error) => ApiError::digest(reference, error),
        ReferenceError::Tag(error) => ApiError::bad(ErrorCode::TagInvalid, error.to_string()),
    })?;
    let tags = tags(call, &reference)?;
    let if_match = conditions::of_tag(call)?;
    let content_type = call.header(header::CONTENT_TYPE).map(str::to_owned);
    let bytes = call.body.collect(MANIFEST_BYTES_MAX).await.map_err(|error| match error {
        InboundError::TooLarge(_) => Error::ManifestTooLarge.into(),
        InboundError::Broken(_) => ApiError::bad(ErrorCode::ManifestInvalid, "the request body broke off"),
        other @ InboundError::Idle => other.into(),
    })?;
    let request = PutRequest { reference, tags, content_type, bytes, if_match };
    let done: PutDone = call.registry.put_manifest(&call.asked(repository), request).await?;
    let mut response = reply::empty(StatusCode::CREATED);
    let headers = response.headers_mut();
    reply::set(headers, header::LOCATION, &format!("/v2/{repository}/manifests/{}", done.digest));
    reply::set_digest(headers, &done.digest);
    if let Some(subject) = &done.subject {
        reply::set(headers, reply::OCI_SUBJECT, subject.as_str());
    }
    for tag in &done.tags {
        if let Ok(tag) = HeaderValue::from_str(tag.as_str()) {
            headers.append(reply::OCI_TAG, tag);
        }
    }
    if done.missing > 0 {
        // RFC 7234, section 5.5; the specification's "Warnings" wants this form without a date.
        let text =
            format!("299 - \"{} of its references are not in {repository}: push them too\"", done.missing);
        reply::set(response.headers_mut(), header::WARNING, &text);
    }
    Ok(response)
}

/// The parameters `tag`, which only a PUT by digest has.
fn tags(call: &Call<'_>, reference: &Reference) -> Result<Vec<Tag>, ApiError> {
    if matches!(reference, Reference::Tag(_)) {
        return Ok(Vec::new());
    }
    let mut tags = Vec::new();
    for text in call.query.all("tag") {
        if tags.len() == TAGS_PER_PUT_MAX {
            return Err(Error::TooManyTags { limit: TAGS_PER_PUT_MAX }.into());
        }
        let tag =
            Tag::parse(text).map_err(|error| ApiError::bad(ErrorCode::TagInvalid, error.to_string()))?;
        if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    Ok(tags)
}

/// `DELETE /v2/<name>/manifests/<reference>`: a tag alone, or a manifest with every tag that points to it.
pub(super) async fn delete(call: &Call<'_>, repository: &RepositoryName, reference: &str) -> Answer {
    call.require(repository, Action::Delete)?;
    let reference = match Reference::parse(reference) {
        Ok(reference) => reference,
        Err(ReferenceError::Digest(error)) => return Err(ApiError::digest(reference, error)),
        Err(ReferenceError::Tag(_)) => return Err(Error::ManifestUnknown.into()),
    };
    call.registry.delete(&call.asked(repository), &reference).await?;
    Ok(reply::empty(StatusCode::ACCEPTED))
}
