//! Network namespaces: those of containers, and new ones, entered without touching the
//! machine's own.
//!
//! Only a thread of this program moves into a namespace, does its work there, and ends. A
//! socket that it opens stays in that namespace wherever it is used from; a program that it
//! starts runs there. A namespace, and every device in it, is gone when no process is in it
//! and nobody keeps it open: a new one has no name that could be left behind.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::os::unix::fs::MetadataExt;
use std::thread;

use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space};
use tokio::sync::oneshot;

/// A network namespace, kept open.
pub struct NetNs {
    file: File,
}

impl NetNs {
    /// The namespace that a process is in.
    ///
    /// # Errors
    /// There is no such process, or it belongs to somebody else.
    pub fn of(pid: i32) -> io::Result<Self> {
        let file = File::open(format!("/proc/{pid}/ns/net"))?;
        Ok(Self { file })
    }

    /// The namespace that the calling thread is in.
    ///
    /// # Errors
    /// The kernel does not say.
    pub fn current() -> io::Result<Self> {
        let file = File::open("/proc/thread-self/ns/net")?;
        Ok(Self { file })
    }

    /// A new one, in which there is nothing but a loopback device that is down.
    ///
    /// # Errors
    /// Only root may make one.
    #[allow(clippy::disallowed_methods)] // a namespace belongs to a thread
    pub fn create() -> io::Result<Self> {
        let made = thread::Builder::new().name("netns".into()).spawn(|| {
            leave_for_a_new_one()?;
            Self::current()
        })?;
        let made = made.join();
        made.unwrap_or_else(|_| Err(io::Error::other("making a network namespace panicked")))
    }

    /// Moves the calling thread in, for good.
    ///
    /// # Errors
    /// Only root may do this.
    pub fn enter(&self) -> io::Result<()> {
        let kind = Some(LinkNameSpaceType::Network);
        Ok(move_into_link_name_space(self.file.as_fd(), kind)?)
    }

    /// Keeps it open once more.
    ///
    /// # Errors
    /// This process has too many files open.
    pub fn try_clone(&self) -> io::Result<Self> {
        let file = self.file.try_clone()?;
        Ok(Self { file })
    }

    /// By which the kernel knows it, while it is open.
    ///
    /// # Errors
    /// The kernel does not say.
    pub fn id(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.ino())
    }

    /// Does something inside, on a thread of its own.
    ///
    /// # Errors
    /// The namespace cannot be entered, or what was done there failed.
    #[allow(clippy::disallowed_methods)] // a namespace belongs to a thread
    pub async fn within<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let namespace = self.try_clone()?;
        let (tell, received) = oneshot::channel();
        thread::Builder::new().name("netns".into()).spawn(move || {
            // Whoever asked may have gone.
            let _ = tell.send(namespace.enter().and_then(|()| work()));
        })?;
        received
            .await
            .unwrap_or_else(|_| Err(io::Error::other("work in a network namespace panicked")))
    }
}

impl AsRawFd for NetNs {
    fn as_raw_fd(&self) -> RawFd {
        self.file.as_raw_fd()
    }
}

/// By which the kernel knows the namespace of a process, if there is one and it may be known.
pub fn id_of(pid: i32) -> Option<u64> {
    // What the link stands for, not the link.
    let file = std::fs::metadata(format!("/proc/{pid}/ns/net")).ok()?;
    Some(file.ino())
}

#[allow(deprecated)] // what took its place is unsafe; nothing here shares file descriptors less
fn leave_for_a_new_one() -> io::Result<()> {
    Ok(rustix::thread::unshare(UnshareFlags::NEWNET)?)
}

#[cfg(test)]
mod tests {
    use super::{NetNs, id_of};

    #[test]
    fn a_new_namespace_is_another_and_leaves_this_thread_where_it_was() {
        let before = NetNs::current().expect("this thread is in one");
        let made = match NetNs::create() {
            Ok(made) => made,
            Err(why) => return eprintln!("skipped: {why}"),
        };
        let now = NetNs::current().expect("this thread is in one");
        let id = |namespace: &NetNs| namespace.id().expect("it is open");
        assert_eq!(id(&now), id(&before));
        assert_ne!(id(&made), id(&before));
        let own = id_of(std::process::id() as i32);
        assert_eq!(own, Some(id(&before)), "as the process says");
    }
}
