//! The scripts by which libraries release and extend a lock of one key.
//!
//! Scripts are not run. Those that are known are recognised by their words, however they are
//! laid out, and become one command each; all others are refused, without effect.
//!
//! Sources: the Redis documentation of `SET` and "Distributed locks with Redis" (Redlock), and
//! `redis/lock.py` of redis-py.

use bytes::Bytes;

use super::arguments::{Keyword, at_least, integer, key, number};
use super::strings::write;
use crate::protocol::call::{Call, ConnectionCall, ReplyStyle, ScriptCall};
use crate::protocol::command_error::CommandError;
use crate::state::command::{Extension, StringCommand};

/// What a known script does with a key whose value is its first argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Script {
    /// Deletes the key: gives a lock back.
    Delete,
    /// Sets the lifetime to its second argument, of a unit of so many milliseconds.
    Expire {
        /// Milliseconds that one of the argument's units has.
        unit_ms: i64,
    },
    /// The same for a key that has a lifetime; adds to it if its third argument is `0`.
    Extend,
}

/// Texts of known scripts, and what they do.
const KNOWN: &[(&str, Script)] = &[
    (
        r#"if redis.call("get", KEYS[1]) == ARGV[1] then
             return redis.call("del", KEYS[1])
           else
             return 0
           end"#,
        Script::Delete,
    ),
    (
        r#"if redis.call("get", KEYS[1]) == ARGV[1] then
             return redis.call("pexpire", KEYS[1], ARGV[2])
           else
             return 0
           end"#,
        Script::Expire { unit_ms: 1 },
    ),
    (
        r#"if redis.call("get", KEYS[1]) == ARGV[1] then
             return redis.call("expire", KEYS[1], ARGV[2])
           else
             return 0
           end"#,
        Script::Expire { unit_ms: 1000 },
    ),
    (
        r#"local token = redis.call('get', KEYS[1])
           if not token or token ~= ARGV[1] then
             return 0
           end
           redis.call('del', KEYS[1])
           return 1"#,
        Script::Delete,
    ),
    (
        r#"local token = redis.call('get', KEYS[1])
           if not token or token ~= ARGV[1] then
             return 0
           end
           redis.call('pexpire', KEYS[1], ARGV[2])
           return 1"#,
        Script::Expire { unit_ms: 1 },
    ),
    (
        r#"local token = redis.call('get', KEYS[1])
           if not token or token ~= ARGV[1] then
             return 0
           end
           local expiration = redis.call('pttl', KEYS[1])
           if not expiration then
             expiration = 0
           end
           if expiration < 0 then
             return 0
           end
           local newttl = ARGV[2]
           if ARGV[3] == "0" then
             newttl = ARGV[2] + expiration
           end
           redis.call('pexpire', KEYS[1], newttl)
           return 1"#,
        Script::Extend,
    ),
];

impl Script {
    /// What the text does, if it is known.
    pub fn recognise(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        let words = words(text);
        let known = KNOWN.iter().find(|(known, _)| self::words(known) == words);
        known.map(|(_, script)| *script)
    }

    /// The command for `numkeys key value [more…]`.
    pub fn call(self, args: &[Bytes]) -> Result<Call, CommandError> {
        let ([count], rest) = at_least("eval", args)?;
        let count: usize = number(count)?.try_into().unwrap_or(usize::MAX);
        if count > rest.len() {
            return Err(CommandError::TooManyKeys);
        }
        let (1, [one, value, more @ ..]) = (count, rest) else {
            return Err(CommandError::Script);
        };
        let (key, value) = (key(one)?, super::arguments::value(value)?);
        let time = |unit_ms: i64| {
            let time = more.first().ok_or(CommandError::Script)?;
            let ms = integer(time)?.checked_mul(unit_ms);
            let ms = ms.ok_or(CommandError::ExpireTime("eval"))?;
            // One in the past ends the key, as in Redis.
            Ok::<u64, CommandError>(u64::try_from(ms).unwrap_or(0))
        };
        let command = match self {
            Self::Delete => StringCommand::DeleteIf { key, value },
            Self::Expire { unit_ms } => StringCommand::ExpireIf {
                key,
                value,
                ttl_ms: time(unit_ms)?,
                how: Extension::Set,
            },
            Self::Extend => StringCommand::ExpireIf {
                key,
                value,
                ttl_ms: time(1)?,
                how: match more.get(1).map(|word| &word[..]) {
                    Some(b"0") => Extension::Add,
                    _ => Extension::Replace,
                },
            },
        };
        Ok(write(command, ReplyStyle::Full))
    }
}

/// The words of a script, which its layout, its comments, its choice of quotes and the case of
/// its letters do not change.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    for line in text.lines() {
        let line = line.split("--").next().unwrap_or_default();
        let mut word = String::new();
        for letter in line.chars() {
            if letter.is_alphanumeric() || letter == '_' {
                word.extend(letter.to_lowercase());
                continue;
            }
            if !word.is_empty() {
                words.push(std::mem::take(&mut word));
            }
            match letter {
                '\'' | '"' => words.push("\"".into()),
                ';' => {}
                letter if letter.is_whitespace() => {}
                letter => words.push(letter.into()),
            }
        }
        if !word.is_empty() {
            words.push(word);
        }
    }
    words
}

/// `EVAL script numkeys key… arg…`
pub(super) fn eval(args: &[Bytes]) -> Result<Call, CommandError> {
    let ([text], rest) = at_least("eval", args)?;
    Script::recognise(text)
        .ok_or(CommandError::Script)?
        .call(rest)
}

/// `EVALSHA digest numkeys key… arg…`
pub(super) fn eval_sha(args: &[Bytes]) -> Result<Call, CommandError> {
    let ([digest], rest) = at_least("evalsha", args)?;
    Ok(call(ScriptCall::Evaluate {
        digest: digest.clone(),
        args: rest.to_vec(),
    }))
}

/// `SCRIPT LOAD|EXISTS|FLUSH`
pub(super) fn script(args: &[Bytes]) -> Result<Call, CommandError> {
    let ([verb], rest) = at_least("script", args)?;
    match (&*Keyword::new(verb), rest) {
        (b"LOAD", [text]) => Ok(call(ScriptCall::Load(text.clone()))),
        (b"LOAD", _) => Err(CommandError::Arity("script|load")),
        (b"EXISTS", []) => Err(CommandError::Arity("script|exists")),
        (b"EXISTS", digests) => Ok(call(ScriptCall::Exists(digests.to_vec()))),
        (b"FLUSH", _) => Ok(call(ScriptCall::Flush)),
        _ => Err(CommandError::unknown_subcommand("SCRIPT", verb)),
    }
}

fn call(call: ScriptCall) -> Call {
    Call::Connection(ConnectionCall::Script(call))
}
