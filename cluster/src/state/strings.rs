//! Redis's commands for strings that need more than [`CacheCommand`] says: the old value,
//! parts of a value, several keys at once, conditions on a lifetime or a value.
//!
//! Source: Redis 7, `t_string.c`, `expire.c`, `db.c`; the two comparing commands are what the
//! scripts do by which libraries release and extend a lock.
//!
//! [`CacheCommand`]: super::command::CacheCommand

use bytes::{Bytes, BytesMut};

use super::cache::Cache;
use super::command::{
    ExpireCondition, Expiry, Extension, Refusal, Reply, SetCondition, StringCommand,
};
use super::limits::Limits;
use super::{Effects, Moment};

/// An entry being applied, as commands for values need it.
pub(super) struct Entry<'a> {
    pub(super) now: Moment,
    pub(super) limits: &'a Limits,
    pub(super) effects: &'a mut Effects,
}

type Outcome = Result<Reply, Refusal>;

impl Cache {
    pub(super) fn apply_string(
        &mut self,
        now: Moment,
        limits: &Limits,
        command: &StringCommand,
        effects: &mut Effects,
    ) -> Reply {
        let mut entry = Entry {
            now,
            limits,
            effects,
        };
        self.execute_string(command, &mut entry)
            .unwrap_or_else(Reply::Refused)
    }

    fn execute_string(&mut self, command: &StringCommand, entry: &mut Entry<'_>) -> Outcome {
        match command {
            StringCommand::Set {
                key,
                value,
                expiry,
                condition,
                give_old,
            } => {
                let old = match give_old {
                    true => self.text(key)?,
                    false => None,
                };
                let set = self.set_if(key, value, *expiry, *condition, entry)?;
                Ok(if *give_old { Reply::Text(old) } else { set })
            }
            StringCommand::SetMany { pairs, if_absent } => self.set_many(pairs, *if_absent, entry),
            StringCommand::Append { key, value } => {
                let old = self.text(key)?.unwrap_or_default();
                self.overwrite(key, &old, old.len(), value, entry)
            }
            StringCommand::SetRange { key, offset, value } => {
                let old = self.text(key)?.unwrap_or_default();
                if value.is_empty() {
                    return Ok(Reply::Size(old.len() as u64));
                }
                let offset = usize::try_from(*offset).map_err(|_| Refusal::TooLarge)?;
                self.overwrite(key, &old, offset, value, entry)
            }
            StringCommand::AddFloat { key, by } => {
                let old = self.text(key)?.unwrap_or(Bytes::from_static(b"0"));
                let sum = add_decimals(&old, by)?;
                self.store(key, sum.clone(), Expiry::Keep, entry)?;
                Ok(Reply::Text(Some(sum)))
            }
            StringCommand::GetDelete { key } => {
                let old = self.text(key)?;
                self.remove(key, entry.effects);
                Ok(Reply::Text(old))
            }
            StringCommand::GetExpire { key, expiry } => {
                let old = self.text(key)?;
                self.expire(key, *expiry, entry);
                Ok(Reply::Text(old))
            }
            StringCommand::Expire {
                key,
                expiry,
                condition,
            } => Ok(Reply::Flag(self.expire_if(key, *expiry, *condition, entry))),
            StringCommand::Rename {
                from,
                to,
                if_absent,
            } => self.rename(from, to, *if_absent, entry),
            StringCommand::Copy { from, to, replace } => self.copy(from, to, *replace, entry),
            StringCommand::DeleteIf { key, value } => {
                let is_held = self.text(key)?.as_ref() == Some(value);
                Ok(Reply::Flag(is_held && self.remove(key, entry.effects)))
            }
            StringCommand::ExpireIf {
                key,
                value,
                ttl_ms,
                how,
            } => Ok(Reply::Flag(
                self.text(key)?.as_ref() == Some(value) && self.extend(key, *ttl_ms, *how, entry),
            )),
        }
    }

    fn set_if(
        &mut self,
        key: &Bytes,
        value: &Bytes,
        expiry: Expiry,
        condition: SetCondition,
        entry: &mut Entry<'_>,
    ) -> Outcome {
        if !self.holds(key, condition) {
            return Ok(Reply::Stored { version: None });
        }
        let version = self.store(key, value.clone(), expiry, entry)?;
        Ok(Reply::Stored {
            version: Some(version),
        })
    }

