//! Plans the options of a workload beside the plain run of its operations.
//!
//! The defaults are the plain run: nothing crashes, nothing is sent twice, no queue has a
//! limit. Shares are parts per million. The texts name what differs from that.

use serde::{Deserialize, Serialize};

use super::Access;
use super::list_mix::ListMix;
use super::parts::joined;
use squall_fault::text::{duration_text, share_text};

/// Operations of which the client loses the answer, and which it sends again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retries {
    /// Share of the operations, parts per million.
    pub ppm: u32,
    /// Shortest time until the operation is sent again.
    pub after_min_us: u64,
    /// Longest time until the operation is sent again.
    pub after_max_us: u64,
    /// Time to live of the sessions under which operations are done exactly once; `None` if
    /// they outlive any run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_ttl_ms: Option<u64>,
    /// Operations of such a session for which the client takes the sequence of the one before,
    /// which was another.
    #[serde(default, skip_serializing_if = "is_none")]
    pub reused_ppm: u32,
}

/// What is done with locks beside plain acquires and releases. Shares are parts per million.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockMix {
    /// Of acquires and releases.
    pub retries: Retries,
    /// Interval of keep-alives.
    pub renew_ms: u64,
    /// Clients that only look.
    pub watchers: u64,
    /// Acquires after which the client is gone.
    pub crash_ppm: u32,
    /// Acquires that are cancelled while they wait.
    pub cancel_ppm: u32,
    /// Acquires that die rather than wait for an older session.
    #[serde(default, skip_serializing_if = "is_none")]
    pub wait_die_ppm: u32,
    /// Whether acquires carry a sequence of their session.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub numbered: bool,
    /// Which locks are used how often.
    #[serde(default)]
    pub access: Access,
}

/// What is done with queues beside plain publishes, receives and acks. Shares are parts per
/// million.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueMix {
    /// Of publishes.
    pub retries: Retries,
    /// How publishes without an answer are sent again.
    pub exactly_once: Option<ExactlyOnce>,
    /// Messages of one publish, at most.
    pub batch: u64,
    /// Publishes with a delay.
    pub delayed_ppm: u32,
    /// That delay.
    pub delay_ms: u64,
    /// Priorities in use, from 0.
    pub priorities: u64,
    /// Groups in use.
    pub groups: u64,
    /// Messages that a receive asks for.
    pub prefetch: u64,
    /// Shortest time that a consumer works on a message.
    pub work_min_us: u64,
    /// Longest time; 0 for no work.
    pub work_max_us: u64,
    /// Deliveries that are given back at once.
    pub nack_ppm: u32,
    /// Deliveries that are forgotten.
    pub crash_ppm: u32,
    /// 0: no limit.
    pub max_depth: u64,
    /// 0: no limit.
    pub max_deliveries: u64,
}

/// What makes the cluster know a publish that it has had already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExactlyOnce {
    /// By the client's session and a sequence.
    Session,
    /// By the producer's name and a sequence.
    Dedup,
}

/// What is done with the cache beside plain reads and writes. Shares are parts per million.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheMix {
    /// Of increments and of writes to lists.
    pub retries: Retries,
    /// How reads are served.
    pub mode: ReadMode,
    /// Of the writes, those that are conditional.
    pub cas_ppm: u32,
    /// Of the writes, those that count, exactly once.
    pub increments_ppm: u32,
    /// Of all operations, those on keys with a lifetime.
    pub expiring_ppm: u32,
    /// That lifetime.
    pub ttl_ms: u64,
    /// Keys of one read, at most.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub multi_get: u64,
    /// Every key may be evicted.
    pub evicted: bool,
    /// Keys that the cache holds, at most.
    pub capacity: u64,
    /// Clients that read only, and keep what they read in caches of their own.
    #[serde(default)]
    pub near: u64,
    /// Which keys are used how often.
    #[serde(default)]
    pub access: Access,
    /// Keys that are set once as soon as the run begins.
    #[serde(default)]
    pub preload: u64,
    /// What is not found takes so long, at least and at most, to get from elsewhere, and is
    /// then set. `None`: what is not found is left alone.
    #[serde(default)]
    pub fill_us: Option<(u64, u64)>,
    /// Lifetime of what was filled; `None`: for ever.
    #[serde(default)]
    pub fill_ttl_ms: Option<u64>,
    /// Records instead of keys.
    #[serde(default)]
    pub records: Option<Records>,
    /// Each client counts on every key so many times; 0: clients do as the rest says.
    #[serde(default)]
    pub rounds: u64,
    /// Lists instead of keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lists: Option<ListMix>,
}

/// What is done with records, which add up to one million; all are new when inserted, and
/// only those that are there are selected, updated and deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Records {
    /// New records.
    pub insert_ppm: u32,
    /// Reads of records that are there.
    pub select_ppm: u32,
    /// New values of records that are there.
    pub update_ppm: u32,
    /// Removals of records that are there.
    pub delete_ppm: u32,
    /// The first operations of the chaos phase insert so many.
    pub inserts: u64,
}

/// Who answers a read, and how old the answer may be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReadMode {
    /// As if there were one copy: the leader makes sure that it still leads.
    #[default]
    Linearizable,
    /// By the leader, on the strength of its lease.
    Lease,
    /// By any node that is not too far behind.
    Stale {
        /// Greatest age of what is read.
        bound_ms: u64,
    },
    /// By any node, as it stands, however old.
    Local,
}

fn one() -> u64 {
    1
}

fn is_none(share_ppm: &u32) -> bool {
    *share_ppm == 0
}

