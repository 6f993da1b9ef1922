//! One queue by its message ids and receipts.
//!
//! Ids and receipts are counters of the queue: publishes took effect in the order of the
//! ids, and receives in the order of their receipts. A message is received after it was
//! published; a receipt is good until it is settled or the message is delivered again; a
//! message that was acknowledged is gone. A message may become visible again at any moment,
//! since no history shows when its time was up.
//!
//! Source: the specification of Amazon SQS for receipts and visibility; Herlihy & Wing,
//! "Linearizability" (1990), §1, for the queue. Left out: who comes first among the messages
//! that are ready (priorities, delays and groups are checks of their own), an empty answer
//! (everything may be hidden), and dead letters, which no client publishes.

use std::collections::BTreeMap;

use indexmap::IndexMap;

use super::receipts::Receipts;
pub(crate) use super::receipts::{Delivery, QueueCall};
use super::{Answer, Order, call_of, in_operations};
use crate::linearizability::{Bounds, Call, Verdict, search_until};
use crate::view::{certain, end};
use squall_history::{Action, Delivered, Operation, Outcome};

/// The operations of each queue, as positions in the list.
pub(crate) fn objects<'a>(operations: &[Operation<'a>]) -> BTreeMap<&'a str, Vec<usize>> {
    let mut queues: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, operation) in operations.iter().enumerate() {
        if let Action::Publish { queue, .. }
        | Action::Receive { queue, .. }
        | Action::Ack { queue, .. }
        | Action::Nack { queue, .. } = operation.action
        {
            queues.entry(queue).or_default().push(index);
        }
    }
    queues
}

/// Judges one queue by its operations.
pub(crate) fn judge(operations: &[Operation], queue_operations: &[usize]) -> Answer {
    let story = match Story::new(operations, queue_operations) {
        Ok(story) => story,
        Err(answer) => return answer,
    };
    match story.order(operations) {
        Ok(order) => order.answer(),
        Err(answer) => answer,
    }
}

/// Searches for an order of one queue's operations. What no order could mend, such as a
/// message that nobody published, is left to [`judge`].
pub(crate) fn search(
    operations: &[Operation],
    queue_operations: &[usize],
    bounds: Bounds,
    interrupted: &dyn Fn() -> bool,
) -> Option<Verdict> {
    let (indexes, calls) = calls(operations, queue_operations)?;
    let verdict = search_until(&Receipts, &calls, bounds, interrupted);
    Some(in_operations(&indexes, verdict))
}

/// The calls that the search orders, and the operations they belong to.
fn calls(
    operations: &[Operation],
    queue_operations: &[usize],
) -> Option<(Vec<usize>, Vec<Call<QueueCall>>)> {
    let story = Story::new(operations, queue_operations).ok()?;
    let calls = story.calls.into_iter();
    let calls = calls.map(|(index, call)| (index, call_of(call, &operations[index])));
    Some(calls.unzip())
}

/// The queue's operations with their ids, in order of invocation.
struct Story {
    calls: Vec<(usize, QueueCall)>,
}

/// What is known of a published value.
struct Published {
    index: usize,
    id: Option<u64>,
}

impl Story {
    /// Gives every operation its ids. What cannot be is a violation at once.
    fn new(operations: &[Operation], queue_operations: &[usize]) -> Result<Self, Answer> {
        let mut published: BTreeMap<&str, Published> = BTreeMap::new();
        let mut value_of: BTreeMap<u64, (&str, usize)> = BTreeMap::new();
        for &index in queue_operations {
            if let Action::Publish { value, .. } = operations[index].action {
                let id = match operations[index].outcome {
                    Some(Outcome::Published { id }) => Some(*id),
                    _ if certain(&operations[index]) => continue,
                    _ => None,
                };
                published.insert(value, Published { index, id });
                if let Some((_, other)) = id.and_then(|id| value_of.insert(id, (value, index))) {
                    let what = "two messages were published under one id";
                    return Err(Answer::Violation(what.into(), vec![other, index]));
                }
            }
        }
        let mut receipts: IndexMap<u64, (Delivery, &str, usize)> = IndexMap::new();
        for &index in queue_operations {
            let Some(Outcome::Received { messages }) = operations[index].outcome else {
                continue;
            };
            for delivered in messages {
                note_delivery(&mut published, &mut value_of, delivered, index)?;
                let known = (delivered.into(), delivered.value.as_str(), index);
                if let Some((.., other)) = receipts.insert(delivered.receipt, known) {
                    let what = format!("receipt {} was given twice", delivered.receipt);
                    return Err(Answer::Violation(what, vec![other, index]));
                }
            }
        }
        let mut calls = Vec::new();
        for &index in queue_operations {
            let operation = &operations[index];
            let call = match (operation.action, operation.outcome) {
                (Action::Publish { value, .. }, _) => {
                    let of_this = published.get(value.as_str());
                    let id = of_this.filter(|p| p.index == index).and_then(|p| p.id);
                    id.map(|id| QueueCall::Publish { id })
                }
                (Action::Receive { .. }, Some(Outcome::Received { messages })) => {
                    let deliveries: Vec<Delivery> = messages.iter().map(Delivery::from).collect();
                    (!deliveries.is_empty()).then_some(QueueCall::Receive(deliveries))
                }
                (
                    Action::Ack { receipt, value, .. } | Action::Nack { receipt, value, .. },
                    Some(Outcome::Settled { valid }),
                ) => match receipts.get(receipt) {
                    Some(&(delivery, of, _)) if of == value => Some(match valid {
                        false => QueueCall::Refused(delivery),
                        true => QueueCall::Settle {
                            delivery,
                            ack: matches!(operation.action, Action::Ack { .. }),
                        },
                    }),
                    _ if *valid => {
                        let what = format!("receipt {receipt} was settled but not given");
                        return Err(Answer::Violation(what, vec![index]));
                    }
                    _ => None,
                },
                _ => None,
            };
            calls.extend(call.map(|call| (index, call)));
        }
        Ok(Self { calls })
    }

