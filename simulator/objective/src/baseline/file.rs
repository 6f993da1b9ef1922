//! `baselines.json`: made to be kept under version control. Names are in order, a line holds
//! one value, and nothing in it depends on when it was written.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::Baseline;

/// Version of the format that this code writes and reads.
const FORMAT_VERSION: u32 = 1;

/// A file of baselines, as `squall baseline` keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    squall_baselines: u32,
    /// By name, in alphabetical order, so that differences between versions stay small.
    pub baselines: BTreeMap<String, Baseline>,
}

impl Default for File {
    fn default() -> Self {
        Self {
            squall_baselines: FORMAT_VERSION,
            baselines: BTreeMap::new(),
        }
    }
}

/// Why baselines could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The operating system refused.
    #[error("{path}: {source}")]
    Io {
        /// As it was given.
        path: String,
        /// With the reason.
        source: io::Error,
    },
    /// There is no such file.
    #[error("{path}: no file of baselines; `squall baseline save RUN_DIR --file {path}` makes one")]
    Missing {
        /// As it was given.
        path: String,
    },
    /// The file is no JSON, or not of this format.
    #[error("{path}: {detail}")]
    Malformed {
        /// As it was given.
        path: String,
        /// What the parser did not like, or which version was found.
        detail: String,
    },
    /// The file has baselines, but none of that name.
    #[error("{path}: no baseline {name}; it has {known}")]
    Unknown {
        /// As it was given.
        path: String,
        /// As it was asked for.
        name: String,
        /// Those that the file has, separated by commas, or words for none.
        known: String,
    },
}

impl File {
    /// # Errors
    /// It cannot be read, or is no file of baselines of this format.
    pub fn load(path: &Path) -> Result<Self, FileError> {
        let name = || path.display().to_string();
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                return Err(FileError::Missing { path: name() });
            }
            Err(source) => {
                let path = name();
                return Err(FileError::Io { path, source });
            }
        };
        let malformed = |detail: String| FileError::Malformed {
            path: name(),
            detail,
        };
        let file: File = serde_json::from_str(&text).map_err(|e| malformed(e.to_string()))?;
        if file.squall_baselines != FORMAT_VERSION {
            return Err(malformed(format!(
                "format {}, but this program reads format {FORMAT_VERSION}",
                file.squall_baselines
            )));
        }
        Ok(file)
    }

    /// The file, or an empty one if there is none yet.
    ///
    /// # Errors
    /// As [`File::load`].
    pub fn load_or_new(path: &Path) -> Result<Self, FileError> {
        match Self::load(path) {
            Err(FileError::Missing { .. }) => Ok(Self::default()),
            loaded => loaded,
        }
    }

    /// The baseline of that name in the file at `path`.
    ///
    /// # Errors
    /// There is none.
    pub fn get(&self, path: &Path, name: &str) -> Result<&Baseline, FileError> {
        self.baselines.get(name).ok_or_else(|| {
            let known: Vec<&str> = self.baselines.keys().map(String::as_str).collect();
            FileError::Unknown {
                path: path.display().to_string(),
                name: name.into(),
                known: match known.is_empty() {
                    true => "none".into(),
                    false => known.join(", "),
                },
            }
        })
    }

    /// Indented, with a line end: fit for version control.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("plain data") + "\n"
    }

    /// Writes the file whole or not at all.
    ///
    /// # Errors
    /// The disk's.
    pub fn save(&self, path: &Path) -> Result<(), FileError> {
        let draft = path.with_extension("draft");
        let written = fs::write(&draft, self.to_json()).and_then(|()| fs::rename(&draft, path));
        written.map_err(|source| FileError::Io {
            path: path.display().to_string(),
            source,
        })
    }
}
