//! The operator: changes the membership, and replaces nodes that lost what they had stored.
//!
//! A node that forgot its votes or its log must not take part as if nothing had happened: it
//! could vote twice in a term, or help to elect a leader without an entry that it had itself
//! acknowledged. So it is replaced in this order, and started at no other time:
//!
//! 1. it is removed from the cluster, and the removal is committed;
//! 2. a machine with an empty disk takes its place;
//! 3. that machine is added, as a learner until it has caught up, then as a voter.
//!
//! The name and address stay, and need not change. The removal is committed by majorities of
//! the configurations with and without the node, so the others that may not know of it are
//! too few to elect anybody even with one vote of the newcomer; and who knows of it does not
//! count the newcomer before a later entry adds it. Its old votes and acknowledgements went
//! to leaders of terms that ended before. Connections of the old process are gone with it.
//!
//! One change is made at a time, by whoever leads, and tried again until it is seen in what
//! the leader has applied.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;

use squall_cluster::node::NodeError;

use super::cluster::{Cluster, node_address};
use super::executor::{Executor, HostId, Nanos};
use crate::fault::node_name;
use crate::workload::Setting;

/// How often the operator looks whether a change is through.
const LOOK: Nanos = 20_000_000;
/// A leader gets this long for one step before the step is tried again.
const STEP: Nanos = 5_000_000_000;
/// A change that is not through after this long is given up.
const PATIENCE: Nanos = 30_000_000_000;
/// Rest between attempts.
const REST: Nanos = 100_000_000;

pub(super) struct Operator {
    executor: Rc<Executor>,
    cluster: Rc<Cluster>,
    setting: Rc<Setting>,
    /// One change at a time.
    turn: tokio::sync::Mutex<()>,
    /// Nodes that a fault will have replaced itself.
    spoken_for: RefCell<BTreeSet<usize>>,
    /// Nodes being worked on.
    busy: RefCell<BTreeSet<usize>>,
}

#[derive(Clone, Copy, PartialEq)]
enum Change {
    Add,
    Remove,
}

impl Operator {
    pub(super) fn new(
        executor: Rc<Executor>,
        cluster: Rc<Cluster>,
        setting: Rc<Setting>,
    ) -> Rc<Self> {
        Rc::new(Self {
            executor,
            cluster,
            setting,
            turn: tokio::sync::Mutex::default(),
            spoken_for: RefCell::default(),
            busy: RefCell::default(),
        })
    }

    /// Replaces nodes that refuse to start, for ever.
    pub(super) async fn watch(self: Rc<Self>) {
        loop {
            self.cluster.refusal().await;
            for node in 0..self.cluster.len() {
                let is_spoken_for = self.spoken_for.borrow().contains(&node);
                if self.cluster.lost(node).is_some() && !is_spoken_for {
                    let operator = self.clone();
                    self.executor.spawn(async move {
                        // What could not be done now is tried again when all is healed.
                        if let Err(why) = operator.repair(node).await {
                            operator.note(&why);
                        }
                    });
                }
            }
        }
    }

    /// Whether the node will be replaced by the fault that damaged it, and by nobody else.
    pub(super) fn speak_for(&self, node: usize, spoken_for: bool) {
        match spoken_for {
            true => self.spoken_for.borrow_mut().insert(node),
            false => self.spoken_for.borrow_mut().remove(&node),
        };
    }

    /// Nodes that are being added, removed or replaced.
    pub(super) fn busy(&self) -> BTreeSet<usize> {
        self.busy.borrow().clone()
    }

    /// Replaces the node if it has lost what it had stored, and nobody has done so yet.
    pub(super) async fn repair(&self, node: usize) -> Result<(), String> {
        let _turn = self.turn(node).await;
        match self.cluster.lost(node) {
            Some(_) => self.swap(node).await,
            None => Ok(()),
        }
    }

    /// Replaces the node by a machine with an empty disk.
    pub(super) async fn replace(&self, node: usize) -> Result<(), String> {
        let _turn = self.turn(node).await;
        self.swap(node).await
    }

