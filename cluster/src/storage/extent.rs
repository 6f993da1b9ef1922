//! Tracks which entries a log holds, and whether a record fits after them.
//!
//! Writing and replaying ask the same question here, so a log that was accepted when it was
//! written is accepted when it is read; a gap left by the layer above is refused before it
//! reaches the disk, and not discovered at the next restart.

use super::record::Record;

/// The entries in a log: those after `purged` up to `last`. Both are 0 at first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Extent {
    purged: u64,
    /// Never below `purged`.
    last: u64,
}

impl Extent {
    /// Moves on over `record`, or says why it cannot stand at this place.
    pub(super) fn advance(&mut self, record: &Record) -> Result<(), String> {
        match record {
            Record::Entry { index: 0, .. } => return Err("entries are numbered from 1".to_owned()),
            Record::Entry { index, .. } if *index - 1 > self.last => {
                return Err(format!("entry {index} follows entry {}", self.last));
            }
            Record::Entry { index, .. } if self.holds(*index) => self.last = *index,
            Record::Entry { .. } => {}
            Record::TruncateAfter { index } => {
                self.last = self.last.min(self.purged.max(*index));
            }
            Record::Purged { index, .. } => {
                self.purged = self.purged.max(*index);
                self.last = self.last.max(self.purged);
            }
            Record::Vote(_) | Record::Committed(_) => {}
        }
        Ok(())
    }

    /// Whether an entry of this index is still wanted.
    pub(super) fn holds(&self, index: u64) -> bool {
        index > self.purged
    }
}
