//! GET and DELETE of an upload.

use super::cells;
use super::every::{bodies, heads, queries};
use super::row::{Row, row};
use super::upload_data::ids;

const GET: &str = "GET /v2/<repo>/blobs/uploads/<upload>";
const DELETE: &str = "DELETE /v2/<repo>/blobs/uploads/<upload>";

fn order(method: &str, there: &'static str) -> Vec<Row> {
    let mut rows: Vec<Row> = [
        "/v2/<repo>/blobs/uploads/<finished>",
        "/v2/<repo>/blobs/uploads/<cancelled>",
        "/v2/<repo>/blobs/uploads/<foreign>",
        "/v2/<other>/blobs/uploads/<upload>",
        "/v2/<nobody>/blobs/uploads/<upload>",
    ]
    .map(|target| row(format!("{method} {target}"), "", "404 BLOB_UPLOAD_UNKNOWN"))
    .to_vec();
    rows.extend(
        [
            "/v2/<repo>/blobs/uploads/<upload>?offset=0",
            "/v2/<repo>/blobs/uploads/<upload>?offset=99",
            "/v2/<repo>/blobs/uploads/<upload>?digest=<abc>",
        ]
        .map(|target| row(format!("{method} {target}"), "", there)),
    );
    rows
}

cells!(
    get_path => ids("GET", "", ""),
    get_query => queries(GET, "204"),
    get_header => heads(GET, "204"),
    get_body => bodies(GET, "204"),
    get_order => order("GET", "204"),
    delete_path => ids("DELETE", "", ""),
    delete_query => queries(DELETE, "204 changes"),
    delete_header => heads(DELETE, "204 changes"),
    delete_body => bodies(DELETE, "204 changes"),
    delete_order => order("DELETE", "204 changes"),
);