    async fn swap(&self, node: usize) -> Result<(), String> {
        self.change(node, Change::Remove).await?;
        if self.cluster.is_up(node) {
            self.cluster.kill(node);
        }
        self.cluster.replace(node);
        self.cluster.start(node);
        self.change(node, Change::Add).await
    }

    /// Takes the node out of the cluster; its process goes on.
    pub(super) async fn remove(&self, node: usize) -> Result<(), String> {
        let _turn = self.turn(node).await;
        self.change(node, Change::Remove).await
    }

    /// Makes the node a voter.
    pub(super) async fn add(&self, node: usize) -> Result<(), String> {
        let _turn = self.turn(node).await;
        if self.cluster.lost(node).is_some() {
            return Err(format!("{} has lost its disk", node_name(node)));
        }
        self.change(node, Change::Add).await
    }

    /// Brings the cluster back to the members it began with.
    pub(super) async fn restore(&self) {
        let members = self.cluster.members();
        for node in 0..self.cluster.len() {
            let done = match self.cluster.lost(node) {
                Some(_) => self.repair(node).await,
                None if node < members => self.add(node).await,
                None => self.remove(node).await,
            };
            if let Err(why) = done {
                self.note(&why);
            }
        }
    }

    fn note(&self, why: &str) {
        self.setting.recorder.note(format!("operator: {why}"));
    }

    async fn turn(&self, node: usize) -> Turn<'_> {
        self.busy.borrow_mut().insert(node);
        let guard = self.turn.lock().await;
        Turn {
            operator: self,
            node,
            _guard: guard,
        }
    }

    /// Has the change made, and waits until the leader has applied it.
    async fn change(&self, node: usize, change: Change) -> Result<(), String> {
        let deadline = self.executor.now() + PATIENCE;
        let mut why = String::from("no node leads");
        while !self.is_done(node, change) {
            if self.executor.now() >= deadline {
                let (name, verb) = (node_name(node), change.verb());
                return Err(format!("{name} could not be {verb} in time: {why}"));
            }
            if let Err(error) = self.ask(node, change).await {
                why = error;
            }
            self.rest(REST).await;
        }
        Ok(())
    }

    fn is_done(&self, node: usize, change: Change) -> bool {
        let leader = self.cluster.leader().and_then(|l| self.cluster.node(l));
        let Some(membership) = leader.map(|leader| leader.membership()) else {
            return false;
        };
        let id = node as u64 + 1;
        !membership.is_changing
            && match change {
                Change::Add => membership.voters.contains(&id),
                Change::Remove => {
                    !membership.voters.contains(&id) && !membership.learners.contains(&id)
                }
            }
    }

    /// Asks the leader once.
    async fn ask(&self, node: usize, change: Change) -> Result<(), String> {
        let leader = self.cluster.leader().ok_or("no node leads")?;
        let handle = self.cluster.node(leader).ok_or("the leader is gone")?;
        let answer: Rc<Cell<Option<Result<(), NodeError>>>> = Rc::default();
        self.executor.spawn_on(HostId(leader), {
            let answer = answer.clone();
            async move {
                let id = node as u64 + 1;
                answer.set(Some(match change {
                    Change::Add => handle.add_member(id, &node_address(node)).await,
                    Change::Remove => handle.remove_member(id).await,
                }));
            }
        });
        let deadline = self.executor.now() + STEP;
        while self.executor.now() < deadline && self.cluster.leader() == Some(leader) {
            if let Some(answer) = answer.take() {
                return answer.map_err(|e| e.to_string());
            }
            self.rest(LOOK).await;
        }
        Err(format!("{} did not answer", node_name(leader)))
    }

    async fn rest(&self, duration: Nanos) {
        let until = self.executor.now() + duration;
        self.executor.sleep_until(until).await;
    }
}

/// The operator's attention, until dropped.
struct Turn<'a> {
    operator: &'a Operator,
    node: usize,
    _guard: tokio::sync::MutexGuard<'a, ()>,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.operator.busy.borrow_mut().remove(&self.node);
    }
}

impl Change {
    fn verb(self) -> &'static str {
        match self {
            Change::Add => "added",
            Change::Remove => "removed",
        }
    }
}
