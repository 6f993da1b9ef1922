//! Helps the tests in this crate: finds the repository, reads its source files as tokens, and
//! compares texts with files.
//!
//! It uses none of Squall's crates, so that they stay development dependencies; the manifest
//! says why.

#![warn(missing_docs)]

pub mod golden;
pub mod source;

use std::path::{Path, PathBuf};

/// The root of the repository.
pub fn repository() -> PathBuf {
    let this_crate = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = this_crate.parent().expect("the crate is in a workspace");
    root.to_path_buf()
}
