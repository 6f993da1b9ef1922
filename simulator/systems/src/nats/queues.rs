//! Queues: subjects of one stream whose messages stay until they are acknowledged, with a
//! durable pull consumer for each, made by the first who receives from it.
//!
//! Nats-Msg-Id is left out: it tells a message from its repetition, and nothing here is sent
//! again that anybody may have had.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use squall_history::{Action, Delivered, Outcome};
use squall_workload::{payload, value_of};
use squall_world::{Instant, RealWorld, World};

use super::Setup;
use super::requests::{Requests, code, unexpected};
use super::streams::{QUEUES, queue_subject, token};
use super::wire::Message;
use crate::outcome::Trouble;

/// A pull is ended by the server after its wait, or after this: one that is to end at once ends
/// never if the consumer's count of what is pending is wrong.
const SHORTEST_WAIT_MS: u64 = 20;
/// Of a client's deadline, what an answer to a wait may take.
const MARGIN_MS: u64 = 50;
/// Rest before a pull that others were preferred to.
const REST: Duration = Duration::from_millis(20);

/// Consumers that are there.
pub(super) type Consumers = RefCell<BTreeSet<String>>;

/// Asks about queues.
pub(super) struct Queues<'a> {
    pub(super) requests: &'a mut Requests,
    pub(super) setup: &'a Setup,
}

