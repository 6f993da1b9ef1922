//! The scripts that clients may call by their digests.

use std::cell::RefCell;
use std::collections::BTreeMap;

use bytes::Bytes;

use crate::protocol::{Script, sha1_hex};

/// Most texts that are remembered. Only those of known scripts are; this bounds how many ways
/// of writing them.
const MOST: usize = 1_024;

/// Known scripts by the digests of the texts in which they were loaded.
#[derive(Default)]
pub(super) struct Scripts(RefCell<BTreeMap<String, Script>>);

impl Scripts {
    /// Remembers the text; its digest. `None` if it does nothing that is known.
    pub(super) fn load(&self, text: &[u8]) -> Option<String> {
        let script = Script::recognise(text)?;
        let digest = sha1_hex(text);
        let mut scripts = self.0.borrow_mut();
        if scripts.len() >= MOST {
            scripts.pop_first();
        }
        scripts.insert(digest.clone(), script);
        Some(digest)
    }

    pub(super) fn find(&self, digest: &Bytes) -> Option<Script> {
        let digest = std::str::from_utf8(digest).ok()?.to_ascii_lowercase();
        self.0.borrow().get(&digest).copied()
    }

    pub(super) fn forget(&self) {
        self.0.borrow_mut().clear();
    }
}