fn is_one(number: &u64) -> bool {
    *number == 1
}

impl Retries {
    fn part(&self) -> (bool, String) {
        let reused = match self.reused_ppm {
            0 => String::new(),
            ppm => format!("{} under a used sequence", share_text(ppm)),
        };
        if self.ppm == 0 {
            return (self.reused_ppm > 0, reused);
        }
        let (min, max) = (self.after_min_us, self.after_max_us);
        let after = format!("{}..{}", duration_text(min), duration_text(max));
        let mut what = format!("{} sent again after {after}", share_text(self.ppm));
        if let Some(ttl_ms) = self.session_ttl_ms {
            let ttl = duration_text(ttl_ms * 1_000);
            what += &format!(", under sessions of {ttl}");
        }
        if !reused.is_empty() {
            what += &format!(", {reused}");
        }
        (true, what)
    }
}

impl LockMix {
    pub(super) fn text(&self, ttl_ms: u64) -> String {
        let renews = self.renew_ms != ttl_ms / 3;
        let parts = [
            (
                renews,
                format!("renewed every {}", duration_text(self.renew_ms * 1_000)),
            ),
            self.retries.part(),
            (
                self.crash_ppm > 0,
                format!("{} crash", share_text(self.crash_ppm)),
            ),
            (
                self.cancel_ppm > 0,
                format!("{} cancelled", share_text(self.cancel_ppm)),
            ),
            (
                self.wait_die_ppm > 0,
                format!("{} wait or die", share_text(self.wait_die_ppm)),
            ),
            (self.numbered, "exactly once by session".to_owned()),
            (self.watchers > 0, format!("{} watching", self.watchers)),
        ];
        joined(&parts) + &self.access.text()
    }
}

impl QueueMix {
    pub(super) fn text(&self) -> String {
        let once = match self.exactly_once {
            Some(ExactlyOnce::Session) => "exactly once by session",
            Some(ExactlyOnce::Dedup) => "exactly once by producer",
            None => "",
        };
        let delay = duration_text(self.delay_ms * 1_000);
        let (min, max) = (
            duration_text(self.work_min_us),
            duration_text(self.work_max_us),
        );
        let parts = [
            (self.exactly_once.is_some(), once.to_owned()),
            self.retries.part(),
            (self.batch > 1, format!("batches of up to {}", self.batch)),
            (
                self.delayed_ppm > 0,
                format!("{} delayed {delay}", share_text(self.delayed_ppm)),
            ),
            (
                self.priorities > 1,
                format!("{} priorities", self.priorities),
            ),
            (self.groups > 0, format!("{} groups", self.groups)),
            (self.prefetch != 10, format!("prefetch {}", self.prefetch)),
            (self.work_max_us > 0, format!("work {min}..{max}")),
            (
                self.nack_ppm > 0,
                format!("{} given back", share_text(self.nack_ppm)),
            ),
            (
                self.crash_ppm > 0,
                format!("{} forgotten", share_text(self.crash_ppm)),
            ),
            (
                self.max_depth > 0,
                format!("at most {} messages", self.max_depth),
            ),
            (
                self.max_deliveries > 0,
                format!("at most {} deliveries", self.max_deliveries),
            ),
        ];
        joined(&parts)
    }
}

impl CacheMix {
    pub(super) fn text(&self) -> String {
        let mode = match self.mode {
            ReadMode::Linearizable => String::new(),
            ReadMode::Lease => "reads by lease".into(),
            ReadMode::Stale { bound_ms } => {
                format!("reads at most {} old", duration_text(bound_ms * 1_000))
            }
            ReadMode::Local => "local reads".into(),
        };
        let ttl = duration_text(self.ttl_ms * 1_000);
        let parts = [
            (self.mode != ReadMode::Linearizable, mode),
            (
                self.cas_ppm != 200_000,
                format!("{} conditional", share_text(self.cas_ppm)),
            ),
            (
                self.increments_ppm > 0,
                format!("{} increments", share_text(self.increments_ppm)),
            ),
            self.retries.part(),
            (
                self.expiring_ppm > 0,
                format!("{} expiring after {ttl}", share_text(self.expiring_ppm)),
            ),
            (
                self.multi_get > 1,
                format!("up to {} keys a read", self.multi_get),
            ),
            (self.evicted, "evicted".into()),
            (self.near > 0, format!("{} near", self.near)),
            (self.preload > 0, format!("{} preloaded", self.preload)),
            (self.fill_us.is_some(), self.fill_text()),
            (
                self.rounds > 0,
                format!("each counts {} times on every key", self.rounds),
            ),
        ];
        let lists = self.lists.as_ref().map(ListMix::text);
        joined(&parts) + &self.records_text() + &lists.unwrap_or_default() + &self.access.text()
    }

    fn fill_text(&self) -> String {
        let (min, max) = self.fill_us.unwrap_or_default();
        let (min, max) = (duration_text(min), duration_text(max));
        let text = format!("misses filled in {min}..{max}");
        match self.fill_ttl_ms {
            Some(ttl_ms) => format!("{text} for {}", duration_text(ttl_ms * 1_000)),
            None => text,
        }
    }

    fn records_text(&self) -> String {
        let Some(records) = &self.records else {
            return String::new();
        };
        let mut text = format!(
            ", {} inserts, {} selects, {} updates, {} deletes",
            share_text(records.insert_ppm),
            share_text(records.select_ppm),
            share_text(records.update_ppm),
            share_text(records.delete_ppm),
        );
        if records.inserts > 0 {
            text += &format!(" after {} inserts", records.inserts);
        }
        text
    }
}
