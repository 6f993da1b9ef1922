//! The audit: after the faults have healed, look at everything that was acknowledged.
//!
//! Every lock is taken once more, which must be possible as soon as the sessions of clients
//! that are gone have expired; every queue is drained until the cluster itself says that it
//! is empty; every key is read. The audit's operations are part of the history; whether
//! anything is missing is for the checks to find.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use squall_world::{Instant, World};
use tokio::sync::Notify;

use super::{Caller, Setting, cache, lock, probe, queue};
use squall_history::{Action, Outcome, dead_letters_of};
use squall_plan::plan::{Plan, WorkloadKind};

/// From so many keys on, several are read at a time.
const MANY_KEYS: usize = 2_000;
/// So many.
const READERS: usize = 32;
/// Messages drained at a time.
const BATCH: u32 = 100;
/// Long enough that nothing drained comes back before it is acknowledged.
const VISIBILITY_MS: u64 = 600_000;
const TIMEOUT_US: u64 = 2_000_000;
/// Rest while messages are still hidden with a client that is gone.
const REST: Duration = Duration::from_millis(100);
/// A lock must be free this long after the last session that may hold it has expired.
const GRACE_MS: u64 = 5_000;

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
    // What cannot be finished of one thing must not keep the others from being looked at.
    let mut unfinished = Vec::new();
    let keys = keys(setting, plan);
    if keys.len() >= MANY_KEYS {
        let unread = read_together::<W>(setting, plan, keys, deadline).await;
        unfinished.extend(unread);
    } else {
        for key in keys {
            unfinished.extend(read(&mut caller, &key, deadline).await);
        }
    }
    if let Some(capacity) = capacity(plan) {
        let (action, query) = cache::size(capacity);
        ask(&mut caller, action, query, deadline).await;
    }
    for (name, patience_ms) in locks(plan) {
        let taken = take(&mut caller, &name, patience_ms, deadline).await;
        unfinished.extend(taken.err());
    }
    for queue in queues(plan) {
        let drained = drain(&mut caller, &queue, deadline).await;
        unfinished.extend(drained.err());
    }
    match unfinished.is_empty() {
        true => Ok(()),
        false => Err(unfinished.join("; ")),
    }
}

/// Reads a key; what is wrong if that was not possible.
async fn read<W: World>(caller: &mut Caller<W>, key: &str, deadline: Instant) -> Option<String> {
    let (action, query) = cache::get(key);
    let answer = ask(caller, action, query, deadline).await;
    match answer {
        Some(_) => None,
        None => Some(format!("key {key} could not be read in time")),
    }
}

/// Reads many keys, several at a time: one after the other would take longer than the run.
async fn read_together<W: World>(
    setting: &Rc<Setting>,
    plan: &Plan,
    keys: Vec<String>,
    deadline: Instant,
) -> Vec<String> {
    let keys = Rc::new(RefCell::new(VecDeque::from(keys)));
    let unread = Rc::new(RefCell::new(Vec::new()));
    let left = Rc::new(Cell::new(READERS));
    let finished = Rc::new(Notify::new());
    for reader in 0..READERS {
        let name = format!("audit-{}", reader + 1);
        let (stream, index) = (plan.stream("audit"), reader as u64);
        let mut caller = Caller::<W>::of_harness(setting.clone(), name, stream, TIMEOUT_US, index);
        let (keys, unread) = (keys.clone(), unread.clone());
        let (left, finished) = (left.clone(), finished.clone());
        setting.spawn::<W>(async move {
            loop {
                let next = keys.borrow_mut().pop_front();
                let Some(key) = next else { break };
                let wrong = read(&mut caller, &key, deadline).await;
                unread.borrow_mut().extend(wrong);
            }
            left.set(left.get() - 1);
            finished.notify_one();
        });
    }
    while left.get() > 0 {
        finished.notified().await;
    }
    unread.take()
}

/// The locks in use, and for how long a session that is gone may keep each.
fn locks(plan: &Plan) -> BTreeMap<String, u64> {
    let mut names: BTreeMap<String, u64> = BTreeMap::new();
    for workload in &plan.workloads {
        if let WorkloadKind::Lock {
            locks,
            ttl_ms,
            wait_ms,
            ..
        } = workload.kind
        {
            for number in 0..locks.max(1) {
                let patience_ms = names.entry(lock::lock_name(number)).or_default();
                *patience_ms = (*patience_ms).max(ttl_ms + wait_ms + GRACE_MS);
            }
        }
    }
    names
}

