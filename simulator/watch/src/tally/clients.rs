//! Tracks how long each client of the workloads has been without service.
//!
//! The rules are those of the report's downtime, as far as they can be known at the moment: a
//! client is without service from the first of its attempts in vain, and one that has waited
//! longer than [`SLOW_US`] is as well. The report knows what was usual in the warm-up, and
//! what a client that vanished still heard.

use std::collections::BTreeMap;

use squall_history::{Action, Outcome};

/// An answer that takes longer is no service.
const SLOW_US: u64 = 500_000;
/// A client that asks nothing for longer than this after an attempt in vain is idle.
const PAUSE_US: u64 = 1_000_000;

#[derive(Debug, Default)]
struct Client {
    /// When the attempt that is under way began to cost patience, later than it was sent by
    /// what the client asked to be kept waiting.
    waits_us: Option<u64>,
    /// How long it asked to be kept waiting.
    patience_us: u64,
    /// The first attempt in vain since it was answered.
    without_us: Option<u64>,
    /// When it last heard or sent anything.
    active_us: u64,
}

impl Client {
    /// Since when it is without service, if it is.
    fn since_us(&self, now_us: u64) -> Option<u64> {
        match (self.without_us, self.waits_us) {
            (Some(_), None) if now_us.saturating_sub(self.active_us) > PAUSE_US => None,
            (Some(since_us), _) => Some(since_us),
            (None, Some(waits_us)) => {
                (now_us.saturating_sub(waits_us) > SLOW_US).then_some(waits_us)
            }
            (None, None) => None,
        }
    }
}

/// All clients that asked, in the order of their first question.
#[derive(Debug, Default)]
pub struct Clients {
    places: BTreeMap<String, usize>,
    clients: Vec<Client>,
    longest_us: u64,
}

/// How clients stand at a moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ClientsNow {
    pub asked: u64,
    pub without: u64,
    /// For how long the one that has been without service longest has been, microseconds.
    pub for_us: u64,
}

impl Clients {
    /// A client asks; its place among them.
    pub(super) fn asked(&mut self, name: &str, now_us: u64, action: &Action) -> usize {
        let place = match self.places.get(name) {
            Some(place) => *place,
            None => {
                let place = self.clients.len();
                self.places.insert(name.to_owned(), place);
                self.clients.push(Client::default());
                place
            }
        };
        let client = &mut self.clients[place];
        if client.since_us(now_us).is_none() {
            client.without_us = None;
        }
        client.patience_us = action.wait_ms().saturating_mul(1_000);
        client.waits_us = Some(now_us.saturating_add(client.patience_us));
        client.active_us = now_us;
        place
    }

    /// An attempt is over, and another follows if `goes_on`. Of an attempt in vain the client
    /// is without service since it began to cost patience; what it did not listen for says
    /// nothing.
    pub(super) fn heard(
        &mut self,
        place: usize,
        now_us: u64,
        outcome: Option<&Outcome>,
        goes_on: bool,
    ) {
        let client = &mut self.clients[place];
        match outcome {
            Some(outcome) if outcome.is_answer() => {
                if let Some(since_us) = client.since_us(now_us) {
                    self.longest_us = self.longest_us.max(now_us - since_us);
                }
                client.without_us = None;
            }
            Some(outcome) if !outcome.is_unheard() => {
                let since_us = client.waits_us.unwrap_or(now_us).min(now_us);
                client.without_us.get_or_insert(since_us);
            }
            _ => {}
        }
        client.active_us = now_us;
        client.waits_us = goes_on.then(|| now_us.saturating_add(client.patience_us));
    }

    /// A client is gone for good, and misses nothing; its place, if it ever asked.
    pub(super) fn vanished(&mut self, name: &str) -> Option<usize> {
        let place = *self.places.get(name)?;
        let client = &mut self.clients[place];
        (client.waits_us, client.without_us) = (None, None);
        Some(place)
    }

    /// Whether this one is without service now.
    pub(super) fn is_without(&self, place: usize, now_us: u64) -> bool {
        self.clients[place].since_us(now_us).is_some()
    }

    /// What happened before counts no longer; who waits goes on to.
    pub(super) fn begin(&mut self) {
        self.longest_us = 0;
    }

    pub fn now(&self, now_us: u64) -> ClientsNow {
        let mut now = ClientsNow {
            asked: self.clients.len() as u64,
            ..ClientsNow::default()
        };
        for since_us in self.clients.iter().filter_map(|c| c.since_us(now_us)) {
            now.without += 1;
            now.for_us = now.for_us.max(now_us.saturating_sub(since_us));
        }
        now
    }

    /// The longest that any has been without service so far.
    pub fn longest_us(&self, now_us: u64) -> u64 {
        self.longest_us.max(self.now(now_us).for_us)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const READ: fn() -> Action = || Action::Delete { key: "k".into() };

    fn now(clients: &Clients, now_us: u64) -> (u64, u64) {
        let now = clients.now(now_us);
        (now.without, now.for_us)
    }

    #[test]
    fn a_client_is_without_service_from_its_first_attempt_in_vain_to_an_answer() {
        let mut clients = Clients::default();
        let failed = Outcome::Failed {
            why: "no leader".into(),
        };
        let a = clients.asked("a", 1_000, &READ());
        assert_eq!(now(&clients, 2_000), (0, 0));
        clients.heard(a, 3_000, Some(&failed), true);
        clients.heard(a, 5_000, Some(&failed), false);
        assert_eq!(now(&clients, 6_000), (1, 5_000));
        clients.asked("a", 7_000, &READ());
        assert_eq!(now(&clients, 8_000), (1, 7_000));
        clients.heard(a, 9_000, Some(&Outcome::Stored { version: 1 }), false);
        assert_eq!(now(&clients, 9_000), (0, 0));
        assert_eq!(clients.longest_us(9_000), 8_000);
    }

    /// A long poll that fails early cost nothing, and one that fails late what came after it.
    #[test]
    fn what_a_client_asked_to_wait_is_no_time_without_service() {
        let poll = Action::Acquire {
            name: "l".into(),
            session: 1,
            shared: false,
            wait_ms: 100,
        };
        let failed = Outcome::Failed {
            why: "no leader".into(),
        };
        let mut clients = Clients::default();
        let a = clients.asked("a", 0, &poll);
        clients.heard(a, 30_000, Some(&failed), true);
        assert_eq!(now(&clients, 40_000), (1, 10_000));
        let b = clients.asked("b", 0, &poll);
        clients.heard(b, 250_000, Some(&failed), false);
        // The second attempt of the one costs patience from 130 ms on, the first is what counts.
        assert_eq!(now(&clients, 250_000), (2, 220_000));
        assert_eq!(clients.now(250_000).asked, 2);
    }

    #[test]
    fn whoever_waits_for_long_is_without_service_and_whoever_is_idle_is_not() {
        let mut clients = Clients::default();
        let a = clients.asked("a", 0, &READ());
        assert_eq!(now(&clients, SLOW_US), (0, 0));
        assert_eq!(now(&clients, SLOW_US + 1), (1, SLOW_US + 1));
        let unknown = Outcome::Unknown {
            why: "timed out".into(),
        };
        clients.heard(a, 600_000, Some(&unknown), false);
        assert_eq!(now(&clients, 700_000), (1, 700_000));
        assert_eq!(now(&clients, 600_001 + PAUSE_US), (0, 0));
        clients.asked("a", 2_000_000, &READ());
        assert_eq!(now(&clients, 2_000_001), (0, 0), "what it missed is over");
        clients.vanished("a");
        assert_eq!(now(&clients, 9_000_000), (0, 0));
    }
}
