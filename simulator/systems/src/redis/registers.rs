//! Registers: `GET`, `SET`, `DEL`, `INCRBY`, and a script that compares and sets.

use squall_history::unordered::name_of;
use squall_history::{Action, Outcome};
use squall_workload::{payload, value_of};
use squall_world::Instant;

use super::commander::Commander;
use super::connection::Frame;
use crate::outcome::Trouble;

/// Sets the key if it holds the value; 1 if it did.
const COMPARE_AND_SET: &[u8] = b"if redis.call('get', KEYS[1]) == ARGV[1] then \
    redis.call('set', KEYS[1], ARGV[2]) return 1 else return 0 end";

/// What one client remembers of what it read.
#[derive(Default)]
pub(super) struct Registers {
    /// The version and the bytes of the value that it read last: Redis compares bytes.
    seen: Option<(u64, Vec<u8>)>,
}

impl Registers {
    pub(super) async fn ask(
        &mut self,
        commander: &mut Commander,
        action: &Action,
        deadline: Instant,
    ) -> Result<Outcome, Trouble> {
        match action {
            Action::Get { key, .. } => {
                let get: [&[u8]; 2] = [b"GET", key.as_bytes()];
                let frame = commander.read(key, &get, deadline).await?;
                self.value(frame)
            }
            Action::Set { key, value, bytes } => {
                let stored = payload(value, *bytes);
                let set: [&[u8]; 3] = [b"SET", key.as_bytes(), &stored];
                commander.command(key, &set, deadline).await?;
                Ok(stored_as(value))
            }
            Action::CompareAndSet {
                key,
                version,
                value,
            } => {
                let done = self.compare_and_set(commander, key, *version, value, deadline);
                match done.await? {
                    true => Ok(stored_as(value)),
                    false => Ok(Outcome::Mismatch),
                }
            }
            Action::Delete { key } => {
                commander
                    .command(key, &[b"DEL", key.as_bytes()], deadline)
                    .await?;
                Ok(Outcome::Stored { version: 0 })
            }
            Action::Increment { key, by } => {
                let by = by.to_string();
                let add: [&[u8]; 3] = [b"INCRBY", key.as_bytes(), by.as_bytes()];
                match commander.command(key, &add, deadline).await? {
                    Frame::Integer(value) => Ok(Outcome::Counted {
                        value,
                        version: name_of(value.to_string().as_bytes()),
                    }),
                    other => Err(unexpected(&other)),
                }
            }
            other => Err(Trouble::Failed(format!("no register is asked {other:?}"))),
        }
    }

    fn value(&mut self, frame: Frame) -> Result<Outcome, Trouble> {
        match frame {
            Frame::Null => Ok(Outcome::Value {
                value: None,
                version: 0,
            }),
            Frame::BulkString(bytes) => {
                let value = value_of(&bytes);
                let version = name_of(value.as_bytes());
                self.seen = Some((version, bytes));
                Ok(Outcome::Value {
                    value: Some(value),
                    version,
                })
            }
            other => Err(unexpected(&other)),
        }
    }

    async fn compare_and_set(
        &mut self,
        commander: &mut Commander,
        key: &str,
        version: u64,
        value: &str,
        deadline: Instant,
    ) -> Result<bool, Trouble> {
        let stored = payload(value, 0);
        if version == 0 {
            let set: [&[u8]; 4] = [b"SET", key.as_bytes(), &stored, b"NX"];
            return match commander.command(key, &set, deadline).await? {
                Frame::Null => Ok(false),
                Frame::SimpleString(_) => Ok(true),
                other => Err(unexpected(&other)),
            };
        }
        let Some((_, expected)) = self.seen.as_ref().filter(|(seen, _)| *seen == version) else {
            let why = "this client has not read the value that it compares with";
            return Err(Trouble::Failed(why.into()));
        };
        let script: [&[u8]; 6] = [
            b"EVAL",
            COMPARE_AND_SET,
            b"1",
            key.as_bytes(),
            expected,
            &stored,
        ];
        match commander.command(key, &script, deadline).await? {
            Frame::Integer(done) => Ok(done == 1),
            other => Err(unexpected(&other)),
        }
    }
}

fn stored_as(value: &str) -> Outcome {
    Outcome::Stored {
        version: name_of(value.as_bytes()),
    }
}

/// Redis does not answer so; it may have done anything.
pub(super) fn unexpected(frame: &Frame) -> Trouble {
    let mut shown = format!("{frame:?}");
    shown.truncate(100);
    Trouble::Unknown(format!("unexpected answer {shown}"))
}
