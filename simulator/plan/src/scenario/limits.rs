//! Repeats the limits of a node, so that a scenario beyond them is refused with its place.
//!
//! A scenario knows nothing of the cluster; a test holds these figures to the cluster's own.

use super::unit::Duration;

/// Shortest session.
pub(super) const SHORTEST_SESSION: Duration = Duration(100_000);
/// Longest session, wait, visibility and delay: 24 hours.
pub(super) const LONGEST: Duration = Duration(24 * 3_600 * 1_000_000);
/// Most messages published or received by one request.
pub(super) const LARGEST_BATCH: u64 = 1_000;
/// Most arguments of one command, its name included.
pub(super) const MOST_ARGUMENTS: u64 = 4_096;
/// Fewest log entries between two snapshots.
pub(super) const FEWEST_BETWEEN_SNAPSHOTS: u64 = 10;
/// Keys that probes of the cache write.
pub(super) const PROBED_KEYS: u64 = 4;

#[cfg(test)]
mod tests {
    use squall_cluster::{protocol, raft, state};

    use super::*;

    #[test]
    fn the_limits_are_those_of_the_cluster() {
        assert_eq!(SHORTEST_SESSION.ms(), state::SHORTEST_SESSION_MS);
        assert_eq!(LONGEST.ms(), state::LONGEST_MS);
        assert_eq!(LARGEST_BATCH, state::LARGEST_BATCH as u64);
        assert_eq!(MOST_ARGUMENTS, protocol::MAX_ARGUMENTS as u64);
        assert_eq!(
            FEWEST_BETWEEN_SNAPSHOTS,
            raft::RaftOptions::FEWEST_BETWEEN_SNAPSHOTS
        );
    }
}
