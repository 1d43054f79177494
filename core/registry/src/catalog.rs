//! The catalog: which repositories there are, as far as the caller may know.

use dockless_meta::view::View;
use dockless_oci::RepositoryName;

use crate::access::Caller;
use crate::error::Error;
use crate::page::{PAGE_ITEMS_MAX, Page};
use crate::registry::Registry;
use crate::source::Principal;

/// Most names that one request looks at. Only patterns that begin with a star make it look at names that it does
/// not show; a hundred thousand take some tenth of a second.
const NAMES_LOOKED_AT_MAX: usize = 100_000;

/// Names read from the ledger at once.
const NAMES_AT_ONCE: usize = 1_000;

impl Registry {
    /// One page of the repositories that hold a manifest and that the caller may see, in byte order, after `last`
    /// (which need not exist). At most `n`, and at most [`PAGE_ITEMS_MAX`]; without `n` as many as that. A page may
    /// be shorter, even empty, and the list go on. What sources offer is listed with them.
    pub async fn catalog(
        &self,
        caller: &Caller,
        n: Option<usize>,
        last: Option<&str>,
    ) -> Result<Page<RepositoryName>, Error> {
        if !caller.may_list() {
            return Err(Error::Denied(format!("{} may not list repositories", caller.subject())));
        }
        let limit = n.unwrap_or(PAGE_ITEMS_MAX).min(PAGE_ITEMS_MAX);
        if limit == 0 {
            return Ok(Page::default());
        }
        let here = self.catalog_page(caller, limit, last, NAMES_LOOKED_AT_MAX)?;
        if self.mirror.is_empty() {
            return Ok(here);
        }
        let mut elsewhere = self.mirror.repositories(&caller.principal()).await;
        elsewhere.retain(|name| caller.sees(name));
        Ok(here.merged(elsewhere, last, limit))
    }

    /// As [`Registry::catalog`], for the owner of the node: every repository that holds anything, and what sources
    /// offer to that one.
    pub async fn repositories(&self, n: usize, last: Option<&str>) -> Result<Page<RepositoryName>, Error> {
        let limit = n.min(PAGE_ITEMS_MAX);
        if limit == 0 {
            return Ok(Page::default());
        }
        let items = self.inner.view()?.repositories(last, limit)?;
        let next = items.last().filter(|_| items.len() == limit).map(RepositoryName::to_string);
        let here = Page { items, next };
        Ok(here.merged(self.mirror.repositories(&Principal::Owner).await, last, limit))
    }

    /// One page of at most `limit` items, which is not 0, of what the ledger holds.
    pub(crate) fn catalog_page(
        &self,
        caller: &Caller,
        limit: usize,
        last: Option<&str>,
        looked_at_max: usize,
    ) -> Result<Page<RepositoryName>, Error> {
        let view = self.inner.view()?;
        let mut walk =
            Walk { view: &view, caller, items: Vec::new(), wanted: limit + 1, looked_at: 0, looked_at_max };
        for prefix in prefixes(caller) {
            if let Some(stopped_at) = walk.walk(&prefix, last.unwrap_or_default())? {
                return Ok(Page { items: walk.items, next: Some(stopped_at) });
            }
            if walk.items.len() == walk.wanted {
                break;
            }
        }
        let more = walk.items.len() > limit;
        walk.items.truncate(limit);
        let next = walk.items.last().filter(|_| more).map(RepositoryName::to_string);
        Ok(Page { items: walk.items, next })
    }
}

/// What visible names can begin with, in byte order, none within another.
fn prefixes(caller: &Caller) -> Vec<String> {
    let mut prefixes: Vec<&str> =
        caller.visible().into_iter().map(|pattern| pattern.literal_prefix()).collect();
    prefixes.sort_unstable();
    prefixes.dedup_by(|later, earlier| later.starts_with(*earlier));
    prefixes.into_iter().map(str::to_owned).collect()
}

struct Walk<'a> {
    view: &'a View,
    caller: &'a Caller,
    items: Vec<RepositoryName>,
    wanted: usize,
    looked_at: usize,
    looked_at_max: usize,
}

impl Walk<'_> {
    /// Collects visible names after `last` that begin with `prefix`. `Some` name: where it stopped because it had
    /// looked at enough.
    fn walk(&mut self, prefix: &str, last: &str) -> Result<Option<String>, Error> {
        let mut after = prefix.to_owned();
        if last >= prefix {
            after = last.to_owned();
        } else if let Ok(name) = RepositoryName::parse(prefix)
            && self.view.usage(&name)?.manifests > 0
        {
            // Lists begin after a name, so the one that is the prefix itself is looked up.
            self.take(name);
        }
        while self.items.len() < self.wanted {
            let after_or_start = Some(after.as_str()).filter(|after| !after.is_empty());
            let names = self.view.repositories(after_or_start, NAMES_AT_ONCE)?;
            let Some(end) = names.last().map(RepositoryName::to_string) else { return Ok(None) };
            for name in names {
                if !name.as_str().starts_with(prefix) {
                    return Ok(None);
                }
                self.take(name);
            }
            if self.items.len() < self.wanted && self.looked_at >= self.looked_at_max {
                return Ok(Some(end));
            }
            after = end;
        }
        Ok(None)
    }

    fn take(&mut self, name: RepositoryName) {
        self.looked_at += 1;
        if self.items.len() < self.wanted && self.caller.sees(&name) {
            self.items.push(name);
        }
    }
}
