//! Divides the time of operations among its causes, from what nodes report of their work and
//! what clients saw of it.
//!
//! A node reports sums since its process began, so of every process the last report counts.
//! All is as means over operations, since a process that dies takes its last second with it:
//!
//! - *travel*: client's latency less the node's time, that is the way there and back, and
//!   whatever else happened before the operation arrived where it was answered;
//! - *held* and *queued*: before Raft took the write, and until it was in the leader's log;
//! - in the log → committed is shared out, since a write waits for the network and for disks
//!   at the same time: to the *disk* what a follower takes to make entries durable, or what
//!   the leader's own disk takes beyond a round trip, whichever is more; to the *network* what
//!   a call to a follower takes beyond that; the rest is *consensus*: waiting for the call
//!   before, for the slower half of a majority, for the next batch;
//! - *applied*: until the answer; *waited*: for a lock or a message, as the client wished.
//!
//! A read is *network* as far as a round trip goes, and *consensus* beyond.

use std::collections::BTreeMap;

use squall_history::{NodeEvent, Served, Service, Timed, Work};

use super::timeline::{Class, Timeline};

/// Means over the operations of one service, microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stages {
    /// Operations that nodes answered, and reported.
    pub operations: u64,
    /// Mean latency that clients saw.
    pub total_us: u64,
    /// The client's latency without the node's time.
    pub travel_us: u64,
    /// In the node, before Raft took the write.
    pub held_us: u64,
    /// From then until it was in the leader's log.
    pub queued_us: u64,
    /// For disks of followers, or for the leader's own.
    pub disk_us: u64,
    /// In calls to followers, without what their disks took.
    pub network_us: u64,
    /// For the call before, the slower half of a majority, the next batch.
    pub consensus_us: u64,
    /// From the commit to the answer.
    pub applied_us: u64,
    /// For a lock or a message, as the client wished.
    pub waited_us: u64,
}

impl Stages {
    /// Name and mean of each stage, in their order.
    pub fn all(&self) -> [(&'static str, u64); 8] {
        [
            ("travel", self.travel_us),
            ("held", self.held_us),
            ("queued", self.queued_us),
            ("disk", self.disk_us),
            ("network", self.network_us),
            ("consensus", self.consensus_us),
            ("applied", self.applied_us),
            ("waited", self.waited_us),
        ]
    }
}

/// Where time went. Empty if no node reported its work.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Breakdown {
    /// Those with operations that nodes reported.
    pub services: BTreeMap<Service, Stages>,
    /// Syncs of logs, over all nodes.
    pub syncs: u64,
    /// Mean time of one.
    pub sync_us: u64,
    /// Calls to followers that carried entries; mean without the follower's own time.
    pub calls: u64,
    /// Mean, the follower's own time left out.
    pub round_trip_us: u64,
    /// Mean time a follower takes to make entries durable.
    pub follower_us: u64,
    /// The lock that clients waited for longest, and how long in all.
    pub busiest_lock: Option<(String, u64)>,
}

pub fn breakdown(timeline: &Timeline<'_>) -> Breakdown {
    let work = total(timeline);
    let follower_us = mean(work.handled);
    let round_trip_us = mean(work.appends).saturating_sub(follower_us);
    let shares = Shares {
        follower_us,
        round_trip_us,
    };
    let stages = |service| {
        let served = match service {
            Service::Lock => &work.lock,
            Service::Queue => &work.queue,
            Service::Cache => &work.cache,
            // Only nodes of Squall's own cluster report their work.
            Service::Own(_) => return None,
        };
        let latency = client_latency(timeline, service);
        let operations = served.writes.count + served.reads.count;
        (operations > 0 && latency.count > 0)
            .then(|| (service, shares.stages(served, mean(latency))))
    };
    Breakdown {
        services: Service::SHIPPED.into_iter().filter_map(stages).collect(),
        syncs: work.syncs.count,
        sync_us: mean(work.syncs),
        calls: work.appends.count,
        round_trip_us,
        follower_us,
        busiest_lock: busiest_lock(timeline),
    }
}

/// The last report of every process, added up.
fn total(timeline: &Timeline<'_>) -> Work {
    let mut last: BTreeMap<&str, &Work> = BTreeMap::new();
    let mut total = Work::default();
    for report in &timeline.reports {
        match report.event {
            NodeEvent::Started { .. } => {
                if let Some(ended) = last.remove(report.node) {
                    add(&mut total, ended);
                }
            }
            NodeEvent::Work(work) => drop(last.insert(report.node, work)),
            _ => {}
        }
    }
    last.values().for_each(|work| add(&mut total, work));
    total
}

fn add(total: &mut Work, work: &Work) {
    let timed = |total: &mut Timed, more: &Timed| {
        total.count += more.count;
        total.us += more.us;
    };
    let served = |total: &mut Served, more: &Served| {
        timed(&mut total.writes, &more.writes);
        timed(&mut total.reads, &more.reads);
        total.held_us += more.held_us;
        total.queued_us += more.queued_us;
        total.committed_us += more.committed_us;
        total.flushed_us += more.flushed_us;
        total.applied_us += more.applied_us;
        total.waited_us += more.waited_us;
    };
    served(&mut total.lock, &work.lock);
    served(&mut total.queue, &work.queue);
    served(&mut total.cache, &work.cache);
    timed(&mut total.appends, &work.appends);
    timed(&mut total.handled, &work.handled);
    timed(&mut total.syncs, &work.syncs);
}

