//! Why credentials, a start or a token are refused.

use std::path::PathBuf;

use super::htpasswd::HtpasswdError;
use super::policy::PolicyError;
use super::token::TOKEN_BYTES_MAX;

/// Why credentials were not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Unknown user, wrong password, or not a token of this node: answered 401.
    #[error("the user name, password or token is not right")]
    Invalid,
    /// A token of this node whose time is over: answered 401 with `error="invalid_token"`.
    #[error("the token has expired: ask for a new one")]
    Expired,
    /// More logins at once than are compared: answered 429 with `Retry-After`.
    #[error("too many logins at once: try again in a moment")]
    TooMany,
}

/// Why a node cannot start with this access control.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file cannot be read.
    #[error("the password file {path} cannot be read: {reason}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the disk says.
        reason: String,
    },
    /// The file has a line that cannot be used.
    #[error("{path}: {cause}")]
    Htpasswd {
        /// The file.
        path: PathBuf,
        /// The line and the reason.
        cause: HtpasswdError,
    },
    /// The rules make no sense.
    #[error(transparent)]
    Policy(#[from] PolicyError),
}

/// The scopes asked for do not fit into one token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the scopes asked for do not fit into one token of {TOKEN_BYTES_MAX} bytes: ask for fewer at once")]
pub struct ScopesTooLong;
