//! Lists in pages.

/// Most items of one page, with or without a wish for more: 10,000 of the longest names are 2.6 MB of JSON.
/// Clients that do not follow links get as much as is reasonable.
pub const PAGE_ITEMS_MAX: usize = 10_000;

/// A part of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The items, in byte order.
    pub items: Vec<T>,
    /// Whether the list goes on.
    pub more: bool,
    /// If so, the `last` that gives the next page: mostly the last item.
    pub next: Option<String>,
}

impl<T> Default for Page<T> {
    fn default() -> Self {
        Self { items: Vec::new(), more: false, next: None }
    }
}

impl<T: Ord + AsRef<str>> Page<T> {
    /// This page after `last`, together with what else belongs into the list: in byte order, each once, at most
    /// `limit`.
    pub(crate) fn merged(
        self,
        elsewhere: impl IntoIterator<Item = T>,
        last: Option<&str>,
        limit: usize,
    ) -> Self {
        if limit == 0 {
            return Self::default();
        }
        // Where the list of this node goes on, it is not known what comes between its end and a later name.
        let end = self.next;
        let within = |item: &T| {
            let text = item.as_ref();
            last.is_none_or(|last| text > last) && end.as_deref().is_none_or(|end| text <= end)
        };
        let mut items = self.items;
        items.extend(elsewhere.into_iter().filter(within));
        items.sort_unstable();
        items.dedup();
        if items.len() > limit {
            items.truncate(limit);
            let next = items.last().map(|item| item.as_ref().to_owned());
            return Self { items, more: next.is_some(), next };
        }
        Self { items, more: self.more, next: end }
    }
}
