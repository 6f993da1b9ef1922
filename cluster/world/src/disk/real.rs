//! The disk of a real node: a directory of the operating system.
//!
//! Syncs, and transfers larger than [`INLINE_BYTES`], run on tokio's blocking threads; small
//! reads and writes go to the page cache and are done in place, which is quicker than handing
//! them over. So it needs a tokio runtime, and a POSIX system: syncing a directory and
//! positioned I/O have no portable form.
//!
//! A `lock` file keeps a second process out. Two processes writing one log would each find
//! the other's batches, and the kernel drops the lock however the owner dies.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Disk, DiskFile};

/// Largest transfer done on the calling thread, in bytes.
pub(super) const INLINE_BYTES: usize = 64 << 10;
/// Largest piece handed to a blocking thread, in bytes: a piece must be copied.
const PIECE_BYTES: usize = 1 << 20;

const LOCK: &str = "lock";

/// A directory that this process owns as long as the disk, a clone or an open file lives.
#[derive(Clone)]
pub struct RealDisk {
    directory: Arc<Directory>,
}

struct Directory {
    path: PathBuf,
    handle: File,
    /// Held, never read: closing it gives the directory up.
    _lock: File,
}

impl RealDisk {
    /// Takes possession of the directory at `path`, which is created if it is missing.
    ///
    /// # Errors
    /// `ResourceBusy` if another process, or another `RealDisk` of this one, has it.
    pub fn open(path: impl AsRef<Path>) -> io::Result<RealDisk> {
        let path = path.as_ref();
        create_directory(path).map_err(|error| in_file(path, error))?;
        let lock = lock(path)?;
        let handle = File::open(path).map_err(|error| in_file(path, error))?;
        Ok(RealDisk {
            directory: Arc::new(Directory {
                path: path.to_owned(),
                handle,
                _lock: lock,
            }),
        })
    }

    fn path_of(&self, name: &str) -> io::Result<PathBuf> {
        let is_flat = !name.is_empty() && name != "." && name != "..";
        if !is_flat || name.contains(['/', '\\', '\0']) || name == LOCK {
            let detail = format!("{name:?} is not a file name that a disk accepts");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, detail));
        }
        Ok(self.directory.path.join(name))
    }
}

impl Disk for RealDisk {
    type File = RealFile;

    async fn open(&self, name: &str, create: bool) -> io::Result<RealFile> {
        let path = self.path_of(name)?;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(create)
            .truncate(false)
            .open(&path)
            .map_err(|error| in_file(&path, error))?;
        Ok(RealFile {
            inner: Arc::new(OpenFile {
                file,
                path,
                _directory: Arc::clone(&self.directory),
            }),
        })
    }

    async fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for item in std::fs::read_dir(&self.directory.path)? {
            let item = item?;
            // Files of foreign names or kinds cannot be ours, and no call could open them.
            if let Ok(name) = item.file_name().into_string()
                && name != LOCK
                && item.file_type()?.is_file()
            {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    async fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let (from, to) = (self.path_of(from)?, self.path_of(to)?);
        std::fs::rename(&from, to).map_err(|error| in_file(&from, error))
    }

    async fn remove(&self, name: &str) -> io::Result<()> {
        // A large file takes the system a fifth of a second a gigabyte.
        let path = self.path_of(name)?;
        blocking(move || std::fs::remove_file(&path).map_err(|error| in_file(&path, error))).await
    }

    async fn sync_dir(&self) -> io::Result<()> {
        let directory = Arc::clone(&self.directory);
        blocking(move || {
            let synced = directory.handle.sync_all();
            synced.map_err(|error| in_file(&directory.path, error))
        })
        .await
    }

    async fn free_bytes(&self) -> io::Result<Option<u64>> {
        let found = rustix::fs::fstatvfs(&self.directory.handle)?;
        Ok(Some(found.f_bavail * found.f_frsize))
    }
}

/// An open file of a [`RealDisk`].
pub struct RealFile {
    inner: Arc<OpenFile>,
}

impl Drop for RealFile {
    /// A file that has been removed is freed when it is closed, which takes as long.
    #[allow(clippy::disallowed_methods)]
    fn drop(&mut self) {
        let is_removed = |found: std::fs::Metadata| found.nlink() == 0;
        if self.inner.file.metadata().is_ok_and(is_removed)
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let inner = Arc::clone(&self.inner);
            runtime.spawn_blocking(move || drop(inner));
        }
    }
}

struct OpenFile {
    file: File,
    path: PathBuf,
    /// Keeps the lock while a file is open.
    _directory: Arc<Directory>,
}

impl OpenFile {
    fn bytes(&self) -> io::Result<u64> {
        let metadata = self.file.metadata();
        Ok(metadata.map_err(|error| in_file(&self.path, error))?.len())
    }

    fn read(&self, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        // Judged before the buffer is allocated: `len` may come from a damaged file.
        if self.bytes()?.saturating_sub(offset) < len as u64 {
            let error = io::Error::from(io::ErrorKind::UnexpectedEof);
            return Err(in_file(&self.path, error));
        }
        let mut buffer = vec![0; len];
        let read = self.file.read_exact_at(&mut buffer, offset);
        read.map_err(|error| in_file(&self.path, error))?;
        Ok(buffer)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let written = self.file.write_all_at(data, offset);
        written.map_err(|error| in_file(&self.path, error))
    }
}

impl DiskFile for RealFile {
    async fn len(&self) -> io::Result<u64> {
        self.inner.bytes()
    }

    async fn read_at(&self, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        if len <= INLINE_BYTES {
            return self.inner.read(offset, len);
        }
        let inner = Arc::clone(&self.inner);
        blocking(move || inner.read(offset, len)).await
    }

    async fn write_at(&self, mut offset: u64, data: &[u8]) -> io::Result<()> {
        if data.len() <= INLINE_BYTES {
            return self.inner.write(offset, data);
        }
        for piece in data.chunks(PIECE_BYTES) {
            let inner = Arc::clone(&self.inner);
            let copy = piece.to_vec();
            blocking(move || inner.write(offset, &copy)).await?;
            offset += piece.len() as u64;
        }
        Ok(())
    }

    async fn set_len(&self, len: u64) -> io::Result<()> {
        let cut = self.inner.file.set_len(len);
        cut.map_err(|error| in_file(&self.inner.path, error))
    }

    async fn sync(&self) -> io::Result<()> {
        let inner = Arc::clone(&self.inner);
        blocking(move || {
            let synced = inner.file.sync_data();
            synced.map_err(|error| in_file(&inner.path, error))
        })
        .await
    }
}

/// Creates the directory and those above it where they are missing, and makes the name of
/// each durable.
fn create_directory(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    create_directory(parent)?;
    match std::fs::create_dir(path) {
        // Somebody was faster.
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
        created => created.map_err(|error| in_file(path, error))?,
    }
    File::open(parent)?.sync_all()
}

fn lock(directory: &Path) -> io::Result<File> {
    let path = directory.join(LOCK);
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(|error| in_file(&path, error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(io::Error::new(
            io::ErrorKind::ResourceBusy,
            format!(
                "{} is in use by another process, which holds its `{LOCK}` file",
                directory.display()
            ),
        )),
        Err(TryLockError::Error(error)) => Err(in_file(&path, error)),
    }
}

/// The same error, naming the file.
fn in_file(path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// Runs blocking work off the calling thread. This is the real world's side of the seam; the
/// simulated disk has its own.
#[allow(clippy::disallowed_methods)]
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(io::Error::other(error)),
    }
}
