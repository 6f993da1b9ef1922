//! Who leads: what a node says of itself, by its protocol or by a command of the system's file.

use std::time::Duration;

use serde_json::Value;
use squall_world::{Instant, RealWorld, World, timeout_at};
use tokio::process::Command;

use crate::command::{Output, output};
use crate::file::SystemFile;
use crate::launch::fill;
use crate::role::{Role, Status};
use crate::table::{CLIENT_PORT, Protocol, StatusTable};
use crate::template::Member;

/// A node that is asked has no longer to answer than this.
const PATIENCE: Duration = Duration::from_millis(500);
/// A command has to be started first.
const PATIENCE_WITH_COMMANDS: Duration = Duration::from_secs(3);
/// Most characters of a wrong answer that are shown.
const MOST_SAID: usize = 200;

impl SystemFile {
    /// Whether a program is started to ask a node.
    pub fn is_asked_by_command(&self) -> bool {
        self.commands.status.is_some()
    }

    /// As [`Self::ask`], of which only the answer matters.
    pub async fn status(&self, members: &[Member], index: usize) -> Option<Status> {
        self.ask(members, index).await.ok()
    }

    /// What the node of this index says of itself.
    ///
    /// # Errors
    /// It does not answer soon, or its answer is not what was expected.
    pub async fn ask(&self, members: &[Member], index: usize) -> Result<Status, String> {
        if let (Some(table), Some(command)) = (&self.table.status, &self.commands.status) {
            let place = self.place(members, index, std::path::Path::new("."));
            let command = fill(command, place)?;
            let deadline = RealWorld::now() + PATIENCE_WITH_COMMANDS;
            let marked = self.mark.command(&command).ok_or("there is no program")?;
            let answer = by_command(table, marked, deadline).await;
            return answer.map_err(|why| format!("`{}`: {why}", command.join(" ")));
        }
        let address = members[index].address(CLIENT_PORT);
        let address = address.ok_or("it has no port for clients")?;
        let answer = self.by_protocol(members, index, &address).await;
        answer.ok_or_else(|| format!("{address} does not answer, or not as was expected"))
    }

    async fn by_protocol(&self, members: &[Member], index: usize, address: &str) -> Option<Status> {
        let deadline = RealWorld::now() + PATIENCE;
        match self.protocol() {
            #[cfg(feature = "etcd")]
            Protocol::Etcd => crate::etcd::status(address, deadline).await,
            #[cfg(feature = "redis")]
            Protocol::Redis | Protocol::RedisSentinel | Protocol::RedisCluster => {
                let sentinel = members[index].address(crate::check::SENTINEL_PORT);
                let topology = self.topology(members);
                crate::redis::status(&topology, address, sentinel.as_deref(), deadline).await
            }
            #[cfg(feature = "nats")]
            Protocol::Nats => {
                let monitor = members[index].address(crate::check::MONITOR_PORT)?;
                let name = squall_fault::node_name(index);
                crate::nats::status(&name, &monitor, &self.table.service, deadline).await
            }
            // Squall's own nodes tell by their events, and a program says nothing of nodes.
            _ => None,
        }
    }
}

async fn by_command(
    table: &StatusTable,
    command: Command,
    deadline: Instant,
) -> Result<Status, String> {
    let output = timeout_at::<RealWorld, _>(deadline, output(command)).await;
    let output = output.map_err(|_| "it has not ended in time")?;
    let output = output.map_err(|error| error.to_string())?;
    let answer: Option<Value> = serde_json::from_slice(&output.out).ok();
    if let Some(answer) = &answer
        && let Some(status) = read(table, answer)
    {
        return Ok(status);
    }
    let missing = match answer {
        None => "no JSON",
        Some(_) => "not what [status] points at",
    };
    Err(format!(
        "{}, and it said {missing}: {}",
        output.status,
        said(&output)
    ))
}

/// The beginning of what a program wrote.
fn said(output: &Output) -> String {
    let text = [&output.out, &output.err].map(|text| String::from_utf8_lossy(text));
    let text = text.join(" ");
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").chars().take(MOST_SAID).collect()
}

fn read(table: &StatusTable, printed: &Value) -> Option<Status> {
    let number = |pointer: &Option<String>| {
        let found = printed.pointer(pointer.as_ref()?)?;
        found.as_u64().or_else(|| found.as_str()?.parse().ok())
    };
    let role = match *printed.pointer(&table.role)? == table.leader {
        true => Role::Leader,
        false => Role::Follower,
    };
    let term = number(&table.term);
    // A role without its term may be a later one's.
    if table.term.is_some() && term.is_none() {
        return None;
    }
    Some(Status {
        role,
        term,
        applied: number(&table.applied),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::command::Mark;
    use crate::testing::in_real_world;

    #[test]
    fn a_command_without_an_answer_says_why() {
        let table: StatusTable =
            toml::from_str("command = [\"x\"]\nrole = \"/role\"\nleader = \"primary\"\n")
                .expect("it is a table");
        let asked = |script: &str, ms: u64| {
            let argv = ["sh", "-c", script].map(str::to_owned);
            let command = Mark::default().command(&argv).expect("a shell");
            let deadline = RealWorld::now() + Duration::from_millis(ms);
            in_real_world(by_command(&table, command, deadline))
        };
        let leads = asked("sleep 0.5; echo '{\"role\":\"primary\"}'", 3_000);
        assert_eq!(leads.map(|status| status.role), Ok(Role::Leader));
        for (script, expected) in [
            (
                "echo no such node >&2; exit 3",
                "exit status: 3, and it said no JSON: no such node",
            ),
            ("echo '{}'", "not what [status] points at: {}"),
        ] {
            let why = asked(script, 3_000).expect_err(script);
            assert!(why.contains(expected), "{why}");
        }
        let why = asked("sleep 5", 100).expect_err("it takes longer");
        assert_eq!(why, "it has not ended in time");
    }

    #[test]
    fn a_status_is_read_by_pointers() {
        let table: StatusTable = toml::from_str(
            "command = [\"x\"]\nrole = \"/role\"\nleader = \"primary\"\nterm = \"/view\"\n\
             applied = \"/log/0/applied\"\n",
        )
        .expect("it is a table");
        let printed = json!({ "role": "primary", "view": 3, "log": [{ "applied": "17" }] });
        let expected = Status {
            role: Role::Leader,
            term: Some(3),
            applied: Some(17),
        };
        assert_eq!(read(&table, &printed), Some(expected));
        let follower = read(&table, &json!({ "role": "backup", "view": 3 }));
        assert_eq!(
            follower.map(|status| (status.role, status.term, status.applied)),
            Some((Role::Follower, Some(3), None))
        );
        assert_eq!(read(&table, &json!({})), None);
        let without_its_term = json!({ "role": "primary" });
        assert_eq!(read(&table, &without_its_term), None);
        let untold = StatusTable {
            term: None,
            ..table
        };
        let leader = read(&untold, &without_its_term);
        assert_eq!(leader.map(|status| status.term), Some(None));
    }
}
