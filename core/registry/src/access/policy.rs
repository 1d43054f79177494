//! Which user may do what in which repositories: a list of rules, read as "allowed if any rule allows it".

use serde::{Deserialize, Serialize};

use super::pattern::Pattern;

/// Most rules of one policy: each request walks them, and a thousand cost some ten microseconds.
pub const RULES_MAX: usize = 1_000;

/// The name by which rules speak of callers without credentials.
pub const ANONYMOUS: &str = "anonymous";

/// The name by which rules speak of every caller with valid credentials.
pub const AUTHENTICATED: &str = "*";

/// What a caller wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Read manifests, blobs, tags and referrers of a repository.
    Pull,
    /// Upload blobs, put manifests and tags; cancel one's own uploads.
    Push,
    /// Delete manifests, tags and blobs of a repository.
    Delete,
    /// List the repositories. In a rule it covers the repositories that the rule names.
    Catalog,
}

impl Action {
    /// Every action, in the order of their bits.
    pub const ALL: [Self; 4] = [Self::Pull, Self::Push, Self::Delete, Self::Catalog];

    /// The word used in scopes and settings.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Push => "push",
            Self::Delete => "delete",
            Self::Catalog => "catalog",
        }
    }
}

/// One rule: these users may do these actions in these repositories.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// User names; `*` means every authenticated user, `anonymous` a caller without credentials (and, since what
    /// anyone may do a user may do as well, every user).
    pub users: Vec<String>,
    /// Repositories; `**` means all.
    pub repositories: Vec<Pattern>,
    /// What the rule allows.
    pub actions: Vec<Action>,
}

impl Rule {
    /// Whether the rule speaks of this caller; `None` is a caller without credentials.
    fn names(&self, user: Option<&str>) -> bool {
        self.users.iter().any(|name| match (name.as_str(), user) {
            (ANONYMOUS, _) => true,
            (AUTHENTICATED, user) => user.is_some(),
            (name, Some(user)) => name == user,
            (_, None) => false,
        })
    }
}

/// Why a list of rules is no policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// More than [`RULES_MAX`] rules.
    #[error("{0} access rules are given, at most {RULES_MAX} are possible: join them by patterns")]
    TooMany(usize),
    /// A rule that lacks users, repositories or actions can never allow anything.
    #[error("access rule {number} allows nothing: its list of {member} is empty")]
    Empty {
        /// The rule, counted from 1.
        number: usize,
        /// Which list is empty.
        member: &'static str,
    },
}

/// The rules in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    rules: Vec<Rule>,
}

impl Policy {
    /// Everybody may do everything: a node without access control.
    pub fn open() -> Self {
        Self::of_all(ANONYMOUS)
    }

    /// Every authenticated user may do everything, nobody else anything: a password file without rules.
    pub fn authenticated() -> Self {
        Self::of_all(AUTHENTICATED)
    }

    fn of_all(user: &str) -> Self {
        let everything = Pattern::parse("**").expect("two stars are a pattern");
        let rule = Rule {
            users: vec![user.to_owned()],
            repositories: vec![everything],
            actions: Action::ALL.to_vec(),
        };
        Self { rules: vec![rule] }
    }

    /// Takes the rules as given; without rules nobody may do anything.
    pub fn new(rules: Vec<Rule>) -> Result<Self, PolicyError> {
        if rules.len() > RULES_MAX {
            return Err(PolicyError::TooMany(rules.len()));
        }
        for (number, rule) in (1..).zip(&rules) {
            let lists = [
                ("users", rule.users.is_empty()),
                ("repositories", rule.repositories.is_empty()),
                ("actions", rule.actions.is_empty()),
            ];
            if let Some((member, _)) = lists.iter().find(|(_, empty)| *empty) {
                return Err(PolicyError::Empty { number, member });
            }
        }
        Ok(Self { rules })
    }

    /// Whether `user` (`None`: without credentials) may do `action` in `repository`.
    pub fn allows(&self, user: Option<&str>, repository: &str, action: Action) -> bool {
        self.of(user, action).any(|rule| rule.repositories.iter().any(|pattern| pattern.matches(repository)))
    }

