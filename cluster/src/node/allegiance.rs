//! Decides which leader this node follows, and how long it refuses its vote to others.
//!
//! A voter that has heard from a leader refuses its vote to others for [`RaftOptions::promise`],
//! which is less than the shortest election timeout: one election timeout of silence, and a
//! majority that has heard nothing either, make an election. openraft's own lease would come
//! before the timeout; it is ended as soon as a follower has met its leader.
//!
//! A leader's process that is gone is noticed at once: a follower whose connection from the leader
//! ends asks the leader's machine for another, and if that refuses, stands at once. So does a
//! voter that is asked for its vote. That suspicion may be wrong, if something else refuses the
//! connection; so it never breaks a promise that the leader has asked for. It asks while
//! clients read by lease, and trusts promises for [`RaftOptions::read_lease`] after it has sent
//! the call, which is less than they last, so that clocks may differ in rate.
//!
//! [`RaftOptions::promise`]: crate::raft::RaftOptions::promise
//! [`RaftOptions::read_lease`]: crate::raft::RaftOptions::read_lease

use std::cell::Cell;
use std::io;
use std::time::Duration;

use openraft::async_runtime::watch::WatchReceiver;
use openraft::raft::{TransferLeaderRequest, VoteRequest, VoteResponse};
use openraft::vote::RaftLeaderId;

use super::Node;
use crate::planted::{self, Bug};
use crate::raft::{NodeId, RaftWorld, TypeConfig, Vote};
use crate::world::Instant;
use crate::world::point::Point;

/// How often a voter that finds the leader gone stands before it leaves that to openraft's
/// timer: others may keep a promise longer, or have looked later.
const TRIES: u32 = 4;
/// A process that is ending may take a connection and not live to answer; it is asked again
/// after a rest.
const ATTEMPTS: u32 = 10;
const REST: Duration = Duration::from_millis(2);

/// What a node remembers of its leader.
pub(super) struct Allegiance<W: RaftWorld> {
    /// When the last call came from a leader, of this term or of one to come.
    heard_at: Cell<Option<Instant>>,
    /// When the last of them came that asked for a promise.
    promised_at: Cell<Option<Instant>>,
    /// Whether the leader's process was found to be gone since the last call.
    is_gone: Cell<bool>,
    /// The leadership in which openraft's lease has been ended.
    met: Cell<Option<Vote<W>>>,
}

impl<W: RaftWorld> Allegiance<W> {
    /// Of a node that starts now. One that has voted may have promised something just before
    /// it stopped.
    pub(super) fn new(has_voted: bool) -> Self {
        let started = has_voted.then(W::now);
        Self {
            heard_at: Cell::new(started),
            promised_at: Cell::new(started),
            is_gone: Cell::new(false),
            met: Cell::default(),
        }
    }

    pub(super) fn heard_at(&self) -> Option<Instant> {
        self.heard_at.get()
    }

    /// Whether the leader's process was found to be gone.
    pub(super) fn is_gone(&self) -> bool {
        self.is_gone.get()
    }
}

impl<W: RaftWorld> Node<W> {
    /// A call of the leader that holds `vote` has arrived, and asks for a promise or not. It
    /// counts before it is handled: a vote that is asked for meanwhile must not be given.
    pub(super) fn note_leader(&self, vote: &Vote<W>, promises: bool) {
        if self.vote() > *vote {
            return;
        }
        let allegiance = &self.inner.allegiance;
        allegiance.heard_at.set(Some(W::now()));
        allegiance.is_gone.set(false);
        if promises {
            allegiance.promised_at.set(Some(W::now()));
        }
    }

    /// Ends openraft's lease of the leader that holds `vote` and has just been followed. This is
    /// what a follower does that learns of a transfer to somebody else.
    pub(super) async fn meet_leader(&self, vote: Vote<W>) {
        let met = &self.inner.allegiance.met;
        // While a member may be of a release that knows no promises, its leases are openraft's.
        if met.get() == Some(vote) || self.level() == 0 {
            return;
        }
        let to = *vote.leader_id().node_id();
        let ended = TransferLeaderRequest::new(vote, to, None);
        if let Ok(Ok(())) = self.inner.raft.handle_transfer_leader(ended).await {
            met.set(Some(vote));
        }
    }

