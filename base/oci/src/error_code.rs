//! Error codes and the JSON body that carries them (distribution-spec, "Error Codes").

use serde::{Deserialize, Serialize};

/// What went wrong, in the words of the specification and of Docker's registry.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ErrorCode {
    /// The blob is not in the repository.
    BlobUnknown,
    /// The upload cannot go on like this.
    BlobUploadInvalid,
    /// No such upload.
    BlobUploadUnknown,
    /// The digest is malformed, unsupported, or not that of the content.
    DigestInvalid,
    /// The manifest refers to blobs that the repository lacks.
    ManifestBlobUnknown,
    /// The manifest is malformed.
    ManifestInvalid,
    /// No such manifest in the repository.
    ManifestUnknown,
    /// The repository name is malformed.
    NameInvalid,
    /// No such repository.
    NameUnknown,
    /// The length is not that of the content.
    SizeInvalid,
    /// The tag is malformed.
    TagInvalid,
    /// The tag stands for other content and may not be moved (not in the specification).
    TagImmutable,
    /// The condition on the tag's present digest does not hold (not in the specification).
    TagChanged,
    /// The chunk does not begin where the upload ends, or the range lies outside the content.
    RangeInvalid,
    /// The page size is no number.
    PaginationNumberInvalid,
    /// Authentication is required.
    Unauthorized,
    /// The caller may not do this.
    Denied,
    /// The operation is not offered.
    Unsupported,
    /// Too many requests.
    #[serde(rename = "TOOMANYREQUESTS")]
    TooManyRequests,
    /// Not at the moment.
    Unavailable,
    /// Anything else; details are in the log of the registry.
    Unknown,
}

impl ErrorCode {
    /// All codes.
    pub const ALL: [ErrorCode; 21] = [
        ErrorCode::BlobUnknown,
        ErrorCode::BlobUploadInvalid,
        ErrorCode::BlobUploadUnknown,
        ErrorCode::DigestInvalid,
        ErrorCode::ManifestBlobUnknown,
        ErrorCode::ManifestInvalid,
        ErrorCode::ManifestUnknown,
        ErrorCode::NameInvalid,
        ErrorCode::NameUnknown,
        ErrorCode::SizeInvalid,
        ErrorCode::TagInvalid,
        ErrorCode::TagImmutable,
        ErrorCode::TagChanged,
        ErrorCode::RangeInvalid,
        ErrorCode::PaginationNumberInvalid,
        ErrorCode::Unauthorized,
        ErrorCode::Denied,
        ErrorCode::Unsupported,
        ErrorCode::TooManyRequests,
        ErrorCode::Unavailable,
        ErrorCode::Unknown,
    ];

    /// The code as it stands in the body.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            ErrorCode::BlobUnknown => "BLOB_UNKNOWN",
            ErrorCode::BlobUploadInvalid => "BLOB_UPLOAD_INVALID",
            ErrorCode::BlobUploadUnknown => "BLOB_UPLOAD_UNKNOWN",
            ErrorCode::DigestInvalid => "DIGEST_INVALID",
            ErrorCode::ManifestBlobUnknown => "MANIFEST_BLOB_UNKNOWN",
            ErrorCode::ManifestInvalid => "MANIFEST_INVALID",
            ErrorCode::ManifestUnknown => "MANIFEST_UNKNOWN",
            ErrorCode::NameInvalid => "NAME_INVALID",
            ErrorCode::NameUnknown => "NAME_UNKNOWN",
            ErrorCode::SizeInvalid => "SIZE_INVALID",
            ErrorCode::TagInvalid => "TAG_INVALID",
            ErrorCode::TagImmutable => "TAG_IMMUTABLE",
            ErrorCode::TagChanged => "TAG_CHANGED",
            ErrorCode::RangeInvalid => "RANGE_INVALID",
            ErrorCode::PaginationNumberInvalid => "PAGINATION_NUMBER_INVALID",
            ErrorCode::Unauthorized => "UNAUTHORIZED",
            ErrorCode::Denied => "DENIED",
            ErrorCode::Unsupported => "UNSUPPORTED",
            ErrorCode::TooManyRequests => "TOOMANYREQUESTS",
            ErrorCode::Unavailable => "UNAVAILABLE",
            ErrorCode::Unknown => "UNKNOWN",
        }
    }
}

impl std::fmt::Display for ErrorCode {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// One error of a body.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ErrorEntry {
    /// The code.
    pub code: ErrorCode,
    /// A sentence for people.
    #[serde(default)]
    pub message: String,
    /// Facts for programs, such as the digest in question.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<serde_json::Value>,
}

/// The body of every 4xx and 5xx answer.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct ErrorBody {
    /// The errors, at least one when we write it.
    pub errors: Vec<ErrorEntry>,
}

impl ErrorBody {
    /// A body with one error and no detail.
    #[must_use]
    pub fn one(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { errors: vec![ErrorEntry { code, message: message.into(), detail: None }] }
    }

    /// A body with one error and its detail.
    #[must_use]
    pub fn with_detail(code: ErrorCode, message: impl Into<String>, detail: serde_json::Value) -> Self {
        Self { errors: vec![ErrorEntry { code, message: message.into(), detail: Some(detail) }] }
    }

    /// The JSON text.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("strings and JSON values always serialise")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_reads_and_writes_the_same_word() {
        for code in ErrorCode::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
            assert_eq!(serde_json::from_value::<ErrorCode>(code.as_str().into()).unwrap(), code);
            assert!(code.as_str().bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_'));
        }
    }

    #[test]
    fn the_body_has_the_form_of_the_specification() {
        assert_eq!(
            ErrorBody::one(ErrorCode::NameInvalid, "no \"such\" name").to_json(),
            br#"{"errors":[{"code":"NAME_INVALID","message":"no \"such\" name"}]}"#
        );
        assert_eq!(
            ErrorBody::with_detail(ErrorCode::BlobUnknown, "gone", "sha256:0".into()).to_json(),
            br#"{"errors":[{"code":"BLOB_UNKNOWN","message":"gone","detail":"sha256:0"}]}"#
        );
    }
}
