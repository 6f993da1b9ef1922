//! A stored run, made again: whether it can be, and where its second self goes.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::exit::Failure;
use crate::run_dir::Manifest;

/// Refuses a run that would be another one the second time.
pub(super) fn must_be_repeatable(run_dir: &Path, manifest: &Manifest) -> Result<(), Failure> {
    match manifest.is_repeatable() {
        true => Ok(()),
        false => Err(Failure::usage(format!(
            "{} was made on the {} backend, where nothing happens twice in the same way; to do \
             the like again: {}",
            run_dir.display(),
            manifest.backend,
            manifest.reproduce()
        ))),
    }
}

/// An empty directory beside a run, which nobody else uses. It goes when this does.
pub(super) struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// Beside and not below, so that the run directory holds the run and nothing else; and not
    /// in the system's place for such things, which may be too small for a history.
    pub(super) fn beside(run_dir: &Path) -> Result<Self, Failure> {
        // `.` has no name to put anything beside, and a link may lead to another disk.
        let run_dir = fs::canonicalize(run_dir).map_err(|e| Failure::at(run_dir, &e))?;
        let (Some(parent), Some(name)) = (run_dir.parent(), run_dir.file_name()) else {
            return Err(Failure::usage(format!(
                "{}: nothing can be made beside it; move the run into a directory",
                run_dir.display()
            )));
        };
        for number in 1.. {
            let mut hidden = OsString::from(".");
            hidden.push(name);
            hidden.push(format!(".again-{number}"));
            let path = parent.join(hidden);
            match fs::create_dir(&path) {
                Ok(()) => return Ok(Self { path }),
                // Someone else's, or what a killed process has left.
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                Err(e) => {
                    return Err(Failure::harness(format!(
                        "{}: {e}; the run is made again beside the first, so that place must \
                         be writable: copy the run directory to one that is",
                        parent.display()
                    )));
                }
            }
        }
        unreachable!("numbers do not end")
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    /// Whatever has ended the work. That it stays is no reason to hide what was found.
    fn drop(&mut self) {
        if let Err(e) = fs::remove_dir_all(&self.path) {
            super::tell(&format!("warning: {}: {e}", self.path.display()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_exists_is_neither_taken_nor_removed() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let run = dir.path().join("v1.2");
        for taken in ["v1.2", "v1.3", ".v1.2.again-1"] {
            fs::create_dir(dir.path().join(taken)).expect("the directory is ours");
        }
        let places = {
            let scratches = [(); 2].map(|()| Scratch::beside(&run).expect("there is room"));
            scratches.map(|scratch| scratch.path().to_owned())
        };
        for (place, name) in places.iter().zip([".v1.2.again-2", ".v1.2.again-3"]) {
            assert!(place.ends_with(name), "{}", place.display());
            assert!(!place.exists(), "it went");
        }
        assert_eq!(fs::read_dir(dir.path()).expect("it is there").count(), 3);
    }

    #[test]
    fn the_root_has_nothing_beside_it() {
        let refused = Scratch::beside(Path::new("/")).err().expect("no room");
        assert_eq!(refused.exit, super::super::exit::Exit::Usage);
    }
}