    /// Answers a request for a vote, or for the prospect of one.
    pub(super) async fn answer_candidate(
        &self,
        request: VoteRequest<TypeConfig<W>>,
        pre_vote: bool,
    ) -> Result<VoteResponse<TypeConfig<W>>, String> {
        // The leader itself has asked a successor to stand, and serves nothing any more.
        let is_transfer = request.leadership_transfer;
        if pre_vote && self.keeps_vote() {
            // The candidate may know already.
            self.look_for_leader().await;
        }
        if !is_transfer && self.keeps_vote() {
            return Ok(VoteResponse::new(self.vote(), None, false));
        }
        let heard_at = self.inner.allegiance.heard_at();
        let raft = &self.inner.raft;
        let answer = if pre_vote {
            raft.pre_vote(request).await
        } else {
            raft.vote(request).await
        };
        W::pass(Point::VoteBeforeAnswer).await;
        let mut answer = answer.map_err(|e| e.to_string())?;
        if !is_transfer && self.inner.allegiance.heard_at() != heard_at {
            // A leader has called meanwhile, and may have been answered.
            answer.vote_granted = false;
        }
        Ok(answer)
    }

    /// Whether a leader was heard from so lately that nobody else gets a vote.
    fn keeps_vote(&self) -> bool {
        let allegiance = &self.inner.allegiance;
        if planted::active(Bug::UselessLeaderStays) && !allegiance.is_gone() {
            return self.leader_id().is_some();
        }
        let kept_since = if allegiance.is_gone() {
            self.promised_at()
        } else {
            allegiance.heard_at()
        };
        let promise = self.inner.options.raft.promise();
        kept_since.is_some_and(|since| W::now() - since <= promise)
    }

    fn promised_at(&self) -> Option<Instant> {
        let promised_at = self.inner.allegiance.promised_at.get();
        promised_at.filter(|_| !planted::active(Bug::PromiseBroken))
    }

    /// A connection that the node `peer` had opened has ended.
    pub(super) async fn lose_connection(&self, peer: NodeId) {
        if self.leader_id() != Some(peer) || self.is_stopping() {
            return;
        }
        if planted::active(Bug::PromiseBroken) {
            return self.give_up_leader();
        }
        self.look_for_leader().await;
    }

    /// Finds out whether the leader's process is gone: its machine refuses connections.
    async fn look_for_leader(&self) {
        let vote = self.vote();
        let heard_at = self.inner.allegiance.heard_at();
        let Some(leader) = self.leader_id().filter(|id| *id != self.id()) else {
            return;
        };
        let address = self.address_of(leader);
        let Some(address) = address.as_deref().and_then(crate::raft::peer_address) else {
            return;
        };
        let limit = Duration::from_millis(self.inner.options.raft.heartbeat_ms);
        for _ in 0..ATTEMPTS {
            let greeted = self.inner.network.greet(leader, &address, limit).await;
            let Err(e) = greeted else { return };
            match e.kind() {
                io::ErrorKind::ConnectionRefused => {
                    let is_silent = self.inner.allegiance.heard_at() == heard_at;
                    if is_silent && self.vote() == vote {
                        self.give_up_leader();
                    }
                    return;
                }
                io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::BrokenPipe
                | io::ErrorKind::UnexpectedEof => W::sleep(REST).await,
                _ => return,
            }
        }
    }

    /// The leader is thought to be gone, since now.
    fn give_up_leader(&self) {
        if !self.inner.allegiance.is_gone.replace(true) {
            W::spawn(stand(self.clone(), self.vote()));
        }
    }

    /// The vote that this node has given or follows.
    pub(super) fn vote(&self) -> Vote<W> {
        self.inner.raft.metrics().borrow_watched().vote
    }

    fn leader_id(&self) -> Option<NodeId> {
        self.inner.raft.metrics().borrow_watched().current_leader
    }
}

/// Stands for election after the leader that held `vote`, as soon as this node's promise, if
/// there is one, has ended. Of the voters that find the leader gone at the same time, the one
/// with the lowest number stands first, and each of the others half a heartbeat after the one
/// before, which is elected by then or cannot be.
async fn stand<W: RaftWorld>(node: Node<W>, vote: Vote<W>) {
    let leader = *vote.leader_id().node_id();
    let voters = node.voters();
    let before = voters
        .iter()
        .filter(|id| **id < node.id() && **id != leader)
        .count();
    let heartbeat = Duration::from_millis(node.inner.options.raft.heartbeat_ms);
    let promise = node.inner.options.raft.promise() + REST;
    for _ in 0..TRIES {
        let now = W::now();
        let kept_until = node.promised_at().map_or(now, |at| at + promise);
        W::sleep_until(kept_until.max(now) + heartbeat / 2 * before as u32).await;
        if !node.inner.allegiance.is_gone() || node.vote() != vote || node.is_stopping() {
            return;
        }
        // Whether it has a vote is openraft's to know; that fails only when Raft has ended.
        let _ = node.inner.raft.trigger().elect(true).await;
        W::sleep(heartbeat).await;
    }
}
