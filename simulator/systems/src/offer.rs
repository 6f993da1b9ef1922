//! What a system can be asked, and what it promises: both are its own words, in its file.
//!
//! A promise that is broken is a violation. What is not promised is judged and counted all the
//! same, and reported as that.

use schemars::JsonSchema;
use serde::Deserialize;
use squall_check::Promises;
use squall_history::Service;
use toml::Spanned;

/// The services of a system; those that are left out cannot be asked.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Services {
    /// Registers: get, set, compare and set, delete.
    pub cache: Option<CacheOffer>,
    /// Locks that end with their sessions.
    pub lock: Option<LockOffer>,
    /// Queues: publish, receive, acknowledge.
    pub queue: Option<QueueOffer>,
}

/// Registers.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CacheOffer {
    /// Who answers reads.
    #[serde(default)]
    pub reads: Reads,
    #[serde(default)]
    pub promises: CachePromises,
}

/// Who answers reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Reads {
    /// Whoever takes writes. Of etcd: linearizable reads.
    #[default]
    Primary,
    /// The node that a client is connected to, as it stands. Of etcd: serializable reads.
    Any,
}

/// What registers promise; what is not written is not promised.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CachePromises {
    /// Every register behaves as if there were one copy.
    #[serde(default)]
    #[schemars(with = "bool")]
    pub linearizable: Option<Spanned<bool>>,
    /// An acknowledged write survives all that the system is made for.
    #[serde(default)]
    pub durable: bool,
}

/// Locks.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LockOffer {
    #[serde(default)]
    pub promises: LockPromises,
}

/// What locks promise; what is not written is not promised.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LockPromises {
    /// At most one client holds a lock.
    #[serde(default)]
    pub exclusive: bool,
    /// A hold lasts as long as its session is kept alive.
    #[serde(default)]
    pub durable: bool,
    /// Each grant comes with a token larger than all before.
    #[serde(default)]
    pub fencing: bool,
    /// Who comes first is served first.
    #[serde(default)]
    pub fair: bool,
    /// What a dead client held is free when its time to live is over.
    #[serde(default)]
    pub prompt: bool,
}

/// Queues.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct QueueOffer {
    /// How the Redis protocols make a queue.
    #[serde(default)]
    pub kind: QueueKind,
    #[serde(default)]
    pub promises: QueuePromises,
}

/// How a queue is made of what Redis has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum QueueKind {
    /// A stream with a group: `XADD`, `XREADGROUP`, `XACK`, `XAUTOCLAIM`.
    #[default]
    Stream,
    /// A list, whose values are gone when they are handed out: `RPUSH`, `BLPOP`.
    List,
}

/// What queues promise; what is not written is not promised.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct QueuePromises {
    /// How often a message is delivered.
    pub delivery: Option<Delivery>,
    /// An acknowledged message survives all that the system is made for.
    #[serde(default)]
    pub durable: bool,
    /// A message in the hands of a consumer is not given to another before its time.
    #[serde(default)]
    pub visibility: bool,
}

/// How often a message is delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Delivery {
    /// Lost with a consumer that dies.
    AtMostOnce,
    /// Again, until it is acknowledged.
    AtLeastOnce,
    /// Once, whatever happens.
    ExactlyOnce,
}

impl Services {
    /// The services that are there.
    pub fn names(&self) -> Vec<Service> {
        let offered = [
            (Service::Cache, self.cache.is_some()),
            (Service::Lock, self.lock.is_some()),
            (Service::Queue, self.queue.is_some()),
        ];
        let offered = offered.iter().filter(|(_, is_there)| *is_there);
        offered.map(|(service, _)| *service).collect()
    }

    /// The checks whose property is promised, and those whose is not.
    pub fn promises(&self) -> Promises {
        let mut promises = Promises::default();
        if let Some(cache) = &self.cache {
            promises.keep(cache.promises.is_linearizable(), LINEARIZABLE);
            let durable = cache.promises.durable;
            promises.keep(durable, &["lost_writes", "list_conservation"]);
        }
        if let Some(lock) = &self.lock {
            let promised = lock.promises;
            promises.keep(
                promised.exclusive,
                &["lock_exclusion", "lock_once", "lock_looks"],
            );
            promises.keep(promised.durable, &["lost_grants", "session_ttl"]);
            promises.keep(promised.fencing, &["lock_tokens", "fenced_resource"]);
            promises.keep(promised.fair, &["lock_fairness"]);
            promises.keep(promised.prompt, &["dead_sessions"]);
        }
        if let Some(queue) = &self.queue {
            let QueuePromises {
                delivery,
                durable,
                visibility,
            } = queue.promises;
            let is = |wanted| delivery == Some(wanted);
            let at_least_once = is(Delivery::AtLeastOnce) || is(Delivery::ExactlyOnce);
            promises.keep(
                at_least_once && durable,
                &["queue_conservation", "queue_stuck"],
            );
            promises.keep(durable, &["queue_duplicates", "queue_deliveries"]);
            let settles = at_least_once && durable || is(Delivery::AtMostOnce);
            promises.keep(settles, &["queue_redelivery"]);
            promises.keep(visibility, &["queue_visibility", "queue_receipts"]);
        }
        promises
    }
}

const LINEARIZABLE: &[&str] = &[
    "cache_linearizable",
    "cache_multi_get",
    "cache_cas",
    "list_linearizable",
];

impl CachePromises {
    pub(crate) fn is_linearizable(&self) -> bool {
        self.linearizable.as_ref().is_some_and(|is| *is.get_ref())
    }
}
