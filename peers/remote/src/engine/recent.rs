//! A bounded memory of what does not change.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

/// Entries in each half. An engine with more than 4,096 images is asked again for those not seen lately; an entry has
/// a few hundred bytes.
const HALF: usize = 2048;

/// Forgets what was not asked for longest, roughly: when the young half is full it becomes the old one, and the old
/// one goes.
#[derive(Debug)]
pub(crate) struct Recent<K, V> {
    halves: Mutex<Halves<K, V>>,
}

#[derive(Debug)]
struct Halves<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
}

impl<K, V> Default for Recent<K, V> {
    fn default() -> Self {
        Self { halves: Mutex::new(Halves { young: HashMap::new(), old: HashMap::new() }) }
    }
}

impl<K: Eq + Hash + Clone, V: Clone> Recent<K, V> {
    pub(crate) fn get(&self, key: &K) -> Option<V> {
        let mut halves = self.lock();
        if let Some(value) = halves.young.get(key) {
            return Some(value.clone());
        }
        let value = halves.old.remove(key)?;
        halves.insert(key.clone(), value.clone());
        Some(value)
    }

    pub(crate) fn insert(&self, key: K, value: V) {
        self.lock().insert(key, value);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Halves<K, V>> {
        // Each change is one step of a map.
        self.halves.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Eq + Hash, V> Halves<K, V> {
    fn insert(&mut self, key: K, value: V) {
        if self.young.len() >= HALF && !self.young.contains_key(&key) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_is_bounded_and_keeps_what_is_asked_for() {
        let recent = Recent::default();
        recent.insert(0, "kept");
        for key in 1..5 * HALF {
            recent.insert(key, "passing");
            assert_eq!(recent.get(&0), Some("kept"), "after {key}");
        }
        assert_eq!(recent.get(&1), None);
        let halves = recent.lock();
        assert!(halves.young.len() <= HALF && halves.old.len() <= HALF);
    }
}
