//! L1: mutual exclusion in log order. While one session holds a lock exclusively, no other
//! hold of it is granted; shared holds exclude only exclusive ones. With it, the owner's
//! rule: only a grant's own session releases it. A look at the lock never shows an exclusive
//! holder beside another.
//!
//! Source: Courtois, Heymans & Parnas, "Concurrent control with readers and writers" (1971), for
//! shared and exclusive
//! holds; Kleppmann, "How to do distributed locking" (2016), for why only log order, not
//! wall-clock belief, can be promised. A token is the log index of its grant, so tokens
//! give the order. An acknowledged release proves that the hold lasted until the release
//! took effect, since an expired session would have got "not held". So if token t2
//! was in a client's hands before the release of an older t1 was even sent, both held at
//! once. The reverse (two windows, each from grant to the sending of its release, that
//! overlap) is the same fact and needs no second rule.
//!
//! Deliberately not checked: whether two clients believed at the same moment to hold the
//! lock. A client whose session has expired may well believe so; no lock service can
//! prevent it, and fencing tokens are there for that (`fenced_resource`). Nor are holds
//! judged that end by expiry, because nothing in a history says when.

use indexmap::IndexMap;

use super::locks::{Hold, session_of};
use super::result::Judge;
use super::view::View;
use super::words;
use squall_history::Outcome;
use squall_history::unordered::is_ordered;

pub(super) fn check(view: &View, judge: &mut Judge) {
    for (name, holds) in &view.locks.names {
        for (&token, hold) in holds {
            judge_releases(view, judge, name, token, hold);
        }
        judge_overlaps(view, judge, name, holds);
    }
    for (name, lines) in &view.locks.lines {
        for line in lines {
            judge.count_checked();
            let alone = line.holders.iter().find(|holder| !holder.shared);
            if let Some(alone) = alone.filter(|_| line.holders.len() > 1) {
                judge.violation(
                    format!(
                        "lock {name} was seen held by session {} and by others",
                        alone.session
                    ),
                    [words::operation(&view.operations[line.index])],
                );
            }
        }
    }
}

fn judge_releases(view: &View, judge: &mut Judge, name: &str, token: u64, hold: &Hold) {
    let released = hold
        .releases
        .iter()
        .copied()
        .filter(|&index| view.operations[index].outcome == Some(&Outcome::Released));
    for index in released {
        judge.count_checked();
        let lines = |others: &[usize]| {
            let evidence = others.iter().chain([&index]);
            let lines = evidence.map(|&i| words::operation(&view.operations[i]));
            lines.collect::<Vec<_>>()
        };
        let session = session_of(view.operations[index].action);
        match hold.holder(&view.operations) {
            None => judge.violation(
                format!("lock {name}: token {token} was released but never granted to anyone"),
                lines(&[]),
            ),
            Some((owner, _)) if session != Some(owner) => judge.violation(
                format!(
                    "lock {name}: token {token} was released by a session that does not own it"
                ),
                lines(&hold.grants[..1]),
            ),
            Some(_) => {}
        }
    }
}

/// One hold that was surely granted.
struct Window {
    token: u64,
    shared: bool,
    /// The grant whose return came first, and the position of that return.
    grant: usize,
    granted: usize,
    /// Position until which it was surely held; `None` when that is unknown.
    held_until: Option<usize>,
    hold: usize,
}

