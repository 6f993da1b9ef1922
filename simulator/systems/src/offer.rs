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
    /// Whoever takes writes. Of etcd: linearizable reads. Of NATS: the leader of the stream.
    #[default]
    Primary,
    /// The node that a client is connected to, as it stands. Of etcd: serializable reads. Of
    /// NATS: direct gets, which any replica answers.
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
    /// The most urgent goes first, of equal ones the older, and a group one at a time. Ids of
    /// messages rise.
    #[serde(default)]
    pub ordered: bool,
}

/// How often a message is delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[allow(clippy::enum_variant_names)] // the field's own names
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
            promises.keep(
                durable,
                &["lost_writes", "list_conservation", "list_values"],
            );
        }
        if let Some(lock) = &self.lock {
            let promised = lock.promises;
            promises.keep(
                promised.exclusive,
                &["lock_exclusion", "lock_once", "lock_looks"],
            );
            promises.keep(promised.durable, &["lost_grants", "session_ttl"]);
            promises.keep(promised.fencing, &["lock_tokens", "fenced_resource"]);
            // Who stands in a line that all nodes know is answered by another node than the one
            // that does not answer any more.
            promises.keep(
                promised.fair,
                &["lock_fairness", "lock_wakeups", "lock_answers"],
            );
            promises.keep(promised.prompt, &["dead_sessions"]);
        }
        if let Some(queue) = &self.queue {
            let QueuePromises {
                delivery,
                durable,
                visibility,
                ordered,
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
            promises.keep(ordered, &["queue_priority", "queue_group_order"]);
        }
        promises
    }
}

const LINEARIZABLE: &[&str] = &[
    "cache_linearizable",
    "cache_multi_get",
    "cache_cas",
    "cache_staleness",
    "cache_session",
    "exactly_once",
    "list_linearizable",
];

impl CachePromises {
    pub(crate) fn is_linearizable(&self) -> bool {
        self.linearizable.as_ref().is_some_and(|is| *is.get_ref())
    }
}

/// Checks that no key stands for: what they judge is demanded of every system that can be asked
/// for it, or of Squall's own nodes, which alone report it.
#[cfg(test)]
const DEMANDED: &[&str] = &[
    // The run itself.
    "well_formed",
    "load",
    "faults",
    "crashes",
    // Progress, of whatever is asked.
    "majority_serves",
    "liveness",
    "services_served",
    "clients_served",
    "list_wakeups",
    // Nothing comes from nowhere.
    "queue_phantom",
    "cache_phantom",
    // Settings that are made for a queue or a cache.
    "queue_dead_letters",
    "queue_delay",
    "queue_depth",
    "cache_lifetime",
    "cache_capacity",
    // Copies that a client is to keep.
    "cache_invalidation",
    "cache_copies",
    // What Squall's own nodes report.
    "cache_statistics",
    "disk_refusals",
    "state_agreement",
    "configurations",
    "election_safety",
    "log_matching",
    "leader_completeness",
    "monotonic_term",
    "monotonic_vote",
    "monotonic_index",
];

#[cfg(test)]
mod tests {
    use squall_check::CHECKS;

    use super::*;

    #[test]
    fn every_check_is_promised_by_a_key_or_demanded_of_all() {
        let nothing = Services {
            cache: Some(CacheOffer::default()),
            lock: Some(LockOffer::default()),
            queue: Some(QueueOffer::default()),
        };
        let promised = nothing.promises();
        for check in &CHECKS {
            let is_of_key = !promised.has(check.name);
            let is_demanded = DEMANDED.contains(&check.name);
            assert!(is_of_key != is_demanded, "{}: {is_of_key}", check.name);
        }
        for name in DEMANDED {
            assert!(CHECKS.iter().any(|check| check.name == *name), "{name}");
        }
    }

    #[test]
    fn an_order_that_is_not_promised_is_withheld() {
        let of = |ordered| {
            let promises = QueuePromises {
                ordered,
                ..QueuePromises::default()
            };
            let kind = QueueKind::default();
            let services = Services {
                queue: Some(QueueOffer { kind, promises }),
                ..Services::default()
            };
            services.promises()
        };
        for check in ["queue_priority", "queue_group_order"] {
            assert!(of(true).has(check) && !of(false).has(check), "{check}");
        }
    }

    #[test]
    fn our_own_cluster_promises_everything() {
        let squall = crate::SystemFile::load("squall").expect("it ships");
        let promises = squall.promises();
        for check in &CHECKS {
            assert!(promises.has(check.name), "{}", check.name);
        }
    }
}
