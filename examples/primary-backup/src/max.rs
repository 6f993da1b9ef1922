//! A service that Squall does not know: registers that keep the largest number they were
//! given.
//!
//! Two operations: `raise` offers a number, and is answered with the largest so far; `top`
//! reads it. Clients draw them, a probe raises a register of its own, the audit reads every
//! register, and a model of one register judges all of it by Squall's search for a linear
//! order.

use rand::RngExt;
use serde_json::json;
use squall::history::Service as ServiceName;
use squall::system::{
    Action, Audit, Client, Findings, LocalFuture, Operation, OperationClass, Outcome, Over,
    OwnCheck, Probe, Service, Specification, linearizable,
};

/// The service `max`.
pub struct MaxRegisters;

/// Its name in scenarios, histories and reports.
fn name() -> ServiceName {
    ServiceName::named("max").expect("it is a name")
}

impl Service for MaxRegisters {
    fn name(&self) -> ServiceName {
        name()
    }

    fn run(&self, _role: &'static str, mut client: Client) -> LocalFuture<'static, ()> {
        // Ends when the workload is over.
        Box::pin(async move { while step(&mut client).await.is_ok() {} })
    }

    fn probe(&self) -> Option<Box<dyn Probe>> {
        Some(Box::new(MaxProbe(0)))
    }

    fn audit<'a>(&'a self, audit: &'a mut Audit) -> LocalFuture<'a, ()> {
        Box::pin(async {
            let mut registers = audit.probes(name());
            for workload in audit.workloads(name()) {
                let (keys, _) = workload.kind.keys();
                registers.extend((0..keys).map(register));
            }
            let reads = registers.iter().map(|register| top(register)).collect();
            audit.read_all(reads).await;
        })
    }

    fn checks(&self) -> Vec<OwnCheck> {
        vec![OwnCheck {
            name: "max_linearizable",
            property: "M1",
            counted: "operations on max registers",
            judge,
        }]
    }
}

/// All workloads share the registers.
fn register(number: u64) -> String {
    format!("max-{number}")
}

/// Reads in four of ten operations, unless the scenario's `options` say otherwise.
const READS_PERCENT: u64 = 40;

async fn step(client: &mut Client) -> Result<(), Over> {
    let intended_us = client.next().await?;
    let register = register(client.draw_key());
    let reads = client.option("reads_percent").and_then(|v| v.as_u64());
    if client.rng().random_range(0..100) < reads.unwrap_or(READS_PERCENT) {
        client.ask(intended_us, top(&register)).await;
    } else {
        let number = client.rng().random_range(1..1_000_000);
        client.ask(intended_us, raise(&register, number)).await;
    }
    Ok(())
}

fn raise(register: &str, number: u64) -> Action {
    let arguments = json!({ "number": number });
    Action::call(name(), OperationClass::Write, "raise", register, arguments)
}

fn top(register: &str) -> Action {
    let arguments = serde_json::Value::Null;
    Action::call(name(), OperationClass::Read, "top", register, arguments)
}

/// Raises a register of its own, each time by one.
struct MaxProbe(u64);

impl Probe for MaxProbe {
    fn ask<'a>(&'a mut self, client: &'a mut Client) -> LocalFuture<'a, Outcome> {
        self.0 += 1;
        let raise = raise(client.name(), self.0);
        Box::pin(client.ask(None, raise))
    }
}

/// The line that asks a node for an operation of this service.
pub(crate) fn request(operation: &str, register: &str, arguments: &serde_json::Value) -> String {
    match operation {
        "raise" => format!("raise {register} {}", arguments["number"]),
        _ => format!("{operation} {register}"),
    }
}

/// M1: every register is linearizable.
fn judge(operations: &[Operation], findings: &mut Findings) {
    linearizable(operations, findings, name(), &Model, |operation| {
        let Action::Call(call) = operation.action else {
            return None;
        };
        let answer = match operation.outcome {
            Some(Outcome::Answered { value }) => Some(value.as_u64()?),
            Some(Outcome::Failed { .. }) => return None,
            _ => None,
        };
        Some(Asked {
            number: call.arguments["number"].as_u64(),
            answer,
        })
    });
}

/// One register.
struct Model;

#[derive(PartialEq)]
struct Asked {
    /// What was offered; `None`: it was only read.
    number: Option<u64>,
    /// `None`: the outcome is unknown.
    answer: Option<u64>,
}

impl Specification for Model {
    type Operation = Asked;
    type State = u64;

    fn initial(&self) -> u64 {
        0
    }

    fn apply(&self, largest: &u64, asked: &Asked) -> Option<u64> {
        let largest = (*largest).max(asked.number.unwrap_or(0));
        let fits = asked.answer.is_none_or(|answer| answer == largest);
        fits.then_some(largest)
    }

    fn is_read(&self, asked: &Asked) -> bool {
        asked.number.is_none()
    }
}
