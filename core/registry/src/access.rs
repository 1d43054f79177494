//! Who may do what: passwords, tokens, and rules over repositories.

mod caller;
mod error;
pub mod fuzz;
mod guard;
mod htpasswd;
mod key;
mod login;
mod passwords;
mod pattern;
mod policy;
mod scope;
mod settings;
#[cfg(test)]
mod tests;
mod token;

use std::path::PathBuf;
use std::sync::Arc;

use dockless_runtime::metric::Family;
use dockless_runtime::{MetricRegistry, Runtime};

pub use caller::Caller;
pub use error::{OpenError, Refusal, ScopesTooLong};
pub use htpasswd::{Htpasswd, HtpasswdError};
pub use key::{KeyError, open_or_create_key};
pub use pattern::{PATTERN_BYTES_MAX, Pattern, PatternError};
pub use policy::{ANONYMOUS, AUTHENTICATED, Action, Policy, PolicyError, RULES_MAX, Rule};
pub use scope::{Actions, Resource, SCOPES_MAX, Scope, ScopeError};
pub use settings::Settings;
pub use token::{KEY_BYTES, TOKEN_BYTES_MAX};

use guard::Guard;
use login::Logins;
use passwords::Passwords;
use scope::ScopeClaim;
use token::{Purpose, Signer};

use crate::source::Principal;

/// What a request shows of its sender.
#[derive(Clone, PartialEq, Eq)]
pub enum Credentials {
    /// Nothing.
    None,
    /// A user name and a password (RFC 7617).
    Basic {
        /// Who.
        user: String,
        /// The secret.
        password: String,
    },
    /// A token of [`Access::issue`] (RFC 6750).
    Bearer(String),
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::None => formatter.write_str("None"),
            Self::Basic { user, .. } => {
                formatter.debug_struct("Basic").field("user", user).finish_non_exhaustive()
            }
            Self::Bearer(_) => formatter.write_str("Bearer(..)"),
        }
    }
}

/// A token as it is handed out.
#[derive(Clone, PartialEq, Eq)]
pub struct IssuedToken {
    /// To be shown as `Authorization: Bearer`.
    pub token: String,
    /// Seconds from now.
    pub expires_in: u64,
    /// Milliseconds since 1970.
    pub issued_at_ms: u64,
    /// What it grants of what was asked for; scopes without any allowed action are left out.
    pub scopes: Vec<Scope>,
}

/// Access control of one node.
pub struct Access {
    settings: Settings,
    guard: Option<Guard>,
}

impl Access {
    /// Everybody may do everything; credentials are not looked at.
    pub fn anonymous() -> Self {
        Self { settings: Settings::default(), guard: None }
    }

    /// Users of a password file under `rules`; without any rule every user may do everything and nobody else
    /// anything. `key` signs the tokens ([`open_or_create_key`]). Blocks; meant for the start of a node.
    pub fn from_htpasswd(
        runtime: Runtime,
        path: PathBuf,
        rules: Vec<Rule>,
        key: [u8; KEY_BYTES],
        settings: Settings,
    ) -> Result<Self, OpenError> {
        let policy = if rules.is_empty() { Policy::authenticated() } else { Policy::new(rules)? };
        let passwords = Passwords::open(runtime.clone(), path, settings.password_file_checked)?;
        let guard = Guard {
            policy: Arc::new(policy),
            passwords: Arc::new(passwords),
            logins: Logins::new(runtime.clone(), &settings),
            signer: Signer::new(&key),
            counted: Family::default(),
            runtime,
        };
        Ok(Self { settings, guard: Some(guard) })
    }

    /// Adds the counter of logins to `metrics`.
    pub fn register(&self, metrics: &MetricRegistry) {
        if let Some(guard) = &self.guard {
            metrics.register("logins", "Passwords shown, by what came of it", guard.counted.clone());
        }
    }

    /// Whether there is anything to log in to; if not, no request is ever challenged.
    pub fn required(&self) -> bool {
        self.guard.is_some()
    }

    /// Whether there are rules, so that one user may what another may not.
    pub fn has_rules(&self) -> bool {
        self.guard.as_ref().is_some_and(|guard| *guard.policy != Policy::authenticated())
    }

    /// Whether the rules let somebody pull from a repository, whatever a token grants. For sources, which know a
    /// repository by other names than the one in the request that was let through.
    pub fn may_pull(&self, principal: &Principal, repository: &str) -> bool {
        let user = match principal {
            Principal::Owner => return true,
            Principal::Anonymous => None,
            Principal::User(name) => Some(name.as_ref()),
        };
        self.guard.as_ref().is_none_or(|guard| guard.policy.allows(user, repository, Action::Pull))
    }

