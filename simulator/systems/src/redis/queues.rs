//! Queues: a stream with a group, where a message is there until it is acknowledged; or a list,
//! where it is gone when it is handed out.
//!
//! Of a stream, what nobody has acknowledged for the visibility timeout is claimed by the next
//! who asks (`XAUTOCLAIM`); and what is acknowledged is deleted, so that a stream is as long as
//! the queue. Redis knows messages by ids that are no numbers, so ids and receipts are names
//! here, and the clients of a run share who is who: any of them may acknowledge.

use std::collections::BTreeMap;

use squall_history::unordered::name_of;
use squall_history::{Action, Delivered, Outcome};
use squall_workload::{payload, value_of};
use squall_world::{Instant, RealWorld, World};

use super::Setup;
use super::commander::Commander;
use super::connection::{Frame, list, number, text};
use super::registers::unexpected;
use crate::offer::QueueKind;
use crate::outcome::Trouble;

const GROUP: &[u8] = b"squall";
/// Acknowledges and deletes; how many were acknowledged.
const ACK: &[u8] = b"local n = redis.call('xack', KEYS[1], ARGV[1], ARGV[2]) \
    redis.call('xdel', KEYS[1], ARGV[2]) return n";
/// Length, and how many are in the hands of consumers.
const DEPTH: &[u8] = b"return {redis.call('xlen', KEYS[1]), \
    redis.call('xpending', KEYS[1], ARGV[1])[1]}";
/// Of a client's deadline, what an answer to a wait may take.
const MARGIN_MS: u64 = 50;

/// What the clients of a run know of messages.
#[derive(Default)]
pub(super) struct Deliveries {
    /// Queue and id by receipt, until acknowledged.
    receipts: BTreeMap<u64, (String, String)>,
    /// The visibility timeout of a queue is that of the first who received from it, whose
    /// workload it is: an audit asks for a longer one.
    visibility_ms: BTreeMap<String, u64>,
}

/// Asks about queues.
pub(super) struct Queues<'a> {
    pub(super) commander: &'a mut Commander,
    pub(super) setup: &'a Setup,
    /// Its name in the group.
    pub(super) consumer: String,
}

