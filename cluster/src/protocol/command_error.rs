//! Lists the reasons why arguments are no command, worded as in Redis where it has them.
//!
//! Each is definite: the command was not executed. The connection goes on.

use bytes::Bytes;

use super::limits::{MAX_KEY_BYTES, MAX_NAME_BYTES, MAX_VALUE_BYTES};
use super::refusal::{NOT_A_FLOAT, NOT_AN_INTEGER, NOT_FINITE, OUT_OF_RANGE};

/// How much of a name, and of all arguments together, an error quotes, in bytes.
const MAX_QUOTED_BYTES: usize = 128;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// `arguments` is a list of quoted arguments, each with a space after it.
    #[error("ERR unknown command '{name}', with args beginning with: {arguments}")]
    UnknownCommand { name: String, arguments: String },
    #[error("ERR unknown subcommand '{name}'. Try {command} HELP.")]
    UnknownSubcommand { command: &'static str, name: String },
    #[error("ERR wrong number of arguments for '{0}' command")]
    Arity(&'static str),
    #[error("ERR syntax error")]
    Syntax,
    #[error("{NOT_AN_INTEGER}")]
    NotAnInteger,
    #[error("ERR invalid expire time in '{0}' command")]
    ExpireTime(&'static str),
    #[error("ERR decrement would overflow")]
    DecrementOverflow,
    #[error("ERR Unsupported option {0}")]
    UnsupportedOption(String),
    #[error("{OUT_OF_RANGE}")]
    OutOfRange,
    #[error("{NOT_A_FLOAT}")]
    NotAFloat,
    #[error("{NOT_FINITE}")]
    NotFinite,
    #[error("ERR offset is out of range")]
    Offset,
    #[error("ERR NX and XX, GT or LT options at the same time are not compatible")]
    ExpireConditions,
    #[error("ERR GT and LT options at the same time are not compatible")]
    ExpireDirections,
    #[error("ERR Number of keys can't be greater than number of args")]
    TooManyKeys,
    #[error("ERR invalid cursor")]
    Cursor,
    #[error("ERR a queue cannot be re-driven into itself")]
    SameQueue,
    #[error(
        "ERR this script is not known, and scripts are not run: offered are those that compare a key's value and then delete the key or set its lifetime, as libraries use them for locks"
    )]
    Script,
    #[error("NOSCRIPT No matching script. Please use EVAL.")]
    NoScript,
    #[error("ERR Unrecognized option '{0}'")]
    ClientAttribute(String),
    #[error("ERR timeout is negative")]
    NegativeTimeout,
    #[error("ERR timeout is not a float or out of range")]
    Timeout,
    #[error("ERR value is out of range, must be positive")]
    NotPositive,
    /// Of an option, or of the number of keys.
    #[error("ERR {0}")]
    Range(&'static str),
    #[error("ERR PREFIX option requires BCAST mode to be enabled")]
    PrefixWithoutBroadcast,
    #[error("ERR Invalid slot")]
    Slot,
    #[error("ERR '{0}' is not offered by this server: see docs/commands.md for what is")]
    NotOffered(String),
    #[error("ERR a name has 1 to {MAX_NAME_BYTES} bytes of UTF-8")]
    Name,
    #[error("ERR key exceeds the limit of {MAX_KEY_BYTES} bytes")]
    Key,
    #[error("ERR value exceeds the limit of {MAX_VALUE_BYTES} bytes")]
    Value,
    #[error("ERR invalid address '{0}', expected host:port")]
    Address(String),
    #[error("ERR DB index is out of range")]
    Database,
    #[error("ERR Client names cannot contain spaces, newlines or special characters.")]
    ClientName,
    #[error("NOPROTO unsupported protocol version")]
    ProtocolVersion,
    #[error("ERR Protocol version is not an integer or out of range")]
    ProtocolNumber,
    #[error("ERR Syntax error in HELLO option '{0}'")]
    HelloOption(String),
    #[error("ERR ONCE takes a write command")]
    NotAWrite,
    #[error("ERR READ takes a read command")]
    NotARead,
}

impl CommandError {
    pub(super) fn unknown(name: &[u8], rest: &[Bytes]) -> Self {
        let mut arguments = String::new();
        for argument in rest {
            let room = MAX_QUOTED_BYTES.saturating_sub(arguments.len());
            if room == 0 {
                break;
            }
            let shown = &argument[..argument.len().min(room)];
            arguments.push('\'');
            arguments.push_str(&String::from_utf8_lossy(shown));
            arguments.push_str("' ");
        }
        Self::UnknownCommand {
            name: quoted(name),
            arguments,
        }
    }

    pub(super) fn unknown_subcommand(command: &'static str, name: &[u8]) -> Self {
        Self::UnknownSubcommand {
            command,
            name: quoted(name),
        }
    }
}

/// The start of an argument for an error's text; bytes that are not UTF-8 are replaced.
pub(super) fn quoted(argument: &[u8]) -> String {
    let shown = &argument[..argument.len().min(MAX_QUOTED_BYTES)];
    String::from_utf8_lossy(shown).into_owned()
}
