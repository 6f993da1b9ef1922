//! The files of a run: a directory for each node, below one that says whose it is.
//!
//! ```text
//! /var/tmp/squall-0/             of the user 0, the only one that may enter
//!     4f1c….owner -> BOOT SPACE PID STARTED
//!     4f1c…/started              the processes that the run 4f1c… has started
//!     4f1c…/node-1/              what its node-1 has stored
//! ```
//!
//! The owner is the text of a symbolic link, which is there whole or not at all, from before
//! the directory is made until after it is removed. It leads nowhere.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};

use squall_fault::node_name;
use squall_linux::run_owner::{Life, Owner};
use squall_world::{RealWorld, World};

use super::launch::LaunchFile;
use super::ledger::Entry;
use super::leftovers::Record;

/// On a disk, where a machine has one: syncs are to take what they take.
const PLACES: [&str; 2] = ["/var/tmp", "/tmp"];
const OWNER: &str = "owner";
const STARTED: &str = "started";
/// What a run has is its user's business alone.
const PRIVATE: u32 = 0o700;

/// Where a run keeps its files.
pub(super) struct Lab {
    base: PathBuf,
    /// In hexadecimal.
    pub run: String,
}

impl Lab {
    /// Makes directories for so many nodes.
    pub(super) fn make(count: usize) -> io::Result<Self> {
        let lab = Self {
            base: base()?,
            run: format!("{:016x}", RealWorld::random_u64()),
        };
        symlink(Owner::me().to_text(), lab.base.join(owner_of(&lab.run)))?;
        private_dir(&lab.dir())?;
        for node in 0..count {
            private_dir(&lab.node_dir(node))?;
        }
        Ok(lab)
    }

    fn dir(&self) -> PathBuf {
        self.base.join(&self.run)
    }

    /// Where a node stores what it has.
    pub(super) fn node_dir(&self, node: usize) -> PathBuf {
        self.dir().join(node_name(node))
    }

    /// Where the run writes down what it starts.
    pub(super) fn record(&self) -> PathBuf {
        self.dir().join(STARTED)
    }

    /// Throws away what a node has stored.
    pub(super) fn empty(&self, node: usize) -> io::Result<()> {
        let dir = self.node_dir(node);
        fs::remove_dir_all(&dir)?;
        private_dir(&dir)
    }

    /// Removes everything.
    pub(super) fn remove(&self) -> io::Result<()> {
        remove(&self.base, &self.run)
    }
}

/// Writes the files of a node whose directory is empty.
pub(super) fn write(dir: &Path, files: &[LaunchFile]) -> io::Result<()> {
    for file in files {
        let is_plain = |part: Component| matches!(part, Component::Normal(_));
        if !file.path.components().all(is_plain) || file.path.as_os_str().is_empty() {
            let path = file.path.display();
            let why = format!("{path} does not lead into the node's directory");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        let path = dir.join(&file.path);
        let parent = path.parent().expect("it is below a directory");
        fs::create_dir_all(parent)?;
        fs::write(&path, &file.content)?;
        if file.is_executable {
            let mut permissions = fs::metadata(&path)?.permissions();
            permissions.set_mode(PRIVATE);
            fs::set_permissions(&path, permissions)?;
        }
    }
    Ok(())
}

/// Whether there is nothing in a directory.
pub(super) fn is_empty(dir: &Path) -> io::Result<bool> {
    Ok(fs::read_dir(dir)?.next().is_none())
}

/// What runs whose process is dead have written down.
pub(super) fn dead() -> io::Result<Vec<Record>> {
    let base = base()?;
    let mut dead = Vec::new();
    for entry in fs::read_dir(&base)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let Some(run) = name.strip_suffix(&format!(".{OWNER}")) else {
            continue;
        };
        // One that has just ended takes its own away.
        let Ok(owner) = fs::read_link(base.join(&name)) else {
            continue;
        };
        let owner = Owner::parse(&owner.to_string_lossy());
        if owner.is_some_and(|owner| owner.life() == Life::Dead) {
            let dir = base.join(run);
            // It may have died before it started anything.
            let started = match fs::read(dir.join(STARTED)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                read => read.unwrap_or_default(),
            };
            dead.push(Record {
                run: run.to_owned(),
                dir,
                entries: Entry::read(&String::from_utf8_lossy(&started)),
            });
        }
    }
    Ok(dead)
}

