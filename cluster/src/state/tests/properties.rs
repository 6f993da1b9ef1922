//! Properties over random logs: determinism, snapshots in the middle, and the invariants of
//! the services after every entry.

use super::generate::{Entry, KEYS, LOCKS, QUEUES, Step, Writer, steps};
use super::*;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const CAPACITY: u64 = 4;

fn empty() -> State {
    let limits = Limits {
        cache_entries: CAPACITY,
        cache_value_bytes: 16,
    };
    State {
        level: LEVEL,
        ..State::new(limits)
    }
}

/// Runs the steps, calling `check` after each; returns the log and what it produced.
fn run(
    steps: &[Step],
    mut check: impl FnMut(&State, &Entry, &Applied),
) -> (State, Vec<(Entry, Applied)>) {
    let mut state = empty();
    let mut writer = Writer::new();
    let mut log = Vec::new();
    for step in steps {
        let entry = writer.write(&state, step);
        let applied = state.apply(entry.0, &entry.1);
        writer.learn(&entry.1, &applied);
        check(&state, &entry, &applied);
        log.push((entry, applied));
    }
    (state, log)
}

/// What has been seen so far, to hold each new observation against.
#[derive(Default)]
struct Seen {
    clock_ms: u64,
    /// The last sequence of each session that was recorded.
    sequences: BTreeMap<SessionId, u64>,
    locks: BTreeMap<&'static str, LockInfo>,
    accepted: BTreeMap<String, Token>,
    /// Receipt of a queue to message and delivery.
    deliveries: BTreeMap<(String, Receipt), (MessageId, u32)>,
    /// Messages of a queue that an acknowledgement removed.
    acked: BTreeSet<(String, MessageId)>,
    woken: BTreeSet<u64>,
    /// Of each key in [`KEYS`].
    values: Vec<Reply>,
}

impl Seen {
    fn check(&mut self, state: &State, (_, request): &Entry, applied: &Applied) {
        assert!(state.clock_ms() >= self.clock_ms, "the clock went back");
        self.clock_ms = state.clock_ms();
        for name in LOCKS {
            self.check_lock(state, name);
        }
        for queue in QUEUES {
            check_conservation(state, queue);
        }
        assert!(state.cache_stats().entries <= CAPACITY);
        self.check_changes(state, &applied.changed);
        for wake in &applied.wakes {
            assert!(self.woken.insert(wake.waiter), "a waiter woken twice");
        }
        if !self.is_executed(request, &applied.reply) {
            return;
        }
        match &request.command {
            Command::Lock(LockCommand::Check { name, token }) => {
                self.check_acceptance(name, *token, &applied.reply);
            }
            Command::Queue(command) => self.check_delivery(command, &applied.reply),
            _ => {}
        }
    }

    /// Whether the reply is of this very request, and not the record of another.
    fn is_executed(&mut self, request: &Request, reply: &Reply) -> bool {
        let Some(once) = request.once else {
            return true;
        };
        let is_recorded = matches!(
            request.command,
            Command::Lock(_) | Command::Queue(_) | Command::Cache(_) | Command::List(_)
        );
        if !is_recorded {
            return true;
        }
        let last = self.sequences.get(&once.session);
        if last.is_some_and(|&last| once.sequence <= last) {
            return false;
        }
        if ![Reply::Messages(vec![]), Reply::Popped(None)].contains(reply) {
            self.sequences.insert(once.session, once.sequence);
        }
        *reply != refused(Refusal::NoSession)
    }

    /// Every key that reads otherwise than before is named, however that came about.
    fn check_changes(&mut self, state: &State, changed: &Changed) {
        let keys = KEYS.map(|key| Bytes::from_static(key.as_bytes()));
        let values = keys.iter().map(|key| {
            let keys = vec![key.clone()];
            state.read(&Query::Get { keys })
        });
        let before = std::mem::replace(&mut self.values, values.collect());
        for (nth, key) in keys.iter().enumerate() {
            let absent = Reply::Values(vec![None]);
            let differs = before.get(nth).unwrap_or(&absent) != &self.values[nth];
            let is_named = changed.all || changed.keys.contains(key);
            assert!(!differs || is_named, "{key:?} changed and is not named");
        }
    }

    fn check_lock(&mut self, state: &State, name: &'static str) {
        let query = Query::Lock { name: name.into() };
        let Reply::LockInfo(info) = state.read(&query) else {
            panic!("a lock is described");
        };
        let all_shared = info.holders.iter().all(|&(_, _, is_shared)| is_shared);
        assert!(info.holders.len() <= 1 || all_shared, "two exclude another");
        assert!(
            info.waiters.is_empty() || !info.holders.is_empty(),
            "a free lock keeps someone waiting"
        );
        let before = self.locks.insert(name, info.clone()).unwrap_or_default();
        assert!(
            info.last_token >= before.last_token,
            "the counter went back"
        );
        assert!(info.holders.is_sorted_by(|a, b| a.1 < b.1), "tokens rise");
        for holder in &info.holders {
            let is_new = holder.1 > before.last_token;
            assert!(is_new || before.holders.contains(holder), "a token reused");
            assert!(holder.1 <= info.last_token, "a token not counted");
        }
        let present = info.holders.iter().map(|holder| holder.0);
        for session in present.chain(info.waiters.iter().copied()) {
            let session_info = state.read(&Query::Session { session });
            let ended = Reply::SessionInfo { ttl_ms: None };
            assert_ne!(session_info, ended, "a session that ended has a lock");
        }
    }

