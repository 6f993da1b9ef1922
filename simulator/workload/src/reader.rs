//! Reads keys of the cache as a workload says: through the leader, or from one node.

use super::Client;
use super::driver::{Connection, Extras, Request};
use squall_history::{Action, Outcome};
use squall_plan::plan::{CacheMix, ReadMode};

/// How a client reads.
pub(super) enum Reader {
    /// As it writes: through the leader.
    Leader { lease: bool },
    /// From one node, by a connection of its own.
    Node {
        name: String,
        connection: Box<dyn Connection>,
        bound_ms: Option<u64>,
    },
}

impl Reader {
    pub(super) fn new(client: &Client, mix: &CacheMix) -> Self {
        let bound_ms = match mix.mode {
            ReadMode::Linearizable => return Reader::Leader { lease: false },
            ReadMode::Lease => return Reader::Leader { lease: true },
            ReadMode::Stale { bound_ms } => Some(bound_ms),
            ReadMode::Local => None,
        };
        let addresses = &client.context.addresses;
        let node = client.index as usize % addresses.len();
        Reader::Node {
            name: format!("node-{}", node + 1),
            connection: client.context.connect(&addresses[node..=node], 0),
            bound_ms,
        }
    }

    pub(super) async fn read(
        &mut self,
        client: &mut Client,
        intended_us: Option<u64>,
        key: &str,
    ) -> Outcome {
        let key = key.to_owned();
        match self {
            Reader::Leader { lease } => {
                let lease = *lease;
                client.ask(intended_us, Action::Get { key, lease }).await
            }
            Reader::Node {
                name,
                connection,
                bound_ms,
            } => {
                let action = Action::GetFrom {
                    key,
                    node: name.clone(),
                    bound_ms: *bound_ms,
                };
                let recorder = &client.context.recorder;
                let op = recorder.invoke(&client.name, intended_us, action.clone());
                let request = Request {
                    action: &action,
                    extras: Extras::default(),
                    deadline: client.deadline(0),
                };
                let outcome = connection.send(request).await;
                recorder.complete(op, outcome.clone());
                outcome
            }
        }
    }
}
