//! A client program that runs: lines to its standard input, lines from its standard output.

use std::process::Stdio;

use serde_json::json;
use squall_world::{Instant, RealWorld, timeout_at};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::Setup;

/// Most bytes of one answer.
const MOST_BYTES: u64 = 16 << 20;

/// Killed when it is dropped.
pub(super) struct Process {
    _child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Process {
    /// Starts the program, tells it where the nodes are, and waits until it is ready.
    pub(super) async fn start(
        setup: &Setup,
        number: usize,
        deadline: Instant,
    ) -> Result<Self, String> {
        let (program, arguments) = setup
            .command
            .split_first()
            .expect("a command names a program");
        let child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // What it has to say beside its answers is for whoever runs it.
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn();
        let mut child = child.map_err(|error| format!("{program} cannot be started: {error}"))?;
        let input = child.stdin.take().expect("it is piped");
        let output = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut process = Self {
            _child: child,
            input,
            output,
        };
        let hello = json!({
            "id": 0,
            "f": "init",
            "client": number,
            "nodes": setup.addresses,
        });
        let answer = process.ask(&hello.to_string(), deadline).await;
        let answer = answer.map_err(|why| format!("{program} did not begin: {why}"))?;
        match serde_json::from_str::<serde_json::Value>(&answer) {
            Ok(answer) if answer["outcome"] == "ready" => Ok(process),
            _ => Err(format!(
                "{program} did not answer `init` with `ready`: {answer}"
            )),
        }
    }

    /// Sends a line, and waits for one. After an error the program is of no use.
    pub(super) async fn ask(&mut self, line: &str, deadline: Instant) -> Result<String, String> {
        let exchange = async {
            let line = format!("{line}\n");
            self.input.write_all(line.as_bytes()).await?;
            self.input.flush().await?;
            let mut answer = String::new();
            (&mut self.output)
                .take(MOST_BYTES)
                .read_line(&mut answer)
                .await?;
            Ok::<_, std::io::Error>(answer)
        };
        match timeout_at::<RealWorld, _>(deadline, exchange).await {
            Ok(Ok(answer)) if answer.ends_with('\n') => Ok(answer.trim_end().to_owned()),
            Ok(Ok(answer)) if answer.is_empty() => Err("the program has ended".into()),
            Ok(Ok(_)) => Err("the program has not ended its line".into()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("no answer in time".into()),
        }
    }
}