    fn check_acceptance(&mut self, name: &str, token: Token, reply: &Reply) {
        let highest = self.accepted.entry(name.to_owned()).or_default();
        if *reply == Reply::TokenAccepted(true) {
            assert!(token >= *highest, "a token below one accepted before");
            *highest = token;
        }
    }

    fn check_delivery(&mut self, command: &QueueCommand, reply: &Reply) {
        match (command, reply) {
            (QueueCommand::Receive { queue, .. }, Reply::Messages(messages)) => {
                for message in messages {
                    let key = (queue.clone(), message.receipt);
                    let seen = (message.id, message.deliveries);
                    let before = self.deliveries.insert(key, seen);
                    assert_eq!(before, None, "a receipt given twice");
                    let is_acked = self.acked.contains(&(queue.clone(), message.id));
                    assert!(!is_acked, "delivered after the ack");
                }
            }
            // Its receipts are given to nobody again, its ids are.
            (QueueCommand::Delete { queue, .. }, Reply::Purged(_)) => {
                self.acked.retain(|(name, _)| name != queue);
            }
            (QueueCommand::Ack { queue, receipts }, Reply::Settled(settled))
                if *settled as usize == receipts.len() =>
            {
                for &receipt in receipts {
                    if let Some(seen) = self.deliveries.get(&(queue.clone(), receipt)) {
                        self.acked.insert((queue.clone(), seen.0));
                    }
                }
            }
            _ => {}
        }
    }
}

fn check_conservation(state: &State, queue: &str) {
    let queue = queue.to_owned();
    if let Reply::QueueInfo(Some(info)) = state.read(&Query::Queue { queue }) {
        let held = info.ready + info.in_flight + info.delayed;
        let gone = info.acked + info.dead_lettered + info.purged;
        assert_eq!(info.published, held + gone, "{info:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn invariants_hold_after_every_entry(steps in steps(1..120)) {
        let mut seen = Seen::default();
        run(&steps, |state, entry, applied| {
            seen.check(state, entry, applied);
            let restored = State::decode(&state.encode()).expect("a snapshot decodes");
            assert_eq!(&restored, state, "an index is out of step");
        });
    }

    #[test]
    fn the_same_log_gives_the_same_state(steps in steps(1..120)) {
        let (first, log) = run(&steps, |_, _, _| {});
        let mut second = empty();
        for ((stamp, request), applied) in &log {
            prop_assert_eq!(&second.apply(*stamp, request), applied);
        }
        prop_assert_eq!(first.digest(), second.digest());
        prop_assert_eq!(first, second);
    }

    #[test]
    fn a_snapshot_in_the_middle_changes_nothing(steps in steps(1..120), cut in 0..120_usize) {
        let (whole, log) = run(&steps, |_, _, _| {});
        let mut state = empty();
        for (at, ((stamp, request), applied)) in log.iter().enumerate() {
            if at == cut {
                state = State::decode(&state.encode()).expect("a snapshot decodes");
            }
            prop_assert_eq!(&state.apply(*stamp, request), applied);
        }
        prop_assert_eq!(whole.digest(), state.digest());
    }

    #[test]
    fn what_is_due_is_what_next_due_says(steps in steps(1..80), ahead_ms in 0..4000_u64) {
        let (state, _) = run(&steps, |_, _, _| {});
        let now_ms = state.clock_ms() + ahead_ms;
        let is_due = state.next_due_ms().is_some_and(|due_ms| due_ms <= now_ms);
        prop_assert_eq!(state.due(now_ms).is_some(), is_due);
    }

    #[test]
    fn leaders_that_follow_what_is_due_come_to_rest(steps in steps(1..80)) {
        let (mut state, _) = run(&steps, |_, _, _| {});
        // Every round ends sessions, waits, hidden times, delays or lifetimes, all finite.
        for _ in 0..1000 {
            let Some(time_ms) = state.next_due_ms() else {
                break;
            };
            let time_ms = time_ms.max(state.clock_ms());
            let command = state.due(time_ms).expect("the deadline has come");
            let index = state.applied_index() + 1;
            let request = Request { time_ms, once: None, command };
            state.apply(Stamp { index, time_ms }, &request);
        }
        prop_assert_eq!(state.next_due_ms(), None);
    }

    #[test]
    fn extreme_stamps_do_no_harm(
        steps in steps(1..60),
        stamps in prop::collection::vec((any::<u64>(), any::<u64>()), 60),
        every in 1..10_usize,
    ) {
        let (_, log) = run(&steps, |_, _, _| {});
        let mut state = empty();
        for (at, ((stamp, request), _)) in log.iter().enumerate() {
            let (index, time_ms) = stamps[at];
            let extreme = Stamp { index, time_ms };
            let stamp = if at % every == 0 { extreme } else { *stamp };
            let clock_ms = state.clock_ms();
            state.apply(stamp, request);
            prop_assert!(state.clock_ms() >= clock_ms);
            let _ = (state.next_due_ms(), state.due(u64::MAX));
        }
    }
}
