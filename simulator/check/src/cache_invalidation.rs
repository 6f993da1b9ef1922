//! C8: invalidations come without a gap, and resume exactly.
//!
//! A client that keeps copies of what it read receives every change; also
//! when its connection broke, or the leader died, between two messages. Either the stream goes
//! on exactly where it was, or the client receives a flush. What the client then
//! does with its copies is `cache_copies`.
//!
//! Versions are log indexes, so every write whose version some client received is a known
//! change of its key at that index. A stream that says anything of index i has passed all
//! known changes before i; one it did not name, and that no flush covers, is a gap.
//!
//! A key that is deleted, expires or is evicted leaves no version. But if version v of it was
//! known, and a linearizable read that was sent afterwards finds nothing, it went at an index
//! after v, and before the version u of any write that was sent after that read. A stream
//! that passed from v to u must have named the key in between, or sent a flush.
//!
//! Source: Redis's client-side caching, whose protocol leaves the lost connection to the
//! client, and etcd's watch, which is resumed by revision.
//!
//! Not checked: removals that no read shows, and invalidations of what did not change, which
//! cost but do not lie.

use std::collections::BTreeMap;

use super::result::Judge;
use super::view::{RunningMax, View};
use super::words;
use squall_history::{Action, EventKind, Outcome, StreamEvent};

pub(super) fn check(view: &View, judge: &mut Judge) {
    let changes = changes(view);
    let mut listeners: BTreeMap<&str, Listener> = BTreeMap::new();
    for event in &view.history.events {
        if let EventKind::Stream {
            client,
            event: said,
        } = &event.kind
        {
            judge.count_checked();
            let listener = listeners.entry(client).or_default();
            let line = || format!("{} {client}: stream: {said:?}", words::seconds(event.at_us));
            for (what, change) in listener.hear(said, &changes) {
                let change = change.map(|index| words::operation(&view.operations[index]));
                judge.violation(
                    format!("{client}: {what}"),
                    change.into_iter().chain([line()]),
                );
            }
        }
    }
    let removals = removals(view);
    for (client, listener) in &mut listeners {
        listener.end_segment();
        judge_removals(view, judge, client, listener, &removals);
    }
}

/// Known changes: by index, the key and an operation that returned the version.
type Changes<'a> = BTreeMap<u64, (&'a str, usize)>;

fn changes<'a>(view: &View<'a>) -> Changes<'a> {
    let mut changes = Changes::new();
    for (index, operation) in view.operations.iter().enumerate() {
        use Action::*;
        let key = match operation.action {
            Set { key, .. } | SetVolatile { key, .. } | CompareAndSet { key, .. } => key,
            Increment { key, .. } | Get { key, .. } | GetFrom { key, .. } => key,
            _ => continue,
        };
        use Outcome::*;
        if let Some(Stored { version } | Counted { version, .. } | Value { version, .. }) =
            operation.outcome
            && *version > 0
        {
            changes.entry(*version).or_insert((key, index));
        }
    }
    changes
}

/// A key that went without leaving a version.
struct Removal<'a> {
    key: &'a str,
    /// It was there at this index, and gone before that.
    after: u64,
    before: u64,
    /// The read that found nothing.
    read: usize,
}

/// For each version that is known to have gone, the first read that shows it.
fn removals<'a>(view: &View<'a>) -> Vec<Removal<'a>> {
    let mut known: BTreeMap<&str, Vec<(usize, u64, usize)>> = BTreeMap::new();
    let mut stamps: Vec<(usize, u64)> = Vec::new();
    for (&version, &(key, index)) in &changes(view) {
        let operation = &view.operations[index];
        let returned = operation.return_pos.expect("its version was answered");
        known
            .entry(key)
            .or_default()
            .push((returned, version, index));
        let writes = !matches!(
            operation.action,
            Action::Get { .. } | Action::GetFrom { .. }
        );
        stamps.extend(writes.then_some((operation.invoke_pos, version)));
    }
    let known: BTreeMap<&str, RunningMax> = known
        .into_iter()
        .map(|(key, versions)| (key, RunningMax::new(versions)))
        .collect();
    // The smallest version of all writes sent from each one on.
    stamps.sort_unstable();
    for place in (1..stamps.len()).rev() {
        stamps[place - 1].1 = stamps[place - 1].1.min(stamps[place].1);
    }
    let mut found: BTreeMap<(&str, u64), Removal> = BTreeMap::new();
    for (read, operation) in view.operations.iter().enumerate() {
        let (Action::Get { key, .. }, Some(Outcome::Value { value: None, .. }), Some(returned)) =
            (operation.action, operation.outcome, operation.return_pos)
        else {
            continue;
        };
        let last = known.get(key.as_str());
        let last = last.and_then(|known| known.before(operation.invoke_pos));
        let next = stamps.partition_point(|(sent, _)| *sent < returned);
        if let (Some((after, _)), Some(&(_, before))) = (last, stamps.get(next)) {
            let first = found.entry((key, after)).or_insert(Removal {
                key,
                after,
                before,
                read,
            });
            first.before = first.before.min(before);
        }
    }
    found.into_values().collect()
}

