//! `[[workload]]`: who sends what, and how fast.
//!
//! A closed loop (`think`) sends the next operation a pause after the last one returned; an
//! open loop (`rate`) sends on a schedule of its own, whatever the service does.

use std::collections::BTreeMap;

use serde::Deserialize;
use squall_history::Service;
use toml::Spanned;

use super::spread::{Access, Payload};
use super::unit::{Bounds, Duration, Rate, Share, Size};
use crate::plan::ExactlyOnce;

/// Every key but `service` is optional; which ones a service knows is checked.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workload {
    /// What the clients use.
    pub service: Spanned<Service>,
    /// Whether it runs at all. Default true.
    pub enabled: Option<Spanned<bool>>,
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
    /// So many from the start of the chaos phase, and the workload ends. When all that have
    /// such an end have come to it, the chaos phase ends as well; one that has not by the end
    /// of the phase has missed its objective. Default: a workload ends with its phases.
    pub operations: Option<Spanned<u64>>,
    /// Its part of a `[[load]]`, in proportion to the other workloads. Default 1.
    pub weight: Option<Spanned<u64>>,
    /// Queue, cache: size of a message or value. Default 100 B, at most 1 MiB.
    pub payload: Option<Spanned<Payload>>,
    /// Lock, cache: which keys are used how often. Default: all the same.
    pub access: Option<Spanned<Access>>,
    /// Cache: keys (default 10). Lock: lock names (default 3).
    pub keys: Option<Spanned<u64>>,
    /// Cache: share of reads. Default 50%.
    pub reads: Option<Spanned<Share>>,
    /// Lock: share of shared acquisitions. Default 0%.
    pub shared: Option<Spanned<Share>>,
    /// Of one operation. Default 1 s.
    pub timeout: Option<Spanned<Duration>>,
    /// Lock: session time to live, default 10 s. Cache: lifetime of expiring keys, default 1 s.
    pub ttl: Option<Spanned<Duration>>,
    /// Lock: how long an acquire waits in line. Default 500 ms, below `timeout`. Cache, with
    /// `lists`: how long a worker waits for a value. Default 500 ms.
    pub wait: Option<Spanned<Duration>>,
    /// Lock: how long a lock is held. Default 5 ms.
    pub hold: Option<Spanned<Duration>>,
    /// Queue: visibility timeout of a delivery. Default 30 s.
    pub visibility: Option<Spanned<Duration>>,

    /// Share of operations of which the client loses the answer, and which it sends again:
    /// acquires and releases of locks, publishes, increments and writes to lists under
    /// `exactly_once`. Default 0%.
    pub retries: Option<Spanned<Share>>,
    /// How long after. Default 100 ms to 1 s.
    pub retry_after: Option<Spanned<Bounds<Duration>>>,
    /// Lock: interval of keep-alives. Default a third of `ttl`.
    pub renew: Option<Spanned<Duration>>,
    /// Lock: clients that only look at who holds the locks and who waits. Default 0.
    pub watchers: Option<Spanned<u64>>,
    /// Lock: share of acquires after which the client is gone, its session left to expire.
    /// Queue: share of received messages that the consumer forgets. Default 0%.
    pub crash: Option<Spanned<Share>>,
    /// Lock: share of acquires that are cancelled while they wait. Cache, with `lists`: share
    /// of a worker's waits during which it hangs up. Default 0%.
    pub cancel: Option<Spanned<Share>>,
    /// Lock: share of acquires that die rather than wait for an older session. Default 0%.
    pub wait_die: Option<Spanned<Share>>,
    /// Queue: how publishes without an answer are sent again. Default not at all.
    /// Lock: acquires carry a sequence of their session. Cache, with `lists`: so do all that
    /// changes lists.
    pub exactly_once: Option<Spanned<ExactlyOnce>>,
    /// Queue, cache: time to live of the sessions under which operations are done exactly
    /// once. Default 10 minutes.
    pub session_ttl: Option<Spanned<Duration>>,
    /// Queue, cache: share of what is done exactly once by a session for which the client
    /// forgets to count, and takes the sequence of the operation before, which was another. The
    /// cluster refuses it. Default 0%.
    pub reuse: Option<Spanned<Share>>,
    /// Queue: messages of one publish, at most. Default 1.
    pub batch: Option<Spanned<u64>>,
    /// Queue: share of publishes with a delay, and that delay. Default 0%, 500 ms.
    pub delayed: Option<Spanned<Share>>,
    /// How long a delayed message waits. Default 500 ms.
    pub delay: Option<Spanned<Duration>>,
    /// Queue: priorities in use, from 0. Default 1.
    pub priorities: Option<Spanned<u64>>,
    /// Queue: groups in use; 0 is none. Default 0.
    pub groups: Option<Spanned<u64>>,
    /// Queue: messages that a receive asks for. Default 10.
    pub prefetch: Option<Spanned<u64>>,
    /// Queue: how long a consumer works on a message; cache, with `lists`: a worker on a value.
    /// Default not at all.
    pub work: Option<Spanned<Bounds<Duration>>>,
    /// Queue: share of deliveries that are given back at once. Default 0%.
    pub nack: Option<Spanned<Share>>,
    /// Queue: most messages it holds. Default no limit.
    pub max_depth: Option<Spanned<u64>>,
    /// Queue: deliveries after which a message is a dead letter. Default no limit.
    pub max_deliveries: Option<Spanned<u64>>,
    /// Cache: how reads are served. Default linearizable.
    pub mode: Option<Spanned<ReadMode>>,
    /// Cache: age of a stale read, at most. Default 500 ms.
    pub bound: Option<Spanned<Duration>>,
    /// Cache: share of conditional writes. Default 20%.
    pub cas: Option<Spanned<Share>>,
    /// Cache: share of writes that count, on keys of their own and exactly once. Default 0%.
    pub increments: Option<Spanned<Share>>,
    /// Cache: share of operations on keys with a lifetime of `ttl`. Default 0%, 1 s.
    pub expiring: Option<Spanned<Share>>,
    /// Cache: keys of one read, at most; they are read as of one index. Default 1.
    pub multi_get: Option<Spanned<u64>>,
    /// Cache: every key may be evicted. Default false.
    pub evicted: Option<Spanned<bool>>,
    /// Cache: clients that read only, and keep what they read in caches of their own, which
    /// a stream of invalidations keeps true. Default 0.
    pub near: Option<Spanned<u64>>,
    /// Cache: so many of the keys are set once as soon as the run begins. Default 0.
    pub preload: Option<Spanned<u64>>,
    /// Cache: what is not found takes so long to get from elsewhere, and is then set, with a
    /// lifetime if `ttl` is written. Default: what is not found is left alone.
    pub fill: Option<Spanned<Bounds<Duration>>>,
    /// Cache: records instead of keys; shares of what is done with them.
    pub mix: Option<Spanned<RecordMix>>,
    /// Cache, with `mix`: the first operations of the chaos phase insert so many. Default 0.
    pub inserts: Option<Spanned<u64>>,
    /// Cache: each client counts on every key so many times, and ends.
    pub rounds: Option<Spanned<u64>>,
    /// Cache: `keys` lists instead of keys; shares of what clients do with them.
    pub lists: Option<Spanned<ListShares>>,
    /// Cache, with `lists`: further clients that take values, and wait for them for up to
    /// `wait`. Default 0.
    pub workers: Option<Spanned<u64>>,
    /// Cache, with `lists`: share of the values taken by workers that they move to another list,
    /// and remove from there when they are done. Default 0%.
    pub moved: Option<Spanned<Share>>,
    /// Cache, with `lists`: share of operations at the other end. Default 0%: values are pushed
    /// at the right and taken at the left.
    pub reversed: Option<Spanned<Share>>,
    /// Shares of operations that clients send beside what they do, by name.
    pub also: Option<Spanned<BTreeMap<String, Share>>>,
    /// A service of one's own: whatever it understands.
    pub options: Option<Spanned<toml::Table>>,
}

