//! Recounts faults, changes of leaders and recovery.

mod recovery;
mod strikes;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::history::{ms, strings, text, us};
use recovery::recovery;
use strikes::{ENDS, Strike, strikes};

const SECOND: u64 = 1_000_000;
const GRACE: u64 = 2 * SECOND;

/// What nodes said, in order.
struct Said<'a> {
    at: u64,
    node: &'a str,
    is: &'a str,
    line: &'a Value,
}

fn said(lines: &[Value]) -> Vec<Said<'_>> {
    let said = lines.iter().filter(|line| line["type"] == "node");
    said.map(|line| Said {
        at: us(&line["at"]),
        node: text(&line["node"]),
        is: text(&line["is"]),
        line,
    })
    .collect()
}

struct Lead<'a> {
    node: &'a str,
    term: u64,
    from: u64,
    lost: Option<u64>,
    commit: Option<(u64, u64)>,
}

fn leads<'a>(said: &[Said<'a>]) -> Vec<Lead<'a>> {
    let mut leads: Vec<Lead> = Vec::new();
    for word in said {
        let term = word.line["term"].as_u64().unwrap_or(u64::MAX);
        let current = leads.last_mut();
        match word.is {
            "leader" if current.as_ref().is_none_or(|lead| term > lead.term) => {
                if let Some(lead) = current {
                    lead.lost = lead.lost.or(Some(word.at));
                }
                leads.push(Lead {
                    node: word.node,
                    term,
                    from: word.at,
                    lost: None,
                    commit: None,
                });
            }
            "first_commit" => {
                if let Some(lead) = leads.iter_mut().find(|lead| lead.term == term) {
                    lead.commit = lead.commit.or(Some((word.at, us(&word.line["index"]))));
                }
            }
            "stopped" | "follower" => {
                if let Some(lead) = current
                    && lead.node == word.node
                    && (word.is == "stopped" || term >= lead.term)
                {
                    lead.lost = lead.lost.or(Some(word.at));
                }
            }
            _ => {}
        }
    }
    leads
}

struct Faults<'a> {
    said: Vec<Said<'a>>,
    strikes: Vec<Strike<'a>>,
    leads: Vec<Lead<'a>>,
    end: u64,
}

impl Faults<'_> {
    /// When a strike took the node, given that its process may have ended before that was seen.
    fn took(&self, strike: &Strike, node: &str) -> u64 {
        let at = strike.at.expect("it took effect");
        if !ENDS.contains(&strike.kind) {
            return at;
        }
        let life = self.said.iter().filter(|s| s.node == node && s.at <= at);
        let mut life = life.filter(|s| s.is == "stopped" || s.is == "started");
        match life.next_back() {
            Some(last) if last.is == "stopped" && last.at + GRACE >= at => last.at,
            _ => at,
        }
    }

    /// Which strike took a leader away, and when.
    fn cause(&self, index: usize) -> Option<(usize, u64)> {
        let lead = &self.leads[index];
        let lost = lead.lost?;
        let next = self.leads.get(index + 1).map(|next| next.node);
        let live =
            |s: &Strike| s.at.is_some() && s.healed.is_none_or(|healed| healed + GRACE >= lost);
        let live: Vec<(usize, &Strike)> = self
            .strikes
            .iter()
            .enumerate()
            .filter(|(_, s)| live(s))
            .collect();
        let mut takers = Vec::new();
        for (number, strike) in &live {
            let is_it = match strike.kind {
                "transfer" => next.is_some_and(|next| strike.targets.contains(&next)),
                "remove_member" | "replace_member" => strike.targets.contains(&lead.node),
                _ => strike.takes(lead.node),
            };
            let at = self.took(strike, lead.node);
            let stops = self.said.iter().find(|s| {
                ENDS.contains(&strike.kind)
                    && s.node == lead.node
                    && s.is == "stopped"
                    && at <= s.at
                    && strike.healed.is_none_or(|healed| s.at <= healed)
            });
            let until = stops.map_or(at, |s| s.at);
            if is_it && at <= lost && lead.from <= until {
                takers.push((at, *number));
            }
        }
        if let Some((at, number)) = takers.iter().min() {
            return Some((*number, *at));
        }
        self.majority_gone(lead, lost, &live).or_else(|| {
            let worse = live.iter().filter(|(_, s)| {
                let kinds = ["link", "partition", "bridge", "slow_sync"];
                let at = s.at.expect("it is live");
                kinds.contains(&s.kind) && s.names(lead.node) && lead.from <= at && at <= lost
            });
            let worse = worse.map(|(number, s)| (s.at.expect("it is live"), *number));
            worse
                .max_by_key(|(at, number)| (*at, *number))
                .map(|(at, number)| (number, at))
        })
    }

    fn majority_gone(
        &self,
        lead: &Lead,
        lost: u64,
        live: &[(usize, &Strike)],
    ) -> Option<(usize, u64)> {
        let said = self
            .said
            .iter()
            .filter(|s| s.is == "membership" && s.at <= lost);
        let newest = said.max_by_key(|s| us(&s.line["index"]));
        let voters: BTreeSet<&str> = match newest {
            Some(said) => strings(&said.line["voters"]).into_iter().collect(),
            None => self.said.iter().map(|s| s.node).collect(),
        };
        let mut gone: BTreeMap<&str, (u64, usize)> = BTreeMap::new();
        for (number, strike) in live {
            for node in strike
                .gone()
                .into_iter()
                .filter(|node| voters.contains(node))
            {
                let this = (self.took(strike, node), *number);
                let first = gone.entry(node).or_insert(this);
                *first = this.min(*first);
            }
        }
        let mut order: Vec<(u64, usize)> = gone.into_values().collect();
        order.retain(|(at, _)| *at <= lost);
        order.sort_unstable();
        let spare = (voters.len() - 1) / 2;
        let (at, number) = *order.get(spare)?;
        (lead.from <= at).then_some((number, at))
    }

    fn is_gone(&self, node: &str, at: u64) -> bool {
        self.strikes.iter().any(|strike| {
            let Some(from) = strike.at.filter(|from| *from <= at) else {
                return false;
            };
            let healed = strike.healed.is_some_and(|healed| healed <= at);
            let back = ENDS.contains(&strike.kind)
                && self
                    .said
                    .iter()
                    .any(|s| s.node == node && s.is == "started" && from < s.at && s.at <= at);
            strike.takes(node) && !healed && !back
        })
    }

    /// The first election that somebody begins who can be heard, rather by one who was not at
    /// it before.
    fn detected(&self, at: u64, until: u64) -> Option<u64> {
        let mut busy = BTreeSet::new();
        for word in self.said.iter().filter(|s| s.at < at && s.at + GRACE >= at) {
            match word.is {
                "election" => {
                    busy.insert(word.node);
                }
                "voted" if word.line["candidate"] == word.node => {}
                "follower" if word.line["leader"].is_null() => {}
                "voted" | "leader" | "started" | "follower" => {
                    busy.remove(word.node);
                }
                _ => {}
            }
        }
        let begun = self.said.iter().filter(|s| s.is == "election");
        let begun = begun.filter(|s| at <= s.at && s.at <= until && !self.is_gone(s.node, s.at));
        let begun: Vec<&Said> = begun.collect();
        let fresh = begun.iter().find(|s| !busy.contains(s.node));
        fresh.or(begun.first()).map(|s| s.at - at)
    }

    /// When the node said that it was at the index or beyond, from a moment on.
    fn reaches(&self, node: &str, index: u64, from: u64) -> Option<u64> {
        let stood = self.indexes(node);
        match stood.iter().rev().find(|(at, _)| *at <= from) {
            Some((_, stood)) if *stood >= Some(index) => return Some(from),
            _ => {}
        }
        let mut later = stood
            .iter()
            .filter(|(at, stood)| *at > from && *stood >= Some(index));
        later.next().map(|(at, _)| *at)
    }

    fn indexes(&self, node: &str) -> Vec<(u64, Option<u64>)> {
        let of_node = self.said.iter().filter(|s| s.node == node);
        let indexes = of_node.filter_map(|s| match s.is {
            "stopped" => Some((s.at, None)),
            "started" => Some((s.at, s.line["applied"].as_u64())),
            "first_commit" | "applied" | "committed" | "snapshot_installed" => {
                Some((s.at, s.line["index"].as_u64()))
            }
            _ => None,
        });
        indexes.collect()
    }
}

