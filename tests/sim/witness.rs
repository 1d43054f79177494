//! What the clients know: what was acknowledged, and what was asked for without an answer.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use dockless_oci::{Digest, RepositoryName, Tag};

/// Something a client can find or not find.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Fact {
    Blob(RepositoryName, Digest),
    Manifest(RepositoryName, Digest),
    /// Its value is what it points to; the value of the others is their own digest.
    Tag(RepositoryName, Tag),
}

/// The facts that hold; one that is missing does not.
pub(crate) type State = BTreeMap<Fact, Digest>;

/// What one request changes, all of it or nothing.
pub(crate) type Change = Vec<(Fact, Option<Digest>)>;

/// Everything the clients know.
#[derive(Clone, Default)]
pub(crate) struct Witness {
    settled: State,
    /// Asked for and not acknowledged, in the order in which it was asked.
    doubtful: BTreeMap<u64, Change>,
    next: u64,
    /// Every fact that any request was about.
    mentioned: BTreeSet<Fact>,
    /// The bytes behind each digest.
    pub(crate) contents: BTreeMap<Digest, Bytes>,
    /// The subject of each manifest that has one.
    pub(crate) subjects: BTreeMap<Digest, Digest>,
    /// Blobs whose file the medium damaged: unknown until they are pushed again.
    pub(crate) damaged: BTreeSet<Digest>,
    /// What is being uploaded to each repository.
    pub(crate) uploading: BTreeMap<RepositoryName, Bytes>,
}

impl Witness {
    /// A request that would change this goes out.
    pub(crate) fn ask(&mut self, change: Change) -> u64 {
        self.mentioned.extend(change.iter().map(|(fact, _)| fact.clone()));
        self.next += 1;
        self.doubtful.insert(self.next, change);
        self.next
    }

    /// It was acknowledged.
    pub(crate) fn acknowledge(&mut self, asked: u64) {
        let change = self.doubtful.remove(&asked).expect("it was asked");
        for (fact, value) in &change {
            if let (Fact::Blob(..), Some(digest)) = (fact, value) {
                self.damaged.remove(digest);
            }
        }
        apply(&mut self.settled, &change);
    }

    /// It was refused in a way that says that nothing was changed.
    pub(crate) fn refuse(&mut self, asked: u64) {
        self.doubtful.remove(&asked);
    }

    pub(crate) fn mentioned(&self) -> impl Iterator<Item = &Fact> {
        self.mentioned.iter()
    }

    pub(crate) fn settled(&self) -> &State {
        &self.settled
    }

    /// Takes what was found for the truth, if it is what was acknowledged with some of what was in doubt.
    pub(crate) fn settle(&mut self, found: &State) -> Result<(), String> {
        let doubtful: Vec<&Change> = self.doubtful.values().collect();
        assert!(doubtful.len() < 8, "few requests are open at once");
        for choice in 0..1_u32 << doubtful.len() {
            let mut state = self.settled.clone();
            for (bit, change) in doubtful.iter().enumerate() {
                if choice & 1 << bit != 0 {
                    apply(&mut state, change);
                }
            }
            if state == *found {
                self.settled = state;
                self.doubtful.clear();
                return Ok(());
            }
        }
        let missing: Vec<_> = self.settled.iter().filter(|fact| found.get(fact.0) != Some(fact.1)).collect();
        let extra: Vec<_> = found.iter().filter(|fact| self.settled.get(fact.0) != Some(fact.1)).collect();
        Err(format!(
            "acknowledged and missing: {missing:?}\nfound besides: {extra:?}\nin doubt: {doubtful:?}"
        ))
    }
}

fn apply(state: &mut State, change: &Change) {
    for (fact, value) in change {
        match value {
            Some(value) => state.insert(fact.clone(), value.clone()),
            None => state.remove(fact),
        };
    }
}
