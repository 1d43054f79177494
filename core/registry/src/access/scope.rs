//! Scopes: what a token request asks for, `repository:a/b:pull,push` and `registry:catalog:*`.

use dockless_oci::RepositoryName;
use serde::{Deserialize, Serialize};

use super::policy::Action;

/// Most scopes of one token: docker asks for two at most (a push that mounts), a tool that copies between a few
/// repositories for some more.
pub const SCOPES_MAX: usize = 32;

/// Longest scope in bytes: the longest repository name and a list of all actions several times over.
pub(super) const SCOPE_BYTES_MAX: usize = 512;

/// A set of actions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Actions(u8);

impl Actions {
    /// No action.
    pub const NONE: Self = Self(0);

    /// Whether `action` is in the set.
    pub fn contains(self, action: Action) -> bool {
        self.0 & bit(action) != 0
    }

    /// Whether the set has no action.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The set with `action` added.
    #[must_use]
    pub fn with(self, action: Action) -> Self {
        Self(self.0 | bit(action))
    }

    /// The members, in the order of [`Action::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Action> {
        Action::ALL.into_iter().filter(move |action| self.contains(*action))
    }
}

impl FromIterator<Action> for Actions {
    fn from_iter<I: IntoIterator<Item = Action>>(actions: I) -> Self {
        actions.into_iter().fold(Self::NONE, Self::with)
    }
}

fn bit(action: Action) -> u8 {
    match action {
        Action::Pull => 1,
        Action::Push => 2,
        Action::Delete => 4,
        Action::Catalog => 8,
    }
}

/// What a scope speaks of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resource {
    /// One repository.
    Repository(RepositoryName),
    /// The list of all repositories.
    Catalog,
}

/// A resource and the actions asked for, or granted, on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// Of what.
    pub resource: Resource,
    /// What; may be empty in an answer: nothing of what was asked for is allowed.
    pub actions: Actions,
}

/// A scope that cannot be read. Scopes of kinds this registry does not know are no error: they grant nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScopeError {
    /// Not of the form `type:name:actions`, or with a repository name outside the grammar.
    #[error("{0:?} is no scope: expected repository:NAME:pull,push or registry:catalog:*")]
    Form(String),
    /// More than [`SCOPES_MAX`].
    #[error("more than {SCOPES_MAX} scopes in one request")]
    TooMany,
}

impl Scope {
    /// The scope of one repository.
    pub fn repository(name: RepositoryName, actions: impl IntoIterator<Item = Action>) -> Self {
        Self { resource: Resource::Repository(name), actions: actions.into_iter().collect() }
    }

    /// The scope of the catalog.
    pub fn catalog() -> Self {
        Self { resource: Resource::Catalog, actions: Actions::NONE.with(Action::Catalog) }
    }

    /// Reads one scope. `Ok(None)` is a well-formed scope of a kind or for a purpose that we do not know (such as
    /// `registry:metrics:*`); unknown actions are dropped, `*` means every action on the repository. A class
    /// behind the type (`repository(plugin)`) is ignored.
    pub fn parse(text: &str) -> Result<Option<Self>, ScopeError> {
        // The text comes from anyone: an error repeats a bounded part of it.
        let form = || ScopeError::Form(text.chars().take(100).collect());
        if text.len() > SCOPE_BYTES_MAX {
            return Err(form());
        }
        let (kind, rest) = text.split_once(':').ok_or_else(form)?;
        let (name, actions) = rest.rsplit_once(':').ok_or_else(form)?;
        let kind = kind.split_once('(').map_or(kind, |(kind, _class)| kind);
        match (kind, name) {
            ("repository", name) => {
                let name = RepositoryName::parse(name).map_err(|_| form())?;
                Ok(Some(Self { resource: Resource::Repository(name), actions: read_actions(actions) }))
            }
            ("registry", "catalog") if actions.split(',').any(|action| action == "*") => {
                Ok(Some(Self::catalog()))
            }
            _ => Ok(None),
        }
    }

    /// Reads the values of all `scope` parameters of a request; each may hold several scopes between blanks.
    /// Scopes of one repository are joined.
    pub fn parse_all<'a>(values: impl IntoIterator<Item = &'a str>) -> Result<Vec<Self>, ScopeError> {
        let mut scopes: Vec<Self> = Vec::new();
        let words = values.into_iter().flat_map(|value| value.split(' ')).filter(|word| !word.is_empty());
        for (count, word) in words.enumerate() {
            if count == SCOPES_MAX {
                return Err(ScopeError::TooMany);
            }
            let Some(scope) = Self::parse(word)? else { continue };
            match scopes.iter_mut().find(|known| known.resource == scope.resource) {
                Some(known) => known.actions = known.actions.iter().chain(scope.actions.iter()).collect(),
                None => scopes.push(scope),
            }
        }
        Ok(scopes)
    }
}

