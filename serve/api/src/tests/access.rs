//! Who may do what: challenges, tokens in every form, denials.

use dockless_oci::Digest;
use serde_json::Value;

use super::fixture::{Answer, Node, manifest};

/// `Basic` of alice, bob, and alice with a wrong password.
const ALICE: &str = "Basic YWxpY2U6c2VjcmV0";
const BOB: &str = "Basic Ym9iOmh1bnRlcjI=";
const WRONG: &str = "Basic YWxpY2U6d3Jvbmc=";

fn challenge(answer: &Answer) -> &str {
    answer.header("www-authenticate")
}

fn token(node: &Node, authorization: Option<&str>, query: &str) -> Value {
    let headers: Vec<_> = authorization.iter().map(|value| ("authorization", *value)).collect();
    node.send(&format!("GET /token?{query}"), &headers, "").expect(200).json()
}

fn bearer(answer: &Value) -> String {
    format!("Bearer {}", answer["token"].as_str().unwrap())
}

#[test]
fn the_base_asks_for_a_login_and_accepts_either_kind() {
    let node = Node::guarded();
    let answer = node.ask("GET /v2/").expect_error(401, "UNAUTHORIZED");
    assert_eq!(challenge(&answer), "Bearer realm=\"http://node.example:5000/token\",service=\"dockless\"");
    assert!(!challenge(&node.ask("HEAD /v2/").expect(401)).is_empty());
    node.ask_as(ALICE, "GET /v2/").expect(200);
    node.ask_as(&bearer(&token(&node, Some(BOB), "service=dockless")), "GET /v2/").expect(200);
    node.ask_as(&bearer(&token(&node, None, "service=dockless")), "GET /v2/").expect(200);
    // What docker and podman send of a configuration without a login: nobody, and nothing.
    node.ask_as("Basic Og==", "GET /v2/").expect_error(401, "UNAUTHORIZED");
    for bad in [WRONG, "Bearer nonsense", "Basic !", "Digest x"] {
        let answer = node.ask_as(bad, "GET /v2/").expect_error(401, "UNAUTHORIZED");
        assert!(challenge(&answer).ends_with(",error=\"invalid_token\""), "{bad}");
    }
}

#[test]
fn a_challenge_names_what_the_request_needs() {
    let node = Node::guarded();
    let digest = Digest::sha256(b"x");
    let scope = |line: &str| {
        let answer = node.ask(line).expect(401);
        let (_, scope) = challenge(&answer).split_once(",scope=\"").unwrap();
        scope.split('"').next().unwrap().to_owned()
    };
    assert_eq!(scope("GET /v2/team/a/manifests/v1"), "repository:team/a:pull");
    assert_eq!(scope(&format!("HEAD /v2/team/a/blobs/{digest}")).as_str(), "repository:team/a:pull");
    assert_eq!(scope("PUT /v2/team/a/manifests/v1"), "repository:team/a:pull,push");
    assert_eq!(scope("POST /v2/team/a/blobs/uploads/"), "repository:team/a:pull,push");
    assert_eq!(scope("DELETE /v2/team/a/manifests/v1"), "repository:team/a:pull,delete");
    assert_eq!(scope("GET /v2/_catalog"), "registry:catalog:*");
    let mount = format!("POST /v2/team/a/blobs/uploads/?mount={digest}&from=team/b");
    assert_eq!(scope(&mount), "repository:team/a:pull,push repository:team/b:pull");
    let upload = format!("GET /v2/team/a/blobs/uploads/{}", "0".repeat(32));
    assert_eq!(scope(&upload), "repository:team/a:pull,push");
}

#[test]
fn a_token_that_lacks_a_scope_is_asked_to_be_better_and_a_user_who_may_not_is_told() {
    let node = Node::guarded();
    let pull = bearer(&token(&node, Some(ALICE), "scope=repository:team/a:pull"));
    let answer = node.ask_as(&pull, "POST /v2/team/a/blobs/uploads/").expect_error(401, "UNAUTHORIZED");
    assert!(
        challenge(&answer).contains("scope=\"repository:team/a:pull,push\",error=\"insufficient_scope\"")
    );
    let push = bearer(&token(&node, Some(ALICE), "scope=repository:team/a:pull,push"));
    let begun = node.ask_as(&push, "POST /v2/team/a/blobs/uploads/").expect(202);
    node.ask_as(&pull, &format!("GET {}", begun.header("location"))).expect_error(401, "UNAUTHORIZED");
    node.ask_as(BOB, "POST /v2/team/a/blobs/uploads/").expect_error(403, "DENIED");
    let bobs = bearer(&token(&node, Some(BOB), "scope=repository:team/a:pull,push"));
    node.ask_as(&bobs, "POST /v2/team/a/blobs/uploads/").expect_error(403, "DENIED");
    node.ask_as(BOB, "GET /v2/_catalog").expect_error(403, "DENIED");
}

