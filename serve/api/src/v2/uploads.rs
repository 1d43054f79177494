//! Uploads: begun, appended to, asked about, finished, cancelled.

use dockless_oci::digest::Algorithm;
use dockless_oci::range::{Range, parse_content_range};
use dockless_oci::{Digest, ErrorCode, RepositoryName};
use dockless_registry::access::{Action, Caller};
use dockless_registry::{Error, Registry};
use dockless_runtime::Runtime;
use dockless_store::{UploadId, UploadStatus};
use http::{Response, StatusCode, header};

use super::Answer;
use crate::call::Call;
use crate::error::ApiError;
use crate::outbound::Outbound;
use crate::reply;

/// `POST /v2/<name>/blobs/uploads/`: a mount, a whole blob, or the beginning of an upload.
pub(super) async fn begin(call: &mut Call<'_>, repository: &RepositoryName) -> Answer {
    let mount = call.query.get("mount").filter(|mount| !mount.is_empty()).map(super::digest).transpose()?;
    // A source that cannot be a repository holds nothing: the client gets an upload instead of the mount.
    let from = call.query.get("from").filter(|from| !from.is_empty()).map(RepositoryName::parse);
    let source = from.as_ref().and_then(|from| from.as_ref().ok());
    call.require(repository, Action::Push)?;
    if let Some(digest) = mount
        && !matches!(from, Some(Err(_)))
        && mounted(call, repository, &digest, source).await?
    {
        return Ok(created(repository, &digest));
    }
    if let Some(digest) = call.query.get("digest").filter(|digest| !digest.is_empty()) {
        let digest = super::digest(digest)?;
        return at_once(call, repository, &digest).await;
    }
    let hint = match call.query.get("digest-algorithm") {
        None => None,
        Some(text) => Some(Algorithm::parse(text).map_err(|error| ApiError::digest(text, error))?),
    };
    let status = call.registry.begin_upload(&call.caller, repository, hint).await?;
    Ok(going_on(StatusCode::ACCEPTED, repository, &status.id, 0))
}