fn judge_overlaps(view: &View, judge: &mut Judge, name: &str, holds: &IndexMap<u64, Hold>) {
    let windows = windows(view, holds);
    if windows.iter().any(|window| !is_ordered(window.token)) {
        return judge_named(view, judge, name, holds, windows);
    }
    // From the newest token down: the earliest return among newer holds, of any kind and
    // of exclusive ones, as an index into `windows`.
    let mut newer: Option<usize> = None;
    let mut newer_exclusive: Option<usize> = None;
    let earlier = |best: Option<usize>, i: usize| match best {
        Some(b) if windows[b].granted <= windows[i].granted => Some(b),
        _ => Some(i),
    };
    for (i, window) in windows.iter().enumerate().rev() {
        judge.count_checked();
        let rival = if window.shared {
            newer_exclusive
        } else {
            newer
        };
        if let (Some(rival), Some(held_until)) = (rival, window.held_until)
            && windows[rival].granted < held_until
        {
            let rival = &windows[rival];
            let hold = &holds[window.hold];
            judge.violation(
                format!(
                    "lock {name}: token {} was granted while token {} was still held",
                    rival.token, window.token
                ),
                [window.grant, rival.grant]
                    .iter()
                    .chain(&hold.releases)
                    .map(|&index| words::operation(&view.operations[index])),
            );
        }
        newer = earlier(newer, i);
        if !window.shared {
            newer_exclusive = earlier(newer_exclusive, i);
        }
    }
}

/// The same where tokens tell no order. Somebody surely held the lock from when the answer was
/// there until the release was sent; within that, nobody else can have been granted it.
fn judge_named(
    view: &View,
    judge: &mut Judge,
    name: &str,
    holds: &IndexMap<u64, Hold>,
    mut windows: Vec<Window>,
) {
    windows.sort_unstable_by_key(|window| window.granted);
    // Of those granted so far, the one that was surely held for longest.
    let mut longest: Option<(usize, &Window)> = None;
    for window in &windows {
        judge.count_checked();
        let asked = view.operations[window.grant].invoke_pos;
        let is_certain = |held: &Window| window.held_until.is_some() || asked > held.granted;
        if let Some((until, held)) = longest
            && window.granted < until
            && is_certain(held)
            && !(window.shared && held.shared)
        {
            let lines = [held.grant, window.grant].into_iter();
            let lines = lines.chain(holds[held.hold].releases.iter().copied());
            judge.violation(
                format!("lock {name} was granted while it was still held"),
                lines.map(|index| words::operation(&view.operations[index])),
            );
        }
        if let Some(until) = window.held_until
            && longest.is_none_or(|(longest, _)| until > longest)
        {
            longest = Some((until, window));
        }
    }
}

