//! The client protocol: RESP, the protocol of Redis, as bytes on one side and typed
//! commands on the other, so that `redis-cli`, `redis-benchmark` and every Redis
//! library can talk to a node.
//!
//! ```text
//! node    bytes ──Decoder──▶ arguments ──parse──▶ Call … Reply ──encode──▶ bytes
//! client  Command ──write_command──▶ bytes … bytes ──next_frame──▶ frame ──decode_reply──▶ Reply
//! ```
//!
//! Everything here is a function over data. Nothing opens a socket, waits, reads a
//! clock or touches the replicated state. Nodes speak versions 2 and 3; the client of this
//! crate speaks version 2.
//!
//! Source: <https://redis.io/docs/latest/develop/reference/protocol-spec/>; error texts
//! follow Redis 7 (`networking.c`, `server.c`, `t_string.c`).

mod answer;
mod call;
mod command_error;
mod decimal;
mod decode;
mod frame;
mod inline;
mod limits;
mod node_error;
mod parse;
mod protocol_error;
mod push;
mod refusal;
mod reply;
mod request;
mod sha1;
mod slot;
pub mod wire;

pub(crate) use answer::decode_push;
pub use answer::{Asked, ReplyError, decode_reply};
pub(crate) use call::{
    AdminCall, Call, ClientAttribute, ClientCall, ClusterCall, CommandCall, ConnectionCall,
    FOREVER_MS, KillFilter, Remember, ReplyMode, ScriptCall, TrackingCall, TransactionCall,
};
pub use call::{ReadMode, ReplyStyle};
pub(crate) use command_error::CommandError;
pub use decode::Decoder;
pub use frame::next_frame;
pub use limits::*;
pub(crate) use node_error::{CLUSTER_DOWN, moved, out_of_memory, try_again, unknown_outcome};
pub(crate) use parse::Script;
pub use parse::{COMMANDS, Flags, Keys, Spec, parse};
pub use protocol_error::ProtocolError;
pub use push::Push;
pub(crate) use push::{MAX_PUSHED_KEYS, write_ping, write_track};
pub use redis_protocol::resp2::types::BytesFrame;
pub use reply::encode;
pub(crate) use reply::{REDIS_VERSION, encode_hello};
pub use request::encode_call;
pub(crate) use request::read_query;
pub use request::write_command;
pub use sha1::sha1_hex;
pub(crate) use slot::{SLOTS, slot};
pub use wire::RespVersion;

#[cfg(test)]
mod tests;
