//! Cases of uploads.
#![allow(clippy::unwrap_used, reason = "a case fails by panicking")]

use bytes::Bytes;
use dockless_oci::digest::{Algorithm, Digest};
use futures_util::future::join_all;

use super::{Case, Store, append, check_blob, content, new_upload, push, settings};
use crate::error::StoreError;
use crate::upload::UploadId;

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case { name: "a new upload stands at zero and says who began it", run: |s| Box::pin(begins(s)) },
        Case { name: "every call on an unknown upload says so", run: |s| Box::pin(unknown(s)) },
        Case { name: "an append goes on where the last one ended", run: |s| Box::pin(resumes(s)) },
        Case { name: "an append elsewhere is refused with the offset held", run: |s| Box::pin(offsets(s)) },
        Case { name: "whatever the borders of the writes, the bytes arrive", run: |s| Box::pin(borders(s)) },
        Case { name: "a later append, seal or cancel fences a writer", run: |s| Box::pin(fences(s)) },
        Case {
            name: "a writer dropped without close loses no byte from the middle",
            run: |s| Box::pin(drops(s)),
        },
        Case { name: "every algorithm is verified, hinted or not", run: |s| Box::pin(algorithms(s)) },
        Case { name: "a wrong digest is told and publishes nothing", run: |s| Box::pin(mismatch(s)) },
        Case { name: "nothing is visible before publish", run: |s| Box::pin(invisible(s)) },
        Case { name: "publish needs a seal of the same digest", run: |s| Box::pin(unsealed(s)) },
        Case { name: "a published upload is gone", run: |s| Box::pin(consumed(s)) },
        Case { name: "a cancelled upload is gone with its bytes", run: |s| Box::pin(cancels(s)) },
        Case {
            name: "an upload beyond the limit is refused and stays usable",
            run: |s| Box::pin(too_large(s)),
        },
        Case { name: "more uploads than the limit are refused", run: |s| Box::pin(too_many(s)) },
        Case { name: "many pushes of one digest at once all succeed", run: |s| Box::pin(concurrent(s)) },
        Case {
            name: "one upload published twice at once is published once",
            run: |s| Box::pin(published_once(s)),
        },
    ]
}

async fn begins(store: Store) {
    let mut ids = Vec::new();
    for hint in [None, Some(Algorithm::Sha512)] {
        let id = store.begin(new_upload(hint)).await.unwrap();
        let status = store.upload(&id).await.unwrap();
        let expected = new_upload(hint);
        assert_eq!((status.offset, &status.id, status.hint), (0, &id, hint));
        assert_eq!((status.repository, status.subject), (expected.repository, expected.subject));
        assert_eq!(status.begun_ms, status.touched_ms);
        ids.push(id);
    }
    ids.sort();
    let listed: Vec<_> = store.uploads().await.unwrap().into_iter().map(|status| status.id).collect();
    assert_eq!(listed, ids);
    let mut upload = new_upload(None);
    upload.subject = "x".repeat(1025);
    assert!(matches!(store.begin(upload).await, Err(StoreError::Io(_))));
}

async fn unknown(store: Store) {
    let id: UploadId = "0".repeat(32).parse().unwrap();
    let digest = Digest::sha256(b"");
    assert_eq!(store.upload(&id).await.unwrap_err(), StoreError::UploadUnknown);
    assert_eq!(store.append(&id, None).await.err(), Some(StoreError::UploadUnknown));
    assert_eq!(store.append(&id, Some(0)).await.err(), Some(StoreError::UploadUnknown));
    assert_eq!(store.seal(&id, &digest).await, Err(StoreError::UploadUnknown));
    assert_eq!(store.publish(&id, &digest).await, Err(StoreError::UploadUnknown));
    assert_eq!(store.cancel(&id).await, Err(StoreError::UploadUnknown));
    assert!(store.open(&digest).await.unwrap().is_none());
}

