//! Finds where two runs of a seed diverge: the first step of the event loop that differs, and the
//! task and node that it belongs to.
//!
//! Two fresh processes make the run again side by side and print each step as a line; the
//! lines are compared as they come, so that nothing is kept but the last ones, and both are ended
//! at the first that differs. Only the simulation reports its steps.

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use squall_engine::steps;

use super::exit::{Exit, Failure};
use super::progress;
use super::replayed::StoredRun;
use crate::backends::{DEFAULT, Options, TraceFilter};

/// Messages shown that both runs have last in common.
const MESSAGES: usize = 3;
/// Stands behind the last step.
const END: &str = "end";

/// `squall replay --steps`: prints each step of a stored run.
pub(super) fn print(run_dir: &Path) -> Result<u8, Failure> {
    let stored = StoredRun::open(run_dir)?;
    let mut out = std::io::BufWriter::new(std::io::stdout());
    steps::listen(Some(Box::new(move |step| {
        // Whoever compares has seen enough.
        if writeln!(out, "{step}").is_err() {
            std::process::exit(Exit::Pass as i32);
        }
    })));
    let options = Options {
        // Messages are noted as they pass, and need not be kept.
        trace: Some(TraceFilter {
            applied: false,
            most: 0,
            ..TraceFilter::default()
        }),
        ..Options::default()
    };
    let run = stored.run(run_dir, options);
    steps::listen(None);
    run?;
    super::print(&format!("{END}\n"));
    Ok(Exit::Pass as u8)
}

/// The first step that differs between two more runs of a stored run, with whose it is; `None`
/// if they do not differ, or if its backend does not tell of steps.
pub(super) fn first_difference(run_dir: &Path) -> Result<Option<String>, Failure> {
    let stored = StoredRun::open(run_dir)?;
    if stored.manifest.backend != DEFAULT.info.name {
        return Ok(None);
    }
    progress("looking for the first step that differs: two more runs, side by side …");
    let (mut one, mut other) = (Telling::start(run_dir)?, Telling::start(run_dir)?);
    let mut common = Common::new(stored.nodes()?);
    let found = loop {
        let (a, b) = (one.next()?, other.next()?);
        if a == b {
            match a {
                Some(line) if line != END => common.add(line),
                _ => break None,
            }
        } else {
            break Some(common.difference(a.as_deref(), b.as_deref()));
        }
    };
    Ok(found)
}

/// A process that tells of its steps; it ends with this.
struct Telling {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Telling {
    fn start(run_dir: &Path) -> Result<Self, Failure> {
        let program = std::env::current_exe().map_err(Failure::harness)?;
        let mut child = Command::new(program)
            .arg("replay")
            .arg(run_dir)
            .arg("--steps")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(Failure::harness)?;
        let stdout = child.stdout.take();
        let stdout = stdout.ok_or_else(|| Failure::harness("a process without its output"))?;
        Ok(Self {
            child,
            lines: BufReader::new(stdout).lines(),
        })
    }

    fn next(&mut self) -> Result<Option<String>, Failure> {
        self.lines.next().transpose().map_err(Failure::harness)
    }
}

impl Drop for Telling {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What two runs have in common so far.
struct Common {
    nodes: Vec<String>,
    steps: u64,
    /// When the run's clock began.
    start: u64,
    /// The poll that is under way: its task, and when it began.
    running: Option<(u64, u64)>,
    /// Host and kind of each task.
    tasks: BTreeMap<u64, (usize, String)>,
    /// The last ones, each with its time.
    messages: VecDeque<String>,
}

impl Common {
    fn new(nodes: Vec<String>) -> Self {
        Self {
            nodes,
            steps: 0,
            start: 0,
            running: None,
            tasks: BTreeMap::new(),
            messages: VecDeque::new(),
        }
    }

    fn add(&mut self, line: String) {
        self.steps += 1;
        let mut words = line.splitn(4, ' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("task"), Some(task), Some(host), kind) => {
                if let (Ok(task), Ok(host)) = (task.parse(), host.parse()) {
                    let kind = kind.unwrap_or_default().to_owned();
                    self.tasks.insert(task, (host, kind));
                }
            }
            (Some("poll"), Some(task), _, Some(at)) => {
                self.running = task.parse().ok().zip(at.parse().ok());
            }
            (Some("note"), ..) if line.ends_with(steps::RUN_STARTS) => {
                self.start = self.running.map_or(0, |(_, at)| at);
            }
            (Some("note"), ..) => {
                if self.messages.len() == MESSAGES {
                    self.messages.pop_front();
                }
                let text = line.trim_start_matches("note ");
                self.messages.push_back(format!("{}  {text}", self.time()));
            }
            _ => {}
        }
    }