/// Removes the files of runs of which no process is left.
pub(super) fn sweep(dead: &[Record]) -> io::Result<()> {
    let base = base()?;
    dead.iter().try_for_each(|dead| remove(&base, &dead.run))
}

fn remove(base: &Path, run: &str) -> io::Result<()> {
    let gone = |removed: io::Result<()>| match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    };
    gone(fs::remove_dir_all(base.join(run)))?;
    gone(fs::remove_file(base.join(owner_of(run))))
}

fn owner_of(run: &str) -> String {
    format!("{run}.{OWNER}")
}

/// This user's directory for runs, which nobody else has had a hand in.
fn base() -> io::Result<PathBuf> {
    let user = rustix::process::geteuid().as_raw();
    let place = PLACES.iter().map(Path::new).find(|place| place.is_dir());
    let place = place.ok_or_else(|| io::Error::other(format!("there is none of {PLACES:?}")))?;
    let base = place.join(format!("squall-{user}"));
    match private_dir(&base) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let found = fs::symlink_metadata(&base)?;
    if found.is_dir() && found.uid() == user && found.mode() & 0o077 == 0 {
        return Ok(base);
    }
    let base = base.display();
    let why = format!("{base} must be a directory that belongs to user {user} and nobody else");
    Err(io::Error::new(io::ErrorKind::PermissionDenied, why))
}

fn private_dir(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(PRIVATE).create(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str) -> LaunchFile {
        LaunchFile {
            path: path.into(),
            content: b"#!/bin/sh\n".to_vec(),
            is_executable: true,
        }
    }

    #[test]
    fn files_stay_within_the_directory_of_their_node() {
        let dir = tempfile::tempdir().expect("a directory");
        write(dir.path(), &[file("conf/run.sh")]).expect("plain names");
        let written = fs::metadata(dir.path().join("conf/run.sh")).expect("it was written");
        assert_eq!(written.mode() & 0o777, PRIVATE);
        for path in ["../up", "/etc/passwd", "a/../../b", ""] {
            let refused = write(dir.path(), &[file(path)]);
            assert!(refused.is_err(), "{path:?} was written");
        }
    }

    #[test]
    fn what_the_living_own_is_left_and_what_the_dead_owned_is_removed() {
        let mine = Lab::make(2).expect("a directory can be made");
        let of_dead = Lab::make(1).expect("a directory can be made");
        let link = of_dead.base.join(owner_of(&of_dead.run));
        fs::remove_file(&link).expect("it is ours");
        symlink("another-boot pid:[1] 1 1", &link).expect("it is gone");
        fs::write(of_dead.record(), "- another-boot pid:[1] 7 8\n").expect("it is ours");
        let dead = dead().expect("it is ours");
        let found = dead.iter().find(|dead| dead.run == of_dead.run);
        let found = found.expect("its boot is over");
        assert_eq!(found.entries.len(), 1);
        assert!(dead.iter().all(|dead| dead.run != mine.run));
        sweep(&dead).expect("it is ours");
        assert!(!of_dead.dir().exists() && fs::read_link(&link).is_err());
        fs::write(mine.node_dir(1).join("data"), "x").expect("it is ours");
        mine.empty(1).expect("it is ours");
        assert!(is_empty(&mine.node_dir(1)).expect("it is there"));
        mine.remove().expect("it is ours");
        assert!(!mine.dir().exists());
        mine.remove().expect("what is gone is gone");
    }
}
