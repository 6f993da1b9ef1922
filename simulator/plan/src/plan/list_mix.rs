//! Plans what clients of a cache do with lists.

use serde::{Deserialize, Serialize};

use super::parts::joined;
use squall_fault::text::{duration_text, share_text};

/// What is done with lists: shares of the operations of clients, which add up to one million,
/// and what workers do beside them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListMix {
    /// Values that are added.
    pub push_ppm: u32,
    /// Values that are taken for good.
    pub pop_ppm: u32,
    /// Values that are taken from one list and added to another.
    pub move_ppm: u32,
    /// Looks at how many values a list has.
    pub length_ppm: u32,
    /// Looks at whole lists.
    pub range_ppm: u32,
    /// Clients that take values, and wait for them.
    pub workers: u64,
    /// How long they wait.
    pub wait_ms: u64,
    /// Of what they take, values that they move to another list first.
    pub moved_ppm: u32,
    /// Waits during which a worker hangs up.
    pub cancel_ppm: u32,
    /// Operations at the other end.
    pub reversed_ppm: u32,
    /// Whether all that changes lists carries a sequence of its client's session.
    pub numbered: bool,
    /// How long a worker is at work on a value.
    pub work_min_us: u64,
    /// The longest time; 0 for no work.
    pub work_max_us: u64,
}

impl ListMix {
    pub(super) fn text(&self) -> String {
        let work = [self.work_min_us, self.work_max_us].map(duration_text);
        let parts = [
            (
                true,
                format!(
                    "as lists with {} pushes, {} pops, {} moves, {} lengths, {} ranges",
                    share_text(self.push_ppm),
                    share_text(self.pop_ppm),
                    share_text(self.move_ppm),
                    share_text(self.length_ppm),
                    share_text(self.range_ppm),
                ),
            ),
            (
                self.workers > 0,
                format!(
                    "{} workers that wait for {}",
                    self.workers,
                    duration_text(self.wait_ms * 1_000)
                ),
            ),
            (
                self.moved_ppm > 0,
                format!("{} moved first", share_text(self.moved_ppm)),
            ),
            (
                self.cancel_ppm > 0,
                format!("{} cancelled", share_text(self.cancel_ppm)),
            ),
            (
                self.reversed_ppm > 0,
                format!("{} at the other end", share_text(self.reversed_ppm)),
            ),
            (self.numbered, "exactly once by session".to_owned()),
            (
                self.work_max_us > 0,
                format!("work {}..{}", work[0], work[1]),
            ),
        ];
        joined(&parts)
    }
}
