//! Queues as the log implies them: where each message is, and which entry put it there.

use std::collections::BTreeMap;

use bytes::Bytes;
use squall_cluster::state::command::{
    Delivery, NewMessage, QueueCommand, QueueInfo, QueueSettings, Refusal, Reply,
};
use squall_cluster::state::{DEDUP_WINDOW, LARGEST_RECEIVE_BYTES, LONGEST_NAME_BYTES};

use super::Now;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::explain) enum Place {
    Ready,
    Delayed { until_ms: u64 },
    InFlight { receipt: u64, until_ms: u64 },
}

#[derive(Debug, Clone)]
pub(in crate::explain) struct Message {
    pub(in crate::explain) payload: Bytes,
    pub(in crate::explain) priority: u8,
    group: Option<String>,
    pub(in crate::explain) deliveries: u32,
    pub(in crate::explain) place: Place,
    /// The entry that put it there.
    pub(in crate::explain) placed_by: u64,
}

/// What became of a receipt.
#[derive(Debug, Clone, Copy)]
pub(in crate::explain) struct Given {
    pub(in crate::explain) message: u64,
    /// The entry that gave it.
    pub(in crate::explain) by: u64,
    /// The entry since which it is void.
    pub(in crate::explain) void_since: Option<u64>,
}

#[derive(Debug, Default)]
pub(in crate::explain) struct Queue {
    name: String,
    settings: QueueSettings,
    last_id: u64,
    last_receipt: u64,
    acked: u64,
    dead_lettered: u64,
    purged: u64,
    pub(in crate::explain) messages: BTreeMap<u64, Message>,
    /// By producer and sequence: the id, and the entry that published it.
    pub(in crate::explain) published: BTreeMap<String, BTreeMap<u64, (u64, u64)>>,
    /// The largest sequence of a producer that is remembered no more.
    forgotten: BTreeMap<String, u64>,
    pub(in crate::explain) receipts: BTreeMap<u64, Given>,
    /// The dead letters: by id, the entry that took it out and whereto.
    pub(in crate::explain) dead: BTreeMap<u64, (u64, String)>,
}

#[derive(Debug, Default)]
pub(in crate::explain) struct Queues {
    queues: Vec<Queue>,
    receipt_floor: u64,
}

