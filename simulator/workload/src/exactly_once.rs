//! Operations that are sent again until their outcome is known, and executed once.
//!
//! A client that got no answer cannot know whether its request was executed; under a session
//! and a sequence, or a producer's sequence, it may ask again without fear. To the history
//! that is one operation, from the first attempt to the last answer; each further attempt is
//! a `Retry`. A share of the operations loses its first answer on purpose, as a client does
//! that crashes after sending, so that retries come without faults as well, and late.
//! Another share has the sequence of the operation before, which was another, as with a client
//! that forgets to count: the cluster refuses it, and nothing of it must happen.
//!
//! The sessions used here are not in the history: they outlive any run unless the scenario says
//! otherwise, and what a session promises is judged by those of lock clients. Whether a request
//! was executed whose session has ended meanwhile remains unknown.
//!
//! Source: Ongaro, "Consensus: Bridging Theory and Practice" (2014), §6.3.

use std::time::Duration;

use squall_cluster::state::command::Once;

use super::asked::{NO_SESSION, SEQUENCE_REUSED};
use super::client::{Session, UNHEARD};
use super::driver::Extras;
use super::{Client, random_duration, sometimes};
use squall_history::lists::taking;
use squall_history::{Action, Outcome};
use squall_plan::plan::Retries;

/// After this long without a definite answer the client gives up.
const GIVE_UP: Duration = Duration::from_secs(20);
/// Rest between attempts.
const REST: Duration = Duration::from_millis(20);
/// By then, who waits for a list may have been given something that he does not hear of.
const LONGEST_PATIENCE: Duration = Duration::from_millis(200);
/// Of sessions that outlive any run.
const TTL_MS: u64 = 600_000;

impl Client {
    /// The position in this client's session that the action gets, usually the next. The
    /// session is opened if there is none; `None` if that did not succeed.
    pub(super) async fn next_once(&mut self, retries: &Retries, action: &Action) -> Option<Once> {
        if self.session.is_none() {
            let ttl_ms = retries.session_ttl_ms.unwrap_or(TTL_MS);
            let open = Action::OpenSession { ttl_ms };
            let opened = self.send(&open, Extras::default()).await;
            if let Outcome::Session { session: id } = opened {
                self.session = Some(Session {
                    id,
                    sequence: 0,
                    first: None,
                });
            }
        }
        let forgets = sometimes(&mut self.rng, retries.reused_ppm);
        let session = self.session.as_mut()?;
        let first = session.first.take();
        if !(forgets && first.is_some_and(|first| are_others(&first, action))) {
            session.sequence += 1;
            session.first = Some(action.clone());
        }
        Some(Once {
            session: session.id,
            sequence: session.sequence,
        })
    }

    /// How long an answer is waited for that is to be lost.
    fn patience(&mut self, action: &Action) -> Duration {
        if !action.is_of_list() || action.wait_ms() == 0 {
            return UNHEARD;
        }
        random_duration(&mut self.rng, UNHEARD, LONGEST_PATIENCE)
    }

    /// Sends a write until its outcome is known, and records it as one operation. The extras
    /// say what it repeats.
    pub(super) async fn ask_until_known(
        &mut self,
        intended_us: Option<u64>,
        action: Action,
        extras: Extras<'_>,
        retries: Retries,
    ) -> Outcome {
        let op = (self.context.recorder).invoke(&self.name, intended_us, action.clone());
        let give_up_at = self.now() + GIVE_UP;
        let mut uncertain = false;
        if sometimes(&mut self.rng, retries.ppm) {
            // Whatever came back, it was not heard.
            let patience = self.patience(&action);
            self.send_briefly(&action, extras, patience).await;
            uncertain = true;
            let (min, max) = (retries.after_min_us, retries.after_max_us);
            let [min, max] = [min, max].map(Duration::from_micros);
            let rest = random_duration(&mut self.rng, min, max);
            self.sleep(rest).await;
            self.context.recorder.retry(op, Outcome::not_awaited());
        }
        let outcome = loop {
            let outcome = self.send(&action, extras).await;
            if matches!(&outcome, Outcome::Failed { why } if why == NO_SESSION) {
                self.session = None;
            }
            if outcome.is_acknowledged() {
                break outcome;
            }
            let refused_at_once = matches!(outcome, Outcome::Failed { .. }) && !uncertain;
            // Nor will it ever be executed under that sequence.
            let reused = matches!(&outcome, Outcome::Failed { why } if why == SEQUENCE_REUSED);
            if refused_at_once || reused {
                break outcome;
            }
            uncertain = true;
            if self.now() >= give_up_at || self.session.is_none() && extras.once.is_some() {
                break Outcome::given_up(&outcome);
            }
            self.sleep(REST).await;
            self.context.recorder.retry(op, outcome);
        };
        self.context.recorder.complete(op, outcome.clone());
        outcome
    }
}

/// Whether the cluster can tell the commands apart: it does not compare which list a value is
/// taken from, nor how long that waits.
fn are_others(first: &Action, second: &Action) -> bool {
    first != second && (taking(first).is_none() || taking(second).is_none())
}

#[cfg(test)]
mod tests {
    use super::*;
    use squall_history::ListEnd;

    #[test]
    fn only_what_the_cluster_tells_apart_counts_as_another() {
        let count = |key: &str| Action::Increment {
            key: key.into(),
            by: 1,
        };
        let pop = |list: &str| Action::ListPop {
            list: list.into(),
            end: ListEnd::Left,
        };
        assert!(are_others(&count("a"), &count("b")));
        assert!(are_others(&count("a"), &pop("a")) && are_others(&pop("a"), &count("a")));
        assert!(!are_others(&count("a"), &count("a")));
        assert!(!are_others(&pop("a"), &pop("b")));
    }
}
