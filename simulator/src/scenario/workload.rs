//! `[[workload]]`: who sends what, and how fast.
//!
//! A closed loop (`think`) sends the next operation a pause after the last one returned; an
//! open loop (`rate`) sends on a schedule of its own, whatever the service does.

use serde::Deserialize;
use toml::Spanned;

use super::unit::{Bounds, Duration, Rate, Share, Size};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Service {
    Lock,
    Queue,
    Cache,
}

impl Service {
    pub fn name(self) -> &'static str {
        match self {
            Service::Lock => "lock",
            Service::Queue => "queue",
            Service::Cache => "cache",
        }
    }
}

/// Every key but `service` is optional; which ones a service knows is checked.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workload {
    pub service: Service,
    /// Lock, cache. Default 5.
    pub clients: Option<Spanned<u64>>,
    /// Queue. Default 5.
    pub producers: Option<Spanned<u64>>,
    /// Queue. Default 5. Consumers are always a closed loop without a pause.
    pub consumers: Option<Spanned<u64>>,
    /// Pause of the closed loop. Default none.
    pub think: Option<Spanned<Bounds<Duration>>>,
    /// Open loop: operations of the whole workload (of a queue: publishes).
    pub rate: Option<Spanned<Rate>>,
    /// The workload ends when so many were sent. Default: it ends with its phases.
    pub operations: Option<Spanned<u64>>,
    /// Queue, cache: size of a message or value. Default 100 B, at most 1 MiB.
    pub payload: Option<Spanned<Size>>,
    /// Cache: keys (default 10). Lock: lock names (default 3).
    pub keys: Option<Spanned<u64>>,
    /// Cache: share of reads. Default 50%.
    pub reads: Option<Spanned<Share>>,
    /// Lock: share of shared acquisitions. Default 0%.
    pub shared: Option<Spanned<Share>>,
    /// Of one operation. Default 1 s.
    pub timeout: Option<Spanned<Duration>>,
    /// Lock: session time to live. Default 10 s.
    pub ttl: Option<Spanned<Duration>>,
    /// Lock: how long an acquire waits in line. Default 500 ms, below `timeout`.
    pub wait: Option<Spanned<Duration>>,
    /// Lock: how long a lock is held. Default 5 ms.
    pub hold: Option<Spanned<Duration>>,
    /// Queue: visibility timeout of a delivery. Default 30 s.
    pub visibility: Option<Spanned<Duration>>,
}

/// What was written, or the default of the key.
pub fn written<T: Copy>(value: &Option<Spanned<T>>, default: T) -> T {
    value.as_ref().map_or(default, |value| *value.get_ref())
}

impl Workload {
    pub fn clients(&self) -> u64 {
        written(&self.clients, 5)
    }

    pub fn producers(&self) -> u64 {
        written(&self.producers, 5)
    }

    pub fn consumers(&self) -> u64 {
        written(&self.consumers, 5)
    }

    pub fn keys(&self) -> u64 {
        let default = if self.service == Service::Lock { 3 } else { 10 };
        written(&self.keys, default)
    }

    pub fn think(&self) -> (Duration, Duration) {
        written(&self.think, Bounds::default()).or((Duration(0), Duration(0)))
    }

    pub fn payload(&self) -> Size {
        written(&self.payload, Size(100))
    }

    pub fn reads(&self) -> Share {
        written(&self.reads, Share(500_000))
    }

    pub fn shared(&self) -> Share {
        written(&self.shared, Share(0))
    }

    pub fn timeout(&self) -> Duration {
        written(&self.timeout, Duration(1_000_000))
    }

    pub fn ttl(&self) -> Duration {
        written(&self.ttl, Duration(10_000_000))
    }

    pub fn wait(&self) -> Duration {
        written(&self.wait, Duration(500_000))
    }

    pub fn hold(&self) -> Duration {
        written(&self.hold, Duration(5_000))
    }

    pub fn visibility(&self) -> Duration {
        written(&self.visibility, Duration(30_000_000))
    }
}
