//! Backups, and making a new cluster of one or of what a lost majority has left.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use squall_cluster::client::{Credentials, backup};
use squall_cluster::node::{Contents, NodeOptions, check_backup, force_new_cluster, restore};
use squall_cluster::raft::node_name;
use squall_cluster::storage::RealDisk;
use squall_cluster::world::RealWorld;

/// Fetches a backup into a file that is not there yet, whole and checked or not at all.
pub async fn fetch(address: &str, credentials: &Credentials, file: &Path) -> Result<(), String> {
    let named = |e: io::Error| format!("{}: {e}", file.display());
    if file.exists() {
        return Err(named(io::ErrorKind::AlreadyExists.into()));
    }
    let mut unfinished = file.as_os_str().to_owned();
    unfinished.push(".part");
    let unfinished = PathBuf::from(unfinished);
    let mut part = OpenOptions::new();
    let part = part.write(true).create(true).truncate(true);
    let mut part = part.open(&unfinished).map_err(named)?;
    let fetched = backup::<RealWorld>(address, credentials, |piece| part.write_all(piece)).await;
    let checked = match fetched.and_then(|_| part.sync_all().map_err(named)) {
        Ok(()) => read(&unfinished).and_then(|bytes| {
            let length = bytes.len();
            let checked = check_backup::<RealWorld>(bytes).map_err(|e| e.to_string());
            checked.map(|contents| (contents, length))
        }),
        Err(why) => Err(why),
    };
    let (contents, length) = checked.inspect_err(|_| {
        // What is not whole must not be taken for a backup; that it stays is no worse.
        let _ = std::fs::remove_file(&unfinished);
    })?;
    std::fs::rename(&unfinished, file).map_err(named)?;
    sync_directory_of(file).map_err(named)?;
    let Contents { last_entry, keys } = contents;
    println!(
        "{}: a backup of {length} bytes, up to entry {last_entry}, with {keys} keys",
        file.display()
    );
    Ok(())
}

/// Makes the directory that of the only member of a new cluster.
pub async fn recover(
    options: &NodeOptions,
    directory: &Path,
    from: Option<&Path>,
) -> Result<(), String> {
    let disk = RealDisk::open(directory).map_err(|e| e.to_string())?;
    let recovered = match from {
        Some(file) => restore::<RealWorld>(options, disk, read(file)?).await,
        None => force_new_cluster::<RealWorld>(options, disk).await,
    };
    let Contents { last_entry, keys } = recovered.map_err(|e| e.to_string())?;
    println!(
        "{} at {} is the only member of a new cluster, with what there was up to entry \
         {last_entry} ({keys} keys in the snapshot). Start it, and add the others with RAFT.ADD, \
         each with an empty directory",
        node_name(options.id),
        options.address
    );
    Ok(())
}

fn read(file: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(file).map_err(|e| format!("{}: {e}", file.display()))
}

/// Makes the name of a file durable.
fn sync_directory_of(file: &Path) -> io::Result<()> {
    let parent = file.parent().filter(|path| !path.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}
