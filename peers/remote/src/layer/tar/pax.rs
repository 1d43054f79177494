//! Extended headers (POSIX pax): `LENGTH KEY=VALUE\n`, again and again.

use super::Lost;
use super::sparse::{EXTENTS_MAX, Extent};

/// What extended headers say of the file whose header follows, as far as it matters for the bytes of its content.
#[derive(Default)]
pub(super) struct Records {
    size: Option<String>,
    major: Option<String>,
    minor: Option<String>,
    map: Option<String>,
    blocks: Option<String>,
    whole_size: Option<String>,
    real_size: Option<String>,
    /// Offsets and lengths by turns, as version 0.0 of the sparse format repeats them.
    pairs: Vec<String>,
}

impl Records {
    /// Reads the body of an extended header.
    pub(super) fn read(mut body: &[u8]) -> Result<Self, Lost> {
        let mut records = Self::default();
        while !body.is_empty() {
            let (key, value, rest) = record(body).ok_or(Lost("an extended header that cannot be read"))?;
            records.take(key, value)?;
            body = rest;
        }
        Ok(records)
    }

    fn take(&mut self, key: &[u8], value: &[u8]) -> Result<(), Lost> {
        let place = match key {
            b"size" => &mut self.size,
            b"GNU.sparse.major" => &mut self.major,
            b"GNU.sparse.minor" => &mut self.minor,
            b"GNU.sparse.map" => &mut self.map,
            b"GNU.sparse.numblocks" => &mut self.blocks,
            b"GNU.sparse.size" => &mut self.whole_size,
            b"GNU.sparse.realsize" => &mut self.real_size,
            b"GNU.sparse.offset" | b"GNU.sparse.numbytes" => {
                let offset_next = self.pairs.len().is_multiple_of(2);
                if offset_next != (key == b"GNU.sparse.offset") || self.pairs.len() >= 2 * EXTENTS_MAX {
                    return Err(Lost("a sparse header that cannot be read"));
                }
                self.pairs.push(text(value)?);
                return Ok(());
            }
            _ => return Ok(()),
        };
        *place = Some(text(value)?);
        Ok(())
    }

    /// Bytes that the content takes in the tar, if they are said here.
    pub(super) fn size(&self) -> Result<Option<u64>, Lost> {
        given(self.size.as_deref()).map(decimal).transpose()
    }

    /// The whole size and the parts of a sparse file; `None` for any other file. `size` is what the header says.
    pub(super) fn sparse_map(&self, size: u64) -> Result<Option<(u64, Vec<Extent>)>, Lost> {
        let joined = (!self.pairs.is_empty()).then(|| self.pairs.join(","));
        let map = given(joined.as_deref()).or(given(self.map.as_deref()));
        match (given(self.major.as_deref()), given(self.minor.as_deref())) {
            (Some("0"), Some("0" | "1")) => {}
            // That map lies in front of the content, where tar-split drops it.
            (Some("1"), Some("0")) => {
                return Err(Lost("a sparse file of format 1.0, whose map is not recorded"));
            }
            (None, None) if map.is_some() => {}
            _ => return Ok(None),
        }
        let size = match given(self.whole_size.as_deref()).or(given(self.real_size.as_deref())) {
            Some(size) => decimal(size)?,
            None => self.size()?.unwrap_or(size),
        };
        let count = decimal(self.blocks.as_deref().unwrap_or_default())?;
        let numbers: Vec<u64> = match map {
            None => Vec::new(),
            Some(map) => map.split(',').map(decimal).collect::<Result<_, _>>()?,
        };
        if Some(numbers.len() as u64) != count.checked_mul(2) || numbers.len() > 2 * EXTENTS_MAX {
            return Err(Lost("a sparse header that cannot be read"));
        }
        let extents = numbers.chunks_exact(2).map(|pair| Extent { offset: pair[0], length: pair[1] });
        Ok(Some((size, extents.collect())))
    }
}

/// An empty value takes a record back.
fn given(value: Option<&str>) -> Option<&str> {
    value.filter(|value| !value.is_empty())
}

fn text(value: &[u8]) -> Result<String, Lost> {
    String::from_utf8(value.to_vec()).map_err(|_| Lost("an extended header that cannot be read"))
}

fn decimal(text: &str) -> Result<u64, Lost> {
    text.parse().map_err(|_| Lost("an extended header with a number that is none"))
}

/// The key and the value of the first record of an extended header, and what follows it.
pub(crate) fn record(body: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = body.iter().position(|byte| *byte == b' ')?;
    let length: usize = std::str::from_utf8(&body[..space]).ok()?.parse().ok()?;
    let (line, rest) = body.split_at_checked(length)?;
    let pair = line.get(space + 1..)?.strip_suffix(b"\n")?;
    let equals = pair.iter().position(|byte| *byte == b'=')?;
    Some((&pair[..equals], &pair[equals + 1..], rest))
}
