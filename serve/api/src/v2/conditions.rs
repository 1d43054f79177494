//! Conditions on a request (RFC 9110, section 13): what the client has already, and what it will not overwrite.

use dockless_oci::{Digest, ErrorCode};
use dockless_registry::TagCondition;
use http::{Response, StatusCode, header};

use crate::call::Call;
use crate::error::ApiError;
use crate::outbound::Outbound;
use crate::reply;

/// Entity tags of one `If-Match`; each costs a comparison.
const MATCHES_MAX: usize = 16;

/// `304` when `If-None-Match` names this content, by the weak comparison.
pub(super) fn not_modified(call: &Call<'_>, digest: &Digest) -> Option<Response<Outbound>> {
    let strong = |tag: &str| tag.strip_prefix("W/").unwrap_or(tag).trim_matches('"') == digest.as_str();
    let known = call.entity_tags(header::IF_NONE_MATCH).any(|tag| tag == "*" || strong(tag));
    known.then(|| reply::empty(StatusCode::NOT_MODIFIED))
}

/// Whether `Range` is to be obeyed: without `If-Range`, or when that names this content. A date never does: nothing
/// here has one.
pub(super) fn range_holds(call: &Call<'_>, digest: &Digest) -> bool {
    match call.headers.get(header::IF_RANGE) {
        None => true,
        Some(value) => value.as_bytes() == reply::entity_tag(digest).as_bytes(),
    }
}

/// What a tag must be for a PUT to happen: `If-Match` by the strong comparison, or `If-None-Match: *`.
pub(super) fn of_tag(call: &Call<'_>) -> Result<Option<TagCondition>, ApiError> {
    let refused = |message: &str| Err(ApiError::bad(ErrorCode::ManifestInvalid, message));
    let matching: Vec<&str> = call.entity_tags(header::IF_MATCH).take(MATCHES_MAX + 1).collect();
    let absent: Vec<&str> = call.entity_tags(header::IF_NONE_MATCH).take(2).collect();
    let is_asked = |name| call.headers.contains_key(name);
    match (matching.as_slice(), absent.as_slice()) {
        // A condition that cannot be read holds for nothing: to leave it out would overwrite.
        ([], []) if is_asked(header::IF_MATCH) => Ok(Some(TagCondition::MatchOneOf(Vec::new()))),
        ([], []) if is_asked(header::IF_NONE_MATCH) => refused("If-None-Match of a PUT is * or left out"),
        ([], []) => Ok(None),
        (["*"], []) => Ok(Some(TagCondition::Exists)),
        ([], ["*"]) => Ok(Some(TagCondition::Absent)),
        (matching, []) if matching.len() <= MATCHES_MAX => {
            // What is no digest, or weak (`W/`), is the entity tag of nothing here: it matches nothing.
            let digests: Vec<Digest> = matching.iter().filter_map(|tag| Digest::parse(tag).ok()).collect();
            Ok(Some(TagCondition::MatchOneOf(digests)))
        }
        (_, []) => refused("If-Match names too many entity tags"),
        _ => refused("a manifest can be put on one condition: If-Match, or If-None-Match: *"),
    }
}
