//! C8: no copy is served that its client had to forget.
//!
//! A client that drops the copies that its stream invalidates never serves an old one. A copy
//! is served rightly if its client read it before, and received neither a flush nor an
//! invalidation by a newer change since it sent that read (the last is the stale fill: the
//! invalidation arrived before the older value).
//!
//! Source: Nishtala et al., "Scaling Memcache at Facebook" (2013), §3.2.1, on stale sets.
//!
//! Not checked: whether the client received every invalidation (`cache_invalidation`), and how old
//! copies may be at most (`cache_staleness`).

use std::collections::BTreeMap;

use super::result::Judge;
use super::view::View;
use super::words;
use squall_history::{Action, EventKind, Operation, Outcome, StreamEvent};

pub(super) fn check(view: &View, judge: &mut Judge) {
    let mut clients: BTreeMap<&str, Notices> = BTreeMap::new();
    for (pos, event) in view.history.events.iter().enumerate() {
        let EventKind::Stream { client, event } = &event.kind else {
            continue;
        };
        let notices = clients.entry(client).or_default();
        match event {
            StreamEvent::Invalidated { index, keys } => {
                for key in keys {
                    notices
                        .invalidated
                        .entry(key)
                        .or_default()
                        .push((pos, *index));
                }
            }
            StreamEvent::Flushed { .. } => notices.flushed.push(pos),
            StreamEvent::Opened { .. } | StreamEvent::UpTo { .. } | StreamEvent::Ended { .. } => {}
        }
    }
    for (client, notices) in &clients {
        judge_client(view, judge, client, notices);
    }
}

/// The invalidations and flushes that one client received, over all its streams.
#[derive(Debug, Default)]
struct Notices<'a> {
    /// Positions in the history, and indexes, at which each key was invalidated.
    invalidated: BTreeMap<&'a str, Vec<(usize, u64)>>,
    /// Positions in the history.
    flushed: Vec<usize>,
}

impl Notices<'_> {
    /// Why a copy that was asked for at `fill` must not be served at `read`.
    fn forbids(&self, key: &str, version: u64, fill: usize, read: usize) -> Option<String> {
        let flushed = self.flushed.partition_point(|pos| *pos < read);
        if flushed > 0 && self.flushed[flushed - 1] > fill {
            return Some("the client received a flush".into());
        }
        let of_key = self.invalidated.get(key)?;
        let newest = of_key[..of_key.partition_point(|(pos, _)| *pos < read)].last()?;
        let (pos, index) = *newest;
        let is_stale = pos > fill && index > version;
        is_stale.then(|| format!("the client received an invalidation at {index}"))
    }
}

/// Whether each read from the client's own cache shows a copy that it may have had.
fn judge_client(view: &View, judge: &mut Judge, client: &str, notices: &Notices) {
    let of_client = view.operations.iter().filter(|o| o.client == client);
    let mut fills: BTreeMap<&str, Vec<&Operation>> = BTreeMap::new();
    for operation in of_client {
        if let Action::Get { key, .. } = operation.action {
            fills.entry(key).or_default().push(operation);
        }
        let (Action::GetNear { key, .. }, Some(outcome @ Outcome::Value { version, .. })) =
            (operation.action, operation.outcome)
        else {
            continue;
        };
        judge.count_checked();
        let mut earlier = fills.get(key.as_str()).into_iter().flatten().rev();
        let Some(fill) = earlier.find(|fill| fill.outcome == Some(outcome)) else {
            let what = format!("{client}: {key}: a copy was served that it never read");
            judge.violation(what, [words::operation(operation)]);
            continue;
        };
        let (asked, served) = (fill.invoke_pos, operation.invoke_pos);
        if let Some(why) = notices.forbids(key, *version, asked, served) {
            judge.violation(
                format!("{client}: {key}: a stale copy of version {version} was served: {why}"),
                [*fill, operation].map(words::operation),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::testing::*;
    use squall_history::StreamEvent;

    /// A stream, and a copy of k at version 5 that is served once.
    fn copied() -> Run {
        let mut run = Run::new();
        run.call("cache-1", set("k", "a"), stored(5));
        says(&mut run, StreamEvent::Opened { from: 0 });
        run.call("cache-near-1", get("k"), value("a", 5));
        run.call("cache-near-1", near("k"), value("a", 5));
        run
    }

    /// Invalidated late, at its own version, and read again after a change.
    #[test]
    fn an_old_copy_before_its_invalidation_passes() {
        let mut run = copied();
        run.call("cache-1", set("k", "b"), stored(6));
        run.call("cache-near-1", near("k"), value("a", 5));
        invalidated(&mut run, 6, "k");
        let op = run.invoke("cache-near-1", get("k"));
        invalidated(&mut run, 8, "k");
        run.returns(op, value("c", 8));
        run.call("cache-near-1", near("k"), value("c", 8));
        says(&mut run, StreamEvent::Flushed { index: 21 });
        run.call("cache-near-1", get("k"), value("d", 20));
        run.call("cache-near-1", near("k"), value("d", 20));
        passes(check, &run.end());
    }

    #[test]
    fn a_stream_without_copies_judges_nothing() {
        let mut run = Run::new();
        invalidated(&mut run, 6, "k");
        not_judged(check, &run.end(), "no reads from copies");
    }

    #[test]
    fn a_stale_fill() {
        let mut run = copied();
        let op = run.invoke("cache-near-1", get("j"));
        invalidated(&mut run, 9, "j");
        run.returns(op, value("old", 4));
        run.call("cache-near-1", near("j"), value("old", 4));
        fails(
            check,
            &run.end(),
            "a stale copy of version 4 was served: the client received an invalidation at 9",
        );
    }

    #[test]
    fn a_copy_that_should_be_gone() {
        let mut run = copied();
        invalidated(&mut run, 6, "k");
        run.call("cache-near-1", near("k"), value("a", 5));
        fails(check, &run.end(), "received an invalidation at 6");
        let mut run = copied();
        says(&mut run, StreamEvent::Flushed { index: 9 });
        run.call("cache-near-1", near("k"), value("a", 5));
        fails(check, &run.end(), "received a flush");
        let mut run = copied();
        run.call("cache-near-1", near("k"), value("b", 6));
        fails(check, &run.end(), "a copy was served that it never read");
    }
}