impl Queues {
    pub(super) fn apply(&mut self, now: Now, command: &QueueCommand) -> Reply {
        match command {
            QueueCommand::Configure { queue, settings } => {
                let at = self.place_or_new(queue);
                self.queues[at].settings = settings.clone();
                Reply::Done
            }
            QueueCommand::Publish { queue, messages } => {
                let at = self.place_or_new(queue);
                match self.queues[at].publish(now, messages) {
                    Ok(ids) => Reply::Published { ids },
                    Err(refusal) => Reply::Refused(refusal),
                }
            }
            QueueCommand::Receive {
                queue,
                count,
                visibility_ms,
            } => Reply::Messages(match self.place(queue) {
                Some(at) => self.queues[at].receive(now, *count, *visibility_ms),
                None => Vec::new(),
            }),
            QueueCommand::Ack { queue, receipts } => {
                let Some(at) = self.place(queue) else {
                    return Reply::Settled(0);
                };
                let queue = &mut self.queues[at];
                let mut settled = 0;
                for receipt in receipts {
                    if let Some(id) = queue.void(now, *receipt) {
                        queue.messages.remove(&id);
                        queue.acked += 1;
                        settled += 1;
                    }
                }
                Reply::Settled(settled)
            }
            QueueCommand::Nack {
                queue,
                receipt,
                delay_ms,
            } => {
                let Some(at) = self.place(queue) else {
                    return Reply::Settled(0);
                };
                let Some(id) = self.queues[at].void(now, *receipt) else {
                    return Reply::Settled(0);
                };
                let letter = self.queues[at].give_back(now, id, *delay_ms);
                self.bury(now, at, letter.into_iter().collect());
                Reply::Settled(1)
            }
            QueueCommand::Extend {
                queue,
                receipt,
                visibility_ms,
            } => {
                let Some(at) = self.place(queue) else {
                    return Reply::Settled(0);
                };
                let is_valid = self.queues[at].extend(now, *receipt, *visibility_ms);
                Reply::Settled(is_valid.into())
            }
            QueueCommand::Purge { queue } => {
                let Some(at) = self.place(queue) else {
                    return Reply::Purged(0);
                };
                let queue = &mut self.queues[at];
                let dropped = queue.messages.len() as u64;
                queue.messages.clear();
                queue.void_all(now);
                queue.purged += dropped;
                Reply::Purged(dropped)
            }
            QueueCommand::Delete { queue, if_empty } => {
                let Some(at) = self.place(queue) else {
                    return Reply::Refused(Refusal::NoQueue);
                };
                let messages = self.queues[at].messages.len() as u64;
                if *if_empty && messages > 0 {
                    return Reply::Refused(Refusal::NotEmpty { messages });
                }
                let deleted = self.queues.swap_remove(at);
                self.receipt_floor = self.receipt_floor.max(deleted.last_receipt);
                Reply::Purged(messages)
            }
            QueueCommand::Redrive { from, to, count } => {
                let Some((from, to)) = self.place(from).zip(self.place(to)) else {
                    return Reply::Refused(Refusal::NoQueue);
                };
                let (depth, limit) = self.queues[to].depth_and_limit();
                if limit > 0 && depth >= limit {
                    return Reply::Refused(Refusal::QueueFull { depth, limit });
                }
                let room = if limit == 0 { u64::MAX } else { limit - depth };
                let mut taken = Vec::new();
                while (taken.len() as u64) < room.min((*count).into()) {
                    let queue = &mut self.queues[from];
                    let Some(id) = queue.next() else {
                        break;
                    };
                    taken.extend(queue.messages.remove(&id));
                    queue.acked += 1;
                }
                let moved = taken.len() as u64;
                for message in taken {
                    self.queues[to].add(now, message, 0);
                }
                Reply::Size(moved)
            }
        }
    }

    /// What is hidden or delayed no longer comes back, the earliest queue first.
    pub(super) fn run_due(&mut self, now: Now) {
        loop {
            let due = self.queues.iter().enumerate();
            let due = due.filter_map(|(at, queue)| {
                let first = queue.first_due()?;
                (first.0 <= now.served_ms).then_some((first.0, at))
            });
            let Some((_, at)) = due.min() else {
                return;
            };
            let queue = &mut self.queues[at];
            let mut letters = Vec::new();
            while let Some((until_ms, id)) = queue.first_due() {
                if until_ms > now.served_ms {
                    break;
                }
                match queue.messages[&id].place {
                    Place::InFlight { receipt, .. } => {
                        queue.void(now, receipt);
                        letters.extend(queue.give_back(now, id, 0));
                    }
                    _ => queue.put(now, id, 0),
                }
            }
            self.bury(now, at, letters);
        }
    }

    fn bury(&mut self, now: Now, from: usize, letters: Vec<(u64, Message)>) {
        if letters.is_empty() {
            return;
        }
        let target = self.queues[from].dead_letter_name(now.level);
        let to = self.place_or_new(&target);
        for (id, message) in letters {
            self.queues[from]
                .dead
                .insert(id, (now.index, target.clone()));
            self.queues[to].add(now, message, 0);
        }
    }

    fn place(&self, name: &str) -> Option<usize> {
        self.queues.iter().position(|queue| queue.name == name)
    }

    fn place_or_new(&mut self, name: &str) -> usize {
        self.place(name).unwrap_or_else(|| {
            self.queues.push(Queue {
                name: name.to_owned(),
                last_receipt: self.receipt_floor,
                ..Queue::default()
            });
            self.queues.len() - 1
        })
    }

    pub(in crate::explain) fn get(&self, name: &str) -> Option<&Queue> {
        self.place(name).map(|at| &self.queues[at])
    }
}

