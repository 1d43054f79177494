//! What guards a node that is not open to everyone: passwords, rules and the key of the tokens, working together.

use std::sync::Arc;
use std::time::Duration;

use dockless_runtime::Runtime;
use dockless_runtime::entropy::hex_id;
use dockless_runtime::metric::{Counter, Family};

use super::caller::{Caller, TokenGrant};
use super::error::Refusal;
use super::login::Logins;
use super::passwords::Passwords;
use super::policy::Policy;
use super::scope::ScopeClaim;
use super::token::{Claims, Purpose, Signer};

/// Tokens issued more than this far in the future are refused: the clock was set back meanwhile, and they would
/// live longer than meant.
const CLOCK_STEP_MAX: Duration = Duration::from_secs(60);

/// What there is to guard with; absent on a node that is open to everyone.
pub(super) struct Guard {
    pub(super) runtime: Runtime,
    pub(super) policy: Arc<Policy>,
    pub(super) passwords: Arc<Passwords>,
    pub(super) logins: Logins,
    pub(super) signer: Signer,
    pub(super) counted: Family<[(&'static str, &'static str); 1], Counter>,
}

impl Guard {
    pub(super) async fn login(&self, user: &str, password: &str) -> Result<Caller, Refusal> {
        let file = self.passwords.current().await;
        let answer = self.logins.check(&file, user, password).await;
        let result = match answer {
            Ok(true) => "accepted",
            Ok(false) => "refused",
            Err(_) => "postponed",
        };
        self.counted.get_or_create(&[("result", result)]).inc();
        if answer? { Ok(Caller::new(Some(user.into()), self.policy.clone())) } else { Err(Refusal::Invalid) }
    }

    /// The claims of a genuine token, whether expired or not.
    pub(super) fn claims(&self, token: &str, service: &str, purpose: Purpose) -> Result<Claims, Refusal> {
        let claims = self.signer.verify(token).map_err(|_| Refusal::Invalid)?;
        let too_early = claims.iat > self.now_s() + CLOCK_STEP_MAX.as_secs();
        if claims.purpose != purpose || claims.aud != service || too_early || claims.exp < claims.iat {
            return Err(Refusal::Invalid);
        }
        Ok(claims)
    }

    pub(super) async fn token_caller(&self, claims: Claims) -> Result<Caller, Refusal> {
        if let Some(user) = &claims.sub
            && self.passwords.current().await.hash(user).is_none()
        {
            return Err(Refusal::Invalid);
        }
        let grant = TokenGrant {
            scopes: claims.access.iter().filter_map(ScopeClaim::scope).collect(),
            issued_ms: claims.iat.saturating_mul(1000),
            expires_ms: claims.exp.saturating_mul(1000),
            expired: claims.exp <= self.now_s(),
        };
        Ok(Caller::with_token(claims.sub.map(Into::into), self.policy.clone(), grant))
    }

    pub(super) fn new_claims(
        &self,
        caller: &Caller,
        service: &str,
        purpose: Purpose,
        expires_in: u64,
    ) -> Claims {
        let now = self.now_s();
        Claims {
            iss: "dockless".to_owned(),
            aud: service.to_owned(),
            sub: caller.user().map(str::to_owned),
            iat: now,
            nbf: now,
            exp: now.saturating_add(expires_in),
            jti: hex_id(&*self.runtime.entropy, 8),
            purpose,
            access: Vec::new(),
            password: None,
        }
    }

    pub(super) fn now_s(&self) -> u64 {
        self.runtime.clock.unix_ms() / 1000
    }
}
