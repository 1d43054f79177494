//! The settings of each part, composed from what the user wrote.

use std::path::{Path, PathBuf};

use dockless_oci::hex;
use dockless_registry::Action;
use dockless_registry::access::KEY_BYTES;
use dockless_remote::{EngineSettings, Share};
use dockless_runtime::disk::{self, Disk};

use super::engine::Address;
use super::settings::{GrantedAction, Settings};
use super::units::Size;
use super::{ConfigError, file};

/// Said of a key from either place; the key itself is not repeated.
const TOKEN_KEY_MALFORMED: &str =
    "the key for tokens is not 64 hexadecimal digits; `openssl rand -hex 32` makes one";

impl Settings {
    /// The settings of the store of blobs.
    pub(crate) fn store(&self) -> dockless_store::Settings {
        dockless_store::Settings {
            upload_bytes_max: self.uploads.bytes_max.0,
            uploads_max: self.uploads.open_max,
            free_bytes_min: self.limits.disk_free_min.0,
        }
    }

    /// The settings of the ledger.
    pub(crate) fn ledger(&self) -> dockless_meta::Settings {
        dockless_meta::Settings {
            cache_bytes: in_memory(self.limits.ledger_cache_bytes_max),
            ..dockless_meta::Settings::default()
        }
    }

    /// The settings of the registry whose data is in `data`.
    pub(crate) fn registry(&self, data: &Path) -> dockless_registry::Settings {
        let immutable = self.tags.immutable.iter().map(|rule| dockless_registry::ImmutableTags {
            repositories: rule.repositories.clone(),
            tags: rule.tags.clone(),
        });
        dockless_registry::Settings {
            read_only: self.read_only,
            require_blobs: self.manifests.require_blobs,
            manifest_bytes_max: in_memory(self.manifests.bytes_max),
            immutable_tags: immutable.collect(),
            upload_expires_after: self.uploads.expire_after.0,
            cache_bytes_max: in_memory(self.limits.cache_bytes_max),
            data_directory: Some(data.to_owned()),
            disk_free_min: self.limits.disk_free_min.0,
        }
    }

    /// The settings of each engine; `spool` is a directory for it, by its address.
    pub(crate) fn engines(&self, spool: impl Fn(&str) -> PathBuf) -> Vec<EngineSettings> {
        let share = match self.engine.share.as_slice() {
            [] => Share::None,
            patterns if patterns.iter().any(|pattern| pattern.as_str() == "**") => Share::All,
            patterns => Share::Patterns(patterns.to_vec()),
        };
        let of = |address: &Address| EngineSettings {
            address: address.0.clone(),
            share: share.clone(),
            spool: spool(&address.to_string()),
            spool_bytes_max: self.engine.spool_bytes_max.0,
        };
        self.engine.addresses.iter().map(of).collect()
    }

    /// The settings of access.
    pub(crate) fn access(&self) -> dockless_registry::access::Settings {
        dockless_registry::access::Settings {
            token_lifetime: self.access.token_lifetime.0,
            refresh_lifetime: self.access.refresh_lifetime.0,
            ..dockless_registry::access::Settings::default()
        }
    }

    /// The rules of access.
    pub(crate) fn rules(&self) -> Vec<dockless_registry::Rule> {
        let rule = |rule: &super::settings::Rule| dockless_registry::Rule {
            users: rule.users.clone(),
            repositories: rule.repositories.clone(),
            actions: rule.actions.iter().map(|action| action_of(*action)).collect(),
        };
        self.access.rules.iter().map(rule).collect()
    }

    /// The settings of the HTTP door.
    pub(crate) fn door(&self) -> dockless_api::Settings {
        dockless_api::Settings {
            public_url: self.http.public_url.clone(),
            trusted_proxies: self.http.trusted_proxies.clone(),
            header_timeout: self.http.header_timeout.0,
            keep_alive_timeout: self.http.keep_alive_timeout.0,
            idle_timeout: self.http.idle_timeout.0,
            drain_timeout: self.http.drain_timeout.0,
            connections_max: self.limits.connections_max,
        }
    }

