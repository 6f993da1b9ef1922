//! Lists the reasons why stored state cannot be opened.
//!
//! Every variant but [`OpenError::Io`] means that starting anyway could break a promise made
//! before the restart: a forgotten vote elects two leaders, a forgotten entry loses an
//! acknowledged write. The way out is to wipe the node and let it rejoin, which is a decision
//! for an operator and not for this module.

use std::io;

/// The reason why a log or a snapshot was refused.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The disk itself failed; nothing is known about the file.
    #[error("storage cannot be read: {0}")]
    Io(#[from] io::Error),
    /// The file is ours, and no crash explains what it holds.
    #[error("{file} is damaged at byte {offset}: {detail}")]
    Damaged {
        /// Its name in the data directory.
        file: String,
        /// In bytes from the start of the file.
        offset: u64,
        /// What is there, and what should be.
        detail: String,
    },
    /// The file does not start with our magic bytes.
    #[error("{file} was not written by this program (its first bytes are foreign)")]
    NotOurs {
        /// Its name in the data directory.
        file: String,
    },
    /// The file is ours, in a format of another release.
    #[error("{file} has format version {found}; this program reads version {supported}")]
    Version {
        /// Its name in the data directory.
        file: String,
        /// Of the file.
        found: u32,
        /// The only one that can be read.
        supported: u32,
    },
}

impl OpenError {
    pub(crate) fn damaged(file: &str, offset: usize, detail: impl Into<String>) -> OpenError {
        OpenError::Damaged {
            file: file.to_owned(),
            offset: offset as u64,
            detail: detail.into(),
        }
    }
}
