//! A set to which clients add elements, and which they read as a whole.
//!
//! Source: `set-full` of Jepsen (`jepsen.checker`), whose definitions these are. An element is
//! known once its add was acknowledged or a read showed it. It is *lost* if a read that was
//! sent after that, and after all reads that show it, does not show it; *stable* if the last
//! read shows it; *stale* if it is stable, though a read that was sent after it was known did
//! not show it; *never read* otherwise. A read that shows an element twice, or one that
//! nobody added, is wrong too. All in one pass over the elements of the reads.
//!
//! Not checked: the order in which elements appear, as linearizability would.

use indexmap::{IndexMap, IndexSet};

use super::edn::Datum;
use super::object::Explanation;
use super::records::{Completion, Record, Records};
use super::{Format, InputError, Judgement, Violation, counted_violation};
use crate::result::Verdict;

#[derive(Default)]
struct Element {
    /// Records of its adds; the first, and whether one was acknowledged.
    add: Option<usize>,
    acknowledged: bool,
    /// Where the add was sent, and since when the element is known.
    asked: usize,
    known: Option<usize>,
    /// Where the last reads were sent that show it, and that do not.
    last_present: Option<usize>,
    last_absent: Option<usize>,
    /// The first read that should have shown it after the last one that did.
    missed: Option<usize>,
    duplicated: Option<usize>,
    unexpected: Option<usize>,
}

impl Element {
    fn is_lost(&self) -> bool {
        let absent = self.last_absent;
        self.known.is_some() && absent > self.last_present && absent > self.known
    }

    fn is_stable(&self) -> bool {
        self.last_present.is_some() && self.last_absent < self.last_present
    }

    fn is_stale(&self) -> bool {
        self.is_stable() && self.known.is_some() && self.last_absent > self.known
    }
}

type Elements = IndexMap<Datum, Element>;

/// Judges the history of one set.
///
/// # Errors
/// An operation that a set does not have, with its line.
pub(super) fn judge(records: &Records, format: Format) -> Result<Judgement, InputError> {
    let elements = elements(records)?;
    let counts = counts(&elements);
    let count = |name| {
        counts
            .iter()
            .find(|(n, _)| *n == name)
            .map_or(0, |(_, count)| *count)
    };
    let wrong = ["lost", "duplicated", "unexpected"].map(|name| (name, count(name)));
    let wrong: Vec<String> = (wrong.iter())
        .filter(|(_, count)| *count > 0)
        .map(|(name, count)| format!("{count} {name}"))
        .collect();
    let (verdict, detail) = if !wrong.is_empty() {
        (
            Verdict::Fail,
            format!("elements of the set: {}", wrong.join(", ")),
        )
    } else if count("stable") == 0 {
        (Verdict::Unknown, "no read shows any element".into())
    } else {
        (
            Verdict::Pass,
            "no element is lost, duplicated or unexpected".into(),
        )
    };
    Ok(Judgement {
        format,
        verdict,
        detail,
        operations: records.records.len(),
        objects: 1,
        left_out: Vec::new(),
        fail: None,
        counts,
        violation: violation(&elements, records),
    })
}

fn elements(records: &Records) -> Result<Elements, InputError> {
    let mut elements = Elements::new();
    let mut reads: Vec<(usize, &Record, &[Datum])> = Vec::new();
    for (number, record) in records.records.iter().enumerate() {
        let refused = |what: String| InputError::Line {
            line: record.line,
            what,
        };
        match (&*record.function, &record.completion) {
            ("add", completion) => {
                let element = elements.entry(record.asked.clone()).or_default();
                if element.add.is_none() {
                    element.add = Some(number);
                    element.asked = record.invoked;
                }
                if let (Completion::Ok(_), Some(at)) = (completion, record.returned) {
                    element.acknowledged = true;
                    element.known = Some(element.known.map_or(at, |known| known.min(at)));
                }
            }
            ("read", Completion::Ok(Datum::List(items))) => reads.push((number, record, items)),
            (
                "read",
                Completion::Ok(Datum::Nil) | Completion::Fail { .. } | Completion::Unknown,
            ) => {}
            ("read", Completion::Ok(other)) => return Err(refused(format!("{other} is no set"))),
            (other, _) => {
                let what = format!("unknown function :{other}; this model has :add, :read");
                return Err(refused(what));
            }
        }
    }
    reads.sort_by_key(|(_, record, _)| record.returned);
    for &(number, record, items) in &reads {
        note_shown(&mut elements, number, record, items);
    }
    // What a read should have shown depends on all that is known before it was sent.
    reads.sort_by_key(|(_, record, _)| record.invoked);
    for (number, record, items) in reads {
        let shown: IndexSet<&Datum> = items.iter().collect();
        for (value, element) in &mut elements {
            if shown.contains(value) {
                element.last_present = Some(record.invoked);
                element.missed = None;
            } else if Some(element.asked) < record.returned {
                element.last_absent = Some(record.invoked);
                if element.known.is_some_and(|known| known < record.invoked) {
                    element.missed.get_or_insert(number);
                }
            }
        }
    }
    Ok(elements)
}

/// What one read shows, in the order of the answers.
fn note_shown(elements: &mut Elements, number: usize, record: &Record, items: &[Datum]) {
    let mut shown: IndexSet<&Datum> = IndexSet::new();
    for item in items {
        let element = elements.entry(item.clone()).or_default();
        if !shown.insert(item) {
            element.duplicated.get_or_insert(number);
        }
        if element.add.is_none() || Some(element.asked) > record.returned {
            element.unexpected.get_or_insert(number);
        }
        let at = record.returned.expect("a read with an answer has returned");
        element.known = Some(element.known.map_or(at, |known| known.min(at)));
    }
}

