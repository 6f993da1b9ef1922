//! Applies Redis's commands for lists, on keys that hold lists.
//!
//! Waiting for a list is done by the node: it proposes a pop when there is something to pop.
//!
//! Source: Redis 7, `t_list.c`.

use bytes::Bytes;

use super::cache::{Cache, List, Value};
use super::command::{End, ListCommand, Popped, Query, Refusal, Reply, bytes_of};
use super::limits::{LARGEST_LIST_BYTES, LONGEST_LIST, Limits};
use super::strings::Entry;
use super::transaction::LARGEST_REPLY;
use super::{Effects, Moment};

type Outcome = Result<Reply, Refusal>;

impl Cache {
    pub(super) fn apply_list(
        &mut self,
        now: Moment,
        limits: &Limits,
        command: &ListCommand,
        effects: &mut Effects,
    ) -> Reply {
        let mut entry = Entry {
            now,
            limits,
            effects,
        };
        self.execute_list(command, &mut entry)
            .unwrap_or_else(Reply::Refused)
    }

    fn execute_list(&mut self, command: &ListCommand, entry: &mut Entry<'_>) -> Outcome {
        match command {
            ListCommand::Push {
                key,
                values,
                end,
                if_present,
            } => self.push(key, values, *end, *if_present, entry),
            ListCommand::Pop { keys, end, count } => self.pop(keys, *end, *count, entry),
            ListCommand::Move {
                from,
                to,
                take,
                put,
            } => self.move_value(from, to, *take, *put, entry),
            ListCommand::Insert {
                key,
                before,
                pivot,
                value,
            } => self.insert(key, *before, pivot, value, entry),
            ListCommand::Set { key, index, value } => self.set_at(key, *index, value, entry),
            ListCommand::Remove { key, count, value } => {
                let Some(list) = self.list(key)? else {
                    return Ok(Reply::Size(0));
                };
                let from = if *count < 0 { End::Right } else { End::Left };
                let most = count.unsigned_abs();
                if list.find(from, 0, 1, 0, value).is_empty() {
                    return Ok(Reply::Size(0));
                }
                let removed = self.change_list(entry.now, key, entry.effects, |list| {
                    list.remove(from, most, value)
                });
                Ok(Reply::Size(removed.unwrap_or_default()))
            }
            ListCommand::Trim { key, first, last } => {
                let Some(list) = self.list(key)? else {
                    return Ok(Reply::Done);
                };
                let kept = list.range(*first, *last);
                if kept.len() < list.len() {
                    self.change_list(entry.now, key, entry.effects, |list| list.trim(kept));
                }
                Ok(Reply::Done)
            }
        }
    }

