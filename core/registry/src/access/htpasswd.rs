//! The password file: lines `user:hash` with bcrypt hashes, as `htpasswd -B` writes them.

use std::collections::HashMap;

use super::policy::{ANONYMOUS, AUTHENTICATED};

/// Largest password file in bytes: some 12,000 lines of the usual 80 bytes.
pub(super) const FILE_BYTES_MAX: usize = 1 << 20;

/// Longest user name in bytes, as in the tools that write such files.
pub(super) const USER_BYTES_MAX: usize = 255;

/// Highest bcrypt cost accepted: cost 16 takes some four seconds of CPU per login, and each step doubles that.
pub(super) const COST_MAX: u32 = 16;

/// Lowest bcrypt cost there is.
const COST_MIN: u32 = 4;

/// The cost of the comparison that an unknown user pays when the file is empty; `htpasswd -B` writes 5, `bcrypt`
/// tools of today 10 to 12.
const COST_USUAL: u32 = 10;

/// The users of a password file and their hashes.
#[derive(Clone, PartialEq, Eq)]
pub struct Htpasswd {
    hashes: HashMap<Box<str>, Box<str>>,
    decoy: Box<str>,
}

/// Why a file is no password file; every message names the line, none shows a hash.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HtpasswdError {
    /// The file is larger than a mebibyte.
    #[error("the password file has {0} bytes, at most {FILE_BYTES_MAX} are possible")]
    TooLarge(usize),
    /// The file is not UTF-8.
    #[error("line {line} of the password file is not UTF-8 text")]
    NotText {
        /// Counted from 1.
        line: usize,
    },
    /// No colon, an empty name, or a name that cannot be sent.
    #[error("line {line} of the password file: {reason}")]
    Line {
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A hash of another kind than bcrypt.
    #[error(
        "line {line} of the password file: the password of {user:?} is {kind}; only bcrypt is accepted. \
         Write the line anew with: htpasswd -B FILE {user}"
    )]
    HashKind {
        /// Counted from 1.
        line: usize,
        /// Whose line it is.
        user: String,
        /// The kind of hash that was recognised.
        kind: &'static str,
    },
    /// A bcrypt hash that is cut, mistyped or too costly.
    #[error("line {line} of the password file: the bcrypt hash of {user:?} {reason}")]
    Hash {
        /// Counted from 1.
        line: usize,
        /// Whose line it is.
        user: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A user stands in two lines.
    #[error("line {line} of the password file: {user:?} already has a password in line {first}")]
    Twice {
        /// Counted from 1.
        line: usize,
        /// Where the user stood first.
        first: usize,
        /// Who it is.
        user: String,
    },
}

impl Htpasswd {
    /// Reads a whole file. Blank lines and lines that begin with `#` are skipped; blanks at the end of a line
    /// (and so CRLF) do not matter. One bad line refuses the file, so that a typing error cannot lock out one
    /// user unseen.
    pub fn parse(bytes: &[u8]) -> Result<Self, HtpasswdError> {
        if bytes.len() > FILE_BYTES_MAX {
            return Err(HtpasswdError::TooLarge(bytes.len()));
        }
        let mut hashes = HashMap::new();
        let mut lines: HashMap<Box<str>, usize> = HashMap::new();
        let mut cost_highest = None;
        for (line, raw) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
            let text = std::str::from_utf8(raw).map_err(|_| HtpasswdError::NotText { line })?;
            let text = if line == 1 { text.strip_prefix('\u{feff}').unwrap_or(text) } else { text };
            let text = text.trim_end();
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            let (user, hash) = split_line(line, text)?;
            let cost = check_hash(line, user, hash)?;
            cost_highest = cost_highest.max(Some(cost));
            if let Some(first) = lines.insert(user.into(), line) {
                return Err(HtpasswdError::Twice { line, first, user: user.to_owned() });
            }
            hashes.insert(user.into(), hash.into());
        }
        Ok(Self { hashes, decoy: decoy(cost_highest.unwrap_or(COST_USUAL)) })
    }

    /// The hash of a user, or for an unknown one a hash that no password has and that costs as much to compare
    /// as the dearest of the file; the flag says which.
    pub fn hash_or_decoy(&self, user: &str) -> (&str, bool) {
        match self.hashes.get(user) {
            Some(hash) => (hash, true),
            None => (&self.decoy, false),
        }
    }

    /// The hash of a user.
    pub fn hash(&self, user: &str) -> Option<&str> {
        self.hashes.get(user).map(AsRef::as_ref)
    }

    /// How many users the file has.
    pub fn len(&self) -> usize {
        self.hashes.len()
    }

    /// Whether the file has no user.
    pub fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }
}

