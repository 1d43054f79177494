//! Headers that tars have, and headers that none should have.

use super::*;
use crate::layer::tests::archive::{header, pax};

fn block(kind: u8, size: u64) -> Vec<u8> {
    header(b"f", kind, size).to_vec()
}

/// A special header with its body and padding.
fn special(kind: u8, body: &[u8]) -> Vec<u8> {
    [&block(kind, body.len() as u64)[..], body, &vec![0; body.len().wrapping_neg() % BLOCK_BYTES]].concat()
}

fn content(headers: &[Vec<u8>], name: &[u8]) -> Result<Content, Lost> {
    let mut walk = Walk::new();
    walk.bytes(&headers.concat())?;
    walk.file(name)
}

#[test]
fn what_lies_in_the_tar_is_what_its_headers_say() {
    let sparse =
        [("GNU.sparse.major", &b"0"[..]), ("GNU.sparse.minor", b"1"), ("GNU.sparse.numblocks", b"2")];
    let map = [&sparse[..], &[("GNU.sparse.size", b"100"), ("GNU.sparse.map", b"0,3,50,4")]].concat();
    let extents = vec![Extent { offset: 0, length: 3 }, Extent { offset: 50, length: 4 }];
    let holes = Content::Sparse { size: 100, extents };
    let table = [
        (vec![block(b'0', 7)], Content::Plain(7)),
        (vec![block(0, 7)], Content::Plain(7)),
        (vec![block(b'7', 7)], Content::Plain(7)),
        (vec![block(b'V', 7)], Content::Plain(7)),
        (vec![block(b'1', 7)], Content::Nothing),
        (vec![block(b'5', 7)], Content::Nothing),
        (vec![special(b'x', &pax(&[("size", b"9")])), block(b'0', 7)], Content::Plain(9)),
        (vec![special(b'x', &pax(&[("size", b"")])), block(b'0', 7)], Content::Plain(7)),
        (
            vec![special(b'x', &pax(&[("size", b"9")])), special(b'L', b"n\0"), block(b'0', 7)],
            Content::Plain(9),
        ),
        (vec![special(b'L', &[b'n'; 512]), special(b'K', b"l\0"), block(b'0', 7)], Content::Plain(7)),
        (vec![special(b'x', b""), block(b'0', 7)], Content::Plain(7)),
        // A global header is not of the file that follows.
        (vec![special(b'g', &pax(&[("size", b"9")])), block(b'0', 7)], Content::Plain(7)),
        (vec![special(b'g', b""), block(b'0', 7)], Content::Plain(7)),
        (vec![special(b'x', &pax(&map)), block(b'0', 7)], holes),
        // A version that nobody knows is no sparse file.
        (vec![special(b'x', &pax(&[("GNU.sparse.major", b"7")])), block(b'0', 7)], Content::Plain(7)),
    ];
    for (headers, expected) in table {
        assert_eq!(
            content(&headers, b"f"),
            Ok(expected),
            "{:?}",
            headers.concat().escape_ascii().to_string()
        );
    }
    assert_eq!(content(&[block(0, 7)], b"directory/"), Ok(Content::Nothing));
}

#[test]
fn what_cannot_be_followed_is_said() {
    let lost = |headers: &[Vec<u8>]| content(headers, b"f").unwrap_err().0;
    let broken = "an extended header that cannot be read";
    for body in
        [&b"9 size"[..], b"99 size=1\n", b"x size=1\n", b"9 size=11", b"4294967296 a=b\n", b"8 size1\n"]
    {
        assert_eq!(lost(&[special(b'x', body), block(b'0', 1)]), broken, "{}", body.escape_ascii());
    }
    let sparse = |records: &[(&str, &[u8])]| lost(&[special(b'x', &pax(records)), block(b'0', 7)]);
    let count = ("GNU.sparse.numblocks", &b"1"[..]);
    assert_eq!(sparse(&[("size", b"-1")]), "an extended header with a number that is none");
    assert_eq!(sparse(&[count, ("GNU.sparse.map", b"0,7,9")]), "a sparse header that cannot be read");
    assert_eq!(sparse(&[("GNU.sparse.numbytes", b"1")]), "a sparse header that cannot be read");
    let other = "a sparse file whose parts are not what lies in the tar";
    assert_eq!(sparse(&[count, ("GNU.sparse.map", b"0,6")]), other);
    let beyond = "a sparse file whose parts are not in order";
    assert_eq!(sparse(&[count, ("GNU.sparse.map", b"1,7"), ("GNU.sparse.size", b"7")]), beyond);
    assert_eq!(sparse(&[count, ("GNU.sparse.map", b"18446744073709551615,7")]), beyond);
    assert_eq!(lost(&[block(b'x', (1 << 20) + 1)]), "a special header of more than 1 MiB");
    let mut sizeless = block(b'0', 0);
    sizeless[124] = b'9';
    assert_eq!(lost(&[sizeless]), "a header without a size");
    assert_eq!(lost(&[vec![0; 1024]]), "a file without its header");
    assert_eq!(lost(&[vec![0; 511]]), "a file without its header");
    assert_eq!(lost(&[]), "a file without its header");
}

#[test]
fn numbers_are_read_as_tar_readers_read_them() {
    let number = |field: &[u8; 12]| number(field);
    assert_eq!(number(b"00000000017\0"), Some(15));
    assert_eq!(number(b"         17 "), Some(15));
    assert_eq!(number(b"17\0\0\0\0\0\0\0\0\0\0"), Some(15));
    assert_eq!(number(&[0; 12]), Some(0));
    assert_eq!(number(b"777777777777"), Some(0o777_777_777_777));
    assert_eq!(number(b"00000000018\0"), None);
    assert_eq!(number(b"-0000000001\0"), None);
    assert_eq!(number(b"1 1\0\0\0\0\0\0\0\0\0"), None);
    assert_eq!(number(&[0x80, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 1]), Some((2 << 32) + 1));
    assert_eq!(number(&[0x80, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]), Some(1 << 48));
    assert_eq!(number(&[0xff; 12]), None);
    assert_eq!(number(&[0x80, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), None);
}
