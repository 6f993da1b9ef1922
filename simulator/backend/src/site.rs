//! Defines what a backend does for the harness: it starts, breaks and observes machines.
//!
//! The phases of a run, the nemesis and the operator are the same in every world; these small
//! traits are all that they know of one. Time, tasks and sockets are the [`World`]'s. Answers
//! say what is known now; nothing here waits unless it says so. Nodes are counted from 0;
//! spare ones come last.
//!
//! An implementation is given plain data and never its caller, so it can be built and tested
//! by itself.

#![allow(async_fn_in_trait)] // single-threaded by design: no future here needs `Send`

use std::collections::BTreeSet;

use rand_chacha::ChaCha8Rng;
use squall_fault::{DiskFault, LinkChange, NodeFault};
use squall_world::World;

/// A fault is in force, and was seen to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Installed {
    /// When it took effect, microseconds of the run.
    pub at_us: u64,
}

/// Why a fault is not seen to be in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InstallError {
    /// It was not done, or nothing met it.
    Skipped(String),
    /// It may have been done.
    Uncertain(String),
}

impl InstallError {
    /// It may have been done, and is not seen.
    pub fn uncertain(why: impl Into<String>) -> Self {
        InstallError::Uncertain(why.into())
    }

    /// The reason alone.
    pub fn into_text(self) -> String {
        let (InstallError::Skipped(why) | InstallError::Uncertain(why)) = self;
        why
    }
}

/// A directed link: from a node to another.
pub type Direction = (usize, usize);

/// What a fault does to links.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkEffect {
    /// They carry nothing.
    Cut,
    /// They get worse by this, on top of what they are.
    Degrade(LinkChange),
}

/// A change of the membership.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// A node becomes a member, as a learner first.
    Add,
    /// A member leaves.
    Remove,
}

/// A configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Configuration {
    /// Nodes with a vote.
    pub voters: BTreeSet<usize>,
    /// Nodes that are sent the log and have no vote.
    pub learners: BTreeSet<usize>,
    /// Two configurations at once: a change is under way.
    pub is_changing: bool,
}

/// The machines, and the processes on them.
#[allow(clippy::len_without_is_empty)] // a run has nodes
pub trait Processes {
    /// How many nodes form the cluster when nothing is wrong with it.
    fn members(&self) -> usize;
    /// How many machines there are, spare ones included.
    fn len(&self) -> usize;
    /// Whether the node's process runs, be it paused.
    fn is_up(&self, node: usize) -> bool;
    /// Why what the node had stored is gone, if it is: it must not start before it is
    /// replaced.
    fn data_loss(&self, node: usize) -> Option<String>;
    /// Resolves when, from now on, a node refuses to start because of what is on its disk.
    async fn startup_failure(&self);

    /// Starts the process of a node that is down and has lost nothing.
    async fn start(&self, node: usize);
    /// SIGKILL to all at once, awaited until none of the processes is left; in force since the
    /// first had ended, or now, if none had run.
    async fn kill(&self, nodes: &[usize]) -> Installed;
    /// SIGTERM, then SIGKILL if that takes long; awaited.
    async fn stop(&self, node: usize);
    /// How many processes have been started on the machine so far.
    fn starts(&self, node: usize) -> u64;
    /// Lets a process go on that stands at a point of its code because a fault waited for that;
    /// a world that refuses such faults has none.
    fn go_on(&self, _node: usize) {}
    /// Stops the processes where they stand, or lets them go on; seen to have happened.
    ///
    /// # Errors
    /// It is not seen.
    async fn set_paused(&self, nodes: &[usize], paused: bool) -> Result<(), InstallError>;
    /// The disk of `node`, whose process is down, is gone for good.
    fn lose_disk(&self, node: usize, why: &str);
    /// Puts a machine with an empty disk in the place of `node`, whose process is down. It
    /// waits to be added; that the old one is no member any more is the caller's to know.
    async fn replace(&self, node: usize);
}

/// The links between machines.
pub trait Links {
    /// Does something to links on behalf of a fault, on top of what other faults do to them;
    /// seen to have happened. A fault does one thing at a time.
    ///
    /// # Errors
    /// It is not seen.
    async fn apply(
        &self,
        fault: usize,
        links: &[Direction],
        effect: LinkEffect,
    ) -> Result<Installed, InstallError>;
    /// Takes back what a fault did to links, if it did anything.
    ///
    /// # Errors
    /// What is not seen to be as it was.
    async fn remove(&self, fault: usize) -> Result<(), String>;
}

