//! What of an engine is answered to whom: rules, and what is shared, speak of the names that lists show.

use std::collections::BTreeSet;
use std::sync::Arc;

use dockless_oci::RepositoryName;
use dockless_registry::{Principal, SourceError};

use super::Engine;
use super::driver::{Driver, Image};
use super::load::{Load, LoadError};
use super::name::{Version, listed_among};
use super::search::Search;

/// The repositories in which an engine has tags.
pub(super) struct Tagged {
    repositories: BTreeSet<String>,
    /// As [`EngineTraits::names_local`](super::driver::EngineTraits::names_local).
    local: bool,
}

impl Tagged {
    pub(super) fn new(images: &[Image], local: bool) -> Self {
        let names = images.iter().flat_map(Image::parsed_names);
        let tagged = names.filter(|name| matches!(name.version, Version::Tag(_)));
        Self { repositories: tagged.map(|name| name.repository).collect(), local }
    }

    /// The name under which lists show a repository; `None` for one that they do not show.
    fn listed(&self, repository: &str) -> Option<RepositoryName> {
        listed_among(repository, self.local, |other| self.repositories.contains(other))
    }

    /// The name by which a repository is shared and rules speak of it: that of lists.
    pub(super) fn ruled(&self, repository: &str) -> String {
        self.listed(repository).map_or_else(|| repository.to_owned(), |name| name.to_string())
    }
}

/// Both names that rules may know a repository by: when no other one has the short spelling, and when one has it.
fn ruled_either_way(repository: &str, local: bool) -> [String; 2] {
    [false, true].map(|is_there| {
        let name = listed_among(repository, local, |_| is_there);
        name.map_or_else(|| repository.to_owned(), |name| name.to_string())
    })
}

impl Engine {
    /// Those of an engine's repositories that are shared, and may be pulled by the one who asks.
    pub(super) async fn allowed(
        &self,
        driver: &Arc<dyn Driver>,
        principal: &Principal,
        mut repositories: Vec<String>,
    ) -> Result<Vec<String>, SourceError> {
        let local = driver.traits().names_local;
        let may = |name: &String| self.may_pull(principal, name);
        let is_unclear = |repository: &String| {
            let [one, other] = ruled_either_way(repository, local);
            may(&one) != may(&other)
        };
        let tagged = self.tagged_if(repositories.iter().any(is_unclear), driver).await?;
        repositories.retain(|repository| may(&tagged.ruled(repository)));
        Ok(repositories)
    }

    /// Whether that which lists show under this name is shared, and may be pulled by the one who asks.
    fn may_pull(&self, principal: &Principal, name: &str) -> bool {
        self.share.allows(name) && self.access.may_pull(principal, name)
    }

    /// What lists show to the one who asks.
    pub(super) fn listed(&self, principal: &Principal, images: &[Image], local: bool) -> Vec<RepositoryName> {
        let tagged = Tagged::new(images, local);
        let listed = tagged.repositories.iter().filter_map(|repository| tagged.listed(repository));
        let listed: BTreeSet<_> = listed.filter(|name| self.may_pull(principal, name.as_str())).collect();
        listed.into_iter().collect()
    }

    /// Refuses to load by another name than that of lists where there are rules: they let somebody push to the
    /// repository in the request, and speak of the engine's by that name.
    pub(super) async fn check_pushed_name(&self, search: &Search, load: &Load) -> Result<(), LoadError> {
        let Some(target) = search.repositories.first().filter(|_| self.access.has_rules()) else {
            return Ok(());
        };
        let [one, other] = ruled_either_way(target, search.driver.traits().names_local);
        let tagged = self.tagged_if(one != other, &search.driver).await;
        let name = tagged.map_err(|error| LoadError::Unavailable(error.to_string()))?.ruled(target);
        let pushed = load.asked.repository.as_str();
        if name == pushed {
            return Ok(());
        }
        Err(LoadError::OtherName(format!(
            "a push to {pushed} would replace what lists show as {name}: rules speak of that name, so push to it"
        )))
    }

    /// What the engine has now, if it is to be asked; else nothing.
    async fn tagged_if(&self, is_needed: bool, driver: &Arc<dyn Driver>) -> Result<Tagged, SourceError> {
        let images = if is_needed { self.noted(driver, driver.images().await)? } else { Vec::new() };
        Ok(Tagged::new(&images, driver.traits().names_local))
    }
}
