//! Tests of digests and hashing: published vectors, strict syntax, states that survive being cut anywhere.

use proptest::prelude::*;

use super::*;

#[test]
fn digests_of_known_content() {
    // FIPS 180-4 examples; BLAKE3 of the empty input from its reference test vectors.
    for (algorithm, bytes, hex) in [
        (Algorithm::Sha256, "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        (Algorithm::Sha256, "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            Algorithm::Sha256,
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
        ),
        (
            Algorithm::Sha512,
            "abc",
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
             2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
        ),
        (Algorithm::Blake3, "", "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"),
    ] {
        let digest = Digest::of(algorithm, bytes.as_bytes());
        assert_eq!(digest.to_string(), format!("{algorithm}:{hex}"));
        assert_eq!((digest.algorithm(), digest.hex()), (algorithm, hex));
    }
}

#[test]
fn only_strict_digests_are_read() {
    let hex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let syntax = || Err(DigestError::InvalidSyntax);
    let unsupported = |name: &str| Err(DigestError::UnsupportedAlgorithm(name.to_owned()));
    for (text, expected) in [
        (format!("sha256:{hex}"), Ok(Algorithm::Sha256)),
        (format!("blake3:{hex}"), Ok(Algorithm::Blake3)),
        (format!("sha512:{hex}{hex}"), Ok(Algorithm::Sha512)),
        (format!("sha512:{hex}"), syntax()),
        (format!("sha256:{}", hex.to_uppercase()), syntax()),
        (format!("sha256:{}", &hex[1..]), syntax()),
        (format!("sha256:{hex}0"), syntax()),
        (format!("sha256:g{}", &hex[1..]), syntax()),
        (format!("sha256:é{}", &hex[2..]), syntax()),
        (format!(" sha256:{hex}"), syntax()),
        (format!("sha256:{hex}\n"), syntax()),
        (format!("sha256:{hex}:{hex}"), syntax()),
        (format!("SHA256:{hex}"), syntax()),
        (format!(":{hex}"), syntax()),
        (hex.to_owned(), syntax()),
        (String::new(), syntax()),
        ("sha256:".to_owned(), syntax()),
        ("sha256:baddigeststring".to_owned(), syntax()),
        (format!("sha384:{hex}"), unsupported("sha384")),
        (format!("sha256+b64u:{hex}"), unsupported("sha256+b64u")),
        (format!("md5:{hex}"), unsupported("md5")),
        (format!("sha256+:{hex}"), syntax()),
        (format!("{}:{hex}", "a".repeat(33)), syntax()),
    ] {
        assert_eq!(Digest::parse(&text).map(|digest| digest.algorithm()), expected, "{text:?}");
    }
}

#[test]
fn a_mid_state_exists_only_at_block_borders_and_goes_on_from_there() {
    let bytes: Vec<u8> = (0..1000_u32).map(|number| number as u8).collect();
    for border in (0..bytes.len()).step_by(64) {
        let mut state = Sha256State::new();
        state.update(&bytes[..border]);
        let chaining = state.chaining_value().unwrap();
        let mut resumed = Sha256State::resume(chaining, border as u64);
        assert_eq!(resumed, state);
        resumed.update(&bytes[border..]);
        assert_eq!(resumed.finish(), Digest::sha256(&bytes));
        state.update(&bytes[border..border + 1]);
        assert_eq!(state.chaining_value(), None);
    }
}

#[test]
#[should_panic(expected = "block border")]
fn a_mid_state_off_the_border_is_refused() {
    let _ = Sha256State::resume([0; 32], 63);
}

#[test]
fn saved_states_of_another_layout_are_refused() {
    let mut state = Sha256State::new();
    state.update(b"hello");
    let saved = state.to_bytes();
    assert_eq!(saved.len(), 46);
    assert_eq!(Sha256State::from_bytes(&saved), Some(state));
    for wrong in [
        Vec::new(),
        saved[..saved.len() - 1].to_vec(),
        [saved.as_slice(), &[0]].concat(),
        [&[0], &saved[1..]].concat(),
        [&[2], &saved[1..]].concat(),
        saved[..41].to_vec(),
    ] {
        assert_eq!(Sha256State::from_bytes(&wrong), None, "{wrong:?}");
    }
}

/// The layout of saved states is a promise to uploads that wait across an upgrade.
#[test]
fn the_saved_layout_stays() {
    let mut state = Sha256State::new();
    state.update(b"abc");
    let mut golden = vec![1];
    for word in [
        0x6a09_e667_u32,
        0xbb67_ae85,
        0x3c6e_f372,
        0xa54f_f53a,
        0x510e_527f,
        0x9b05_688c,
        0x1f83_d9ab,
        0x5be0_cd19,
    ] {
        golden.extend_from_slice(&word.to_be_bytes());
    }
    golden.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0, 3, b'a', b'b', b'c']);
    assert_eq!(state.to_bytes(), golden);
}

proptest! {
    #[test]
    fn any_cut_gives_the_digest_of_the_whole(
        bytes in proptest::collection::vec(any::<u8>(), 0..600),
        cuts in proptest::collection::vec(0..600_usize, 0..6),
    ) {
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
        cuts.sort_unstable();
        let mut state = Sha256State::new();
        let mut others = Algorithm::ALL.map(Hasher::new);
        let mut from = 0;
        for cut in cuts.into_iter().chain([bytes.len()]) {
            state.update(&bytes[from..cut]);
            state = Sha256State::from_bytes(&state.to_bytes()).unwrap();
            others.iter_mut().for_each(|hasher| hasher.update(&bytes[from..cut]));
            from = cut;
        }
        prop_assert_eq!(state.length(), bytes.len() as u64);
        prop_assert_eq!(state.finish(), Digest::sha256(&bytes));
        for hasher in others {
            let algorithm = hasher.algorithm();
            prop_assert_eq!(hasher.finish(), Digest::of(algorithm, &bytes));
        }
        // An independent implementation says the same.
        use sha2::Digest as _;
        let expected = Digest::from_output(Algorithm::Sha256, &sha2::Sha256::digest(&bytes));
        prop_assert_eq!(Digest::sha256(&bytes), expected);
    }

    #[test]
    fn digests_survive_text_and_json(bytes in any::<[u8; 8]>(), index in 0..3_usize) {
        let digest = Digest::of(Algorithm::ALL[index], &bytes);
        prop_assert_eq!(&digest.to_string().parse::<Digest>().unwrap(), &digest);
        let json = serde_json::to_string(&digest).unwrap();
        prop_assert_eq!(&json, &format!("\"{digest}\""));
        prop_assert_eq!(serde_json::from_str::<Digest>(&json).unwrap(), digest);
    }

    #[test]
    fn nothing_makes_the_reader_panic(text in "\\PC{0,80}") {
        crate::fuzz::digest(text.as_bytes());
    }
}

#[test]
fn raw_bytes_make_the_same_digest() {
    for algorithm in Algorithm::ALL {
        let digest = Digest::of(algorithm, b"x");
        let bytes: Vec<u8> = digest.bytes().collect();
        assert_eq!(bytes.len() * 2, algorithm.hex_len());
        assert_eq!(Digest::from_bytes(algorithm, &bytes), Some(digest));
        assert_eq!(Digest::from_bytes(algorithm, &bytes[1..]), None);
    }
}
