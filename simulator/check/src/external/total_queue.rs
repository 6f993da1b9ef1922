//! A queue of which only is asked that what goes in comes out, in whatever order.
//!
//! Source: `total-queue` of Jepsen (`jepsen.checker`), whose definitions these are, over
//! multisets of elements: *attempted* are all that a client asked to enqueue, *acknowledged*
//! those whose enqueue was answered. Of what was dequeued, *ok* is what had been attempted,
//! *unexpected* what nobody ever enqueued, *duplicated* what came out more often than it was
//! attempted, *recovered* what came out although its enqueue was not answered. What
//! was acknowledged and never came out is *lost*. A queue that lost something or gave out
//! something unexpected is wrong; duplicates are counted only, since a queue that delivers at
//! least once may make them.
//!
//! `:drain` dequeues a list of elements at once. A history has to end with one, or with as
//! many dequeues as it takes: what is still inside counts as lost.
//!
//! Not checked: order, and how long anything took.

use indexmap::{IndexMap, IndexSet};

use super::edn::Datum;
use super::object::Explanation;
use super::records::{Completion, Record, Records};
use super::{Format, InputError, Judgement, counted_violation};
use crate::result::Verdict;

/// What became of one element, which may have been enqueued more than once.
#[derive(Default)]
struct Element {
    attempted: u64,
    acknowledged: u64,
    dequeued: u64,
    /// Records of its first enqueue, and of the first dequeue that shows it.
    enqueue: Option<usize>,
    /// Record, and position of the answer.
    dequeue: Option<(usize, usize)>,
}

impl Element {
    fn ok(&self) -> u64 {
        self.dequeued.min(self.attempted)
    }

    fn lost(&self) -> u64 {
        self.acknowledged.saturating_sub(self.dequeued)
    }

    fn unexpected(&self) -> u64 {
        if self.attempted == 0 {
            self.dequeued
        } else {
            0
        }
    }

    fn duplicated(&self) -> u64 {
        self.dequeued - self.ok() - self.unexpected()
    }

    fn recovered(&self) -> u64 {
        self.ok().saturating_sub(self.acknowledged)
    }
}

/// Elements by queue and value.
type Elements = IndexMap<(Option<Datum>, Datum), Element>;

/// Judges the history, queue by queue.
///
/// # Errors
/// An operation that a queue does not have, with its line.
pub(super) fn judge(records: &Records, format: Format) -> Result<Judgement, InputError> {
    let elements = elements(records)?;
    let sum = |of: fn(&Element) -> u64| elements.values().map(of).sum::<u64>();
    let (lost, unexpected) = (sum(Element::lost), sum(Element::unexpected));
    let wrong = [(lost, "lost"), (unexpected, "unexpected")];
    let wrong: Vec<String> = (wrong.iter())
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    let (verdict, detail) = if !wrong.is_empty() {
        let what = format!("elements of the queue: {}", wrong.join(", "));
        (Verdict::Fail, what)
    } else if sum(Element::ok) == 0 {
        (Verdict::Unknown, "nothing was ever dequeued".into())
    } else {
        (Verdict::Pass, "no element is lost or unexpected".into())
    };
    let queues: IndexSet<&Option<Datum>> = elements.keys().map(|(queue, _)| queue).collect();
    Ok(Judgement {
        format,
        verdict,
        detail,
        operations: records.records.len(),
        objects: queues.len(),
        left_out: Vec::new(),
        fail: None,
        counts: vec![
            ("attempted", sum(|element| element.attempted)),
            ("acknowledged", sum(|element| element.acknowledged)),
            ("ok", sum(Element::ok)),
            ("recovered", sum(Element::recovered)),
            ("lost", lost),
            ("duplicated", sum(Element::duplicated)),
            ("unexpected", unexpected),
        ],
        violation: first_wrong(&elements, records)
            .map(|(end, why)| counted_violation("the queue", end, &why, records)),
    })
}

fn elements(records: &Records) -> Result<Elements, InputError> {
    let mut elements = Elements::new();
    for (number, record) in records.records.iter().enumerate() {
        let refused = |what: String| InputError::Line {
            line: record.line,
            what,
        };
        let mut took = |value: &Datum| {
            let element = elements.entry(named(record, value)).or_default();
            element.dequeued += 1;
            let at = record.returned.expect("an answer has a place");
            element.dequeue.get_or_insert((number, at));
        };
        match (&*record.function, &record.completion) {
            ("enqueue", completion) => {
                let element = elements.entry(named(record, &record.asked)).or_default();
                element.attempted += 1;
                element.acknowledged += u64::from(matches!(completion, Completion::Ok(_)));
                element.enqueue.get_or_insert(number);
            }
            // Empty.
            ("dequeue", Completion::Ok(Datum::Nil)) => {}
            ("dequeue", Completion::Ok(value)) => took(value),
            ("drain", Completion::Ok(Datum::List(values))) => values.iter().for_each(took),
            ("drain", Completion::Ok(Datum::Nil)) => {}
            ("drain", Completion::Ok(other)) => {
                return Err(refused(format!("{other} is no list of elements")));
            }
            // Nobody knows what a drain of unknown outcome has taken along.
            ("drain", Completion::Unknown) => {
                return Err(refused(
                    "a :drain of unknown outcome cannot be judged".into(),
                ));
            }
            ("dequeue" | "drain", _) => {}
            (other, _) => {
                let known = ":enqueue, :dequeue, :drain";
                let what = format!("unknown function :{other}; this model has {known}");
                return Err(refused(what));
            }
        }
    }
    Ok(elements)
}

fn named(record: &Record, value: &Datum) -> (Option<Datum>, Datum) {
    (record.key.clone(), value.clone())
}