/// A stream that passed by the removal of a key has named it.
fn judge_removals(
    view: &View,
    judge: &mut Judge,
    client: &str,
    listener: &Listener,
    removals: &[Removal],
) {
    for removal in removals {
        let Removal {
            key,
            after,
            before,
            read,
        } = *removal;
        let passed = |(from, to): &(u64, u64)| *from <= after && *to + 1 >= before;
        if !listener.segments.iter().any(passed) {
            continue;
        }
        judge.count_checked();
        let notices = listener.invalidated.get(key).into_iter().flatten();
        if !notices
            .copied()
            .any(|index| after < index && index < before)
        {
            judge.violation(
                format!(
                    "{client}: a gap: nothing was said of {key}, which went between {after} and \
                     {before}"
                ),
                [words::operation(&view.operations[read])],
            );
        }
    }
}

/// What one client received, over all its streams.
#[derive(Debug, Default)]
struct Listener<'a> {
    /// From which index to which everything was said, one after the other.
    segments: Vec<(u64, u64)>,
    /// Where the segment began that goes on.
    segment_start: Option<u64>,
    /// Everything up to here has been said; `None` until a stream from now on says where
    /// it begins.
    position: Option<u64>,
    /// Indexes at which each key was invalidated.
    invalidated: BTreeMap<&'a str, Vec<u64>>,
}

impl<'a> Listener<'a> {
    /// What is wrong with a message, each with the operation that shows it.
    fn hear(
        &mut self,
        said: &'a StreamEvent,
        changes: &Changes<'a>,
    ) -> Vec<(String, Option<usize>)> {
        match said {
            StreamEvent::Opened { from: 0 } => {
                self.end_segment();
                self.position = None;
                Vec::new()
            }
            StreamEvent::Opened { from } => {
                let moved = self.position.filter(|before| before != from);
                if moved.is_some() {
                    self.end_segment();
                }
                self.move_to(*from);
                let what = moved.map(|at| format!("was at {at} and resumed from {from}"));
                what.map(|what| (what, None)).into_iter().collect()
            }
            StreamEvent::Invalidated { index, keys } => {
                for key in keys {
                    self.invalidated.entry(key).or_default().push(*index);
                }
                let mut wrong = self.backwards(*index, 1);
                wrong.extend(self.gaps(index.saturating_sub(1), changes));
                if let Some((key, operation)) = changes.get(index)
                    && !keys.iter().any(|named| named == key)
                {
                    wrong.push((gap(key, *index), Some(*operation)));
                }
                self.move_to(*index);
                wrong
            }
            StreamEvent::Flushed { index } => {
                let wrong = self.backwards(*index, 0);
                self.end_segment();
                self.move_to(*index);
                wrong
            }
            StreamEvent::UpTo { index } => {
                let mut wrong = self.backwards(*index, 0);
                wrong.extend(self.gaps(*index, changes));
                self.move_to(*index);
                wrong
            }
            StreamEvent::Ended { .. } => Vec::new(),
        }
    }

    /// Everything up to `index` has been said.
    fn move_to(&mut self, index: u64) {
        self.position = Some(index);
        self.segment_start.get_or_insert(index);
    }

    /// What comes next does not go on from what was said so far.
    fn end_segment(&mut self) {
        if let (Some(start), Some(end)) = (self.segment_start.take(), self.position) {
            self.segments.push((start, end));
        }
    }

    /// An index that is not at least `step` after the position.
    fn backwards(&self, index: u64, step: u64) -> Vec<(String, Option<usize>)> {
        let before = self.position.filter(|at| index < at + step);
        let what = before.map(|at| format!("the stream said {index} after {at}"));
        what.map(|what| (what, None)).into_iter().collect()
    }

    /// Known changes after the position that were passed over.
    fn gaps(&self, up_to: u64, changes: &Changes<'a>) -> Vec<(String, Option<usize>)> {
        let Some(position) = self.position.filter(|at| *at < up_to) else {
            return Vec::new();
        };
        let passed = changes.range(position + 1..=up_to);
        let notices = passed.map(|(index, (key, operation))| (gap(key, *index), Some(*operation)));
        notices.collect()
    }
}