impl Queues<'_> {
    pub(super) async fn ask(
        mut self,
        action: &Action,
        deadline: Instant,
    ) -> Result<Outcome, Trouble> {
        match action {
            Action::Publish {
                queue,
                value,
                bytes,
            } => {
                let (subject, message) = (queue_subject(queue), payload(value, *bytes));
                let published = self.requests.publish(&subject, None, &message, deadline);
                match published.await? {
                    Ok(id) => Ok(Outcome::Published { id }),
                    Err(refusal) => Err(refusal.of_question()),
                }
            }
            Action::Receive {
                queue,
                max,
                visibility_ms,
                wait_ms,
            } => {
                self.make_consumer(queue, *visibility_ms, deadline).await?;
                let messages = self
                    .receive(queue, *max as usize, *wait_ms, deadline)
                    .await?;
                let messages = messages
                    .iter()
                    .map(|message| self.delivered(queue, message));
                Ok(Outcome::Received {
                    messages: messages.collect::<Result<_, _>>()?,
                })
            }
            Action::Ack { queue, receipt, .. } => {
                self.settle(queue, *receipt, b"+ACK", deadline).await
            }
            Action::Nack {
                queue,
                receipt,
                delay_ms,
                ..
            } => {
                let delay = json!({ "delay": nanoseconds(*delay_ms) });
                let nack = match delay_ms {
                    0 => "-NAK".to_owned(),
                    _ => format!("-NAK {delay}"),
                };
                self.settle(queue, *receipt, nack.as_bytes(), deadline)
                    .await
            }
            Action::Depth { queue } => self.depth(queue, deadline).await,
            other => Err(Trouble::Failed(format!(
                "NATS has no {}",
                other.operation()
            ))),
        }
    }

    /// Makes the consumer of a queue; the same again changes nothing.
    async fn make_consumer(
        &mut self,
        queue: &str,
        visibility_ms: u64,
        deadline: Instant,
    ) -> Result<(), Trouble> {
        let visibility_ms = self.setup.deliveries.visibility_ms(queue, visibility_ms);
        if self.setup.consumers.borrow().contains(queue) {
            return Ok(());
        }
        let name = token(queue);
        let subject = format!("$JS.API.CONSUMER.DURABLE.CREATE.{QUEUES}.{name}");
        let consumer = json!({
            "stream_name": QUEUES,
            "config": {
                "durable_name": name,
                "filter_subject": queue_subject(queue),
                "deliver_policy": "all",
                "replay_policy": "instant",
                "ack_policy": "explicit",
                "ack_wait": nanoseconds(visibility_ms),
                "max_deliver": -1,
                "max_ack_pending": -1,
            },
        });
        // Nothing was received meanwhile, whatever became of it.
        let made = self.requests.question(&subject, &consumer, deadline).await;
        match made {
            Ok(Ok(_)) => {}
            Ok(Err(refusal)) => return Err(refusal.of_question()),
            Err(Trouble::Failed(why) | Trouble::Unknown(why)) => return Err(Trouble::Failed(why)),
        }
        self.setup.consumers.borrow_mut().insert(queue.to_owned());
        Ok(())
    }

    /// Pulls what there is, or what comes first within the wait.
    async fn receive(
        &mut self,
        queue: &str,
        max: usize,
        wait_ms: u64,
        deadline: Instant,
    ) -> Result<Vec<Message>, Trouble> {
        let subject = format!("$JS.API.CONSUMER.MSG.NEXT.{QUEUES}.{}", token(queue));
        let left_ms = (deadline - RealWorld::now()).as_millis() as u64;
        let wait_ms = wait_ms.min(left_ms.saturating_sub(MARGIN_MS));
        let until = RealWorld::now() + Duration::from_millis(wait_ms);
        loop {
            let left_ms = (until - RealWorld::now()).as_millis() as u64;
            let pull = json!({
                "batch": max,
                // As soon as there is anything.
                "no_wait": true,
                "expires": nanoseconds(left_ms.max(SHORTEST_WAIT_MS)),
            });
            let messages = self.requests.pull(&subject, &pull, max, deadline).await?;
            // What is there may be kept for others who wait already.
            if !messages.is_empty() || RealWorld::now() + REST >= until {
                return Ok(messages);
            }
            RealWorld::sleep(REST).await;
        }
    }

    fn delivered(&self, queue: &str, message: &Message) -> Result<Delivered, Trouble> {
        let handle = message.reply.as_deref().unwrap_or_default();
        let (deliveries, id) = of_delivery(handle)
            .ok_or_else(|| Trouble::Unknown(format!("no delivery is called {handle}")))?;
        Ok(Delivered {
            id,
            receipt: self.setup.deliveries.hand_out(queue, handle),
            deliveries,
            value: value_of(&message.payload),
        })
    }

    /// Acknowledges, or gives back, and waits until the consumer says that it has heard so. It
    /// says that of any message, also of one that was settled before.
    async fn settle(
        &mut self,
        queue: &str,
        receipt: u64,
        word: &[u8],
        deadline: Instant,
    ) -> Result<Outcome, Trouble> {
        let handle = self.setup.deliveries.handle(queue, receipt)?;
        self.requests.ask(&handle, None, word, deadline).await?;
        self.setup.deliveries.settle(receipt);
        Ok(Outcome::Settled { valid: true })
    }

    async fn depth(&mut self, queue: &str, deadline: Instant) -> Result<Outcome, Trouble> {
        let subject = format!("$JS.API.CONSUMER.INFO.{QUEUES}.{}", token(queue));
        let asked = self.requests.question(&subject, &Value::Null, deadline);
        let answer = match asked.await? {
            Ok(answer) => answer,
            Err(refusal) if refusal.code == code::CONSUMER_NOT_FOUND => {
                return self.depth_without_consumer(queue, deadline).await;
            }
            Err(refusal) => return Err(refusal.of_question()),
        };
        let number = |name: &str| answer[name].as_u64().ok_or_else(|| unexpected(&answer));
        Ok(Outcome::Depth {
            ready: number("num_pending")?,
            in_flight: number("num_ack_pending")?,
            delayed: 0,
        })
    }

    /// Nobody has received from it, so all of its messages are there to be received.
    async fn depth_without_consumer(
        &mut self,
        queue: &str,
        deadline: Instant,
    ) -> Result<Outcome, Trouble> {
        let filter = queue_subject(queue);
        let subject = format!("$JS.API.STREAM.INFO.{QUEUES}");
        let question = json!({ "subjects_filter": filter });
        let asked = self.requests.question(&subject, &question, deadline);
        let answer = asked.await?.map_err(|refusal| refusal.of_question())?;
        Ok(Outcome::Depth {
            ready: answer["state"]["subjects"][&filter].as_u64().unwrap_or(0),
            in_flight: 0,
            delayed: 0,
        })
    }
}

/// How often it was delivered, and its sequence in the stream, which the subject of its
/// acknowledgement tells: `$JS.ACK.STREAM.CONSUMER.DELIVERIES.SEQUENCE.…`, of later servers with
/// a domain and an account before the stream.
fn of_delivery(handle: &str) -> Option<(u32, u64)> {
    let words: Vec<&str> = handle.strip_prefix("$JS.ACK.")?.split('.').collect();
    let at = match words.len() {
        7 => 2,
        9.. => 4,
        _ => return None,
    };
    Some((words[at].parse().ok()?, words[at + 1].parse().ok()?))
}

/// Durations of JetStream's interface.
fn nanoseconds(ms: u64) -> u64 {
    ms * 1_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivery_is_read_off_the_subject_of_its_acknowledgement() {
        let of = "$JS.ACK.squall_queues.q-0.3.17.40.1795983071073232148.1";
        assert_eq!(of_delivery(of), Some((3, 17)));
        let later = "$JS.ACK._.hash.squall_queues.q-0.3.17.40.1795983071073232148.1.random";
        assert_eq!(of_delivery(later), Some((3, 17)));
        assert_eq!(of_delivery("$JS.ACK.squall_queues.q-0"), None);
        assert_eq!(of_delivery("in.1"), None);
    }
}