/// The granted holds in order of token.
fn windows(view: &View, holds: &IndexMap<u64, Hold>) -> Vec<Window> {
    let window = |(position, (&token, hold)): (usize, (&u64, &Hold))| {
        let (_, shared) = hold.holder(&view.operations)?;
        let returned = |index: usize| view.operations[index].return_pos;
        let grant = hold
            .grants
            .iter()
            .copied()
            .min_by_key(|&index| returned(index))?;
        Some(Window {
            token,
            shared,
            grant,
            granted: returned(grant).expect("a granted acquire has returned"),
            held_until: hold.surely_held_until(&view.operations),
            hold: position,
        })
    };
    let mut windows: Vec<Window> = holds.iter().enumerate().filter_map(window).collect();
    windows.sort_unstable_by_key(|window| window.token);
    windows
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::testing::*;
    use squall_history::Outcome::{NotHeld, Released};

    #[test]
    fn granted_while_held() {
        let mut run = Run::new();
        run.call("lock-1", acquire("a", 1), granted(10));
        run.call("lock-2", acquire("a", 2), granted(20));
        run.call("lock-1", release("a", 1, 10), Released);
        fails(
            check,
            &run.end(),
            "token 20 was granted while token 10 was still held",
        );
    }

    #[test]
    fn without_an_order_of_tokens_what_clients_saw_decides() {
        let [first, second] = [20, 10].map(squall_history::unordered::name_of_number);
        let mut run = Run::new();
        run.call("lock-1", acquire("a", 1), granted(first));
        run.call("lock-2", acquire("a", 2), granted(second));
        run.call("lock-1", release("a", 1, first), Released);
        fails(check, &run.end(), "granted while it was still held");
        // It was gone by itself before the other was granted, as far as anybody knows.
        let mut run = Run::new();
        run.call("lock-1", acquire("a", 1), granted(first));
        run.call("lock-2", acquire("a", 2), granted(second));
        run.call("lock-1", release("a", 1, first), NotHeld);
        run.call("lock-2", release("a", 2, second), Released);
        passes(check, &run.end());
        // The second was granted first, and its answer was slow.
        let mut run = Run::new();
        let op = run.invoke("lock-2", acquire("a", 2));
        run.call("lock-1", acquire("a", 1), granted(first));
        run.returns(op, granted(second));
        run.call("lock-1", release("a", 1, first), Released);
        passes(check, &run.end());
    }

    #[test]
    fn a_writer_among_readers() {
        let mut run = Run::new();
        run.call("lock-1", acquire_shared("a", 1), granted(10));
        run.call("lock-2", acquire_shared("a", 2), granted(20));
        run.call("lock-2", release("a", 2, 20), Released);
        run.call("lock-3", acquire("a", 3), granted(30));
        run.call("lock-1", release("a", 1, 10), Released);
        fails(check, &run.end(), "token 30 was granted while token 10");
    }

    #[test]
    fn readers_may_overlap() {
        let mut run = Run::new();
        run.call("lock-1", acquire_shared("a", 1), granted(10));
        run.call("lock-2", acquire_shared("a", 2), granted(20));
        run.call("lock-1", release("a", 1, 10), Released);
        passes(check, &run.end());
    }

    /// Client 1 was paused past its TTL: both believe to hold the lock. A check by client
    /// wall clocks would call this a violation, wrongly.
    #[test]
    fn two_believers_are_no_violation() {
        let mut run = Run::new();
        run.call("lock-1", acquire("a", 1), granted(10));
        run.call("lock-2", acquire("a", 2), granted(20));
        run.call("lock-1", release("a", 1, 10), NotHeld);
        run.call("lock-2", release("a", 2, 20), Released);
        passes(check, &run.end());
    }

    /// The grant's answer was slow: it was sent after the other's release took effect.
    #[test]
    fn a_release_in_flight_may_have_taken_effect() {
        let mut run = Run::new();
        run.call("lock-1", acquire("a", 1), granted(10));
        let op = run.invoke("lock-1", release("a", 1, 10));
        run.call("lock-2", acquire("a", 2), granted(20));
        run.returns(op, Released);
        passes(check, &run.end());
    }

    /// The first release took effect, only its answer was lost; the second was answered
    /// from the session's record. Counting the unknown one as failed would be a mistake.
    #[test]
    fn a_release_without_answer_may_have_taken_effect() {
        let mut run = Run::new();
        run.call("lock-1", acquire("a", 1), granted(10));
        run.call("lock-1", release("a", 1, 10), unknown());
        run.call("lock-2", acquire("a", 2), granted(20));
        run.call("lock-1", release("a", 1, 10), Released);
        passes(check, &run.end());
    }

    #[test]
    fn a_release_that_surely_failed_ends_nothing() {
        let mut run = Run::new();
        run.call("lock-1", acquire("a", 1), granted(10));
        run.call("lock-1", release("a", 1, 10), failed("no leader"));
        run.call("lock-2", acquire("a", 2), granted(20));
        run.call("lock-1", release("a", 1, 10), Released);
        fails(check, &run.end(), "token 20 was granted while token 10");
    }

    #[test]
    fn released_by_a_stranger_or_never_granted() {
        let mut run = Run::new();
        run.call("lock-1", acquire("a", 1), granted(10));
        run.call("lock-2", release("a", 2, 10), Released);
        fails(check, &run.end(), "by a session that does not own it");

        let mut run = Run::new();
        run.call("lock-2", release("a", 2, 10), Released);
        fails(check, &run.end(), "never granted to anyone");
    }

    #[test]
    fn a_writer_seen_among_readers() {
        let mut run = Run::new();
        let holders = [holder(1, 10, true), holder(2, 20, false)];
        run.call("watcher", inspect("a"), line(&holders, &[]));
        fails(
            check,
            &run.end(),
            "was seen held by session 2 and by others",
        );
        let mut run = Run::new();
        let holders = [holder(1, 10, true), holder(2, 20, true)];
        run.call("watcher", inspect("a"), line(&holders, &[3]));
        passes(check, &run.end());
    }
}
