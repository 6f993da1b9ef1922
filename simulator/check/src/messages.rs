//! Indexes what a history says about queues, by queue and payload value. Every published
//! value is unique within a run, so a value names one message. Judges nothing.

use indexmap::IndexMap;

use squall_history::{Action, Delivered, Operation, Outcome, dead_letters_of};

#[derive(Debug, Default)]
pub(super) struct Messages<'a> {
    /// By queue as addressed, then by value; in order of first mention. All lists hold
    /// positions in the list of operations, in order of invocation.
    pub(super) queues: IndexMap<&'a str, IndexMap<&'a str, Message<'a>>>,
    /// Every receive by queue, whatever its outcome.
    pub(super) receives: IndexMap<&'a str, Vec<usize>>,
}

#[derive(Debug, Default)]
pub(super) struct Message<'a> {
    pub(super) publish: Option<usize>,
    /// Its place in the batch that published it.
    nth: usize,
    pub(super) deliveries: Vec<(usize, &'a Delivered)>,
    pub(super) acks: Vec<usize>,
    pub(super) nacks: Vec<usize>,
}

impl<'a> Messages<'a> {
    pub(super) fn new(operations: &[Operation<'a>]) -> Self {
        let mut messages = Self::default();
        for (index, operation) in operations.iter().enumerate() {
            match operation.action {
                Action::Publish { queue, value, .. } => {
                    messages.entry(queue, value).publish.get_or_insert(index);
                }
                Action::PublishBatch { queue, values, .. } => {
                    for (nth, value) in values.iter().enumerate() {
                        let message = messages.entry(queue, value);
                        message.publish.get_or_insert(index);
                        message.nth = nth;
                    }
                }
                Action::Ack { queue, value, .. } => messages.entry(queue, value).acks.push(index),
                Action::Nack { queue, value, .. } => messages.entry(queue, value).nacks.push(index),
                Action::Receive { queue, .. } => {
                    messages.receives.entry(queue).or_default().push(index);
                    if let Some(Outcome::Received { messages: received }) = operation.outcome {
                        for delivered in received {
                            let message = messages.entry(queue, &delivered.value);
                            message.deliveries.push((index, delivered));
                        }
                    }
                }
                _ => {}
            }
        }
        messages
    }

    fn entry(&mut self, queue: &'a str, value: &'a str) -> &mut Message<'a> {
        let queue = self.queues.entry(queue).or_default();
        queue.entry(value).or_default()
    }

    /// Every message with its queue and value.
    pub(super) fn all(&self) -> impl Iterator<Item = (&'a str, &'a str, &Message<'a>)> {
        let queues = self.queues.iter();
        queues.flat_map(|(&queue, messages)| {
            messages.iter().map(move |(&value, m)| (queue, value, m))
        })
    }

    pub(super) fn get(&self, queue: &str, value: &str) -> Option<&Message<'a>> {
        self.queues.get(queue)?.get(value)
    }

    /// The queue of `queue`'s dead letters, if the history mentions it.
    pub(super) fn dead_letters(&self, queue: &str) -> Option<&'a str> {
        let name = dead_letters_of(queue);
        self.receives
            .get_key_value(name.as_str())
            .map(|(&name, _)| name)
    }
}

impl Message<'_> {
    /// The id that its publish was answered with.
    pub(super) fn published_id(&self, operations: &[Operation]) -> Option<u64> {
        match operations[self.publish?].outcome? {
            Outcome::Published { id } => Some(*id),
            Outcome::PublishedBatch { ids } => ids.get(self.nth).copied(),
            _ => None,
        }
    }
}

/// How long a receive hides what it hands out, in microseconds.
pub(super) fn visibility_us(operation: &Operation) -> u64 {
    match operation.action {
        Action::Receive { visibility_ms, .. } => visibility_ms.saturating_mul(1_000),
        action => unreachable!("only a receive delivers, not {action:?}"),
    }
}
