//! Who leads: what a node says of itself, by its protocol or by a command of the system's file.

use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use squall_world::{Instant, RealWorld, World, timeout_at};
use tokio::process::Command;

use crate::file::{CLIENT_PORT, Protocol, StatusTable, SystemFile};
use crate::launch::fill;
use crate::template::Member;

/// What a node says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    pub role: Role,
    /// Term, view or epoch: rises with every leader. `None` where the system has none.
    pub term: Option<u64>,
    /// Position of what it has applied, in whatever the system counts.
    pub applied: Option<u64>,
}

/// Part of a node in its cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It takes writes, or believes to.
    Leader,
    /// It does not.
    Follower,
}

/// A node that is asked has no longer to answer than this.
const PATIENCE: Duration = Duration::from_millis(500);
/// A command has to be started first.
const PATIENCE_WITH_COMMANDS: Duration = Duration::from_secs(3);

impl SystemFile {
    /// What the node of this index says of itself; `None` if it does not answer soon, or its
    /// answer is not what was expected.
    pub async fn status(&self, members: &[Member], index: usize) -> Option<Status> {
        let deadline = RealWorld::now() + PATIENCE;
        if let (Some(table), Some(command)) = (&self.table.status, &self.commands.status) {
            let place = self.place(members, index, std::path::Path::new("."));
            let command = fill(command, place).ok()?;
            let deadline = RealWorld::now() + PATIENCE_WITH_COMMANDS;
            return by_command(table, &command, deadline).await;
        }
        let address = members[index].address(CLIENT_PORT)?;
        match self.protocol() {
            #[cfg(feature = "etcd")]
            Protocol::Etcd => crate::etcd::status(&address, deadline).await,
            #[cfg(feature = "redis")]
            Protocol::Redis | Protocol::RedisSentinel | Protocol::RedisCluster => {
                let sentinel = members[index].address(crate::check::SENTINEL_PORT);
                let topology = self.topology(members);
                crate::redis::status(&topology, &address, sentinel.as_deref(), deadline).await
            }
            // Squall's own nodes tell by their events, and a program says nothing of nodes.
            _ => None,
        }
    }
}

async fn by_command(table: &StatusTable, command: &[String], deadline: Instant) -> Option<Status> {
    let (program, arguments) = command.split_first()?;
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = timeout_at::<RealWorld, _>(deadline, output)
        .await
        .ok()?
        .ok()?;
    read(table, &serde_json::from_slice(&output.stdout).ok()?)
}

fn read(table: &StatusTable, told: &Value) -> Option<Status> {
    let number = |pointer: &Option<String>| {
        let found = told.pointer(pointer.as_ref()?)?;
        found.as_u64().or_else(|| found.as_str()?.parse().ok())
    };
    let role = match *told.pointer(&table.role)? == table.leader {
        true => Role::Leader,
        false => Role::Follower,
    };
    Some(Status {
        role,
        term: number(&table.term),
        applied: number(&table.applied),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_status_is_read_by_pointers() {
        let table: StatusTable = toml::from_str(
            "command = [\"x\"]\nrole = \"/role\"\nleader = \"primary\"\nterm = \"/view\"\n\
             applied = \"/log/0/applied\"\n",
        )
        .expect("it is a table");
        let told = json!({ "role": "primary", "view": 3, "log": [{ "applied": "17" }] });
        let expected = Status {
            role: Role::Leader,
            term: Some(3),
            applied: Some(17),
        };
        assert_eq!(read(&table, &told), Some(expected));
        let follower = read(&table, &json!({ "role": "backup" }));
        assert_eq!(
            follower.map(|status| (status.role, status.term)),
            Some((Role::Follower, None))
        );
        assert_eq!(read(&table, &json!({})), None);
    }
}
