//! Who stands behind a request, and what that one may do.

use std::sync::{Arc, LazyLock};

use dockless_oci::RepositoryName;
use dockless_store::UploadStatus;

use super::pattern::Pattern;
use super::policy::{ANONYMOUS, Action, Policy};
use super::scope::{Resource, Scope};
use crate::source::Principal;

static OPEN: LazyLock<Arc<Policy>> = LazyLock::new(|| Arc::new(Policy::open()));

/// Someone whose credentials were checked. Cheap to clone; good for one request.
///
/// Rights are those of the rules in force. A caller with a token may at most what the token grants, and nothing
/// that the rules no longer allow.
#[derive(Clone, Debug)]
pub struct Caller {
    user: Option<Arc<str>>,
    policy: Arc<Policy>,
    token: Option<Arc<TokenGrant>>,
}

/// What a token grants and when.
#[derive(Debug)]
pub(super) struct TokenGrant {
    pub(super) scopes: Vec<Scope>,
    pub(super) issued_ms: u64,
    pub(super) expires_ms: u64,
    pub(super) expired: bool,
}

impl TokenGrant {
    fn grants(&self, repository: &RepositoryName, action: Action) -> bool {
        let mut scopes = self.scopes.iter();
        scopes.any(|scope| {
            scope.actions.contains(action)
                && matches!(&scope.resource, Resource::Repository(name) if name == repository)
        })
    }

    fn grants_catalog(&self) -> bool {
        self.scopes.iter().any(|scope| scope.resource == Resource::Catalog && !scope.actions.is_empty())
    }
}

impl Caller {
    /// A caller of a node without access control: may everything.
    pub fn anonymous() -> Self {
        Self::new(None, OPEN.clone())
    }

    /// The owner of the node, who reached it through its private socket: may everything.
    pub fn administrator() -> Self {
        Self::new(Some("administrator".into()), OPEN.clone())
    }

    /// A user under rules, without a password file.
    #[cfg(test)]
    pub(crate) fn with_rules(user: Option<&str>, rules: Vec<super::Rule>) -> Self {
        Self::new(user.map(Into::into), Arc::new(Policy::new(rules).unwrap()))
    }

    /// A user who may do everything, with a token to push to one repository: issued, expiring (milliseconds since
    /// 1970), and whether it is expired now.
    #[cfg(test)]
    pub(crate) fn with_push_token(user: &str, repository: &str, times: (u64, u64, bool)) -> Self {
        let scopes = Scope::parse_all([format!("repository:{repository}:push").as_str()]).unwrap();
        let (issued_ms, expires_ms, expired) = times;
        let token = TokenGrant { scopes, issued_ms, expires_ms, expired };
        Self::with_token(Some(user.into()), OPEN.clone(), token)
    }

    pub(super) fn new(user: Option<Arc<str>>, policy: Arc<Policy>) -> Self {
        Self { user, policy, token: None }
    }

    pub(super) fn with_token(user: Option<Arc<str>>, policy: Arc<Policy>, token: TokenGrant) -> Self {
        Self { user, policy, token: Some(Arc::new(token)) }
    }

    /// Whether the caller may do `action` in `repository`. With an expired token: nothing (see
    /// [`Caller::may_continue`]).
    pub fn may(&self, repository: &RepositoryName, action: Action) -> bool {
        let granted =
            self.token.as_ref().is_none_or(|token| !token.expired && token.grants(repository, action));
        granted && self.is_entitled(repository, action)
    }

    /// Whether the rules let this user do `action` in `repository`, whatever the token grants: if so, asking for
    /// another token helps.
    pub fn is_entitled(&self, repository: &RepositoryName, action: Action) -> bool {
        self.policy.allows(self.user(), repository.as_str(), action)
    }

    /// As [`Caller::is_entitled`], for the list of repositories.
    pub fn is_entitled_to_list(&self) -> bool {
        self.policy.allows_somewhere(self.user(), Action::Catalog)
    }

    /// Whether the caller may list repositories at all; which ones is a question to [`Caller::sees`].
    pub fn may_list(&self) -> bool {
        let granted = self.token.as_ref().is_none_or(|token| !token.expired && token.grants_catalog());
        granted && self.is_entitled_to_list()
    }

    /// Whether a list of repositories shows this one to the caller.
    pub fn sees(&self, repository: &RepositoryName) -> bool {
        self.may_list() && self.is_entitled(repository, Action::Catalog)
    }

    /// The patterns of all repositories that [`Caller::sees`] can be true of.
    pub(crate) fn visible(&self) -> Vec<&Pattern> {
        if self.may_list() {
            self.policy.patterns(self.user(), Action::Catalog).collect()
        } else {
            Vec::new()
        }
    }

    /// Whether the caller may go on with, finish or cancel this upload: it began it and may push there. A token
    /// that expired meanwhile is still good for it if the upload began while the token was valid.
    pub fn may_continue(&self, upload: &UploadStatus) -> bool {
        let granted = self.token.as_ref().is_none_or(|token| {
            let in_time = upload.begun_ms >= token.issued_ms && upload.begun_ms < token.expires_ms;
            token.grants(&upload.repository, Action::Push) && (!token.expired || in_time)
        });
        granted && upload.subject == self.subject() && self.is_entitled(&upload.repository, Action::Push)
    }

    /// The user name, or `anonymous`: for logs, and to know who began an upload. No user can have that name.
    pub fn subject(&self) -> &str {
        self.user().unwrap_or(ANONYMOUS)
    }

    /// The user name; `None` for a caller without credentials.
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// On whose behalf sources are asked for this caller.
    pub fn principal(&self) -> Principal {
        self.user.clone().map_or(Principal::Anonymous, Principal::User)
    }

    /// Whether the caller shows a token rather than a password.
    pub fn has_token(&self) -> bool {
        self.token.is_some()
    }

    /// Whether the caller shows a token that is expired, and so may only continue uploads.
    pub fn is_expired(&self) -> bool {
        self.token.as_ref().is_some_and(|token| token.expired)
    }
}
