//! Paces what is sent in bulk, so that it leaves time to everything else.

use std::cell::Cell;
use std::time::Duration;

use crate::world::{Instant, World};

/// How far behind its rate it may be and make up for it: clocks of an event loop wake it up to
/// a millisecond late.
const SLACK: Duration = Duration::from_millis(5);

/// A rate that all share who send by it.
#[derive(Debug)]
pub struct Pace {
    /// Bytes a second; 0: no limit.
    rate: Cell<u64>,
    /// When what has passed so far has taken its time.
    over_at: Cell<Instant>,
}

impl Pace {
    /// So many bytes a second; 0: no limit.
    pub fn new(rate: u64) -> Self {
        Self {
            rate: Cell::new(rate),
            over_at: Cell::default(),
        }
    }

    /// Bytes a second; 0: no limit. It may be changed, for what has not passed yet.
    pub fn rate(&self) -> &Cell<u64> {
        &self.rate
    }

    /// The time that so many bytes take.
    pub fn time_of(&self, bytes: u64) -> Duration {
        let rate = u128::from(self.rate.get());
        let nanos = (u128::from(bytes) * 1_000_000_000).checked_div(rate);
        Duration::from_nanos(nanos.unwrap_or(0).try_into().unwrap_or(u64::MAX))
    }

    /// Resolves when so many bytes may be sent: when those before them have taken their time.
    pub async fn pass<W: World>(&self, bytes: u64) {
        if self.rate.get() == 0 {
            return;
        }
        let now = W::now();
        let begun = self.over_at.get().max(now - SLACK);
        self.over_at.set(begun + self.time_of(bytes));
        if begun > now {
            W::sleep_until(begun).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::join;

    use super::*;
    use crate::world::RealWorld;

    const MIB: u64 = 1 << 20;

    #[tokio::test]
    async fn all_who_send_share_one_rate() {
        let pace = Pace::new(100 * MIB);
        let sends = async || {
            for _ in 0..40 {
                pace.pass::<RealWorld>(MIB / 4).await;
            }
        };
        let begun = RealWorld::now();
        join(sends(), sends()).await;
        // 20 MiB, of which the last quarter need not have taken its time, nor what the slack is.
        let took = RealWorld::now() - begun;
        let least = pace.time_of(20 * MIB - MIB / 4) - SLACK;
        assert!(took >= least, "{took:?}");
    }

    #[tokio::test]
    async fn time_that_was_not_used_is_not_saved_up() {
        let pace = Pace::new(MIB);
        pace.pass::<RealWorld>(1).await;
        RealWorld::sleep(Duration::from_millis(40)).await;
        let begun = RealWorld::now();
        pace.pass::<RealWorld>(MIB / 50).await;
        pace.pass::<RealWorld>(1).await;
        let took = RealWorld::now() - begun;
        assert!(took >= Duration::from_millis(15), "{took:?}");
    }

    #[tokio::test]
    async fn without_a_rate_nothing_waits() {
        let pace = Pace::new(0);
        assert_eq!(pace.time_of(u64::MAX), Duration::ZERO);
        for _ in 0..1_000 {
            let passing = pace.pass::<RealWorld>(u64::MAX);
            let at_once = futures_util::FutureExt::now_or_never(passing);
            assert!(at_once.is_some());
        }
    }
}
