//! Archives as engines write them, and such as nobody should.

use bytes::Bytes;
use proptest::prelude::*;

use super::{
    Archive, ArchiveError, BLOCK_BYTES, CHECKSUM, EXTENSION_BYTES_MAX, Event, HEADERS_MAX, SIZE, TYPE,
};

/// A header with a size as text (or raw) and a type.
fn header(size: &[u8], kind: u8) -> Vec<u8> {
    let mut header = vec![0; BLOCK_BYTES];
    header[..4].copy_from_slice(b"name");
    header[SIZE][..size.len()].copy_from_slice(size);
    header[TYPE] = kind;
    header[CHECKSUM].fill(b' ');
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[CHECKSUM].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header
}

/// A header and what follows it, filled up to whole blocks.
fn entry(kind: u8, bytes: &[u8]) -> Vec<u8> {
    let mut entry = header(format!("{:011o}\0", bytes.len()).as_bytes(), kind);
    entry.extend_from_slice(bytes);
    entry.resize(entry.len().next_multiple_of(BLOCK_BYTES), 0);
    entry
}

fn pax(records: &[u8]) -> Vec<u8> {
    entry(b'x', records)
}

fn end() -> Vec<u8> {
    vec![0; 2 * BLOCK_BYTES]
}

/// The files of an archive that comes in pieces of `piece` bytes.
fn read(archive: &[u8], piece: usize) -> Result<Vec<Vec<u8>>, ArchiveError> {
    let (mut reader, mut files, mut open) = (Archive::new(), Vec::new(), None);
    for part in archive.chunks(piece) {
        let mut input = Bytes::copy_from_slice(part);
        while let Some(event) = reader.next(&mut input)? {
            match event {
                Event::Begin(size) => assert_eq!(open.replace((size, Vec::new())), None),
                Event::Data(data) => {
                    assert!(!data.is_empty());
                    open.as_mut().expect("a file has begun").1.extend_from_slice(&data);
                }
                Event::End => {
                    let (size, bytes) = open.take().expect("a file has begun");
                    assert_eq!(size, bytes.len() as u64);
                    files.push(bytes);
                }
            }
        }
        assert!(input.is_empty(), "all input is used up");
    }
    reader.finish().map(|()| files)
}

#[test]
fn files_come_out_and_the_rest_is_passed_over() {
    let long = vec![7; 1500];
    let archive = [
        entry(b'5', b""),
        entry(b'L', &[b'n'; 300]),
        entry(b'0', b"config"),
        entry(b'g', b"19 comment=whatever\n"),
        pax(b"10 path=x\n"),
        entry(0, &long),
        header(b"00000000777\0", b'2'),
        header(b"00000000777\0", b'1'),
        entry(b'0', b""),
        end(),
        b"filling".to_vec(),
    ]
    .concat();
    let files = vec![b"config".to_vec(), long, Vec::new()];
    for piece in [1, 7, 511, 512, 513, archive.len()] {
        assert_eq!(read(&archive, piece), Ok(files.clone()), "{piece}");
    }
}

#[test]
fn a_size_may_stand_in_a_pax_header_or_in_base_256() {
    let mut large = pax(b"12 size=513\n");
    large.extend(header(b"00000000000\0", b'0'));
    large.extend([vec![1; 513], vec![0; 511], entry(b'0', b"next"), end()].concat());
    assert_eq!(read(&large, 100), Ok(vec![vec![1; 513], b"next".to_vec()]));

    let mut size = [0; 12];
    (size[0], size[7], size[11]) = (0x80, 1, 2);
    let mut input = Bytes::from(header(&size, b'0'));
    assert_eq!(Archive::new().next(&mut input), Ok(Some(Event::Begin((1 << 32) + 2))));

    // The size ahead is that of the next file alone.
    let linked = [pax(b"10 size=9\n"), header(b"0\0", b'2'), entry(b'0', b"four"), end()].concat();
    assert_eq!(read(&linked, 512), Ok(vec![b"four".to_vec()]));
}

#[test]
fn what_cannot_be_read_is_an_error() {
    let damaged = |at: usize| {
        let mut archive = [entry(b'0', b"x"), end()].concat();
        archive[at] ^= 1;
        archive
    };
    let rows = [
        (damaged(0), ArchiveError::Header),
        (damaged(CHECKSUM.start), ArchiveError::Header),
        (header(b"00000000009\0", b'0'), ArchiveError::Header),
        (header(b"+0000000001\0", b'0'), ArchiveError::Header),
        (header(&[0x80, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], b'0'), ArchiveError::Header),
        (header(&[0xff; 12], b'0'), ArchiveError::Header),
        (header(b"00000000000\0", b'S'), ArchiveError::Sparse),
        (pax(b"21 GNU.sparse.major=1\n"), ArchiveError::Extension),
        (pax(b"22 GNU.sparse.major=1\n"), ArchiveError::Sparse),
        (pax(b"x"), ArchiveError::Extension),
        (pax(b"0 "), ArchiveError::Extension),
        (pax(b"3 a"), ArchiveError::Extension),
        (pax(b"5 a=\n99 b=\n"), ArchiveError::Extension),
        (pax(b"11 size=-1\n"), ArchiveError::Extension),
        (pax(b"29 size=99999999999999999999\n"), ArchiveError::Extension),
        (pax(&vec![b'0'; EXTENSION_BYTES_MAX as usize + 1]), ArchiveError::TooLarge),
        (entry(b'0', b"x"), ArchiveError::Cut),
        (entry(b'0', b"x")[..BLOCK_BYTES + 1].to_vec(), ArchiveError::Cut),
        (vec![0; BLOCK_BYTES - 1], ArchiveError::Cut),
        (Vec::new(), ArchiveError::Cut),
    ];
    for (row, (archive, expected)) in rows.into_iter().enumerate() {
        assert_eq!(read(&archive, 512), Err(expected), "row {row}");
    }
}

#[test]
fn the_number_of_headers_is_bounded() {
    let mut reader = Archive::new();
    let one = Bytes::from(entry(b'5', b""));
    for _ in 0..HEADERS_MAX {
        assert_eq!(reader.next(&mut one.clone()), Ok(None));
    }
    assert_eq!(reader.next(&mut one.clone()), Err(ArchiveError::TooLarge));
}

proptest! {
    #[test]
    fn pieces_do_not_matter(
        entries in prop::collection::vec((prop::sample::select(&b"0057xLg"[..]), prop::collection::vec(any::<u8>(), 0..1200)), 0..6),
        piece in 1_usize..2000,
    ) {
        let files: Vec<_> = entries.iter().filter(|(kind, _)| b"07".contains(kind)).map(|(_, bytes)| bytes.clone()).collect();
        let mut archive: Vec<u8> = entries
            .iter()
            .flat_map(|(kind, bytes)| match kind {
                b'x' => pax(b"10 path=x\n"),
                b'5' => entry(b'5', b""),
                kind => entry(*kind, bytes),
            })
            .collect();
        archive.extend(end());
        prop_assert_eq!(read(&archive, piece), Ok(files));
    }
}
