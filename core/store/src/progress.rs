//! The hashes of an upload as its bytes come.

use dockless_oci::digest::{Algorithm, Digest, Hasher, Sha256State};

use crate::chain::recorder::ChainRecorder;
use crate::chain::{ChainList, PIECE_BYTES_MIN};

/// Everything that one pass over an upload computes.
#[derive(Clone)]
pub(crate) struct Progress {
    sha256: Sha256State,
    /// `None` when an earlier part of the upload is known by its mid-state alone.
    chain: Option<ChainRecorder>,
    /// The hash the client asked for besides, while it has seen every byte.
    hinted: Option<Hasher>,
}

impl Progress {
    /// Before the first byte.
    pub(crate) fn new(hint: Option<Algorithm>) -> Self {
        let hinted = hint.filter(|algorithm| *algorithm != Algorithm::Sha256).map(Hasher::new);
        Self { sha256: Sha256State::new(), chain: Some(ChainRecorder::new()), hinted }
    }

    /// After the bytes that `sha256` has seen. `chain` must end at the last border before its length.
    pub(crate) fn resume(sha256: Sha256State, chain: Option<ChainRecorder>) -> Self {
        let chain = chain.filter(|chain| chain.borders() == sha256.length() / PIECE_BYTES_MIN);
        Self { sha256, chain, hinted: None }
    }

    /// Bytes seen.
    pub(crate) fn length(&self) -> u64 {
        self.sha256.length()
    }

    pub(crate) fn sha256(&self) -> &Sha256State {
        &self.sha256
    }

    /// Takes the next bytes; `border` sees the mid-state at every multiple of 256 KiB that they reach.
    pub(crate) fn update(&mut self, mut bytes: &[u8], mut border: impl FnMut([u8; 32])) {
        if let Some(hinted) = &mut self.hinted {
            hinted.update(bytes);
        }
        while !bytes.is_empty() {
            let left = PIECE_BYTES_MIN - self.length() % PIECE_BYTES_MIN;
            let taken = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
            self.sha256.update(&bytes[..taken]);
            bytes = &bytes[taken..];
            if self.length().is_multiple_of(PIECE_BYTES_MIN) {
                let state =
                    self.sha256.chaining_value().expect("256 KiB is a multiple of the block of 64 bytes");
                if let Some(chain) = &mut self.chain {
                    chain.push(state);
                }
                border(state);
            }
        }
    }

    /// The digest of all bytes so far, where it is known without reading them again.
    pub(crate) fn digest(&self, algorithm: Algorithm) -> Option<Digest> {
        match &self.hinted {
            _ if algorithm == Algorithm::Sha256 => Some(self.sha256.finish()),
            Some(hinted) if hinted.algorithm() == algorithm => Some(hinted.clone().finish()),
            _ => None,
        }
    }

    /// The chain list, where all of its states were seen.
    pub(crate) fn chain(&self) -> Option<ChainList> {
        self.chain.clone()?.list(self.length())
    }
}
