//! A disk in memory that forgets what was not synced.
//!
//! It keeps, for every file, what a reader sees and what a power loss would leave, with the
//! changes in between in order; likewise for names. Tests number the syncs, stop the machine
//! at any of them, and choose what survives. A failed sync behaves as on Linux: the bytes
//! stay readable, count as clean, and are never written (see `fuse.rs`).
//!
//! It models no latency, has as much space as a test says, and keeps removed files: it is for
//! tests of this module and of those above, not for simulation.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;

use super::{Disk, DiskFile};

/// What survives a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrashMode {
    /// The process died and the machine lives on: everything stays readable, and what was
    /// unsynced remains so.
    Kill,
    /// Power was lost, and with it everything unsynced.
    DropUnsynced,
    /// Power was lost. The first `names` unsynced changes of names survive, and of every
    /// file the first `bytes` bytes of its unsynced writes.
    Torn {
        /// Unsynced bytes of each file that are kept.
        bytes: usize,
        /// Unsynced changes of names that are kept.
        names: usize,
    },
    /// Power was lost after sectors were written out of order: everything survives except
    /// the first `lost` bytes of every file's unsynced writes.
    Holed {
        /// The unsynced write that is lost, counted from 0.
        lost: usize,
    },
}

/// The disk. Clones share it, and so outlive the code under test.
#[derive(Clone, Default)]
pub struct MemoryDisk {
    machine: Rc<RefCell<Machine>>,
}

impl MemoryDisk {
    /// An empty disk.
    pub fn new() -> MemoryDisk {
        MemoryDisk::default()
    }

    /// Syncs so far, of files and of the directory, counting those that failed.
    pub fn syncs(&self) -> u64 {
        self.machine.borrow().syncs
    }

    /// Stops the machine when the `sync`-th sync from now begins, counted from 1. It and
    /// every later call fail, until [`MemoryDisk::crash`].
    pub fn crash_at_sync(&self, sync: u64) {
        let mut machine = self.machine.borrow_mut();
        machine.crash_at = Some(machine.syncs + sync);
    }

    /// Fails the `sync`-th sync from now, counted from 1, and drops what it should have
    /// made durable.
    pub fn fail_sync(&self, sync: u64) {
        let mut machine = self.machine.borrow_mut();
        machine.fail_at = Some(machine.syncs + sync);
    }

    /// What it says is free from now on; at first it does not know. `None` fails, as a disk
    /// does that cannot tell at the moment. Writes do not count.
    pub fn set_free_bytes(&self, free: Option<u64>) {
        self.machine.borrow_mut().free = Some(free);
    }

    /// Crashes and starts again. Files opened before fail from here on.
    pub fn crash(&self, mode: CrashMode) {
        self.machine.borrow_mut().restart(mode);
    }

    /// What a reader of the file sees; `None` if there is no such file.
    pub fn contents(&self, name: &str) -> Option<Vec<u8>> {
        let machine = self.machine.borrow();
        let inode = *machine.names.get(name)?;
        Some(machine.inodes[inode].visible.clone())
    }

    /// Puts a file in place, durably.
    pub fn put(&self, name: &str, contents: &[u8]) {
        let mut machine = self.machine.borrow_mut();
        let inode = machine.add(Inode {
            visible: contents.to_vec(),
            durable: contents.to_vec(),
            changes: Vec::new(),
        });
        machine.names.insert(name.to_owned(), inode);
        machine.durable_names.insert(name.to_owned(), inode);
    }
}

impl Disk for MemoryDisk {
    type File = MemoryFile;

    async fn open(&self, name: &str, create: bool) -> io::Result<MemoryFile> {
        let mut machine = self.machine.borrow_mut();
        let boot = machine.boot;
        machine.check(boot)?;
        let inode = match machine.names.get(name) {
            Some(inode) => *inode,
            None if create => {
                let inode = machine.add(Inode::default());
                machine.change_names(NameChange::Create(name.to_owned(), inode));
                inode
            }
            None => return Err(not_found(name)),
        };
        Ok(MemoryFile {
            machine: Rc::clone(&self.machine),
            inode,
            boot,
        })
    }

    async fn list(&self) -> io::Result<Vec<String>> {
        let machine = self.machine.borrow();
        machine.check(machine.boot)?;
        Ok(machine.names.keys().cloned().collect())
    }

    async fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let change = NameChange::Rename(from.to_owned(), to.to_owned());
        self.machine.borrow_mut().change_existing(from, change)
    }

    async fn remove(&self, name: &str) -> io::Result<()> {
        let change = NameChange::Remove(name.to_owned());
        self.machine.borrow_mut().change_existing(name, change)
    }

    async fn sync_dir(&self) -> io::Result<()> {
        let mut machine = self.machine.borrow_mut();
        machine.check(machine.boot)?;
        machine.begin_sync()?;
        machine.durable_names = machine.names.clone();
        machine.name_changes.clear();
        Ok(())
    }

    async fn free_bytes(&self) -> io::Result<Option<u64>> {
        match self.machine.borrow().free {
            None => Ok(None),
            Some(None) => Err(io::Error::other("it does not tell")),
            Some(free) => Ok(free),
        }
    }
}

/// An open file of a [`MemoryDisk`].
pub struct MemoryFile {
    machine: Rc<RefCell<Machine>>,
    inode: usize,
    boot: u64,
}

impl MemoryFile {
    fn with<T>(&self, work: impl FnOnce(&mut Inode) -> io::Result<T>) -> io::Result<T> {
        let mut machine = self.machine.borrow_mut();
        machine.check(self.boot)?;
        work(&mut machine.inodes[self.inode])
    }
}

