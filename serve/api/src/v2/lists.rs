//! Lists in pages: the tags of a repository, and the repositories.

use dockless_oci::{ErrorCode, RepositoryName};
use dockless_registry::access::Action;
use http::{Response, StatusCode, header};
use serde::Serialize;

use super::Answer;
use crate::call::Call;
use crate::error::ApiError;
use crate::outbound::Outbound;
use crate::reply;

#[derive(Serialize)]
struct TagList<'a> {
    name: &'a str,
    tags: &'a [String],
}

#[derive(Serialize)]
struct Catalog<'a> {
    repositories: &'a [String],
}

/// `GET /v2/<name>/tags/list`
pub(super) async fn tags(call: &Call<'_>, repository: &RepositoryName) -> Answer {
    call.require(repository, Action::Pull)?;
    let page =
        call.registry.tags(&call.asked(repository), call.query.page_size()?, call.query.get("last")).await?;
    let tags: Vec<String> = page.items.iter().map(ToString::to_string).collect();
    let body = json(&TagList { name: repository.as_str(), tags: &tags });
    Ok(page_response(call, &format!("/v2/{repository}/tags/list"), body, page.next.as_deref()))
}

/// `GET /v2/_catalog`
pub(super) async fn catalog(call: &Call<'_>) -> Answer {
    if !call.caller.may_list() {
        if call.caller.user().is_some() && !call.caller.is_entitled_to_list() {
            let message = format!("{} may not list the repositories", call.caller.subject());
            return Err(ApiError::new(StatusCode::FORBIDDEN, ErrorCode::Denied, message));
        }
        return Err(call.challenge());
    }
    let page = call.registry.catalog(&call.caller, call.query.page_size()?, call.query.get("last")).await?;
    let names: Vec<String> = page.items.iter().map(ToString::to_string).collect();
    let body = json(&Catalog { repositories: &names });
    Ok(page_response(call, "/v2/_catalog", body, page.next.as_deref()))
}

/// A page, with the `Link` to the next one. The link keeps every other parameter; its `n` is what was asked for.
fn page_response(call: &Call<'_>, path: &str, body: Vec<u8>, last: Option<&str>) -> Response<Outbound> {
    let mut response = reply::json(StatusCode::OK, body);
    reply::set(response.headers_mut(), header::CACHE_CONTROL, "no-cache");
    if let Some(last) = last {
        let link = format!("<{path}?{}>; rel=\"next\"", call.query.with(&[("last", last)]));
        reply::set(response.headers_mut(), header::LINK, &link);
    }
    response
}

fn json(list: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(list).expect("lists of strings always serialise")
}
