//! Lists in pages.

/// Most items of one page, with or without a wish for more: 10,000 of the longest names are 2.6 MB of JSON.
/// Clients that do not follow links get as much as is reasonable.
pub const PAGE_ITEMS_MAX: usize = 10_000;

/// A part of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The items, in byte order.
    pub items: Vec<T>,
    /// If so, the `last` that gives the next page: mostly the last item.
    pub next: Option<String>,
}

impl<T> Default for Page<T> {
    fn default() -> Self {
        Self { items: Vec::new(), next: None }
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
            return Self { items, next };
        }
        Self { items, next: end }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(items: &[&'static str], next: Option<&str>) -> Page<&'static str> {
        Page { items: items.to_vec(), next: next.map(str::to_owned) }
    }

    #[test]
    fn a_merged_page_ends_where_the_list_of_the_node_was_left_off() {
        for (here, elsewhere, last, limit, expected) in [
            (page(&[], None), vec!["b", "a", "b"], None, 9, page(&["a", "b"], None)),
            (page(&["b"], None), vec!["c", "a"], Some("a"), 9, page(&["b", "c"], None)),
            (page(&["b", "d"], None), vec!["c", "e"], None, 2, page(&["b", "c"], Some("c"))),
            (page(&["b", "d"], Some("d")), vec!["e"], None, 2, page(&["b", "d"], Some("d"))),
            // Left off after it had looked at many names that it does not show.
            (page(&["b"], Some("m")), vec!["c", "m", "n"], None, 9, page(&["b", "c", "m"], Some("m"))),
            (page(&[], Some("m")), vec!["n"], None, 9, page(&[], Some("m"))),
            (page(&["a"], Some("a")), vec!["b"], None, 0, page(&[], None)),
        ] {
            assert_eq!(here.clone().merged(elsewhere, last, limit), expected, "{here:?}");
        }
    }
}