async fn resumes(store: Store) {
    let bytes = content(1, 700_001);
    let id = store.begin(new_upload(None)).await.unwrap();
    let mut sent = 0;
    for part in [0, 1, 99_999, 0, 300_000, 300_001] {
        let held = append(&*store, &id, &bytes.slice(sent..sent + part), 50_000).await.unwrap();
        sent += part;
        assert_eq!(held, sent as u64);
        assert_eq!(store.upload(&id).await.unwrap().offset, sent as u64);
    }
    let digest = Digest::sha256(&bytes);
    assert_eq!(store.seal(&id, &digest).await, Ok(bytes.len() as u64));
    store.publish(&id, &digest).await.unwrap();
    check_blob(&*store, &digest, &bytes).await;
}

async fn offsets(store: Store) {
    let bytes = content(2, 1000);
    let id = store.begin(new_upload(None)).await.unwrap();
    for (at, held) in [(Some(1), 0), (Some(u64::MAX), 0)] {
        assert_eq!(store.append(&id, at).await.err(), Some(StoreError::OffsetMismatch { held }));
    }
    append(&*store, &id, &bytes, 1000).await.unwrap();
    for at in [0, 999, 1001] {
        assert_eq!(store.append(&id, Some(at)).await.err(), Some(StoreError::OffsetMismatch { held: 1000 }));
    }
    let writer = store.append(&id, Some(1000)).await.unwrap();
    assert_eq!(writer.close().await, Ok(1000));
    store.seal(&id, &Digest::sha256(&bytes)).await.unwrap();
}

async fn borders(store: Store) {
    for (size, chunk) in [
        (0, 1),
        (1, 1),
        (5000, 1),
        (8192, 8191),
        ((1 << 20) + 1, 8192),
        (1 << 20, 1 << 20),
        ((3 << 20) + 17, 4 << 20),
        ((2 << 20) + 3, 8193),
        (600_000, 333),
    ] {
        let bytes = content(size as u64, size);
        let digest = Digest::sha256(&bytes);
        let id = store.begin(new_upload(None)).await.unwrap();
        assert_eq!(append(&*store, &id, &bytes, chunk).await, Ok(size as u64), "{size} by {chunk}");
        store.seal(&id, &digest).await.unwrap();
        store.publish(&id, &digest).await.unwrap();
        check_blob(&*store, &digest, &bytes).await;
    }
}

async fn fences(store: Store) {
    let (first, second) = (content(3, 2 << 20), Bytes::from_static(b"second"));
    let id = store.begin(new_upload(None)).await.unwrap();
    let mut old = store.append(&id, None).await.unwrap();
    old.write(first.clone()).await.unwrap();
    let mut new = store.append(&id, None).await.unwrap();
    assert_eq!(old.write(first.clone()).await, Err(StoreError::Fenced));
    assert_eq!(old.close().await, Err(StoreError::Fenced));
    // A fenced writer's bytes are a beginning of what it took, never a hole.
    let held = usize::try_from(store.upload(&id).await.unwrap().offset).unwrap();
    new.write(second.clone()).await.unwrap();
    assert_eq!(new.close().await, Ok((held + second.len()) as u64));
    let whole = [&first[..held], &second[..]].concat();
    let mut fenced = store.append(&id, None).await.unwrap();
    store.seal(&id, &Digest::sha256(&whole)).await.unwrap();
    assert_eq!(fenced.write(second.clone()).await, Err(StoreError::Fenced));
    // One that is told the wrong offset has fenced all the same.
    let mut fenced = store.append(&id, None).await.unwrap();
    assert!(store.append(&id, Some(1)).await.is_err());
    assert_eq!(fenced.write(second.clone()).await, Err(StoreError::Fenced));
    let mut fenced = store.append(&id, None).await.unwrap();
    store.cancel(&id).await.unwrap();
    assert_eq!(fenced.write(second).await, Err(StoreError::Fenced));
}

