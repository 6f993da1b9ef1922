//! What the harness needs of the machines that a backend runs nodes on.
//!
//! The phases of a run, the nemesis and the operator are the same in every world; this is
//! all that they know of one. Time, tasks and sockets are the [`World`]'s. Answers say what
//! is known now; nothing here waits unless it says so.

use std::collections::BTreeSet;

use squall_world::World;

use super::nemesis::Nemesis;
use squall_fault::{Action, LinkChange};

/// Why a fault is not seen to be in force.
pub enum Miss {
    /// It was not done, or nothing met it.
    Skipped(String),
    /// It may have been done.
    Uncertain(String),
}

impl Miss {
    /// The reason alone.
    pub fn into_text(self) -> String {
        let (Miss::Skipped(why) | Miss::Uncertain(why)) = self;
        why
    }
}

pub fn uncertain(why: impl Into<String>) -> Miss {
    Miss::Uncertain(why.into())
}

/// A change of the membership.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    Add,
    Remove,
}

/// A configuration, nodes counted from 0.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Configuration {
    pub voters: BTreeSet<usize>,
    pub learners: BTreeSet<usize>,
    /// Two configurations at once: a change is under way.
    pub is_changing: bool,
}

/// All machines of a run, and the processes on them. Nodes are counted from 0; spare ones
/// come last.
#[allow(async_fn_in_trait)] // single-threaded by design: no future here needs `Send`
pub trait Site: Sized + 'static {
    type World: World;

    /// How many nodes form the cluster when nothing is wrong with it.
    fn members(&self) -> usize;
    /// Machines, spare ones included.
    fn len(&self) -> usize;
    /// Whether the node's process runs, be it paused.
    fn is_up(&self, node: usize) -> bool;
    /// The node that leads and serves writes, as far as nodes know themselves: where two
    /// think so, the one in the later term is right.
    fn leader(&self) -> Option<usize>;
    /// The configuration in force, as far as whoever leads knows; `None` if nobody does.
    fn configuration(&self) -> Option<Configuration>;
    /// Which nodes had a vote when that was last known.
    fn voters(&self) -> Vec<bool>;
    /// Index of the last entry that a node has applied; `None` while it is down.
    fn applied(&self, node: usize) -> Option<u64>;
    /// Why what the node had stored is gone, if it is: it must not start before it is
    /// replaced.
    fn lost(&self, node: usize) -> Option<String>;
    /// Resolves when, from now on, a node refuses to start because of what is on its disk.
    async fn refusal(&self);

    /// Starts the process of a node that is down and has lost nothing.
    async fn start(&self, node: usize);
    /// SIGKILL to all at once, awaited until none of the processes is left. When the first
    /// had ended, microseconds of the run; `None`: just now, or none had run.
    async fn kill(&self, nodes: &[usize]) -> Option<u64>;
    /// SIGTERM, then SIGKILL if that takes long; awaited.
    async fn stop(&self, node: usize);
    /// Stops the processes where they stand, or lets them go on; seen to have happened.
    async fn set_paused(&self, nodes: &[usize], paused: bool) -> Result<(), Miss>;
    /// The disk of `node`, whose process is down, is gone for good.
    fn lose_disk(&self, node: usize, why: &str);
    /// Puts a machine with an empty disk in the place of `node`, whose process is down. It
    /// waits to be added; that the old one is no member any more is the caller's to know.
    async fn replace(&self, node: usize);

    /// Asks the leader to hand its office to `to`. Whether it worked shows in who leads.
    async fn transfer_leader(&self, to: usize) -> Result<(), String>;
    /// Asks `leader` once for a change of the membership. An error may come too early to
    /// know.
    async fn change_member(&self, leader: usize, node: usize, change: Change)
    -> Result<(), String>;

    /// Makes directed links carry nothing, on behalf of a fault, until they are joined as often as they were cut;
    /// seen to have happened. When that was, microseconds of the run; `None`: just now.
    async fn cut(&self, fault: usize, links: &[(usize, usize)]) -> Result<Option<u64>, Miss>;
    async fn join(&self, links: &[(usize, usize)]) -> Result<(), String>;
    /// Makes directed links worse, on behalf of a fault; seen to have happened, as [`Self::cut`]
    /// is.
    async fn degrade(
        &self,
        fault: usize,
        links: &[(usize, usize)],
        change: LinkChange,
    ) -> Result<Option<u64>, Miss>;
    /// Takes back what a fault did to links.
    async fn restore(&self, fault: usize) -> Result<(), String>;

    /// A fault that only some worlds have: does it, and looks whether it took.
    async fn install_special(
        nemesis: &Nemesis<Self>,
        fault: usize,
        action: &Action<usize>,
        ends_us: u64,
    ) -> Result<Option<u64>, Miss>;
    /// Ends a fault that only some worlds have.
    async fn heal_special(
        nemesis: &Nemesis<Self>,
        fault: usize,
        action: &Action<usize>,
    ) -> Result<(), String>;

    /// Has every running node report the digest of its state, and waits for the reports.
    async fn emit_digests(&self);
    /// Does something where the clients are, such as starting some.
    fn among_clients<R>(&self, work: impl FnOnce() -> R) -> R;
}
