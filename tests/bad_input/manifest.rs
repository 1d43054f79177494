//! GET, PUT and DELETE of manifests.

use super::cells;
use super::every::{bodies, heads, names, queries};
use super::row::{Row, row, with_body};

const OCI: &str = "content-type: application/vnd.oci.image.manifest.v1+json";

/// References with a colon that are no digests.
fn digests(method: &str) -> Vec<Row> {
    [
        "sha256:",
        "sha256:abc",
        "sha256:<A*64>",
        "sha256:<a*65>",
        "sha512:<a*64>",
        "md5:<a*32>",
        ":",
        "sha256:baddigeststring",
    ]
    .map(|digest| {
        with_body(
            format!("{method} /v2/<repo>/manifests/{digest}"),
            OCI,
            new_manifest_for(method),
            "400 DIGEST_INVALID",
        )
    })
    .to_vec()
}

/// References without one that are no tags.
fn tags(method: &str, expected: &'static str) -> Vec<Row> {
    [".x", "-x", "<a*129>", "a%20b", "a%2Bb", "%C3%A9", "a%00", "a@b", ".INVALID_MANIFEST_NAME"]
        .map(|tag| {
            with_body(format!("{method} /v2/<repo>/manifests/{tag}"), OCI, new_manifest_for(method), expected)
        })
        .to_vec()
}

fn new_manifest_for(method: &str) -> &'static str {
    if method == "PUT" { "<new_manifest>" } else { "" }
}

fn absent(method: &str) -> Vec<Row> {
    [
        "/v2/<repo>/manifests/<absent>",
        "/v2/<repo>/manifests/<absent512>",
        "/v2/<repo>/manifests/<deleted>",
        "/v2/<repo>/manifests/gone",
        "/v2/<repo>/manifests/<elsewhere>",
        "/v2/<repo>/manifests/elsewhere",
        "/v2/<nobody>/manifests/v1",
        "/v2/<nobody>/manifests/<image>",
        "/v2/<repo>/manifests/<blob>",
        "/v2/<repo>/manifests/<new>",
        "/v2/<repo>/manifests/V1",
    ]
    .map(|target| row(format!("{method} {target}"), "", "404 MANIFEST_UNKNOWN"))
    .to_vec()
}

const PUT: &str = "PUT /v2/<repo>/manifests/v1";

fn put_path_rows() -> Vec<Row> {
    let mut rows: Vec<Row> = ["UPPER", "a..b", "a//b", "%C3%A9", "..%2Fetc", "<a*256>"]
        .map(|name| {
            with_body(format!("PUT /v2/{name}/manifests/v1"), OCI, "<new_manifest>", "400 NAME_INVALID")
        })
        .to_vec();
    rows.extend(digests("PUT"));
    rows.extend(tags("PUT", "400 TAG_INVALID"));
    rows.push(with_body("PUT /v2/<repo>/manifests/", OCI, "<new_manifest>", "404 UNSUPPORTED"));
    rows.push(with_body("POST /v2/<repo>/manifests/v1", OCI, "<new_manifest>", "405 UNSUPPORTED"));
    rows.push(with_body("PATCH /v2/<repo>/manifests/v1", OCI, "<new_manifest>", "405 UNSUPPORTED"));
    rows
}

fn put_query_rows() -> Vec<Row> {
    let by_digest = |query: &str, expected: &'static str| {
        with_body(format!("PUT /v2/<repo>/manifests/<new>?{query}"), OCI, "<new_manifest>", expected)
    };
    vec![
        by_digest("tag=", "400 TAG_INVALID"),
        by_digest("tag=.x", "400 TAG_INVALID"),
        by_digest("tag=a%20b", "400 TAG_INVALID"),
        by_digest("tag=<a*129>", "400 TAG_INVALID"),
        by_digest("tag=sha256:abc", "400 TAG_INVALID"),
        by_digest("tag=ok&tag=-bad", "400 TAG_INVALID"),
        by_digest("<tag=a&*201>", "400 UNSUPPORTED"),
        by_digest("tag=%ff", "400 UNSUPPORTED"),
        by_digest("x=<x*17000>", "414 UNSUPPORTED"),
        by_digest("unknown=1&tag=a&tag=a", "201 changes"),
        with_body(format!("{PUT}?tag=.ignored-by-tag"), OCI, "<new_manifest>", "201 changes"),
    ]
}

