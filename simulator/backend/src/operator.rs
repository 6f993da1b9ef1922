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

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use squall_world::World;

use super::site::{Change, InstallError, Site};
use squall_fault::node_name;
use squall_history::HarnessEvent;
use squall_workload::RunContext;

/// A change that is not through after this long is given up.
const PATIENCE: Duration = Duration::from_secs(30);
/// Rest between attempts.
const REST: Duration = Duration::from_millis(100);

/// Keeps the membership as the plan wants it.
pub struct Operator<S: Site> {
    site: Rc<S>,
    context: Rc<RunContext>,
    /// One change at a time.
    turn: tokio::sync::Mutex<()>,
    /// Nodes that a fault will have replaced itself.
    spoken_for: RefCell<BTreeSet<usize>>,
    /// Nodes being worked on.
    busy: RefCell<BTreeSet<usize>>,
}

impl<S: Site> Operator<S> {
    /// Wants the first members, and nothing else yet.
    pub fn new(site: Rc<S>, context: Rc<RunContext>) -> Rc<Self> {
        Rc::new(Self {
            site,
            context,
            turn: tokio::sync::Mutex::default(),
            spoken_for: RefCell::default(),
            busy: RefCell::default(),
        })
    }

    /// Replaces nodes that refuse to start, for ever.
    pub async fn watch(self: Rc<Self>) {
        loop {
            self.site.startup_failure().await;
            for node in 0..self.site.len() {
                let is_spoken_for = self.spoken_for.borrow().contains(&node);
                if self.site.data_loss(node).is_some() && !is_spoken_for {
                    let operator = self.clone();
                    S::World::spawn(async move {
                        // What could not be done now is tried again when all is healed.
                        if let Err(error) = operator.repair(node).await {
                            operator.missed(error);
                        }
                    });
                }
            }
        }
    }

    /// Whether the node will be replaced by the fault that damaged it, and by nobody else.
    pub fn reserve(&self, node: usize, spoken_for: bool) {
        match spoken_for {
            true => self.spoken_for.borrow_mut().insert(node),
            false => self.spoken_for.borrow_mut().remove(&node),
        };
    }

    /// Nodes that are being added, removed or replaced.
    pub fn busy(&self) -> BTreeSet<usize> {
        self.busy.borrow().clone()
    }

    /// Replaces the node if it has lost what it had stored, and nobody has done so yet.
    ///
    /// # Errors
    /// It gave up, as in [`Self::replace`].
    pub async fn repair(&self, node: usize) -> Result<(), InstallError> {
        let _turn = self.turn(node).await;
        match self.site.data_loss(node) {
            Some(_) => self.swap(node).await,
            None => Ok(()),
        }
    }

    /// Replaces the node by a machine with an empty disk. Returns when that began, in
    /// microseconds of the run.
    ///
    /// # Errors
    /// It gave up: skipped if it was not done, uncertain if nobody leads who could tell.
    pub async fn replace(&self, node: usize) -> Result<u64, InstallError> {
        let turn = self.turn(node).await;
        self.swap(node).await.map(|()| turn.begun_us)
    }

    async fn swap(&self, node: usize) -> Result<(), InstallError> {
        self.change(node, Change::Remove).await?;
        if self.site.is_up(node) {
            self.site.kill(&[node]).await;
        }
        self.site.replace(node).await;
        self.site.start(node).await;
        // The old machine is gone whether or not the new one is in yet; that is tried again when
        // all is healed.
        if let Err(error) = self.change(node, Change::Add).await {
            self.missed(error);
        }
        Ok(())
    }

    /// Takes the node out of the cluster; its process goes on. Returns as [`Self::replace`].
    ///
    /// # Errors
    /// As [`Self::replace`].
    pub async fn remove(&self, node: usize) -> Result<u64, InstallError> {
        let turn = self.turn(node).await;
        self.change(node, Change::Remove)
            .await
            .map(|()| turn.begun_us)
    }

