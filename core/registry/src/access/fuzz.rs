//! Entry points for fuzzing: one total function for each reader of foreign bytes, with its invariants inside.
//!
//! `tests/corpus.rs` replays the committed corpus and mutations of it; a fuzzer can be linked to the same list.

use super::htpasswd::Htpasswd;
use super::pattern::{PATTERN_BYTES_MAX, Pattern};
use super::scope::{SCOPES_MAX, Scope};
use super::token::{KEY_BYTES, Signer};

/// A function that takes any bytes and panics only when an invariant of ours is broken.
pub type Target = fn(&[u8]);

/// All targets with the names of their corpus folders.
pub const TARGETS: [(&str, Target); 4] =
    [("htpasswd", htpasswd), ("token", token), ("scope", scope), ("pattern", pattern)];

/// The key of the tokens in the corpus.
const KEY: [u8; KEY_BYTES] = [7; KEY_BYTES];

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}

/// Whoever is read has a hash that can be compared; an error shows no hash.
pub fn htpasswd(bytes: &[u8]) {
    match Htpasswd::parse(bytes) {
        Ok(file) => {
            let (decoy, known) =
                file.hash_or_decoy("nobody of this name, for it is too long to be one".repeat(9).as_str());
            assert!(!known && decoy.parse::<bcrypt::HashParts>().is_ok());
            let lines = text(bytes).lines().filter_map(|line| line.split_once(':'));
            for (user, _) in lines.filter(|(user, _)| file.hash(user).is_some()) {
                let (hash, known) = file.hash_or_decoy(user);
                assert!(known && hash.parse::<bcrypt::HashParts>().is_ok());
            }
        }
        Err(error) => assert!(!error.to_string().contains("$2y$"), "{error}"),
    }
}

/// A token that is accepted is one that this key signs, byte for byte up to the order of its claims.
pub fn token(bytes: &[u8]) {
    let signer = Signer::new(&KEY);
    if let Ok(claims) = signer.verify(text(bytes)) {
        let again = signer.sign(&claims).expect("what was read is short enough to be written");
        assert_eq!(signer.verify(&again), Ok(claims));
    }
    // What nobody but the holder of the key can bring about, so that the claims are read at all.
    let _ = signer.verify(&signer.sign_bytes(bytes));
}

/// Scopes that are read are written so that they mean the same.
pub fn scope(bytes: &[u8]) {
    if let Ok(scopes) = Scope::parse_all([text(bytes)]) {
        assert!(scopes.len() <= SCOPES_MAX);
        for scope in scopes {
            assert_eq!(Scope::parse(&scope.to_string()), Ok(Some(scope)));
        }
    }
}

/// The first line is the pattern, the second a name. A pattern that is read is written as it came.
pub fn pattern(bytes: &[u8]) {
    let (first, name) = text(bytes).split_once('\n').unwrap_or((text(bytes), ""));
    if let Ok(pattern) = Pattern::parse(first) {
        assert!(pattern.as_str() == first && first.len() <= PATTERN_BYTES_MAX);
        assert!(!pattern.matches(name) || name.starts_with(pattern.literal_prefix()));
        assert!(first.contains('*') || pattern.matches(first));
    }
}
