//! The one map from what went wrong to status, code and words. What goes out never tells of the inside: that is
//! logged here, once.

use dockless_oci::error_code::{ErrorBody, ErrorCode, ErrorEntry};
use dockless_registry::Error;
use dockless_store::{StoreError, UploadStatus};
use http::{HeaderName, HeaderValue, Response, StatusCode, header};

use crate::inbound::InboundError;
use crate::outbound::Outbound;
use crate::reply;

/// Seconds after which a refused client may try again, where we refuse for load or for a stop.
const RETRY_AFTER_SECONDS: &str = "5";

/// An answer that is an error.
#[derive(Debug)]
pub(crate) struct ApiError {
    /// The status.
    pub(crate) status: StatusCode,
    /// The body.
    pub(crate) body: ErrorBody,
    /// Further headers.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
}

impl ApiError {
    /// One error.
    pub(crate) fn new(status: StatusCode, code: ErrorCode, message: impl Into<String>) -> Self {
        Self { status, body: ErrorBody::one(code, message), headers: Vec::new() }
    }

    /// One error about the thing named `detail`.
    pub(crate) fn about(
        status: StatusCode,
        code: ErrorCode,
        message: impl Into<String>,
        detail: &str,
    ) -> Self {
        Self { status, body: ErrorBody::with_detail(code, message, detail.into()), headers: Vec::new() }
    }

    /// With a header more. A value that is no header value is left out.
    pub(crate) fn with(mut self, name: HeaderName, value: impl AsRef<str>) -> Self {
        if let Ok(value) = HeaderValue::from_str(value.as_ref()) {
            self.headers.push((name, value));
        }
        self
    }

    /// `400` with a code.
    pub(crate) fn bad(code: ErrorCode, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    /// A path that nothing answers.
    pub(crate) fn no_such_endpoint() -> Self {
        Self::new(StatusCode::NOT_FOUND, ErrorCode::Unsupported, "no such endpoint")
    }

    /// A method that the path does not have; `allow` are those it has.
    pub(crate) fn wrong_method(allow: &'static str) -> Self {
        let message = format!("this path answers {allow}");
        Self::new(StatusCode::METHOD_NOT_ALLOWED, ErrorCode::Unsupported, message).with(header::ALLOW, allow)
    }

    /// A digest that cannot be one.
    pub(crate) fn digest(text: &str, error: impl std::fmt::Display) -> Self {
        let text: String = text.chars().take(reply::ECHO_CHARS_MAX).collect();
        Self::about(StatusCode::BAD_REQUEST, ErrorCode::DigestInvalid, error.to_string(), &text)
    }

    /// The error as it goes out: JSON that nobody may keep.
    pub(crate) fn into_response(self) -> Response<Outbound> {
        let mut response = reply::json(self.status, self.body.to_json());
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        for (name, value) in self.headers {
            headers.append(name, value);
        }
        response
    }
}

/// Shorthand for the table below.
fn plain(status: StatusCode, code: ErrorCode, message: &str) -> ApiError {
    ApiError::new(status, code, message)
}

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        use ErrorCode as Code;
        use StatusCode as Status;
        let message = error.to_string();
        let (status, code) = match &error {
            Error::BlobUnknown => (Status::NOT_FOUND, Code::BlobUnknown),
            Error::BlobUploadUnknown => (Status::NOT_FOUND, Code::BlobUploadUnknown),
            Error::BlobUploadInvalid(_) => (Status::BAD_REQUEST, Code::BlobUploadInvalid),
            Error::DigestInvalid(_) => (Status::BAD_REQUEST, Code::DigestInvalid),
            Error::ManifestUnknown => (Status::NOT_FOUND, Code::ManifestUnknown),
            Error::ManifestBlobUnknown(missing) => return Self::missing_blobs(missing),
            Error::ManifestInvalid(_) => (Status::BAD_REQUEST, Code::ManifestInvalid),
            Error::ManifestTooLarge => (Status::PAYLOAD_TOO_LARGE, Code::ManifestInvalid),
            Error::NameUnknown => (Status::NOT_FOUND, Code::NameUnknown),
            Error::SizeInvalid(_) => (Status::BAD_REQUEST, Code::SizeInvalid),
            Error::RangeInvalid { status } => return Self::range_of_upload(status, message),
            Error::Denied(_) => (Status::FORBIDDEN, Code::Denied),
            Error::TagChanged => (Status::PRECONDITION_FAILED, Code::TagChanged),
            Error::TagImmutable => (Status::CONFLICT, Code::TagImmutable),
            Error::TooManyTags { .. } => (Status::URI_TOO_LONG, Code::TagInvalid),
            // The specification's own status for a deletion that is not possible; 400 fails its conformance suite.
            Error::BlobReferenced { by } => {
                return Self::about(Status::METHOD_NOT_ALLOWED, Code::Unsupported, message, by.as_str())
                    .with(header::ALLOW, "GET, HEAD");
            }
            Error::HeldElsewhere { by } => {
                return Self::about(Status::METHOD_NOT_ALLOWED, Code::Unsupported, message, by)
                    .with(header::ALLOW, "GET, HEAD, PUT");
            }
            // docker tries four more times, a minute in all, unless the code is one that it knows to be final.
            Error::TooLarge => (Status::PAYLOAD_TOO_LARGE, Code::Denied),
            Error::DiskFull => (Status::INSUFFICIENT_STORAGE, Code::Unavailable),
            Error::ReadOnly => {
                return Self::new(Status::METHOD_NOT_ALLOWED, Code::Unsupported, message)
                    .with(header::ALLOW, "GET, HEAD");
            }
            // Not 429: podman and skopeo then wait half a minute before they try anything else.
            Error::TooManyUploads | Error::Unavailable(_) => {
                return Self::new(Status::SERVICE_UNAVAILABLE, Code::Unavailable, message).again_later();
            }
            Error::Internal(reason) => return Self::internal(reason),
        };
        Self::new(status, code, message)
    }
}

