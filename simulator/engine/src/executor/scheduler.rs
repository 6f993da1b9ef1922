//! The seam to what decides which process may run when, where work costs time.
//!
//! The executor runs tasks and says what they do; a [`Scheduler`] says who may run the next
//! one, and from when. It knows no task, and the executor no core.

use crate::time::{HostId, Nanos};

/// What a process does that costs time, beside running its tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// Reading from a connection.
    Receive,
    /// Writing to a connection.
    Send,
    /// Having the disk sync.
    Sync,
}

/// What a process has done so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Times that it went from idle to running.
    pub wakeups: u64,
    /// Tasks that ran.
    pub tasks: u64,
    /// Reads of sockets.
    pub receives: u64,
    /// Writes to sockets.
    pub sends: u64,
    /// Syncs of the disk.
    pub syncs: u64,
    /// Bytes read from connections, and written to be stored.
    pub bytes: u64,
}

/// Decides which process may run when.
pub trait Scheduler {
    /// Whether what the host does costs time; only such hosts are asked about below.
    fn is_charged(&self, host: HostId) -> bool;
    /// A task of `host` can run.
    fn want(&mut self, now: Nanos, host: HostId);
    /// Whether a process may run a task now.
    fn has_granted(&self) -> bool;
    /// The next process that may run a task now.
    fn next_granted(&mut self) -> Option<HostId>;
    /// Whether a process that may go on has to let another have its core first.
    fn must_yield(&mut self, now: Nanos, host: HostId) -> bool;
    /// A task of `host` is about to run.
    fn task_begins(&mut self, host: HostId);
    /// The task that runs does something. Hosts that cost nothing may be named as well.
    fn spend(&mut self, host: HostId, work: Work);
    /// The task that runs makes something of so many bytes; likewise.
    fn spend_on_bytes(&mut self, host: HostId, bytes: usize);
    /// The task has run; `host` is busy until its cost has passed.
    fn task_ended(&mut self, now: Nanos, host: HostId);
    /// `host` has nothing to do any more, is paused, or was killed.
    fn rest(&mut self, now: Nanos, host: HostId);
    /// When the next process is done with what it is at.
    fn next_end(&self) -> Option<Nanos>;
    /// Lets those go on who are done by `now`.
    fn end_due(&mut self, now: Nanos);
    /// When what `host` does now is done: `now`, if it costs nothing.
    fn done_at(&self, now: Nanos, host: HostId) -> Nanos;
    /// What `host` has done so far; `None` if it costs nothing.
    fn usage(&self, host: HostId) -> Option<Usage>;
}