    /// Everything that ids and receipts say about what came before what.
    fn order(&self, operations: &[Operation]) -> Result<Order, Answer> {
        let mut order = Order::default();
        let mut publishes: BTreeMap<u64, usize> = BTreeMap::new();
        // By first receipt: the node, the operation, and what it delivered.
        let mut receives: BTreeMap<u64, (usize, usize, &[Delivery])> = BTreeMap::new();
        for (index, call) in &self.calls {
            match call {
                QueueCall::Publish { id } => {
                    publishes.insert(*id, order.call(operations, *index));
                }
                QueueCall::Receive(deliveries) => {
                    let node = order.call(operations, *index);
                    let receipts = deliveries.iter().map(|d| d.receipt);
                    let first = receipts.min().expect("empty receives are left out");
                    receives.insert(first, (node, *index, deliveries));
                }
                QueueCall::Settle { .. } | QueueCall::Refused(_) => {}
            }
        }
        chain(&mut order, publishes.values().copied());
        chain(&mut order, receives.values().map(|receive| receive.0));
        let messages = messages(&mut order, &publishes, &receives)?;
        self.order_settling(operations, &mut order, &messages)?;
        Ok(order)
    }

    fn order_settling(
        &self,
        operations: &[Operation],
        order: &mut Order,
        messages: &Deliveries,
    ) -> Result<(), Answer> {
        // The settling of each receipt.
        let mut settled: BTreeMap<u64, (usize, usize)> = BTreeMap::new();
        for (index, call) in &self.calls {
            let QueueCall::Settle { delivery, ack } = call else {
                continue;
            };
            let receipt = delivery.receipt;
            let node = order.call(operations, *index);
            if let Some((_, other)) = settled.insert(receipt, (node, *index)) {
                let what = format!("receipt {receipt} was settled twice");
                return Err(Answer::Violation(what, vec![other, *index]));
            }
            let of_message = &messages[&delivery.id];
            order.before(of_message[&receipt].0, node);
            if let Some((_, &(next, again))) = of_message.range(receipt + 1..).next() {
                if *ack {
                    let what = format!("a message was delivered after receipt {receipt} was acked");
                    return Err(Answer::Violation(what, vec![*index, again]));
                }
                order.before(node, next);
            }
        }
        for (index, call) in &self.calls {
            let QueueCall::Refused(delivery) = call else {
                continue;
            };
            let Some(&(node, _)) = settled.get(&delivery.receipt) else {
                continue;
            };
            let (_, given) = messages[&delivery.id][&delivery.receipt];
            if end(&operations[given]) > operations[*index].invoke_pos {
                return Err(Answer::NotApplicable);
            }
            let refused = order.call(operations, *index);
            order.before(node, refused);
        }
        Ok(())
    }
}

/// By message and receipt: the node and the operation that delivered it.
type Deliveries = BTreeMap<u64, BTreeMap<u64, (usize, usize)>>;

/// Checks the deliveries of each message among themselves, and puts them after its publish.
fn messages(
    order: &mut Order,
    publishes: &BTreeMap<u64, usize>,
    receives: &BTreeMap<u64, (usize, usize, &[Delivery])>,
) -> Result<Deliveries, Answer> {
    let mut messages = Deliveries::new();
    let mut counts: BTreeMap<u64, (u32, usize)> = BTreeMap::new();
    let mut last: Option<(u64, usize)> = None;
    for &(node, index, deliveries) in receives.values() {
        let mut sorted: Vec<&Delivery> = deliveries.iter().collect();
        sorted.sort_unstable_by_key(|delivery| delivery.receipt);
        for delivery in sorted {
            let Delivery { id, receipt, .. } = *delivery;
            if let Some((before, other)) = last
                && before > receipt
            {
                let what = format!("receipts {before} and {receipt} were given out of order");
                return Err(Answer::Violation(what, vec![other, index]));
            }
            last = Some((receipt, index));
            if let Some((count, other)) = counts.insert(id, (delivery.deliveries, index))
                && count >= delivery.deliveries
            {
                let what = format!("message {id} was delivered again without being counted");
                return Err(Answer::Violation(what, vec![other, index]));
            }
            let of_message = messages.entry(id).or_default();
            if of_message.is_empty() {
                order.before(publishes[&id], node);
            }
            of_message.insert(receipt, (node, index));
        }
    }
    Ok(messages)
}

/// Compares a delivery with what was published.
fn note_delivery<'a>(
    published: &mut BTreeMap<&'a str, Published>,
    value_of: &mut BTreeMap<u64, (&'a str, usize)>,
    delivered: &'a Delivered,
    index: usize,
) -> Result<(), Answer> {
    let value = delivered.value.as_str();
    let Some(publish) = published.get_mut(value) else {
        let what = format!("message {value} was never published");
        return Err(Answer::Violation(what, vec![index]));
    };
    let id = *publish.id.get_or_insert(delivered.id);
    let (of, other) = *value_of
        .entry(delivered.id)
        .or_insert((value, publish.index));
    if id == delivered.id && of == value {
        return Ok(());
    }
    let what = format!("message {value} was delivered under another id than its own");
    let mut shown = vec![publish.index, other, index];
    shown.dedup();
    Err(Answer::Violation(what, shown))
}

fn chain(order: &mut Order, nodes: impl Iterator<Item = usize>) {
    let mut before: Option<usize> = None;
    for node in nodes {
        if let Some(before) = before {
            order.before(before, node);
        }
        before = Some(node);
    }
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
