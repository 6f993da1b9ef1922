//! Watches nodes that tell nothing by themselves: asks each again and again how it stands, and
//! makes events of what has changed.
//!
//! A history of such nodes has the events of Squall's own, so elections are timed and faults
//! are aimed in the same way, but for the time between two questions: what happened is known
//! when the next answer tells it. A node that does not answer is not known to have changed.
//!
//! Systems that number their leaders tell the number as a term. For those that do not,
//! leaderships are numbered here as they are seen, which gives terms that rise.

use std::cell::Cell;
use std::time::Duration;

use squall_history::NodeEvent;
use squall_workload::LocalFuture;
use squall_world::{RealWorld, World, timeout};

/// The part that a node says it plays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Role {
    /// It does not say.
    #[default]
    Unknown,
    /// It follows a leader, or waits for one.
    Follower,
    /// It wants to lead.
    Candidate,
    /// It leads, and serves writes.
    Leader,
}

/// How a node says it stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Status {
    /// The part that it plays.
    pub role: Role,
    /// Term, epoch, view: what rises with each leader. `None`: the system has none.
    pub term: Option<u64>,
    /// How far it has come in the log, or in whatever the system counts: every node reaches
    /// the leader's figure when all is quiet. `None`: it does not tell.
    pub applied: Option<u64>,
}

/// Asks one node how it stands, on a connection of its own.
pub trait StatusSource {
    /// Asks once; `None`: there was no answer, or none that could be understood. May be given
    /// up at any time and asked again.
    fn status(&mut self) -> LocalFuture<'_, Option<Status>>;

    /// Why the last question had no answer, as far as that is known.
    fn trouble(&self) -> Option<String> {
        None
    }
}

/// Makes the source of a node: given its number, from 0, and its address for clients.
pub type Connect = Box<dyn Fn(usize, &str) -> Box<dyn StatusSource>>;

/// How nodes are asked.
pub struct Polled {
    /// From one question to the next; 20 to 50 ms are fine enough for elections of some
    /// hundred milliseconds.
    pub every: Duration,
    /// An answer that takes longer is none.
    pub limit: Duration,
    /// Whom to ask.
    pub connect: Connect,
}

impl Polled {
    /// Asks often enough to time elections.
    pub fn by(connect: Connect) -> Self {
        Self {
            every: Duration::from_millis(25),
            limit: Duration::from_millis(400),
            connect,
        }
    }

    /// The same where every question starts a program, which takes its time.
    pub fn by_programs(connect: Connect) -> Self {
        Self {
            every: Duration::from_millis(250),
            limit: Duration::from_secs(3),
            connect,
        }
    }

    /// From one answer to the next of who answers at all.
    pub(super) fn longest(&self) -> Duration {
        self.every + self.limit
    }
}

/// Leaderships of a run that were seen, of systems that do not number them.
#[derive(Debug, Default)]
pub(super) struct Leaderships {
    seen: Cell<u64>,
    /// Whether a node has named a term: then the system numbers them itself.
    are_numbered: Cell<bool>,
}

/// What one node has said in its present life.
#[derive(Debug, Default)]
pub(super) struct Tracker {
    has_answered: bool,
    role: Role,
    term: u64,
}

impl Tracker {
    /// Takes an answer in; what has happened since the last one. `None`: it says nothing,
    /// since its system numbers leaders and it does not, and our numbers are not theirs.
    pub(super) fn note(&mut self, status: Status, seen: &Leaderships) -> Option<Vec<NodeEvent>> {
        match status.term {
            Some(_) => seen.are_numbered.set(true),
            None if seen.are_numbered.get() => return None,
            None => {}
        }
        let index = status.applied.unwrap_or_default();
        let mut events = Vec::new();
        if !std::mem::replace(&mut self.has_answered, true) {
            events.push(NodeEvent::Started {
                last_log: index,
                applied: index,
            });
        }
        let becomes_leader = status.role == Role::Leader && self.role != Role::Leader;
        let term = status.term.unwrap_or_else(|| {
            if becomes_leader {
                seen.seen.set(seen.seen.get() + 1);
            }
            // Who leads goes on in the term in which it began.
            match status.role == Role::Leader && !becomes_leader {
                true => self.term,
                false => seen.seen.get(),
            }
        });
        let has_changed = status.role != self.role || term != self.term;
        let has_led = self.role == Role::Leader;
        match status.role {
            Role::Leader if has_changed => {
                events.push(NodeEvent::Leader { term });
                events.push(NodeEvent::FirstCommit { term, index });
            }
            Role::Candidate if has_changed => events.push(NodeEvent::Election {
                term,
                pre_vote: false,
            }),
            // Of terms that are numbered here, a follower knows nothing.
            Role::Follower if status.role != self.role || status.term.is_some() && has_changed => {
                events.push(NodeEvent::Follower { term, leader: None });
            }
            Role::Unknown if has_led => events.push(NodeEvent::Follower { term, leader: None }),
            _ => {}
        }
        (self.role, self.term) = (status.role, term);
        Some(events)
    }
}

