//! Random logs for the property tests.
//!
//! A [`Step`] names sessions, tokens and receipts by choice numbers, so that it shrinks
//! well; [`Writer`] turns it into an entry by looking at what the state has handed out so
//! far. The entries written are a plain log, which can be replayed elsewhere.

use super::*;
use proptest::prelude::*;

pub(super) const LOCKS: [&str; 2] = ["l", "m"];
pub(super) const QUEUES: [&str; 3] = ["q", "q.dead", "r"];
pub(super) const KEYS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

pub(super) type Entry = (Stamp, Request);

/// One entry to be: when, under which session and sequence, and what.
#[derive(Debug, Clone)]
pub(super) struct Step {
    pass_ms: u64,
    /// (choice of session, how far the sequence moves on).
    once: Option<(usize, u64)>,
    action: Action,
}

#[derive(Debug, Clone)]
enum Action {
    NewLeader,
    ExpireDue,
    Open(u64),
    KeepAlive(usize),
    Close(usize),
    Acquire(usize, usize, bool, u64, bool),
    Release(usize, usize),
    Cancel(usize, usize),
    Check(usize, u64),
    Configure(usize, QueueSettings),
    Publish(usize, Vec<NewMessage>),
    Receive(usize, u32, Option<u64>),
    Ack(usize, Vec<usize>),
    Nack(usize, usize, u64),
    Extend(usize, usize, u64),
    Purge(usize),
    Delete(usize, bool),
    Redrive(usize, usize, u32),
    Cache(CacheCommand),
    List(ListCommand),
}

pub(super) fn steps(count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(step(), count)
}

fn step() -> impl Strategy<Value = Step> {
    let pass_ms = prop_oneof![4 => Just(0), 4 => 0..200_u64, 1 => 200..3000_u64];
    let once = prop::option::of((0..4_usize, 0..3_u64));
    (pass_ms, once, action()).prop_map(|(pass_ms, once, action)| Step {
        pass_ms,
        once,
        action,
    })
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        2 => leader_action(),
        2 => session_action(),
        6 => lock_action(),
        8 => queue_action(),
        5 => cache_command().prop_map(Action::Cache),
        4 => list_command(&KEYS).prop_map(Action::List),
    ]
}

fn leader_action() -> impl Strategy<Value = Action> {
    prop_oneof![1 => Just(Action::NewLeader), 3 => Just(Action::ExpireDue)]
}

fn session_action() -> impl Strategy<Value = Action> {
    let session = 0..4_usize;
    prop_oneof![
        3 => (50..3000_u64).prop_map(Action::Open),
        2 => session.clone().prop_map(Action::KeepAlive),
        1 => session.prop_map(Action::Close),
    ]
}

fn lock_action() -> impl Strategy<Value = Action> {
    let (name, session) = (0..LOCKS.len(), 0..4_usize);
    let wait_ms = prop_oneof![Just(0), 1..2000_u64];
    let ask = (
        name.clone(),
        session.clone(),
        any::<bool>(),
        wait_ms,
        any::<bool>(),
    );
    prop_oneof![
        6 => ask.prop_map(|(name, session, is_shared, wait_ms, wait_die)| {
            Action::Acquire(name, session, is_shared, wait_ms, wait_die)
        }),
        4 => (name.clone(), session.clone()).prop_map(|(name, at)| Action::Release(name, at)),
        1 => (name.clone(), session).prop_map(|(name, session)| Action::Cancel(name, session)),
        1 => (name, 0..100_u64).prop_map(|(name, token)| Action::Check(name, token)),
    ]
}

fn queue_action() -> impl Strategy<Value = Action> {
    let (queue, receipt) = (0..QUEUES.len(), 0..8_usize);
    let visibility_ms = prop_oneof![Just(None), (0..500_u64).prop_map(Some)];
    let receipts = prop::collection::vec(receipt.clone(), 0..4);
    prop_oneof![
        1 => (queue.clone(), settings()).prop_map(|(queue, to)| Action::Configure(queue, to)),
        5 => (queue.clone(), prop::collection::vec(new_message(), 0..4))
            .prop_map(|(queue, messages)| Action::Publish(queue, messages)),
        6 => (queue.clone(), 0..4_u32, visibility_ms)
            .prop_map(|(queue, count, for_ms)| Action::Receive(queue, count, for_ms)),
        3 => (queue.clone(), receipts).prop_map(|(queue, receipts)| Action::Ack(queue, receipts)),
        3 => (queue.clone(), receipt.clone(), prop_oneof![Just(0), 0..500_u64])
            .prop_map(|(queue, receipt, delay_ms)| Action::Nack(queue, receipt, delay_ms)),
        1 => (queue.clone(), receipt, 0..500_u64)
            .prop_map(|(queue, receipt, for_ms)| Action::Extend(queue, receipt, for_ms)),
        1 => queue.clone().prop_map(Action::Purge),
        1 => (queue.clone(), any::<bool>()).prop_map(|(at, empty)| Action::Delete(at, empty)),
        2 => (queue.clone(), queue, 0..4_u32)
            .prop_map(|(from, to, count)| Action::Redrive(from, to, count)),
    ]
}

