//! What clients ask of the node itself, most of it because Redis libraries send it when
//! they connect; and `SHUTDOWN`, which has no service in its name.
//!
//! `AUTH` is not offered: a node has no users.

use bytes::Bytes;

use super::arguments::{Keyword, at_least, exactly, integer, list_after};
use super::{admin, read_mode};
use crate::protocol::call::{Call, ClusterCall, ConnectionCall, ReadMode};
use crate::protocol::command_error::{CommandError, quoted};
use crate::protocol::decimal::parse_i64;

pub(super) fn parse(name: &[u8], args: &[Bytes]) -> Result<Option<Call>, CommandError> {
    let call = match name {
        b"PING" => match args {
            [] => ConnectionCall::Ping(None),
            [text] => ConnectionCall::Ping(Some(text.clone())),
            _ => return Err(CommandError::Arity("ping")),
        },
        b"ECHO" => {
            let [text] = exactly("echo", args)?;
            ConnectionCall::Echo(text.clone())
        }
        b"QUIT" => ConnectionCall::Quit,
        b"HELLO" => hello(args)?,
        b"SELECT" => select(args)?,
        b"CLIENT" => client(args)?,
        b"COMMAND" => command(args)?,
        b"CONFIG" => config(args)?,
        b"READONLY" => {
            let [] = exactly("readonly", args)?;
            ConnectionCall::Consistency(ReadMode::Local)
        }
        b"READWRITE" => {
            let [] = exactly("readwrite", args)?;
            ConnectionCall::Consistency(ReadMode::Linearizable)
        }
        b"CONSISTENCY" => {
            let (mode, rest) = read_mode("consistency", args)?;
            let [] = exactly("consistency", rest)?;
            ConnectionCall::Consistency(mode)
        }
        b"INFO" => ConnectionCall::Info {
            sections: args
                .iter()
                .map(|section| quoted(section).to_ascii_lowercase())
                .collect(),
        },
        b"CLUSTER" => cluster(args)?,
        b"TIME" => {
            let [] = exactly("time", args)?;
            ConnectionCall::Time
        }
        b"SHUTDOWN" => return admin::shutdown(args).map(Some),
        _ => return Ok(None),
    };
    Ok(Some(Call::Connection(call)))
}

/// `HELLO [2 [SETNAME name]]`
fn hello(args: &[Bytes]) -> Result<ConnectionCall, CommandError> {
    let Some((version, rest)) = args.split_first() else {
        return Ok(ConnectionCall::Hello { name: None });
    };
    match parse_i64(version) {
        Some(2) => {}
        Some(_) => return Err(CommandError::ProtocolVersion),
        None => return Err(CommandError::ProtocolNumber),
    }
    match rest {
        [] => Ok(ConnectionCall::Hello { name: None }),
        [option, name] if *Keyword::new(option) == *b"SETNAME" => Ok(ConnectionCall::Hello {
            name: Some(client_name(name)?),
        }),
        [option, ..] => Err(CommandError::HelloOption(quoted(option))),
    }
}

fn select(args: &[Bytes]) -> Result<ConnectionCall, CommandError> {
    let [database] = exactly("select", args)?;
    match integer(database)? {
        0 => Ok(ConnectionCall::Select),
        _ => Err(CommandError::Database),
    }
}

fn client(args: &[Bytes]) -> Result<ConnectionCall, CommandError> {
    let ([verb], rest) = at_least("client", args)?;
    match &*Keyword::new(verb) {
        b"SETNAME" => {
            let [name] = exactly("client|setname", rest)?;
            Ok(ConnectionCall::ClientSetName(client_name(name)?))
        }
        b"GETNAME" => {
            let [] = exactly("client|getname", rest)?;
            Ok(ConnectionCall::ClientGetName)
        }
        b"SETINFO" => {
            let [_attribute, _value] = exactly("client|setinfo", rest)?;
            Ok(ConnectionCall::ClientSetInfo)
        }
        b"ID" => {
            let [] = exactly("client|id", rest)?;
            Ok(ConnectionCall::ClientId)
        }
        _ => Err(CommandError::unknown_subcommand("CLIENT", verb)),
    }
}

fn client_name(name: &Bytes) -> Result<Bytes, CommandError> {
    if !name.iter().all(u8::is_ascii_graphic) {
        return Err(CommandError::ClientName);
    }
    Ok(name.clone())
}

fn command(args: &[Bytes]) -> Result<ConnectionCall, CommandError> {
    let Some((verb, rest)) = args.split_first() else {
        return Ok(ConnectionCall::CommandTable);
    };
    match &*Keyword::new(verb) {
        b"DOCS" | b"INFO" | b"LIST" => Ok(ConnectionCall::CommandTable),
        b"COUNT" => {
            let [] = exactly("command|count", rest)?;
            Ok(ConnectionCall::CommandCount)
        }
        _ => Err(CommandError::unknown_subcommand("COMMAND", verb)),
    }
}

fn config(args: &[Bytes]) -> Result<ConnectionCall, CommandError> {
    let ([verb], rest) = at_least("config", args)?;
    match &*Keyword::new(verb) {
        b"GET" => {
            let ([], names) = list_after("config|get", rest)?;
            Ok(ConnectionCall::ConfigGet(names.to_vec()))
        }
        _ => Err(CommandError::unknown_subcommand("CONFIG", verb)),
    }
}

fn cluster(args: &[Bytes]) -> Result<ConnectionCall, CommandError> {
    let ([verb], rest) = at_least("cluster", args)?;
    let (name, call) = match &*Keyword::new(verb) {
        b"KEYSLOT" => {
            let [key] = exactly("cluster|keyslot", rest)?;
            return Ok(ConnectionCall::Cluster(ClusterCall::KeySlot(key.clone())));
        }
        b"SLOTS" => ("cluster|slots", ClusterCall::Slots),
        b"SHARDS" => ("cluster|shards", ClusterCall::Shards),
        b"NODES" => ("cluster|nodes", ClusterCall::Nodes),
        b"INFO" => ("cluster|info", ClusterCall::Info),
        b"MYID" => ("cluster|myid", ClusterCall::MyId),
        _ => return Err(CommandError::unknown_subcommand("CLUSTER", verb)),
    };
    let [] = exactly(name, rest)?;
    Ok(ConnectionCall::Cluster(call))
}
