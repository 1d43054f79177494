//! Chain lists against vectors computed elsewhere, and against hashing the whole.

use proptest::prelude::*;

use super::recorder::ChainRecorder;
use super::*;
use crate::conformance::content;
use crate::progress::Progress;

fn hex(state: &[u8]) -> String {
    state.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn list_of(bytes: &[u8]) -> Option<ChainList> {
    let mut progress = Progress::new(None);
    progress.update(bytes, |_| ());
    progress.chain()
}

#[test]
fn pieces_are_a_128th_as_a_power_of_two_within_their_bounds() {
    const KIB: u64 = 1 << 10;
    const MIB: u64 = 1 << 20;
    for (size, expected) in [
        (0, 256 * KIB),
        (1, 256 * KIB),
        (32 * MIB, 256 * KIB),
        (32 * MIB + 127, 256 * KIB),
        (32 * MIB + 128, 512 * KIB),
        (64 * MIB, 512 * KIB),
        (65 * MIB, MIB),
        (512 * MIB, 4 * MIB),
        (1 << 40, 4 * MIB),
        (u64::MAX, 4 * MIB),
    ] {
        assert_eq!(piece_bytes(size), expected, "{size}");
    }
}

/// The numbers come from an implementation of SHA-256 that shares nothing with this one (FIPS 180-4 in Python).
#[test]
fn the_list_of_a_known_blob_is_the_golden_one() {
    let bytes: Vec<u8> = (0..700_000_u32).map(|i| (i % 251) as u8).collect();
    let list = list_of(&bytes).unwrap();
    let states: Vec<_> = list.states().iter().map(|state| hex(state)).collect();
    assert_eq!(
        states,
        [
            "db116eea28b8ef016b255b5d2e5e12846e472abac2db294a71f7f3ec37b2fe5d",
            "f5d4c4aae3b80fda3f45452a081c133d8ecc16675e1c7d2308eca97bc7159c06",
        ]
    );
    assert_eq!(list.id().hex(), "f9d23fd7ab19f02ea5c9f5796758e22d8d71991cc069a2d187c72a2e6e3285d7");
    let digest = Digest::sha256(&bytes);
    assert_eq!(digest.hex(), "f101963580e7deb59f09073f328223c0f1311e93fddc2b4b1c6b6037590dd5a1");
    for (index, piece) in bytes.chunks(256 * 1024).enumerate() {
        let mut hash = list.before(index);
        hash.update(piece);
        assert!(list.holds(index, &hash, &digest), "piece {index}");
        let mut hash = list.before(index);
        hash.update(&piece[1..]);
        hash.update(&piece[..1]);
        assert!(!list.holds(index, &hash, &digest), "piece {index} turned round");
    }
}

#[test]
fn blobs_of_fewer_than_two_pieces_have_no_list() {
    let bytes = content(1, 2 * 256 * 1024 + 1);
    for (size, pieces) in
        [(0, 0), (1, 0), (262_143, 0), (262_144, 0), (262_145, 2), (524_288, 2), (524_289, 3)]
    {
        assert_eq!(list_of(&bytes[..size]).map_or(0, |list| list.pieces()), pieces, "{size}");
    }
}

/// Names each border by its number instead of its state, so that terabytes need no hashing.
#[test]
fn a_list_is_thinned_to_its_pieces_whatever_the_size() {
    let state = |border: u64| {
        let mut state = [0; STATE_BYTES];
        state[..8].copy_from_slice(&border.to_le_bytes());
        state
    };
    for size in [33 << 20, (64 << 20) - 1, 64 << 20, (100 << 20) + 7, 1 << 30, (5 << 30) + 12_345, 40 << 30] {
        let mut recorder = ChainRecorder::new();
        for border in 1..=size / PIECE_BYTES_MIN {
            recorder.push(state(border));
        }
        let list = recorder.list(size).unwrap();
        let step = piece_bytes(size) / PIECE_BYTES_MIN;
        assert_eq!(list.pieces() as u64, size.div_ceil(piece_bytes(size)));
        let expected = (1..list.pieces() as u64).map(|index| state(index * step));
        assert!(list.states().iter().copied().eq(expected), "{size}");
    }
}

#[test]
fn a_list_with_a_wrong_number_of_states_is_none() {
    let list = list_of(&content(2, 700_000)).unwrap();
    for (size, states) in [(700_000, 1), (700_000, 0), (262_144, 2), (0, 0), (800_000, 2), (u64::MAX, 2)] {
        assert!(ChainList::new(size, list.states()[..states].to_vec()).is_none(), "{size} with {states}");
    }
    assert!(ChainList::new(700_000, list.states().to_vec()).is_some());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn whatever_the_borders_of_the_chunks_hash_and_list_are_those_of_the_whole(
        seed: u64,
        size in 0_usize..1_500_000,
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let bytes = content(seed, size);
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(size + 1)).chain([0, size]).collect();
        cuts.sort_unstable();
        let mut progress = Progress::new(None);
        for cut in cuts.windows(2) {
            // As after a restart: the state saved and read again.
            let saved = Sha256State::from_bytes(&progress.sha256().to_bytes()).unwrap();
            prop_assert_eq!(&saved, progress.sha256());
            progress.update(&bytes[cut[0]..cut[1]], |_| ());
        }
        prop_assert_eq!(progress.sha256().finish(), Digest::sha256(&bytes));
        prop_assert_eq!(progress.chain(), list_of(&bytes));
        if let Some(list) = progress.chain() {
            let digest = Digest::sha256(&bytes);
            for (index, piece) in bytes.chunks(256 * 1024).enumerate() {
                let mut hash = list.before(index);
                hash.update(piece);
                prop_assert!(list.holds(index, &hash, &digest));
            }
        }
    }
}
