//! Compares what a node did with an entry with what the log implies, and reports the first
//! difference: its answer, its answers to waiters, the keys it changed, or what it then held.

use squall_cluster::state::command::{Changed, Request};

use super::held;
use super::model::{Implied, Model};
use super::otherwise::Deviation;
use super::replies;
use crate::backends::trace::AppliedEntry;

/// What the node did otherwise with an entry that the model has just applied.
pub(super) fn of(
    model: &Model,
    implied: &Implied,
    entry: &AppliedEntry,
    request: &Request,
) -> Option<Deviation> {
    if let Some(reply) = &implied.reply
        && *reply != entry.reply
    {
        return Some(replies::deviation(model, reply, entry, request));
    }
    if implied.wakes != entry.wakes {
        return Some(replies::wake_deviation(model, &implied.wakes, entry));
    }
    if let Some(changed) = &implied.changed
        && *changed != entry.changed
    {
        return Some(changed_deviation(model, changed, entry));
    }
    held::deviation(model, entry, &request.command)
}

/// Keys that were changed, and others that were not.
fn changed_deviation(model: &Model, changed: &Changed, entry: &AppliedEntry) -> Deviation {
    let only_in = |one: &Changed, other: &Changed| {
        let mut rest = other.keys.clone();
        one.keys
            .iter()
            .find_map(|key| match rest.iter().position(|of_rest| of_rest == key) {
                Some(at) => {
                    rest.remove(at);
                    None
                }
                None => Some(key.clone()),
            })
    };
    let missing = only_in(changed, &entry.changed);
    let extra = only_in(&entry.changed, changed);
    let keys = model.keys.as_ref();
    let shown = |key: &[u8]| String::from_utf8_lossy(key).into_owned();
    let is_evicted = |key: &&bytes::Bytes| {
        let by = keys.and_then(|keys| keys.evicted.get(*key));
        by == Some(&entry.index)
    };
    if let Some(key) = &extra
        && let Some(known) = keys.and_then(|keys| keys.get(key))
        && missing.is_none()
    {
        let former = keys.and_then(|keys| keys.former.get(key));
        if let Some(former) = former.filter(|former| former.at_ms <= model.served_ms()) {
            return Deviation::new(
                format!(
                    "{} lives on: entry {} set it anew, and with that the end that entry {} had \
                     given its lifetime was no longer good",
                    shown(key),
                    former.replaced_by,
                    former.by
                ),
                "dropped it when that old lifetime was over",
                [former.by, former.replaced_by, known.version],
            );
        }
    }
    if let Some(victim) = missing.as_ref().filter(|key| is_evicted(key)) {
        let did = match &extra {
            Some(key) => format!("evicted {}", shown(key)),
            None => "evicted nothing".into(),
        };
        return Deviation::new(
            format!(
                "the cache is full, and of its keys {} is the one to be evicted, by the order in \
                 which keys came and were used",
                shown(victim)
            ),
            did,
            [],
        );
    }
    if let Some(key) = &missing {
        return Deviation::new(
            format!("with it {} has lived its time, or is set", shown(key)),
            "left it as it was",
            [],
        );
    }
    match &extra {
        Some(key) => Deviation::new(
            format!("it does not change {}", shown(key)),
            "changed it",
            [],
        ),
        None => Deviation::new(
            format!("it changes {} keys, in this order", changed.keys.len()),
            "changed them in another one",
            [],
        ),
    }
}