    /// The name of this service in challenges and tokens.
    pub fn service(&self) -> &str {
        &self.settings.service
    }

    /// Something the operator should mend, in words: a changed password file that cannot be used.
    pub fn problem(&self) -> Option<String> {
        self.guard.as_ref().and_then(|guard| guard.passwords.problem()).map(|problem| problem.to_string())
    }

    /// Finds out who sends a request. Without credentials that is the anonymous caller, who may be allowed
    /// something; wrong credentials are refused even where none are needed.
    pub async fn authenticate(&self, credentials: Credentials) -> Result<Caller, Refusal> {
        let caller = self.authenticate_upload(credentials).await?;
        if caller.is_expired() { Err(Refusal::Expired) } else { Ok(caller) }
    }

    /// As [`Access::authenticate`] for requests to an upload that has begun: a genuine token that expired is
    /// accepted, and gives a caller who [may only go on](Caller::may_continue) with what it began in time.
    pub async fn authenticate_upload(&self, credentials: Credentials) -> Result<Caller, Refusal> {
        let Some(guard) = &self.guard else { return Ok(Caller::anonymous()) };
        match credentials {
            Credentials::None => Ok(Caller::new(None, guard.policy.clone())),
            Credentials::Basic { user, password } => guard.login(&user, &password).await,
            Credentials::Bearer(token) => {
                let claims = guard.claims(&token, &self.settings.service, Purpose::Access)?;
                guard.token_caller(claims).await
            }
        }
    }

    /// Finds out whom a refresh token was made for. It ends with its time, with the user, and with the password.
    pub async fn redeem(&self, refresh_token: &str) -> Result<Caller, Refusal> {
        let Some(guard) = &self.guard else { return Ok(Caller::anonymous()) };
        let claims = guard.claims(refresh_token, &self.settings.service, Purpose::Refresh)?;
        let user = claims.sub.as_deref().ok_or(Refusal::Invalid)?;
        let file = guard.passwords.current().await;
        let hash = file.hash(user).ok_or(Refusal::Invalid)?;
        if claims.password.as_deref() != Some(&guard.signer.fingerprint(hash.as_bytes())) {
            return Err(Refusal::Invalid);
        }
        if claims.exp <= guard.now_s() {
            return Err(Refusal::Expired);
        }
        Ok(Caller::new(Some(user.into()), guard.policy.clone()))
    }

    /// A token for `caller` that grants what is allowed of `scopes`; it may grant nothing, which is what a client
    /// gets that only logs in.
    pub fn issue(&self, caller: &Caller, scopes: &[Scope]) -> Result<IssuedToken, ScopesTooLong> {
        let expires_in = self.settings.token_lifetime.as_secs();
        let Some(guard) = &self.guard else {
            // An open node challenges nobody; who asks all the same gets a token that is never looked at.
            let scopes = scopes.to_vec();
            return Ok(IssuedToken { token: "anonymous".to_owned(), expires_in, issued_at_ms: 0, scopes });
        };
        let granted: Vec<Scope> = scopes.iter().filter_map(|scope| allowed_part(caller, scope)).collect();
        let mut claims = guard.new_claims(caller, &self.settings.service, Purpose::Access, expires_in);
        claims.access = granted.iter().map(ScopeClaim::from).collect();
        let token = guard.signer.sign(&claims).ok_or(ScopesTooLong)?;
        Ok(IssuedToken { token, expires_in, issued_at_ms: claims.iat * 1000, scopes: granted })
    }

    /// A refresh token for a user who showed a password or a refresh token (`offline_token=true`); `None` for
    /// other callers.
    pub async fn issue_refresh(&self, caller: &Caller) -> Option<String> {
        let guard = self.guard.as_ref()?;
        let user = caller.user()?;
        let file = guard.passwords.current().await;
        let expires_in = self.settings.refresh_lifetime.as_secs();
        let mut claims = guard.new_claims(caller, &self.settings.service, Purpose::Refresh, expires_in);
        claims.password = Some(guard.signer.fingerprint(file.hash(user)?.as_bytes()));
        if caller.has_token() { None } else { guard.signer.sign(&claims) }
    }
}

/// What of a scope the caller may; `None` if nothing.
fn allowed_part(caller: &Caller, scope: &Scope) -> Option<Scope> {
    let actions: Actions = match &scope.resource {
        Resource::Catalog => scope.actions.iter().filter(|_| caller.may_list()).collect(),
        Resource::Repository(name) => {
            scope.actions.iter().filter(|action| caller.may(name, *action)).collect()
        }
    };
    (!actions.is_empty()).then(|| Scope { resource: scope.resource.clone(), actions })
}
