//! Damaged metadata, and files that change under the reader.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use dockless_oci::Digest;
use dockless_runtime::{BoxFuture, Clock, Runtime};
use dockless_store::{READ_BYTES_MAX, StoreError};

use super::archive::pack;
use super::{Archive, LayerError, Layers, Planted, header, large, noise, open, read_from};
use crate::layer::content::Fault;
use crate::layer::reader::Learn;

/// The layer gives its own bytes, or an error; never others to the end.
async fn check_never_wrong(planted: &Planted, what: &str) {
    let Ok(blob) = open(&planted.place).await else { return };
    let (bytes, error) = read_from(&blob, 0, READ_BYTES_MAX).await;
    match error {
        None => assert!(bytes == planted.tar, "{what}: wrong bytes as the whole"),
        Some(_) => assert!((bytes.len() as u64) < blob.size, "{what}: an error after the end"),
    }
}

fn small() -> Archive {
    let mut small = Archive::default();
    small.bare("d/", b'5', 0);
    small.file("d/f", b"content");
    small.file("d/g", &noise(1, 600));
    small.raw(&[0; 1024]);
    small
}

#[tokio::test]
async fn no_damage_of_the_metadata_gives_wrong_bytes() {
    let planted = small().plant();
    let json = small().json().into_bytes();
    let write = |packed: &[u8]| std::fs::write(planted.place.split.path(), packed).unwrap();
    for at in 0..json.len() {
        write(&pack(&json[..at]));
        check_never_wrong(&planted, &format!("cut at {at}")).await;
        // One bit of each byte; which one differs from byte to byte.
        let mut flipped = json.clone();
        flipped[at] ^= 1 << (at % 8);
        write(&pack(&flipped));
        check_never_wrong(&planted, &format!("flipped at {at}")).await;
    }
    let packed = pack(&json);
    for at in 0..packed.len() {
        write(&packed[..at]);
        assert!(at == 0 || open(&planted.place).await.is_err(), "packed, cut at {at}");
        check_never_wrong(&planted, &format!("packed, cut at {at}")).await;
        let mut flipped = packed.clone();
        flipped[at] ^= 1 << (at % 8);
        write(&flipped);
        check_never_wrong(&planted, &format!("packed, flipped at {at}")).await;
    }
}

