//! The network namespace of a container, entered without touching the machine's own.
//!
//! Only a thread of this program moves into a namespace, does its work there, and ends. A
//! socket that it opens stays in that namespace wherever it is used from; a program that it
//! starts runs there.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tokio::sync::oneshot;

/// A container's network namespace, kept open.
pub(super) struct NetNs {
    file: File,
}

impl NetNs {
    /// The namespace that a process is in.
    pub(super) fn of(pid: i32) -> io::Result<Self> {
        let file = File::open(format!("/proc/{pid}/ns/net"))?;
        Ok(Self { file })
    }

    /// Moves the calling thread in, for good.
    pub(super) fn enter(&self) -> io::Result<()> {
        let kind = Some(LinkNameSpaceType::Network);
        Ok(move_into_link_name_space(self.file.as_fd(), kind)?)
    }

    pub(super) fn try_clone(&self) -> io::Result<Self> {
        let file = self.file.try_clone()?;
        Ok(Self { file })
    }

    /// Does something inside, on a thread of its own.
    #[allow(clippy::disallowed_methods)] // a namespace belongs to a thread
    pub(super) async fn within<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let namespace = self.try_clone()?;
        let (tell, received) = oneshot::channel();
        std::thread::Builder::new()
            .name("netns".into())
            .spawn(move || {
                // Whoever asked may have gone.
                let _ = tell.send(namespace.enter().and_then(|()| work()));
            })?;
        received
            .await
            .unwrap_or_else(|_| Err(io::Error::other("work in a network namespace panicked")))
    }
}