impl Queue {
    fn publish(&mut self, now: Now, messages: &[NewMessage]) -> Result<Vec<u64>, Refusal> {
        let mut ids: Vec<u64> = Vec::new();
        let mut last_id = self.last_id;
        for (nth, message) in messages.iter().enumerate() {
            let in_batch = || {
                let same = messages[..nth]
                    .iter()
                    .rposition(|m| m.dedup == message.dedup);
                message.dedup.as_ref().and(same)
            };
            let known = match in_batch() {
                Some(at) => Some(ids[at]),
                None => self.known(message)?,
            };
            let id = known.unwrap_or(last_id + 1);
            last_id = last_id.max(id);
            ids.push(id);
        }
        let (depth, limit) = self.depth_and_limit();
        if limit > 0 && last_id > self.last_id && depth + (last_id - self.last_id) > limit {
            return Err(Refusal::QueueFull { depth, limit });
        }
        for (message, id) in messages.iter().zip(&ids) {
            if *id <= self.last_id {
                continue;
            }
            let new = Message {
                payload: message.payload.clone(),
                priority: message.priority,
                group: message.group.clone(),
                deliveries: 0,
                place: Place::Ready,
                placed_by: now.index,
            };
            self.add(now, new, message.delay_ms);
            if let Some((producer, sequence)) = &message.dedup {
                self.remember(now, producer, *sequence, *id);
            }
        }
        Ok(ids)
    }

    /// The id that a message got when it was published before.
    fn known(&self, message: &NewMessage) -> Result<Option<u64>, Refusal> {
        let Some((producer, sequence)) = &message.dedup else {
            return Ok(None);
        };
        let Some(of_producer) = self.published.get(producer) else {
            return Ok(None);
        };
        if let Some((id, _)) = of_producer.get(sequence) {
            return Ok(Some(*id));
        }
        match self.forgotten.get(producer) {
            Some(forgotten) if sequence <= forgotten => Err(Refusal::StaleSequence {
                last: of_producer.last_key_value().map_or(0, |(last, _)| *last),
            }),
            _ => Ok(None),
        }
    }

    fn remember(&mut self, now: Now, producer: &str, sequence: u64, id: u64) {
        let of_producer = self.published.entry(producer.to_owned()).or_default();
        of_producer.insert(sequence, (id, now.index));
        if of_producer.len() > DEDUP_WINDOW
            && let Some((oldest, _)) = of_producer.pop_first()
        {
            let forgotten = self.forgotten.entry(producer.to_owned()).or_default();
            *forgotten = oldest.max(*forgotten);
        }
    }

    fn add(&mut self, now: Now, message: Message, delay_ms: u64) {
        self.last_id += 1;
        let message = Message {
            deliveries: 0,
            ..message
        };
        self.messages.insert(self.last_id, message);
        self.put(now, self.last_id, delay_ms);
    }

    fn receive(&mut self, now: Now, count: u32, visibility_ms: Option<u64>) -> Vec<Delivery> {
        let until_ms = now.served_ms + visibility_ms.unwrap_or(self.settings.visibility_ms);
        let mut deliveries = Vec::new();
        let mut bytes = 0;
        for _ in 0..count {
            if now.level > 0 && bytes >= LARGEST_RECEIVE_BYTES {
                break;
            }
            let Some(id) = self.next() else {
                break;
            };
            self.last_receipt += 1;
            let receipt = self.last_receipt;
            let given = Given {
                message: id,
                by: now.index,
                void_since: None,
            };
            self.receipts.insert(receipt, given);
            if let Some(message) = self.messages.get_mut(&id) {
                message.deliveries += 1;
                message.place = Place::InFlight { receipt, until_ms };
                message.placed_by = now.index;
                bytes += message.payload.len();
                deliveries.push(Delivery {
                    id,
                    receipt,
                    deliveries: message.deliveries,
                    payload: message.payload.clone(),
                });
            }
        }
        deliveries
    }

