//! Byte ranges: `Range` of a GET (RFC 9110, section 14) and `Content-Range` of an upload (distribution-spec).

#[cfg(test)]
mod tests;

/// The most ranges that one request may ask for: a partial pull of a zstd:chunked layer merges its chunks to
/// at most 1024. A request with more is answered as a whole.
pub const RANGES_MAX: usize = 1024;

/// Bytes `first..=last` of some content.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Range {
    /// The first byte, from 0.
    pub first: u64,
    /// The last byte, at least `first`.
    pub last: u64,
}

impl Range {
    /// The number of bytes, at least one; saturates for the range over all of `u64`.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a range is never empty")]
    pub fn len(&self) -> u64 {
        (self.last - self.first).saturating_add(1)
    }
}

/// Why a `Range` header selects nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RangeError {
    /// To be answered as if there were no `Range`: another unit, bad syntax, too many ranges, more bytes than
    /// the content has, or empty content (which some clients ask for with `bytes=0-`).
    #[error("the range is to be ignored")]
    Ignored,
    /// To be answered with 416: every range lies behind the end, has no bytes, or ends before it begins.
    #[error("no range lies inside the content")]
    Unsatisfiable,
}

/// Reads a `Range` header for content of `size` bytes. The answer has at least one range, each inside the
/// content, in the order asked.
///
/// # Errors
/// `RangeError` says whether to ignore the header or to answer 416.
pub fn parse_range(header: &str, size: u64) -> Result<Vec<Range>, RangeError> {
    let (unit, set) = header.split_once('=').ok_or(RangeError::Ignored)?;
    if !unit.trim().eq_ignore_ascii_case("bytes") || size == 0 {
        return Err(RangeError::Ignored);
    }
    let mut ranges = Vec::new();
    let mut asked = 0_usize;
    for part in set.split(',').map(|part| part.trim_matches([' ', '\t'])).filter(|part| !part.is_empty()) {
        asked += 1;
        if asked > RANGES_MAX {
            return Err(RangeError::Ignored);
        }
        ranges.extend(parse_one(part, size)?);
    }
    // Overlapping ranges could ask for any multiple of the content in one short request.
    let total = ranges.iter().try_fold(0_u64, |total, range| total.checked_add(range.len()));
    match total {
        _ if asked == 0 => Err(RangeError::Ignored),
        Some(0) => Err(RangeError::Unsatisfiable),
        Some(total) if total <= size => Ok(ranges),
        _ => Err(RangeError::Ignored),
    }
}

/// One of `a-b`, `a-`, `-n`; `None` when it selects nothing of the content.
fn parse_one(part: &str, size: u64) -> Result<Option<Range>, RangeError> {
    let (first, last) = part.split_once('-').ok_or(RangeError::Ignored)?;
    if first.is_empty() {
        let suffix = parse_saturating(last).ok_or(RangeError::Ignored)?.min(size);
        return Ok((suffix > 0).then(|| Range { first: size - suffix, last: size - 1 }));
    }
    let first = parse_saturating(first).ok_or(RangeError::Ignored)?;
    let last = if last.is_empty() { u64::MAX } else { parse_saturating(last).ok_or(RangeError::Ignored)? };
    let last = last.min(size - 1);
    Ok((first <= last).then_some(Range { first, last }))
}

/// Decimal digits only; a number beyond `u64` stands behind any end.
fn parse_saturating(digits: &str) -> Option<u64> {
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(digits.parse().unwrap_or(u64::MAX))
}

/// Reads the `Content-Range` of an uploaded chunk: `a-b` as the distribution-spec has it, or RFC 9110's
/// `bytes a-b/size`. `None` when it is neither, when it ends before it begins, or when it is beyond `u64`.
#[must_use]
pub fn parse_content_range(header: &str) -> Option<Range> {
    let header = header.trim_matches([' ', '\t']);
    let range = match header.split_once(' ') {
        None => header,
        Some((unit, rest)) => {
            let (range, size) = rest.split_once('/')?;
            let is_size = size == "*" || parse_saturating(size).is_some();
            (unit.eq_ignore_ascii_case("bytes") && is_size).then_some(range)?
        }
    };
    let (first, last) = range.split_once('-')?;
    let number = |digits: &str| digits.parse::<u64>().ok().filter(|_| !digits.starts_with('+'));
    let (first, last) = (number(first)?, number(last)?);
    // The last byte of all would make the length overflow.
    (first <= last && last < u64::MAX).then_some(Range { first, last })
}
