//! Archives that are the same bytes on every machine: no time, no owner, entries in the order given.

/// Tar's unit, in bytes.
const RECORD: usize = 512;
/// Longest path that the first field of a header holds with its closing zero (POSIX ustar), in bytes.
const PATH_BYTES_MAX: usize = 99;
/// Largest file whose size the field of eleven octal digits holds, in bytes.
const FILE_BYTES_MAX: u64 = (1 << 33) - 1;

/// An archive being written.
#[derive(Default)]
pub(crate) struct Archive {
    bytes: Vec<u8>,
}

impl Archive {
    /// Adds a folder; its path ends in a slash.
    pub(crate) fn folder(&mut self, path: &str, mode: u32) -> Result<(), String> {
        self.header(path, b'5', mode, 0)
    }

    /// Adds a file.
    pub(crate) fn file(&mut self, path: &str, mode: u32, content: &[u8]) -> Result<(), String> {
        self.header(path, b'0', mode, content.len() as u64)?;
        self.bytes.extend_from_slice(content);
        self.bytes.resize(self.bytes.len().next_multiple_of(RECORD), 0);
        Ok(())
    }

    /// Ends the archive and gives its bytes.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.bytes.resize(self.bytes.len() + 2 * RECORD, 0);
        self.bytes
    }

    fn header(&mut self, path: &str, kind: u8, mode: u32, size: u64) -> Result<(), String> {
        if path.len() > PATH_BYTES_MAX || size > FILE_BYTES_MAX {
            return Err(format!(
                "{path}: {size} bytes; a plain tar header holds neither more nor longer names"
            ));
        }
        let mut header = [0; RECORD];
        let mut put = |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
        put(0, path);
        put(100, &format!("{mode:07o}"));
        put(108, "0000000"); // user
        put(116, "0000000"); // group
        put(124, &format!("{size:011o}"));
        put(136, "00000000000"); // time
        put(148, "        "); // the sum is taken over blanks in its own place
        put(257, "ustar\u{0}00");
        header[156] = kind;
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\u{0} ").as_bytes());
        self.bytes.extend_from_slice(&header);
        Ok(())
    }
}
