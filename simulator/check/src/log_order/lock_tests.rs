//! Tests of locks by their tokens: histories by hand, and against the search.

use proptest::prelude::*;

use super::judge;
use super::*;
use crate::linearizability::brute_force::agree;
use crate::testing::*;
use squall_history::{EventKind, History, operations};

fn judged(history: &History) -> Answer {
    let operations = operations(history);
    let locks = objects(&operations);
    judge(&operations, &locks["l"])
}

#[track_caller]
fn wrong(run: &Run, why: &str) {
    match judged(&run.cut()) {
        Answer::Violation(what, shown) => {
            assert!(what.contains(why), "{what}");
            assert!(!shown.is_empty());
        }
        answer => panic!("{answer:?}"),
    }
}

#[test]
fn a_lock_handed_on_and_lapsed() {
    let mut run = Run::new();
    run.call("a", acquire("l", 1), granted(5));
    run.call("a", acquire("l", 1), granted(5));
    run.call("a", release("l", 1, 5), Outcome::Released);
    run.call("b", acquire("l", 2), granted(7));
    run.call("c", acquire("l", 3), granted(9));
    run.call("b", release("l", 2, 7), Outcome::NotHeld);
    assert_eq!(judged(&run.cut()), Answer::Linearizable);
}

#[test]
fn tokens_that_fall() {
    let mut run = Run::new();
    run.call("a", acquire("l", 1), granted(5));
    run.call("b", acquire("l", 2), granted(4));
    wrong(&run, "by the log");
}

#[test]
fn a_grant_while_another_is_held() {
    let mut run = Run::new();
    run.call("a", acquire("l", 1), granted(5));
    run.call("b", acquire("l", 2), granted(6));
    run.call("a", release("l", 1, 5), Outcome::Released);
    wrong(&run, "by the log");
    let mut shared = Run::new();
    shared.call("a", acquire_shared("l", 1), granted(5));
    shared.call("b", acquire_shared("l", 2), granted(6));
    shared.call("a", release("l", 1, 5), Outcome::Released);
    assert_eq!(judged(&shared.cut()), Answer::Linearizable);
}

#[test]
fn a_token_for_two_and_a_release_too_many() {
    let mut run = Run::new();
    run.call("a", acquire("l", 1), granted(5));
    run.call("b", acquire("l", 2), granted(5));
    wrong(&run, "granted twice");
    let mut run = Run::new();
    run.call("a", acquire("l", 1), granted(5));
    run.call("a", release("l", 1, 5), Outcome::NotHeld);
    run.call("a", release("l", 1, 5), Outcome::Released);
    wrong(&run, "by the log");
    run.call("a", release("l", 1, 5), Outcome::Released);
    wrong(&run, "released twice");
}

#[test]
fn an_unanswered_acquire_that_is_confirmed_is_for_the_search() {
    let mut run = Run::new();
    run.call("a", acquire("l", 1), unknown());
    run.call("a", acquire("l", 1), granted(5));
    assert_eq!(judged(&run.cut()), Answer::NotApplicable);
}

/// One step of a random history on one lock: who, what, when in its time, how bent.
type Step = (usize, u8, bool, u8);

/// An operation under way: its number, what it asks, and its answer if already decided.
type Open = (u64, LockCall, Option<Outcome>);

/// A true lock with tokens and leases, and three clients with a session each.
#[derive(Default)]
struct Truth {
    index: u64,
    holds: Vec<(u64, bool, u64)>,
    accepted: u64,
}

impl Truth {
    fn answer(&mut self, call: LockCall) -> Outcome {
        self.index += 1;
        match call {
            LockCall::Grant { owner, shared, .. } => {
                if let Some(&(_, mode, token)) = self.holds.iter().find(|h| h.0 == owner) {
                    return match mode == shared {
                        true => granted(token),
                        false => failed("wrong mode"),
                    };
                }
                if self.holds.iter().any(|h| !shared || !h.1) {
                    return Outcome::NotGranted;
                }
                self.holds.push((owner, shared, self.index));
                granted(self.index)
            }
            LockCall::Release { owner, token } => {
                let held = self.holds.len();
                self.holds.retain(|h| (h.0, Some(h.2)) != (owner, token));
                match self.holds.len() == held {
                    true => Outcome::NotHeld,
                    false => Outcome::Released,
                }
            }
            LockCall::Accepted { token } => {
                let accepted = token >= self.accepted;
                self.accepted = self.accepted.max(token);
                Outcome::Checked { accepted }
            }
            LockCall::Close { owner } => {
                self.holds.retain(|h| h.0 != owner);
                Outcome::Closed
            }
            LockCall::NotHeld { .. } => unreachable!("it is an answer"),
        }
    }
}

fn action(call: LockCall) -> Action {
    match call {
        LockCall::Grant {
            owner,
            shared: true,
            ..
        } => acquire_shared("l", owner),
        LockCall::Grant { owner, .. } => acquire("l", owner),
        LockCall::Release { owner, token } => release("l", owner, token.expect("ours has one")),
        LockCall::Accepted { token } => Action::Check {
            name: "l".into(),
            token,
        },
        LockCall::Close { owner } => Action::CloseSession { session: owner },
        LockCall::NotHeld { .. } => unreachable!("it is an answer"),
    }
}

fn bent(answer: Outcome, bend: u8) -> Outcome {
    match (bend, answer) {
        (0, Outcome::Granted { token }) => granted(token + 1),
        (1, Outcome::Granted { token }) => granted(token.saturating_sub(1)),
        (2, Outcome::Released) => Outcome::NotHeld,
        (3, Outcome::NotHeld) => Outcome::Released,
        (4, Outcome::NotGranted) => granted(7),
        (5, Outcome::Checked { .. }) => Outcome::Checked { accepted: true },
        (6..=8, _) => unknown(),
        (_, answer) => answer,
    }
}

