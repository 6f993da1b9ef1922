//! The files that a CI server reads: JUnit XML, and a summary in Markdown.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::report::cases::Suite;
use crate::report::write::{junit, summary};

/// Which files are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CiFiles {
    /// Written anew: every check and objective as a test case.
    pub junit: Option<PathBuf>,
    /// Appended to, as `$GITHUB_STEP_SUMMARY` wants it.
    pub summary: Option<PathBuf>,
}

/// What stands over the cases of a summary.
#[derive(Debug, Clone)]
pub struct Heading {
    pub title: String,
    /// In a sentence.
    pub lead: String,
    /// Commands that run again what is shown.
    pub commands: Vec<String>,
}

impl CiFiles {
    pub fn is_empty(&self) -> bool {
        self.junit.is_none() && self.summary.is_none()
    }

    /// # Errors
    /// A file cannot be written: which, and why.
    pub fn write(&self, heading: &Heading, suites: &[Suite]) -> Result<(), (PathBuf, io::Error)> {
        let at = |path: &Path| {
            let path = path.to_owned();
            move |e| (path, e)
        };
        if let Some(path) = &self.junit {
            fs::write(path, junit::xml(suites)).map_err(at(path))?;
        }
        if let Some(path) = &self.summary {
            let Heading {
                title,
                lead,
                commands,
            } = heading;
            let text = summary::summary(title, lead, suites, commands) + "\n";
            let file = File::options().create(true).append(true).open(path);
            file.and_then(|mut file| file.write_all(text.as_bytes()))
                .map_err(at(path))?;
        }
        Ok(())
    }
}
