//! The audit: after the faults have healed, look at everything that was acknowledged.
//!
//! Every queue is drained until the cluster itself says that it is empty, and every key is
//! read once more. The audit's operations are part of the history; whether anything is
//! missing is for the checks to find.

use std::rc::Rc;
use std::time::Duration;

use squall_cluster::client::CallError;
use squall_cluster::state::command::{Command, Query, QueueCommand, QueueInfo, Reply};
use squall_cluster::world::{Instant, World};

use super::{Caller, Setting, cache, probe, queue};
use crate::history::{Action, Outcome};
use crate::plan::{Plan, WorkloadKind};

/// Messages drained at a time.
const BATCH: u32 = 100;
/// Long enough that nothing drained comes back before it is acknowledged.
const VISIBILITY_MS: u64 = 600_000;
const TIMEOUT_US: u64 = 2_000_000;
/// Rest while messages are still hidden with a client that is gone.
const REST: Duration = Duration::from_millis(100);

/// Audits everything within `limit`.
///
/// # Errors
/// What could not be finished in time, in words.
pub async fn run<W: World>(
    setting: &Rc<Setting>,
    plan: &Plan,
    limit: Duration,
) -> Result<(), String> {
    let deadline = W::now() + limit;
    let mut caller = Caller::<W>::of_harness(
        setting.clone(),
        "audit".into(),
        plan.stream("audit"),
        TIMEOUT_US,
        0,
    );
    for queue in queues(plan) {
        drain(&mut caller, &queue, deadline).await?;
    }
    for key in keys(plan) {
        read(&mut caller, &key, deadline).await?;
    }
    Ok(())
}

fn queues(plan: &Plan) -> Vec<String> {
    let mut names = Vec::new();
    for workload in &plan.workloads {
        if let WorkloadKind::Queue { queues, .. } = workload.kind {
            let numbers = 0..queues.max(1);
            names.extend(numbers.map(|number| queue::queue_name(&workload.name, number)));
        }
    }
    if plan.probe.is_some() {
        names.extend(probe::queues());
    }
    names
}

fn keys(plan: &Plan) -> Vec<String> {
    let mut names = Vec::new();
    for workload in &plan.workloads {
        if let WorkloadKind::Cache { keys, .. } = workload.kind {
            let numbers = 0..keys.max(1);
            names.extend(numbers.map(|number| cache::key_name(&workload.name, number)));
        }
    }
    if plan.probe.is_some() {
        names.extend(probe::keys());
    }
    names
}

async fn drain<W: World>(
    caller: &mut Caller<W>,
    name: &str,
    deadline: Instant,
) -> Result<(), String> {
    while W::now() < deadline {
        let action = Action::Receive {
            queue: name.into(),
            max: BATCH,
            visibility_ms: VISIBILITY_MS,
            wait_ms: 0,
        };
        let command = Command::Queue(QueueCommand::Receive {
            queue: name.into(),
            count: BATCH,
            visibility_ms: Some(VISIBILITY_MS),
        });
        let Outcome::Received { messages } = caller.write(None, action, command, 0).await else {
            continue;
        };
        if messages.is_empty() {
            match depth(caller, name).await {
                Some(0) => return Ok(()),
                Some(_) => W::sleep(REST).await,
                None => {}
            }
        }
        for message in messages {
            let (action, command) = queue::ack(name, &message);
            caller.write(None, action, command, 0).await;
        }
    }
    Err(format!("queue {name} could not be drained in time"))
}

/// Messages that the queue still holds, ready or not; `None` if nobody answers.
async fn depth<W: World>(caller: &mut Caller<W>, name: &str) -> Option<u64> {
    if caller.issuer.is_some() {
        // Another system has only its clients' words for it.
        return Some(0);
    }
    let query = Query::Queue { queue: name.into() };
    let deadline = caller.deadline(0);
    let reply: Result<Reply, CallError> = caller.client.read(None, &query, deadline).await;
    match reply.ok()? {
        Reply::QueueInfo(info) => {
            let QueueInfo {
                ready,
                in_flight,
                delayed,
                ..
            } = info.unwrap_or_default();
            Some(ready + in_flight + delayed)
        }
        _ => None,
    }
}

async fn read<W: World>(
    caller: &mut Caller<W>,
    key: &str,
    deadline: Instant,
) -> Result<(), String> {
    while W::now() < deadline {
        let (action, query) = cache::get(key);
        if let Outcome::Value { .. } = caller.read(None, action, query).await {
            return Ok(());
        }
    }
    Err(format!("key {key} could not be read in time"))
}
