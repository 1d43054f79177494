//! Checking passwords: a bounded number of slow comparisons at once, and a memory of those that went well.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dockless_runtime::Runtime;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use tokio::sync::Semaphore;

use super::error::Refusal;
use super::htpasswd::Htpasswd;
use super::settings::Settings;

/// Most successful logins remembered: 40 bytes each, and more users than a password file holds.
const REMEMBERED_MAX: usize = 16_384;

/// Most logins that wait for their turn. At a tenth of a second each, four at once, the last one waits some six
/// seconds; whoever comes later is told to come again.
const WAITING_MAX: usize = 256;

/// What stands for a user, a hash and a password that fitted together.
type Key = [u8; 32];

/// The part of access control that compares passwords.
pub(super) struct Logins {
    runtime: Runtime,
    turns: Arc<Semaphore>,
    waiting: AtomicUsize,
    remembered: Mutex<HashMap<Key, Duration>>,
    remember_for: Duration,
    salt: Hmac<Sha256>,
}

impl Logins {
    pub(super) fn new(runtime: Runtime, settings: &Settings) -> Self {
        let mut salt = [0; 32];
        runtime.entropy.fill(&mut salt);
        Self {
            runtime,
            turns: Arc::new(Semaphore::new(settings.logins_at_once.max(1))),
            waiting: AtomicUsize::new(0),
            remembered: Mutex::new(HashMap::new()),
            remember_for: settings.login_remembered,
            salt: Hmac::new_from_slice(&salt).expect("HMAC takes keys of any length"),
        }
    }

    /// Whether this is the password of this user. An unknown user costs the same comparison as a known one.
    pub(super) async fn check(&self, file: &Htpasswd, user: &str, password: &str) -> Result<bool, Refusal> {
        let (hash, known) = file.hash_or_decoy(user);
        let key = self.key(user, hash, password);
        if self.remembers(&key) {
            return Ok(true);
        }
        let _place = Place::take(&self.waiting).ok_or(Refusal::TooMany)?;
        let turn = self.turns.clone().acquire_owned().await.map_err(|_| Refusal::TooMany)?;
        // The same login may have gone well while this one waited.
        if self.remembers(&key) {
            return Ok(true);
        }
        let (hash, password) = (hash.to_owned(), password.to_owned());
        let compare = move || {
            // Given back when the comparison is over, not when its client goes away: clients that leave at once
            // would otherwise start any number of them.
            let _turn = turn;
            bcrypt::verify(password, &hash).unwrap_or(false)
        };
        let fits = self.runtime.blocking("password check", compare).await.map_err(|_| Refusal::TooMany)?;
        if fits && known {
            self.remember(key);
        }
        Ok(fits && known)
    }

    /// Salted with bytes that live as long as this process, so that the memory of logins is no list of weakly
    /// hashed passwords. The stored hash is part of it: a changed password is a new login.
    fn key(&self, user: &str, hash: &str, password: &str) -> Key {
        let mut mac = self.salt.clone();
        for part in [user, hash, password] {
            mac.update(&(part.len() as u64).to_le_bytes());
            mac.update(part.as_bytes());
        }
        mac.finalize().into_bytes().into()
    }

    fn remembers(&self, key: &Key) -> bool {
        let now = self.runtime.clock.monotonic();
        self.lock().get(key).is_some_and(|until| now < *until)
    }

    fn remember(&self, key: Key) {
        let now = self.runtime.clock.monotonic();
        let mut remembered = self.lock();
        if remembered.len() >= REMEMBERED_MAX {
            remembered.retain(|_, until| now < *until);
        }
        if remembered.len() >= REMEMBERED_MAX {
            remembered.clear();
        }
        remembered.insert(key, now + self.remember_for);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Key, Duration>> {
        // A map of independent entries is whole whenever its holder panicked.
        self.remembered.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// A place among those who wait; given back when dropped, also when the client went away meanwhile.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(waiting: &'a AtomicUsize) -> Option<Self> {
        let taken = waiting.fetch_add(1, Ordering::AcqRel);
        let place = Self(waiting);
        (taken < WAITING_MAX).then_some(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use dockless_runtime::simulation::Simulation;
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn clients_that_leave_start_no_more_comparisons_than_those_that_stay() {
        let simulation = Simulation::new(1);
        let settings = Settings::default();
        let logins = Logins::new(simulation.runtime(), &settings);
        let hash = bcrypt::hash_with_salt("secret", 4, [7; 16]).unwrap();
        let file = format!("alice:{}", hash.format_for_version(bcrypt::Version::TwoY));
        let file = Htpasswd::parse(file.as_bytes()).unwrap();
        for _ in 0..settings.logins_at_once {
            assert_eq!(logins.check(&file, "alice", "secret").now_or_never(), None);
        }
        assert_eq!(logins.turns.available_permits(), 0, "the comparisons go on");
        assert_eq!(simulation.block_on(logins.check(&file, "alice", "secret")), Ok(true));
        simulation.run_for(Duration::from_secs(1));
        assert_eq!(logins.turns.available_permits(), settings.logins_at_once);
    }
}
