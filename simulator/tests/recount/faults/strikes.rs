//! Reads when each fault struck, and which nodes it took away.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::history::{strings, text, us};

/// What ends processes; in the order in which a reader would think of it.
pub(super) const ENDS: [&str; 14] = [
    "kill",
    "stop",
    "power_loss",
    "wipe",
    "crash_loop",
    "rolling_restart",
    "failing_sync",
    "read_error",
    "write_error",
    "disk_full",
    "bit_rot",
    "misdirected_write",
    "torn_tail",
    "lost_tail",
];
const CUTS: [&str; 2] = ["pause", "isolate"];
const SPLITS: [&str; 2] = ["partition", "bridge"];
const INSTANT: [&str; 4] = ["transfer", "clock_jump", "client_crash", "reset"];

/// One time that a fault struck.
#[derive(Clone)]
pub(super) struct Strike<'a> {
    pub(super) number: u64,
    pub(super) kind: &'a str,
    pub(super) targets: Vec<&'a str>,
    pub(super) cut_off: Vec<&'a str>,
    pub(super) at: Option<u64>,
    pub(super) healed: Option<u64>,
}

impl Strike<'_> {
    pub(super) fn takes(&self, node: &str) -> bool {
        if ENDS.contains(&self.kind) || CUTS.contains(&self.kind) {
            self.targets.contains(&node)
        } else {
            SPLITS.contains(&self.kind) && self.cut_off.contains(&node)
        }
    }

    pub(super) fn names(&self, node: &str) -> bool {
        let mut ends = self.targets.iter().flat_map(|target| target.split("->"));
        ends.any(|end| end == node)
    }

    pub(super) fn gone(&self) -> Vec<&str> {
        let all = self.targets.iter().chain(&self.cut_off).copied();
        let gone: BTreeSet<&str> = all.filter(|node| self.takes(node)).collect();
        gone.into_iter().collect()
    }
}

pub(super) fn strikes(lines: &[Value]) -> Vec<Strike<'_>> {
    let mut strikes: Vec<Strike> = Vec::new();
    for line in lines.iter().filter(|line| line["type"] == "fault") {
        let (number, at) = (us(&line["fault"]), us(&line["at"]));
        let installs = line["status"] == "installed";
        let is_open = |s: &Strike| s.number == number && s.at.is_some() && s.healed.is_none();
        match strikes.iter().rposition(is_open) {
            Some(open) if line["status"] == "healed" => strikes[open].healed = Some(at),
            Some(_) if line["status"] == "uncertain" || line["status"] == "skipped" => {}
            _ => {
                let kind = text(&line["kind"]);
                strikes.push(Strike {
                    number,
                    kind,
                    targets: strings(&line["targets"]),
                    cut_off: strings(&line["cut_off"]),
                    at: installs.then_some(at),
                    healed: (installs && INSTANT.contains(&kind)).then_some(at),
                });
            }
        }
    }
    strikes
}