async fn drops(store: Store) {
    let bytes = content(4, (3 << 20) + 5);
    let id = store.begin(new_upload(None)).await.unwrap();
    let mut held = 0;
    for _ in 0..6 {
        let mut writer = store.append(&id, None).await.unwrap();
        held = usize::try_from(store.upload(&id).await.unwrap().offset).unwrap();
        let to = (held + 600_000).min(bytes.len());
        writer.write(bytes.slice(held..to)).await.unwrap();
        drop(writer);
    }
    assert!(held <= bytes.len());
    let mut writer = store.append(&id, None).await.unwrap();
    let held = usize::try_from(store.upload(&id).await.unwrap().offset).unwrap();
    writer.write(bytes.slice(held..)).await.unwrap();
    assert_eq!(writer.close().await, Ok(bytes.len() as u64));
    let digest = Digest::sha256(&bytes);
    store.seal(&id, &digest).await.unwrap();
    store.publish(&id, &digest).await.unwrap();
    check_blob(&*store, &digest, &bytes).await;
}

async fn algorithms(store: Store) {
    let bytes = content(5, 600_000);
    for algorithm in Algorithm::ALL {
        for hint in [None, Some(Algorithm::Sha256), Some(Algorithm::Sha512), Some(Algorithm::Blake3)] {
            let digest = Digest::of(algorithm, &bytes);
            let id = store.begin(new_upload(hint)).await.unwrap();
            append(&*store, &id, &bytes.slice(..100), 100).await.unwrap();
            append(&*store, &id, &bytes.slice(100..), 77_777).await.unwrap();
            let wrong = Digest::of(algorithm, b"something else");
            let computed = digest.clone();
            assert_eq!(store.seal(&id, &wrong).await, Err(StoreError::DigestMismatch { computed }));
            assert_eq!(store.seal(&id, &digest).await, Ok(600_000), "{algorithm} hinted {hint:?}");
            store.publish(&id, &digest).await.unwrap();
            check_blob(&*store, &digest, &bytes).await;
        }
    }
}

async fn mismatch(store: Store) {
    let bytes = content(6, 5000);
    let (wrong, computed) = (Digest::sha256(b"other"), Digest::sha256(&bytes));
    let id = store.begin(new_upload(None)).await.unwrap();
    append(&*store, &id, &bytes, 5000).await.unwrap();
    let refused = store.seal(&id, &wrong).await;
    assert_eq!(refused, Err(StoreError::DigestMismatch { computed: computed.clone() }));
    assert_eq!(store.publish(&id, &wrong).await, Err(StoreError::NotSealed));
    assert_eq!(store.publish(&id, &computed).await, Err(StoreError::NotSealed));
    assert_eq!(store.upload(&id).await.unwrap().offset, 5000);
    store.cancel(&id).await.unwrap();
    for digest in [wrong, computed] {
        assert!(store.open(&digest).await.unwrap().is_none());
    }
}

async fn invisible(store: Store) {
    let bytes = content(7, 5000);
    let digest = Digest::sha256(&bytes);
    let id = store.begin(new_upload(None)).await.unwrap();
    append(&*store, &id, &bytes, 5000).await.unwrap();
    assert!(store.open(&digest).await.unwrap().is_none());
    store.seal(&id, &digest).await.unwrap();
    assert!(store.open(&digest).await.unwrap().is_none());
    store.publish(&id, &digest).await.unwrap();
    assert!(store.open(&digest).await.unwrap().is_some());
}

async fn unsealed(store: Store) {
    let bytes = content(8, 5000);
    let digest = Digest::sha256(&bytes);
    let id = store.begin(new_upload(None)).await.unwrap();
    append(&*store, &id, &bytes, 5000).await.unwrap();
    assert_eq!(store.publish(&id, &digest).await, Err(StoreError::NotSealed));
    store.seal(&id, &digest).await.unwrap();
    let other = Digest::of(Algorithm::Sha512, &bytes);
    assert_eq!(store.publish(&id, &other).await, Err(StoreError::NotSealed));
    // More bytes: what was sealed is no longer the whole.
    append(&*store, &id, &Bytes::from_static(b"!"), 1).await.unwrap();
    assert_eq!(store.publish(&id, &digest).await, Err(StoreError::NotSealed));
    let digest = Digest::sha256(&[&bytes[..], b"!"].concat());
    store.seal(&id, &digest).await.unwrap();
    store.publish(&id, &digest).await.unwrap();
}

