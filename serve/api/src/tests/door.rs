//! What holds for every request: routes, methods, limits, headers.

use super::fixture::Node;
use crate::connection::{Connection, Peer, Scheme};

#[test]
fn every_answer_under_v2_has_its_headers() {
    let node = Node::open();
    for line in
        ["GET /v2/", "GET /v2", "HEAD /v2/", "GET /v2/a/manifests/none", "GET /v2/nothing", "PUT /v2/"]
    {
        let answer = node.ask(line);
        assert_eq!(answer.header("docker-distribution-api-version"), "registry/2.0", "{line}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{line}");
        assert!(!answer.header("x-request-id").is_empty(), "{line}");
    }
    assert_eq!(node.ask("GET /v2/").expect(200).json(), serde_json::json!({}));
}

#[test]
fn unknown_paths_and_wrong_methods_are_told_in_json() {
    let node = Node::open();
    for line in [
        "GET /",
        "GET /v1/_ping",
        "GET /v1/search?q=x",
        "GET /v2/a",
        "GET /v3/",
        "GET /v2/a/b/c",
        "GET /v2/%ff/",
    ] {
        node.ask(line).expect_error(404, "UNSUPPORTED");
    }
    node.ask("GET /v2/A/tags/list").expect_error(400, "NAME_INVALID");
    node.ask("GET /v2/a%2F%2Fb/tags/list").expect_error(400, "NAME_INVALID");
    let digest = format!("sha256:{}", "0".repeat(64));
    for (line, allow) in [
        ("POST /v2/".to_owned(), "GET, HEAD"),
        ("DELETE /v2/_catalog".to_owned(), "GET, HEAD"),
        ("POST /v2/a/tags/list".to_owned(), "GET, HEAD"),
        ("PATCH /v2/a/manifests/x".to_owned(), "GET, HEAD, PUT, DELETE"),
        (format!("PUT /v2/a/blobs/{digest}"), "GET, HEAD, DELETE"),
        ("GET /v2/a/blobs/uploads/".to_owned(), "POST"),
        (format!("POST /v2/a/blobs/uploads/{}", "0".repeat(32)), "GET, HEAD, PATCH, PUT, DELETE"),
        (format!("PUT /v2/a/referrers/{digest}"), "GET, HEAD"),
        ("POST /healthz".to_owned(), "GET, HEAD"),
        ("DELETE /token".to_owned(), "GET, HEAD, POST"),
    ] {
        let answer = node.ask(&line).expect_error(405, "UNSUPPORTED");
        assert_eq!(answer.header("allow"), allow, "{line}");
    }
}

#[test]
fn heads_beyond_the_limits_are_refused() {
    let node = Node::open();
    node.ask(&format!("GET /v2/?{}", "a".repeat(17_000))).expect_error(414, "UNSUPPORTED");
    node.send("GET /v2/", &[("x-long", &"a".repeat(33_000))], "").expect_error(431, "UNSUPPORTED");
    node.ask(&format!("GET /v2/?{}", "a&".repeat(300))).expect_error(400, "UNSUPPORTED");
    node.ask("GET /v2/?a=%ff").expect_error(400, "UNSUPPORTED");
}

#[test]
fn a_host_is_one_and_can_stand_in_a_url() {
    let node = Node::open();
    let hosts = |hosts: &[&str]| {
        let headers: Vec<_> = hosts.iter().map(|host| ("host", *host)).collect();
        node.send("GET /v2/", &headers, "")
    };
    for good in ["a", "a.example:5000", "[::1]:5000", ""] {
        hosts(&[good]).expect(200);
    }
    for bad in [&["a", "a"][..], &["a/b"], &["user@a"], &["a b"], &["a\"b"], &["a,b"]] {
        hosts(bad).expect_error(400, "UNSUPPORTED");
    }
}

#[test]
fn a_sane_request_id_is_kept_and_any_other_replaced() {
    let node = Node::open();
    let id =
        |given: &str| node.send("GET /v2/", &[("x-request-id", given)], "").header("x-request-id").to_owned();
    assert_eq!(id("abc-DEF_1.2"), "abc-DEF_1.2");
    for bad in ["a b", "", "<x>", &"a".repeat(80)] {
        assert_ne!(id(bad), bad);
    }
    assert_ne!(node.ask("GET /v2/").header("x-request-id"), node.ask("GET /v2/").header("x-request-id"));
}

#[test]
fn an_unknown_parameter_is_ignored_and_ns_is_repeated() {
    let node = Node::open();
    node.push_blob("a", b"x");
    let answer = node.ask("GET /v2/a/tags/list?ns=docker.io&what=ever").expect(200);
    assert_eq!(answer.header("oci-namespace"), "docker.io");
    assert_eq!(node.ask("GET /v2/a/tags/list?ns=a%0d%0ab").expect(200).header("oci-namespace"), "");
}

#[test]
fn health_and_metrics_are_answered_to_anyone() {
    let node = Node::guarded();
    assert_eq!(node.ask("GET /healthz").expect(200).json()["status"], "ok");
    let ready = node.ask("GET /readyz").expect(200).json();
    assert_eq!((&ready["ready"], &ready["reasons"]), (&true.into(), &serde_json::json!([])));
    node.ask("GET /v2/").expect(401);
    let metrics = node.ask("GET /metrics").expect(200);
    let text = String::from_utf8_lossy(&metrics.body).into_owned();
    let line = "dockless_http_requests_total{method=\"GET\",route=\"base\",status=\"401\"} 1\n";
    assert!(text.contains(line), "{text}");
    assert!(metrics.header("content-type").starts_with("application/openmetrics-text"));
}

#[test]
fn a_stopping_node_is_not_ready() {
    let node = Node::open();
    node.door.draining.store(true, std::sync::atomic::Ordering::Relaxed);
    let answer = node.ask("GET /readyz").expect(503).json();
    assert_eq!(answer["reasons"][0]["code"], "stopping");
}

#[test]
fn plain_http_where_tls_is_wanted_is_refused_with_the_way_out() {
    let mut node = Node::open();
    node.connection.refuse_plain = true;
    let answer = node.ask("GET /v2/").expect_error(400, "UNSUPPORTED");
    assert!(answer.json()["errors"][0]["message"].as_str().unwrap().contains("https://node.example:5000"));
}

#[test]
fn the_admin_api_is_not_for_everyone() {
    let node = Node::open();
    node.ask("GET /admin/v1/status").expect_error(403, "DENIED");
    assert!(!Connection::new(Peer::Unix, Scheme::Http, false).admin);
}