    /// What a pop would take in its reply.
    pub(super) fn bytes_popped<'a>(
        &self,
        keys: impl IntoIterator<Item = &'a Bytes>,
        end: End,
        count: u64,
    ) -> usize {
        let found = self.first_list(keys);
        found.map_or(0, |(key, list)| {
            Popped::bytes_of(key, list.first(end, count))
        })
    }

    /// The first of the keys that there is, if it is a list.
    fn first_list<'a>(
        &self,
        keys: impl IntoIterator<Item = &'a Bytes>,
    ) -> Option<(&'a Bytes, &List)> {
        let found = keys
            .into_iter()
            .map(|key| Some((key, self.list(key).transpose()?)));
        let (key, list) = found.flatten().next()?;
        Some((key, list.ok()?))
    }

    /// How many values of lists a command may have to look at.
    pub(super) fn looked_at(&self, command: &ListCommand) -> usize {
        let list = |key| self.list(key).ok().flatten();
        match command {
            ListCommand::Insert { key, .. } | ListCommand::Remove { key, .. } => {
                list(key).map_or(0, List::len)
            }
            ListCommand::Trim { key, first, last } => {
                list(key).map_or(0, |list| list.len() - list.range(*first, *last).len())
            }
            ListCommand::Pop { keys, end, count } => self
                .first_list(keys)
                .map_or(0, |(_, list)| list.first(*end, *count).len()),
            ListCommand::Push { .. } | ListCommand::Move { .. } | ListCommand::Set { .. } => 0,
        }
    }

    /// How many values of lists a query may have to look at.
    pub(super) fn looked_at_to_read(&self, query: &Query) -> usize {
        let list = |key| self.list(key).ok().flatten();
        match query {
            Query::ListRange { key, first, last } => {
                list(key).map_or(0, |list| list.range(*first, *last).len())
            }
            Query::ListFind { key, most, .. } => list(key).map_or(0, |list| match *most {
                0 => list.len(),
                most => usize::try_from(most).map_or(list.len(), |most| most.min(list.len())),
            }),
            _ => 0,
        }
    }

    /// What a copy of a list takes.
    pub(super) fn bytes_copied(&self, from: &Bytes) -> usize {
        let list = self.list(from).ok().flatten();
        list.map_or(0, |list| bytes_of(list.values()))
    }

    pub(super) fn read_list(&self, served_ms: u64, query: &Query) -> Reply {
        let (Query::ListLength { key }
        | Query::ListRange { key, .. }
        | Query::ListIndex { key, .. }
        | Query::ListFind { key, .. }) = query
        else {
            unreachable!("{query:?} is not about a list");
        };
        let list = match self.visible_list(served_ms, key) {
            Err(refusal) => return Reply::Refused(refusal),
            Ok(list) => list,
        };
        match query {
            Query::ListRange { first, last, .. } => {
                let values = list.map(|list| {
                    let range = list.range(*first, *last);
                    list.values().range(range).cloned().collect()
                });
                Reply::Elements(values.unwrap_or_default())
            }
            Query::ListIndex { index, .. } => Reply::Text(list.and_then(|list| {
                let at = list.position(*index)?;
                list.values().get(at).cloned()
            })),
            Query::ListFind {
                value,
                rank,
                count,
                most,
                ..
            } => {
                let from = if *rank < 0 { End::Right } else { End::Left };
                let skipped = rank.unsigned_abs().saturating_sub(1);
                let found = list.map(|list| list.find(from, skipped, *count, *most, value));
                Reply::Positions(found.unwrap_or_default())
            }
            _ => Reply::Size(list.map_or(0, |list| list.len() as u64)),
        }
    }

    fn push(
        &mut self,
        key: &Bytes,
        values: &[Bytes],
        end: End,
        if_present: bool,
        entry: &mut Entry<'_>,
    ) -> Outcome {
        let list = self.list(key)?;
        let is_new = list.is_none();
        if is_new && if_present || values.is_empty() {
            return Ok(Reply::Size(list.map_or(0, |list| list.len() as u64)));
        }
        must_fit(list, values, entry.limits)?;
        if is_new {
            let values = match end {
                End::Left => values.iter().rev().cloned().collect(),
                End::Right => values.to_vec(),
            };
            let length = values.len() as u64;
            self.begin(key, values, entry)?;
            return Ok(Reply::Size(length));
        }
        let length = self.change_list(entry.now, key, entry.effects, |list| {
            for value in values {
                list.push(end, value.clone());
            }
            list.len() as u64
        });
        Ok(Reply::Size(length.unwrap_or_default()))
    }

    /// A list of a key that is not there.
    fn begin(
        &mut self,
        key: &Bytes,
        values: Vec<Bytes>,
        entry: &mut Entry<'_>,
    ) -> Result<u64, Refusal> {
        let list = Value::from(List::of(values));
        self.write(entry.now, entry.limits, key, list, None, entry.effects)
    }

    fn pop(&mut self, keys: &[Bytes], end: End, count: u64, entry: &mut Entry<'_>) -> Outcome {
        for key in keys {
            if self.list(key)?.is_none() {
                continue;
            }
            if self.bytes_popped([key], end, count) > LARGEST_REPLY {
                return Err(Refusal::ReplyTooLarge);
            }
            if count == 0 {
                let (key, values) = (key.clone(), Vec::new());
                return Ok(Reply::Popped(Some(Popped { key, values })));
            }
            let values = self.change_list(entry.now, key, entry.effects, |list| {
                let most = usize::try_from(count).unwrap_or(usize::MAX);
                std::iter::from_fn(|| list.pop(end)).take(most).collect()
            });
            let key = key.clone();
            return Ok(Reply::Popped(values.map(|values| Popped { key, values })));
        }
        Ok(Reply::Popped(None))
    }

    fn move_value(
        &mut self,
        from: &Bytes,
        to: &Bytes,
        take: End,
        put: End,
        entry: &mut Entry<'_>,
    ) -> Outcome {
        let Some(source) = self.list(from)? else {
            return Ok(Reply::Popped(None));
        };
        let target = self.list(to)?;
        let is_new = target.is_none();
        if from != to {
            let value: Vec<Bytes> = source.first(take, 1).cloned().collect();
            must_fit(target, &value, entry.limits)?;
        }
        if is_new && entry.limits.cache_entries == 0 {
            return Err(Refusal::TooLarge);
        }
        let taken = self.change_list(entry.now, from, entry.effects, |list| {
            let taken = list.pop(take);
            if let Some(value) = taken.as_ref().filter(|_| from == to) {
                list.push(put, value.clone());
            }
            taken
        });
        let Some(value) = taken.flatten() else {
            return Ok(Reply::Popped(None));
        };
        if is_new {
            self.begin(to, vec![value.clone()], entry)?;
        } else if from != to {
            self.change_list(entry.now, to, entry.effects, |list| {
                list.push(put, value.clone());
            });
        }
        let (key, values) = (from.clone(), vec![value]);
        Ok(Reply::Popped(Some(Popped { key, values })))
    }

    fn insert(
        &mut self,
        key: &Bytes,
        before: bool,
        pivot: &Bytes,
        value: &Bytes,
        entry: &mut Entry<'_>,
    ) -> Outcome {
        let version = entry.now.index;
        let answer = |value: i64| Ok(Reply::Integer { value, version });
        let Some(list) = self.list(key)? else {
            return answer(0);
        };
        let found = list.find(End::Left, 0, 1, 0, pivot);
        let Some(&at) = found.first() else {
            return answer(-1);
        };
        must_fit(Some(list), std::slice::from_ref(value), entry.limits)?;
        let length = self.change_list(entry.now, key, entry.effects, |list| {
            list.insert(at as usize + usize::from(!before), value.clone());
            list.len() as i64
        });
        answer(length.unwrap_or_default())
    }

    fn set_at(&mut self, key: &Bytes, index: i64, value: &Bytes, entry: &mut Entry<'_>) -> Outcome {
        let list = self.list(key)?.ok_or(Refusal::NoSuchKey)?;
        let at = list.position(index).ok_or(Refusal::NoSuchIndex)?;
        let before = list.values()[at].len() as u64;
        let bytes = list.value_bytes() - before + value.len() as u64;
        if value.len() as u64 > entry.limits.cache_value_bytes || bytes > LARGEST_LIST_BYTES {
            return Err(Refusal::TooLarge);
        }
        self.change_list(entry.now, key, entry.effects, |list| {
            list.set(at, value.clone());
        });
        Ok(Reply::Done)
    }
}

/// Refuses what is larger than a value, or would make the list longer, than may be.
fn must_fit(list: Option<&List>, values: &[Bytes], limits: &Limits) -> Result<(), Refusal> {
    let length = list.map_or(0, List::len) + values.len();
    let added = values.iter().map(|value| value.len() as u64);
    let bytes = list.map_or(0, List::value_bytes) + added.clone().sum::<u64>();
    let is_large = added.max().unwrap_or(0) > limits.cache_value_bytes;
    if is_large || length > LONGEST_LIST || bytes > LARGEST_LIST_BYTES {
        return Err(Refusal::TooLarge);
    }
    Ok(())
}