impl std::fmt::Debug for Htpasswd {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Htpasswd").field("users", &self.hashes.len()).finish_non_exhaustive()
    }
}

fn split_line(line: usize, text: &str) -> Result<(&str, &str), HtpasswdError> {
    let error = |reason| HtpasswdError::Line { line, reason };
    let (user, hash) = text.split_once(':').ok_or_else(|| error("no ':' between user and hash"))?;
    if user.is_empty() || user.len() > USER_BYTES_MAX {
        return Err(error("a user name has 1 to 255 bytes"));
    }
    if user.chars().any(char::is_control) || user.trim() != user {
        return Err(error("a user name has no control character and no blank at its ends"));
    }
    if user == ANONYMOUS || user == AUTHENTICATED {
        return Err(error("the names 'anonymous' and '*' have a meaning in access rules: choose another"));
    }
    Ok((user, hash))
}

/// Checks the shape of a hash and returns its cost.
fn check_hash(line: usize, user: &str, hash: &str) -> Result<u32, HtpasswdError> {
    let known = ["$2a$", "$2b$", "$2y$"].iter().any(|prefix| hash.starts_with(prefix));
    if !known {
        return Err(HtpasswdError::HashKind { line, user: user.to_owned(), kind: hash_kind(hash) });
    }
    let error = |reason: String| HtpasswdError::Hash { line, user: user.to_owned(), reason };
    let parts: bcrypt::HashParts = hash.parse().map_err(|cause| error(format!("is damaged: {cause}")))?;
    let cost = parts.get_cost();
    if !(COST_MIN..=COST_MAX).contains(&cost) {
        return Err(error(format!("has cost {cost}; {COST_MIN} to {COST_MAX} are possible")));
    }
    Ok(cost)
}

/// Names the usual other kinds, for the message.
fn hash_kind(hash: &str) -> &'static str {
    let kinds = [
        ("$apr1$", "an MD5 hash (apr1)"),
        ("$1$", "an MD5 hash (crypt)"),
        ("$5$", "a SHA-256 crypt hash"),
        ("$6$", "a SHA-512 crypt hash"),
        ("$2x$", "a bcrypt hash of the faulty kind 2x"),
        ("$argon2", "an Argon2 hash"),
        ("$y$", "a yescrypt hash"),
        ("{SHA}", "an unsalted SHA-1 hash"),
    ];
    let found = kinds.iter().find(|(prefix, _)| hash.starts_with(prefix));
    match (found, hash) {
        (Some((_, kind)), _) => kind,
        (None, "") => "empty",
        (None, _) => "plain text, DES crypt or of an unknown kind",
    }
}

