//! `squall list`.

use std::path::PathBuf;

use super::args::ListArgs;
use super::exit::{Exit, Failure};
use super::print;
use crate::scenario::Scenario;

/// One line a scenario: name and summary.
pub(super) fn list(args: &ListArgs) -> Result<u8, Failure> {
    let at = |e| Failure::usage(format!("{}: {e}", args.directory.display()));
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(&args.directory).map_err(at)? {
        let path = entry.map_err(at)?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            files.push(path);
        }
    }
    files.sort();
    let mut rows = Vec::new();
    for file in files {
        let scenario = Scenario::load(&file)?;
        rows.push((file.display().to_string(), scenario.summary));
    }
    let width = rows.iter().map(|(file, _)| file.len()).max().unwrap_or(0);
    for (file, summary) in rows {
        print(&format!("{file:width$}  {summary}\n"));
    }
    Ok(Exit::Pass as u8)
}
