//! A client: asks nodes in turn until one says that it is the primary.

use std::time::Duration;

use crate::max;
use squall::system::{
    Action, CallFailed, ClientDriver, Instant, LocalFuture, Outcome, SimWorld, World, call,
};

/// Rest before a node is asked again.
const REST: Duration = Duration::from_millis(20);

pub(crate) struct Client {
    addresses: Vec<String>,
    /// The node that was the primary last.
    favourite: usize,
}

impl Client {
    pub(crate) fn new(addresses: &[String], number: usize) -> Self {
        Self {
            favourite: number % addresses.len(),
            addresses: addresses.to_vec(),
        }
    }

    async fn ask(&mut self, request: &str, deadline: Instant) -> Result<String, Outcome> {
        loop {
            let address = &self.addresses[self.favourite];
            match call(address, request, deadline).await {
                Ok(reply) if reply != "not-primary" => return Ok(reply),
                // It may have been done, and asking again would do it twice.
                Err(CallFailed::NoAnswer(why)) => return Err(Outcome::Unknown { why }),
                Ok(_) | Err(CallFailed::NotSent(_)) => {}
            }
            self.favourite = (self.favourite + 1) % self.addresses.len();
            if SimWorld::now() + REST >= deadline {
                let why = "no node is the primary".to_owned();
                return Err(Outcome::Failed { why });
            }
            SimWorld::sleep(REST).await;
        }
    }

    async fn outcome(&mut self, action: &Action, deadline: Instant) -> Outcome {
        let request = match action {
            Action::Get { key, .. } => format!("get {key}"),
            Action::Set { key, value, .. } => format!("set {key} {value}"),
            Action::CompareAndSet {
                key,
                version,
                value,
            } => format!("cas {key} {version} {value}"),
            Action::Call(call) => {
                let register = call.key.as_deref().unwrap_or_default();
                max::request(call.operation.text(), register, &call.arguments)
            }
            other => {
                let why = format!("a register knows no {other:?}");
                return Outcome::Failed { why };
            }
        };
        match self.ask(&request, deadline).await {
            Ok(reply) => understood(&reply),
            Err(outcome) => outcome,
        }
    }
}

fn understood(reply: &str) -> Outcome {
    let words: Vec<&str> = reply.split(' ').collect();
    let number = |word: &str| word.parse().unwrap_or_default();
    match words[..] {
        ["value", version, value] => Outcome::Value {
            value: Some(value.to_owned()),
            version: number(version),
        },
        ["nothing"] => Outcome::Value {
            value: None,
            version: 0,
        },
        ["stored", version] => Outcome::Stored {
            version: number(version),
        },
        ["mismatch"] => Outcome::Mismatch,
        ["top", largest] => Outcome::Answered {
            value: number(largest).into(),
        },
        _ => Outcome::Unknown {
            why: reply.to_owned(),
        },
    }
}

impl ClientDriver for Client {
    fn issue<'a>(&'a mut self, action: &'a Action, deadline: Instant) -> LocalFuture<'a, Outcome> {
        Box::pin(self.outcome(action, deadline))
    }
}
