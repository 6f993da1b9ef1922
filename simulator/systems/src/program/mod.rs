//! Clients that are programs, in any language: they read one operation a line as JSON, and
//! answer one outcome a line. In the manner of Maelstrom's nodes; see `docs/your-system.md`.
//!
//! Each client has a process of its own. What a program has not answered by the deadline is
//! unknown, and so is what it answers with anything that cannot be an answer; either way it is
//! killed, and another is started for the next operation.

mod process;
mod wire;

use std::rc::Rc;
use std::time::Duration;

use squall_history::{Action, Outcome};
use squall_workload::{ClientDriver, LocalFuture};
use squall_world::{Instant, RealWorld, World};

use crate::command::Mark;
use process::Process;
pub(crate) use wire::Rising;
use wire::Wire;

/// Rest after a start that failed: a program that cannot begin must not be started without end.
const REST: Duration = Duration::from_millis(100);

/// What all clients of a run have in common.
pub(crate) struct Setup {
    pub(crate) command: Vec<String>,
    pub(crate) mark: Mark,
    /// Of the nodes, for clients.
    pub(crate) addresses: Vec<String>,
    /// Operations that the program knows.
    pub(crate) offers: Vec<String>,
    /// Which of its numbers are an order.
    pub(crate) rising: Rising,
}

/// One client.
pub(crate) struct Driver {
    setup: Rc<Setup>,
    number: usize,
    process: Option<Process>,
    wire: Wire,
    asked: u64,
}

impl Driver {
    /// Starts the program, so that it is ready when it is asked.
    pub(crate) fn new(setup: Rc<Setup>, number: usize) -> Self {
        Self {
            process: Process::start(&setup).ok(),
            wire: Wire::new(setup.rising),
            setup,
            number,
            asked: 0,
        }
    }

    async fn outcome(&mut self, action: &Action, deadline: Instant) -> Outcome {
        if !self.offers(action.operation()) {
            let why = format!("the program offers no {}", action.operation());
            return Outcome::Failed { why };
        }
        let mut process = match self.process.take().map_or_else(|| self.start(), Ok) {
            Ok(process) => process,
            Err(why) => return not_started(why, deadline).await,
        };
        match process.begin(&self.setup, self.number, deadline).await {
            Ok(Ok(())) => {}
            Ok(Err(why)) => {
                self.process = Some(process);
                return Outcome::Failed { why };
            }
            Err(why) => return not_started(why, deadline).await,
        }
        self.asked += 1;
        let question = match self.wire.question(self.asked, action, deadline) {
            Ok(question) => question,
            Err(why) => {
                self.process = Some(process);
                return Outcome::Failed { why };
            }
        };
        let answer = match process.ask(&question, deadline).await {
            Ok(answer) => answer,
            Err(why) => return self.unknown(process, why),
        };
        match self.wire.outcome(self.asked, action, &answer) {
            Ok(outcome) => {
                self.process = Some(process);
                outcome
            }
            Err(why) => self.unknown(process, why),
        }
    }

    fn start(&self) -> Result<Process, String> {
        Process::start(&self.setup)
    }

    /// Kills a program, and starts another for the next operation.
    fn unknown(&mut self, process: Process, why: String) -> Outcome {
        drop(process);
        self.process = self.start().ok();
        Outcome::Unknown { why }
    }
}

/// There was nobody to be asked.
async fn not_started(why: String, deadline: Instant) -> Outcome {
    RealWorld::sleep_until(deadline.min(RealWorld::now() + REST)).await;
    Outcome::Failed { why }
}

impl ClientDriver for Driver {
    fn issue<'a>(&'a mut self, action: &'a Action, deadline: Instant) -> LocalFuture<'a, Outcome> {
        Box::pin(self.outcome(action, deadline))
    }

    fn offers(&self, operation: &str) -> bool {
        self.setup.offers.iter().any(|offered| offered == operation)
    }
}