fn queues(plan: &Plan) -> Vec<String> {
    let mut names = Vec::new();
    for workload in &plan.workloads {
        if let WorkloadKind::Queue { queues, mix, .. } = &workload.kind {
            for number in 0..(*queues).max(1) {
                let name = queue::queue_name(&workload.name, number);
                let dead_letters = (mix.max_deliveries > 0).then(|| dead_letters_of(&name));
                names.push(name);
                names.extend(dead_letters);
            }
        }
    }
    if plan.probe.is_some() {
        names.extend(probe::queues());
    }
    names
}

/// The keys that do not vanish by themselves.
fn keys(setting: &Setting, plan: &Plan) -> Vec<String> {
    let mut names = Vec::new();
    for workload in &plan.workloads {
        if let WorkloadKind::Cache { keys, mix, .. } = &workload.kind {
            let numbers = || 0..(*keys).max(1);
            if mix.records.is_some() {
                let used = setting.records.borrow().get(&workload.name).copied();
                let numbers = 0..used.unwrap_or(0);
                names.extend(numbers.map(|number| cache::key_name(&workload.name, number)));
                continue;
            }
            let lasts = mix.fill_us.is_none() || mix.fill_ttl_ms.is_none();
            if !mix.evicted && lasts && mix.rounds == 0 {
                names.extend(numbers().map(|number| cache::key_name(&workload.name, number)));
            }
            if mix.increments_ppm > 0 || mix.rounds > 0 {
                names.extend(numbers().map(|number| cache::counter_name(&workload.name, number)));
            }
        }
    }
    if plan.probe.is_some() {
        names.extend(probe::keys());
    }
    names
}

/// How many keys the cache may hold, where a workload tries it.
fn capacity(plan: &Plan) -> Option<u64> {
    plan.workloads
        .iter()
        .find_map(|workload| match &workload.kind {
            WorkloadKind::Cache { mix, .. } if mix.evicted => Some(mix.capacity),
            _ => None,
        })
}

/// Takes a lock and gives it back, after a look at who has it and who waits.
async fn take<W: World>(
    caller: &mut Caller<W>,
    name: &str,
    patience_ms: u64,
    deadline: Instant,
) -> Result<(), String> {
    let (action, query) = lock::inspect(name);
    ask(caller, action, query, deadline).await;
    while W::now() < deadline {
        let Some(session) = lock::open(caller, VISIBILITY_MS).await else {
            continue;
        };
        let (action, command) = lock::acquire(name, session, false, patience_ms);
        let outcome = caller.write(None, action, command, patience_ms).await;
        // Its end frees whatever it may hold.
        lock::close(caller, session).await;
        match outcome {
            Outcome::Granted { .. } => return Ok(()),
            Outcome::NotGranted => {
                let (action, query) = lock::inspect(name);
                let found = ask(caller, action, query, deadline).await;
                let found = found.map_or_else(|| "nobody knows".into(), |line| holders(&line));
                return Err(format!(
                    "lock {name} was not free within {patience_ms} ms: {found}"
                ));
            }
            _ => {}
        }
    }
    Err(format!("lock {name} could not be asked for in time"))
}

fn holders(line: &Outcome) -> String {
    let Outcome::Line {
        holders, waiters, ..
    } = line
    else {
        return "no answer".into();
    };
    let held: Vec<u64> = holders.iter().map(|holder| holder.session).collect();
    format!("held by sessions {held:?}, awaited by {waiters:?}")
}

async fn drain<W: World>(
    caller: &mut Caller<W>,
    name: &str,
    deadline: Instant,
) -> Result<(), String> {
    let mut left = "it never answered".to_owned();
    while W::now() < deadline {
        let (action, command) = queue::receive(name, BATCH, VISIBILITY_MS, 0);
        let Outcome::Received { messages } = caller.write(None, action, command, 0).await else {
            continue;
        };
        if messages.is_empty() && caller.issuer.is_some() {
            // Another system has only its clients' words for it.
            return Ok(());
        }
        if messages.is_empty() {
            let (action, query) = queue::depth(name);
            if let Outcome::Depth {
                ready,
                in_flight,
                delayed,
            } = caller.read(None, action, query).await
            {
                if ready + in_flight + delayed == 0 {
                    return Ok(());
                }
                left = format!("{ready} ready, {in_flight} in flight, {delayed} delayed");
                W::sleep(REST).await;
            }
        }
        for message in messages {
            let (action, command) = queue::ack(name, &message);
            caller.write(None, action, command, 0).await;
        }
    }
    Err(format!("queue {name} could not be drained in time: {left}"))
}

/// Reads until there is an answer; `None` if there is none in time.
async fn ask<W: World>(
    caller: &mut Caller<W>,
    action: Action,
    query: squall_cluster::state::command::Query,
    deadline: Instant,
) -> Option<Outcome> {
    while W::now() < deadline {
        let outcome = caller.read(None, action.clone(), query.clone()).await;
        if outcome.is_acknowledged() {
            return Some(outcome);
        }
    }
    None
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
