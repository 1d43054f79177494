//! Whatever a layer has, parts and windows cover its tar.

use proptest::prelude::*;

use super::*;
use crate::layer::fuzz::{check_parts, check_windows};
use crate::layer::tests::archive::{Archive, header, pack};

/// An entry by its kind and size.
fn entry() -> impl Strategy<Value = (u8, u64)> {
    let around = |size: u64| size.saturating_sub(2)..size + 3;
    let size = prop_oneof![
        4 => 0..3_000_u64,
        1 => around(512),
        1 => around(PIECE_BYTES),
        1 => around(WHOLE_BYTES_MAX),
        1 => 0..3 * WHOLE_BYTES_MAX,
    ];
    (0..4_u8, size)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn parts_and_windows_cover_any_tar(
        entries in prop::collection::vec(entry(), 0..30),
        end in 0..3_u64 * PIECE_BYTES,
    ) {
        let mut archive = Archive::default();
        for (number, (kind, size)) in entries.iter().enumerate() {
            let name = number.to_string();
            let content = vec![7; *size as usize];
            match kind {
                0 => archive.bare(&name, b'5', 0),
                1 if *size > 20 => archive.sparse(&name, &content, &[(0, 1), (3, size / 2), (size - 2, 1)]),
                2 => archive.pax(&[("comment", &vec![b'x'; (*size % 70_000) as usize])]),
                _ => {
                    archive.raw(&header(name.as_bytes(), b'0', *size));
                    archive.entry(name.as_bytes(), *size, &content, &content);
                }
            }
        }
        archive.raw(&vec![0; end as usize]);
        let layout = Layout::read(&pack(archive.json().as_bytes())[..], |_| true).unwrap();
        prop_assert_eq!(layout.size(), archive.tar.len() as u64);
        check_parts(&layout);
        check_windows(&layout);
        // Small files are in one window whole, and large ones at the pieces of the file.
        for number in 0..layout.files.len() {
            let range = layout.range(number);
            let first = layout.window(range.start);
            prop_assert!(first.start == range.start || !layout.is_large(number));
            if !layout.is_large(number) {
                prop_assert!(first.end >= range.end);
            } else if !layout.sparse.contains_key(&number) {
                prop_assert!(first.end >= range.end || (first.end - range.start).is_multiple_of(PIECE_BYTES));
            }
        }
    }
}