/// The cluster that the nodes form, as they know it and as it can be asked to change.
pub trait Membership {
    /// Whether members can be added and removed here, and leadership transferred.
    fn can_be_changed(&self) -> bool {
        true
    }
    /// The node that leads and serves writes, as far as nodes know themselves: where two
    /// think so, the one in the later term is right.
    fn leader(&self) -> Option<usize>;
    /// The configuration in force, as far as the leader knows; `None` without a leader.
    fn configuration(&self) -> Option<Configuration>;
    /// Which nodes had a vote when that was last known.
    fn voters(&self) -> Vec<bool>;
    /// Asks the leader to transfer its leadership to `to`. Whether it worked shows in who
    /// leads.
    ///
    /// # Errors
    /// Nobody could be asked.
    async fn transfer_leader(&self, to: usize) -> Result<(), String>;
    /// Asks `leader` once for a change of the membership.
    ///
    /// # Errors
    /// What was answered, or that nothing was; it may come too early to know.
    async fn change_member(&self, leader: usize, node: usize, change: Change)
    -> Result<(), String>;
}

/// How far nodes have come.
pub trait Observation {
    /// Index of the last entry that a node has applied; `None` while it is down.
    fn applied(&self, node: usize) -> Option<u64>;
    /// Whether a node answers, and cannot tell how far it has come: then nobody knows, and what
    /// is to be level is not looked at. Never of Squall's own.
    fn is_untold(&self, _node: usize) -> bool {
        false
    }
    /// Has every running node report the digest of its state, and waits for the reports.
    async fn emit_digests(&self);
}

/// Machines whose power, disks and clocks can go wrong. A backend that lacks all of that
/// refuses such plans, and implements nothing of this.
pub trait Machines {
    /// Does to nodes what few worlds can, such as taking their power or setting their clocks
    /// wrong; seen to have happened. Disks are broken one by one, by [`Self::break_disk`].
    ///
    /// # Errors
    /// It is not seen.
    fn inflict(
        &self,
        _fault: usize,
        _nodes: &[usize],
        _what: NodeFault,
    ) -> Result<(), InstallError> {
        Err(not_here())
    }
    /// Takes back what [`Self::inflict`] did, where that does not end with the fault.
    fn undo(&self, _nodes: &[usize], _what: NodeFault) {}
    /// Breaks the disk of one node, and waits until an operation has met that, at most until
    /// `ends_us`.
    ///
    /// # Errors
    /// Nothing met it, or its effect is not seen.
    async fn break_disk(
        &self,
        _fault: usize,
        _node: usize,
        _what: DiskFault,
        _ends_us: u64,
    ) -> Result<(), InstallError> {
        Err(not_here())
    }
    /// Takes back what a fault did to the disk of one node. What a failed sync has left is
    /// drawn from `rng`.
    fn mend_disk(&self, _fault: usize, _node: usize, _what: DiskFault, _rng: &mut ChaCha8Rng) {}
}

fn not_here() -> InstallError {
    InstallError::Skipped("this backend cannot do it, and its plan should have been refused".into())
}

/// All of that, in one world.
pub trait Site: Processes + Links + Membership + Observation + Machines + Sized + 'static {
    /// Where the nodes run.
    type World: World;

    /// Does something where the clients are, such as starting some.
    fn among_clients<R>(&self, work: impl FnOnce() -> R) -> R;

    /// Starts the node's process, unless it runs or must not.
    async fn restart(&self, node: usize) {
        if !self.is_up(node) && self.data_loss(node).is_none() {
            self.start(node).await;
        }
    }
}

/// That none of the nodes runs.
///
/// # Errors
/// One still does.
pub fn all_down(processes: &impl Processes, nodes: &[usize]) -> Result<(), InstallError> {
    match nodes.iter().find(|node| processes.is_up(**node)) {
        None => Ok(()),
        Some(node) => {
            let name = squall_fault::node_name(*node);
            Err(InstallError::uncertain(format!("{name} still runs")))
        }
    }
}