impl DiskFile for MemoryFile {
    async fn len(&self) -> io::Result<u64> {
        self.with(|inode| Ok(inode.visible.len() as u64))
    }

    async fn read_at(&self, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        self.with(|inode| {
            let start = position(offset)?;
            let range = start..start.saturating_add(len);
            let bytes = inode.visible.get(range);
            Ok(bytes.ok_or(io::ErrorKind::UnexpectedEof)?.to_vec())
        })
    }

    async fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let offset = position(offset)?;
        let data = data.to_vec();
        self.with(|inode| inode.change(Change::Write { offset, data }))
    }

    async fn set_len(&self, len: u64) -> io::Result<()> {
        let len = position(len)?;
        self.with(|inode| inode.change(Change::SetLen(len)))
    }

    async fn sync(&self) -> io::Result<()> {
        let begun = {
            let mut machine = self.machine.borrow_mut();
            machine.check(self.boot)?;
            machine.begin_sync()
        };
        if begun.is_err() && self.machine.borrow().off {
            return begun;
        }
        self.with(|inode| {
            for change in std::mem::take(&mut inode.changes) {
                if begun.is_ok() {
                    change.apply(&mut inode.durable);
                }
            }
            begun
        })
    }
}

#[derive(Default)]
struct Machine {
    inodes: Vec<Inode>,
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    name_changes: Vec<NameChange>,
    syncs: u64,
    crash_at: Option<u64>,
    fail_at: Option<u64>,
    /// What it says is free: nothing while nobody has said, and then that, or an error.
    free: Option<Option<u64>>,
    off: bool,
    boot: u64,
}

impl Machine {
    fn check(&self, boot: u64) -> io::Result<()> {
        if self.off {
            return Err(io::Error::other("the machine has no power"));
        }
        if boot != self.boot {
            return Err(io::Error::other("the file was opened before the crash"));
        }
        Ok(())
    }

    fn add(&mut self, inode: Inode) -> usize {
        self.inodes.push(inode);
        self.inodes.len() - 1
    }

    fn change_names(&mut self, change: NameChange) {
        change.apply(&mut self.names);
        self.name_changes.push(change);
    }

    fn change_existing(&mut self, name: &str, change: NameChange) -> io::Result<()> {
        self.check(self.boot)?;
        if !self.names.contains_key(name) {
            return Err(not_found(name));
        }
        self.change_names(change);
        Ok(())
    }

    fn begin_sync(&mut self) -> io::Result<()> {
        self.syncs += 1;
        if self.crash_at == Some(self.syncs) {
            self.off = true;
            return Err(io::Error::other("the machine lost power"));
        }
        if self.fail_at == Some(self.syncs) {
            return Err(io::Error::other("the disk failed to sync"));
        }
        Ok(())
    }

    fn restart(&mut self, mode: CrashMode) {
        self.boot += 1;
        self.off = false;
        self.crash_at = None;
        self.fail_at = None;
        if mode == CrashMode::Kill {
            return;
        }
        for inode in &mut self.inodes {
            inode.lose_power(mode);
        }
        let kept = match mode {
            CrashMode::Torn { names, .. } => names,
            CrashMode::Holed { .. } => usize::MAX,
            CrashMode::DropUnsynced | CrashMode::Kill => 0,
        };
        for change in self.name_changes.drain(..).take(kept) {
            change.apply(&mut self.durable_names);
        }
        self.names = self.durable_names.clone();
    }
}

#[derive(Default)]
struct Inode {
    visible: Vec<u8>,
    durable: Vec<u8>,
    /// From `durable` to `visible`, unless a sync failed.
    changes: Vec<Change>,
}

impl Inode {
    fn change(&mut self, change: Change) -> io::Result<()> {
        change.apply(&mut self.visible);
        self.changes.push(change);
        Ok(())
    }

    fn lose_power(&mut self, mode: CrashMode) {
        let (mut lost, mut kept) = match mode {
            CrashMode::Torn { bytes, .. } => (0, bytes),
            CrashMode::Holed { lost } => (lost, usize::MAX),
            CrashMode::DropUnsynced | CrashMode::Kill => (0, 0),
        };
        for change in self.changes.drain(..) {
            if kept == 0 {
                break;
            }
            match change {
                Change::Write { offset, data } => {
                    let start = lost.min(data.len());
                    let end = kept.min(data.len());
                    lost -= start;
                    kept -= end;
                    let offset = offset + start;
                    let data = data[start..end].to_vec();
                    Change::Write { offset, data }.apply(&mut self.durable);
                }
                change @ Change::SetLen(_) => change.apply(&mut self.durable),
            }
        }
        self.visible = self.durable.clone();
    }
}

enum Change {
    Write { offset: usize, data: Vec<u8> },
    SetLen(usize),
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Change::Write { data, .. } if data.is_empty() => {}
            Change::Write { offset, data } => {
                let end = offset + data.len();
                if bytes.len() < end {
                    bytes.resize(end, 0);
                }
                bytes[*offset..end].copy_from_slice(data);
            }
            Change::SetLen(len) => bytes.resize(*len, 0),
        }
    }
}

enum NameChange {
    Create(String, usize),
    Rename(String, String),
    Remove(String),
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<String, usize>) {
        match self {
            NameChange::Create(name, inode) => {
                names.insert(name.clone(), *inode);
            }
            NameChange::Rename(from, to) => {
                if let Some(inode) = names.remove(from) {
                    names.insert(to.clone(), inode);
                }
            }
            NameChange::Remove(name) => {
                names.remove(name);
            }
        }
    }
}

fn position(offset: u64) -> io::Result<usize> {
    usize::try_from(offset).map_err(io::Error::other)
}

fn not_found(name: &str) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("there is no file {name}"))
}
