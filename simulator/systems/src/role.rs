//! What a node says of itself: its role, its term, how far it is.

/// What a node says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    pub role: Role,
    /// Term, view or epoch: rises with every leader. `None` where the system has none.
    pub term: Option<u64>,
    /// Position of what it has applied, in whatever the system counts.
    pub applied: Option<u64>,
}

/// Part of a node in its cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It takes writes, or believes to.
    Leader,
    /// It does not.
    Follower,
}
