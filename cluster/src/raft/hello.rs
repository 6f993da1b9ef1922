//! Greets on connections between nodes: both sides name themselves and agree on a version.
//!
//! Each connection begins with a greeting both ways: versions, node, cluster. A node answers
//! nothing before it has checked the other's, so nodes of foreign clusters, nodes at addresses
//! that are not theirs, and voters that come back without their data are refused before a vote
//! or an entry passes. The first request follows the greeting at once, without a round trip in
//! between.
//!
//! Nodes of the release before this one do not greet. They are served until the cluster has
//! raised its level ([`crate::state::LEVEL`]), which it does when every member has greeted.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;

use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, futures::Notified};

use super::state_machine::{StateMachine, term_of};
use super::{NodeId, RaftWorld, node_name};
use crate::storage::Identity;

/// Begins the first frame of a connection; no request of the release before does so.
pub const MAGIC: &[u8; 4] = b"SQHI";
/// Versions of the messages between nodes that this release knows.
pub const OLDEST_VERSION: u16 = 2;
/// See [`OLDEST_VERSION`].
pub const NEWEST_VERSION: u16 = 4;

/// The version from which on nodes know the rules of a level ([`crate::state::LEVEL`]).
pub fn version_of(level: u32) -> u16 {
    u16::try_from(level).map_or(u16::MAX, |level| level.saturating_add(1))
}

/// What a node says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// See [`OLDEST_VERSION`].
    pub oldest_version: u16,
    /// See [`OLDEST_VERSION`].
    pub newest_version: u16,
    /// Who greets.
    pub from: NodeId,
    /// The node that it takes the other for.
    pub to: NodeId,
    /// 0 while it belongs to none.
    pub cluster: u64,
    /// Whether it has voted, or holds entries or a snapshot.
    pub has_data: bool,
    /// Whether it takes the other for a voter that has had data.
    pub remembers: bool,
    /// For how long it helps nobody else to lead when it has heard from a leader, milliseconds.
    pub lease_ms: u64,
}

/// The answer to a greeting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Greeting {
    /// Welcome; what the other says of itself.
    Hello(Hello),
    /// Not welcome, in words; the connection is closed.
    Refused(String),
}

/// What a node knows of itself and of those it has met.
pub struct Acquaintances<W: RaftWorld> {
    machine: StateMachine<W>,
    identity: RefCell<Identity>,
    /// Whether a vote is durable.
    has_data: Rc<Cell<bool>>,
    lease_ms: u64,
    /// The last greeting of each.
    greeted: RefCell<BTreeMap<NodeId, Hello>>,
    /// Whether `identity` has more than is on the disk.
    is_unsaved: Cell<bool>,
    changed: Notify,
}

impl<W: RaftWorld> Acquaintances<W> {
    /// Nobody has been met yet.
    pub fn new(
        machine: StateMachine<W>,
        identity: Identity,
        has_data: Rc<Cell<bool>>,
        lease_ms: u64,
    ) -> Self {
        Self {
            machine,
            identity: RefCell::new(identity),
            has_data,
            lease_ms,
            greeted: RefCell::default(),
            is_unsaved: Cell::new(false),
            changed: Notify::new(),
        }
    }

    /// 0 until the node belongs to one.
    pub fn cluster(&self) -> u64 {
        self.identity.borrow().cluster
    }

    /// The term of the last entry applied here.
    pub fn applied_term(&self) -> u64 {
        let applied = self.machine.last_applied();
        applied.as_ref().map_or(0, term_of::<W>)
    }

    /// Whether the node has voted, durably.
    pub fn has_data(&self) -> bool {
        self.has_data.get()
    }

    /// Whether the node was met as a member with the cluster's data.
    pub fn has_met(&self, id: NodeId) -> bool {
        self.identity.borrow().met.contains(&id)
    }

    /// The node belongs to this cluster, if it did not know already.
    pub fn join_cluster(&self, cluster: u64) {
        let mut identity = self.identity.borrow_mut();
        if identity.cluster == 0 && cluster != 0 {
            identity.cluster = cluster;
            self.save_later();
        }
    }

    /// The identity, if it is not yet on the disk as it stands; the caller saves it.
    pub fn take_unsaved(&self) -> Option<Identity> {
        let unsaved = self.is_unsaved.replace(false);
        unsaved.then(|| self.identity.borrow().clone())
    }

    /// There is something to save, or to save again.
    pub fn save_later(&self) {
        self.is_unsaved.set(true);
        self.changed.notify_one();
    }

