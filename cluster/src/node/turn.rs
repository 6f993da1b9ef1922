//! How long one client may keep a node's event loop to itself.
//!
//! A few bytes can ask for much work (`LRANGE` of a long list, `KEYS`), and thousands of such
//! commands may come at once. Whoever has used up a turn lets all others go first. In a
//! simulation computing takes no time, so that no turn is ever over there.

use std::time::Duration;

use crate::raft::RaftWorld;
use crate::world::{self, Instant};

/// Much longer than an ordinary command takes, and shorter than anybody notices.
const LONGEST: Duration = Duration::from_millis(2);

/// See the module.
pub(super) struct Turn {
    began: Instant,
}

impl Turn {
    pub(super) fn begin<W: RaftWorld>() -> Self {
        Self { began: W::now() }
    }

    pub(super) fn is_over<W: RaftWorld>(&self) -> bool {
        W::now() - self.began > LONGEST
    }

    /// Lets others go first if the turn is over, and begins another.
    pub(super) async fn pass<W: RaftWorld>(&mut self) {
        if self.is_over::<W>() {
            world::yield_now().await;
            *self = Self::begin::<W>();
        }
    }
}
