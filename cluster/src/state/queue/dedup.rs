//! Deduplication of published messages by producer and sequence.
//!
//! For each producer the last [`DEDUP_WINDOW`] sequences and the ids they got are kept. A
//! sequence inside that window is known for certain: it was published and has an id, or it
//! was not, and may be published now even though later ones came first (a producer with
//! several requests under way loses one and retries it). A sequence below the window can
//! be either, so it is refused rather than published twice or acknowledged untruly.
//!
//! Producers are never forgotten. Source of the idea: Kafka's idempotent producer, KIP-98.

use crate::state::command::{MessageId, Refusal};
use crate::state::limits::DEDUP_WINDOW;
use crate::state::snapshot::{DecodeError, ensure};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a producer takes beside its name, and what each of its sequences takes.
const PRODUCER_BYTES: u64 = 160;
const SEQUENCE_BYTES: u64 = 64;

/// What a queue remembers of its producers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Producers {
    producers: BTreeMap<String, Producer>,
    /// Memory taken, by our account.
    #[serde(skip)]
    bytes: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Producer {
    /// Sequence to message id, of the largest sequences seen.
    window: BTreeMap<u64, MessageId>,
    /// The largest sequence that has left the window.
    forgotten: Option<u64>,
}

impl Producers {
    /// The id that the sequence got; `None` if it was never published.
    pub(super) fn find(&self, producer: &str, sequence: u64) -> Result<Option<MessageId>, Refusal> {
        let Some(producer) = self.producers.get(producer) else {
            return Ok(None);
        };
        if let Some(&id) = producer.window.get(&sequence) {
            return Ok(Some(id));
        }
        match producer.forgotten {
            Some(forgotten) if sequence <= forgotten => Err(Refusal::StaleSequence {
                last: producer.last(),
            }),
            _ => Ok(None),
        }
    }

    pub(super) fn remember(&mut self, producer: &str, sequence: u64, id: MessageId) {
        if !self.producers.contains_key(producer) {
            self.bytes += PRODUCER_BYTES + producer.len() as u64;
            self.producers
                .insert(producer.to_owned(), Producer::default());
        }
        let producer = self
            .producers
            .get_mut(producer)
            .expect("the producer was just inserted");
        if producer.window.insert(sequence, id).is_none() {
            self.bytes += SEQUENCE_BYTES;
        }
        if producer.window.len() > DEDUP_WINDOW {
            self.bytes -= SEQUENCE_BYTES;
            let oldest = producer.window.pop_first();
            producer.forgotten = oldest.map(|(sequence, _)| sequence).max(producer.forgotten);
        }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Counts a decoded table, and refuses one that no log can have produced.
    pub(super) fn reindex(&mut self, last_id: MessageId) -> Result<(), DecodeError> {
        for (name, producer) in &self.producers {
            let sequences = producer.window.len() as u64;
            self.bytes += PRODUCER_BYTES + name.len() as u64 + sequences * SEQUENCE_BYTES;
            ensure(
                producer.window.len() <= DEDUP_WINDOW,
                "a deduplication window too long",
            )?;
            ensure(
                producer.window.values().all(|&id| id <= last_id),
                "a deduplicated message beyond the last one",
            )?;
        }
        Ok(())
    }
}

impl Producer {
    fn last(&self) -> u64 {
        let last = self.window.last_key_value();
        last.map_or(0, |(&sequence, _)| sequence)
    }
}