async fn consumed(store: Store) {
    let bytes = content(9, 5000);
    let digest = Digest::sha256(&bytes);
    let id = store.begin(new_upload(None)).await.unwrap();
    append(&*store, &id, &bytes, 5000).await.unwrap();
    store.seal(&id, &digest).await.unwrap();
    store.publish(&id, &digest).await.unwrap();
    assert_eq!(store.upload(&id).await.unwrap_err(), StoreError::UploadUnknown);
    assert_eq!(store.publish(&id, &digest).await, Err(StoreError::UploadUnknown));
    assert_eq!(store.append(&id, None).await.err(), Some(StoreError::UploadUnknown));
    assert!(store.uploads().await.unwrap().is_empty());
    check_blob(&*store, &digest, &bytes).await;
}

async fn cancels(store: Store) {
    for written in [0, 5000] {
        let id = store.begin(new_upload(None)).await.unwrap();
        append(&*store, &id, &content(10, written), 5000).await.unwrap();
        store.cancel(&id).await.unwrap();
        assert_eq!(store.cancel(&id).await, Err(StoreError::UploadUnknown));
        assert_eq!(store.upload(&id).await.unwrap_err(), StoreError::UploadUnknown);
        assert!(store.uploads().await.unwrap().is_empty());
    }
}

async fn too_large(store: Store) {
    let limit = settings().upload_bytes_max;
    let bytes = content(11, usize::try_from(limit).unwrap());
    let digest = Digest::sha256(&bytes);
    let id = store.begin(new_upload(None)).await.unwrap();
    let mut writer = store.append(&id, None).await.unwrap();
    writer.write(bytes.slice(1..)).await.unwrap();
    assert_eq!(writer.write(Bytes::from_static(b"ab")).await, Err(StoreError::TooLarge { limit }));
    writer.write(Bytes::from_static(b"a")).await.unwrap();
    assert_eq!(writer.close().await, Ok(limit));
    let mut writer = store.append(&id, None).await.unwrap();
    assert_eq!(writer.write(Bytes::from_static(b"b")).await, Err(StoreError::TooLarge { limit }));
    assert_eq!(writer.close().await, Ok(limit));
    // Exactly the limit is fine.
    push(&*store, &bytes, &digest).await.unwrap();
}

async fn too_many(store: Store) {
    let mut ids = Vec::new();
    for _ in 0..settings().uploads_max {
        ids.push(store.begin(new_upload(None)).await.unwrap());
    }
    assert_eq!(store.begin(new_upload(None)).await, Err(StoreError::TooManyUploads));
    store.cancel(&ids[0]).await.unwrap();
    store.begin(new_upload(None)).await.unwrap();
    assert_eq!(store.begin(new_upload(None)).await, Err(StoreError::TooManyUploads));
    assert_eq!(store.uploads().await.unwrap().len(), settings().uploads_max);
}

async fn concurrent(store: Store) {
    let bytes = content(12, 900_000);
    let digest = Digest::sha256(&bytes);
    push(&*store, &bytes, &digest).await.unwrap();
    let pushes = join_all((0..8).map(|_| push(&*store, &bytes, &digest)));
    let reads = join_all((0..8).map(|_| check_blob(&*store, &digest, &bytes)));
    let (pushed, _) = futures_util::future::join(pushes, reads).await;
    assert!(pushed.iter().all(Result::is_ok), "{pushed:?}");
    assert!(store.uploads().await.unwrap().is_empty());
    check_blob(&*store, &digest, &bytes).await;
}

async fn published_once(store: Store) {
    let bytes = content(13, 900_000);
    let digest = Digest::sha256(&bytes);
    let id = store.begin(new_upload(None)).await.unwrap();
    append(&*store, &id, &bytes, 900_000).await.unwrap();
    store.seal(&id, &digest).await.unwrap();
    let published = join_all((0..4).map(|_| store.publish(&id, &digest))).await;
    assert_eq!(published.iter().filter(|published| published.is_ok()).count(), 1, "{published:?}");
    assert!(published.iter().all(|p| matches!(p, Ok(()) | Err(StoreError::UploadUnknown))), "{published:?}");
    check_blob(&*store, &digest, &bytes).await;
}
