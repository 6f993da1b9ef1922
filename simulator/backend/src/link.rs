//! The model of a link: when a packet arrives. It is the same in every world.
//!
//! Latency and jitter are drawn per packet, and bandwidth makes packets queue. Where packets
//! are real, loss takes them away ([`Link::loses`]); in simulation it costs what it costs TCP
//! ([`Link::loss_delay`]): a retransmission after the timeout (200 ms, doubling, as Linux does)
//! with everything behind it on the same connection waiting. A link that is cut loses every
//! packet until it heals, so the first retransmission after that gets through. Within a
//! connection and direction, packets stay in order.

use std::sync::Arc;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use squall_fault::LinkChange;
use squall_plan::plan::{NetworkPlan, Quantiles};

/// Nanoseconds, since some beginning or of a length.
type Nanos = u64;

/// Linux's minimum retransmission timeout.
const RETRANSMIT_FIRST: Nanos = 200_000_000;
/// Linux's maximum.
const RETRANSMIT_MAX: Nanos = 120_000_000_000;

/// Linux gives a connection up after so many (`tcp_retries2`).
const MAX_LOSSES: u32 = 15;

/// How long until the `attempt`-th retransmission (from 0) of a packet.
pub fn retransmit_after(attempt: u32) -> Nanos {
    RETRANSMIT_FIRST
        .checked_shl(attempt)
        .map_or(RETRANSMIT_MAX, |after| after.min(RETRANSMIT_MAX))
}

/// One direction of one link.
#[derive(Debug, Clone)]
pub struct Link {
    /// In the place of the plain bounds and their jitter.
    measured: Option<Arc<Quantiles>>,
    latency_min: Nanos,
    latency_max: Nanos,
    jitter: Nanos,
    loss_ppm: u32,
    bandwidth_bytes_per_s: Option<u64>,
    /// How many faults cut this direction.
    pub cuts: u32,
    /// When the last byte sent so far has left.
    busy_until: Nanos,
}

impl Link {
    /// A link that costs nothing and loses nothing.
    pub fn perfect() -> Self {
        Self {
            measured: None,
            latency_min: 0,
            latency_max: 0,
            jitter: 0,
            loss_ppm: 0,
            bandwidth_bytes_per_s: None,
            cuts: 0,
            busy_until: 0,
        }
    }

    /// Links as the plan has them, without faults.
    pub fn new(plan: &NetworkPlan) -> Self {
        // Faults add to what is measured.
        let (latency_min_us, latency_max_us, jitter_us) = match plan.measured_latency {
            Some(_) => (0, 0, 0),
            None => (plan.latency_min_us, plan.latency_max_us, plan.jitter_us),
        };
        Self {
            measured: plan.measured_latency.clone().map(Arc::new),
            latency_min: latency_min_us * 1_000,
            latency_max: latency_max_us * 1_000,
            jitter: jitter_us * 1_000,
            loss_ppm: plan.loss_ppm,
            bandwidth_bytes_per_s: plan.bandwidth_bytes_per_s,
            cuts: 0,
            busy_until: 0,
        }
    }

    /// Applies a fault's change on top of what holds now.
    pub fn degrade(&mut self, change: &LinkChange) {
        self.latency_min += change.latency_us * 1_000;
        self.latency_max += change.latency_us * 1_000;
        self.jitter += change.jitter_us * 1_000;
        // Two independent chances of loss.
        let kept = u64::from(1_000_000 - self.loss_ppm) * u64::from(1_000_000 - change.loss_ppm);
        self.loss_ppm = 1_000_000 - (kept / 1_000_000) as u32;
        self.bandwidth_bytes_per_s =
            match (self.bandwidth_bytes_per_s, change.bandwidth_bytes_per_s) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            };
    }

    /// When a packet of `bytes` sent at `now` arrives.
    pub fn arrival(&mut self, now: Nanos, bytes: u64, rng: &mut ChaCha8Rng) -> Nanos {
        let mut sent = now;
        if let Some(rate) = self.bandwidth_bytes_per_s {
            let transmission = bytes.saturating_mul(1_000_000_000) / rate.max(1);
            self.busy_until = self.busy_until.max(now) + transmission;
            sent = self.busy_until;
        }
        let mut delay = match self.latency_min < self.latency_max {
            true => rng.random_range(self.latency_min..=self.latency_max),
            false => self.latency_min,
        };
        if self.jitter > 0 {
            delay += rng.random_range(0..=self.jitter);
        }
        if let Some(measured) = &self.measured {
            delay += measured.draw(rng);
        }
        sent + delay
    }

    /// Whether anything gets through at all.
    pub fn is_open(&self) -> bool {
        self.cuts == 0 && self.loss_ppm < 1_000_000
    }

    /// Whether this packet is lost.
    pub fn loses(&self, rng: &mut ChaCha8Rng) -> bool {
        self.loss_ppm > 0 && rng.random_range(0..1_000_000) < self.loss_ppm
    }

    /// By how much losses delay a packet that gets through in the end.
    pub fn loss_delay(&self, rng: &mut ChaCha8Rng) -> Nanos {
        let mut delay = 0;
        let mut attempt = 0;
        while self.loss_ppm > 0
            && attempt < MAX_LOSSES
            && rng.random_range(0..1_000_000) < self.loss_ppm
        {
            delay += retransmit_after(attempt);
            attempt += 1;
        }
        delay
    }
}
