//! Classes of commands: what makes the state grow, and which level of the rules a command is of.
//!
//! Both are asked by a leader before it proposes anything, never while an entry is applied:
//! whether there is room is for each node to say, and an entry that some member does not know must
//! not come into the log.

use super::command::{
    CacheCommand, Command, ListCommand, LockCommand, Query, QueueCommand, SessionCommand, Step,
    StringCommand,
};

impl Command {
    /// Whether the command may make the state larger. What does not, reads, deletions,
    /// acknowledgements and the like, is served when there is room for nothing more.
    pub fn grows(&self) -> bool {
        match self {
            Self::Session(command) => matches!(command, SessionCommand::Open { .. }),
            Self::Lock(command) => matches!(command, LockCommand::Acquire { .. }),
            Self::Queue(command) => queue_grows(command),
            Self::Cache(command) => cache_grows(command),
            Self::String(command) => string_grows(command),
            Self::List(command) => list_grows(command),
            Self::Transaction { steps, .. } => steps.iter().any(|step| match step {
                Step::Queue(command) => queue_grows(command),
                Step::Cache(command) => cache_grows(command),
                Step::String(command) => string_grows(command),
                Step::List(command) => list_grows(command),
                Step::Read(_) => false,
            }),
            Self::NewLeader | Self::Expire { .. } | Self::Raise { .. } => false,
        }
    }

    /// The level of the rules at which every member knows the command; see
    /// [`LEVEL`](super::LEVEL).
    pub fn level(&self) -> u32 {
        match self {
            Self::Queue(command) => queue_level(command),
            Self::String(_) => 1,
            Self::List(_) => 3,
            Self::Transaction { steps, .. } => {
                steps.iter().map(step_level).max().unwrap_or(0).max(1)
            }
            Self::NewLeader
            | Self::Expire { .. }
            | Self::Session(_)
            | Self::Lock(_)
            | Self::Cache(_)
            | Self::Raise { .. } => 0,
        }
    }
}

fn step_level(step: &Step) -> u32 {
    match step {
        Step::Queue(command) => queue_level(command),
        Step::List(_) => 3,
        Step::Read(query) => query_level(query),
        Step::Cache(_) | Step::String(_) => 0,
    }
}

fn query_level(query: &Query) -> u32 {
    match query {
        Query::Get { .. }
        | Query::Ttl { .. }
        | Query::CacheSize
        | Query::Lock { .. }
        | Query::Queue { .. }
        | Query::Session { .. }
        | Query::ExpireTime { .. }
        | Query::Keys { .. }
        | Query::Scan { .. }
        | Query::RandomKey { .. } => 0,
        Query::List { .. } => 2,
        Query::ScanOf { .. }
        | Query::ListLength { .. }
        | Query::ListRange { .. }
        | Query::ListIndex { .. }
        | Query::ListFind { .. } => 3,
    }
}

fn queue_level(command: &QueueCommand) -> u32 {
    match command {
        QueueCommand::Delete { .. } | QueueCommand::Redrive { .. } => 2,
        _ => 0,
    }
}

fn queue_grows(command: &QueueCommand) -> bool {
    matches!(
        command,
        QueueCommand::Publish { .. } | QueueCommand::Configure { .. }
    )
}

fn cache_grows(command: &CacheCommand) -> bool {
    matches!(
        command,
        CacheCommand::Set { .. } | CacheCommand::Increment { .. }
    )
}

fn string_grows(command: &StringCommand) -> bool {
    !matches!(
        command,
        StringCommand::GetDelete { .. }
            | StringCommand::GetExpire { .. }
            | StringCommand::Expire { .. }
            | StringCommand::Rename { .. }
            | StringCommand::DeleteIf { .. }
            | StringCommand::ExpireIf { .. }
    )
}

fn list_grows(command: &ListCommand) -> bool {
    matches!(
        command,
        ListCommand::Push { .. }
            | ListCommand::Move { .. }
            | ListCommand::Insert { .. }
            | ListCommand::Set { .. }
    )
}