    fn set_many(
        &mut self,
        pairs: &[(Bytes, Bytes)],
        if_absent: bool,
        entry: &mut Entry<'_>,
    ) -> Outcome {
        let largest = entry.limits.cache_value_bytes;
        if pairs.iter().any(|(_, value)| value.len() as u64 > largest) {
            return Err(Refusal::TooLarge);
        }
        if if_absent && pairs.iter().any(|(key, _)| self.version(key) != 0) {
            return Ok(Reply::Flag(false));
        }
        for (key, value) in pairs {
            self.store(key, value.clone(), Expiry::Never, entry)?;
        }
        Ok(Reply::Flag(true))
    }

    /// The value with a part of it replaced; its new length.
    fn overwrite(
        &mut self,
        key: &Bytes,
        old: &[u8],
        offset: usize,
        part: &[u8],
        entry: &mut Entry<'_>,
    ) -> Outcome {
        let end = offset.checked_add(part.len()).ok_or(Refusal::TooLarge)?;
        let length = end.max(old.len());
        if length as u64 > entry.limits.cache_value_bytes {
            return Err(Refusal::TooLarge);
        }
        let mut value = BytesMut::zeroed(length);
        value[..old.len()].copy_from_slice(old);
        value[offset..end].copy_from_slice(part);
        self.store(key, value.freeze(), Expiry::Keep, entry)?;
        Ok(Reply::Size(length as u64))
    }

    fn rename(
        &mut self,
        from: &Bytes,
        to: &Bytes,
        if_absent: bool,
        entry: &mut Entry<'_>,
    ) -> Outcome {
        if self.version(from) == 0 {
            return Err(Refusal::NoSuchKey);
        }
        if if_absent && self.version(to) != 0 {
            return Ok(Reply::Flag(false));
        }
        if from != to
            && let Some((value, deadline_ms)) = self.take(from, entry.effects)
        {
            self.write(
                entry.now,
                entry.limits,
                to,
                value,
                deadline_ms,
                entry.effects,
            )?;
        }
        Ok(Reply::Flag(true))
    }

    fn copy(&mut self, from: &Bytes, to: &Bytes, replace: bool, entry: &mut Entry<'_>) -> Outcome {
        if self.version(to) != 0 && !replace {
            return Ok(Reply::Flag(false));
        }
        let Some((value, deadline_ms)) = self.value_and_deadline(from) else {
            return Ok(Reply::Flag(false));
        };
        self.write(
            entry.now,
            entry.limits,
            to,
            value,
            deadline_ms,
            entry.effects,
        )?;
        Ok(Reply::Flag(true))
    }

    fn store(
        &mut self,
        key: &Bytes,
        value: Bytes,
        expiry: Expiry,
        entry: &mut Entry<'_>,
    ) -> Result<u64, Refusal> {
        if value.len() as u64 > entry.limits.cache_value_bytes {
            return Err(Refusal::TooLarge);
        }
        let now = entry.now;
        let deadline_ms = match expiry {
            Expiry::Keep => self.deadline(key).flatten(),
            expiry => deadline_of(now, expiry),
        };
        let version = self.write(now, entry.limits, key, value, deadline_ms, entry.effects)?;
        if deadline_ms.is_some_and(|ends_ms| ends_ms <= now.served_ms) {
            self.remove(key, entry.effects);
        }
        Ok(version)
    }

    /// Changes the lifetime of a key; one that has ended already deletes it.
    fn expire(&mut self, key: &Bytes, expiry: Expiry, entry: &mut Entry<'_>) -> bool {
        if expiry == Expiry::Keep {
            return self.version(key) != 0;
        }
        let left_ms = deadline_of(entry.now, expiry)
            .map(|ends_ms| ends_ms.saturating_sub(entry.now.served_ms));
        self.set_lifetime(entry.now, key, left_ms, entry.effects)
    }

