//! A bounded memory of small verified content: digest to bytes, and nothing else.
//!
//! It knows no repository and no right: whoever asks has looked up in the ledger that the digest may be served.
//! Bytes under a digest never change, so nothing here is ever stale.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Mutex;

use bytes::Bytes;
use dockless_oci::Digest;

/// Largest content that is kept: larger blobs are read at least as fast from the page cache (measured), and most
/// manifests are far smaller.
pub(crate) const ITEM_BYTES_MAX: usize = 64 << 10;

/// What an item costs beside its bytes: its digest, its place in the map and in the queue.
const ITEM_OVERHEAD: usize = 256;

/// Parts with a lock each, so that cores do not wait for each other.
const SHARDS: usize = 16;

/// Keeps what is asked for again: an item goes when it was not asked for since it came or was last spared.
#[derive(Debug)]
pub(crate) struct Cache {
    shards: Vec<Mutex<Shard>>,
    shard_bytes_max: usize,
}

#[derive(Debug, Default)]
struct Shard {
    items: HashMap<Digest, Item>,
    /// Every key of `items` once, the next to be judged in front.
    queue: VecDeque<Digest>,
    bytes: usize,
}

#[derive(Debug)]
struct Item {
    bytes: Bytes,
    asked: bool,
}

impl Cache {
    /// With room for `bytes_max` bytes, overhead included.
    pub(crate) fn new(bytes_max: usize) -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { shards, shard_bytes_max: bytes_max / SHARDS }
    }

    /// The content of a digest, if it is kept.
    pub(crate) fn get(&self, digest: &Digest) -> Option<Bytes> {
        let mut shard = self.shard(digest);
        let item = shard.items.get_mut(digest)?;
        item.asked = true;
        Some(item.bytes.clone())
    }

    /// Keeps content that the caller has verified against the digest; too large an item is not kept.
    pub(crate) fn insert(&self, digest: &Digest, bytes: &Bytes) {
        let cost = bytes.len() + ITEM_OVERHEAD;
        if bytes.len() > ITEM_BYTES_MAX || cost > self.shard_bytes_max {
            return;
        }
        let mut shard = self.shard(digest);
        if shard.items.contains_key(digest) {
            return;
        }
        shard.make_room(self.shard_bytes_max - cost);
        shard.bytes += cost;
        // A part of a larger buffer would keep the whole of it alive.
        let item = Item { bytes: Bytes::copy_from_slice(bytes), asked: false };
        shard.items.insert(digest.clone(), item);
        shard.queue.push_back(digest.clone());
    }

    /// Bytes held, overhead included.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().unwrap().bytes).sum()
    }

    fn shard(&self, digest: &Digest) -> std::sync::MutexGuard<'_, Shard> {
        let mut hasher = DefaultHasher::new();
        digest.hash(&mut hasher);
        let index = usize::try_from(hasher.finish() % SHARDS as u64).unwrap_or_default();
        // What a panic could leave half done is a count or a queue entry: worth no second panic.
        self.shards[index].lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Shard {
    /// Drops items until at most `bytes` are held. Each item is spared at most once, so this ends.
    fn make_room(&mut self, bytes: usize) {
        while self.bytes > bytes {
            let Some(digest) = self.queue.pop_front() else { return };
            match self.items.get_mut(&digest) {
                Some(item) if item.asked => {
                    item.asked = false;
                    self.queue.push_back(digest);
                }
                _ => {
                    let dropped =
                        self.items.remove(&digest).map_or(0, |item| item.bytes.len() + ITEM_OVERHEAD);
                    self.bytes = self.bytes.saturating_sub(dropped);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(number: usize, size: usize) -> (Digest, Bytes) {
        let mut bytes = vec![0; size];
        bytes[..8].copy_from_slice(&number.to_le_bytes());
        (Digest::sha256(&bytes), bytes.into())
    }

    #[test]
    fn what_is_kept_is_given_back_and_the_bound_holds() {
        let cache = Cache::new(1 << 20);
        for number in 0..1_000 {
            let (digest, bytes) = item(number, 10_000);
            cache.insert(&digest, &bytes);
            cache.insert(&digest, &bytes);
            assert_eq!(cache.get(&digest), Some(bytes));
            assert!(cache.bytes() <= 1 << 20);
        }
        assert!(cache.bytes() > 1 << 19, "most of the room is used");
    }

    #[test]
    fn what_is_asked_for_stays_and_the_rest_goes() {
        let cache = Cache::new(1 << 20);
        let (wanted, bytes) = item(0, 1_000);
        cache.insert(&wanted, &bytes);
        for number in 1..5_000 {
            let (digest, bytes) = item(number, 1_000);
            cache.insert(&digest, &bytes);
            assert!(cache.get(&wanted).is_some(), "after {number}");
        }
        assert_eq!(cache.get(&item(1, 1_000).0), None);
    }

    #[test]
    fn large_items_and_a_cache_of_nothing_keep_nothing() {
        let (large, bytes) = item(1, ITEM_BYTES_MAX + 1);
        let cache = Cache::new(64 << 20);
        cache.insert(&large, &bytes);
        assert_eq!((cache.get(&large), cache.bytes()), (None, 0));
        let none = Cache::new(0);
        let (small, bytes) = item(2, 8);
        none.insert(&small, &bytes);
        assert_eq!((none.get(&small), none.bytes()), (None, 0));
    }
}
