//! Other files in TOML that are read as strictly as scenarios: every error has its place.

use std::ops::Range;
use std::path::Path;

use serde::de::DeserializeOwned;

use super::source::{Problem, ScenarioError, Source};
use super::{Deserializer, read_file};

/// The text of a file, and what errors call it.
#[derive(Debug, Clone, PartialEq)]
pub struct TomlFile {
    source: Source,
}

impl TomlFile {
    /// Of a text; `origin` is what errors call it.
    pub fn new(text: &str, origin: &str) -> Self {
        let source = Source {
            origin: origin.to_owned(),
            text: text.to_owned(),
            ..Source::default()
        };
        Self { source }
    }

    /// Of a file.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, ScenarioError> {
        let (origin, text) = read_file(path.as_ref())?;
        Ok(Self::new(&text, &origin))
    }

    /// What it holds.
    ///
    /// # Errors
    /// It is no TOML, or holds something else: with line and column, and the nearest known name
    /// for an unknown one.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, ScenarioError> {
        let read = Deserializer::parse(&self.source.text).and_then(T::deserialize);
        read.map_err(|error| self.source.toml_error(&error))
    }

    /// A mistake at a place of the text, which is that of a [`toml::Spanned`].
    pub fn error(&self, span: Range<usize>, message: impl Into<String>) -> ScenarioError {
        self.source.error(Problem::new(span, message))
    }

    /// As it was read.
    pub fn text(&self) -> &str {
        &self.source.text
    }
}
