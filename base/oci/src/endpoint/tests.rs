//! Tests of the `/v2` grammar, above all of names that contain its words.

use proptest::prelude::*;

use super::*;

fn name(text: &str) -> RepositoryName {
    RepositoryName::parse(text).unwrap()
}

fn check(path: &str, expected: Result<Endpoint, EndpointError>) {
    assert_eq!(parse_path(path), expected, "{path}");
}

#[test]
fn every_endpoint_of_the_specification() {
    check("/v2", Ok(Endpoint::Base));
    check("/v2/", Ok(Endpoint::Base));
    check("/v2/_catalog", Ok(Endpoint::Catalog));
    for text in
        ["a", "library/debian", "a/blobs/uploads", "manifests/tags", "tags/list", "blobs", "a/referrers"]
    {
        let repository = || name(text);
        let raw = || "sha256:x".to_owned();
        check(&format!("/v2/{text}/tags/list"), Ok(Endpoint::Tags { repository: repository() }));
        check(
            &format!("/v2/{text}/manifests/sha256:x"),
            Ok(Endpoint::Manifest { repository: repository(), reference: raw() }),
        );
        check(
            &format!("/v2/{text}/blobs/sha256:x"),
            Ok(Endpoint::Blob { repository: repository(), digest: raw() }),
        );
        check(&format!("/v2/{text}/blobs/uploads"), Ok(Endpoint::Uploads { repository: repository() }));
        check(&format!("/v2/{text}/blobs/uploads/"), Ok(Endpoint::Uploads { repository: repository() }));
        check(
            &format!("/v2/{text}/blobs/uploads/0123"),
            Ok(Endpoint::Upload { repository: repository(), id: "0123".to_owned() }),
        );
        check(
            &format!("/v2/{text}/referrers/sha256:x"),
            Ok(Endpoint::Referrers { repository: repository(), digest: raw() }),
        );
    }
    check(
        "/v2/a/manifests/.INVALID_MANIFEST_NAME",
        Ok(Endpoint::Manifest { repository: name("a"), reference: ".INVALID_MANIFEST_NAME".to_owned() }),
    );
    check(
        "/v2/a/manifests/uploads",
        Ok(Endpoint::Manifest { repository: name("a"), reference: "uploads".to_owned() }),
    );
}

#[test]
fn other_paths_are_no_endpoints() {
    for path in [
        "",
        "/",
        "/v1/",
        "/v2x",
        "/v2a/tags/list",
        "v2/",
        "/v2//",
        "/v2/a",
        "/v2/a/",
        "/v2/a/b",
        "/v2/_catalog/",
        "/v2/a/manifests",
        "/v2/a/manifests/",
        "/v2/a/blobs",
        "/v2/a/blobs/",
        "/v2/a/blobs/uploads//",
        "/v2/a/blobs/uploads/x/",
        "/v2/a/tags",
        "/v2/a/tags/",
        "/v2/a/tags/list/",
        "/v2/a/tags/other",
        "/v2/a/referrers",
        "/v2/a/referrers/",
        "/v2/tags/list",
        "/v2/manifests/x",
        "/v2/blobs/x",
        "/v2/_oci/ext/discover",
    ] {
        check(path, Err(EndpointError::NotFound));
    }
}

#[test]
fn a_known_form_with_a_bad_name_says_so() {
    for (path, bad) in [
        ("/v2/A/manifests/x", "A"),
        ("/v2/a//b/tags/list", "a//b"),
        ("/v2//tags/list", ""),
        ("/v2/../a/blobs/sha256:x", "../a"),
        ("/v2/a/../b/blobs/uploads/", "a/../b"),
        ("/v2/a\n/referrers/x", "a\n"),
    ] {
        check(path, Err(EndpointError::NameInvalid(bad.to_owned())));
    }
}

proptest! {
    #[test]
    fn a_legal_name_is_always_found_again(
        words in proptest::collection::vec(
            prop_oneof![Just("a"), Just("blobs"), Just("uploads"), Just("manifests"), Just("tags"), Just("list"),
                        Just("referrers"), Just("x-y")],
            1..6,
        ),
    ) {
        let text = words.join("/");
        let repository = name(&text);
        for suffix in ["tags/list", "manifests/x", "blobs/sha256:x", "blobs/uploads/", "blobs/uploads/1", "referrers/x"] {
            let endpoint = parse_path(&format!("/v2/{text}/{suffix}")).unwrap();
            prop_assert_eq!(endpoint.repository(), Some(&repository), "{}", suffix);
        }
    }

    #[test]
    fn nothing_makes_the_reader_panic(path in "/v2/(\\PC|/){0,60}") {
        crate::fuzz::endpoint(path.as_bytes());
    }
}