fn read_actions(text: &str) -> Actions {
    let words = text.split(',').map(str::trim);
    words.fold(Actions::NONE, |actions, word| match word {
        "pull" => actions.with(Action::Pull),
        "push" => actions.with(Action::Push),
        "delete" => actions.with(Action::Delete),
        "*" => [Action::Pull, Action::Push, Action::Delete].into_iter().fold(actions, Actions::with),
        _ => actions,
    })
}

impl std::fmt::Display for Scope {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.resource {
            Resource::Catalog => formatter.write_str("registry:catalog:*"),
            Resource::Repository(name) => {
                let actions: Vec<&str> = self.actions.iter().map(Action::as_str).collect();
                write!(formatter, "repository:{name}:{}", actions.join(","))
            }
        }
    }
}

/// A scope as it stands in the `access` claim of a token (Docker token authentication, "Token response").
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ScopeClaim {
    #[serde(rename = "type")]
    kind: String,
    name: String,
    actions: Vec<String>,
}

impl From<&Scope> for ScopeClaim {
    fn from(scope: &Scope) -> Self {
        let words = |actions: Actions| actions.iter().map(|action| action.as_str().to_owned()).collect();
        match &scope.resource {
            Resource::Repository(name) => {
                Self { kind: "repository".into(), name: name.to_string(), actions: words(scope.actions) }
            }
            Resource::Catalog => {
                Self { kind: "registry".into(), name: "catalog".into(), actions: vec!["*".into()] }
            }
        }
    }
}

impl ScopeClaim {
    /// The scope that was written; `None` if it is none of ours.
    pub(super) fn scope(&self) -> Option<Scope> {
        Scope::parse(&format!("{}:{}:{}", self.kind, self.name, self.actions.join(","))).ok().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str, expected: Option<&str>) {
        let scope = Scope::parse(text).unwrap();
        assert_eq!(scope.map(|scope| scope.to_string()).as_deref(), expected, "{text}");
    }

    #[test]
    fn scopes_of_all_clients_are_read() {
        check("repository:a/b:pull", Some("repository:a/b:pull"));
        check("repository:a/b:push,pull", Some("repository:a/b:pull,push"));
        check("repository:a/b:*", Some("repository:a/b:pull,push,delete"));
        check("repository:a:pull,metadata/read", Some("repository:a:pull"));
        check("repository(plugin):a/b:pull", Some("repository:a/b:pull"));
        check("repository:a:", Some("repository:a:"));
        check("registry:catalog:*", Some("registry:catalog:*"));
        check("registry:metrics:*", None);
        check("registry:catalog:list", None);
        check("artifact:a:pull", None);
    }

    #[test]
    fn what_is_no_scope_is_an_error() {
        for text in
            ["", "repository", "repository:a", "repository:A:pull", "repository:a b:pull", &"a".repeat(600)]
        {
            assert!(Scope::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn several_scopes_come_in_one_or_many_parameters() {
        let read = |values: &[&str]| {
            let scopes = Scope::parse_all(values.iter().copied())?;
            Ok::<_, ScopeError>(scopes.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        assert_eq!(
            read(&["repository:a:pull repository:b:pull", "repository:a:push", "x:y:z"]).unwrap(),
            ["repository:a:pull,push", "repository:b:pull"]
        );
        assert_eq!(read(&[]).unwrap(), Vec::<String>::new());
        let many = vec!["repository:a:pull"; SCOPES_MAX + 1];
        assert_eq!(read(&many).unwrap_err(), ScopeError::TooMany);
        assert!(read(&["repository:a:pull nonsense"]).is_err());
    }

    #[test]
    fn claims_give_back_the_scope() {
        for text in ["repository:a/b:pull,push", "repository:a:delete", "registry:catalog:*"] {
            let scope = Scope::parse(text).unwrap().unwrap();
            assert_eq!(ScopeClaim::from(&scope).scope(), Some(scope));
        }
    }

    proptest! {
        #[test]
        fn any_text_is_answered_without_panic(text in "\\PC{0,40}", tail in "[a-z:,*/() ]{0,40}") {
            let _ = Scope::parse(&text);
            let _ = Scope::parse(&format!("repository:{tail}"));
            let _ = Scope::parse_all([tail.as_str()]);
        }
    }
}
