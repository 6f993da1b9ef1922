//! Named points in a node's code at which rare things happen, if somebody makes them happen.
//!
//! A node says that it passes one ([`crate::World::pass`], [`crate::disk::Disk::pass`]). In a
//! real world that is nothing at all; a simulated one may let the task wait there, let others go
//! first, or strike the whole node before it takes another step. Every point stands where the
//! task could wait anyway, so what happens there could happen without it, if seldom.
//!
//! After the points of FoundationDB's `BUGGIFY` and of etcd's `gofail`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Which nodes pass a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PassedBy {
    /// Any node.
    Any,
    /// Whoever leads.
    Leader,
    /// Whoever does not, or not yet.
    Follower,
}

macro_rules! points {
    ($($point:ident $name:literal $by:ident, $about:literal;)*) => {
        /// A point, by the name that scenarios and reports use.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub enum Point {
            $(#[doc = $about] $point,)*
        }

        impl Point {
            /// In the order of the table, on which drawn plans depend.
            pub const ALL: &[Point] = &[$(Point::$point,)*];

            /// In scenarios and reports.
            pub fn name(self) -> &'static str {
                match self { $(Point::$point => $name,)* }
            }

            /// What the node has done, and what it has yet to do, in one line.
            pub fn about(self) -> &'static str {
                match self { $(Point::$point => $about,)* }
            }

            /// Which nodes pass it.
            pub fn passed_by(self) -> PassedBy {
                match self { $(Point::$point => PassedBy::$by,)* }
            }
        }
    };
}

points! {
    LogAppended "log.appended" Any,
        "entries are in memory and handed to the writer of the log, before Raft goes on";
    LogBeforeWrite "log.before_write" Any,
        "the writer has taken a batch, before it writes it";
    LogBeforeSync "log.before_sync" Any,
        "a batch is written, before it is synced";
    LogSynced "log.synced" Any,
        "a batch is synced, before that is reported";
    LogBeforeTruncate "log.before_truncate" Follower,
        "entries that another leader has overruled are gone from memory, before they are from the disk";
    LogBeforePurge "log.before_purge" Any,
        "a snapshot holds what the first entries did, before they are purged";
    LogBeforeRename "log.before_rename" Any,
        "a shorter log is written and synced, before it takes the name of the old one";
    LogRenamed "log.renamed" Any,
        "a shorter log has taken the name, before the directory is synced";
    VoteBeforeWrite "vote.before_write" Follower,
        "a vote is decided, before it is written";
    VoteSynced "vote.synced" Follower,
        "a vote is durable, before that is reported";
    VoteBeforeAnswer "vote.before_answer" Any,
        "a candidate is to have its answer, before that goes out";
    SnapshotBegun "snapshot.begun" Any,
        "the state is copied for a snapshot, before it is encoded";
    SnapshotBeforeSync "snapshot.before_sync" Any,
        "a snapshot is written, before it is synced";
    SnapshotBeforeRename "snapshot.before_rename" Any,
        "a snapshot is synced, before it has its name";
    SnapshotRenamed "snapshot.renamed" Any,
        "a snapshot has its name, before the directory is synced";
    SnapshotBeforeRemoval "snapshot.before_removal" Any,
        "a snapshot is durable, before the one before is removed";
    SnapshotBeforeSend "snapshot.before_send" Leader,
        "a piece of a snapshot is read, before it is sent";
    SnapshotArrived "snapshot.arrived" Follower,
        "a snapshot has arrived whole, before it is decoded";
    SnapshotBeforeInstall "snapshot.before_install" Follower,
        "a snapshot from the leader is saved, before it replaces the state";
    ApplyBefore "apply.before" Any,
        "entries are committed, before the first of them is applied";
    ApplyBetween "apply.between" Any,
        "an entry of several is applied, before the next one is";
    ApplyDone "apply.done" Any,
        "entries are applied, before those are woken who wait for that";
    WriteBeforeAnswer "write.before_answer" Leader,
        "a client's command is applied, before its answer goes out";
    ReadConfirmed "read.confirmed" Any,
        "a node knows that its state is recent enough, before it reads it";
    ReadPointKnown "read.point_known" Any,
        "the leader has said up to where a read must see, before the node waits for that";
    ListBeforeTake "list.before_take" Leader,
        "a client in line for a list has its turn, before its pop is proposed";
    ListTaken "list.taken" Leader,
        "a pop of a client in line is applied, before the client is answered";
    LeaderElected "leader.elected" Follower,
        "a node has won an election, before it proposes the first entry of its term";
    ExpiryDue "expiry.due" Leader,
        "something is due by the clock, before its end is proposed";
    TransferBefore "transfer.before" Leader,
        "a leader that stops has chosen its successor, before it hands over";
    FollowerBeforeAnswer "follower.before_answer" Follower,
        "entries of the leader are taken in, before it is answered";
    StartBeforeSync "start.before_sync" Follower,
        "the log is replayed and its tail written again, before that is synced";
    StartRecovered "start.recovered" Follower,
        "a node has recovered what it had stored, before it serves";
}

impl Point {
    /// Its place in the table.
    pub fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Point {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.iter().find(|point| point.name() == text);
        known.copied().ok_or_else(|| {
            let names: Vec<&str> = Self::ALL.iter().map(|point| point.name()).collect();
            format!(
                "unknown point `{text}`, expected one of {}",
                names.join(", ")
            )
        })
    }
}

impl TryFrom<String> for Point {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Point> for String {
    fn from(point: Point) -> String {
        point.name().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_distinct_and_read_back() {
        for (index, point) in Point::ALL.iter().enumerate() {
            assert_eq!(point.index(), index);
            assert_eq!(point.name().parse(), Ok(*point), "and no other");
        }
        let unknown = "log.nowhere".parse::<Point>();
        assert!(unknown.is_err_and(|why| why.contains("expected one of log.appended, ")));
    }
}
