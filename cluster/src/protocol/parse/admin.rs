//! `RAFT.*` and `SHUTDOWN`: operation of the cluster.

use bytes::Bytes;

use super::arguments::{Keyword, address, at_least, exactly, number};
use crate::protocol::call::{AdminCall, Call};
use crate::protocol::command_error::CommandError;

pub(super) fn status(args: &[Bytes]) -> Result<Call, CommandError> {
    let [] = exactly("raft.status", args)?;
    Ok(Call::Admin(AdminCall::Status))
}

pub(super) fn add(args: &[Bytes]) -> Result<Call, CommandError> {
    let [id, addr] = exactly("raft.add", args)?;
    Ok(Call::Admin(AdminCall::Add {
        id: number(id)?,
        addr: address(addr)?,
    }))
}

pub(super) fn remove(args: &[Bytes]) -> Result<Call, CommandError> {
    let [id] = exactly("raft.remove", args)?;
    Ok(Call::Admin(AdminCall::Remove { id: number(id)? }))
}

pub(super) fn replace(args: &[Bytes]) -> Result<Call, CommandError> {
    let [old, new, addr] = exactly("raft.replace", args)?;
    Ok(Call::Admin(AdminCall::Replace {
        old: number(old)?,
        new: number(new)?,
        addr: address(addr)?,
    }))
}

pub(super) fn transfer(args: &[Bytes]) -> Result<Call, CommandError> {
    let [id] = exactly("raft.transfer", args)?;
    Ok(Call::Admin(AdminCall::Transfer { id: number(id)? }))
}

pub(super) fn snapshot(args: &[Bytes]) -> Result<Call, CommandError> {
    let [] = exactly("raft.snapshot", args)?;
    Ok(Call::Admin(AdminCall::Snapshot))
}

pub(super) fn backup(args: &[Bytes]) -> Result<Call, CommandError> {
    let [] = exactly("raft.backup", args)?;
    Ok(Call::Admin(AdminCall::Backup))
}

pub(super) fn digest(args: &[Bytes]) -> Result<Call, CommandError> {
    let [] = exactly("raft.digest", args)?;
    Ok(Call::Admin(AdminCall::Digest))
}

/// `RAFT.INIT id addr [id addr ...]`
pub(super) fn init(args: &[Bytes]) -> Result<Call, CommandError> {
    let ([_, _], _) = at_least("raft.init", args)?;
    let (pairs, []) = args.as_chunks::<2>() else {
        return Err(CommandError::Arity("raft.init"));
    };
    let members = pairs
        .iter()
        .map(|[id, addr]| Ok((number(id)?, address(addr)?)))
        .collect::<Result<_, CommandError>>()?;
    Ok(Call::Admin(AdminCall::Init { members }))
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
