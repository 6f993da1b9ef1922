//! A history of our own, always the same: operations on ten thousand keys by a hundred clients,
//! one in a hundred of unknown outcome.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use squall::history::{Action, Event, EventKind, History, Outcome, Phase};

const KEYS: usize = 10_000;
const CLIENTS: usize = 100;

/// A key as it is, and the log that gives versions.
struct Store {
    index: u64,
    keys: Vec<Option<(String, u64)>>,
}

/// An operation under way: its number, key and question, and its answer once it is served.
type Open = (u64, usize, Action, Option<Outcome>);

/// A history of clients that each ask, are served at a random moment, and are answered.
pub fn made(operations: usize) -> History {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut store = Store {
        index: 0,
        keys: vec![None; KEYS],
    };
    let mut events = vec![kind(
        0,
        EventKind::Phase {
            phase: Phase::Warmup,
        },
    )];
    let mut open: Vec<Option<Open>> = vec![None; CLIENTS];
    let (mut asked, mut at_us) = (0, 0);
    while asked < operations || open.iter().any(Option::is_some) {
        at_us += 10;
        let client = rng.random_range(0..CLIENTS);
        match open[client].take() {
            None if asked < operations => {
                let key = rng.random_range(0..KEYS);
                let action = store.action(&mut rng, key, asked);
                events.push(kind(
                    at_us,
                    EventKind::Invoke {
                        op: asked as u64,
                        client: format!("cache-{client}"),
                        intended_us: None,
                        action: action.clone(),
                    },
                ));
                open[client] = Some((asked as u64, key, action, None));
                asked += 1;
            }
            None => {}
            // Served now, answered later.
            Some((op, key, action, None)) if rng.random_range(0..2) == 0 => {
                let outcome = store.serve(key, &action);
                open[client] = Some((op, key, action, Some(outcome)));
            }
            Some((op, key, action, served)) => {
                let outcome = served.unwrap_or_else(|| store.serve(key, &action));
                let outcome = match rng.random_range(0..100) {
                    0 => Outcome::Unknown {
                        why: "timed out".into(),
                    },
                    _ => outcome,
                };
                events.push(kind(at_us, EventKind::Return { op, outcome }));
            }
        }
    }
    for phase in [Phase::Chaos, Phase::Audit, Phase::End] {
        events.push(kind(at_us, EventKind::Phase { phase }));
    }
    History { events }
}

fn kind(at_us: u64, kind: EventKind) -> Event {
    Event { at_us, kind }
}

impl Store {
    fn action(&self, rng: &mut ChaCha8Rng, key: usize, number: usize) -> Action {
        let name = format!("key-{key}");
        let value = format!("value-{number}");
        match rng.random_range(0..10) {
            0..5 => Action::Get {
                key: name,
                lease: false,
            },
            5..8 => Action::Set {
                key: name,
                value,
                bytes: 100,
            },
            _ => Action::CompareAndSet {
                key: name,
                version: self.keys[key].as_ref().map_or(0, |(_, version)| *version),
                value,
            },
        }
    }

    fn serve(&mut self, key: usize, action: &Action) -> Outcome {
        self.index += 1;
        let version = self.index;
        let now = self.keys[key].as_ref().map_or(0, |(_, version)| *version);
        let written = match action {
            Action::Get { .. } => {
                let value = self.keys[key].as_ref().map(|(value, _)| value.clone());
                return Outcome::Value {
                    value,
                    version: now,
                };
            }
            Action::CompareAndSet { version, .. } if *version != now => return Outcome::Mismatch,
            Action::Set { value, .. } | Action::CompareAndSet { value, .. } => value.clone(),
            other => unreachable!("{other:?} is never asked"),
        };
        self.keys[key] = Some((written, version));
        Outcome::Stored { version }
    }
}