fn put_header_rows() -> Vec<Row> {
    let with = |headers: &str, expected: &'static str| with_body(PUT, headers, "<new_manifest>", expected);
    let mut rows = vec![
        with("content-type: application/vnd.oci.image.index.v1+json", "400 MANIFEST_INVALID"),
        with("content-type: application/vnd.docker.distribution.manifest.v2+json", "400 MANIFEST_INVALID"),
        with("content-type: application/json", "400 MANIFEST_INVALID"),
        with("content-type: nonsense", "400 MANIFEST_INVALID"),
        with(
            "content-type: application/vnd.docker.distribution.manifest.v1+prettyjws",
            "400 MANIFEST_INVALID",
        ),
        with("content-type: application/vnd.oci.image.manifest.v1+json; charset=utf-8", "201 changes"),
        with("", "201 changes"),
        with(&format!("{OCI}\nif-match: \"<second>\""), "412 TAG_CHANGED"),
        with(&format!("{OCI}\nif-match: \"<absent>\""), "412 TAG_CHANGED"),
        with(&format!("{OCI}\nif-match: \"x\""), "412 TAG_CHANGED"),
        with(&format!("{OCI}\nif-match: \"<image>\", \"<second>\""), "201 changes"),
        with(&format!("{OCI}\nif-none-match: *"), "412 TAG_CHANGED"),
        with(&format!("{OCI}\nif-none-match: \"<image>\""), "400 MANIFEST_INVALID"),
        with(&format!("{OCI}\nif-match: \"<image>\"\nif-none-match: *"), "400 MANIFEST_INVALID"),
        with(&format!("{OCI}\nif-match: \"<image>\""), "201 changes"),
    ];
    rows.extend(heads(PUT, "400 MANIFEST_INVALID"));
    rows
}