impl Queues<'_> {
    pub(super) async fn ask(
        mut self,
        action: &Action,
        deadline: Instant,
    ) -> Result<Outcome, Trouble> {
        let is_stream = self.setup.queues == QueueKind::Stream;
        match action {
            Action::Publish {
                queue,
                value,
                bytes,
            } => {
                let message = payload(value, *bytes);
                let key = queue.as_bytes();
                if !is_stream {
                    let push: [&[u8]; 3] = [b"RPUSH", key, &message];
                    self.commander.command(queue, &push, deadline).await?;
                    return Ok(Outcome::Published {
                        id: name_of(value.as_bytes()),
                    });
                }
                let add: [&[u8]; 5] = [b"XADD", key, b"*", b"m", &message];
                let answer = self.commander.command(queue, &add, deadline).await?;
                let id = text(&answer).ok_or_else(|| unexpected(&answer))?;
                Ok(Outcome::Published {
                    id: name_of(id.as_bytes()),
                })
            }
            Action::Receive {
                queue,
                max,
                visibility_ms,
                wait_ms,
            } => {
                let messages = if is_stream {
                    let mut deliveries = self.setup.deliveries.borrow_mut();
                    let usual = deliveries.visibility_ms.entry(queue.clone());
                    let idle_ms = *usual.or_insert(*visibility_ms);
                    drop(deliveries);
                    self.receive(queue, *max, idle_ms, *wait_ms, deadline)
                        .await?
                } else {
                    self.pop(queue, *max, *wait_ms, deadline).await?
                };
                Ok(Outcome::Received { messages })
            }
            // It was when it was handed out.
            Action::Ack { .. } if !is_stream => Ok(Outcome::Settled { valid: true }),
            Action::Ack { queue, receipt, .. } => self.ack(queue, *receipt, deadline).await,
            Action::Depth { queue } => self.depth(queue, is_stream, deadline).await,
            other => Err(Trouble::Failed(format!(
                "Redis has no {}",
                other.operation()
            ))),
        }
    }

    /// A command about a stream, whose group is made if it is not there.
    async fn in_group(
        &mut self,
        queue: &str,
        arguments: &[&[u8]],
        deadline: Instant,
    ) -> Result<Frame, Trouble> {
        match self.commander.command(queue, arguments, deadline).await {
            Err(Trouble::Failed(why)) if why.contains("NOGROUP") => {}
            other => return other,
        }
        let make: [&[u8]; 6] = [
            b"XGROUP",
            b"CREATE",
            queue.as_bytes(),
            GROUP,
            b"0",
            b"MKSTREAM",
        ];
        match self.commander.command(queue, &make, deadline).await {
            Ok(_) => {}
            Err(Trouble::Failed(why)) if why.starts_with("BUSYGROUP") => {}
            Err(trouble) => return Err(trouble),
        }
        self.commander.command(queue, arguments, deadline).await
    }

    async fn receive(
        &mut self,
        queue: &str,
        max: u32,
        idle_ms: u64,
        wait_ms: u64,
        deadline: Instant,
    ) -> Result<Vec<Delivered>, Trouble> {
        let entries = self.read(queue, max, None, deadline).await?;
        if !entries.is_empty() {
            return Ok(self.deliver(queue, entries));
        }
        let entries = self.claim(queue, max, idle_ms, deadline).await?;
        let left_ms = (deadline - RealWorld::now()).as_millis() as u64;
        let wait_ms = wait_ms.min(left_ms.saturating_sub(MARGIN_MS));
        if !entries.is_empty() || wait_ms == 0 {
            return Ok(self.deliver(queue, entries));
        }
        let entries = self.read(queue, max, Some(wait_ms), deadline).await?;
        Ok(self.deliver(queue, entries))
    }

    /// Messages that nobody has had.
    async fn read(
        &mut self,
        queue: &str,
        max: u32,
        wait_ms: Option<u64>,
        deadline: Instant,
    ) -> Result<Vec<Entry>, Trouble> {
        let (count, wait) = (max.to_string(), wait_ms.unwrap_or(0).to_string());
        let mut arguments: Vec<&[u8]> = vec![b"XREADGROUP", b"GROUP", GROUP];
        arguments.extend([self.consumer.as_bytes(), b"COUNT", count.as_bytes()]);
        if wait_ms.is_some() {
            arguments.extend([b"BLOCK".as_slice(), wait.as_bytes()]);
        }
        arguments.extend([b"STREAMS".as_slice(), queue.as_bytes(), b">"]);
        let arguments: Vec<Vec<u8>> = arguments.iter().map(|part| part.to_vec()).collect();
        let arguments: Vec<&[u8]> = arguments.iter().map(Vec::as_slice).collect();
        let answer = self.in_group(queue, &arguments, deadline).await?;
        // A list of streams, each a name and its entries.
        let stream = list(answer).into_iter().next();
        let entries = stream.and_then(|stream| list(stream).into_iter().nth(1));
        Ok(entries
            .map(|entries| read_entries(entries, 1))
            .unwrap_or_default())
    }

    /// Messages that somebody has had for too long.
    async fn claim(
        &mut self,
        queue: &str,
        max: u32,
        idle_ms: u64,
        deadline: Instant,
    ) -> Result<Vec<Entry>, Trouble> {
        let (count, idle) = (max.to_string(), idle_ms.to_string());
        let consumer = self.consumer.clone();
        let arguments: [&[u8]; 8] = [
            b"XAUTOCLAIM",
            queue.as_bytes(),
            GROUP,
            consumer.as_bytes(),
            idle.as_bytes(),
            b"0-0",
            b"COUNT",
            count.as_bytes(),
        ];
        let answer = self.in_group(queue, &arguments, deadline).await?;
        let claimed = list(answer).into_iter().nth(1);
        let mut entries = claimed
            .map(|claimed| read_entries(claimed, 0))
            .unwrap_or_default();
        for entry in &mut entries {
            entry.deliveries = self.deliveries(queue, &entry.id, deadline).await?;
        }
        Ok(entries)
    }

    /// How often a message was delivered.
    async fn deliveries(
        &mut self,
        queue: &str,
        id: &str,
        deadline: Instant,
    ) -> Result<u32, Trouble> {
        let id = id.as_bytes();
        let arguments: [&[u8]; 6] = [b"XPENDING", queue.as_bytes(), GROUP, id, id, b"1"];
        let answer = self
            .in_group(queue, &arguments, deadline)
            .await
            .map_err(|trouble| {
                // It is in this client's hands already.
                let (Trouble::Failed(why) | Trouble::Unknown(why)) = trouble;
                Trouble::Unknown(why)
            })?;
        let of_message = list(answer).into_iter().next().map(list);
        let count = of_message.and_then(|parts| number(parts.get(3)?));
        Ok(count
            .and_then(|count| u32::try_from(count).ok())
            .unwrap_or(1))
    }

    fn deliver(&self, queue: &str, entries: Vec<Entry>) -> Vec<Delivered> {
        let mut deliveries = self.setup.deliveries.borrow_mut();
        let delivered = entries.into_iter().map(|entry| {
            let receipt = name_of(format!("{} {}", entry.id, entry.deliveries).as_bytes());
            let of = (queue.to_owned(), entry.id.clone());
            deliveries.receipts.insert(receipt, of);
            Delivered {
                id: name_of(entry.id.as_bytes()),
                receipt,
                deliveries: entry.deliveries,
                value: value_of(&entry.message),
            }
        });
        delivered.collect()
    }

    async fn pop(
        &mut self,
        queue: &str,
        max: u32,
        wait_ms: u64,
        deadline: Instant,
    ) -> Result<Vec<Delivered>, Trouble> {
        let (key, count) = (queue.as_bytes(), max.to_string());
        let pop: [&[u8]; 3] = [b"LPOP", key, count.as_bytes()];
        let mut popped = list(self.commander.command(queue, &pop, deadline).await?);
        let left_ms = (deadline - RealWorld::now()).as_millis() as u64;
        let wait_ms = wait_ms.min(left_ms.saturating_sub(MARGIN_MS));
        if popped.is_empty() && wait_ms > 0 {
            let wait = format!("{}.{:03}", wait_ms / 1_000, wait_ms % 1_000);
            let pop: [&[u8]; 3] = [b"BLPOP", key, wait.as_bytes()];
            // The list's name, and one value.
            popped = list(self.commander.command(queue, &pop, deadline).await?);
            popped = popped.into_iter().skip(1).collect();
        }
        let delivered = popped.into_iter().filter_map(|frame| match frame {
            Frame::BulkString(bytes) => {
                let value = value_of(&bytes);
                let id = name_of(value.as_bytes());
                let (receipt, deliveries) = (id, 1);
                Some(Delivered {
                    id,
                    receipt,
                    deliveries,
                    value,
                })
            }
            _ => None,
        });
        Ok(delivered.collect())
    }

    async fn ack(
        &mut self,
        queue: &str,
        receipt: u64,
        deadline: Instant,
    ) -> Result<Outcome, Trouble> {
        let known = self
            .setup
            .deliveries
            .borrow()
            .receipts
            .get(&receipt)
            .cloned();
        let Some((_, id)) = known.filter(|(of, _)| of == queue) else {
            return Err(Trouble::Failed(
                "no message has this receipt, or no longer".into(),
            ));
        };
        let key = queue.as_bytes();
        let script: [&[u8]; 6] = [b"EVAL", ACK, b"1", key, GROUP, id.as_bytes()];
        match self.in_group(queue, &script, deadline).await? {
            Frame::Integer(count) => {
                self.setup.deliveries.borrow_mut().receipts.remove(&receipt);
                Ok(Outcome::Settled { valid: count == 1 })
            }
            other => Err(unexpected(&other)),
        }
    }

    async fn depth(
        &mut self,
        queue: &str,
        is_stream: bool,
        deadline: Instant,
    ) -> Result<Outcome, Trouble> {
        let key = queue.as_bytes();
        if !is_stream {
            let answer = self
                .commander
                .command(queue, &[b"LLEN", key], deadline)
                .await?;
            let ready = number(&answer).ok_or_else(|| unexpected(&answer))?;
            return Ok(Outcome::Depth {
                ready,
                in_flight: 0,
                delayed: 0,
            });
        }
        let script: [&[u8]; 5] = [b"EVAL", DEPTH, b"1", key, GROUP];
        let answer = self.in_group(queue, &script, deadline).await?;
        let numbers: Option<Vec<u64>> = match &answer {
            Frame::Array(parts) => parts.iter().map(number).collect(),
            _ => None,
        };
        match numbers.as_deref() {
            Some(&[length, in_flight]) => Ok(Outcome::Depth {
                ready: length.saturating_sub(in_flight),
                in_flight,
                delayed: 0,
            }),
            _ => Err(unexpected(&answer)),
        }
    }
}

/// A message of a stream.
struct Entry {
    id: String,
    message: Vec<u8>,
    deliveries: u32,
}

/// Entries, each an id and its fields; one that was deleted has none.
fn read_entries(frame: Frame, deliveries: u32) -> Vec<Entry> {
    let entries = list(frame).into_iter().filter_map(|entry| {
        let mut parts = list(entry).into_iter();
        let (id, fields) = (text(&parts.next()?)?, parts.next()?);
        let message = match list(fields).into_iter().nth(1)? {
            Frame::BulkString(message) => message,
            _ => return None,
        };
        Some(Entry {
            id,
            message,
            deliveries,
        })
    });
    entries.collect()
}
