//! `squall report --html`: the page of a run, of a sweep, or of several runs side by side.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::exit::Failure;
use super::player::{Messages, Stored};
use crate::report::{Report, html};
use crate::run_dir::{PAGE, RESOURCES, RunDir, RunDirError};
use crate::sweep::{self, store};

/// Writes the page of whatever the directory holds; where it is. `messages` are those of a
/// run's player.
pub(super) fn write(
    dir: &Path,
    out: Option<&Path>,
    messages: Option<Messages>,
) -> Result<PathBuf, Failure> {
    let page = match RunDir::is_at(dir) && !store::is_sweep(dir) {
        true => of_run(dir, messages)?,
        false if messages.is_some() => {
            return Err(Failure::usage(format!(
                "{}: no run directory, and --messages is for the page of a run",
                dir.display()
            )));
        }
        false if store::is_sweep(dir) => of_sweep(dir)?,
        false => of_variants(dir)?,
    };
    let out = out.map_or_else(|| dir.join(PAGE), PathBuf::from);
    write_whole(&out, &page).map_err(|e| Failure::at(&out, &e))?;
    Ok(out)
}

/// Moved into place whole, so that whoever is interrupted leaves no half of a page. What is
/// there and no ordinary file, a pipe or a link say, stays what it is and is written to.
fn write_whole(out: &Path, page: &str) -> io::Result<()> {
    let is_special = fs::symlink_metadata(out).is_ok_and(|found| !found.is_file());
    let Some(name) = out.file_name().filter(|_| !is_special) else {
        return fs::write(out, page);
    };
    let mut hidden = OsString::from(".");
    hidden.push(name);
    hidden.push(".draft");
    let draft = out.with_file_name(hidden);
    let written = fs::write(&draft, page).and_then(|()| fs::rename(&draft, out));
    if written.is_err() {
        // Whatever is left of it; the error is the one above.
        let _ = fs::remove_file(&draft);
    }
    written
}

fn of_run(path: &Path, messages: Option<Messages>) -> Result<String, Failure> {
    let (dir, manifest) = RunDir::open(path)?;
    let report = dir.report()?;
    let (header, history) = dir.history()?;
    if history.sha256(&header) != report.sim.history_sha256 {
        return Err(Failure::usage(format!(
            "{}: report.json is of another history; `squall check` judges this one",
            path.display()
        )));
    }
    let samples = dir.samples()?;
    let malformed = |e| Failure::usage(format!("{}: {e}", path.join(RESOURCES).display()));
    let stored = Stored {
        path,
        dir: &dir,
        manifest: &manifest,
        report: &report,
        history: &history,
    };
    let player = stored.player(messages)?;
    html::run_page(&report, &history, samples.as_deref(), Some(&player)).map_err(malformed)
}

fn of_sweep(dir: &Path) -> Result<String, Failure> {
    let (spec, results) = store::read(dir)?;
    let summary = match store::summary(dir)? {
        Some(stored) => stored,
        // It is still at work, or was killed: of what is done.
        None => sweep::Summary::of(&spec, &results, 0, sweep::Wall::default()),
    };
    Ok(sweep::html(&summary, &results))
}

/// Every directory in it that is a run is a variant.
fn of_variants(dir: &Path) -> Result<String, Failure> {
    let mut variants: Vec<(String, Report)> = Vec::new();
    let entries =
        fs::read_dir(dir).map_err(|e| Failure::usage(format!("{}: {e}", dir.display())))?;
    for entry in entries {
        let path = entry.map_err(|e| Failure::at(dir, &e))?.path();
        if RunDir::is_at(&path) {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            variants.push((name.into_owned(), RunDir::open(&path)?.0.report()?));
        }
    }
    let Some((_, first)) = variants.first() else {
        if let Err(unfinished @ RunDirError::Unfinished(_)) = RunDir::open(dir) {
            return Err(unfinished.into());
        }
        return Err(Failure::usage(format!(
            "{}: neither a run directory, nor a sweep, nor a directory that holds runs",
            dir.display()
        )));
    };
    let title = first.scenario.clone();
    Ok(html::scalability_page(&title, &variants))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_written_whole_and_a_link_stays_one() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let names = || -> Vec<String> {
            let entries = fs::read_dir(dir.path()).expect("the directory is ours");
            let names = entries.map(|entry| entry.expect("it is there").file_name());
            let mut names: Vec<_> = names.map(|n| n.into_string().expect("text")).collect();
            names.sort_unstable();
            names
        };
        let page = dir.path().join(PAGE);
        for text in ["first", "second"] {
            write_whole(&page, text).expect("there is room");
            assert_eq!(fs::read_to_string(&page).expect("it is there"), text);
        }
        assert_eq!(names(), [PAGE]);
        let link = dir.path().join("link.html");
        std::os::unix::fs::symlink(&page, &link).expect("links can be made");
        write_whole(&link, "third").expect("there is room");
        assert_eq!(fs::read_to_string(&page).expect("it is there"), "third");
        assert!(link.is_symlink());
        // A directory is in the way: no draft stays behind.
        let taken = dir.path().join("taken");
        fs::create_dir(&taken).expect("the directory is ours");
        write_whole(&taken, "").expect_err("it is a directory");
        write_whole(&dir.path().join("nowhere/page.html"), "").expect_err("no such directory");
        assert_eq!(names(), ["link.html", PAGE, "taken"]);
    }
}
