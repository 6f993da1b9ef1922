//! A client program that runs: lines to its standard input, lines from its standard output.

use std::process::Stdio;

use serde_json::{Value, json};
use squall_world::{Instant, RealWorld, timeout_at};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout};

use super::Setup;

/// Most bytes of one answer.
const MOST_BYTES: u64 = 16 << 20;

/// Killed when it is dropped.
pub(super) struct Process {
    _child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    /// What of a line was read before somebody lost patience.
    line: Vec<u8>,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// It does not know yet where the nodes are.
    New,
    /// It has, and has not said that it is ready.
    Told,
    Ready,
}

impl Process {
    /// Starts the program.
    pub(super) fn start(setup: &Setup) -> Result<Self, String> {
        let command = setup.mark.command(&setup.command);
        let program = &setup.command[0];
        let child = { command.expect("a command names a program") }
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // What it has to say beside its answers is for whoever runs it.
            .stderr(Stdio::inherit())
            .spawn();
        let mut child = child.map_err(|error| format!("{program} cannot be started: {error}"))?;
        Ok(Self {
            input: child.stdin.take().expect("it is piped"),
            output: BufReader::new(child.stdout.take().expect("it is piped")),
            _child: child,
            line: Vec::new(),
            state: State::New,
        })
    }

    /// Tells it where the nodes are, and waits until it is ready; the inner error if it is not
    /// yet by the deadline. After another it is of no use.
    pub(super) async fn begin(
        &mut self,
        setup: &Setup,
        number: usize,
        deadline: Instant,
    ) -> Result<Result<(), String>, String> {
        let nodes = &setup.addresses;
        let hello = json!({ "id": 0, "f": "init", "client": number, "nodes": nodes });
        if self.state == State::New {
            let greeted = self.send(&hello.to_string()).await;
            greeted.map_err(|error| format!("the program did not begin: {error}"))?;
            self.state = State::Told;
        }
        if self.state == State::Told {
            let Ok(read) = timeout_at::<RealWorld, _>(deadline, self.read()).await else {
                return Ok(Err("the program is not ready yet".into()));
            };
            let answer = read.map_err(|why| format!("the program did not begin: {why}"))?;
            let is_ready = serde_json::from_str(&answer)
                .is_ok_and(|answer: Value| answer["outcome"] == "ready");
            if !is_ready {
                return Err(format!(
                    "the program answered `init` not with `ready`: {answer}"
                ));
            }
            self.state = State::Ready;
        }
        Ok(Ok(()))
    }

    /// Sends a line, and waits for one. After an error the program is of no use.
    pub(super) async fn ask(&mut self, line: &str, deadline: Instant) -> Result<String, String> {
        let exchange = async {
            self.send(line).await?;
            self.read().await
        };
        let answer = timeout_at::<RealWorld, _>(deadline, exchange).await;
        answer.unwrap_or_else(|_| Err("no answer in time".into()))
    }

    async fn send(&mut self, line: &str) -> Result<(), String> {
        let line = format!("{line}\n");
        let sent = async {
            self.input.write_all(line.as_bytes()).await?;
            self.input.flush().await
        };
        sent.await.map_err(|error| error.to_string())
    }

    async fn read(&mut self) -> Result<String, String> {
        let left = MOST_BYTES.saturating_sub(self.line.len() as u64);
        let mut limited = (&mut self.output).take(left);
        let read = limited.read_until(b'\n', &mut self.line).await;
        read.map_err(|error| error.to_string())?;
        let line = std::mem::take(&mut self.line);
        match line.last() {
            Some(b'\n') => Ok(String::from_utf8_lossy(&line).trim_end().to_owned()),
            Some(_) => Err("the program has not ended its line".into()),
            None => Err("the program has ended".into()),
        }
    }
}
