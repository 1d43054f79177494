//! Patterns over names: `*` stays within one path component, `**` crosses components.

use serde::{Deserialize, Serialize};

/// Longest pattern, in bytes: a repository name has at most 255 (many clients limit it so), and a pattern
/// that is longer than every name can only match by its stars.
pub const PATTERN_BYTES_MAX: usize = 255;

/// A pattern over repository names or tags.
///
/// `*` matches any run of characters but `/`, `**` matches any run of characters, `/` included; both may match
/// nothing. Everything else stands for itself, so `team/**` matches `team/a` and `team/a/b`, but not `team`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pattern {
    text: Box<str>,
    tokens: Box<[Token]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    Byte(u8),
    Component,
    Anything,
}

/// Why a text is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// The text is empty or longer than [`PATTERN_BYTES_MAX`].
    #[error("a pattern has 1 to {PATTERN_BYTES_MAX} characters, this one has {0}")]
    Length(usize),
    /// A character that no repository name or tag contains.
    #[error(
        "the pattern {pattern:?} contains {found:?}: letters, digits, '.', '_', '-', '/' and '*' are possible"
    )]
    Character {
        /// The pattern as given.
        pattern: String,
        /// The offending character.
        found: char,
    },
    /// Three stars in a row.
    #[error("the pattern {0:?} contains '***': write '*' (one path component) or '**' (any number)")]
    Stars(String),
}

impl Pattern {
    /// Reads a pattern; refuses what could never match a name.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if text.is_empty() || text.len() > PATTERN_BYTES_MAX {
            return Err(PatternError::Length(text.len()));
        }
        if let Some(found) = text.chars().find(|c| !c.is_ascii_alphanumeric() && !"._-/*".contains(*c)) {
            return Err(PatternError::Character { pattern: text.to_owned(), found });
        }
        if text.contains("***") {
            return Err(PatternError::Stars(text.to_owned()));
        }
        let mut tokens = Vec::with_capacity(text.len());
        let mut rest = text;
        while let Some(byte) = rest.bytes().next() {
            let (token, length) = match byte {
                b'*' if rest.starts_with("**") => (Token::Anything, 2),
                b'*' => (Token::Component, 1),
                other => (Token::Byte(other), 1),
            };
            tokens.push(token);
            rest = &rest[length..];
        }
        Ok(Self { text: text.into(), tokens: tokens.into() })
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Everything before the first star: each name that matches begins with it.
    pub fn literal_prefix(&self) -> &str {
        self.text.split('*').next().unwrap_or_default()
    }

    /// Whether `name` matches from its first to its last character. Costs at most pattern x name steps.
    pub fn matches(&self, name: &str) -> bool {
        let prefix = self.literal_prefix();
        let Some(rest) = name.strip_prefix(prefix) else { return false };
        match &self.tokens[prefix.len()..] {
            [] => rest.is_empty(),
            [Token::Anything] => true,
            tokens => matches_tokens(tokens, rest.as_bytes()),
        }
    }
}

/// Follows every way to match at once: `reached[i]` says that the first `i` tokens match what was read.
fn matches_tokens(tokens: &[Token], name: &[u8]) -> bool {
    let mut reached = vec![false; tokens.len() + 1];
    reached[0] = true;
    skip_stars(tokens, &mut reached);
    for byte in name {
        let mut next = vec![false; tokens.len() + 1];
        for (position, token) in tokens.iter().enumerate().filter(|(position, _)| reached[*position]) {
            match token {
                Token::Byte(expected) if expected == byte => next[position + 1] = true,
                Token::Component if *byte != b'/' => next[position] = true,
                Token::Anything => next[position] = true,
                Token::Byte(_) | Token::Component => {}
            }
        }
        reached = next;
        skip_stars(tokens, &mut reached);
    }
    reached[tokens.len()]
}

/// A star may match nothing.
fn skip_stars(tokens: &[Token], reached: &mut [bool]) {
    for (position, token) in tokens.iter().enumerate() {
        if reached[position] && !matches!(token, Token::Byte(_)) {
            reached[position + 1] = true;
        }
    }
}

impl TryFrom<String> for Pattern {
    type Error = PatternError;

    fn try_from(text: String) -> Result<Self, PatternError> {
        Self::parse(&text)
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> Self {
        pattern.text.into()
    }
}

impl std::str::FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        Self::parse(text)
    }
}

impl std::fmt::Display for Pattern {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(pattern: &str, matching: &[&str], others: &[&str]) {
        let pattern = Pattern::parse(pattern).unwrap();
        for name in matching {
            assert!(pattern.matches(name), "{pattern} should match {name}");
        }
        for name in others {
            assert!(!pattern.matches(name), "{pattern} should not match {name}");
        }
    }

    #[test]
    fn a_star_stays_in_its_component_and_two_stars_cross() {
        check("team/app", &["team/app"], &["team/app2", "team", "x/team/app", "team/app/x"]);
        check("team/*", &["team/a", "team/a-b"], &["team", "team/a/b", "teams/a"]);
        check("team/**", &["team/a", "team/a/b"], &["team", "teams/a"]);
        check("**", &["a", "a/b/c"], &[]);
        check("*", &["a"], &["a/b"]);
        check("**/app", &["a/app", "a/b/app"], &["app", "a/app2"]);
        check("*/app", &["a/app"], &["a/b/app"]);
        check("v*.*", &["v1.2", "v1.2.3", "v."], &["v1", "1.2"]);
        check("a*b*c", &["abc", "aXbYc", "abbc"], &["ab", "a/bc", "abcd"]);
        check("a**c*e", &["ace", "a/x/ce", "ac/cde"], &["ac/e/x"]);
    }

    #[test]
    fn what_can_never_match_is_refused() {
        for text in ["", "a b", "a***", "ä", "a:b", &"a".repeat(256)] {
            assert!(Pattern::parse(text).is_err(), "{text:?}");
        }
        assert_eq!(Pattern::parse("a***b").unwrap_err(), PatternError::Stars("a***b".into()));
    }

    #[test]
    fn the_literal_prefix_ends_at_the_first_star() {
        let prefix = |text: &str| Pattern::parse(text).unwrap().literal_prefix().to_owned();
        assert_eq!(prefix("team/**"), "team/");
        assert_eq!(prefix("team/app"), "team/app");
        assert_eq!(prefix("**"), "");
    }

    /// The obvious recursion, as the reference for the step-by-step matcher.
    fn reference(pattern: &[u8], name: &[u8]) -> bool {
        if let Some(rest) = pattern.strip_prefix(b"**") {
            return (0..=name.len()).any(|taken| reference(rest, &name[taken..]));
        }
        match pattern.split_first() {
            None => name.is_empty(),
            Some((b'*', rest)) => (0..=name.len())
                .take_while(|taken| !name[..*taken].contains(&b'/'))
                .any(|taken| reference(rest, &name[taken..])),
            Some((byte, rest)) => name.first() == Some(byte) && reference(rest, &name[1..]),
        }
    }

    proptest! {
        #[test]
        fn matching_agrees_with_the_recursive_definition(pattern in "[ab/]{0,3}(\\*{1,2}[ab/]{0,2}){0,3}", name in "[ab/]{0,8}") {
            prop_assume!(!pattern.is_empty() && !pattern.contains("***"));
            let parsed = Pattern::parse(&pattern).unwrap();
            prop_assert_eq!(parsed.matches(&name), reference(pattern.as_bytes(), name.as_bytes()));
        }
    }
}
