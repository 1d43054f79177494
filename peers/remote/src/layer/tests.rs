//! Layers are rebuilt byte for byte, and nothing wrong is ever given as the whole.
#![expect(clippy::disallowed_methods, reason = "plants what an engine has, and damages it")]

pub(in crate::layer) mod archive;
mod damage;
mod memory;

use dockless_runtime::Runtime;
use dockless_store::{Blob, READ_BYTES_MAX, StoreError};
use futures_util::FutureExt;

use super::reader::HASH_FIRST_BYTES_MAX;
use super::{LayerError, LayerPlace, Layers};
use archive::{Archive, Planted, header, noise, pax};

/// All bytes from `offset`, in pieces of at most `max`; those given before an error, with the error.
async fn read_from(blob: &Blob, mut offset: u64, max: usize) -> (Vec<u8>, Option<StoreError>) {
    let mut bytes = Vec::new();
    while offset < blob.size {
        let read = match blob.try_read(offset, max) {
            Some(read) => read,
            None => blob.read(offset, max).await,
        };
        match read {
            Ok(read) => {
                assert!(!read.is_empty() && read.len() <= max);
                offset += read.len() as u64;
                bytes.extend_from_slice(&read);
            }
            Err(error) => return (bytes, Some(error)),
        }
    }
    (bytes, None)
}

/// Opened by somebody who knows nothing yet.
async fn open(place: &LayerPlace) -> Result<Blob, LayerError> {
    let layers = Layers::new(Runtime::real());
    let size = layers.size(place).await?;
    let blob = layers.open(place).await?;
    assert_eq!(blob.size, size);
    Ok(blob)
}

/// Rebuilds the tar in order, in small pieces, and from places in the middle.
async fn check(archive: &Archive) {
    let planted = archive.plant();
    for max in [READ_BYTES_MAX, 32 * 1024] {
        let blob = open(&planted.place).await.unwrap();
        assert_eq!(blob.size, planted.tar.len() as u64);
        let (bytes, error) = read_from(&blob, 0, max).await;
        assert_eq!(error, None);
        assert!(bytes == planted.tar, "{max}");
    }
    let blob = open(&planted.place).await.unwrap();
    for part in 0..8 {
        let offset = planted.tar.len() * part / 8;
        let (bytes, error) = read_from(&blob, offset as u64, 5_000).await;
        assert_eq!(error, None);
        assert!(bytes == planted.tar[offset..], "from {offset}");
    }
}

/// One of each kind of entry that layers have.
fn every_kind() -> Archive {
    let mut all = Archive::default();
    // Its padding stands behind its entry.
    let global = pax(&[("comment", b"global")]);
    all.raw(&header(b"pax_global_header", b'g', global.len() as u64));
    all.raw(&global);
    all.entry(b"pax_global_header", 0, b"", b"");
    all.raw(&vec![0; 512 - global.len()]);
    all.bare("etc/", b'5', 0);
    all.file("etc/hosts", b"127.0.0.1 localhost\n");
    all.file("etc/empty", b"");
    all.bare("etc/hard", b'1', 0);
    // Some writers of tar repeat the size in the header of a hard link.
    all.bare("etc/hard-with-size", b'1', 20);
    all.bare("dev/null", b'3', 0);
    all.bare("dev/sda", b'4', 0);
    all.bare("run/pipe", b'6', 0);
    all.pax(&[("SCHILY.xattr.security.capability", b"\x01\0\0\x02\n="), ("mtime", b"1.5")]);
    all.file("bin/ping", &noise(1, 700));
    all.link("lib", "usr/lib");
    all.file("usr/lib/libc.so", &noise(2, 1024));
    all.file("lib/through-a-link", &noise(3, 511));
    all.link("absolute", "/usr/lib");
    all.raw(&header(b"absolute/too", b'0', 1));
    all.content_at(b"absolute/too", b"usr/lib/too", b"x");
    all.file("/leading/slash", &noise(4, 513));
    all.raw(&header(b"short", b'0', 3));
    all.content(b"caf\xe9/\xff\xfe", b"not");
    let long = format!("{}/file", vec!["directory"; 30].join("/"));
    all.special(b'L', format!("{long}\0").as_bytes());
    all.raw(&header(b"cut", b'0', 4));
    all.content(long.as_bytes(), b"long");
    all.pax(&[("path", format!("p/{long}").as_bytes()), ("size", b"5")]);
    all.raw(&header(b"cut", b'0', 0));
    all.content(format!("p/{long}").as_bytes(), b"five!");
    let mut binary = header(b"binary", b'0', 0);
    binary[124..136].copy_from_slice(&[0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9]);
    all.raw(&binary);
    all.content(b"binary", b"nine byte");
    all.raw(&header(b"old", 0, 2));
    all.content(b"old", b"v7");
    all.bare("old-directory/", 0, 0);
    all.raw(&header(b"contiguous", b'7', 2));
    all.content(b"contiguous", b"77");
    all.file("etc/.wh.gone", b"");
    all.bare("opaque/", b'5', 0);
    all.file("opaque/.wh..wh..opq", b"");
    all
}