/// Who receives what was learnt of one node.
pub(super) trait Polling {
    /// The life that the node is in, if it can be asked now.
    fn life(&self) -> Option<u64>;
    /// What an answer said of a node that is in the same life as when it was asked.
    fn learn(&self, status: Status, events: Vec<NodeEvent>);
    /// A question had no answer, and why.
    fn miss(&self, why: String);
}

/// Asks one node, for ever.
pub(super) async fn watch(
    polled: &Polled,
    source: &mut dyn StatusSource,
    seen: &Leaderships,
    node: &impl Polling,
) {
    let (mut tracker, mut known_life) = (Tracker::default(), None);
    let mut next = RealWorld::now();
    loop {
        // A question that took long does not make the next ones come in a crowd.
        next = (next + polled.every).max(RealWorld::now());
        RealWorld::sleep_until(next).await;
        let life = node.life();
        if life.is_none() {
            continue;
        }
        if life != known_life {
            (tracker, known_life) = (Tracker::default(), life);
        }
        let answer = timeout::<RealWorld, _>(polled.limit, source.status()).await;
        let why = match answer {
            // What a process said that has ended meanwhile says nothing of the next one.
            Ok(Some(_)) if node.life() != life => continue,
            Ok(Some(status)) => match tracker.note(status, seen) {
                Some(events) => {
                    node.learn(status, events);
                    continue;
                }
                None => "its answer has no term, and others had one".into(),
            },
            Ok(None) => (source.trouble()).unwrap_or_else(|| "no answer that is one".into()),
            Err(_) => format!("no answer within {} ms", polled.limit.as_millis()),
        };
        node.miss(why);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::VecDeque;
    use std::rc::Rc;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(20);

    fn at(role: Role, term: Option<u64>, applied: u64) -> Status {
        Status {
            role,
            term,
            applied: Some(applied),
        }
    }

    fn texts(events: &[NodeEvent]) -> Vec<String> {
        let text = |event: &NodeEvent| match event {
            NodeEvent::Started { applied, .. } => format!("started at {applied}"),
            NodeEvent::Election { term, .. } => format!("wants to lead {term}"),
            NodeEvent::Leader { term } => format!("leads {term}"),
            NodeEvent::FirstCommit { term, index } => format!("committed {index} in {term}"),
            NodeEvent::Follower { term, .. } => format!("follows in {term}"),
            other => panic!("nobody said {other:?}"),
        };
        events.iter().map(text).collect()
    }

    #[test]
    fn changes_of_a_node_that_numbers_its_leaders_are_events() {
        let (mut node, seen) = (Tracker::default(), Leaderships::default());
        let mut events = |status| texts(&node.note(status, &seen).expect("it says something"));
        assert_eq!(
            events(at(Role::Follower, Some(1), 7)),
            ["started at 7", "follows in 1"]
        );
        assert!(events(at(Role::Follower, Some(1), 8)).is_empty());
        assert_eq!(events(at(Role::Candidate, Some(2), 8)), ["wants to lead 2"]);
        assert_eq!(
            events(at(Role::Leader, Some(2), 9)),
            ["leads 2", "committed 9 in 2"]
        );
        assert!(events(at(Role::Leader, Some(2), 12)).is_empty());
        let again = ["leads 4", "committed 12 in 4"];
        assert_eq!(
            events(at(Role::Leader, Some(4), 12)),
            again,
            "it lost one between"
        );
        assert_eq!(events(at(Role::Unknown, Some(4), 12)), ["follows in 4"]);
        assert!(events(at(Role::Unknown, Some(5), 12)).is_empty());
        assert_eq!(events(at(Role::Follower, Some(5), 12)), ["follows in 5"]);
    }

    #[test]
    fn leaders_that_nobody_numbers_get_rising_terms() {
        let seen = Leaderships::default();
        let (mut one, mut two) = (Tracker::default(), Tracker::default());
        let leads = at(Role::Leader, None, 3);
        let follows = at(Role::Follower, None, 3);
        let events = |node: &mut Tracker, status| {
            let events = node.note(status, &seen);
            texts(&events.expect("nobody numbers them"))
        };
        assert_eq!(
            events(&mut one, leads)[1..],
            ["leads 1", "committed 3 in 1"]
        );
        assert_eq!(events(&mut two, follows)[1..], ["follows in 1"]);
        assert_eq!(events(&mut two, leads), ["leads 2", "committed 3 in 2"]);
        assert!(events(&mut one, leads).is_empty(), "it has not heard yet");
        assert_eq!(events(&mut one, follows), ["follows in 2"]);
        assert!(events(&mut one, follows).is_empty());
    }

    #[test]
    fn our_numbers_are_never_mixed_with_those_of_the_system() {
        let seen = Leaderships::default();
        let (mut one, mut two) = (Tracker::default(), Tracker::default());
        let leads = at(Role::Leader, Some(7), 3);
        assert!(one.note(leads, &seen).is_some());
        let unnumbered = at(Role::Leader, None, 3);
        assert_eq!(one.note(unnumbered, &seen), None);
        assert_eq!(two.note(unnumbered, &seen), None, "of any node");
        let events = one.note(leads, &seen).expect("it is numbered");
        assert!(events.is_empty(), "nothing has changed: {events:?}");
    }

    /// Gives these answers, and then no more.
    struct Script(VecDeque<Option<Status>>);

    impl StatusSource for Script {
        fn status(&mut self) -> LocalFuture<'_, Option<Status>> {
            let answer = self.0.pop_front();
            Box::pin(async move {
                match answer {
                    Some(answer) => answer,
                    None => std::future::pending().await,
                }
            })
        }
    }

    /// A node that is killed and started again when it has been asked three times.
    #[derive(Default)]
    struct Node {
        asked: Cell<u64>,
        learnt: RefCell<Vec<String>>,
        missed: RefCell<Vec<String>>,
    }

    impl Polling for Rc<Node> {
        fn life(&self) -> Option<u64> {
            self.asked.set(self.asked.get() + 1);
            // A look before each question, and one after each answer.
            match self.asked.get() {
                0..=6 => Some(1),
                7 | 8 => None,
                _ => Some(2),
            }
        }

        fn learn(&self, _: Status, events: Vec<NodeEvent>) {
            self.learnt.borrow_mut().extend(texts(&events));
        }

        fn miss(&self, why: String) {
            self.missed.borrow_mut().push(why);
        }
    }

    #[test]
    #[allow(clippy::disallowed_methods)] // the poller lives in real time
    fn node_is_asked_again_after_silence_and_begins_anew_with_its_process() {
        let polled = Polled {
            every: Duration::from_millis(1),
            limit: Duration::from_millis(20),
            connect: Box::new(|_, _| unreachable!("the source is given")),
        };
        let leads = at(Role::Leader, Some(3), 5);
        // The second question has no answer, and the process that answered the fourth has
        // ended when the answer is there.
        let answers = [Some(leads), None, Some(leads), Some(leads), Some(leads)];
        let mut source = Script(answers.into());
        let node = Rc::new(Node::default());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let seen = Leaderships::default();
        let leading = ["started at 5", "leads 3", "committed 5 in 3"];
        let expected = [leading, leading].concat();
        runtime.expect("an event loop").block_on(async {
            let watching = watch(&polled, &mut source, &seen, &node);
            let all_told = async {
                while node.learnt.borrow().len() < expected.len() {
                    RealWorld::sleep(Duration::from_millis(1)).await;
                }
            };
            let either = futures_util::future::select(Box::pin(watching), Box::pin(all_told));
            let ended = timeout::<RealWorld, _>(LIMIT, either).await;
            assert!(ended.is_ok(), "learnt only {:?}", node.learnt.borrow());
        });
        assert_eq!(*node.learnt.borrow(), expected);
        assert_eq!(node.missed.borrow()[0], "no answer that is one");
    }
}
