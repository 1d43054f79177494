//! A file of a [`Disk`](dockless_runtime::Disk) as a stream, written once from its beginning or read once.

use std::io::{self, Read, Write};
use std::sync::Arc;

use dockless_runtime::disk::{DiskFile, write_all_at};

/// Bytes gathered before a write: few calls for a large file.
const BUFFER_BYTES: usize = 1 << 20;

pub(super) struct DiskWriter {
    file: Arc<dyn DiskFile>,
    offset: u64,
    buffer: Vec<u8>,
}

impl DiskWriter {
    pub(super) fn new(file: Arc<dyn DiskFile>) -> Self {
        Self { file, offset: 0, buffer: Vec::new() }
    }

    /// Writes what is still gathered.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.flush()
    }
}

impl Write for DiskWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.buffer.len() + bytes.len() > BUFFER_BYTES {
            self.flush()?;
        }
        self.buffer.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        write_all_at(&*self.file, &self.buffer, self.offset)?;
        self.offset += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
}

pub(super) struct DiskReader {
    file: Arc<dyn DiskFile>,
    offset: u64,
}

impl DiskReader {
    pub(super) fn new(file: Arc<dyn DiskFile>) -> Self {
        Self { file, offset: 0 }
    }
}

impl Read for DiskReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.offset)?;
        self.offset += read as u64;
        Ok(read)
    }
}
