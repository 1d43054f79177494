//! Entry points for fuzzing the readers of a layer's metadata.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::layout::{Layout, Part, Unpacked, WINDOW_BYTES_MAX};
use super::tar::Walk;

/// Windows that are looked at; a few bytes can promise a file of 64 GiB.
const WINDOWS_CHECKED: usize = 64;

/// Metadata that is read (the bytes are its JSON) covers its tar without a gap, part by part and window by window.
pub fn layer_metadata(json: &[u8]) {
    let mut packed = GzEncoder::new(Vec::new(), Compression::none());
    let packed = packed.write_all(json).and_then(|()| packed.finish());
    layer_packed(&packed.expect("memory takes all bytes"));
}

/// As [`layer_metadata`], with the bytes packed already.
pub fn layer_packed(bytes: &[u8]) {
    if let Ok(layout) = Layout::read(bytes, |_| true) {
        check_parts(&layout);
        check_windows(&layout);
    }
}

/// The headers of a tar are followed the same in one piece and byte by byte.
pub fn layer_headers(bytes: &[u8]) {
    let (mut whole, mut pieces) = (Walk::new(), Walk::new());
    let in_whole = whole.bytes(bytes);
    let in_pieces = bytes.iter().try_for_each(|byte| pieces.bytes(std::slice::from_ref(byte)));
    assert_eq!(in_whole, in_pieces);
    if in_whole.is_ok() {
        assert_eq!(whole.file(b"name"), pieces.file(b"name"));
    }
}

/// # Panics
/// When parts do not follow each other from the start to the end.
pub(crate) fn check_parts(layout: &Layout) {
    let mut unpacked = Unpacked::new();
    let (mut at, mut segments) = (0, 0);
    while at < layout.size() {
        let end = match layout.part(at) {
            Part::Segment { at: segment, end } => {
                assert_eq!(segment, segments);
                segments += end - at;
                let mut last = [0];
                layout.read_segment(&mut unpacked, segments - 1, &mut last);
                end
            }
            Part::File { number, range } => {
                assert_eq!(range.start, at);
                let length = range.end - range.start;
                let within = layout.in_file(number, 0..length);
                assert_eq!(within.iter().map(|part| part.end - part.start).sum::<u64>(), length);
                assert!(within.last().is_some_and(|last| last.end <= layout.file_size(number)));
                assert!(within.windows(2).all(|pair| pair[0].end <= pair[1].start));
                layout.name(&mut unpacked, number);
                range.end
            }
        };
        assert!(end > at && end <= layout.size());
        assert_eq!(layout.part(end - 1), last_of(layout, at, end));
        at = end;
    }
}

/// What stands at the last byte of the part from `at` to `end`.
fn last_of(layout: &Layout, at: u64, end: u64) -> Part {
    match layout.part(at) {
        Part::Segment { at: segment, end: part_end } => {
            Part::Segment { at: segment + end - 1 - at, end: part_end }
        }
        file @ Part::File { .. } => file,
    }
}

/// # Panics
/// When windows do not follow each other.
pub(crate) fn check_windows(layout: &Layout) {
    let mut at = 0;
    for _ in 0..WINDOWS_CHECKED {
        if at >= layout.size() {
            return;
        }
        let window = layout.window(at);
        assert_eq!(window.start, at);
        assert!(window.end > at && window.end - at <= WINDOW_BYTES_MAX && window.end <= layout.size());
        for within in [at, at + (window.end - at) / 2, window.end - 1] {
            assert_eq!(layout.window(within), window);
        }
        at = window.end;
    }
}