fn sparse() -> Archive {
    let mut all = Archive::default();
    all.file("before", &noise(1, 300));
    let content = noise(2, 2_000_000);
    let many: Vec<(u64, u64)> = (0..60).map(|part| (part * 33_000, 512)).collect();
    all.sparse("four", &content[..90_000], &[(0, 512), (4096, 512), (50_000, 1), (89_999, 1)]);
    all.sparse("many", &content, &many);
    all.sparse("last-hole", &content[..700_000], &[(1000, 300_000), (700_000, 0)]);
    all.sparse("only-holes", &vec![0; 3_000_000], &[(3_000_000, 0)]);
    all.sparse("large", &content, &[(0, 10), (5000, 1_300_000)]);
    let size = [("GNU.sparse.size", &b"2000000"[..]), ("GNU.sparse.numblocks", b"2")];
    let pairs = [("GNU.sparse.offset", &b"0"[..]), ("GNU.sparse.numbytes", b"10")];
    let later = [("GNU.sparse.offset", &b"5000"[..]), ("GNU.sparse.numbytes", b"1300000")];
    all.pax(&[size[0], size[1], pairs[0], pairs[1], later[0], later[1]]);
    all.raw(&header(b"pax-0", b'0', 1_300_010));
    all.holes("pax-0", &content, &[(0, 10), (5000, 1_300_000)]);
    all.file("after", &noise(3, 300));
    all
}

/// More than is hashed first, with files that are read twice.
fn large() -> Archive {
    let mut all = Archive::default();
    for number in 0..400 {
        all.file(&format!("small/{number}"), &noise(number, 100 + 97 * number as usize));
    }
    all.file("piece", &noise(1, 256 * 1024));
    all.file("whole", &noise(2, 512 * 1024));
    all.file("large", &noise(3, 512 * 1024 + 1));
    all.file("larger", &noise(4, 5_000_000));
    all.file("last", b"last");
    all.raw(&[0; 1024]);
    assert!(all.tar.len() as u64 > HASH_FIRST_BYTES_MAX);
    all
}

#[tokio::test]
async fn every_kind_of_entry_is_rebuilt() {
    let mut all = every_kind();
    all.raw(&[0; 1024]);
    check(&all).await;
}

#[tokio::test]
async fn files_with_holes_are_rebuilt() {
    let mut all = sparse();
    all.raw(&[0; 1024]);
    check(&all).await;
}

#[tokio::test]
async fn every_end_of_a_tar_is_rebuilt() {
    let mut behind = vec![0; 1024];
    behind.extend_from_slice(&noise(9, 3000));
    for end in [vec![], vec![0; 512], vec![0; 1024], vec![0; 10_240], vec![0; 3 << 20], behind] {
        let mut all = every_kind();
        all.raw(&end);
        check(&all).await;
    }
}

#[tokio::test]
async fn a_layer_without_files_is_rebuilt() {
    for end in [0, 512, 1024, 10_240] {
        let mut empty = Archive::default();
        empty.raw(&vec![0; end]);
        check(&empty).await;
    }
    let planted = Archive::default().plant();
    let foreign = LayerPlace { diff_id: every_kind().plant().place.diff_id, ..planted.place.clone() };
    assert!(matches!(open(&foreign).await, Err(LayerError::Damaged(_))));
}

#[tokio::test]
async fn a_large_layer_is_rebuilt() {
    check(&large()).await;
}

#[tokio::test]
async fn many_readers_share_and_one_who_leaves_spoils_nothing() {
    let planted = large().plant();
    let layers = Layers::new(Runtime::real());
    let readers = (0..20).map(|number| {
        let (layers, place) = (layers.clone(), planted.place.clone());
        async move {
            let blob = layers.open(&place).await.unwrap();
            let offset = if number % 4 == 3 { number * 400_000 } else { 0 };
            if number % 4 == 1 {
                // Leaves while a window is being read.
                let _ = blob.read(0, READ_BYTES_MAX).now_or_never();
                return None;
            }
            let (bytes, error) = read_from(&blob, offset, READ_BYTES_MAX).await;
            assert_eq!(error, None);
            Some((offset, bytes))
        }
    });
    for (offset, bytes) in futures_util::future::join_all(readers).await.into_iter().flatten() {
        assert!(bytes == planted.tar[offset as usize..], "from {offset}");
    }
}

#[tokio::test]
async fn what_all_readers_share_is_read_once() {
    let planted = every_kind().plant();
    let layers = Layers::new(Runtime::real());
    let first = layers.open(&planted.place).await.unwrap();
    assert!(read_from(&first, 0, READ_BYTES_MAX).await == (planted.tar.clone(), None));
    std::fs::remove_dir_all(&planted.place.root).unwrap();
    // Nothing is left to read from: the second reader gets what the first one read.
    let second = layers.open(&planted.place).await.unwrap();
    assert!(read_from(&second, 0, READ_BYTES_MAX).await == (planted.tar.clone(), None));
}

#[tokio::test]
async fn metadata_written_anew_is_read_anew() {
    let mut planted = every_kind().plant();
    let layers = Layers::new(Runtime::real());
    assert_eq!(layers.size(&planted.place).await.unwrap(), planted.tar.len() as u64);
    let other = sparse().plant();
    std::fs::rename(other.place.split.path(), planted.place.split.path()).unwrap();
    planted.place.root.clone_from(&other.place.root);
    planted.place.diff_id = other.place.diff_id.clone();
    assert_eq!(layers.size(&planted.place).await.unwrap(), other.tar.len() as u64);
    let blob = layers.open(&planted.place).await.unwrap();
    assert!(read_from(&blob, 0, READ_BYTES_MAX).await == (other.tar.clone(), None));
}

#[tokio::test]
async fn a_layer_that_is_gone_is_said_to_be_gone() {
    let planted = every_kind().plant();
    std::fs::remove_file(planted.place.split.path()).unwrap();
    assert!(matches!(open(&planted.place).await, Err(LayerError::Gone(_))));
}