/// The end of the prefix that is wrong first: with the first unexpected answer, or with the
/// last event, since what is lost may come out until then.
fn first_wrong(elements: &Elements, records: &Records) -> Option<(usize, Explanation)> {
    let unexpected = elements
        .iter()
        .filter(|(_, element)| element.unexpected() > 0);
    let unexpected = unexpected.filter_map(|(name, element)| Some((element.dequeue?, name)));
    if let Some(((dequeue, at), (_, value))) = unexpected.min_by_key(|((_, at), _)| *at) {
        let why = Explanation {
            what: Some(format!(
                "element {value} was dequeued, and nobody had enqueued it"
            )),
            shown: vec![dequeue],
            stuck: None,
        };
        return Some((at, why));
    }
    let ((_, value), lost) = elements.iter().find(|(_, element)| element.lost() > 0)?;
    let why = Explanation {
        what: Some(format!(
            "element {value} was acknowledged, and never came out"
        )),
        shown: lost.enqueue.into_iter().collect(),
        stuck: None,
    };
    Some((records.lines.len() - 1, why))
}

#[cfg(test)]
mod tests {
    use super::super::{Limits, Model, judge};
    use super::*;

    /// Events are `PROCESS TYPE FUNCTION VALUE`.
    fn judged(events: &[&str]) -> Result<Judgement, InputError> {
        let lines = events.iter().map(|event| {
            let words: Vec<&str> = event.splitn(4, ' ').collect();
            format!("{} :{} :{} {}", words[0], words[1], words[2], words[3])
        });
        let log = lines.collect::<Vec<_>>().join("\n");
        let limits = Limits::default();
        judge(
            log.as_bytes(),
            Model::TotalQueue,
            Some(Format::Jepsen),
            &limits,
        )
    }

    #[track_caller]
    fn must_count(events: &[&str], verdict: Verdict, counts: &[(&str, u64)]) -> Judgement {
        let judged = judged(events).expect("it is a history of a queue");
        assert_eq!(judged.verdict, verdict, "{}", judged.detail);
        for (name, count) in counts {
            let found = judged.counts.iter().find(|(n, _)| n == name);
            assert_eq!(found, Some(&(*name, *count)), "{name}");
        }
        judged
    }

    const IN: [&str; 4] = [
        "0 invoke enqueue 1",
        "0 ok enqueue 1",
        "0 invoke enqueue 2",
        "0 ok enqueue 2",
    ];

    #[test]
    fn what_comes_out_in_another_order_is_right() {
        let mut events = IN.to_vec();
        events.extend(["1 invoke dequeue nil", "1 ok dequeue 2"]);
        events.extend(["1 invoke drain nil", "1 ok drain [1]"]);
        events.extend(["1 invoke dequeue nil", "1 fail dequeue :empty"]);
        must_count(&events, Verdict::Pass, &[("ok", 2), ("lost", 0)]);
    }

    #[test]
    fn what_was_acknowledged_and_never_came_out_is_lost() {
        let mut events = IN.to_vec();
        events.extend(["1 invoke dequeue nil", "1 ok dequeue 2"]);
        let lost = must_count(&events, Verdict::Fail, &[("lost", 1), ("ok", 1)]);
        let violation = lost.violation.expect("it shows the enqueue");
        assert_eq!(violation.prefix, events.len(), "it might have come out");
        let expected = "element 1 was acknowledged, and never came out:";
        assert_eq!(violation.story[0], expected);
    }

    #[test]
    fn an_unknown_enqueue_may_come_out_or_not() {
        let mut events = vec!["0 invoke enqueue 3", "0 info enqueue :timeout"];
        events.extend(IN);
        events.extend(["1 invoke drain nil", "1 ok drain [1 2]"]);
        let counts = [("attempted", 3), ("acknowledged", 2), ("recovered", 0)];
        must_count(&events, Verdict::Pass, &counts);
        *events.last_mut().expect("there are events") = "1 ok drain [1 2 3]";
        must_count(&events, Verdict::Pass, &[("recovered", 1), ("ok", 3)]);
    }

    #[test]
    fn an_element_twice_is_counted_and_one_from_nowhere_is_wrong() {
        let mut events = IN.to_vec();
        events.extend(["1 invoke drain nil", "1 ok drain [1 2 2]"]);
        must_count(&events, Verdict::Pass, &[("duplicated", 1), ("ok", 2)]);
        *events.last_mut().expect("there are events") = "1 ok drain [1 2 7]";
        let wrong = must_count(
            &events,
            Verdict::Fail,
            &[("unexpected", 1), ("duplicated", 0)],
        );
        let violation = wrong.violation.expect("it shows the dequeue");
        let expected = "element 7 was dequeued, and nobody had enqueued it:";
        assert_eq!(
            (violation.prefix, violation.story[0].as_str()),
            (6, expected)
        );
    }

    #[test]
    fn what_cannot_be_judged_is_refused_or_unknown() {
        let unknown = ["1 invoke drain nil", "1 info drain :timeout"];
        let refused = judged(&[&IN[..], &unknown[..]].concat()).expect_err("it may have taken 1");
        assert!(
            refused
                .to_string()
                .starts_with("line 5: a :drain of unknown"),
            "{refused}"
        );
        must_count(
            &["0 invoke enqueue 1", "0 info enqueue 1"],
            Verdict::Unknown,
            &[],
        );
        let refused = judged(&["0 invoke pop nil", "0 ok pop 1"]).expect_err("no such function");
        assert!(
            refused.to_string().contains("unknown function :pop"),
            "{refused}"
        );
    }
}
