//! The processes and threads of a trace, and their names.

use std::collections::BTreeMap;

use serde_json::json;

use super::event::{TraceEvent, Track};

/// Process of the clients; nodes have their own numbers.
pub(super) const CLIENTS: u64 = 10_001;
/// Process of phases and faults.
pub(super) const RUN: u64 = 10_000;

/// Hands out tracks by name.
#[derive(Default)]
pub(super) struct Tracks {
    processes: BTreeMap<u64, Process>,
}

struct Process {
    name: String,
    /// Threads in the order in which they were asked for; numbers count from 1.
    threads: BTreeMap<String, u64>,
}

impl Tracks {
    pub(super) fn of_node(&mut self, node: &str, thread: &str) -> Track {
        let number = node.rsplit_once('-').and_then(|(_, n)| n.parse().ok());
        self.track(number.unwrap_or(0), node, thread)
    }

    pub(super) fn of_client(&mut self, thread: &str) -> Track {
        self.track(CLIENTS, "clients", thread)
    }

    pub(super) fn of_run(&mut self, thread: &str) -> Track {
        self.track(RUN, "run", thread)
    }

    fn track(&mut self, pid: u64, name: &str, thread: &str) -> Track {
        let process = self.processes.entry(pid).or_insert_with(|| Process {
            name: name.to_owned(),
            threads: BTreeMap::new(),
        });
        let next = process.threads.len() as u64 + 1;
        let tid = *process.threads.entry(thread.to_owned()).or_insert(next);
        Track { pid, tid }
    }

    /// Events that name them, the run first, then nodes, then clients.
    pub(super) fn names(&self) -> Vec<TraceEvent> {
        let mut events = Vec::new();
        let mut name = |what: &str, track: Track, args| {
            events.push(TraceEvent {
                args,
                ..TraceEvent::new(what.to_owned(), "", "M", 0, track)
            });
        };
        for (pid, process) in &self.processes {
            let track = Track { pid: *pid, tid: 0 };
            name("process_name", track, json!({ "name": process.name }));
            let place = if *pid == RUN { 0 } else { *pid };
            name("process_sort_index", track, json!({ "sort_index": place }));
            for (thread, tid) in &process.threads {
                let track = Track {
                    pid: *pid,
                    tid: *tid,
                };
                name("thread_name", track, json!({ "name": thread }));
            }
        }
        events
    }
}

/// Gives stretches that overlap lanes of their own, since slices of one thread must nest.
#[derive(Default)]
pub(super) struct Lanes {
    /// When each lane is free again; never, if what is in it does not end.
    busy_until: BTreeMap<String, Vec<Option<i64>>>,
}

impl Lanes {
    /// The lane's name: that of `of`, numbered if it is not the first.
    pub(super) fn of(&mut self, of: &str, (from_us, to_us): (i64, Option<i64>)) -> String {
        let lanes = self.busy_until.entry(of.to_owned()).or_default();
        let is_free = |until: &Option<i64>| until.is_some_and(|until_us| until_us <= from_us);
        let lane = lanes.iter().position(is_free).unwrap_or_else(|| {
            lanes.push(None);
            lanes.len() - 1
        });
        lanes[lane] = to_us;
        match lane {
            0 => of.to_owned(),
            lane => format!("{of} ({})", lane + 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Lanes;

    #[test]
    fn stretches_that_overlap_are_in_lanes_of_their_own() {
        let mut lanes = Lanes::default();
        assert_eq!(lanes.of("a", (0, Some(5))), "a");
        assert_eq!(lanes.of("a", (4, None)), "a (2)");
        assert_eq!(lanes.of("a", (5, Some(6))), "a");
        assert_eq!(lanes.of("a", (7, Some(8))), "a");
        assert_eq!(lanes.of("b", (0, Some(1))), "b");
    }
}
