//! Drains every queue in the audit, until the cluster itself says that it is empty.

use std::time::Duration;

use super::{ack, queue_name};
use crate::Audit;
use squall_history::{self as history, Action, Outcome, dead_letters_of};
use squall_plan::plan::WorkloadKind;

pub(super) fn queues(audit: &Audit) -> Vec<String> {
    let mut names = Vec::new();
    for workload in audit.workloads(history::Service::Queue) {
        if let WorkloadKind::Queue { queues, mix, .. } = &workload.kind {
            for number in 0..(*queues).max(1) {
                let name = queue_name(&workload.name, number);
                let dead_letters = (mix.max_deliveries > 0).then(|| dead_letters_of(&name));
                names.push(name);
                names.extend(dead_letters);
            }
        }
    }
    names.extend(audit.probes(history::Service::Queue));
    names
}

/// Messages drained at a time.
const BATCH: u32 = 100;
/// Long enough that nothing drained comes back before it is acknowledged.
const DRAIN_VISIBILITY_MS: u64 = 600_000;
/// Rest while messages are still hidden with a client that is gone.
const REST: Duration = Duration::from_millis(100);

pub(super) async fn drain(audit: &mut Audit, name: &str) {
    // What it said last: how much is left, if it stands still.
    let mut stuck = None;
    while !audit.is_over() {
        let client = &mut audit.client;
        let receive = Action::Receive {
            queue: name.into(),
            max: BATCH,
            visibility_ms: DRAIN_VISIBILITY_MS,
            wait_ms: 0,
        };
        let Outcome::Received { messages } = client.ask(None, receive).await else {
            stuck = Some("it did not answer".to_owned());
            continue;
        };
        stuck = None;
        if messages.is_empty() && !client.offers("depth") {
            // Another system has only its clients' words for it.
            return;
        }
        if messages.is_empty() {
            let depth = Action::Depth { queue: name.into() };
            stuck = Some(match client.ask(None, depth).await {
                Outcome::Depth {
                    ready: 0,
                    in_flight: 0,
                    delayed: 0,
                } => return,
                Outcome::Depth {
                    ready,
                    in_flight,
                    delayed,
                } => format!("{ready} ready, {in_flight} in flight, {delayed} delayed"),
                _ => "it did not tell its depth".into(),
            });
            client.sleep(REST).await;
            continue;
        }
        let acks: Vec<Action> = messages.iter().map(|message| ack(name, message)).collect();
        let asked = acks.len();
        if audit.acknowledge_all(acks).await == asked {
            stuck = Some("it answered no acknowledgement".into());
        }
    }
    let what = format!("queue {name} could not be drained in time");
    match stuck {
        Some(left) => audit.leave_unfinished(format!("{what}: {left}")),
        None => audit.leave_in_progress(what),
    }
}

#[cfg(test)]
mod tests {
    use squall_cluster::state::State;
    use squall_cluster::state::command::{
        Applied, Command, NewMessage, QueueCommand, QueueSettings, Reply, Request, Stamp,
    };

    use squall_history::{dead_lettered_from, dead_letters_of};

    #[test]
    fn dead_letters_are_looked_for_where_the_cluster_puts_them() {
        let mut state = State::new(Default::default());
        let mut index = 0;
        let mut apply = |command: QueueCommand| -> Applied {
            index += 1;
            let request = Request {
                time_ms: 0,
                once: None,
                command: Command::Queue(command),
            };
            state.apply(Stamp { index, time_ms: 0 }, &request)
        };
        let queue = || "q".to_owned();
        apply(QueueCommand::Configure {
            queue: queue(),
            settings: QueueSettings {
                max_deliveries: 1,
                ..QueueSettings::default()
            },
        });
        apply(QueueCommand::Publish {
            queue: queue(),
            messages: vec![NewMessage {
                payload: "a".into(),
                delay_ms: 0,
                priority: 0,
                group: None,
                dedup: None,
            }],
        });
        let received = apply(QueueCommand::Receive {
            queue: queue(),
            count: 1,
            visibility_ms: None,
        });
        let Reply::Messages(messages) = received.reply else {
            panic!("a receive answers with messages");
        };
        let failed = apply(QueueCommand::Nack {
            queue: queue(),
            receipt: messages[0].receipt,
            delay_ms: 0,
        });
        assert_eq!(failed.ready_queues, [dead_letters_of("q")]);
        assert_eq!(dead_lettered_from(&failed.ready_queues[0]), Some("q"));
        assert_eq!(dead_lettered_from("q"), None);
    }
}