    /// Resolves when there is something to save.
    pub fn changed(&self) -> Notified<'_> {
        self.changed.notified()
    }

    /// The last greeting of the node, if it has greeted.
    pub fn greeting_of(&self, id: NodeId) -> Option<Hello> {
        self.greeted.borrow().get(&id).cloned()
    }

    /// Whether nodes that do not greet are served.
    pub fn serves_unknown(&self) -> bool {
        self.machine.state().level() == 0
    }

    /// Greets the node `to`.
    pub fn hello(&self, to: NodeId) -> Hello {
        let identity = self.identity.borrow();
        let is_voter = self.machine.membership().voters.contains(&to);
        Hello {
            oldest_version: OLDEST_VERSION,
            newest_version: NEWEST_VERSION,
            from: identity.node,
            to,
            cluster: identity.cluster,
            has_data: self.has_data.get(),
            remembers: is_voter && identity.met.contains(&to),
            lease_ms: self.lease_ms,
        }
    }

    /// Checks the greeting of another, and remembers it.
    ///
    /// # Errors
    /// Why nothing may pass between the two.
    pub fn check(&self, hello: &Hello) -> Result<(), String> {
        let mine = self.hello(hello.from);
        let (me, other) = (node_name(mine.from), node_name(hello.from));
        if hello.newest_version < OLDEST_VERSION || hello.oldest_version > NEWEST_VERSION {
            return Err(format!(
                "{other} speaks versions {} to {} of the messages between nodes, and {me} \
                 {OLDEST_VERSION} to {NEWEST_VERSION}",
                hello.oldest_version, hello.newest_version
            ));
        }
        let level = self.machine.state().level();
        if hello.newest_version < version_of(level) {
            return Err(format!(
                "the cluster keeps to the rules of level {level}, which the release of {other} \
                 does not know: upgrade it"
            ));
        }
        if hello.to != mine.from {
            let expected = node_name(hello.to);
            return Err(format!(
                "this is {me}, not {expected}; {other} has a wrong address"
            ));
        }
        if hello.from == mine.from {
            return Err(format!("two nodes are called {me}: this one, and who asks"));
        }
        if hello.cluster != 0 && mine.cluster != 0 && hello.cluster != mine.cluster {
            return Err(format!("{other} belongs to another cluster than {me}"));
        }
        for (forgetful, has_data, remembered) in [
            (&other, hello.has_data, mine.remembers),
            (&me, mine.has_data, hello.remembers),
        ] {
            if remembered && !has_data {
                return Err(format!(
                    "{forgetful} has lost its data and so its vote: remove it from the cluster, \
                     and add it again"
                ));
            }
        }
        if mine.has_data {
            // The data is of this cluster, which had no name when it began to arrive.
            self.join_cluster(hello.cluster);
        }
        self.remember(hello);
        Ok(())
    }

    fn remember(&self, hello: &Hello) {
        let before = self.greeted.borrow_mut().insert(hello.from, hello.clone());
        let known = before.is_some_and(|before| before.lease_ms == hello.lease_ms);
        if hello.lease_ms != self.lease_ms && !known {
            tracing::warn!(
                "{} keeps its vote for a leader for {} ms, this node for {} ms: no lease reads \
                 until they have the same timers",
                node_name(hello.from),
                hello.lease_ms,
                self.lease_ms
            );
        }
        let mut identity = self.identity.borrow_mut();
        let is_of_mine = identity.cluster != 0 && identity.cluster == hello.cluster;
        if is_of_mine && hello.has_data && !identity.met.contains(&hello.from) {
            identity.met.push(hello.from);
            identity.met.sort_unstable();
            self.save_later();
        }
    }

    /// Whether nobody who has greeted has another lease than this node.
    pub fn leases_agree(&self) -> bool {
        let greeted = self.greeted.borrow();
        greeted
            .values()
            .all(|hello| hello.lease_ms == self.lease_ms)
    }
}