fn mean(timed: Timed) -> u64 {
    timed.us.checked_div(timed.count).unwrap_or(0)
}

/// Of acknowledged operations that the cluster answered, probes included: nodes cannot tell
/// them from others.
fn client_latency(timeline: &Timeline<'_>, service: Service) -> Timed {
    let samples = timeline.samples.iter();
    let samples = samples.filter(|s| s.service == service && s.class == Class::Ok);
    let mut latency = Timed::default();
    for sample in samples {
        if let Some(end_us) = sample.end_us {
            latency.add(end_us - sample.start_us);
        }
    }
    latency
}

fn busiest_lock(timeline: &Timeline<'_>) -> Option<(String, u64)> {
    use squall_history::Action::Acquire;
    let mut waits: BTreeMap<&str, u64> = BTreeMap::new();
    for sample in &timeline.samples {
        if let (Acquire { name, wait_ms, .. }, Some(end_us)) = (sample.action, sample.end_us)
            && *wait_ms > 0
        {
            *waits.entry(name).or_default() += end_us - sample.start_us;
        }
    }
    let busiest = waits.into_iter().max_by_key(|(_, us)| *us);
    busiest.map(|(name, us)| (name.to_owned(), us))
}

/// How the time to a commit is shared out.
struct Shares {
    follower_us: u64,
    round_trip_us: u64,
}

impl Shares {
    fn stages(&self, served: &Served, total_us: u64) -> Stages {
        let writes = served.writes.count;
        let operations = writes + served.reads.count;
        // Means over writes for what is shared out, over all operations for what is reported.
        let per_write = |us: u64| us.checked_div(writes).unwrap_or(0);
        let over_all = |us: u64| us / operations;
        let committed_us = per_write(served.committed_us);
        let beyond_us = per_write(served.flushed_us).saturating_sub(self.round_trip_us);
        let disk_us = self.follower_us.max(beyond_us).min(committed_us);
        let network_us = self.round_trip_us.min(committed_us - disk_us);
        let consensus_us = committed_us - disk_us - network_us;
        let read_us = mean(served.reads);
        let read_network_us = self.round_trip_us.min(read_us);
        let reads = served.reads.count;
        let node_us = over_all(served.writes.us + served.reads.us);
        Stages {
            operations,
            total_us,
            travel_us: total_us.saturating_sub(node_us),
            held_us: over_all(served.held_us),
            queued_us: over_all(served.queued_us),
            disk_us: over_all(disk_us * writes),
            network_us: over_all(network_us * writes + read_network_us * reads),
            consensus_us: over_all(consensus_us * writes + (read_us - read_network_us) * reads),
            applied_us: over_all(served.applied_us),
            waited_us: over_all(served.waited_us),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Script;
    use squall_history::Phase;

    fn timed(count: u64, us: u64) -> Timed {
        Timed { count, us }
    }

    fn work(writes: u64) -> Work {
        Work {
            cache: Served {
                writes: timed(writes, writes * 12_000),
                held_us: writes * 1_000,
                queued_us: writes * 500,
                committed_us: writes * 10_000,
                flushed_us: writes * 2_000,
                applied_us: writes * 500,
                ..Served::default()
            },
            appends: timed(2 * writes, 2 * writes * 9_000),
            handled: timed(2 * writes, 2 * writes * 3_000),
            syncs: timed(writes, writes * 1_500),
            ..Work::default()
        }
    }

    #[test]
    fn the_last_report_of_each_process_counts_and_stages_add_up() {
        let mut script = Script::new();
        script.phase(0, Phase::Warmup);
        script.gets(0, 1_000_000, 100_000, 14_000);
        let started = || NodeEvent::Started {
            last_log: 0,
            applied: 0,
        };
        let reported = |writes| NodeEvent::Work(Box::new(work(writes)));
        script.node(0, "node-1", started());
        script
            .node(100, "node-1", reported(5))
            .node(200, "node-1", reported(7));
        script
            .node(300, "node-1", started())
            .node(400, "node-1", reported(3));
        let history = script.end(2_000_000);
        let found = breakdown(&Timeline::of(&history));
        let stages = found.services[&Service::Cache];
        let expected = Stages {
            operations: 10,
            total_us: 14_000,
            travel_us: 2_000,
            held_us: 1_000,
            queued_us: 500,
            disk_us: 3_000,
            network_us: 6_000,
            consensus_us: 1_000,
            applied_us: 500,
            waited_us: 0,
        };
        assert_eq!(stages, expected);
        let sum: u64 = stages.all().iter().map(|(_, us)| us).sum();
        assert_eq!(sum, stages.total_us);
        assert_eq!((found.syncs, found.sync_us), (10, 1_500));
    }

    #[test]
    fn a_slow_disk_of_the_leader_is_what_it_takes_beyond_a_round_trip() {
        let shares = Shares {
            follower_us: 1_000,
            round_trip_us: 4_000,
        };
        let served = Served {
            writes: timed(1, 20_000),
            committed_us: 20_000,
            flushed_us: 20_000,
            ..Served::default()
        };
        let stages = shares.stages(&served, 21_000);
        assert_eq!((stages.disk_us, stages.network_us), (16_000, 4_000));
        assert_eq!(stages.consensus_us, 0);
    }
}
