//! Finds what a node held after an entry that is not what the log implies.

use std::collections::BTreeMap;

use squall_cluster::state::command::{Command, LockInfo, QueueInfo};

use super::model::{Left, Model, Place};
use super::otherwise::Deviation;
use crate::backends::trace::AppliedEntry;

pub(super) fn deviation(
    model: &Model,
    entry: &AppliedEntry,
    command: &Command,
) -> Option<Deviation> {
    let held = &entry.held;
    let mut sessions = held.sessions.iter();
    let mut locks = held.locks.iter();
    sessions
        .find_map(|(id, lives)| session(model, command, (entry.index, *id), *lives))
        .or_else(|| locks.find_map(|(name, info)| lock(model, name, info)))
        .or_else(|| queues(model, entry))
        .or_else(|| keys(model, entry))
}

fn session(
    model: &Model,
    command: &Command,
    (index, id): (u64, u64),
    lives: Option<[u64; 2]>,
) -> Option<Deviation> {
    let known = model.sessions.get(id);
    match (known, lives) {
        (None, None) => None,
        (None, Some(_)) => {
            let by = model.sessions.ended_by(id)?;
            Some(Deviation::new(
                format!("session {id} has ended with entry {by}"),
                "still had it",
                [by],
            ))
        }
        (Some(known), None) => {
            let left_ms = known.deadline_ms.saturating_sub(model.clock_ms);
            let seen_ms = match command {
                Command::Expire { sessions } => sessions.iter().find(|(of, _)| *of == id),
                _ => None,
            };
            let guard = seen_ms.filter(|(_, seen_ms)| *seen_ms != known.deadline_ms);
            let guard = guard.map_or(
                "",
                |_| ", and the deadline that the entry names is not its deadline any more",
            );
            Some(Deviation::new(
                format!(
                    "session {id} lives: entry {} renewed it for {} ms, of which {left_ms} ms are \
                     left{guard}",
                    known.renewed_by, known.ttl_ms
                ),
                "ended it",
                [known.renewed_by],
            ))
        }
        (Some(known), Some([_, left_ms])) => {
            let right_ms = known.deadline_ms.saturating_sub(model.clock_ms);
            if right_ms == left_ms {
                return None;
            }
            let anew = match (command, known.renewed_by == index) {
                (Command::NewLeader, _) => ", as every session when a leader takes over",
                (_, true) => " with this entry",
                (_, false) => "",
            };
            Some(Deviation::new(
                format!(
                    "session {id} has {right_ms} ms to live from here, by log time: it is renewed \
                     for {} ms{anew}",
                    known.ttl_ms
                ),
                format!("gave it {left_ms} ms"),
                [known.renewed_by],
            ))
        }
    }
}

fn lock(model: &Model, name: &str, info: &LockInfo) -> Option<Deviation> {
    let right = model.locks.info(name);
    if right.holders == info.holders && right.waiters == info.waiters {
        return (right.last_token != info.last_token).then(|| {
            Deviation::new(
                format!("the last token of {name} is {}", right.last_token),
                format!("held {} for it", info.last_token),
                [],
            )
        });
    }
    let held_by = match info.holders.as_slice() {
        [] => "nobody".to_owned(),
        holders => {
            let all = holders.iter().map(|(session, ..)| session.to_string());
            format!("session {}", all.collect::<Vec<_>>().join(", "))
        }
    };
    if let Some(session) = more_in(&info.waiters, &right.waiters) {
        let departed = model.locks.departed.values().rev();
        let mut of_session = departed.filter(|d| d.name == name && d.session == session);
        if let Some(departed) = of_session.next() {
            let why = match departed.why {
                Left::SessionEnded => {
                    format!(
                        "session {session} ended with entry {}, and waits",
                        departed.by
                    )
                }
                Left::TimeUp => format!(
                    "the time of session {session} to wait was up with entry {}, and it waits",
                    departed.by
                ),
                Left::Granted => format!(
                    "session {session} was granted it with entry {}, and waits",
                    departed.by
                ),
                Left::Cancelled => {
                    format!(
                        "session {session} gave up with entry {}, and waits",
                        departed.by
                    )
                }
            };
            return Some(Deviation::new(
                format!("{why} for {name} no more"),
                format!("left it in the line of {name}, held by {held_by}"),
                [departed.by],
            ));
        }
    }
    let holders = |info: &LockInfo| info.holders.iter().map(|(s, ..)| *s).collect::<Vec<_>>();
    if let Some(session) = more_in(&holders(&right), &holders(info)) {
        let lock = model.locks.get(name)?;
        let hold = lock.holders.iter().find(|hold| hold.session == session)?;
        return Some(Deviation::new(
            format!(
                "session {session} holds {name} by token {} since entry {}",
                hold.token, hold.since
            ),
            format!("had it held by {held_by}"),
            [hold.since],
        ));
    }
    let words =
        |info: &LockInfo| format!("holders {:?}, waiting {:?}", holders(info), info.waiters);
    Some(Deviation::new(
        format!("{name} has {}", words(&right)),
        format!("had {}", words(info)),
        [],
    ))
}

