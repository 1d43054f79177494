//! The bytes of one simulated file: what programs see, what is durable, and what lies between.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use crate::simulation::disk::Mood;
use crate::simulation::random::Random;

/// What the kernel writes back at once.
pub(super) const PAGE: usize = 4096;
/// What a device writes at once.
const SECTOR: usize = 512;
/// Unsynced states of one page that a crash may bring back; the oldest go first. More only cost memory.
const VERSIONS_MAX: usize = 4;

type Page = [u8; PAGE];
static ZERO: LazyLock<Arc<Page>> = LazyLock::new(|| Arc::new([0; PAGE]));

#[derive(Clone, Default)]
pub(super) struct FileImage {
    /// What programs see.
    pub(super) current: Vec<u8>,
    /// What a crash leaves at least.
    durable: Vec<u8>,
    /// The unsynced states of each page, oldest first.
    dirty: BTreeMap<usize, Vec<Arc<Page>>>,
    /// The unsynced sizes, oldest first.
    sizes: Vec<usize>,
    /// Count of changes of the whole disk at the last change of this file, and at the last one that is durable.
    pub(super) changed: u64,
    durable_changed: u64,
}

impl FileImage {
    pub(super) fn write(&mut self, buffer: &[u8], offset: usize) {
        if buffer.is_empty() {
            return;
        }
        let end = offset + buffer.len();
        if end > self.current.len() {
            self.resize(end);
        }
        self.current[offset..end].copy_from_slice(buffer);
        for page in offset / PAGE..end.div_ceil(PAGE) {
            self.keep_version(page);
        }
    }

    pub(super) fn resize(&mut self, size: usize) {
        let old = self.current.len();
        self.current.resize(size, 0);
        self.sizes.push(size);
        if size < old {
            self.dirty.retain(|page, _| page * PAGE < size);
        }
        // The border page holds bytes that were cut or zeros that were added; the pages of a gap hide what the
        // durable image may have there.
        for page in old.min(size) / PAGE..size.div_ceil(PAGE) {
            self.keep_version(page);
        }
    }

    fn keep_version(&mut self, page: usize) {
        let versions = self.dirty.entry(page).or_default();
        let end = self.current.len().min((page + 1) * PAGE);
        let bytes = &self.current[page * PAGE..end];
        if versions.last().is_some_and(|last| last[..bytes.len()] == *bytes) {
            return;
        }
        let version = if bytes.iter().all(|byte| *byte == 0) {
            ZERO.clone()
        } else {
            let mut version = [0; PAGE];
            version[..bytes.len()].copy_from_slice(bytes);
            Arc::new(version)
        };
        versions.push(version);
        if versions.len() > VERSIONS_MAX {
            versions.remove(0);
        }
    }

    pub(super) fn sync(&mut self) {
        let size = self.current.len();
        self.durable.resize(size, 0);
        for page in std::mem::take(&mut self.dirty).into_keys() {
            let range = page * PAGE..size.min((page + 1) * PAGE);
            self.durable[range.clone()].copy_from_slice(&self.current[range]);
        }
        self.sizes.clear();
        self.durable_changed = self.changed;
    }

    /// The device refused the pages. The kernel takes them for clean all the same: programs go on seeing them, and
    /// the next sync, which succeeds, does not write them.
    pub(super) fn fail_sync(&mut self) {
        self.dirty.clear();
        self.sizes.clear();
    }

    /// Changes one byte under everyone's feet, as a failing medium does: nothing tells of it.
    pub(super) fn damage(&mut self, offset: usize) {
        for image in [&mut self.current, &mut self.durable] {
            if let Some(byte) = image.get_mut(offset) {
                *byte ^= 0x55;
            }
        }
        self.dirty.remove(&(offset / PAGE));
    }

    pub(super) fn crash(&mut self, mood: Mood, random: &mut Random) {
        let size = match mood {
            Mood::LoseAll => self.durable.len(),
            Mood::KeepAll => self.current.len(),
            Mood::Mixed => match random.below(self.sizes.len() + 2) {
                0 => self.durable.len(),
                1 => self.current.len(),
                other => self.sizes[other - 2],
            },
        };
        let durable_pages = self.durable.len().div_ceil(PAGE);
        let mut image = std::mem::take(&mut self.durable);
        image.resize(image.len().max(size).next_multiple_of(PAGE), 0);
        for (page, versions) in std::mem::take(&mut self.dirty) {
            let range = page * PAGE..(page + 1) * PAGE;
            if range.end <= image.len() {
                settle_page(&mut image[range], &versions, page >= durable_pages, mood, random);
            }
        }
        image.truncate(size);
        image.resize(size, 0);
        if mood == Mood::KeepAll || mood == Mood::Mixed && random.one_in(2) {
            self.durable_changed = self.changed;
        }
        self.changed = self.durable_changed;
        self.current.clone_from(&image);
        self.durable = image;
        self.sizes.clear();
    }
}

/// Decides what a crash makes of one unsynced page; `page` holds its durable state and takes the result. Only a
/// `fresh` page, one that was not there at the last sync, can come back as zeros: file systems allocate late, but
/// they do not wipe what they held.
fn settle_page(page: &mut [u8], versions: &[Arc<Page>], fresh: bool, mood: Mood, random: &mut Random) {
    let Some(last) = versions.last() else { return };
    match mood {
        Mood::LoseAll => {}
        Mood::KeepAll => page.copy_from_slice(&**last),
        Mood::Mixed => match random.below(5) {
            0 => {}
            1 => page.copy_from_slice(&**last),
            2 => page.copy_from_slice(&**random.pick(versions)),
            3 if fresh => page.fill(0),
            _ => {
                for start in (0..PAGE).step_by(SECTOR) {
                    let version = random.below(versions.len() + 1);
                    if let Some(version) = versions.get(version) {
                        page[start..start + SECTOR].copy_from_slice(&version[start..start + SECTOR]);
                    }
                }
            }
        },
    }
}
