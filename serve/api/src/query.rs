//! The query of a request: `application/x-www-form-urlencoded` pairs, read leniently.

use std::fmt::Write as _;

use dockless_oci::ErrorCode;

use crate::error::ApiError;

/// Pairs read from one query or form; more is refused. Twice the tags of one manifest PUT (`tag=` a hundred times).
pub(crate) const PAIRS_MAX: usize = 200;

/// The pairs of a query, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Query {
    pairs: Vec<(String, String)>,
}

/// Why a query cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum QueryError {
    /// More than [`PAIRS_MAX`] pairs.
    TooMany,
    /// A name or value that is not UTF-8 once decoded.
    NotText,
}

impl Query {
    /// Reads `raw` (without the `?`). A `%` that begins no escape stands for itself; `+` is a space.
    pub(crate) fn parse(raw: &str) -> Result<Self, QueryError> {
        let mut pairs = Vec::new();
        for piece in raw.split('&').filter(|piece| !piece.is_empty()) {
            if pairs.len() == PAIRS_MAX {
                return Err(QueryError::TooMany);
            }
            let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
            let decode = |text| percent_decode(text, true).ok_or(QueryError::NotText);
            pairs.push((decode(name)?, decode(value)?));
        }
        Ok(Self { pairs })
    }

    /// The first value of `name`.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The parameter `n`, the length of a page. A huge one is what the list makes of it.
    ///
    /// # Errors
    /// `400` when it is no whole number.
    pub(crate) fn page_size(&self) -> Result<Option<usize>, ApiError> {
        match self.get("n") {
            None => Ok(None),
            Some(text) if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) => {
                Ok(Some(text.parse().unwrap_or(usize::MAX)))
            }
            Some(_) => Err(ApiError::bad(ErrorCode::PaginationNumberInvalid, "n is no whole number")),
        }
    }

    /// Every value of `name`, in order.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> + 'a {
        self.pairs.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// This query with the pairs of `changed` instead of those with the same names: the query of the next page.
    pub(crate) fn with(&self, changed: &[(&str, &str)]) -> String {
        let kept = self.pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let kept = kept.filter(|(name, _)| changed.iter().all(|(other, _)| other != name));
        let mut text = String::new();
        for (name, value) in kept.chain(changed.iter().copied()) {
            if !text.is_empty() {
                text.push('&');
            }
            encode_into(&mut text, name);
            text.push('=');
            encode_into(&mut text, value);
        }
        text
    }
}

/// Decodes `%XX` (and `+`, in a form). `None` when the result is not UTF-8.
pub(crate) fn percent_decode(text: &str, form: bool) -> Option<String> {
    if !text.contains(['%', '+']) {
        return Some(text.to_owned());
    }
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let digit = |offset: usize| bytes.get(at + offset).and_then(|&byte| char::from(byte).to_digit(16));
        match (bytes[at], digit(1), digit(2)) {
            (b'%', Some(high), Some(low)) => {
                decoded.push(u8::try_from(high * 16 + low).expect("two hexadecimal digits make one byte"));
                at += 2;
            }
            (b'+', ..) if form => decoded.push(b' '),
            (byte, ..) => decoded.push(byte),
        }
        at += 1;
    }
    String::from_utf8(decoded).ok()
}

/// Appends `text` so that it survives as one name or value of a query: RFC 3986 unreserved bytes, `/` and `:` stay.
pub(crate) fn encode_into(target: &mut String, text: &str) {
    for &byte in text.as_bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/:".contains(&byte) {
            target.push(char::from(byte));
        } else {
            write!(target, "%{byte:02X}").expect("writing to a String cannot fail");
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn pairs_are_decoded_and_repeated_names_kept_in_order() {
        let query = Query::parse("tag=a&n=10&tag=b%2Fc&x&scope=one+two&&bad=%zz%4").unwrap();
        assert_eq!(query.all("tag").collect::<Vec<_>>(), ["a", "b/c"]);
        assert_eq!(query.get("x"), Some(""));
        assert_eq!(query.get("scope"), Some("one two"));
        assert_eq!(query.get("bad"), Some("%zz%4"));
        assert_eq!(query.get("missing"), None);
    }

    #[test]
    fn the_next_page_keeps_every_other_pair() {
        let query = Query::parse("artifactType=a%2Bb&last=old&n=2&ns=docker.io").unwrap();
        assert_eq!(
            query.with(&[("last", "new&x"), ("n", "2")]),
            "artifactType=a%2Bb&ns=docker.io&last=new%26x&n=2"
        );
    }

    #[test]
    fn too_many_pairs_and_bytes_that_are_no_text_are_refused() {
        assert_eq!(Query::parse(&"a=1&".repeat(PAIRS_MAX + 1)), Err(QueryError::TooMany));
        assert_eq!(Query::parse("a=%ff"), Err(QueryError::NotText));
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(raw in ".{0,200}") {
            let _ = Query::parse(&raw);
        }

        #[test]
        fn what_is_written_is_read_back(value in ".{0,60}") {
            let text = Query::default().with(&[("v", &value)]);
            let query = Query::parse(&text).unwrap();
            prop_assert_eq!(query.get("v"), Some(value.as_str()));
        }
    }
}