fn settings() -> impl Strategy<Value = QueueSettings> {
    let dead_letter = prop::option::of(0..QUEUES.len());
    (0..12_u64, 0..4_u32, dead_letter, 0..1000_u64).prop_map(
        |(max_depth, max_deliveries, dead_letter, visibility_ms)| QueueSettings {
            max_depth,
            max_deliveries,
            dead_letter: dead_letter.map(|at| QUEUES[at].to_owned()),
            visibility_ms,
        },
    )
}

fn new_message() -> impl Strategy<Value = NewMessage> {
    let delay_ms = prop_oneof![2 => Just(0), 1 => 1..500_u64];
    let group = prop::option::of(prop_oneof![Just("g"), Just("h")]);
    let dedup = prop::option::of((prop_oneof![Just("p"), Just("s")], 0..12_u64));
    (delay_ms, 0..3_u8, group, dedup).prop_map(|(delay_ms, priority, group, dedup)| NewMessage {
        payload: Bytes::from_static(b"payload"),
        delay_ms,
        priority,
        group: group.map(str::to_owned),
        dedup: dedup.map(|(producer, sequence)| (producer.to_owned(), sequence)),
    })
}

fn cache_command() -> impl Strategy<Value = CacheCommand> {
    let key = || (0..KEYS.len()).prop_map(|at| Bytes::from(KEYS[at]));
    let keys = || prop::collection::vec(key(), 0..3);
    let ttl_ms = || prop::option::of(0..1000_u64);
    let value = prop_oneof![Just("1"), Just("x"), Just("-9223372036854775808")];
    let condition = prop_oneof![
        Just(SetCondition::Always),
        Just(SetCondition::IfAbsent),
        Just(SetCondition::IfPresent),
        (0..60_u64).prop_map(SetCondition::IfVersion),
    ];
    let set = (key(), value, ttl_ms(), any::<bool>(), condition);
    prop_oneof![
        8 => set.prop_map(|(key, value, ttl_ms, keep_ttl, condition)| CacheCommand::Set {
            key,
            value: Bytes::from(value),
            ttl_ms,
            keep_ttl,
            condition,
        }),
        2 => keys().prop_map(|keys| CacheCommand::Delete { keys }),
        3 => (key(), -2..3_i64).prop_map(|(key, by)| CacheCommand::Increment { key, by }),
        2 => (key(), ttl_ms()).prop_map(|(key, ttl_ms)| CacheCommand::Expire { key, ttl_ms }),
        2 => keys().prop_map(|keys| CacheCommand::Touch { keys }),
        1 => Just(CacheCommand::Flush),
    ]
}

/// Values of lists, few enough to meet again.
pub(super) const LISTED: [&str; 3] = ["1", "x", "yy"];

pub(super) fn list_command(keys: &'static [&'static str]) -> impl Strategy<Value = ListCommand> {
    let key = move || (0..keys.len()).prop_map(move |at| Bytes::from(keys[at]));
    let value = || (0..LISTED.len()).prop_map(|at| Bytes::from(LISTED[at]));
    let end = || prop_oneof![Just(End::Left), Just(End::Right)];
    let place = || -4..5_i64;
    let push = (
        key(),
        prop::collection::vec(value(), 1..4),
        end(),
        any::<bool>(),
    );
    let pop = (prop::collection::vec(key(), 1..3), end(), 0..3_u64);
    prop_oneof![
        6 => push.prop_map(|(key, values, end, if_present)| ListCommand::Push {
            key,
            values,
            end,
            if_present,
        }),
        3 => pop.prop_map(|(keys, end, count)| ListCommand::Pop { keys, end, count }),
        3 => (key(), key(), end(), end())
            .prop_map(|(from, to, take, put)| ListCommand::Move { from, to, take, put }),
        1 => (key(), any::<bool>(), value(), value()).prop_map(|(key, before, pivot, value)| {
            ListCommand::Insert { key, before, pivot, value }
        }),
        1 => (key(), place(), value())
            .prop_map(|(key, index, value)| ListCommand::Set { key, index, value }),
        1 => (key(), -2..3_i64, value())
            .prop_map(|(key, count, value)| ListCommand::Remove { key, count, value }),
        1 => (key(), place(), place())
            .prop_map(|(key, first, last)| ListCommand::Trim { key, first, last }),
    ]
}

/// Writes steps as entries of a log.
pub(super) struct Writer {
    time_ms: u64,
    /// Every session opened, and its last sequence.
    sessions: Vec<(SessionId, u64)>,
    /// Receipts handed out, of each queue.
    receipts: [Vec<Receipt>; QUEUES.len()],
}

impl Writer {
    pub(super) fn new() -> Self {
        Self {
            time_ms: START_MS,
            sessions: Vec::new(),
            receipts: Default::default(),
        }
    }

