//! One open simulated file.

use std::io::{self, ErrorKind, IoSlice};
use std::os::fd::BorrowedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::disk::{DiskFile, Stat};
use crate::simulation::disk::fault::{OperationKind, Verdict};
use crate::simulation::disk::{Shared, State};

pub(super) struct SimFile {
    pub(super) shared: Arc<Shared>,
    pub(super) inode: u64,
    /// Names this handle in the table of locks.
    pub(super) handle: u64,
    /// The machine's life in which it was opened.
    pub(super) life: u64,
    /// As it was opened.
    pub(super) path: PathBuf,
    pub(super) writable: bool,
    pub(super) sync_failed: AtomicBool,
}

impl SimFile {
    /// Runs `work` on the disk if the machine is still the one that opened this file.
    fn with<T>(&self, work: impl FnOnce(&mut State) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.shared.lock();
        if state.life != self.life {
            return Err(io::Error::other("the simulated machine lost power since this file was opened"));
        }
        work(&mut state)
    }

    fn change<T>(&self, work: impl FnOnce(&mut State) -> io::Result<T>) -> io::Result<T> {
        if !self.writable {
            // EBADF, as Linux says.
            return Err(io::Error::from_raw_os_error(9));
        }
        self.with(work)
    }
}

impl DiskFile for SimFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.with(|state| {
            if state.unreadable.iter().any(|part| self.path.to_string_lossy().contains(part)) {
                return Err(io::Error::other("the simulated device cannot read this"));
            }
            let bytes = &state.tree.file_mut(self.inode)?.current;
            let start = usize::try_from(offset).map_or(bytes.len(), |offset| offset.min(bytes.len()));
            let count = buffer.len().min(bytes.len() - start);
            buffer[..count].copy_from_slice(&bytes[start..start + count]);
            Ok(count)
        })
    }

    fn read_cached_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<Option<usize>> {
        if self.with(|state| Ok(state.cold))? {
            return Ok(None);
        }
        self.read_at(buffer, offset).map(Some)
    }

    fn send_to(&self, _socket: BorrowedFd<'_>, _offset: u64, _length: usize) -> io::Result<Option<usize>> {
        Ok(None)
    }

    fn write_at(&self, buffers: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
        // One at once, so that a cut or a fault finds a place between them.
        let buffer = buffers.iter().find(|buffer| !buffer.is_empty()).map_or(&[][..], |buffer| buffer);
        let offset = usize::try_from(offset).map_err(|_| ErrorKind::FileTooLarge)?;
        self.change(|state| {
            let verdict = state.faults.begin(OperationKind::Write, &self.path, buffer.len())?;
            let count = match verdict {
                Verdict::Half => buffer.len() / 2,
                _ => buffer.len(),
            };
            if verdict == Verdict::Pretend {
                return Ok(count);
            }
            let end = offset.checked_add(count).ok_or(ErrorKind::FileTooLarge)?;
            state.reserve(self.inode, end)?;
            let changed = state.next_change();
            let file = state.tree.file_mut(self.inode)?;
            file.write(&buffer[..count], offset);
            file.changed = changed;
            Ok(count)
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        if self.sync_failed.load(Ordering::Acquire) {
            return Err(io::Error::other("an earlier sync of this file failed"));
        }
        let synced = self.with(|state| {
            let powered = state.is_powered();
            let verdict = state.faults.begin(OperationKind::SyncData, &self.path, 0);
            let file = state.tree.file_mut(self.inode)?;
            match verdict {
                Ok(Verdict::Pretend) => {}
                Ok(_) => file.sync(),
                Err(error) => {
                    // A sync that the power cut interrupts loses nothing that it would not have lost anyway.
                    if powered {
                        file.fail_sync();
                    }
                    return Err(error);
                }
            }
            Ok(())
        });
        if synced.is_err() {
            self.sync_failed.store(true, Ordering::Release);
        }
        synced
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let length = usize::try_from(length).map_err(|_| ErrorKind::FileTooLarge)?;
        self.change(|state| {
            if state.faults.begin(OperationKind::SetSize, &self.path, 0)? == Verdict::Pretend {
                return Ok(());
            }
            state.reserve(self.inode, length)?;
            let changed = state.next_change();
            let file = state.tree.file_mut(self.inode)?;
            file.resize(length);
            file.changed = changed;
            Ok(())
        })
    }

    fn stat(&self) -> io::Result<Stat> {
        self.with(|state| state.stat(self.inode))
    }

    fn try_lock(&self) -> io::Result<bool> {
        self.with(|state| {
            let holder = *state.locks.entry(self.inode).or_insert(self.handle);
            Ok(holder == self.handle)
        })
    }
}

impl Drop for SimFile {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        if state.life != self.life {
            return;
        }
        if state.locks.get(&self.inode) == Some(&self.handle) {
            state.locks.remove(&self.inode);
        }
        if let Some(count) = state.tree.open.get_mut(&self.inode) {
            *count -= 1;
            if *count == 0 {
                state.tree.open.remove(&self.inode);
            }
        }
    }
}
