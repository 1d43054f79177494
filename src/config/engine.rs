//! The container engines of the machine, as the configuration names them.

use std::collections::BTreeSet;
use std::fmt;

use dockless_registry::access::Pattern;
use dockless_remote::EngineAddress;
use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::ConfigError;
use super::units::Size;

/// The key that names the engines, and the variable that stands for it: short, since it is what a container is given.
pub(super) const ADDRESSES_VARIABLE: (&str, &str) = ("engine.addresses", "DOCKLESS_ENGINE");

/// Container engines of this machine whose images the node answers, without a push and without a copy.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Engine {
    /// The sockets of docker, podman or containerd, such as `unix:///var/run/docker.sock`. Whoever may pull from the node may then
    /// pull their images, as far as `engine.share` lets them.
    #[schemars(with = "Vec<String>")]
    pub(crate) addresses: Vec<Address>,
    /// Patterns of the repositories that are answered, by the name under which the node lists them: `*` stands for
    /// anything within one component, `**` for any components. What matches none of them is unknown to clients; with
    /// `[]` that is everything.
    #[schemars(with = "Vec<String>")]
    pub(crate) share: Vec<Pattern>,
    /// Load each image whose tag a push sets or moves into the engines too, under the engine's name for it. The push does
    /// not wait for it; one that is down has it later; what an engine refuses is told of in the log. Without it engines
    /// are only read.
    pub(crate) load: bool,
    /// The largest size, for each engine, of the layers that it had to export because they cannot be read where they
    /// lie. They are kept below the data directory, and those go first that were not asked for longest. An image that
    /// needs more is not answered.
    pub(crate) spool_bytes_max: Size,
}

/// The socket of an engine, written `unix:///var/run/docker.sock`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Address(pub(crate) EngineAddress);

impl Default for Engine {
    fn default() -> Self {
        let everything = Pattern::parse("**").expect("two stars are a pattern");
        // Some twenty large images: of an engine whose layers can be read in place, nothing is kept at all.
        Self { addresses: Vec::new(), share: vec![everything], load: false, spool_bytes_max: Size(20 << 30) }
    }
}

impl Engine {
    /// Refuses what cannot be meant.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let mut seen = BTreeSet::new();
        if let Some(twice) = self.addresses.iter().find(|address| !seen.insert(address.0.path())) {
            return Err(ConfigError::Contradiction(format!("`engine.addresses` names `{twice}` twice")));
        }
        if self.load && self.addresses.is_empty() {
            return Err(ConfigError::Contradiction(
                "`engine.load` is set but `engine.addresses` is not, so there is no engine to load into"
                    .to_owned(),
            ));
        }
        Ok(())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Self).map_err(D::Error::custom)
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
