//! Holds values by key, each with the number of the write that made it.

use std::collections::BTreeMap;

/// One line of text is enough for everything that is said; values hold no spaces.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Store {
    values: BTreeMap<String, (u64, String)>,
    /// Number of the last write.
    pub(crate) last: u64,
}

impl Store {
    /// Version and value; version 0 if the key was never written.
    pub(crate) fn get(&self, key: &str) -> (u64, Option<&str>) {
        let found = self.values.get(key);
        found.map_or((0, None), |(version, value)| (*version, Some(value)))
    }

    pub(crate) fn put(&mut self, version: u64, key: &str, value: &str) {
        let is_newer = self.get(key).0 < version;
        if is_newer {
            self.values
                .insert(key.to_owned(), (version, value.to_owned()));
        }
        self.last = self.last.max(version);
    }

    /// All of it in one line, which [`Store::parse`] reads.
    pub(crate) fn text(&self) -> String {
        let mut text = self.last.to_string();
        for (key, (version, value)) in &self.values {
            text += &format!(" {version} {key} {value}");
        }
        text
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let mut store = Self::default();
        let last = words.next()?.parse().ok()?;
        while let Some(version) = words.next() {
            store.put(version.parse().ok()?, words.next()?, words.next()?);
        }
        store.last = last;
        Some(store)
    }
}

#[cfg(test)]
mod tests {
    use super::Store;

    #[test]
    fn what_is_written_reads_back_and_old_writes_change_nothing() {
        let mut store = Store::default();
        store.put(3, "k", "new");
        store.put(2, "k", "old");
        store.put(5, "l", "x");
        assert_eq!(store.get("k"), (3, Some("new")));
        assert_eq!(store.get("nobody"), (0, None));
        assert_eq!(Store::parse(&store.text()), Some(store));
        assert_eq!(
            Store::parse(&Store::default().text()),
            Some(Store::default())
        );
        assert_eq!(Store::parse("1 2"), None);
    }
}