    /// The message that is handed out next: of the ready ones that nothing of their group comes
    /// before, the largest priority, then the smallest id.
    fn next(&self) -> Option<u64> {
        let mut groups: Vec<&str> = Vec::new();
        let mut best: Option<(u8, u64)> = None;
        for (id, message) in &self.messages {
            if let Some(group) = &message.group {
                if groups.contains(&group.as_str()) {
                    continue;
                }
                groups.push(group);
            }
            let place = (u8::MAX - message.priority, *id);
            if message.place == Place::Ready && best.is_none_or(|best| place < best) {
                best = Some(place);
            }
        }
        best.map(|(_, id)| id)
    }

    /// Makes a receipt void; the message it was good for.
    fn void(&mut self, now: Now, receipt: u64) -> Option<u64> {
        let given = self.receipts.get_mut(&receipt)?;
        if given.void_since.is_some() {
            return None;
        }
        given.void_since = Some(now.index);
        Some(given.message)
    }

    fn void_all(&mut self, now: Now) {
        for given in self.receipts.values_mut() {
            given.void_since.get_or_insert(now.index);
        }
    }

    fn extend(&mut self, now: Now, receipt: u64, visibility_ms: u64) -> bool {
        let given = self.receipts.get(&receipt);
        let Some(given) = given.filter(|given| given.void_since.is_none()) else {
            return false;
        };
        if let Some(message) = self.messages.get_mut(&given.message) {
            let until_ms = now.served_ms + visibility_ms;
            message.place = Place::InFlight { receipt, until_ms };
            message.placed_by = now.index;
        }
        true
    }

    /// A delivery ended without success; what becomes a dead letter is taken out.
    fn give_back(&mut self, now: Now, id: u64, delay_ms: u64) -> Option<(u64, Message)> {
        let limit = self.settings.max_deliveries;
        if limit > 0 && self.messages.get(&id)?.deliveries >= limit {
            self.dead_lettered += 1;
            return Some((id, self.messages.remove(&id)?));
        }
        self.put(now, id, delay_ms);
        None
    }

    fn put(&mut self, now: Now, id: u64, delay_ms: u64) {
        if let Some(message) = self.messages.get_mut(&id) {
            message.placed_by = now.index;
            message.place = match delay_ms {
                0 => Place::Ready,
                _ => Place::Delayed {
                    until_ms: now.served_ms + delay_ms,
                },
            };
        }
    }

    /// Of what is hidden or delayed, what comes back first.
    fn first_due(&self) -> Option<(u64, u64)> {
        let due = self.messages.iter().filter_map(|(id, message)| {
            let (Place::InFlight { until_ms, .. } | Place::Delayed { until_ms }) = message.place
            else {
                return None;
            };
            Some((until_ms, *id))
        });
        due.min()
    }

    fn depth_and_limit(&self) -> (u64, u64) {
        (self.messages.len() as u64, self.settings.max_depth)
    }

    pub(in crate::explain) fn dead_letter_name(&self, level: u32) -> String {
        if let Some(configured) = &self.settings.dead_letter {
            return configured.clone();
        }
        const DEAD: &str = ".dead";
        let mut name = self.name.clone();
        while level > 0 && name.len() > LONGEST_NAME_BYTES - DEAD.len() {
            name.pop();
        }
        name + DEAD
    }

    pub(in crate::explain) fn max_deliveries(&self) -> u32 {
        self.settings.max_deliveries
    }

    pub(in crate::explain) fn info(&self) -> QueueInfo {
        let count = |is: fn(&Place) -> bool| {
            let of = self.messages.values().filter(|message| is(&message.place));
            of.count() as u64
        };
        QueueInfo {
            ready: count(|place| *place == Place::Ready),
            in_flight: count(|place| matches!(place, Place::InFlight { .. })),
            delayed: count(|place| matches!(place, Place::Delayed { .. })),
            published: self.last_id,
            acked: self.acked,
            dead_lettered: self.dead_lettered,
            purged: self.purged,
        }
    }
}