#[test]
fn anybody_pulls_what_is_public() {
    let node = Node::guarded();
    let push = [("authorization", ALICE), ("content-type", super::fixture::OCI_MANIFEST)];
    node.send("PUT /v2/public/app/manifests/v1", &push, manifest("x")).expect(201);
    let answer = node.ask("GET /v2/public/app/manifests/v1").expect(200);
    assert_eq!(answer.header("cache-control"), "no-cache");
    let by_digest =
        node.ask(&format!("GET /v2/public/app/manifests/{}", Digest::sha256(&manifest("x")))).expect(200);
    assert!(by_digest.header("cache-control").starts_with("private"));
    let anonymous = bearer(&token(&node, None, "scope=repository:public/app:pull"));
    node.ask_as(&anonymous, "HEAD /v2/public/app/manifests/v1").expect(200);
    node.ask_as(WRONG, "GET /v2/public/app/manifests/v1").expect(401);
}

#[test]
fn a_token_answer_has_all_that_clients_read() {
    let node = Node::guarded();
    let answer =
        token(&node, Some(ALICE), "account=alice&service=dockless&offline_token=true&client_id=docker");
    assert_eq!(answer["token"], answer["access_token"]);
    assert!(answer["expires_in"].as_u64().unwrap() >= 60);
    assert!(answer["issued_at"].as_str().unwrap().ends_with('Z'));
    assert!(answer["refresh_token"].is_string());
    assert!(token(&node, None, "offline_token=true")["refresh_token"].is_null());
    let answer = node.ask_as(WRONG, "GET /token").expect_error(401, "UNAUTHORIZED");
    assert!(challenge(&answer).starts_with("Basic realm=\""));
    let bearer = bearer(&token(&node, Some(ALICE), ""));
    node.ask_as(&bearer, "GET /token").expect(401);
}

#[test]
fn a_token_comes_for_a_form_as_well() {
    let node = Node::guarded();
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let post = |body: &str| node.send("POST /token", &form, body.to_owned());
    let scopes = "scope=repository%3Ateam%2Fa%3Apull%2Cpush&scope=repository:team/b:pull";
    let password = "grant_type=password&username=alice&password=secret&access_type=offline&service=dockless";
    let answer = post(&format!("{password}&{scopes}")).expect(200).json();
    assert_eq!(answer["scope"], "repository:team/a:pull,push repository:team/b:pull");
    node.ask_as(&bearer(&answer), "POST /v2/team/a/blobs/uploads/").expect(202);
    let refresh = answer["refresh_token"].as_str().unwrap();
    let renewed =
        post(&format!("grant_type=refresh_token&refresh_token={refresh}&{scopes}")).expect(200).json();
    node.ask_as(&bearer(&renewed), "POST /v2/team/a/blobs/uploads/").expect(202);
    node.ask_as(&format!("Bearer {refresh}"), "GET /v2/").expect(401);
    post("grant_type=password&username=alice&password=wrong").expect_error(401, "UNAUTHORIZED");
    post("grant_type=refresh_token&refresh_token=nonsense").expect_error(401, "UNAUTHORIZED");
    post("grant_type=magic").expect_error(400, "UNSUPPORTED");
    post("scope=%ff").expect_error(400, "UNSUPPORTED");
    node.send("POST /token", &form, "x".repeat(100_000)).expect_error(413, "SIZE_INVALID");
}

#[test]
fn an_upload_outlives_the_token_it_began_with() {
    let node = Node::guarded();
    let authorization = bearer(&token(&node, Some(ALICE), "scope=repository:team/a:pull,push"));
    let begun = node.ask_as(&authorization, "POST /v2/team/a/blobs/uploads/").expect(202);
    node.simulation.run_for(std::time::Duration::from_secs(3600));
    let digest = Digest::sha256(b"late");
    node.ask_as(&authorization, "POST /v2/team/a/blobs/uploads/").expect_error(401, "UNAUTHORIZED");
    let line = format!("PUT {}&digest={digest}", begun.header("location"));
    node.send(&line, &[("authorization", &authorization)], "late").expect(201);
    node.ask_as(&authorization, &format!("HEAD /v2/team/a/blobs/{digest}")).expect(401);
}

#[test]
fn an_open_node_challenges_nobody() {
    let node = Node::open();
    for authorization in [ALICE, "Bearer anything"] {
        node.ask_as(authorization, "GET /v2/").expect(200);
    }
    assert!(token(&node, None, "scope=repository:a:pull")["token"].is_string());
}