    /// The key that signs tokens, when one was given.
    ///
    /// # Errors
    /// The file cannot be read, or what was given is not 64 hexadecimal digits; it is not repeated in the error.
    pub(crate) fn token_key(&self, disk: &dyn Disk) -> Result<Option<[u8; KEY_BYTES]>, ConfigError> {
        let text = match (&self.access.token_key, &self.access.token_key_file) {
            (Some(secret), _) => secret.reveal().to_owned(),
            (None, Some(path)) => {
                let unreadable = |source| ConfigError::UnreadableSecret { path: path.clone(), source };
                let bytes = disk::read_file(disk, path, file::FILE_BYTES_MAX).map_err(unreadable)?;
                String::from_utf8_lossy(&bytes).into_owned()
            }
            (None, None) => return Ok(None),
        };
        let malformed = || ConfigError::Contradiction(TOKEN_KEY_MALFORMED.to_owned());
        let key = hex::decode(&text.trim().to_ascii_lowercase()).and_then(|key| key.try_into().ok());
        key.map(Some).ok_or_else(malformed)
    }
}

/// A size as a count of bytes in memory.
fn in_memory(size: Size) -> usize {
    usize::try_from(size.0).unwrap_or(usize::MAX)
}

/// An action as the registry names it.
fn action_of(action: GrantedAction) -> Action {
    match action {
        GrantedAction::Pull => Action::Pull,
        GrantedAction::Push => Action::Push,
        GrantedAction::Delete => Action::Delete,
        GrantedAction::Catalog => Action::Catalog,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dockless_runtime::disk::RealDisk;

    /// Settings from TOML.
    fn settings(text: &str) -> Settings {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn without_settings_every_part_has_its_own_defaults() {
        let settings = Settings::default();
        assert_eq!(settings.store(), dockless_store::Settings::default());
        assert_eq!(settings.ledger(), dockless_meta::Settings::default());
        assert_eq!(settings.access(), dockless_registry::access::Settings::default());
        assert_eq!(settings.door(), dockless_api::Settings::default());
        let registry = settings.registry(Path::new("/d"));
        let expected = dockless_registry::Settings {
            data_directory: Some("/d".into()),
            ..dockless_registry::Settings::default()
        };
        assert_eq!(registry, expected);
    }

    #[test]
    fn the_token_key_is_read_from_its_digits_or_its_file() {
        let digits = "0123456789abcdefABCDEF9876543210".repeat(2);
        let inline =
            settings(&format!("access.token_key = '{digits}'")).token_key(&RealDisk).unwrap().unwrap();
        assert_eq!(inline[..2], [0x01, 0x23]);
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        disk::write_file_durable(&RealDisk, &path, format!("{digits}\n").as_bytes(), true).unwrap();
        let from_file = settings(&format!("access.token_key_file = '{}'", path.display()));
        assert_eq!(from_file.token_key(&RealDisk).unwrap(), Some(inline));
        assert_eq!(Settings::default().token_key(&RealDisk).unwrap(), None);
    }

    #[test]
    fn a_malformed_token_key_is_refused_and_not_repeated() {
        for bad in ["hunter2", &"g".repeat(64), &"a".repeat(63), &"é".repeat(32)] {
            let error = settings(&format!("access.token_key = '{bad}'")).token_key(&RealDisk).unwrap_err();
            assert!(!error.to_string().contains(bad), "{error}");
        }
    }

    #[test]
    fn rules_and_patterns_reach_the_registry() {
        let settings = settings(
            "[[access.rules]]\nusers = ['*']\nrepositories = ['a/**']\nactions = ['pull', 'catalog']\n\
             [[tags.immutable]]\nrepositories = '**'\ntags = 'v*'",
        );
        assert_eq!(settings.rules()[0].actions, [Action::Pull, Action::Catalog]);
        assert_eq!(settings.registry(Path::new("/d")).immutable_tags[0].tags.as_str(), "v*");
    }
}