#[tokio::test]
async fn damage_of_the_metadata_is_named() {
    let planted = small().plant();
    let refused = async |json: &str| {
        std::fs::write(planted.place.split.path(), pack(json.as_bytes())).unwrap();
        open(&planted.place).await.unwrap_err()
    };
    let name = "n".repeat(4096);
    let sum = "AAAAAAAAAAA=";
    let table = [
        (r#"{"type":2,"payload":"AA==","position":1}"#.to_owned(), "entry 0: says that it is entry 1"),
        (r#"{"type":2,"payload":"A","position":0}"#.to_owned(), "entry 0: payload"),
        (r#"{"type":3,"payload":"","position":0}"#.to_owned(), "entry 0: has the unknown type 3"),
        (r#"{"type":1,"name":"a","size":1,"payload":"AA==","position":0}"#.to_owned(), "not eight bytes"),
        (format!(r#"{{"type":1,"name_raw":"_","payload":"{sum}","position":0}}"#), "entry 0: name_raw"),
        (format!(r#"{{"type":1,"name":"a","size":-1,"payload":"{sum}","position":0}}"#), "invalid value"),
        (format!(r#"{{"type":1,"name":"a","size":1,"payload":"{sum}","position":0}}"#), "without its header"),
        ("{".to_owned(), "EOF"),
        ("\n".to_owned(), "EOF"),
    ];
    for (json, said) in table {
        let error = refused(&json).await;
        assert!(error.to_string().contains(said), "{json}: {error}");
    }
    let long = refused(&format!(r#"{{"type":1,"name":"{name}","payload":"","position":0}}"#)).await;
    assert!(matches!(long, LayerError::Unsupported(_)), "{long}");
    let line = refused(&format!(r#"{{"type":2,"payload":"{}","position":0}}"#, "A".repeat(9 << 20))).await;
    assert!(matches!(line, LayerError::Unsupported(_)), "{line}");
}

#[tokio::test]
async fn a_tar_that_cannot_be_followed_is_refused() {
    let mut new_sparse = Archive::default();
    let version =
        [("GNU.sparse.major", &b"1"[..]), ("GNU.sparse.minor", b"0"), ("GNU.sparse.realsize", b"9")];
    new_sparse.pax(&version);
    new_sparse.file("f", b"content");
    let mut other_size = Archive::default();
    other_size.raw(&header(b"f", b'0', 8));
    other_size.content(b"f", b"seven b");
    let mut two_headers = Archive::default();
    two_headers.raw(&header(b"f", b'0', 7));
    two_headers.file("f", b"seven b");
    let mut disorder = Archive::default();
    disorder.sparse("f", b"content", &[(3, 2), (2, 1)]);
    let mut old_sparse = Archive::default();
    old_sparse.raw(&header(b"f", b'S', 7));
    old_sparse.content(b"f", b"seven b");
    let mut link = Archive::default();
    link.raw(&header(b"f", b'1', 7));
    link.entry(b"f", 7, b"content", b"");
    for (archive, said) in [
        (new_sparse, "a sparse file of format 1.0"),
        (other_size, "f: not what its header says"),
        (two_headers, "a header without its file"),
        (old_sparse, "an old sparse header"),
        (disorder, "parts are not in order"),
        (link, "f: not what its header says"),
    ] {
        let error = open(&archive.plant().place).await.unwrap_err();
        assert!(error.to_string().contains(said), "{said}: {error}");
    }
}

/// What is done to the file `f` of a layer.
type Change = (&'static str, fn(&std::path::Path));

const CHANGES: [Change; 9] = [
    ("changed", |file| {
        let mut bytes = std::fs::read(file).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(file, bytes).unwrap();
    }),
    ("cut", |file| {
        let bytes = std::fs::read(file).unwrap();
        std::fs::write(file, &bytes[..bytes.len() - 1]).unwrap();
    }),
    ("emptied", |file| std::fs::write(file, "").unwrap()),
    ("grown", |file| {
        let mut bytes = std::fs::read(file).unwrap();
        bytes.push(0);
        std::fs::write(file, bytes).unwrap();
    }),
    ("removed", |file| std::fs::remove_file(file).unwrap()),
    ("made a pipe", |file| {
        std::fs::remove_file(file).unwrap();
        let made = std::process::Command::new("mkfifo").arg(file).status().unwrap();
        assert!(made.success());
    }),
    ("made a link", |file| {
        std::fs::rename(file, file.with_extension("moved")).unwrap();
        std::os::unix::fs::symlink(file.with_extension("moved"), file).unwrap();
    }),
    ("made a directory", |file| {
        std::fs::remove_file(file).unwrap();
        std::fs::create_dir(file).unwrap();
    }),
    ("put below a file", |file| {
        let parent = file.parent().unwrap();
        std::fs::remove_dir_all(parent).unwrap();
        std::fs::write(parent, "").unwrap();
    }),
];

/// A layer whose file `d/f` has this many bytes and lies in the middle.
fn with_file(bytes: usize) -> Archive {
    let mut archive = Archive::default();
    archive.file("first", &noise(1, 9 << 20));
    archive.file("d/f", &noise(2, bytes));
    archive.file("second", &noise(3, 3 << 20));
    archive.raw(&[0; 1024]);
    archive
}

#[tokio::test]
async fn a_file_that_changes_before_or_while_it_is_read_is_damage() {
    for size in [1000, 400_000, 3_000_000] {
        let archive = with_file(size);
        for (what, change) in CHANGES {
            for read_before in [0, 9 << 20] {
                let planted = archive.plant();
                let blob = open(&planted.place).await.unwrap();
                let mut before = Vec::new();
                while before.len() < read_before {
                    before.extend_from_slice(&blob.read(before.len() as u64, READ_BYTES_MAX).await.unwrap());
                }
                change(&planted.file("d/f"));
                let (after, error) = read_from(&blob, before.len() as u64, READ_BYTES_MAX).await;
                let given = [before, after].concat();
                let label = format!("{size} bytes {what} after {read_before}");
                // What was in memory already is given as it was; of the changed file nothing is.
                assert!(given == planted.tar[..given.len()], "{label}: wrong bytes");
                match error {
                    Some(StoreError::Damaged(digest)) => assert_eq!(digest, planted.place.diff_id, "{label}"),
                    None => assert!(read_before == 9 << 20 && size == 1000, "{label}: not noticed"),
                    Some(other) => panic!("{label}: {other}"),
                }
                assert!(read_from(&blob, 5, READ_BYTES_MAX).await.1.is_some(), "{label}: given elsewhere");
            }
        }
    }
}

#[tokio::test]
async fn a_layer_that_is_not_its_diff_id_is_never_given_to_its_end() {
    let mut planted = large().plant();
    planted.place.diff_id = Digest::sha256(b"another");
    let layers = Layers::new(Runtime::real());
    let blob = layers.open(&planted.place).await.unwrap();
    let (bytes, error) = read_from(&blob, 0, READ_BYTES_MAX).await;
    assert_eq!(error, Some(StoreError::Damaged(planted.place.diff_id.clone())));
    assert!(!bytes.is_empty() && bytes.len() < planted.tar.len(), "hashed on the way");
    // Elsewhere and for all others it is damaged from the first byte.
    assert_eq!(read_from(&blob, 0, 1).await.0.len(), 0);
    assert!(matches!(layers.open(&planted.place).await, Err(LayerError::Damaged(_))));
}

#[tokio::test]
async fn what_was_found_damaged_is_left_to_the_engine_until_its_metadata_is_written_anew() {
    let mut planted = large().plant();
    let genuine = std::mem::replace(&mut planted.place.diff_id, Digest::sha256(b"another"));
    let layers = Layers::new(Runtime::real());
    let diff_ids = [genuine, planted.place.diff_id.clone()];
    assert_eq!(layers.size(&planted.place).await, Ok(planted.tar.len() as u64));
    assert!(!layers.found_damaged(&diff_ids));
    let blob = layers.open(&planted.place).await.unwrap();
    assert!(read_from(&blob, 0, READ_BYTES_MAX).await.1.is_some());
    assert!(layers.found_damaged(&diff_ids));
    assert!(!layers.found_damaged(&diff_ids[..1]));
    // The size is by the same metadata: nobody makes a manifest of it.
    assert!(matches!(layers.size(&planted.place).await, Err(LayerError::Damaged(_))));
    let bytes = std::fs::read(planted.place.split.path()).unwrap();
    std::fs::write(planted.place.split.path(), bytes).unwrap();
    assert!(layers.size(&planted.place).await.is_ok());
}

#[tokio::test]
async fn who_reads_in_order_lends_that_to_nobody() {
    let mut planted = large().plant();
    planted.place.diff_id = Digest::sha256(b"another");
    let layers = Layers::new(Runtime::real());
    let (first, second) =
        (layers.open(&planted.place).await.unwrap(), layers.open(&planted.place).await.unwrap());
    let middle = planted.tar.len() as u64 / 2;
    let mut at = 0;
    while at <= middle {
        at += first.read(at, READ_BYTES_MAX).await.unwrap().len() as u64;
    }
    assert!(second.try_read(middle, 1).is_none());
    assert!(matches!(second.read(middle, 1).await, Err(StoreError::Damaged(_))));
}

#[tokio::test]
async fn a_read_elsewhere_is_answered_only_when_all_is_right() {
    let mut planted = large().plant();
    let blob = open(&planted.place).await.unwrap();
    let middle = planted.tar.len() as u64 / 2;
    // In order from the start, then ahead: the rest is hashed first.
    blob.read(0, 100).await.unwrap();
    assert!(blob.try_read(1000, 1).is_none());
    assert_eq!(blob.read(middle, 1).await.unwrap()[..], planted.tar[middle as usize..][..1]);
    assert!(blob.try_read(middle + 1, 1).is_some());
    planted.place.diff_id = Digest::sha256(b"another");
    let blob = open(&planted.place).await.unwrap();
    assert!(matches!(blob.read(middle, 1).await, Err(StoreError::Damaged(_))));
}

#[tokio::test]
async fn a_layer_that_is_removed_while_it_is_read_is_an_error() {
    let planted = large().plant();
    let blob = open(&planted.place).await.unwrap();
    blob.read(0, 100).await.unwrap();
    std::fs::remove_dir_all(&planted.place.root).unwrap();
    let (bytes, error) = read_from(&blob, 0, READ_BYTES_MAX).await;
    assert!(bytes == planted.tar[..bytes.len()]);
    assert!(matches!(error, Some(StoreError::Io(_))), "{error:?}");
    assert!(planted.directory.path().is_dir());
}

/// A clock that goes when it is told to; nothing waits for it here.
#[derive(Default)]
struct Told(AtomicU64);

impl Clock for Told {
    fn monotonic(&self) -> Duration {
        Duration::from_secs(self.0.load(Ordering::Relaxed))
    }

    fn unix_ms(&self) -> u64 {
        0
    }

    fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
        Box::pin(std::future::pending())
    }
}

#[tokio::test]
async fn a_layer_whose_files_may_not_be_read_is_left_to_the_engine_until_they_may_be() {
    let planted = with_file(1000).plant();
    let clock = Arc::new(Told::default());
    let layers = Layers::new(Runtime { clock: clock.clone(), ..Runtime::real() });
    let place = &planted.place;
    assert!(layers.size(place).await.is_ok());
    let opened = layers.inside.opened(layers.inside.identity(place).await.unwrap()).await.unwrap();
    assert!(!layers.was_refused(&place.diff_id));
    // Who runs this may read everything: so the file is one that cannot be opened for another reason.
    let forbidden = Fault::Forbidden { file: "d/f".into(), why: "d/f: permission denied".into() };
    layers.inside.fault(&opened, &forbidden);
    std::fs::rename(planted.file("d/f"), planted.file("d/away")).unwrap();
    let refused = LayerError::Unsupported("d/f: permission denied".into());
    assert_eq!(layers.open(place).await.err(), Some(refused.clone()));
    assert_eq!(layers.size(place).await, Err(refused));
    clock.0.store(60, Ordering::Relaxed);
    // It is tried again without a reader that would be cut.
    for _ in 0..2 {
        let still = layers.open(place).await.err();
        assert!(
            matches!(&still, Some(LayerError::Unsupported(why)) if why.starts_with("d/f: ")),
            "{still:?}"
        );
    }
    std::fs::rename(planted.file("d/away"), planted.file("d/f")).unwrap();
    assert!(layers.open(place).await.is_err(), "for a minute nobody looks");
    clock.0.store(120, Ordering::Relaxed);
    let blob = layers.open(place).await.unwrap();
    assert!(layers.was_refused(&place.diff_id), "another file may be refused");
    assert!(read_from(&blob, 0, READ_BYTES_MAX).await == (planted.tar.clone(), None));
    assert!(!layers.was_refused(&place.diff_id));
}