/// Shares that make 100% together.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordMix {
    /// New records.
    #[serde(default)]
    pub insert: Share,
    /// Reads of records that are there.
    #[serde(default)]
    pub select: Share,
    /// New values of records that are there.
    #[serde(default)]
    pub update: Share,
    /// Removals of records that are there.
    #[serde(default)]
    pub delete: Share,
}

/// Shares of what is done with lists, that make 100% together.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListShares {
    /// Values that are added.
    #[serde(default)]
    pub push: Share,
    /// Values that are taken for good.
    #[serde(default)]
    pub pop: Share,
    /// Values that are taken from one list and added to another.
    #[serde(default, rename = "move")]
    pub moves: Share,
    /// Looks at how many values a list has.
    #[serde(default)]
    pub length: Share,
    /// Looks at whole lists.
    #[serde(default)]
    pub range: Share,
}

/// Who answers a read, and how old the answer may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReadMode {
    /// As if there were one copy: the leader makes sure that it still leads.
    Linearizable,
    /// By the leader, on the strength of its lease.
    Lease,
    /// By any node, at most `bound` old.
    Stale,
    /// By any node as it stands.
    Local,
}

/// What was written, or the default of the key.
pub fn written<T: Copy>(value: &Option<Spanned<T>>, default: T) -> T {
    value.as_ref().map_or(default, |value| *value.get_ref())
}

