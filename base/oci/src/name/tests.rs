//! Tests of the grammars of names, against the specification's expressions read literally.

use proptest::prelude::*;

use super::*;

#[test]
fn repository_names() {
    let long = "a".repeat(255);
    let too_long = "a".repeat(256);
    for (text, expected) in [
        ("a", Ok(())),
        ("0", Ok(())),
        ("library/debian", Ok(())),
        ("a/b/c/d/e/f", Ok(())),
        ("a.b", Ok(())),
        ("a_b", Ok(())),
        ("a__b", Ok(())),
        ("a-b", Ok(())),
        ("a---b", Ok(())),
        ("a.b_c__d--e", Ok(())),
        ("blobs/uploads", Ok(())),
        ("manifests/tags/list", Ok(())),
        (&long, Ok(())),
        ("", Err(NameError::Empty)),
        (&too_long, Err(NameError::TooLong)),
        ("A", Err(NameError::InvalidSyntax)),
        ("a/B", Err(NameError::InvalidSyntax)),
        ("a..b", Err(NameError::InvalidSyntax)),
        ("a___b", Err(NameError::InvalidSyntax)),
        ("a._b", Err(NameError::InvalidSyntax)),
        ("a-_b", Err(NameError::InvalidSyntax)),
        ("-a", Err(NameError::InvalidSyntax)),
        ("a-", Err(NameError::InvalidSyntax)),
        (".a", Err(NameError::InvalidSyntax)),
        ("a_", Err(NameError::InvalidSyntax)),
        ("/a", Err(NameError::InvalidSyntax)),
        ("a/", Err(NameError::InvalidSyntax)),
        ("a//b", Err(NameError::InvalidSyntax)),
        ("../a", Err(NameError::InvalidSyntax)),
        ("a/../b", Err(NameError::InvalidSyntax)),
        ("_catalog", Err(NameError::InvalidSyntax)),
        ("a b", Err(NameError::InvalidSyntax)),
        ("a\0b", Err(NameError::InvalidSyntax)),
        ("a\n", Err(NameError::InvalidSyntax)),
        ("é", Err(NameError::InvalidSyntax)),
        ("a:b", Err(NameError::InvalidSyntax)),
    ] {
        assert_eq!(
            RepositoryName::parse(text).map(|name| assert_eq!(name.as_str(), text)),
            expected,
            "{text:?}"
        );
    }
}

#[test]
fn tags() {
    let long = "a".repeat(128);
    let too_long = "a".repeat(129);
    for text in ["a", "A", "_", "0", "latest", "v1.2.3-rc.1", "_-.", "a..", "a--", &long] {
        assert_eq!(Tag::parse(text).unwrap().as_str(), text);
    }
    for text in
        ["", ".a", "-a", "a b", "a/b", "a:b", "a+b", "é", "a\n", "a\0", ".INVALID_MANIFEST_NAME", &too_long]
    {
        assert_eq!(Tag::parse(text), Err(TagError), "{text:?}");
    }
}

#[test]
fn names_order_by_bytes() {
    let mut tags = ["b", "A", "_", "a", "0", "a.b", "a-b"].map(|text| Tag::parse(text).unwrap());
    tags.sort();
    assert_eq!(tags.each_ref().map(Tag::as_str), ["0", "A", "_", "a", "a-b", "a.b", "b"]);
}

/// The expression of the specification, by a reader that tries every way.
fn component_by_the_book(text: &str) -> bool {
    let run = text.bytes().take_while(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()).count();
    if run == 0 {
        return false;
    }
    let rest = &text[run..];
    if rest.is_empty() {
        return true;
    }
    let dashes = rest.bytes().take_while(|&byte| byte == b'-').count();
    let separators =
        [".", "_", "__"].into_iter().filter(|separator| rest.starts_with(separator)).map(str::len);
    separators.chain((dashes > 0).then_some(dashes)).any(|length| component_by_the_book(&rest[length..]))
}

proptest! {
    #[test]
    fn the_reader_agrees_with_the_expression(text in "[a0._/-]{1,12}") {
        prop_assert_eq!(
            RepositoryName::parse(&text).is_ok(),
            text.split('/').all(component_by_the_book)
        );
    }

    #[test]
    fn what_is_read_survives_json(text in "[a-z0-9]{1,4}(/[a-z0-9]{1,4}){0,3}", tag in "[a-zA-Z0-9_][a-zA-Z0-9._-]{0,9}") {
        let name: RepositoryName = text.parse().unwrap();
        prop_assert_eq!(serde_json::from_str::<RepositoryName>(&serde_json::to_string(&name).unwrap()).unwrap(), name);
        let tag: Tag = tag.parse().unwrap();
        prop_assert_eq!(serde_json::from_str::<Tag>(&serde_json::to_string(&tag).unwrap()).unwrap(), tag);
    }

    #[test]
    fn nothing_makes_the_readers_panic(text in "\\PC{0,300}") {
        crate::fuzz::name(text.as_bytes());
        crate::fuzz::tag(text.as_bytes());
        crate::fuzz::reference(text.as_bytes());
    }
}
