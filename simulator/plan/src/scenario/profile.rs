//! A profile: a file with nothing but `[hardware]`, for scenarios to be run with.
//!
//! It is read and checked by itself, so that its mistakes are reported in its own lines;
//! then its table takes the place of the scenario's, before overrides are applied.

use std::path::Path;

use serde::Deserialize;
use toml::de::{DeTable, Deserializer};

use super::hardware::{self, Hardware};
use super::source::Source;
use super::{ScenarioError, read_file};

/// A profile that passed every check.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    source: Source,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    hardware: Hardware,
}

impl Profile {
    /// Reads a file. Errors name the file as it was given.
    pub fn load(path: impl AsRef<Path>) -> Result<Profile, ScenarioError> {
        let (origin, text) = read_file(path.as_ref())?;
        Profile::parse(&text, &origin)
    }

    /// Reads a text; `origin` is what errors call it.
    pub fn parse(text: &str, origin: &str) -> Result<Profile, ScenarioError> {
        let source = Source {
            origin: origin.to_owned(),
            text: text.to_owned(),
            ..Source::default()
        };
        let document = DeTable::parse(text).map_err(|error| source.toml_error(&error))?;
        let file = File::deserialize(Deserializer::from(document))
            .map_err(|error| source.toml_error(&error))?;
        hardware::check(&file.hardware).map_err(|problem| source.error(problem))?;
        Ok(Profile { source })
    }

    /// The text that was read.
    pub fn text(&self) -> &str {
        &self.source.text
    }

    /// What errors call it: its path, if it was loaded.
    pub fn origin(&self) -> &str {
        &self.source.origin
    }
}
