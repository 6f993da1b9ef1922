//! One direction of a connection, as its bytes pass: frames, and what is still on its way.

use std::collections::VecDeque;
use std::net::SocketAddr;

use bytes::BytesMut;
use squall_backend::trace::{Content, Lost};
use squall_cluster::protocol::{Decoder, next_frame};
use squall_cluster::raft::overhear::{self, EntryNote};
use squall_engine::executor::HostId;

use super::reply;
use crate::address::{PEER_PORT, PORT, host_of};

/// Any world: what is written does not depend on it.
type AnyWorld = squall_world::RealWorld;

/// A direction of a connection: sender and receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Way {
    from: SocketAddr,
    to: SocketAddr,
}

impl Way {
    pub(crate) fn new(from: SocketAddr, to: SocketAddr) -> Self {
        Self { from, to }
    }

    pub(super) fn back(self) -> Self {
        Self::new(self.to, self.from)
    }

    pub(super) fn from(self) -> (HostId, u16) {
        (host_of(self.from.ip()), self.from.port())
    }

    pub(super) fn to(self) -> (HostId, u16) {
        (host_of(self.to.ip()), self.to.port())
    }
}

/// What its bytes are.
enum Speech {
    PeerRequests,
    PeerResponses,
    Commands(Decoder),
    Replies,
    /// Nobody here can read them, or what was to be read made no sense.
    Unknown,
}

/// A message, complete.
pub(super) struct Heard {
    pub(super) content: Content,
    pub(super) entries: Vec<EntryNote>,
    pub(super) bytes: u64,
    /// Where in the direction's bytes it ends.
    pub(super) end: u64,
}

pub(super) struct Direction {
    speech: Speech,
    bytes: BytesMut,
    /// Bytes that have left.
    sent: u64,
    /// Where the last message ends.
    heard: u64,
    arrived: u64,
    read: u64,
    written: u64,
    /// Messages by where they end: not arrived, and not read.
    pub(super) under_way: VecDeque<(u64, u64)>,
    unread: VecDeque<(u64, u64)>,
    /// Operations by where what was written for them ends.
    operations: VecDeque<(u64, Option<u64>)>,
    /// Requests without an answer so far, with their operations.
    pub(super) unanswered: VecDeque<(u64, Option<u64>)>,
    /// Nobody reads what arrives.
    pub(super) closed: Option<Lost>,
}

impl Direction {
    pub(super) fn new(way: Way, is_own_cluster: bool) -> Self {
        let speech = match (way.from().1, way.to().1) {
            _ if !is_own_cluster => Speech::Unknown,
            (_, PEER_PORT) => Speech::PeerRequests,
            (PEER_PORT, _) => Speech::PeerResponses,
            (_, PORT) => Speech::Commands(Decoder::new()),
            (PORT, _) => Speech::Replies,
            _ => Speech::Unknown,
        };
        Self {
            speech,
            bytes: BytesMut::new(),
            sent: 0,
            heard: 0,
            arrived: 0,
            read: 0,
            written: 0,
            under_way: VecDeque::new(),
            unread: VecDeque::new(),
            operations: VecDeque::new(),
            unanswered: VecDeque::new(),
            closed: None,
        }
    }

    /// Whether its messages are answers to those of the other direction.
    pub(super) fn answers(&self) -> bool {
        matches!(self.speech, Speech::PeerResponses | Speech::Replies)
    }

    /// Whether nothing has left yet of what was written.
    pub(super) fn has_only_written(&self) -> bool {
        self.sent == 0 && self.written > 0
    }

    pub(super) fn wrote(&mut self, bytes: usize, op: Option<u64>) {
        self.written += bytes as u64;
        self.operations.push_back((self.written, op));
    }

    /// The operation for which the bytes before `end` were written.
    pub(super) fn operation(&mut self, end: u64) -> Option<u64> {
        while let Some((written, op)) = self.operations.front().copied() {
            if written >= end {
                return op;
            }
            self.operations.pop_front();
        }
        None
    }

    /// Takes in bytes that leave, and gives the messages that they complete.
    pub(super) fn hear(&mut self, payload: &[u8]) -> Vec<Heard> {
        self.sent += payload.len() as u64;
        if !matches!(self.speech, Speech::Unknown) {
            self.bytes.extend_from_slice(payload);
        }
        let mut heard = Vec::new();
        loop {
            let (content, entries) = match &mut self.speech {
                Speech::Unknown => {
                    if self.heard == self.sent {
                        return heard;
                    }
                    (Content::Bytes, Vec::new())
                }
                speech => match speech.next(&mut self.bytes) {
                    Ok(Some(said)) => said,
                    Ok(None) => return heard,
                    Err(Nonsense) => {
                        self.bytes.clear();
                        self.speech = Speech::Unknown;
                        continue;
                    }
                },
            };
            let end = self.sent - self.bytes.len() as u64;
            heard.push(Heard {
                content,
                entries,
                bytes: end - self.heard,
                end,
            });
            self.heard = end;
        }
    }

    /// Takes in bytes that arrive; the messages that are complete with them.
    pub(super) fn arrive(&mut self, bytes: usize) -> Vec<u64> {
        self.arrived += bytes as u64;
        let arrived = self.arrived;
        let done = std::iter::from_fn(|| {
            let first = self.under_way.front().copied();
            let (end, number) = first.filter(|(end, _)| *end <= arrived)?;
            self.under_way.pop_front();
            self.unread.push_back((end, number));
            Some(number)
        });
        done.collect()
    }

    /// Takes in bytes that are read; the messages that are complete with them.
    pub(super) fn read(&mut self, bytes: usize) -> Vec<u64> {
        self.read += bytes as u64;
        let read = self.read;
        let done = std::iter::from_fn(|| {
            let first = self.unread.front().copied();
            let (_, number) = first.filter(|(end, _)| *end <= read)?;
            self.unread.pop_front();
            Some(number)
        });
        done.collect()
    }
}

struct Nonsense;

impl Speech {
    fn next(
        &mut self,
        bytes: &mut BytesMut,
    ) -> Result<Option<(Content, Vec<EntryNote>)>, Nonsense> {
        let said = match self {
            Speech::PeerRequests => overhear::next_frame(bytes).map(|frame| {
                let (message, entries) = overhear::request::<AnyWorld>(&frame);
                (Content::Peer(message), entries)
            }),
            Speech::PeerResponses => overhear::next_frame(bytes).map(|frame| {
                let message = overhear::response::<AnyWorld>(&frame);
                (Content::Peer(message), Vec::new())
            }),
            Speech::Commands(decoder) => {
                let command = decoder.next(bytes).map_err(|_| Nonsense)?;
                command.map(|arguments| {
                    let command = reply::command(&arguments);
                    (Content::Call { command }, Vec::new())
                })
            }
            Speech::Replies => {
                let frame = next_frame(bytes).map_err(|_| Nonsense)?;
                frame.map(|frame| {
                    let reply = reply::text(&frame);
                    (Content::Answer { reply }, Vec::new())
                })
            }
            Speech::Unknown => None,
        };
        Ok(said)
    }
}
