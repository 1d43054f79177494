//! Tags and catalog in pages.

use serde_json::json;

use super::fixture::{Node, manifest};

/// Every page of a list by its links: the items of each.
fn pages(node: &Node, first: &str, key: &str) -> Vec<Vec<String>> {
    let mut target = first.to_owned();
    let mut pages = Vec::new();
    loop {
        let answer = node.ask(&format!("GET {target}")).expect(200);
        let items = answer.json()[key].as_array().unwrap().clone();
        pages.push(items.iter().map(|item| item.as_str().unwrap().to_owned()).collect());
        let link = answer.header("link");
        if link.is_empty() {
            return pages;
        }
        let next = link.strip_prefix('<').and_then(|link| link.strip_suffix(">; rel=\"next\"")).unwrap();
        assert!(next.starts_with("/v2/"), "relative: {next}");
        target = next.to_owned();
    }
}

fn node() -> Node {
    let node = Node::open();
    for tag in ["a", "B", "c", "d", "e"] {
        node.push_manifest("one/two", tag, &manifest("m")).expect(201);
    }
    node
}

#[test]
fn tags_are_listed_in_pages_in_byte_order() {
    let node = node();
    let path = "/v2/one/two/tags/list";
    assert_eq!(
        node.ask(&format!("GET {path}")).json(),
        json!({ "name": "one/two", "tags": ["B", "a", "c", "d", "e"] })
    );
    assert_eq!(pages(&node, &format!("{path}?n=2"), "tags"), [vec!["B", "a"], vec!["c", "d"], vec!["e"]]);
    assert_eq!(pages(&node, &format!("{path}?n=5"), "tags"), [vec!["B", "a", "c", "d", "e"]]);
    assert_eq!(pages(&node, &format!("{path}?last=c"), "tags"), [vec!["d", "e"]]);
    assert_eq!(pages(&node, &format!("{path}?last=b&n=1"), "tags"), [["c"], ["d"], ["e"]]);
    let none = node.ask(&format!("GET {path}?n=0")).expect(200);
    assert_eq!((none.json()["tags"].clone(), none.header("link")), (json!([]), ""));
}

#[test]
fn a_link_keeps_the_other_parameters() {
    let answer = node().ask("GET /v2/one/two/tags/list?ns=docker.io&n=1&x=%26").expect(200);
    assert_eq!(answer.header("link"), "</v2/one/two/tags/list?ns=docker.io&n=1&x=%26&last=B>; rel=\"next\"");
}

#[test]
fn a_page_size_that_is_no_number_is_an_error() {
    let node = node();
    for n in ["x", "-1", "1.5", ""] {
        node.ask(&format!("GET /v2/one/two/tags/list?n={n}")).expect_error(400, "PAGINATION_NUMBER_INVALID");
        node.ask(&format!("GET /v2/_catalog?n={n}")).expect_error(400, "PAGINATION_NUMBER_INVALID");
    }
    let huge = "9".repeat(30);
    node.ask(&format!("GET /v2/one/two/tags/list?n={huge}")).expect(200);
}

#[test]
fn the_catalog_lists_repositories_that_hold_a_manifest() {
    let node = node();
    assert_eq!(node.ask("GET /v2/none/tags/list").expect_error(404, "NAME_UNKNOWN").header("link"), "");
    node.push_manifest("another", "v1", &manifest("m")).expect(201);
    node.push_blob("blobs-only", b"x");
    assert_eq!(pages(&node, "/v2/_catalog?n=1", "repositories"), [["another"], ["one/two"]]);
    assert_eq!(Node::open().ask("GET /v2/_catalog").expect(200).json(), json!({ "repositories": [] }));
}
