//! Cases of reads.
#![allow(clippy::unwrap_used, reason = "a case fails by panicking")]

use dockless_oci::digest::Digest;
use futures_util::future::join_all;

use super::{Case, Store, check_blob, content, push, read};
use crate::blob::READ_BYTES_MAX;

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case { name: "a digest that nobody pushed is no blob", run: |s| Box::pin(unknown(s)) },
        Case { name: "any range is read byte for byte", run: |s| Box::pin(ranges(s)) },
        Case {
            name: "no read gives more than its limit, nor anything past the end",
            run: |s| Box::pin(limits(s)),
        },
        Case { name: "an empty blob is a blob", run: |s| Box::pin(empty(s)) },
        Case {
            name: "an open blob stays readable when it is pushed again",
            run: |s| Box::pin(pushed_again(s)),
        },
        Case { name: "many readers of one blob read the same", run: |s| Box::pin(many(s)) },
    ]
}

async fn unknown(store: Store) {
    for text in [&b""[..], b"x"] {
        assert!(store.open(&Digest::sha256(text)).await.unwrap().is_none());
    }
}

async fn ranges(store: Store) {
    let bytes = content(20, 1_000_003);
    let digest = Digest::sha256(&bytes);
    push(&*store, &bytes, &digest).await.unwrap();
    let size = bytes.len() as u64;
    let blob = store.open(&digest).await.unwrap().unwrap();
    for (from, to) in
        [(0, 1), (0, size), (262_143, 262_145), (500_000, 500_001), (1_000_002, size), (7, 999_999)]
    {
        let expected = &bytes[usize::try_from(from).unwrap()..usize::try_from(to).unwrap()];
        assert!(read(&blob, from, to, READ_BYTES_MAX).await.unwrap() == expected, "{from}..{to}");
        assert!(read(&blob.clone(), from, to, 10_007).await.unwrap() == expected, "{from}..{to}");
    }
}

async fn limits(store: Store) {
    let bytes = content(21, 600_000);
    let digest = Digest::sha256(&bytes);
    push(&*store, &bytes, &digest).await.unwrap();
    let blob = store.open(&digest).await.unwrap().unwrap();
    for max in [1, READ_BYTES_MAX, usize::MAX] {
        let read = blob.read(0, max).await.unwrap();
        assert!(!read.is_empty() && read.len() <= max.min(READ_BYTES_MAX));
        if let Some(read) = blob.try_read(0, max) {
            assert!((1..=max.min(READ_BYTES_MAX)).contains(&read.unwrap().len()));
        }
    }
    for offset in [600_000, 600_001, u64::MAX] {
        assert!(blob.read(offset, 10).await.unwrap().is_empty());
        assert!(blob.try_read(offset, 10).unwrap().unwrap().is_empty());
    }
    assert_eq!(blob.read(599_999, 10).await.unwrap(), bytes.slice(599_999..));
    assert!(blob.read(5, 0).await.unwrap().is_empty());
}

async fn empty(store: Store) {
    let digest = Digest::sha256(b"");
    push(&*store, &content(0, 0), &digest).await.unwrap();
    check_blob(&*store, &digest, &content(0, 0)).await;
}

async fn pushed_again(store: Store) {
    let bytes = content(22, 700_000);
    let digest = Digest::sha256(&bytes);
    push(&*store, &bytes, &digest).await.unwrap();
    let blob = store.open(&digest).await.unwrap().unwrap();
    let first = blob.read(0, 1000).await.unwrap();
    push(&*store, &bytes, &digest).await.unwrap();
    let rest = read(&blob, 1000, blob.size, 65_536).await.unwrap();
    assert!([&first[..], &rest[..]].concat() == bytes);
    check_blob(&*store, &digest, &bytes).await;
}

async fn many(store: Store) {
    let bytes = content(23, 2_000_000);
    let digest = Digest::sha256(&bytes);
    push(&*store, &bytes, &digest).await.unwrap();
    join_all((0..32).map(|_| check_blob(&*store, &digest, &bytes))).await;
}
