//! A client program in Rust: the template of `examples/python-register/client.py`, for whoever
//! would rather write Rust. It speaks to the same server.
//!
//! One operation a line on standard input, one outcome a line on standard output. `failed`
//! means certainly not done; if in doubt it is `unknown`.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// Rest before another node is asked.
const REST: Duration = Duration::from_millis(20);
/// A node that takes no connection within this time is left for another.
const PATIENCE: Duration = Duration::from_millis(300);

/// Why there is no answer.
enum Failed {
    NotSent(String),
    NoAnswer(String),
}

#[derive(Default)]
struct Client {
    nodes: Vec<String>,
    favourite: usize,
    links: BTreeMap<String, BufReader<TcpStream>>,
}

impl Client {
    /// An outcome for an operation.
    #[allow(clippy::disallowed_methods)] // a program of its own, in the machine's time
    fn outcome(&mut self, operation: &Value) -> Value {
        let mut question = json!({ "do": operation["f"], "key": operation["key"] });
        if operation["f"] == "compare_and_set" {
            question["do"] = "cas".into();
            question["version"] = operation["version"].clone();
        }
        if let Some(value) = operation.get("value") {
            question["value"] = value.clone();
        }
        let left_ms = operation["deadline_ms"].as_u64().unwrap_or(1_000);
        let until = Instant::now() + Duration::from_millis(left_ms.saturating_sub(50));
        let mut why = "no node was asked".to_owned();
        while Instant::now() < until {
            match self.ask(&question, until - Instant::now()) {
                Ok(answer) => match understood(&answer) {
                    Some(outcome) => return outcome,
                    None => why = answer["error"].to_string(),
                },
                Err(Failed::NotSent(error)) => why = error,
                Err(Failed::NoAnswer(why)) => {
                    self.favourite = (self.favourite + 1) % self.nodes.len();
                    return json!({ "outcome": "unknown", "why": why });
                }
            }
            self.favourite = (self.favourite + 1) % self.nodes.len();
            std::thread::sleep(REST);
        }
        json!({ "outcome": "failed", "why": why })
    }

    fn ask(&mut self, question: &Value, patience: Duration) -> Result<Value, Failed> {
        let address = self.nodes[self.favourite].clone();
        let mut link = match self.links.remove(&address) {
            Some(link) => link,
            None => connect(&address).map_err(Failed::NotSent)?,
        };
        let no_answer = |error: std::io::Error| Failed::NoAnswer(error.to_string());
        let patience = patience.max(Duration::from_millis(1));
        link.get_ref()
            .set_read_timeout(Some(patience))
            .map_err(no_answer)?;
        link.get_mut()
            .write_all(format!("{question}\n").as_bytes())
            .map_err(no_answer)?;
        let mut answer = String::new();
        link.read_line(&mut answer).map_err(no_answer)?;
        let answer = serde_json::from_str(&answer);
        let answer = answer.map_err(|_| Failed::NoAnswer("the connection was closed".into()))?;
        self.links.insert(address, link);
        Ok(answer)
    }
}

fn connect(address: &str) -> Result<BufReader<TcpStream>, String> {
    let mut found = address
        .to_socket_addrs()
        .map_err(|error| error.to_string())?;
    let found = found.next().ok_or("no such host")?;
    let stream = TcpStream::connect_timeout(&found, PATIENCE);
    stream
        .map(BufReader::new)
        .map_err(|error| error.to_string())
}

/// The outcome that an answer means; `None`: somebody else is to be asked.
fn understood(answer: &Value) -> Option<Value> {
    if answer["error"] == "unknown" {
        return Some(json!({ "outcome": "unknown", "why": "the primary lost its majority" }));
    }
    if answer.get("mismatch").is_some() {
        return Some(json!({ "outcome": "mismatch" }));
    }
    let stamp = answer.get("stamp")?;
    Some(match answer.get("value") {
        Some(value) => json!({ "outcome": "value", "value": value, "version": stamp }),
        None => json!({ "outcome": "stored", "version": stamp }),
    })
}

fn main() -> std::io::Result<()> {
    let mut client = Client::default();
    for line in std::io::stdin().lock().lines() {
        let operation: Value = serde_json::from_str(&line?)?;
        let mut outcome = if operation["f"] == "init" {
            let nodes = operation["nodes"].as_array().into_iter().flatten();
            client.nodes = nodes
                .filter_map(|node| node.as_str().map(str::to_owned))
                .collect();
            let number = operation["client"].as_u64().unwrap_or(0) as usize;
            client.favourite = number % client.nodes.len().max(1);
            json!({ "outcome": "ready" })
        } else {
            client.outcome(&operation)
        };
        outcome["id"] = operation["id"].clone();
        println!("{outcome}");
    }
    Ok(())
}