/// Bodies that are no manifests, and the reason each is none is another.
fn put_body_rows() -> Vec<Row> {
    let digest = "sha256:<a*64>";
    let config = format!(r#""config":{{"mediaType":"a/b","digest":"{digest}","size":1}}"#);
    let image = |members: &str| {
        format!(r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",{members}}}"#)
    };
    let refused = [
        String::new(),
        "null".to_owned(),
        "[]".to_owned(),
        "{".to_owned(),
        "{}".to_owned(),
        "not json".to_owned(),
        "<new_manifest>x".to_owned(),
        "<[*100000>".to_owned(),
        r#"{"schemaVersion":1,"name":"a","tag":"b","fsLayers":[]}"#.to_owned(),
        format!(r#"{{"schemaVersion":2,{config}}}"#).replace("\"schemaVersion\":2", "\"schemaVersion\":3"),
        image(&format!("{config},\"manifests\":[]")),
        image(r#""layers":[]"#),
        image(r#""config":5"#),
        image(r#""config":{"mediaType":"a/b","digest":"sha256:x","size":1}"#),
        image(r#""config":{"mediaType":"a/b","digest":"md5:00","size":1}"#),
        image(&format!(r#""config":{{"mediaType":"a/b","digest":"{digest}","size":-1}}"#)),
        image(&format!(r#""config":{{"mediaType":"a/b","digest":"{digest}"}}"#)),
        image(&format!(r#"{config},"layers":{{}}"#)),
        image(&format!(r#"{config},"subject":"x""#)),
        image(&format!(r#"{config},"annotations":{{"k":1}}"#)),
        image(&format!("{config},{config}")),
    ];
    let mut rows: Vec<Row> =
        refused.into_iter().map(|body| with_body(PUT, OCI, body, "400 MANIFEST_INVALID")).collect();
    let too_large = format!("{}{}", image(&config), " ".repeat(4 << 20));
    rows.extend([
        with_body(PUT, OCI, b"{\"mediaType\":\"a/b\xff\"}".to_vec(), "400 MANIFEST_INVALID"),
        with_body(PUT, OCI, too_large.clone(), "413 MANIFEST_INVALID"),
        with_body(
            PUT,
            format!("{OCI}\ntransfer-encoding: chunked"),
            chunked(&too_large),
            "413 MANIFEST_INVALID",
        ),
        with_body(PUT, format!("{OCI}\ntransfer-encoding: chunked"), "zz\r\nabc", "400 MANIFEST_INVALID"),
        with_body(PUT, format!("{OCI}\ncontent-length: 99999"), "<new_manifest>", "400 MANIFEST_INVALID")
            .cut(),
        with_body(PUT, format!("{OCI}\ncontent-length: -1"), "<new_manifest>", "400 UNSUPPORTED"),
        with_body(PUT, format!("{OCI}\ncontent-length: 3"), "<new_manifest>", "400 MANIFEST_INVALID"),
        with_body("PUT /v2/<repo>/manifests/<new>", OCI, "<new_manifest>  ", "400 DIGEST_INVALID"),
        with_body("PUT /v2/<repo>/manifests/<new512>", OCI, "<manifest>", "400 DIGEST_INVALID"),
    ]);
    rows
}

fn chunked(body: &str) -> String {
    format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len())
}

/// Manifests before what they speak of; only sizes that contradict what is there are refused.
fn put_order_rows() -> Vec<Row> {
    let descriptor =
        |digest: &str, size: u32| format!(r#"{{"mediaType":"a/b","digest":"{digest}","size":{size}}}"#);
    let image =
        |config: String, more: &str| format!(r#"{{"schemaVersion":2,"config":{config},"layers":[]{more}}}"#);
    let subject = format!(r#","subject":{}"#, descriptor("<absent>", 5));
    vec![
        with_body(PUT, OCI, image(descriptor("<free>", 2047), ""), "400 SIZE_INVALID"),
        with_body(PUT, OCI, image(descriptor("<free>", 0), ""), "400 SIZE_INVALID"),
        with_body("PUT /v2/<repo>/manifests/<image>", OCI, "<new_manifest>", "400 DIGEST_INVALID"),
        with_body("PUT /v2/<repo>/manifests/<deleted>", OCI, "<new_manifest>", "400 DIGEST_INVALID"),
        with_body(PUT, OCI, image(descriptor("<free>", 2048), ""), "201 changes"),
        with_body(PUT, OCI, image(descriptor("<absent>", 7), ""), "201 changes"),
        with_body(PUT, OCI, image(descriptor("<blob_elsewhere>", 100), ""), "201 changes"),
        with_body(PUT, OCI, image(descriptor("<free>", 2048), &subject), "201 changes"),
        with_body(PUT, OCI, "<manifest>", "201"),
        with_body("PUT /v2/<repo>/manifests/<new>", OCI, "<new_manifest>", "201 changes"),
    ]
}

const GET: &str = "GET /v2/<repo>/manifests/v1";
const DELETE: &str = "DELETE /v2/<repo>/manifests/v2";

cells!(
    get_path => [names("GET /v2/<repo>/manifests/v1"), digests("GET"), tags("GET", "404 MANIFEST_UNKNOWN")].concat(),
    get_query => [queries(GET, "200"), vec![row(format!("{GET}?tag=x"), "", "200")]].concat(),
    get_header => [heads(GET, "200"), vec![
        row(GET, "accept: nothing/real", "200"),
        row(GET, "accept: ,,;q=x", "200"),
        row(GET, "range: bytes=0-1", "200"),
        row(GET, "if-none-match: \"<image>\"", "304"),
        row(GET, "if-none-match: <image>", "304"),
        row(GET, "if-none-match: \"<second>\"", "200"),
    ]].concat(),
    get_body => bodies(GET, "200"),
    get_order => absent("GET"),
    put_path => put_path_rows(),
    put_query => put_query_rows(),
    put_header => put_header_rows(),
    put_body => put_body_rows(),
    put_order => put_order_rows(),
    delete_path => [names("DELETE /v2/<repo>/manifests/v1"), digests("DELETE"), tags("DELETE", "404 MANIFEST_UNKNOWN")].concat(),
    delete_query => queries(DELETE, "202 changes"),
    delete_header => heads(DELETE, "202 changes"),
    delete_body => bodies(DELETE, "202 changes"),
    delete_order => absent("DELETE"),
);
