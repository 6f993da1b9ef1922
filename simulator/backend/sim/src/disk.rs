//! A host's disk: `turmoil-fs` behind the cluster's [`Disk`] seam, with a cost per sync.
//!
//! `turmoil-fs` keeps written and durable bytes apart; a power loss drops what was not
//! synced, and may keep the first blocks of the last write (a torn tail). A killed process
//! loses nothing: its writes are in the page cache of a machine that goes on.
//!
//! Faults (`super::disk_fault`) are laid over this from outside and lifted again; each
//! counts the operations that met it, which is how it is known to have had an effect.

use std::cell::{Cell, RefCell};
use std::io;
use std::os::unix::fs::FileExt;
use std::rc::Rc;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use squall_cluster::storage::{Disk, DiskFile};
use turmoil_fs::Fs;
use turmoil_fs::shim::std::fs::{self, File, OpenOptions};

use super::disk_fault::Faults;
use super::open_files::{Aside, OpenFiles};
use super::points;
use super::trace;
use squall_engine::executor::{self, Nanos};
use squall_fault::Point;
use squall_plan::plan::{DiskPlan, Quantiles};

/// Where a node keeps its log.
pub(super) const LOG_NAME: &str = "wal";
pub(super) const LOG_PATH: &str = "/wal";
/// A write of this size carries nothing that could be lost.
const EMPTY_BATCH_BYTES: usize = 40;
/// Granularity of torn writes.
const BLOCK_BYTES: u64 = 512;

/// The disk of one host. Clones are the same disk.
#[derive(Clone)]
pub struct SimDisk {
    pub(super) shared: Rc<Shared>,
}

pub(super) struct Shared {
    fs: Fs,
    open_files: OpenFiles,
    pub(super) faults: Faults,
    sync_min: Nanos,
    sync_max: Nanos,
    measured_sync: Option<Quantiles>,
    pub(super) rng: RefCell<ChaCha8Rng>,
    syncs: Cell<u64>,
    /// The last write to the log, if no sync has followed it yet.
    pub(super) unsynced: RefCell<Option<Unsynced>>,
    /// Where the last two writes to the log began.
    log_writes: Cell<[u64; 2]>,
}

/// A write that a power loss may tear.
pub(super) struct Unsynced {
    pub(super) offset: u64,
    pub(super) data: Vec<u8>,
    /// It goes where the log ends; otherwise it has gone astray.
    pub(super) appends: bool,
}

impl SimDisk {
    /// An empty disk with the costs of the plan.
    pub fn new(plan: &DiskPlan, seed: u64, rng: ChaCha8Rng) -> Self {
        Self {
            shared: Rc::new(Shared {
                fs: Fs::builder().block_size(BLOCK_BYTES).seed(seed).build(),
                open_files: OpenFiles::default(),
                faults: Faults::default(),
                sync_min: plan.sync_min_us * 1_000,
                sync_max: plan.sync_max_us * 1_000,
                measured_sync: plan.measured_sync.clone(),
                rng: RefCell::new(rng),
                syncs: Cell::new(0),
                unsynced: RefCell::default(),
                log_writes: Cell::default(),
            }),
        }
    }

    /// The machine loses power: what was not synced is gone, or torn.
    pub fn lose_power(&self) {
        self.shared.fs.crash();
        *self.shared.unsynced.borrow_mut() = None;
    }

    pub(super) fn with<R>(&self, work: impl FnOnce() -> R) -> R {
        let _entered = self.shared.fs.enter();
        work()
    }

    /// Waits as long as a sync takes. A disk does one at a time, but a node has only one
    /// writer, so there is nothing to queue for.
    async fn sync_cost(&self) {
        let shared = &self.shared;
        shared.syncs.set(shared.syncs.get() + 1);
        let cost = match &shared.measured_sync {
            Some(measured) => measured.draw(&mut shared.rng.borrow_mut()),
            None if shared.sync_min < shared.sync_max => {
                (shared.rng.borrow_mut()).random_range(shared.sync_min..=shared.sync_max)
            }
            None => shared.sync_min,
        };
        let cost = cost + shared.faults.sync_delay();
        let executor = executor::current();
        let number = trace::sync_begins(executor.host());
        match executor.background(executor.host()) {
            _ if cost == 0 => {}
            None => executor.sleep_until(executor.now() + cost).await,
            Some(background) => executor.sync_in_background(background, cost).await,
        }
        trace::synced(number);
    }
}

fn path(name: &str) -> io::Result<String> {
    if name.is_empty() || name.contains('/') {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("{name:?} is no plain file name"),
        ));
    }
    Ok(format!("/{name}"))
}

/// `turmoil-fs` has no error kind of its own for this.
fn must_exist(path: &str) -> io::Result<()> {
    match fs::exists(path) {
        true => Ok(()),
        false => Err(io::ErrorKind::NotFound.into()),
    }
}

impl Disk for SimDisk {
    type File = SimFile;

