//! Metadata is read while there is memory for it, and never twice because it takes long.

use std::fmt::Write as _;
use std::io::Write as _;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use dockless_oci::Digest;
use dockless_runtime::Runtime;
use dockless_store::READ_BYTES_MAX;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::future::join_all;

use super::{LayerError, LayerPlace, Layers, every_kind, header, read_from, sparse};
use crate::layer::file::EngineFile;
use crate::layer::layout::LAYOUT_BYTES_MAX;
use crate::layer::metadata::Metadata;

const TIME_MAX: Duration = Duration::from_secs(20);

#[tokio::test]
async fn layouts_are_read_only_while_there_is_memory() {
    let planted = [every_kind().plant(), sparse().plant()];
    // For the smallest there may be.
    let metadata = Metadata::limited(600 << 10, Duration::from_millis(200));
    let layers = Layers::with(Runtime::real(), metadata);
    let held = layers.open(&planted[0].place).await.unwrap();
    let refused = layers.open(&planted[1].place).await.err();
    assert!(matches!(&refused, Some(LayerError::Busy(why)) if why.contains("memory")), "{refused:?}");
    // What is read goes on being read.
    assert_eq!(read_from(&held, 0, READ_BYTES_MAX).await, (planted[0].tar.clone(), None));
    layers.inside.opened.lock().unwrap().forget(|_| true);
    drop(held);
    assert!(layers.open(&planted[1].place).await.is_ok());
}

#[tokio::test]
async fn a_hundred_ordinary_layers_are_read_where_there_is_room_for_one_of_the_largest() {
    let planted: Vec<_> = (0..100).map(|_| every_kind().plant()).collect();
    let layers = Layers::with(Runtime::real(), Metadata::limited(LAYOUT_BYTES_MAX, TIME_MAX));
    let opened = join_all(planted.iter().map(|planted| layers.open(&planted.place))).await;
    assert_eq!(opened.iter().filter(|opened| opened.is_ok()).count(), 100);
}

/// The metadata of a layer of many files that are all the same: it is packed to less than its layout takes.
fn many_alike() -> (tempfile::TempDir, LayerPlace, usize) {
    let (head, sum) = (header(b"f", b'0', 1), BASE64.encode([7; 8]));
    let first = BASE64.encode(head);
    let next = BASE64.encode([&[0; 511][..], &head].concat());
    let mut json = String::new();
    for file in 0..34_000 {
        let (payload, at) = (if file == 0 { &first } else { &next }, 2 * file);
        writeln!(json, r#"{{"type":2,"payload":"{payload}","position":{at}}}"#).unwrap();
        writeln!(json, r#"{{"type":1,"name":"f","size":1,"payload":"{sum}","position":{}}}"#, at + 1)
            .unwrap();
    }
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    packed.write_all(json.as_bytes()).unwrap();
    let packed = packed.finish().unwrap();
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("split"), &packed).unwrap();
    let split = EngineFile::root(directory.path()).join("split");
    let place = LayerPlace { diff_id: Digest::sha256(b"any"), split, root: directory.path().to_owned() };
    (directory, place, packed.len())
}

#[tokio::test]
async fn metadata_that_needs_more_memory_than_usual_takes_it_or_is_refused() {
    let (_directory, place, packed) = many_alike();
    let usual = 2 * packed + (512 << 10);
    let little = Layers::with(Runtime::real(), Metadata::limited(usual, TIME_MAX));
    let refused = little.open(&place).await.err();
    assert!(matches!(&refused, Some(LayerError::Busy(_))), "{refused:?}");
    let enough = Layers::with(Runtime::real(), Metadata::limited(2 * usual, TIME_MAX));
    assert!(enough.open(&place).await.is_ok());
}

#[tokio::test]
async fn metadata_that_takes_too_long_is_there_for_who_comes_next() {
    let (_directory, place, _) = many_alike();
    let hasty = Metadata::limited(LAYOUT_BYTES_MAX, Duration::from_millis(1));
    let layers = Layers::with(Runtime::real(), hasty);
    assert!(matches!(layers.size(&place).await, Err(LayerError::Late(_))));
    assert_eq!(layers.size(&place).await, Ok(34_000 * 1024 - 511));
}