    /// The entry that follows what `state` has applied.
    pub(super) fn write(&mut self, state: &State, step: &Step) -> Entry {
        self.time_ms += step.pass_ms;
        let stamp = Stamp {
            index: state.applied_index() + 1,
            time_ms: self.time_ms,
        };
        let request = Request {
            time_ms: self.time_ms,
            once: step.once.and_then(|(at, ahead)| self.once(at, ahead)),
            command: self.command(state, &step.action),
        };
        (stamp, request)
    }

    /// Learns what an entry handed out.
    pub(super) fn learn(&mut self, request: &Request, applied: &Applied) {
        match (&request.command, &applied.reply) {
            (_, Reply::SessionOpened { session, .. }) => self.sessions.push((*session, 0)),
            (Command::Queue(QueueCommand::Receive { queue, .. }), Reply::Messages(messages)) => {
                let at = QUEUES.iter().position(|name| name == queue);
                let receipts = &mut self.receipts[at.expect("a queue of the test")];
                receipts.extend(messages.iter().map(|message| message.receipt));
            }
            _ => {}
        }
    }

    /// Later choices name later sessions, since the early ones have mostly ended.
    fn session(&self, choice: usize) -> SessionId {
        let at = self.sessions.len().checked_sub(1 + choice);
        at.map_or(0, |at| self.sessions[at].0)
    }

    fn once(&mut self, choice: usize, ahead: u64) -> Option<Once> {
        let at = self.sessions.len().checked_sub(1 + choice)?;
        let (session, last) = &mut self.sessions[at];
        // One step back, a repeat, or one step on.
        let sequence = (*last + ahead).saturating_sub(1);
        *last = sequence.max(*last);
        Some(Once {
            session: *session,
            sequence,
        })
    }

    fn receipt(&self, queue: usize, choice: usize) -> Receipt {
        let receipts = &self.receipts[queue];
        let at = receipts.len().checked_sub(1 + choice);
        at.map_or(0, |at| receipts[at])
    }

    fn command(&self, state: &State, action: &Action) -> Command {
        let session = |choice: usize| self.session(choice);
        match action.clone() {
            Action::NewLeader => Command::NewLeader,
            Action::ExpireDue => state
                .due(self.time_ms)
                .unwrap_or(Command::Expire { sessions: vec![] }),
            Action::Open(ttl_ms) => SessionCommand::Open { ttl_ms }.into(),
            Action::KeepAlive(at) => SessionCommand::KeepAlive {
                session: session(at),
            }
            .into(),
            Action::Close(at) => SessionCommand::Close {
                session: session(at),
            }
            .into(),
            Action::Acquire(name, at, is_shared, wait_ms, wait_die) => LockCommand::Acquire {
                name: LOCKS[name].to_owned(),
                session: session(at),
                mode: if is_shared {
                    LockMode::Shared
                } else {
                    LockMode::Exclusive
                },
                wait_ms,
                wait_die,
            }
            .into(),
            Action::Release(name, at) => {
                let (session, token) = held(state, LOCKS[name], at);
                release(LOCKS[name], session, token).into()
            }
            Action::Cancel(name, at) => LockCommand::Cancel {
                name: LOCKS[name].to_owned(),
                session: session(at),
            }
            .into(),
            Action::Check(name, token) => LockCommand::Check {
                name: LOCKS[name].to_owned(),
                token,
            }
            .into(),
            Action::Cache(command) => command.into(),
            Action::List(command) => command.into(),
            other => self.queue_command(other).into(),
        }
    }

    fn queue_command(&self, action: Action) -> QueueCommand {
        let name = |at: usize| QUEUES[at].to_owned();
        match action {
            Action::Configure(at, settings) => configure(QUEUES[at], settings),
            Action::Publish(at, messages) => publish(QUEUES[at], messages),
            Action::Receive(at, count, visibility_ms) => QueueCommand::Receive {
                queue: name(at),
                count,
                visibility_ms,
            },
            Action::Ack(at, choices) => {
                let receipts = choices.iter().map(|&choice| self.receipt(at, choice));
                ack(QUEUES[at], &receipts.collect::<Vec<_>>())
            }
            Action::Nack(at, choice, delay_ms) => {
                nack(QUEUES[at], self.receipt(at, choice), delay_ms)
            }
            Action::Extend(at, choice, visibility_ms) => QueueCommand::Extend {
                queue: name(at),
                receipt: self.receipt(at, choice),
                visibility_ms,
            },
            Action::Purge(at) => QueueCommand::Purge { queue: name(at) },
            Action::Delete(at, if_empty) => QueueCommand::Delete {
                queue: name(at),
                if_empty,
            },
            Action::Redrive(from, to, count) => QueueCommand::Redrive {
                from: name(from),
                to: name(to),
                count,
            },
            other => unreachable!("{other:?} is not about queues"),
        }
    }
}

/// A holder of the lock, with its token.
fn held(state: &State, name: &str, choice: usize) -> (SessionId, Token) {
    let name = name.to_owned();
    match state.read(&Query::Lock { name }) {
        Reply::LockInfo(info) => {
            let holder = info.holders.get(choice % info.holders.len().max(1));
            holder.map_or((0, 0), |&(session, token, _)| (session, token))
        }
        other => panic!("a lock is described, but got {other:?}"),
    }
}