/// A well-formed hash with this cost. Its digest is no password's: it is all zero bits.
fn decoy(cost: u32) -> Box<str> {
    format!("$2y${cost:02}${}{}", ".".repeat(22), ".".repeat(31)).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// "secret" by three tools' prefixes, cost 4.
    fn hash_of(password: &str, version: bcrypt::Version) -> String {
        bcrypt::hash_with_salt(password, 4, [7; 16]).unwrap().format_for_version(version)
    }

    #[test]
    fn users_comments_and_line_ends() {
        let hash = hash_of("secret", bcrypt::Version::TwoY);
        let text = format!("\u{feff}# users\r\n\r\nalice:{hash}\r\n  \nbob.b@example:{hash}  ");
        let file = Htpasswd::parse(text.as_bytes()).unwrap();
        assert_eq!(file.len(), 2);
        assert_eq!(file.hash("alice"), Some(hash.as_str()));
        assert_eq!(file.hash("bob.b@example"), Some(hash.as_str()));
        assert_eq!(file.hash("carol"), None);
        assert!(Htpasswd::parse(b"").unwrap().is_empty());
    }

    #[test]
    fn every_bcrypt_kind_verifies() {
        for version in [bcrypt::Version::TwoA, bcrypt::Version::TwoB, bcrypt::Version::TwoY] {
            let text = format!("alice:{}", hash_of("secret", version));
            let file = Htpasswd::parse(text.as_bytes()).unwrap();
            let (hash, known) = file.hash_or_decoy("alice");
            assert!(known && bcrypt::verify("secret", hash).unwrap());
            assert!(!bcrypt::verify("Secret", hash).unwrap());
        }
    }

    #[test]
    fn an_unknown_user_costs_a_comparison_that_fails() {
        let file = Htpasswd::parse(format!("a:{}", hash_of("x", bcrypt::Version::TwoY)).as_bytes()).unwrap();
        let (hash, known) = file.hash_or_decoy("nobody");
        assert!(!known);
        assert_eq!(hash.parse::<bcrypt::HashParts>().unwrap().get_cost(), 4);
        assert!(!bcrypt::verify("x", hash).unwrap());
        let (usual, _) = Htpasswd::parse(b"").map(|file| (file.decoy, ())).unwrap();
        assert_eq!(usual.parse::<bcrypt::HashParts>().unwrap().get_cost(), COST_USUAL);
    }

    fn check_refused(text: &str, expected: &str) {
        let message = Htpasswd::parse(text.as_bytes()).unwrap_err().to_string();
        assert!(message.contains(expected), "{text:?} said {message:?}");
    }

    #[test]
    fn a_refusal_names_the_line_the_user_and_the_kind() {
        let good = hash_of("secret", bcrypt::Version::TwoY);
        check_refused("\n# c\nalice:$apr1$x$y", "line 3");
        check_refused("alice:$apr1$x$y", "\"alice\" is an MD5 hash (apr1)");
        check_refused("alice:$apr1$x$y", "htpasswd -B FILE alice");
        check_refused("alice:{SHA}aaaa", "SHA-1");
        check_refused("alice:$6$salt$hash", "SHA-512");
        check_refused("alice:hunter2", "plain text");
        check_refused("alice:", "is empty");
        check_refused("alice", "line 1");
        check_refused(":x", "1 to 255");
        check_refused(&format!("anonymous:{good}"), "have a meaning");
        check_refused(&format!("*:{good}"), "have a meaning");
        check_refused(&format!(" a:{good}"), "no blank");
        check_refused("alice:$2y$10$tooshort", "is damaged");
        check_refused(
            &format!("a:{good}\nb:{good}\na:{good}"),
            "line 3 of the password file: \"a\" already has",
        );
        check_refused(&good.replacen("$04$", "$31$", 1).replacen("$2y", "a:$2y", 1), "has cost 31");
    }

    #[test]
    fn no_message_shows_the_hash() {
        let message = Htpasswd::parse(b"alice:hunter2secret").unwrap_err().to_string();
        assert!(!message.contains("hunter2"));
        let cut = Htpasswd::parse(b"alice:$2y$10$abcdefghijk").unwrap_err().to_string();
        assert!(!cut.contains("abcdefghijk"));
    }

    #[test]
    fn a_file_that_is_too_large_or_no_text_is_refused() {
        assert_eq!(
            Htpasswd::parse(&vec![b'#'; FILE_BYTES_MAX + 1]).unwrap_err(),
            HtpasswdError::TooLarge(FILE_BYTES_MAX + 1)
        );
        assert_eq!(Htpasswd::parse(b"# a\n\xff:x").unwrap_err(), HtpasswdError::NotText { line: 2 });
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Htpasswd::parse(&bytes);
        }

        #[test]
        fn lines_that_look_right_are_answered_without_panic(user in "\\PC{0,8}", hash in "\\$2[aby]\\$[0-9]{2}\\$\\PC{0,60}") {
            let _ = Htpasswd::parse(format!("{user}:{hash}").as_bytes());
        }
    }
}
