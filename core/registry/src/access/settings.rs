//! What is settable about access.

use std::time::Duration;

/// Settings of an [`Access`](super::Access).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The name of this service in challenges and tokens.
    pub service: String,
    /// How long a token is good. Rights are looked up at each request all the same, so this bounds only how long a
    /// stolen token is of use, and how often clients ask again.
    pub token_lifetime: Duration,
    /// How long a refresh token (what `docker login` keeps) is good; it ends earlier when the password changes.
    pub refresh_lifetime: Duration,
    /// For how long a password that was right is not compared anew.
    pub login_remembered: Duration,
    /// How many passwords are compared at once; each keeps one core busy.
    pub logins_at_once: usize,
    /// How often, at most, the password file is looked at for a change.
    pub password_file_checked: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            service: "dockless".to_owned(),
            token_lifetime: Duration::from_secs(15 * 60),
            refresh_lifetime: Duration::from_secs(90 * 24 * 3600),
            login_remembered: Duration::from_secs(5 * 60),
            logins_at_once: 4,
            password_file_checked: Duration::from_secs(2),
        }
    }
}