    /// Whether some rule lets `user` list repositories at all.
    pub fn allows_somewhere(&self, user: Option<&str>, action: Action) -> bool {
        self.of(user, action).next().is_some()
    }

    /// The patterns of the repositories in which `user` may do `action`.
    pub fn patterns<'a>(
        &'a self,
        user: Option<&'a str>,
        action: Action,
    ) -> impl Iterator<Item = &'a Pattern> {
        self.of(user, action).flat_map(|rule| &rule.repositories)
    }

    fn of<'a>(&'a self, user: Option<&'a str>, action: Action) -> impl Iterator<Item = &'a Rule> {
        self.rules.iter().filter(move |rule| rule.actions.contains(&action) && rule.names(user))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(users: &[&str], repositories: &[&str], actions: &[Action]) -> Rule {
        Rule {
            users: users.iter().map(|user| (*user).to_owned()).collect(),
            repositories: repositories.iter().map(|text| Pattern::parse(text).unwrap()).collect(),
            actions: actions.to_vec(),
        }
    }

    fn check(policy: &Policy, user: Option<&str>, repository: &str, expected: &[Action]) {
        for action in Action::ALL {
            let allowed = policy.allows(user, repository, action);
            assert_eq!(allowed, expected.contains(&action), "{user:?} {repository} {action:?}");
        }
    }

    #[test]
    fn a_caller_may_what_any_rule_allows() {
        use Action::{Delete, Pull, Push};
        let policy = Policy::new(vec![
            rule(&["anonymous"], &["public/**"], &[Pull]),
            rule(&["*"], &["shared/*"], &[Pull]),
            rule(&["alice", "bob"], &["team/**", "shared/*"], &[Pull, Push]),
            rule(&["alice"], &["team/**"], &[Delete]),
        ])
        .unwrap();
        check(&policy, None, "public/a", &[Pull]);
        check(&policy, None, "shared/a", &[]);
        check(&policy, None, "team/a", &[]);
        check(&policy, Some("carol"), "public/a", &[Pull]);
        check(&policy, Some("carol"), "shared/a", &[Pull]);
        check(&policy, Some("carol"), "shared/a/b", &[]);
        check(&policy, Some("bob"), "team/a/b", &[Pull, Push]);
        check(&policy, Some("alice"), "team/a/b", &[Pull, Push, Delete]);
        check(&policy, Some("alice"), "other", &[]);
    }

    #[test]
    fn the_two_policies_without_rules() {
        check(&Policy::open(), None, "a/b", &Action::ALL);
        check(&Policy::authenticated(), None, "a/b", &[]);
        check(&Policy::authenticated(), Some("x"), "a/b", &Action::ALL);
        check(&Policy::new(Vec::new()).unwrap(), Some("x"), "a/b", &[]);
    }

    #[test]
    fn a_rule_that_can_allow_nothing_is_refused_by_its_number() {
        let good = rule(&["a"], &["b"], &[Action::Pull]);
        let error = Policy::new(vec![good, rule(&["a"], &[], &[Action::Pull])]).unwrap_err();
        assert_eq!(error, PolicyError::Empty { number: 2, member: "repositories" });
        let many = vec![rule(&["a"], &["b"], &[Action::Pull]); RULES_MAX + 1];
        assert_eq!(Policy::new(many).unwrap_err(), PolicyError::TooMany(RULES_MAX + 1));
    }

    #[test]
    fn rules_are_read_from_settings_and_unknown_members_refused() {
        let text = r#"{"users":["*"],"repositories":["a/**"],"actions":["pull","catalog"]}"#;
        let read: Rule = serde_json::from_str(text).unwrap();
        assert_eq!(read, rule(&["*"], &["a/**"], &[Action::Pull, Action::Catalog]));
        for bad in [
            r#"{"users":["*"],"repositories":["a b"],"actions":["pull"]}"#,
            r#"{"users":["*"],"repositories":["a"],"actions":["write"]}"#,
            r#"{"users":["*"],"repositories":["a"],"actions":["pull"],"more":1}"#,
        ] {
            assert!(serde_json::from_str::<Rule>(bad).is_err(), "{bad}");
        }
    }
}