impl ApiError {
    fn missing_blobs(missing: &[dockless_oci::Digest]) -> Self {
        let errors = missing.iter().take(reply::ERRORS_MAX).map(|digest| ErrorEntry {
            code: ErrorCode::ManifestBlobUnknown,
            message: "the manifest references content that the repository does not hold".to_owned(),
            detail: Some(serde_json::json!({ "digest": digest.as_str() })),
        });
        let body = ErrorBody { errors: errors.collect() };
        Self { status: StatusCode::BAD_REQUEST, body, headers: Vec::new() }
    }

    fn range_of_upload(status: &UploadStatus, message: String) -> Self {
        Self::new(StatusCode::RANGE_NOT_SATISFIABLE, ErrorCode::RangeInvalid, message)
            .with(
                header::LOCATION,
                reply::upload_location(&status.repository, status.id.as_str(), status.offset),
            )
            .with(header::RANGE, reply::upload_range(status.offset))
            .with(reply::DOCKER_UPLOAD_UUID, status.id.as_str())
    }

    /// Something that is our fault. The words go to the log only.
    pub(crate) fn internal(reason: &str) -> Self {
        tracing::error!(%reason, "internal error");
        plain(
            StatusCode::INTERNAL_SERVER_ERROR,
            ErrorCode::Unknown,
            "internal error: the registry's log says more",
        )
    }

    /// With the hint when to come again.
    pub(crate) fn again_later(self) -> Self {
        self.with(header::RETRY_AFTER, RETRY_AFTER_SECONDS)
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        Error::from(error).into()
    }
}

impl From<InboundError> for ApiError {
    fn from(error: InboundError) -> Self {
        match error {
            InboundError::Idle => plain(
                StatusCode::REQUEST_TIMEOUT,
                ErrorCode::BlobUploadInvalid,
                "the request body stood still",
            ),
            InboundError::TooLarge(limit) => {
                let message = format!("more than {limit} bytes");
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::SizeInvalid, message)
            }
            InboundError::Broken(reason) => {
                tracing::debug!(%reason, "a request body broke off");
                Self::bad(ErrorCode::BlobUploadInvalid, "the request body broke off")
            }
        }
    }
}