fn played(steps: &[Step]) -> History {
    let mut run = Run::new();
    let mut truth = Truth::default();
    let mut open: [Option<Open>; 3] = [const { None }; 3];
    let mut tokens = [0u64; 3];
    // A session that has ended never comes back.
    let mut owners = [1u64, 2, 3];
    for (n, &(client, kind, early, bend)) in steps.iter().enumerate() {
        if let Some((op, call, answer)) = open[client].take() {
            let answer = bent(answer.unwrap_or_else(|| truth.answer(call)), bend);
            if let Outcome::Granted { token } = answer {
                tokens[client] = token;
            }
            run.returns(op, answer);
            continue;
        }
        let owner = owners[client];
        let token = tokens[client];
        let call = match kind {
            0..4 => LockCall::Grant {
                owner,
                shared: kind > 1,
                token: None,
            },
            4..8 => LockCall::Release {
                owner,
                token: Some(token),
            },
            8 => LockCall::Accepted { token },
            9 => {
                owners[client] += 3;
                LockCall::Close { owner }
            }
            _ => {
                // A session ends by itself.
                truth.holds.retain(|hold| hold.0 != owner);
                owners[client] += 3;
                continue;
            }
        };
        let op = n as u64 + 1_000;
        run.push(EventKind::Invoke {
            op,
            client: format!("lock-{client}"),
            intended_us: None,
            action: action(call),
        });
        let answer = early.then(|| truth.answer(call));
        open[client] = Some((op, call, answer));
    }
    run.cut()
}

fn steps(bends: std::ops::Range<u8>) -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec((0usize..3, 0u8..11, any::<bool>(), bends), 2..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Wherever the tokens decide, the search decides the same.
    #[test]
    fn tokens_and_search_agree(steps in steps(0..60)) {
        let history = played(&steps);
        let operations = operations(&history);
        for indexes in objects(&operations).values() {
            let fast = judge(&operations, indexes);
            let bounds = Bounds { steps: 1_000_000, bytes: 1 << 30 };
            let slow = search(&operations, indexes, bounds, &|| false);
            prop_assume!(fast != Answer::NotApplicable);
            prop_assert_eq!(
                fast == Answer::Linearizable,
                slow == Verdict::Linearizable,
                "fast: {:?}, slow: {:?}", fast, slow
            );
        }
    }

    /// The search decides as an enumeration does.
    #[test]
    fn search_agrees_with_brute_force(mut steps in steps(0..60)) {
        steps.truncate(16);
        let history = played(&steps);
        let operations = operations(&history);
        for indexes in objects(&operations).values() {
            agree(&Lock { leases: true }, &calls(&operations, indexes).1)?;
        }
    }

    /// An honest lock passes, whatever the interleaving and the unknown answers.
    #[test]
    fn an_honest_lock_passes(steps in steps(6..30)) {
        let history = played(&steps);
        let operations = operations(&history);
        for indexes in objects(&operations).values() {
            let fast = judge(&operations, indexes);
            prop_assert!(!matches!(fast, Answer::Violation(..)), "{:?}", fast);
            let bounds = Bounds { steps: 1_000_000, bytes: 1 << 30 };
            let slow = search(&operations, indexes, bounds, &|| false);
            prop_assert_eq!(slow, Verdict::Linearizable);
        }
    }
}

/// A session lost its hold and got the lock again, and received neither answer; it asks once
/// more and receives a token older than the newest.
#[test]
fn a_token_that_was_heard_of_late_may_be_older_than_the_newest() {
    let steps = [
        (0, 2, false, 6),
        (0, 0, false, 9), // Client 0 is granted token 1, shared.
        (0, 4, false, 6),
        (0, 0, false, 6), // Its release is not answered.
        (0, 2, false, 6),
        (0, 0, false, 6), // It is granted token 3, which it does not hear.
        (1, 2, false, 6),
        (1, 0, false, 9), // Client 1 is granted token 4.
        (0, 2, false, 6),
        (0, 0, false, 9), // Client 0 asks again and hears of token 3.
    ];
    let history = played(&steps);
    let operations = operations(&history);
    for indexes in objects(&operations).values() {
        let bounds = Bounds {
            steps: 1_000_000,
            bytes: 1 << 30,
        };
        let verdict = search(&operations, indexes, bounds, &|| false);
        assert_eq!(verdict, Verdict::Linearizable);
    }
}

/// Two shared grants that nobody heard of; later both clients hear of one and the same token,
/// the second after the first has given its hold up.
#[test]
fn a_token_that_two_heard_of_late_is_no_order_of_grants() {
    let mut run = Run::new();
    run.call("a", acquire_shared("l", 1), unknown());
    run.call("b", acquire_shared("l", 2), unknown());
    run.call("a", acquire_shared("l", 1), granted(2));
    run.call("a", release("l", 1, 2), Outcome::Released);
    run.call("b", acquire_shared("l", 2), granted(2));
    wrong(&run, "granted twice");
    let history = run.cut();
    let operations = operations(&history);
    let bounds = Bounds {
        steps: 1_000_000,
        bytes: 1 << 30,
    };
    let verdict = search(&operations, &objects(&operations)["l"], bounds, &|| false);
    assert!(matches!(verdict, Verdict::Violation(_)), "{verdict:?}");
}