fn gap(key: &str, index: u64) -> String {
    format!("a gap: nothing was said of {key}, which changed at {index}")
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::testing::*;
    use squall_history::StreamEvent;

    fn opened(run: &mut Run, from: u64) {
        says(run, StreamEvent::Opened { from });
    }

    fn up_to(run: &mut Run, index: u64) {
        says(run, StreamEvent::UpTo { index });
    }

    /// A stream from now on, at index 5, and a copy of k at version 5.
    fn copied() -> Run {
        let mut run = Run::new();
        run.call("cache-1", set("k", "a"), stored(5));
        opened(&mut run, 0);
        up_to(&mut run, 5);
        run.call("cache-near-1", get("k"), value("a", 5));
        run.call("cache-near-1", near("k"), value("a", 5));
        run
    }

    #[test]
    fn a_change_during_a_reconnect_that_nobody_tells() {
        let mut run = copied();
        says(&mut run, StreamEvent::Ended { why: "lost".into() });
        run.call("cache-1", set("k", "b"), stored(6));
        opened(&mut run, 5);
        up_to(&mut run, 7);
        fails(
            check,
            &run.end(),
            "a gap: nothing was said of k, which changed at 6",
        );
    }

    #[test]
    fn a_change_left_out_between_two() {
        let mut run = copied();
        run.call("cache-1", set("j", "b"), stored(6));
        run.call("cache-1", increment("c", 1), counted(1, 7));
        invalidated(&mut run, 7, "c");
        fails(
            check,
            &run.end(),
            "nothing was said of j, which changed at 6",
        );
        let mut run = copied();
        run.call("cache-1", set("j", "b"), stored(6));
        invalidated(&mut run, 6, "c");
        fails(
            check,
            &run.end(),
            "nothing was said of j, which changed at 6",
        );
    }

    /// The key was deleted, had expired or was evicted: a read finds nothing at version 5.
    fn removed() -> Run {
        let mut run = copied();
        run.call("cache-1", delete("k"), stored(0));
        run.call("cache-1", get("k"), absent());
        run.call("cache-1", set("j", "b"), stored(8));
        run
    }

    #[test]
    fn a_removal_that_nobody_tells() {
        let mut run = removed();
        invalidated(&mut run, 8, "j");
        fails(
            check,
            &run.end(),
            "nothing was said of k, which went between 5 and 8",
        );
    }

    #[test]
    fn a_removal_announced_flushed_or_not_passed_yet() {
        let mut run = removed();
        invalidated(&mut run, 6, "k");
        invalidated(&mut run, 8, "j");
        passes(check, &run.end());
        let mut run = removed();
        says(&mut run, StreamEvent::Flushed { index: 9 });
        passes(check, &run.end());
        let mut run = removed();
        up_to(&mut run, 6);
        passes(check, &run.end());
    }

    #[test]
    fn out_of_order_or_twice() {
        let mut run = copied();
        invalidated(&mut run, 7, "k");
        invalidated(&mut run, 7, "k");
        fails(check, &run.end(), "the stream said 7 after 7");
        let mut run = copied();
        up_to(&mut run, 4);
        fails(check, &run.end(), "the stream said 4 after 5");
    }

    #[test]
    fn resumed_elsewhere() {
        let mut run = copied();
        opened(&mut run, 6);
        fails(check, &run.end(), "was at 5 and resumed from 6");
    }

    /// Invalidations late or at the copy's own version, a flush instead of all of them, a read
    /// after a change, and a stream that an empty cache begins anew.
    #[test]
    fn late_but_complete() {
        let mut run = copied();
        run.call("cache-1", set("k", "b"), stored(6));
        run.call("cache-near-1", near("k"), value("a", 5));
        invalidated(&mut run, 6, "k");
        let op = run.invoke("cache-near-1", get("k"));
        run.call("cache-1", set("k", "c"), stored(8));
        invalidated(&mut run, 8, "k");
        run.returns(op, value("c", 8));
        run.call("cache-near-1", near("k"), value("c", 8));
        up_to(&mut run, 8);
        run.call("cache-1", set("k", "d"), stored(20));
        opened(&mut run, 8);
        says(&mut run, StreamEvent::Flushed { index: 21 });
        up_to(&mut run, 21);
        run.call("cache-near-1", get("k"), value("d", 20));
        run.call("cache-near-1", near("k"), value("d", 20));
        run.call("cache-1", set("k", "e"), stored(30));
        opened(&mut run, 0);
        up_to(&mut run, 31);
        passes(check, &run.end());
    }
}