/// Compares causes, detection, election and recovery.
pub fn compare(lines: &[Value], report: &Value) -> Vec<String> {
    let said = said(lines);
    let faults = Faults {
        leads: leads(&said),
        strikes: strikes(lines),
        end: us(&lines[lines.len() - 1]["at"]),
        said,
    };
    let mut wrong = Vec::new();
    let mut changes: Vec<Option<Change>> = faults.strikes.iter().map(|_| None).collect();
    for (index, lead) in faults.leads.iter().enumerate() {
        let Some((number, at)) = faults.cause(index) else {
            continue;
        };
        if changes[number].is_none() {
            changes[number] = Some(change(&faults, lead, at));
        }
    }
    let spontaneous =
        |index: &usize| faults.leads[*index].lost.is_some() && faults.cause(*index).is_none();
    let spontaneous = (0..faults.leads.len()).filter(spontaneous).count();
    if report["marks"]["leader_lost_without_fault"] != spontaneous {
        wrong.push(format!("{spontaneous} leaders were lost to nothing"));
    }
    let rows = report["faults"].as_array().expect("a list");
    if rows.len() != changes.len() {
        wrong.push(format!("{} faults, {} counted", rows.len(), changes.len()));
    }
    for (row, change) in rows.iter().zip(&changes) {
        let reported = (
            row["old_leader"].as_str(),
            ms(&row["detected_ms"]),
            ms(&row["elected_ms"]),
            row["new_leader"].as_str(),
        );
        let new = change.as_ref().and_then(|c| c.new.as_ref());
        let counted = (
            change.as_ref().map(|c| c.old),
            change.as_ref().and_then(|c| c.detected),
            change.as_ref().and_then(|c| Some(c.new?.at - c.at)),
            new.map(|new| new.node),
        );
        if reported != counted {
            let (kind, at) = (&row["kind"], &row["at_ms"]);
            wrong.push(format!("{kind} at {at}: {reported:?}, {counted:?} counted"));
        }
    }
    let changes: Vec<Change> = changes.into_iter().flatten().collect();
    wrong.extend(recovery(lines, &faults, &changes, report));
    wrong
}

#[derive(Clone, Copy)]
struct New<'a> {
    node: &'a str,
    term: u64,
    at: u64,
    index: u64,
}

#[derive(Clone, Copy)]
struct Change<'a> {
    at: u64,
    old: &'a str,
    detected: Option<u64>,
    new: Option<New<'a>>,
}

fn change<'a>(faults: &Faults<'a>, lead: &Lead<'a>, at: u64) -> Change<'a> {
    let later = faults.leads.iter().filter(|next| next.term > lead.term);
    let later = later.filter_map(|next| {
        let (commit, index) = next.commit.filter(|(commit, _)| *commit >= at)?;
        Some(New {
            node: next.node,
            term: next.term,
            at: commit,
            index,
        })
    });
    let new = later.min_by_key(|new| new.at);
    Change {
        at,
        old: lead.node,
        detected: faults.detected(at, new.map_or(faults.end, |new| new.at)),
        new,
    }
}