impl Workload {
    /// Decides which other keys may be written.
    pub fn service(&self) -> Service {
        *self.service.get_ref()
    }

    /// Whether it is played: `enabled` is not `false`.
    pub fn is_enabled(&self) -> bool {
        written(&self.enabled, true)
    }

    /// As written, or 5.
    pub fn clients(&self) -> u64 {
        written(&self.clients, 5)
    }

    /// As written, or 5.
    pub fn producers(&self) -> u64 {
        written(&self.producers, 5)
    }

    /// As written, or 5.
    pub fn consumers(&self) -> u64 {
        written(&self.consumers, 5)
    }

    /// As written, or 3 of locks and 10 of other services.
    pub fn keys(&self) -> u64 {
        let default = if self.service() == Service::Lock {
            3
        } else {
            10
        };
        written(&self.keys, default)
    }

    /// Least and most, as written, or none.
    pub fn think(&self) -> (Duration, Duration) {
        written(&self.think, Bounds::default()).or((Duration(0), Duration(0)))
    }

    /// As written, or 100 bytes.
    pub fn payload(&self) -> Payload {
        let payload = self.payload.as_ref();
        payload.map_or(Payload::Fixed(Size(100)), |written| {
            written.get_ref().clone()
        })
    }

    /// As written, or 1.
    pub fn weight(&self) -> u64 {
        written(&self.weight, 1)
    }

    /// As written, or one half.
    pub fn reads(&self) -> Share {
        written(&self.reads, Share(500_000))
    }

    /// As written, or none.
    pub fn shared(&self) -> Share {
        written(&self.shared, Share(0))
    }

    /// As written, or 1 s.
    pub fn timeout(&self) -> Duration {
        written(&self.timeout, Duration(1_000_000))
    }

    /// As written, or 1 s of cache keys and 10 s of sessions.
    pub fn ttl(&self) -> Duration {
        let default_us = match self.service() {
            Service::Cache => 1_000_000,
            _ => 10_000_000,
        };
        written(&self.ttl, Duration(default_us))
    }

    /// As written, or 500 ms.
    pub fn wait(&self) -> Duration {
        written(&self.wait, Duration(500_000))
    }

    /// As written, or 5 ms.
    pub fn hold(&self) -> Duration {
        written(&self.hold, Duration(5_000))
    }

    /// Least and most, as written, or 100 ms and 1 s.
    pub fn retry_after(&self) -> (Duration, Duration) {
        written(&self.retry_after, Bounds::default()).or((Duration(100_000), Duration(1_000_000)))
    }

    /// Lock.
    pub fn renew(&self) -> Duration {
        written(&self.renew, Duration(self.ttl().us() / 3 / 1_000 * 1_000))
    }

    /// Least and most, as written, or none.
    pub fn work(&self) -> (Duration, Duration) {
        written(&self.work, Bounds::default()).or((Duration(0), Duration(0)))
    }

    /// As written, or 30 s.
    pub fn visibility(&self) -> Duration {
        written(&self.visibility, Duration(30_000_000))
    }
}

impl super::Scenario {
    /// The workloads that run, in order, by name: the service, and a number from the second of
    /// its kind on (`queue-2`), those that do not run included.
    pub fn named_workloads(&self) -> Vec<(String, &Workload)> {
        let services = self.workloads.iter().map(|w| w.get_ref().service());
        let services: Vec<Service> = services.collect();
        let name = |(index, service): (usize, &Service)| {
            let before = services[..index].iter().filter(|other| *other == service);
            match before.count() {
                0 => service.name().to_owned(),
                before => format!("{}-{}", service.name(), before + 1),
            }
        };
        let names = services.iter().enumerate().map(name);
        let workloads = self.workloads.iter().map(Spanned::get_ref);
        let named = names.zip(workloads);
        named
            .filter(|(_, workload)| workload.is_enabled())
            .collect()
    }
}