    async fn open(&self, name: &str, create: bool) -> io::Result<SimFile> {
        let path = path(name)?;
        let file = self.with(|| {
            OpenOptions::new()
                .read(true)
                .write(true)
                .create(create)
                .open(&path)
        })?;
        Ok(SimFile {
            aside: self.shared.open_files.opened(&path),
            disk: self.clone(),
            path,
            file: Some(file),
        })
    }

    async fn list(&self) -> io::Result<Vec<String>> {
        self.with(|| {
            let mut names = Vec::new();
            for entry in fs::read_dir("/")? {
                names.push(entry?.file_name().to_string_lossy().into_owned());
            }
            names.sort_unstable();
            Ok(names)
        })
    }

    async fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let (from, to) = (path(from)?, path(to)?);
        self.with(|| {
            must_exist(&from)?;
            if fs::exists(&to) {
                // `turmoil-fs` would lay the unsynced writes of the file that goes over the
                // one that takes its name. Any system may have written them back by now.
                OpenOptions::new().write(true).open(&to)?.sync_data()?;
                self.shared.open_files.losing(&to, || fs::read(&to))?;
            }
            fs::rename(from, to)
        })
    }

    async fn remove(&self, name: &str) -> io::Result<()> {
        let path = path(name)?;
        self.with(|| {
            must_exist(&path)?;
            self.shared.open_files.losing(&path, || fs::read(&path))?;
            fs::remove_file(path)
        })
    }

    async fn sync_dir(&self) -> io::Result<()> {
        self.sync_cost().await;
        self.shared.faults.at_sync()?;
        self.with(|| fs::sync_dir("/"))
    }

    async fn pass(&self, point: Point) {
        points::pass(point).await;
    }
}

/// An open file of a [`SimDisk`].
pub struct SimFile {
    disk: SimDisk,
    path: String,
    aside: Rc<Aside>,
    /// Taken only by `drop`, which must run inside its file system.
    file: Option<File>,
}

impl SimFile {
    fn with<R>(&self, work: impl FnOnce(&File) -> R) -> R {
        let file = self.file.as_ref().expect("open until dropped");
        self.disk.with(|| work(file))
    }

    /// Lets faults meet the write; where it goes.
    fn before_write(&self, offset: u64, data: &[u8]) -> io::Result<u64> {
        let shared = &self.disk.shared;
        let end = offset + data.len() as u64;
        let extends = || self.with(|file| file.metadata().map_or(true, |m| m.len() < end));
        shared.faults.at_write(extends)?;
        if self.path != LOG_PATH {
            return Ok(offset);
        }
        let [witness, last] = shared.log_writes.get();
        shared.log_writes.set([last, offset]);
        if data.len() <= EMPTY_BATCH_BYTES {
            return Ok(offset);
        }
        let bytes = data.len() as u64;
        let elsewhere = (shared.faults).misdirect(offset, bytes, witness, &shared.rng);
        let offset = elsewhere.unwrap_or(offset);
        *shared.unsynced.borrow_mut() = Some(Unsynced {
            offset,
            data: data.to_vec(),
            appends: elsewhere.is_none(),
        });
        Ok(offset)
    }
}

impl Drop for SimFile {
    fn drop(&mut self) {
        let file = self.file.take();
        self.disk.with(|| drop(file));
    }
}

impl DiskFile for SimFile {
    async fn len(&self) -> io::Result<u64> {
        if let Some(content) = self.aside.get() {
            return Ok(content.len() as u64);
        }
        self.with(|file| Ok(file.metadata()?.len()))
    }

    async fn read_at(&self, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        self.disk.shared.faults.at_read()?;
        if let Some(content) = self.aside.get() {
            let part = content
                .get(offset as usize..)
                .and_then(|rest| rest.get(..len));
            return part
                .map(<[u8]>::to_vec)
                .ok_or(io::ErrorKind::UnexpectedEof.into());
        }
        self.with(|file| {
            if file.metadata()?.len() < offset.saturating_add(len as u64) {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let mut buffer = vec![0; len];
            let mut done = 0;
            while done < len {
                match file.read_at(&mut buffer[done..], offset + done as u64)? {
                    0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                    read => done += read,
                }
            }
            Ok(buffer)
        })
    }

    async fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let offset = self.before_write(offset, data)?;
        executor::current().spend_on_bytes(data.len());
        self.with(|file| {
            let mut done = 0;
            while done < data.len() {
                match file.write_at(&data[done..], offset + done as u64)? {
                    0 => return Err(io::ErrorKind::WriteZero.into()),
                    written => done += written,
                }
            }
            Ok(())
        })
    }

    /// Extends by writing zeros: until the next sync, `turmoil-fs` would show the bytes that
    /// were cut off before.
    async fn set_len(&self, len: u64) -> io::Result<()> {
        let end = self.len().await?;
        match len > end {
            true => self.write_at(end, &vec![0; (len - end) as usize]).await,
            false => self.with(|file| file.set_len(len)),
        }
    }

    async fn sync(&self) -> io::Result<()> {
        self.disk.sync_cost().await;
        self.disk.shared.faults.at_sync()?;
        if self.path == LOG_PATH {
            *self.disk.shared.unsynced.borrow_mut() = None;
        }
        self.with(|file| file.sync_data())
    }
}