/// Tries the mount. What the caller may not pull is, to it, not there.
async fn mounted(
    call: &Call<'_>,
    repository: &RepositoryName,
    digest: &Digest,
    from: Option<&RepositoryName>,
) -> Result<bool, ApiError> {
    match call.registry.mount(&call.caller, repository, digest, from).await {
        Ok(mounted) => Ok(mounted),
        Err(Error::Denied(_) | Error::BlobUnknown | Error::NameUnknown) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// `POST ?digest=`: the whole blob in one request.
async fn at_once(call: &mut Call<'_>, repository: &RepositoryName, digest: &Digest) -> Answer {
    let hint = Some(digest.algorithm());
    let upload = call.registry.begin_upload(&call.caller, repository, hint).await?;
    let mut unfinished = Unfinished {
        registry: call.registry.clone(),
        runtime: call.runtime.clone(),
        caller: call.caller.clone(),
        upload: Some((repository.clone(), upload.id.clone())),
    };
    receive(call, repository, &upload.id, Some(0), None).await?;
    seal(call, repository, &upload.id, digest).await?;
    unfinished.upload = None;
    Ok(created(repository, digest))
}

/// An upload that nobody was told of, so that nobody can go on with it: dropped with its request, also when the client
/// left in the middle.
struct Unfinished {
    registry: Registry,
    runtime: Runtime,
    caller: Caller,
    upload: Option<(RepositoryName, UploadId)>,
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        let Some((repository, id)) = self.upload.take() else { return };
        let (registry, caller) = (self.registry.clone(), self.caller.clone());
        self.runtime.spawn("upload cancel", async move {
            // Gone already is fine; what cannot be cancelled expires.
            let _ = registry.cancel_upload(&caller, &repository, &id).await;
        });
    }
}

/// `PATCH <location>`: a chunk with its place, or a stream that goes on where the upload stands.
pub(super) async fn append(call: &mut Call<'_>, repository: &RepositoryName, id: &str) -> Answer {
    let id = known(call, repository, id)?;
    let range = chunk(call)?;
    let at = range.map(|range| range.first).or_else(|| offset_of_location(call));
    let held = receive(call, repository, &id, at, range.map(|range| range.len())).await?;
    Ok(going_on(StatusCode::ACCEPTED, repository, &id, held))
}

/// `PUT <location>?digest=`: the end, perhaps with the last chunk, or with everything.
pub(super) async fn finish(call: &mut Call<'_>, repository: &RepositoryName, id: &str) -> Answer {
    let id = known(call, repository, id)?;
    let Some(digest) = call.query.get("digest") else {
        return Err(ApiError::bad(ErrorCode::DigestInvalid, "the parameter digest is missing"));
    };
    let digest = super::digest(digest)?;
    let range = chunk(call)?;
    if range.is_some() || !call.body.is_finished() {
        let at = range.map(|range| range.first).or_else(|| offset_of_location(call));
        receive(call, repository, &id, at, range.map(|range| range.len())).await?;
    }
    seal(call, repository, &id, &digest).await?;
    Ok(created(repository, &digest))
}

/// `GET <location>`: also a location from earlier in the same upload.
pub(super) async fn status(call: &Call<'_>, repository: &RepositoryName, id: &str) -> Answer {
    let id = known(call, repository, id)?;
    let status: UploadStatus =
        call.registry.upload(&call.caller, repository, &id).await.map_err(denied(call))?;
    Ok(going_on(StatusCode::NO_CONTENT, repository, &id, status.offset))
}

/// `DELETE <location>`. The right to push is enough: who began an upload may end it (podman does after each mount
/// that became an upload).
pub(super) async fn cancel(call: &Call<'_>, repository: &RepositoryName, id: &str) -> Answer {
    let id = known(call, repository, id)?;
    call.registry.cancel_upload(&call.caller, repository, &id).await.map_err(denied(call))?;
    Ok(reply::empty(StatusCode::NO_CONTENT))
}

/// The upload that a path names, for a caller who may push. A token that expired is looked at by the registry,
/// which knows when the upload began.
fn known(call: &Call<'_>, repository: &RepositoryName, id: &str) -> Result<UploadId, ApiError> {
    if !call.caller.is_expired() {
        call.require(repository, Action::Push)?;
    }
    id.parse().map_err(|_| Error::BlobUploadUnknown.into())
}

/// A denial that a fresh token may cure is a challenge.
fn denied<'a>(call: &'a Call<'_>) -> impl Fn(Error) -> ApiError + 'a {
    move |error| match error {
        Error::Denied(_) if call.caller.is_expired() => call.challenge(),
        error => error.into(),
    }
}

/// The `Content-Range` of a chunk, which must fit its `Content-Length`.
fn chunk(call: &Call<'_>) -> Result<Option<Range>, ApiError> {
    let Some(text) = call.headers.get(header::CONTENT_RANGE) else { return Ok(None) };
    let range = text.to_str().ok().and_then(parse_content_range);
    let Some(range) = range else {
        return Err(ApiError::bad(
            ErrorCode::BlobUploadInvalid,
            "Content-Range is not of the form FIRST-LAST",
        ));
    };
    match call.body.length() {
        Some(length) if length != range.len() => {
            let message = format!("Content-Range means {} bytes, Content-Length {length}", range.len());
            Err(ApiError::bad(ErrorCode::SizeInvalid, message))
        }
        _ => Ok(Some(range)),
    }
}

/// The offset that our `Location` carries. A stream sent to an old one would be appended in the wrong place.
fn offset_of_location(call: &Call<'_>) -> Option<u64> {
    call.query.get("offset")?.parse().ok()
}

/// Takes the request's body into the upload; how much it then holds. `expected` is the length of the chunk, if said.
async fn receive(
    call: &mut Call<'_>,
    repository: &RepositoryName,
    id: &UploadId,
    at: Option<u64>,
    expected: Option<u64>,
) -> Result<u64, ApiError> {
    let mut writer = call.registry.append(&call.caller, repository, id, at).await.map_err(denied(call))?;
    let mut received = 0;
    while let Some(bytes) = call.body.next().await.transpose()? {
        received += bytes.len() as u64;
        if expected.is_some_and(|expected| received > expected) {
            return Err(ApiError::bad(ErrorCode::SizeInvalid, "more bytes than Content-Range says"));
        }
        writer.write(bytes).await?;
    }
    let held = writer.close().await?;
    match expected {
        Some(expected) if received < expected => {
            Err(ApiError::bad(ErrorCode::SizeInvalid, "fewer bytes than Content-Range says"))
        }
        _ => Ok(held),
    }
}

/// Makes the upload a blob of the repository.
async fn seal(
    call: &Call<'_>,
    repository: &RepositoryName,
    id: &UploadId,
    digest: &Digest,
) -> Result<(), ApiError> {
    call.registry.finish(&call.caller, repository, id, digest).await.map_err(denied(call))?;
    Ok(())
}

/// `201`: the blob is in the repository.
fn created(repository: &RepositoryName, digest: &Digest) -> Response<Outbound> {
    let mut response = reply::empty(StatusCode::CREATED);
    let headers = response.headers_mut();
    reply::set(headers, header::LOCATION, &reply::blob_location(repository, digest));
    reply::set(headers, reply::DOCKER_CONTENT_DIGEST, digest.as_str());
    response
}

/// `202` or `204`: the upload goes on, and holds `offset` bytes.
fn going_on(
    status: StatusCode,
    repository: &RepositoryName,
    id: &UploadId,
    offset: u64,
) -> Response<Outbound> {
    let mut response = reply::empty(status);
    let headers = response.headers_mut();
    reply::set(headers, header::LOCATION, &reply::upload_location(repository, id.as_str(), offset));
    reply::set(headers, header::RANGE, &reply::upload_range(offset));
    reply::set(headers, reply::DOCKER_UPLOAD_UUID, id.as_str());
    response
}
