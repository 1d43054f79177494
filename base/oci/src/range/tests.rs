//! Tests of ranges: the cases of the conformance suites, of RFC 9110, and of clients.

use proptest::prelude::*;

use super::*;

fn check(header: &str, size: u64, expected: Result<&[(u64, u64)], RangeError>) {
    let expected =
        expected.map(|list| list.iter().map(|&(first, last)| Range { first, last }).collect::<Vec<_>>());
    assert_eq!(parse_range(header, size), expected, "{header:?} of {size}");
}

#[test]
fn ranges_of_a_get() {
    use RangeError::{Ignored, Unsatisfiable};
    check("bytes=500-1499", 2048, Ok(&[(500, 1499)]));
    check("bytes=500-", 2048, Ok(&[(500, 2047)]));
    check("bytes=-500", 2048, Ok(&[(1548, 2047)]));
    check("bytes=2000-5000", 2048, Ok(&[(2000, 2047)]));
    check("bytes=-5000", 2048, Ok(&[(0, 2047)]));
    check("bytes=0-", 2048, Ok(&[(0, 2047)]));
    check("bytes=0-0", 2048, Ok(&[(0, 0)]));
    check("Bytes=0-0", 2048, Ok(&[(0, 0)]));
    check("bytes= 0-0 , ,5-6,", 2048, Ok(&[(0, 0), (5, 6)]));
    check("bytes=0-1,-2", 2048, Ok(&[(0, 1), (2046, 2047)]));
    check("bytes=7-7,3-3", 2048, Ok(&[(7, 7), (3, 3)]));
    check("bytes=0-1,9999-", 2048, Ok(&[(0, 1)]));
    check("bytes=0-99999999999999999999999", 10, Ok(&[(0, 9)]));
    check("bytes=0-", u64::MAX, Ok(&[(0, u64::MAX - 1)]));
    check("bytes=500-0", 2048, Err(Unsatisfiable));
    check("bytes=5000-10000", 2048, Err(Unsatisfiable));
    check("bytes=2048-", 2048, Err(Unsatisfiable));
    check("bytes=-0", 2048, Err(Unsatisfiable));
    check("bytes=99999999999999999999999-", 10, Err(Unsatisfiable));
    check("bytes=0-1,0-2047", 2048, Err(Ignored));
    for ignored in [
        "",
        "bytes",
        "bytes=",
        "bytes=,",
        "bytes=-",
        "bytes=a-b",
        "bytes=1",
        "bytes=1-2-3",
        "bytes=+1-2",
        "bytes=1--2",
        "items=0-1",
        "bytes 0-1",
        "bytes=0-1;2-3",
        "bytes=0x1-2",
        "bytes=1-2,x",
    ] {
        check(ignored, 2048, Err(Ignored));
    }
    check("bytes=0-", 0, Err(Ignored));
    check("bytes=-1", 0, Err(Ignored));
}

#[test]
fn as_many_ranges_as_a_partial_pull_asks_for_and_no_more() {
    let many = |count: usize| {
        let parts: Vec<String> = (0..count).map(|number| format!("{number}-{number}")).collect();
        parse_range(&format!("bytes={}", parts.join(",")), 1 << 20).map(|ranges| ranges.len())
    };
    assert_eq!(many(RANGES_MAX), Ok(RANGES_MAX));
    assert_eq!(many(RANGES_MAX + 1), Err(RangeError::Ignored));
}

#[test]
fn content_ranges_of_an_upload() {
    for (header, expected) in [
        ("0-0", Some((0, 0))),
        ("0-511", Some((0, 511))),
        (" 5-6 ", Some((5, 6))),
        ("bytes 5-6/7", Some((5, 6))),
        ("bytes 5-6/*", Some((5, 6))),
        ("18446744073709551614-18446744073709551614", Some((u64::MAX - 1, u64::MAX - 1))),
        ("0-18446744073709551615", None),
        ("0-18446744073709551616", None),
        ("6-5", None),
        ("", None),
        ("-", None),
        ("5-", None),
        ("-5", None),
        ("+1-2", None),
        ("1-+2", None),
        ("1--2", None),
        ("a-b", None),
        ("bytes=0-5", None),
        ("bytes 0-5", None),
        ("bytes 0-5/x", None),
        ("items 0-5/6", None),
        ("0-5/6", None),
        ("0-1,2-3", None),
    ] {
        let expected = expected.map(|(first, last)| Range { first, last });
        assert_eq!(parse_content_range(header), expected, "{header:?}");
    }
}

proptest! {
    #[test]
    fn what_is_selected_lies_inside(
        parts in proptest::collection::vec((0..40_u64, 0..40_u64, 0..4_u8), 1..5),
        size in 0..40_u64,
    ) {
        let parts: Vec<String> = parts.iter().map(|(first, last, form)| match form {
            0 => format!("{first}-"),
            1 => format!("-{last}"),
            _ => format!("{first}-{last}"),
        }).collect();
        let mut input = size.to_be_bytes().to_vec();
        input.extend_from_slice(format!("bytes={}", parts.join(",")).as_bytes());
        crate::fuzz::range(&input);
    }

    #[test]
    fn nothing_makes_the_readers_panic(header in "(bytes[= ])?[0-9a, /*-]{0,40}", size in any::<u64>()) {
        crate::fuzz::range(&[&size.to_be_bytes(), header.as_bytes()].concat());
        crate::fuzz::content_range(header.as_bytes());
    }
}
