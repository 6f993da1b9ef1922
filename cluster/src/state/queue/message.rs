//! Defines what a queue holds for one message: its content, its place, and how often it was
//! delivered.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

#[cfg(feature = "planted")]
use crate::state::command::NewMessage;
use crate::state::command::Receipt;

/// What a message takes beside its payload and group: in the maps of its queue, and for
/// allocating it.
const MESSAGE_BYTES: u64 = 300;

/// What a queue holds for one message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Message {
    pub(super) content: Content,
    pub(super) deliveries: u32,
    pub(super) place: Place,
}

/// What of a message survives dead-lettering.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Content {
    pub(super) payload: Bytes,
    pub(super) priority: u8,
    pub(super) group: Option<String>,
}

impl Content {
    /// Memory taken, by our account.
    pub(super) fn bytes(&self) -> u64 {
        let group = self.group.as_ref().map_or(0, String::len);
        MESSAGE_BYTES + (self.payload.len() + group) as u64
    }
}

#[cfg(feature = "planted")]
impl Content {
    pub(super) fn into_new(self) -> NewMessage {
        NewMessage {
            payload: self.payload,
            delay_ms: 0,
            priority: self.priority,
            group: self.group,
            dedup: None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Place {
    Ready,
    /// Until a served time.
    Delayed {
        until_ms: u64,
    },
    InFlight {
        receipt: Receipt,
        until_ms: u64,
    },
}
