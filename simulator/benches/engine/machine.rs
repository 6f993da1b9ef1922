//! The real machine: its clock, the time this process had on it, and its memory.
//!
//! Processor time is printed beside wall time because the targets mean one core of one's
//! own; on a busy machine only processor time says what that would give.

use std::ops::Sub;
use std::time::Instant;

use serde::{Deserialize, Serialize};

/// How long something took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Elapsed {
    pub wall_s: f64,
    /// Time on a core, of this thread; equal to `wall_s` where it cannot be had.
    pub cpu_s: f64,
}

impl Sub for Elapsed {
    type Output = Elapsed;
    fn sub(self, part: Elapsed) -> Elapsed {
        Elapsed {
            wall_s: (self.wall_s - part.wall_s).max(0.0),
            cpu_s: (self.cpu_s - part.cpu_s).max(0.0),
        }
    }
}

/// Runs `work` and says how long it took.
pub fn timed<R>(work: impl FnOnce() -> R) -> (R, Elapsed) {
    let watch = Watch::start();
    let result = work();
    (result, watch.elapsed())
}

pub struct Watch {
    started: Instant,
    cpu_ns: Option<u64>,
}

impl Watch {
    #[allow(clippy::disallowed_methods)] // a benchmark reports the machine's time
    pub fn start() -> Self {
        Self {
            started: Instant::now(),
            cpu_ns: cpu_time_ns(),
        }
    }

    pub fn elapsed(&self) -> Elapsed {
        let wall_s = self.started.elapsed().as_secs_f64();
        let cpu_ns = cpu_time_ns().zip(self.cpu_ns).map(|(now, then)| now - then);
        Elapsed {
            wall_s,
            cpu_s: cpu_ns.map_or(wall_s, |ns| ns as f64 / 1e9),
        }
    }
}

/// Time this thread has spent on a core so far (Linux only).
fn cpu_time_ns() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split_whitespace().next()?.parse().ok()
}

/// The most memory this process ever had at once (Linux only; 0 elsewhere).
pub fn peak_memory_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}