    /// The time of the poll that is under way, on the run's clock.
    fn time(&self) -> String {
        let at = self.running.map_or(0, |(_, at)| at) as f64;
        format!("{:>10.6} s", (at - self.start as f64) / 1e9)
    }

    fn task(&self, task: u64) -> String {
        let Some((host, kind)) = self.tasks.get(&task) else {
            return format!("task {task}");
        };
        let whose = match self.nodes.get(*host) {
            Some(node) => node.clone(),
            None if *host == self.nodes.len() => "the clients".into(),
            None => "the harness".into(),
        };
        format!("task {task} of {whose} ({})", short(kind))
    }

    fn difference(&self, one: Option<&str>, other: Option<&str>) -> String {
        let owner = match self.running {
            Some((task, _)) => self.task(task),
            None => "no task yet".into(),
        };
        let mut text = format!(
            "first step that differs: number {} at {}, in {owner}\n",
            self.steps + 1,
            self.time().trim_start()
        );
        for message in &self.messages {
            text += &format!("    both   {message}\n");
        }
        text += &format!("  > one    {}\n", self.describe(one));
        text += &format!("  > other  {}", self.describe(other));
        text
    }

    fn describe(&self, line: Option<&str>) -> String {
        let Some(line) = line else {
            return "(ends here)".into();
        };
        let words: Vec<&str> = line.splitn(4, ' ').collect();
        match words.as_slice() {
            ["poll", task, ..] => match task.parse() {
                Ok(task) => format!("{} runs next", self.task(task)),
                Err(_) => line.to_owned(),
            },
            ["task", task, _, kind] => format!("task {task} begins ({})", short(kind)),
            ["wake", task] => match task.parse() {
                Ok(task) => format!("wakes {}", self.task(task)),
                Err(_) => line.to_owned(),
            },
            ["draw", value] => format!("draws the random number {value}"),
            ["write", bytes, hash] => format!("writes {bytes} bytes with the hash {hash}"),
            ["note", ..] => line.trim_start_matches("note ").to_owned(),
            _ => line.to_owned(),
        }
    }
}

/// What a task is, by the type of its future: the first path in it that is not of what only
/// carries tasks.
fn short(kind: &str) -> String {
    const CARRIERS: [&str; 8] = [
        "core::",
        "alloc::",
        "tokio::",
        "futures_util::",
        "openraft_rt::",
        "tracing::",
        "squall_cluster::raft::runtime::",
        "squall_sim::world::",
    ];
    let is_of_path = |c: char| c.is_alphanumeric() || c == ':' || c == '_';
    let paths = kind.split(|c: char| !is_of_path(c));
    let mut paths = paths.filter(|path| {
        path.contains("::")
            && !path.starts_with("::")
            && !CARRIERS.iter().any(|carrier| path.starts_with(carrier))
    });
    let found = paths.next().unwrap_or(kind);
    found.trim_end_matches(':').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_named_by_what_it_runs() {
        let kinds = [
            (
                "squall_cluster::node::log_clock::watch_quorum<squall_sim::world::SimWorld>::{{closure}}",
                "squall_cluster::node::log_clock::watch_quorum",
            ),
            (
                "<squall_cluster::raft::runtime::Runtime<squall_sim::world::SimWorld> as openraft_rt::async_runtime::AsyncRuntime>::spawn<tracing::instrument::Instrumented<openraft::core::sm::worker::Worker<u8>::do_spawn::{{closure}}>>::{{closure}}",
                "openraft::core::sm::worker::Worker",
            ),
            ("closure", "closure"),
        ];
        for (kind, expected) in kinds {
            assert_eq!(short(kind), expected);
        }
    }

    #[test]
    fn a_step_that_differs_belongs_to_the_task_that_ran() {
        let mut common = Common::new(vec!["node-1".into(), "node-2".into()]);
        for line in [
            "task 1 1 a::b::{{closure}}",
            "task 2 0 a::c::{{closure}}",
            "poll 2 0 1000000",
            "note msg node-1 -> node-2 heartbeat",
            "poll 1 1 1500000000",
            "draw 00000000000000ff",
        ] {
            common.add(line.into());
        }
        let text = common.difference(Some("write 10 aa"), Some("write 12 bb"));
        assert_eq!(
            text,
            "first step that differs: number 7 at 1.500000 s, in task 1 of \
             node-2 (a::b)\n    both     0.001000 s  msg node-1 -> \
             node-2 heartbeat\n  > one    writes 10 bytes with the hash aa\n  > other  writes 12 \
             bytes with the hash bb"
        );
        let text = common.difference(Some("wake 1"), Some("poll 2 0 2"));
        let expected = "  > one    wakes task 1 of node-2 (a::b)\n  > other  task 2 of node-1 \
                        (a::c) runs next";
        assert!(text.ends_with(expected), "{text}");
    }
}
