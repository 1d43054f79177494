//! What refers to a manifest.

use dockless_oci::index::referrers_index;
use dockless_oci::media_type::OCI_INDEX;
use dockless_oci::{Digest, RepositoryName};
use dockless_registry::access::Action;
use http::{HeaderValue, StatusCode, header};

use super::Answer;
use crate::call::Call;
use crate::reply;

/// `GET /v2/<name>/referrers/<digest>`: never 404, not even for a repository that nobody pushed to.
pub(super) fn list(call: &Call<'_>, repository: &RepositoryName, digest: &str) -> Answer {
    let subject = super::digest(digest)?;
    call.require(repository, Action::Pull)?;
    // A media type has no space; the `+` of one that the client did not escape reads as one.
    let artifact_type =
        call.query.get("artifactType").filter(|value| !value.is_empty()).map(|v| v.replace(' ', "+"));
    let after = call.query.get("last").map(super::digest).transpose()?;
    let after: Option<&Digest> = after.as_ref();
    let page = call.registry.referrers(repository, &subject, artifact_type.as_deref(), after)?;
    let mut response = reply::content(StatusCode::OK, OCI_INDEX, referrers_index(&page.descriptors).into());
    let headers = response.headers_mut();
    reply::set(headers, header::CACHE_CONTROL, "no-cache");
    if page.filtered {
        headers.insert(reply::OCI_FILTERS_APPLIED, HeaderValue::from_static("artifactType"));
    }
    if let Some(next) = &page.next {
        let query = call.query.with(&[("last", next.as_str())]);
        let link = format!("</v2/{repository}/referrers/{subject}?{query}>; rel=\"next\"");
        reply::set(headers, header::LINK, &link);
    }
    Ok(response)
}