fn counts(elements: &Elements) -> Vec<(&'static str, u64)> {
    let count = |is: fn(&Element) -> bool| elements.values().filter(|e| is(e)).count() as u64;
    vec![
        ("attempted", count(|e| e.add.is_some())),
        ("acknowledged", count(|e| e.acknowledged)),
        ("stable", count(Element::is_stable)),
        ("stale", count(Element::is_stale)),
        ("lost", count(Element::is_lost)),
        ("never read", count(|e| !e.is_stable() && !e.is_lost())),
        ("duplicated", count(|e| e.duplicated.is_some())),
        ("unexpected", count(|e| e.unexpected.is_some())),
    ]
}

/// The read that is wrong first.
fn violation(elements: &Elements, records: &Records) -> Option<Violation> {
    let mut first: Option<(usize, Explanation)> = None;
    for (value, element) in elements {
        let missed = element.missed.filter(|_| element.is_lost());
        for (read, how) in [
            (missed, "is not shown any more"),
            (element.duplicated, "is shown twice"),
            (element.unexpected, "is shown, and nobody had added it"),
        ] {
            let returned = read.and_then(|read| records.records[read].returned);
            let Some((read, returned)) = read.zip(returned) else {
                continue;
            };
            if first
                .as_ref()
                .is_none_or(|(earliest, _)| returned < *earliest)
            {
                let why = Explanation {
                    what: Some(format!("element {value} {how}")),
                    shown: element.add.into_iter().chain([read]).collect(),
                    stuck: None,
                };
                first = Some((returned, why));
            }
        }
    }
    let (returned, why) = first?;
    Some(counted_violation("the set", returned, &why, records))
}

#[cfg(test)]
mod tests {
    use super::super::{Limits, Model, judge};
    use super::*;

    /// Events are `PROCESS TYPE FUNCTION VALUE`.
    fn judged(events: &[&str]) -> Judgement {
        let lines = events.iter().map(|event| {
            let words: Vec<&str> = event.splitn(4, ' ').collect();
            format!("{} :{} :{} {}", words[0], words[1], words[2], words[3])
        });
        let log = lines.collect::<Vec<_>>().join("\n");
        let limits = Limits::default();
        let judged = judge(log.as_bytes(), Model::Set, Some(Format::Jepsen), &limits);
        judged.expect("it is a history of a set")
    }

    fn count(judged: &Judgement, name: &str) -> u64 {
        let found = judged.counts.iter().find(|(n, _)| *n == name);
        found.expect("there is such a count").1
    }

    const ADD_1: [&str; 2] = ["0 invoke add 1", "0 ok add 1"];

    #[test]
    fn an_acknowledged_element_that_the_last_read_misses_is_lost() {
        let mut events = ADD_1.to_vec();
        events.extend(["1 invoke read nil", "1 ok read [1]"]);
        events.extend(["1 invoke read nil", "1 ok read []"]);
        let lost = judged(&events);
        assert_eq!((lost.verdict, count(&lost, "lost")), (Verdict::Fail, 1));
        let violation = lost.violation.expect("it shows the read");
        assert_eq!((violation.prefix, violation.line), (6, 6));
        assert_eq!(violation.story[0], "element 1 is not shown any more:");
    }

    #[test]
    fn an_element_that_comes_late_is_stale_and_one_before_its_add_is_not() {
        let mut events = ADD_1.to_vec();
        events.extend(["1 invoke read nil", "1 ok read []"]);
        events.extend(["1 invoke read nil", "1 ok read [1]"]);
        let stale = judged(&events);
        assert_eq!((stale.verdict, count(&stale, "stale")), (Verdict::Pass, 1));
        let mut events = vec!["1 invoke read nil", "1 ok read []"];
        events.extend(ADD_1);
        events.extend(["1 invoke read nil", "1 ok read [1]"]);
        let fresh = judged(&events);
        assert_eq!((fresh.verdict, count(&fresh, "stale")), (Verdict::Pass, 0));
    }

    #[test]
    fn an_unknown_add_may_be_missing_and_may_appear() {
        let unknown = ["0 invoke add 1", "0 info add :timeout"];
        let reads = |value| vec!["1 invoke read nil", value];
        let missing = judged(&[&unknown[..], &reads("1 ok read []")[..]].concat());
        assert_eq!(
            missing.verdict,
            Verdict::Unknown,
            "no element was ever seen"
        );
        assert_eq!(count(&missing, "never read"), 1);
        let there = judged(&[&unknown[..], &reads("1 ok read [1]")[..]].concat());
        assert_eq!((there.verdict, count(&there, "stable")), (Verdict::Pass, 1));
    }

    #[test]
    fn an_element_twice_or_from_nowhere_is_wrong() {
        for (read, name) in [("[1 1]", "duplicated"), ("[1 2]", "unexpected")] {
            let read = format!("1 ok read {read}");
            let mut events = ADD_1.to_vec();
            events.extend(["1 invoke read nil", &read]);
            let wrong = judged(&events);
            assert_eq!((wrong.verdict, count(&wrong, name)), (Verdict::Fail, 1));
        }
    }
}