/// A greeting that was refused, or is none.
pub fn refused(why: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, why.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raft::SnapshotMeta;
    use crate::raft::snapshot::Payload;
    use crate::state::LEVEL;
    use crate::state::Limits;
    use crate::state::command::{Command, Request, Stamp};
    use crate::storage::{RealDisk, SnapshotStore};
    use crate::world::RealWorld;

    fn node(id: NodeId, cluster: u64, met: &[NodeId]) -> Acquaintances<RealWorld> {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let disk = RealDisk::open(directory.path()).expect("it is free");
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let runtime = runtime.expect("the system grants an event loop");
        let machine = runtime.block_on(StateMachine::open(disk, Limits::default()));
        let identity = Identity {
            node: id,
            cluster,
            met: met.to_vec(),
        };
        let machine = machine.expect("an empty disk has no damaged snapshot");
        Acquaintances::new(machine, identity, Rc::new(Cell::new(cluster != 0)), 600)
    }

    #[test]
    fn members_of_one_cluster_and_newcomers_greet_each_other() {
        let (one, two, new) = (node(1, 7, &[]), node(2, 7, &[1]), node(3, 0, &[]));
        assert_eq!(two.check(&one.hello(2)), Ok(()));
        assert_eq!(two.take_unsaved(), None, "they had met");
        assert_eq!(one.check(&two.hello(1)), Ok(()));
        assert_eq!(one.take_unsaved().map(|one| one.met), Some(vec![2]));
        assert_eq!(new.check(&one.hello(3)), Ok(()));
        assert_eq!(one.check(&new.hello(1)), Ok(()));
        assert_eq!(one.take_unsaved(), None, "a newcomer has no data to lose");
    }

    #[test]
    fn strangers_and_wrong_addresses_are_refused() {
        let (one, foreign) = (node(1, 7, &[]), node(2, 8, &[]));
        for (asked, hello) in [(&one, foreign.hello(1)), (&foreign, one.hello(2))] {
            let why = asked.check(&hello).expect_err("another cluster");
            assert!(why.contains("belongs to another cluster"), "{why}");
        }
        let why = one
            .check(&node(2, 7, &[]).hello(3))
            .expect_err("not node 3");
        assert!(why.contains("this is node-1, not node-3"), "{why}");
        let why = one.check(&node(1, 7, &[]).hello(1)).expect_err("its name");
        assert!(why.contains("two nodes are called node-1"), "{why}");
        let newer = Hello {
            oldest_version: NEWEST_VERSION + 1,
            newest_version: NEWEST_VERSION + 1,
            ..node(2, 7, &[]).hello(1)
        };
        let why = one.check(&newer).expect_err("no version in common");
        let newer = NEWEST_VERSION + 1;
        let spoken = format!("speaks versions {newer} to {newer}");
        assert!(why.contains(&spoken), "{why}");
    }

    /// As a node does that knows commands up to level 1, in a cluster that has used others.
    #[test]
    fn a_release_that_does_not_know_the_rules_is_turned_away_with_the_reason() {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let disk = RealDisk::open(directory.path()).expect("it is free");
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let runtime = runtime.expect("the system grants an event loop");
        let mut state = crate::state::State::new(Limits::default());
        let raise = Command::Raise {
            level: LEVEL,
            limits: Limits::default(),
        };
        let request = Request {
            time_ms: 1,
            once: None,
            command: raise,
        };
        let stamp = Stamp {
            index: 1,
            time_ms: 1,
        };
        state.apply(stamp, &request);
        let (bytes, start) = Payload { chain: 0, state }.encode(0);
        let meta = crate::encode::plain(&SnapshotMeta::<RealWorld>::default(), 0);
        let machine = runtime.block_on(async {
            let mut store = SnapshotStore::open(disk.clone()).await?;
            store.save(1, &meta, &bytes[start..]).await?;
            StateMachine::<RealWorld>::open(disk, Limits::default()).await
        });
        let identity = Identity {
            node: 1,
            cluster: 7,
            met: vec![],
        };
        let machine = machine.expect("the snapshot was just saved");
        let one = Acquaintances::new(machine, identity, Rc::new(Cell::new(true)), 600);
        let two = node(2, 7, &[]).hello(1);
        assert_eq!(one.check(&two), Ok(()));
        let older = Hello {
            newest_version: version_of(LEVEL) - 1,
            ..two
        };
        let why = one
            .check(&older)
            .expect_err("it would stop at the first entry");
        assert!(
            why.ends_with("the release of node-2 does not know: upgrade it"),
            "{why}"
        );
    }

    #[test]
    fn a_voter_without_its_data_is_refused_on_both_sides() {
        let wiped = node(2, 0, &[]);
        let hello = Hello {
            remembers: true,
            ..node(1, 7, &[2]).hello(2)
        };
        let why = wiped.check(&hello).expect_err("it has forgotten");
        assert!(why.starts_with("node-2 has lost its data"), "{why}");
    }

    #[test]
    fn leases_of_different_lengths_are_noticed() {
        let one = node(1, 7, &[]);
        assert!(one.leases_agree());
        let other = Hello {
            lease_ms: 900,
            ..node(2, 7, &[]).hello(1)
        };
        assert_eq!(one.check(&other), Ok(()));
        assert!(!one.leases_agree());
        assert_eq!(one.check(&node(2, 7, &[]).hello(1)), Ok(()));
        assert!(one.leases_agree());
    }
}
