//! What was used last, as far as it fits.

/// A small store that forgets what was not used for the longest time. It is searched from end to end: at most some
/// hundred entries.
pub(crate) struct Kept<K, V> {
    /// The one used last is the last one.
    entries: Vec<Entry<K, V>>,
    cost: u64,
    cost_max: u64,
    count_max: usize,
}

struct Entry<K, V> {
    key: K,
    value: V,
    cost: u64,
}

impl<K: PartialEq, V: Clone> Kept<K, V> {
    /// Holds at most `count_max` entries, and as many as cost `cost_max` together, but always the last one.
    pub(crate) fn new(count_max: usize, cost_max: u64) -> Self {
        Self { entries: Vec::new(), cost: 0, cost_max, count_max }
    }

    /// What is held under a key; from now on it is the one used last.
    pub(crate) fn get(&mut self, key: &K) -> Option<V> {
        let at = self.entries.iter().position(|entry| entry.key == *key)?;
        let entry = self.entries.remove(at);
        let value = entry.value.clone();
        self.entries.push(entry);
        Some(value)
    }

    /// Holds a value, in place of an older one of the key.
    pub(crate) fn put(&mut self, key: K, value: V, cost: u64) {
        self.forget(|held| *held == key);
        self.cost += cost;
        self.entries.push(Entry { key, value, cost });
        while self.entries.len() > 1 && (self.cost > self.cost_max || self.entries.len() > self.count_max) {
            self.cost -= self.entries.remove(0).cost;
        }
    }

    /// Whether an entry is meant.
    pub(crate) fn any(&self, meant: impl Fn(&K, &V) -> bool) -> bool {
        self.entries.iter().any(|entry| meant(&entry.key, &entry.value))
    }

    /// Holds no entry any more whose key is meant.
    pub(crate) fn forget(&mut self, mut meant: impl FnMut(&K) -> bool) {
        self.entries.retain(|entry| {
            let gone = meant(&entry.key);
            if gone {
                self.cost -= entry.cost;
            }
            !gone
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_used_goes_first_and_the_last_one_stays() {
        let mut kept = Kept::new(3, 10);
        for key in 0..3 {
            kept.put(key, key, 1);
        }
        assert_eq!(kept.get(&0), Some(0));
        kept.put(3, 3, 1);
        assert_eq!([0, 1, 2, 3].map(|key| kept.get(&key)), [Some(0), None, Some(2), Some(3)]);
        kept.put(4, 4, 9);
        assert_eq!([0, 2, 3, 4].map(|key| kept.get(&key)), [None, None, Some(3), Some(4)]);
        kept.put(5, 5, 99);
        assert_eq!([3, 4, 5].map(|key| kept.get(&key)), [None, None, Some(5)]);
        kept.put(5, 6, 1);
        kept.put(7, 7, 9);
        assert_eq!([5, 7].map(|key| kept.get(&key)), [Some(6), Some(7)]);
        kept.forget(|key| *key == 7);
        kept.put(8, 8, 9);
        assert_eq!([5, 7, 8].map(|key| kept.get(&key)), [Some(6), None, Some(8)]);
    }
}