    fn expire_if(
        &mut self,
        key: &Bytes,
        expiry: Expiry,
        condition: ExpireCondition,
        entry: &mut Entry<'_>,
    ) -> bool {
        let Some(present) = self.deadline(key) else {
            return false;
        };
        let wanted = deadline_of(entry.now, expiry).unwrap_or(u64::MAX);
        let holds = match condition {
            ExpireCondition::Always => true,
            ExpireCondition::IfNone => present.is_none(),
            ExpireCondition::IfSome => present.is_some(),
            ExpireCondition::IfLater => present.is_some_and(|present| wanted > present),
            ExpireCondition::IfEarlier => present.is_none_or(|present| wanted < present),
            ExpireCondition::IfSomeEarlier => present.is_some_and(|present| wanted < present),
        };
        holds && self.expire(key, expiry, entry)
    }

    fn extend(&mut self, key: &Bytes, ttl_ms: u64, how: Extension, entry: &mut Entry<'_>) -> bool {
        let ends_ms = self.deadline(key).flatten();
        let before_ms = match (how, ends_ms) {
            (Extension::Set, _) | (Extension::Replace, Some(_)) => 0,
            (Extension::Add, Some(ends_ms)) => ends_ms.saturating_sub(entry.now.served_ms),
            (Extension::Replace | Extension::Add, None) => return false,
        };
        let ms = before_ms.saturating_add(ttl_ms);
        self.expire(key, Expiry::After { ms }, entry)
    }
}

/// Served time at which a lifetime that begins now ends.
fn deadline_of(now: Moment, expiry: Expiry) -> Option<u64> {
    match expiry {
        Expiry::Keep | Expiry::Never => None,
        Expiry::After { ms } => Some(now.served_after(ms)),
        Expiry::At { unix_ms } => Some(now.served_after(unix_ms.saturating_sub(now.clock_ms))),
    }
}

/// Digits after the point that a sum has at most, as in Redis.
const MOST_DECIMALS: usize = 17;

/// The sum of two decimal numbers: exactly, where both are short enough to be written out, in
/// binary floating point otherwise.
fn add_decimals(left: &[u8], right: &[u8]) -> Result<Bytes, Refusal> {
    let (left, right) = (float_text(left)?, float_text(right)?);
    if let (Some(a), Some(b)) = (exact(left), exact(right))
        && let Some(sum) = a.checked_add(b)
    {
        return Ok(written_out(sum));
    }
    let number = |text: &str| text.parse::<f64>().map_err(|_| Refusal::NotAFloat);
    let sum = number(left)? + number(right)?;
    if !sum.is_finite() {
        return Err(Refusal::NotFinite);
    }
    Ok(Bytes::from(format!("{sum}")))
}

/// A decimal number as text; the words for infinity and "not a number" are none.
pub(super) fn float_text(text: &[u8]) -> Result<&str, Refusal> {
    let text = std::str::from_utf8(text).map_err(|_| Refusal::NotAFloat)?;
    let is_number = text.parse::<f64>().is_ok_and(f64::is_finite);
    is_number.then_some(text).ok_or(Refusal::NotAFloat)
}

/// The number times 10^17; `None` if it has an exponent, or too many digits.
fn exact(text: &str) -> Option<i128> {
    let (sign, digits) = match text.as_bytes() {
        [b'-', ..] => (-1, &text[1..]),
        [b'+', ..] => (1, &text[1..]),
        _ => (1, text),
    };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let is_plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_plain(whole) || !is_plain(part) || part.len() > MOST_DECIMALS || whole.len() > 18 {
        return None;
    }
    let digits = format!("{whole}{part:0<MOST_DECIMALS$}");
    digits.parse::<i128>().ok().map(|number| sign * number)
}

fn written_out(number: i128) -> Bytes {
    let digits = number.unsigned_abs().to_string();
    let digits = format!("{digits:0>width$}", width = MOST_DECIMALS + 1);
    let (whole, part) = digits.split_at(digits.len() - MOST_DECIMALS);
    let part = part.trim_end_matches('0');
    let sign = if number < 0 { "-" } else { "" };
    let point = if part.is_empty() { "" } else { "." };
    Bytes::from(format!("{sign}{whole}{point}{part}"))
}
