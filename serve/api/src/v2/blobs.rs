//! Blobs: whole or in ranges, never changed on their way.

use dockless_oci::range::{Range, RangeError, parse_range};
use dockless_oci::{Digest, ErrorCode, RepositoryName};
use dockless_registry::BlobBody;
use dockless_registry::access::Action;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};

use super::{Answer, conditions, multipart};
use crate::call::Call;
use crate::error::ApiError;
use crate::outbound::{BlobPart, Outbound, Part};
use crate::reply;

/// What a blob is to HTTP: its media type is known only to the manifests that name it.
const CONTENT_TYPE: &str = "application/octet-stream";

/// `GET` and `HEAD /v2/<name>/blobs/<digest>`
pub(super) async fn get(call: &Call<'_>, repository: &RepositoryName, digest: &str) -> Answer {
    call.require(repository, Action::Pull)?;
    let digest = super::digest(digest)?;
    if *call.method == Method::HEAD {
        let size = call.registry.blob_size(&call.asked(repository), &digest).await?;
        let mut response = match conditions::not_modified(call, &digest) {
            Some(response) => response,
            None => reply::empty(StatusCode::OK),
        };
        describe(call, response.headers_mut(), &digest);
        if response.status() == StatusCode::OK {
            response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(size));
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
        }
        return Ok(response);
    }
    let content = call.registry.blob(&call.asked(repository), &digest).await?;
    if let Some(mut response) = conditions::not_modified(call, &digest) {
        describe(call, response.headers_mut(), &digest);
        return Ok(response);
    }
    let asked = call.header(header::RANGE).filter(|_| conditions::range_holds(call, &digest));
    let ranges = match asked.map(|asked| parse_range(asked, content.size)) {
        None | Some(Err(RangeError::Ignored)) => Vec::new(),
        Some(Ok(ranges)) => ranges,
        Some(Err(RangeError::Unsatisfiable)) => return Err(unsatisfiable(content.size)),
    };
    let mut response = match ranges.as_slice() {
        [] => whole(call, &content.body, content.size),
        [range] => one_range(call, &content.body, *range, content.size),
        ranges => multipart::response(&*call.runtime.entropy, ranges, CONTENT_TYPE, content.size, |range| {
            piece(call, &content.body, range.first, range.last + 1)
        }),
    };
    describe(call, response.headers_mut(), &digest);
    Ok(response)
}

/// The headers that every answer about a blob has.
fn describe(call: &Call<'_>, headers: &mut HeaderMap, digest: &Digest) {
    reply::set_digest(headers, digest);
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::CACHE_CONTROL, reply::immutable(call.is_private()));
}

fn unsatisfiable(size: u64) -> ApiError {
    let message = format!("the blob has {size} bytes");
    ApiError::new(StatusCode::RANGE_NOT_SATISFIABLE, ErrorCode::RangeInvalid, message)
        .with(header::CONTENT_RANGE, format!("bytes */{size}"))
}

/// Bytes `first..end` of the blob.
fn piece(call: &Call<'_>, body: &BlobBody, first: u64, end: u64) -> Part {
    match body {
        BlobBody::Cached(bytes) => {
            let within = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len());
            Part::Memory(bytes.slice(within(first)..within(end)))
        }
        BlobBody::File(blob) => Part::Blob(BlobPart::new(call.registry.clone(), blob.clone(), first, end)),
    }
}

fn body(part: Part) -> Outbound {
    match part {
        Part::Memory(bytes) => Outbound::memory(bytes),
        Part::Blob(part) => Outbound::blob(part),
    }
}

fn whole(call: &Call<'_>, content: &BlobBody, size: u64) -> Response<Outbound> {
    of_length(StatusCode::OK, body(piece(call, content, 0, size)), size)
}

fn one_range(call: &Call<'_>, content: &BlobBody, range: Range, size: u64) -> Response<Outbound> {
    let part = body(piece(call, content, range.first, range.last + 1));
    let mut response = of_length(StatusCode::PARTIAL_CONTENT, part, range.len());
    let value = format!("bytes {}-{}/{size}", range.first, range.last);
    reply::set(response.headers_mut(), header::CONTENT_RANGE, &value);
    response
}

fn of_length(status: StatusCode, body: Outbound, length: u64) -> Response<Outbound> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
    response
}

/// `DELETE /v2/<name>/blobs/<digest>`: the repository holds it no longer; others may.
pub(super) async fn delete(call: &Call<'_>, repository: &RepositoryName, digest: &str) -> Answer {
    call.require(repository, Action::Delete)?;
    let digest = super::digest(digest)?;
    call.registry.delete_blob(repository, &digest).await?;
    Ok(reply::empty(StatusCode::ACCEPTED))
}
