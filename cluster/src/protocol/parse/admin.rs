//! `RAFT.*` and `SHUTDOWN`: operation of the cluster.

use bytes::Bytes;

use super::arguments::{Keyword, address, at_least, exactly, number};
use crate::protocol::call::{AdminCall, Call};
use crate::protocol::command_error::CommandError;

pub(super) fn parse(verb: &[u8], args: &[Bytes]) -> Result<Option<Call>, CommandError> {
    let call = match verb {
        b"STATUS" => {
            let [] = exactly("raft.status", args)?;
            AdminCall::Status
        }
        b"ADD" => {
            let [id, addr] = exactly("raft.add", args)?;
            AdminCall::Add {
                id: number(id)?,
                addr: address(addr)?,
            }
        }
        b"REMOVE" => {
            let [id] = exactly("raft.remove", args)?;
            AdminCall::Remove { id: number(id)? }
        }
        b"REPLACE" => {
            let [old, new, addr] = exactly("raft.replace", args)?;
            AdminCall::Replace {
                old: number(old)?,
                new: number(new)?,
                addr: address(addr)?,
            }
        }
        b"TRANSFER" => {
            let [id] = exactly("raft.transfer", args)?;
            AdminCall::Transfer { id: number(id)? }
        }
        b"SNAPSHOT" => {
            let [] = exactly("raft.snapshot", args)?;
            AdminCall::Snapshot
        }
        b"DIGEST" => {
            let [] = exactly("raft.digest", args)?;
            AdminCall::Digest
        }
        b"INIT" => init(args)?,
        _ => return Ok(None),
    };
    Ok(Some(Call::Admin(call)))
}

/// `RAFT.INIT id addr [id addr ...]`
fn init(args: &[Bytes]) -> Result<AdminCall, CommandError> {
    let ([_, _], _) = at_least("raft.init", args)?;
    let (pairs, []) = args.as_chunks::<2>() else {
        return Err(CommandError::Arity("raft.init"));
    };
    let members = pairs
        .iter()
        .map(|[id, addr]| Ok((number(id)?, address(addr)?)))
        .collect::<Result<_, CommandError>>()?;
    Ok(AdminCall::Init { members })
}

/// `SHUTDOWN`, with Redis's options for its dump file, which have no meaning here.
pub(super) fn shutdown(args: &[Bytes]) -> Result<Call, CommandError> {
    let known = args.iter().all(|option| {
        matches!(
            &*Keyword::new(option),
            b"NOSAVE" | b"SAVE" | b"NOW" | b"FORCE"
        )
    });
    if !known {
        return Err(CommandError::Syntax);
    }
    Ok(Call::Admin(AdminCall::Shutdown))
}