    /// Makes the node a voter. Returns as [`Self::replace`].
    ///
    /// # Errors
    /// As [`Self::replace`].
    pub async fn add(&self, node: usize) -> Result<u64, InstallError> {
        let turn = self.turn(node).await;
        if self.site.data_loss(node).is_some() {
            let why = format!("{} has lost its disk", node_name(node));
            return Err(InstallError::Skipped(why));
        }
        self.change(node, Change::Add).await.map(|()| turn.begun_us)
    }

    /// Brings the cluster back to the members it began with. Another system than Squall's own
    /// has those that it has: nobody can ask it for others.
    pub async fn restore(&self) {
        if self.context.is_foreign || !self.site.can_be_changed() {
            return;
        }
        let members = self.site.members();
        for node in 0..self.site.len() {
            let done = match self.site.data_loss(node) {
                Some(_) => self.repair(node).await,
                None if node < members => self.add(node).await.map(drop),
                None => self.remove(node).await.map(drop),
            };
            if let Err(error) = done {
                self.missed(error);
            }
        }
    }

    fn missed(&self, error: InstallError) {
        let why = error.into_text();
        let recorder = &self.context.recorder;
        recorder.missed(HarnessEvent::Membership { why });
    }

    async fn turn(&self, node: usize) -> Turn<'_, S> {
        self.busy.borrow_mut().insert(node);
        let guard = self.turn.lock().await;
        Turn {
            operator: self,
            node,
            begun_us: self.context.recorder.now_us(),
            _guard: guard,
        }
    }

    /// Has the change made, and waits until the leader has applied it.
    async fn change(&self, node: usize, change: Change) -> Result<(), InstallError> {
        let deadline = S::World::now() + PATIENCE;
        let mut was_asked = false;
        let mut why = String::from("no node leads");
        while !self.is_done(node, change) {
            if S::World::now() >= deadline {
                let (name, verb) = (node_name(node), verb(change));
                let why = format!("{name} could not be {verb} in time: {why}");
                return match was_asked {
                    true => self.settle(node, change, why).await,
                    false => Err(InstallError::Skipped(why)),
                };
            }
            if let Some(leader) = self.site.leader() {
                was_asked = true;
                if let Err(error) = self.site.change_member(leader, node, change).await {
                    why = error;
                }
            }
            S::World::sleep(REST).await;
        }
        Ok(())
    }

    /// Waits until a leader can tell what became of a change that was given up.
    async fn settle(&self, node: usize, change: Change, why: String) -> Result<(), InstallError> {
        let deadline = S::World::now() + PATIENCE;
        let is_known = || (self.site.configuration()).is_some_and(|now| !now.is_changing);
        while !is_known() {
            if S::World::now() >= deadline {
                return Err(InstallError::Uncertain(why));
            }
            S::World::sleep(REST).await;
        }
        match self.is_done(node, change) {
            true => Ok(()),
            false => Err(InstallError::Skipped(why)),
        }
    }

    fn is_done(&self, node: usize, change: Change) -> bool {
        let Some(now) = self.site.configuration() else {
            return false;
        };
        !now.is_changing
            && match change {
                Change::Add => now.voters.contains(&node),
                Change::Remove => !now.voters.contains(&node) && !now.learners.contains(&node),
            }
    }
}

/// The operator's attention, until dropped.
struct Turn<'a, S: Site> {
    operator: &'a Operator<S>,
    node: usize,
    begun_us: u64,
    _guard: tokio::sync::MutexGuard<'a, ()>,
}

impl<S: Site> Drop for Turn<'_, S> {
    fn drop(&mut self) {
        self.operator.busy.borrow_mut().remove(&self.node);
    }
}

/// What was done, or was not.
fn verb(change: Change) -> &'static str {
    match change {
        Change::Add => "added",
        Change::Remove => "removed",
    }
}
