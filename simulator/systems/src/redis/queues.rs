//! Queues: a stream with a group, where a message is there until it is acknowledged; or a list,
//! where it is gone when it is handed out.
//!
//! Of a stream, what nobody has acknowledged for the visibility timeout is claimed by the next
//! who asks (`XAUTOCLAIM`); and what is acknowledged is deleted, so that a stream is as long as
//! the queue. Redis knows messages by ids that are no numbers, so ids and receipts are names
//! here, and the clients of a run share who is who: any of them may acknowledge.

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

/// Where a stream begins, and where claims go on that have come to its end.
const FIRST: &str = "0-0";
const GROUP: &[u8] = b"squall";
/// Acknowledges and deletes; how many were acknowledged.
const ACK: &[u8] = b"local n = redis.call('xack', KEYS[1], ARGV[1], ARGV[2]) \
    redis.call('xdel', KEYS[1], ARGV[2]) return n";
/// Length, and how many are in the hands of consumers.
const DEPTH: &[u8] = b"return {redis.call('xlen', KEYS[1]), \
    redis.call('xpending', KEYS[1], ARGV[1])[1]}";
/// Commands of one receive that claim what others have had for too long.
const MOST_CLAIMS: u32 = 50;
/// Of a client's deadline, what an answer to a wait may take.
const MARGIN_MS: u64 = 50;

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
                    let deliveries = &self.setup.deliveries;
                    let idle_ms = deliveries.visibility_ms(queue, *visibility_ms);
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

    /// Messages that somebody has had for too long. A command looks at ten times as many as it
    /// may hand out, and says where the next goes on.
    async fn claim(
        &mut self,
        queue: &str,
        max: u32,
        idle_ms: u64,
        deadline: Instant,
    ) -> Result<Vec<Entry>, Trouble> {
        let mut claimed = Vec::new();
        let mut cursor = FIRST.to_owned();
        for _ in 0..MOST_CLAIMS {
            let most = max.saturating_sub(claimed.len() as u32);
            let some = self.claim_from(queue, &cursor, most, idle_ms, deadline);
            let (entries, next) = some.await.map_err(|trouble| match claimed.is_empty() {
                true => trouble,
                false => trouble.after_a_part(),
            })?;
            claimed.extend(entries);
            cursor = next;
            if cursor == FIRST || claimed.len() >= max as usize {
                break;
            }
        }
        let mut pending = Vec::new();
        for mut entry in claimed {
            let deliveries = self.deliveries(queue, &entry.id, deadline).await?;
            if let Some(deliveries) = deliveries {
                entry.deliveries = deliveries;
                pending.push(entry);
            }
        }
        Ok(pending)
    }

    /// Claims from an id on, and tells from which to go on.
    async fn claim_from(
        &mut self,
        queue: &str,
        cursor: &str,
        max: u32,
        idle_ms: u64,
        deadline: Instant,
    ) -> Result<(Vec<Entry>, String), Trouble> {
        let (count, idle) = (max.to_string(), idle_ms.to_string());
        let consumer = self.consumer.clone();
        let arguments: [&[u8]; 8] = [
            b"XAUTOCLAIM",
            queue.as_bytes(),
            GROUP,
            consumer.as_bytes(),
            idle.as_bytes(),
            cursor.as_bytes(),
            b"COUNT",
            count.as_bytes(),
        ];
        let answer = self.in_group(queue, &arguments, deadline).await?;
        let mut parts = list(answer).into_iter();
        let next = parts.next().as_ref().and_then(text);
        let claimed = parts.next();
        let entries = claimed.map(|claimed| read_entries(claimed, 0));
        Ok((
            entries.unwrap_or_default(),
            next.unwrap_or_else(|| FIRST.to_owned()),
        ))
    }

    /// How often a message was delivered; `None` if somebody has acknowledged it since.
    async fn deliveries(
        &mut self,
        queue: &str,
        id: &str,
        deadline: Instant,
    ) -> Result<Option<u32>, Trouble> {
        let id = id.as_bytes();
        let arguments: [&[u8]; 6] = [b"XPENDING", queue.as_bytes(), GROUP, id, id, b"1"];
        let answer = self
            .in_group(queue, &arguments, deadline)
            .await
            // It is in this client's hands already.
            .map_err(Trouble::after_a_part)?;
        let of_message = list(answer).into_iter().next().map(list);
        let count = of_message.and_then(|parts| number(parts.get(3)?));
        Ok(count.and_then(|count| u32::try_from(count).ok()))
    }

    fn deliver(&self, queue: &str, entries: Vec<Entry>) -> Vec<Delivered> {
        let deliveries = &self.setup.deliveries;
        let delivered = entries.into_iter().map(|entry| {
            let receipt = deliveries.hand_out(queue, &entry.id);
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
        let id = self.setup.deliveries.handle(queue, receipt)?;
        let key = queue.as_bytes();
        let script: [&[u8]; 6] = [b"EVAL", ACK, b"1", key, GROUP, id.as_bytes()];
        match self.in_group(queue, &script, deadline).await? {
            Frame::Integer(count) => {
                self.setup.deliveries.settle(receipt);
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

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use squall_history::{Action, Delivered, Outcome};

    use crate::redis::testing::{Client, with_server};

    async fn received(client: &mut Client, queue: &str) -> Vec<Delivered> {
        let receive = Action::Receive {
            queue: queue.into(),
            max: 2,
            visibility_ms: 100,
            wait_ms: 0,
        };
        match client.ask(receive).await {
            Outcome::Received { messages } => messages,
            other => panic!("no messages: {other:?}"),
        }
    }

    fn bulk(text: &str) -> String {
        format!("${}\r\n{text}\r\n", text.len())
    }

    fn entry(id: &str, value: &str) -> String {
        format!("*2\r\n{}*2\r\n{}{}", bulk(id), bulk("m"), bulk(value))
    }

    #[test]
    fn streams_that_give_the_same_id_give_no_receipt_twice() {
        let acked = Rc::new(RefCell::new(Vec::new()));
        let of = acked.clone();
        let answers = move |command: &[String]| match command[0].as_str() {
            "XREADGROUP" => {
                let queue = &command[command.len() - 2];
                let entry = entry("5-0", &format!("of-{queue}"));
                Some(format!("*1\r\n*2\r\n{}*1\r\n{entry}", bulk(queue)))
            }
            "EVAL" => {
                of.borrow_mut().push(command[3].clone());
                Some(":1\r\n".into())
            }
            other => panic!("{other}"),
        };
        with_server(answers, |mut client| async move {
            let [one, other] = [
                received(&mut client, "q1").await,
                received(&mut client, "q2").await,
            ];
            assert_ne!(one[0].receipt, other[0].receipt);
            for (queue, message) in [("q1", &one[0]), ("q2", &other[0])] {
                let (receipt, value) = (message.receipt, message.value.clone());
                let queue = queue.to_owned();
                let ack = Action::Ack {
                    queue,
                    receipt,
                    value,
                };
                assert_eq!(client.ask(ack).await, Outcome::Settled { valid: true });
            }
        });
        assert_eq!(*acked.borrow(), ["q1", "q2"]);
    }

    #[test]
    fn claims_go_on_where_the_last_one_stopped() {
        let answers = |command: &[String]| match command[0].as_str() {
            "XREADGROUP" => Some("*-1\r\n".into()),
            // The first ones are in the hands of somebody.
            "XAUTOCLAIM" => Some(match (command[5].as_str(), command[7].as_str()) {
                ("0-0", "2") => format!("*3\r\n{}*0\r\n*0\r\n", bulk("20-0")),
                ("20-0", "2") => {
                    let one = entry("25-0", "a");
                    format!("*3\r\n{}*1\r\n{one}*0\r\n", bulk("40-0"))
                }
                ("40-0", "1") => {
                    let one = entry("47-0", "b");
                    format!("*3\r\n{}*1\r\n{one}*0\r\n", bulk("60-0"))
                }
                other => panic!("{other:?}"),
            }),
            "XPENDING" => {
                let (id, who) = (bulk(&command[3]), bulk("c0"));
                Some(format!("*1\r\n*4\r\n{id}{who}:7\r\n:2\r\n"))
            }
            other => panic!("{other}"),
        };
        with_server(answers, |mut client| async move {
            let messages = received(&mut client, "q").await;
            let values: Vec<&str> = messages.iter().map(|m| m.value.as_str()).collect();
            assert_eq!(values, ["a", "b"]);
            assert!(messages.iter().all(|message| message.deliveries == 2));
        });
    }

    #[test]
    fn what_is_acknowledged_while_it_is_claimed_is_not_handed_out() {
        let answers = |command: &[String]| match command[0].as_str() {
            "XREADGROUP" => Some("*-1\r\n".into()),
            "XAUTOCLAIM" => {
                let one = entry("5-0", "a");
                Some(format!("*3\r\n{}*1\r\n{one}*0\r\n", bulk("0-0")))
            }
            "XPENDING" => Some("*0\r\n".into()),
            other => panic!("{other}"),
        };
        with_server(answers, |mut client| async move {
            assert!(received(&mut client, "q").await.is_empty());
        });
    }

    #[test]
    fn claims_end_where_the_stream_does_and_when_they_were_many() {
        for (next, most) in [("0-0", 1), ("9-9", super::MOST_CLAIMS as usize)] {
            let count = Rc::new(RefCell::new(0));
            let claims = count.clone();
            let answers = move |command: &[String]| match command[0].as_str() {
                "XREADGROUP" => Some("*-1\r\n".into()),
                "XAUTOCLAIM" => {
                    *claims.borrow_mut() += 1;
                    Some(format!("*3\r\n{}*0\r\n*0\r\n", bulk(next)))
                }
                other => panic!("{other}"),
            };
            with_server(answers, |mut client| async move {
                assert!(received(&mut client, "q").await.is_empty());
            });
            assert_eq!(*count.borrow(), most);
        }
    }
}