/// What is more often in the one than in the other.
fn more_in(one: &[u64], other: &[u64]) -> Option<u64> {
    let mut counts: BTreeMap<u64, i64> = BTreeMap::new();
    other
        .iter()
        .for_each(|item| *counts.entry(*item).or_default() += 1);
    one.iter().copied().find(|item| {
        let count = counts.entry(*item).or_default();
        *count -= 1;
        *count < 0
    })
}

fn queues(model: &Model, entry: &AppliedEntry) -> Option<Deviation> {
    let queues = model.queues.as_ref()?;
    let mut held = entry.held.queues.iter();
    let (name, info) = held
        .find(|(name, info)| {
            let right = queues.get(name).map(|queue| queue.info());
            right.is_none_or(|right| right != *info)
        })
        .or_else(|| missing_target(model, entry))?;
    let Some(queue) = queues.get(name) else {
        return Some(Deviation::new(
            format!("there is no queue {name}"),
            "had one",
            [],
        ));
    };
    let right = queue.info();
    // A dead letter is in exactly one place, and changes it in one entry.
    if let Some((id, (by, target))) = queue.dead.last_key_value() {
        let there = entry.held.queues.iter().find(|(of, _)| of == target);
        let published = there.map_or(0, |(_, info)| info.published);
        let expected = queues.get(target).map_or(0, |queue| queue.info().published);
        if published < expected {
            return Some(Deviation::new(
                format!(
                    "message {id} of {name} is a dead letter since entry {by}, after delivery {} \
                     of {}, and in the same entry it moves to {target}, which has taken in \
                     {expected}",
                    queue.max_deliveries(),
                    queue.max_deliveries()
                ),
                format!(
                    "took it out of {name} and did not put it into {target}, which had taken in \
                     {published}"
                ),
                [*by],
            ));
        }
    }
    if info.in_flight > right.in_flight {
        let back = queue
            .messages
            .iter()
            .filter(|(_, message)| message.place == Place::Ready && message.deliveries > 0);
        if let Some((id, message)) = back.min_by_key(|(_, message)| message.placed_by) {
            let given = queue.receipts.values().filter(|given| given.message == *id);
            let by = given.map(|given| given.by).max().unwrap_or(0);
            let led = model.led_between(by, entry.index);
            let leaders = led.map_or_else(String::new, |by| {
                format!("; entry {by}, by which a leader took over, came in between")
            });
            return Some(Deviation::new(
                format!(
                    "message {id} of {name}, which entry {by} had handed out, is ready again since \
                     entry {}, when its time to be hidden was over{leaders}; {} are in flight",
                    message.placed_by, right.in_flight
                ),
                format!("had {} in flight", info.in_flight),
                [by, message.placed_by].into_iter().chain(led),
            ));
        }
    }
    let words = |info: &QueueInfo| {
        format!(
            "{} ready, {} in flight, {} delayed, {} acknowledged, {} dead letters of {}",
            info.ready,
            info.in_flight,
            info.delayed,
            info.acked,
            info.dead_lettered,
            info.published
        )
    };
    Some(Deviation::new(
        format!("{name} has {}", words(&right)),
        format!("had {}", words(info)),
        [],
    ))
}

/// A queue with a dead letter whose target the node does not have at all.
fn missing_target<'a>(model: &Model, entry: &'a AppliedEntry) -> Option<&'a (String, QueueInfo)> {
    let queues = model.queues.as_ref()?;
    entry.held.queues.iter().find(|(name, _)| {
        let dead = queues
            .get(name)
            .and_then(|queue| queue.dead.last_key_value());
        dead.is_some_and(|(_, (_, target))| {
            queues.get(target).is_some() && !entry.held.queues.iter().any(|(of, _)| of == target)
        })
    })
}

fn keys(model: &Model, entry: &AppliedEntry) -> Option<Deviation> {
    let keys = model.keys.as_ref()?;
    let (key, value, lifetime) = entry.held.keys.iter().find(|(key, value, lifetime)| {
        keys.read(model.served_ms(), key) != (value.clone(), *lifetime)
    })?;
    let (right, right_lifetime) = keys.read(model.served_ms(), key);
    let shown = String::from_utf8_lossy(key);
    let by = keys.get(key).map(|key| key.deadline_by);
    if right == *value {
        return Some(Deviation::new(
            format!(
                "from here on {shown} lives {}",
                lifetime_words(right_lifetime)
            ),
            format!("had it live {}", lifetime_words(*lifetime)),
            by,
        ));
    }
    let version = |value: &Option<squall_cluster::state::command::Versioned>| match value {
        Some(value) => format!(
            "“{}” at version {}",
            String::from_utf8_lossy(&value.value),
            value.version
        ),
        None => "nothing".into(),
    };
    Some(Deviation::new(
        format!("{shown} is {}", version(&right)),
        format!("had {}", version(value)),
        by,
    ))
}

fn lifetime_words(lifetime: squall_cluster::state::command::Lifetime) -> String {
    use squall_cluster::state::command::Lifetime::*;
    match lifetime {
        Absent => "no more".into(),
        Forever => "without an end".into(),
        Remaining { ms } => format!("for {ms} ms"),
    }
}
