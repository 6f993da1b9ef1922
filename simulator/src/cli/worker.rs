//! `squall worker`: one seed in a process of its own, for `sweep` and `shrink`.
//!
//! The parent's side ([`command`], [`result`]) and the child's ([`work`]) stand together,
//! because they have to agree. The child prints one line, a [`SeedResult`] as JSON; all else
//! that can become of it, the parent sees from outside.

use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args as ClapArgs;

use super::exit::{Exit, Failure};
use super::{ERROR, print};
use crate::backends::{self, Options, Registered};
use crate::environment::Environment;
use crate::explore::met::met;
use crate::report::RunVerdict;
use crate::run_dir::{Manifest, RunDir};
use crate::scenario::{Profile, Scenario};
use crate::sweep::pool::{End, Exited, Limits, limit_this_process, ran_out_of_memory};
use crate::sweep::{Ending, SeedResult};

#[derive(Debug, ClapArgs)]
pub struct WorkerArgs {
    /// File to read the scenario from.
    scenario: PathBuf,
    /// The scenario's path as the user knows it.
    #[arg(long)]
    known_as: String,
    #[arg(long, value_parser = super::args::setting)]
    set: Vec<(String, String)>,
    #[arg(long)]
    seed: u64,
    #[arg(long, value_parser = super::args::backend(), default_value = backends::DEFAULT.info.name)]
    backend: &'static Registered,
    #[arg(long)]
    planted: Option<String>,
    /// File to read the profile from.
    #[arg(long, requires = "profile_known_as")]
    profile: Option<PathBuf>,
    /// The profile's path as the user knows it.
    #[arg(long)]
    profile_known_as: Option<String>,
    /// Where to leave the run directory of a run that does not pass.
    #[arg(long)]
    keep: Option<PathBuf>,
    #[arg(long)]
    memory_bytes: u64,
    /// Tell what the run met as well.
    #[arg(long)]
    met: bool,
}

/// One run of one seed, as the parent asks for it.
#[derive(Debug, Clone)]
pub(super) struct Errand<'a> {
    pub scenario: &'a Path,
    pub known_as: &'a str,
    pub settings: &'a [(String, String)],
    pub seed: u64,
    pub backend: &'a str,
    pub planted: Option<&'a str>,
    pub profile: Option<ProfileFile<'a>>,
    pub keep: Option<&'a Path>,
    pub memory_bytes: u64,
    /// Whether to tell what the run met.
    pub met: bool,
}

/// A profile: where it is, and its path as the user knows it.
#[derive(Debug, Clone, Copy)]
pub(super) struct ProfileFile<'a> {
    pub path: &'a Path,
    pub known_as: &'a str,
}

/// The process that does it.
pub(super) fn command(program: &Path, errand: &Errand) -> Command {
    let mut command = Command::new(program);
    (command.arg("worker").arg(errand.scenario))
        .args(["--known-as", errand.known_as])
        .args(["--seed", &errand.seed.to_string()])
        .args(["--backend", errand.backend])
        .args(["--memory-bytes", &errand.memory_bytes.to_string()])
        // The message of a panic is the result; its backtrace is for `squall run`.
        .env("RUST_BACKTRACE", "0");
    for (key, value) in errand.settings {
        command.args(["--set", &format!("{key}={value}")]);
    }
    if let Some(id) = errand.planted {
        command.args(["--planted", id]);
    }
    if let Some(profile) = errand.profile {
        command.arg("--profile").arg(profile.path);
        command.args(["--profile-known-as", profile.known_as]);
    }
    if let Some(keep) = errand.keep {
        command.arg("--keep").arg(keep);
    }
    if errand.met {
        command.arg("--met");
    }
    command
}

/// The child's side.
pub(super) fn work(args: &WorkerArgs) -> Result<u8, Failure> {
    limit_this_process(args.memory_bytes).map_err(Failure::harness)?;
    let profile = args.profile.as_ref().map(Profile::load).transpose()?;
    let scenario = Scenario::load_on(&args.scenario, profile.as_ref(), &args.set)?;
    super::plant::plant(args.planted.as_deref())?;
    let manifest = Manifest {
        scenario: args.known_as.clone(),
        seed: args.seed,
        backend: args.backend.info.name.into(),
        settings: args.set.clone(),
        planted: args.planted.clone(),
        system: None,
        profile: args.profile_known_as.clone(),
        version: env!("CARGO_PKG_VERSION").into(),
        started: None,
        environment: None,
    };
    let context = super::baseline::context(&scenario, Path::new(&args.known_as), None)?;
    let backend = super::open(args.backend, Options::default())?;
    let reproduce = manifest.reproduce();
    let judged = crate::run::run_on(&*backend, &scenario, args.seed, &reproduce, context)?;
    if let Some(keep) = &args.keep
        && judged.report.verdict != RunVerdict::Pass
    {
        let manifest = Manifest {
            started: Some(judged.report.sim.started.clone()),
            environment: Some(Environment::current()),
            ..manifest
        };
        RunDir::create(keep)?.write(&manifest, &scenario, &judged)?;
    }
    let mut result = SeedResult::of(&judged.report);
    if let Some(run) = result.run.as_mut().filter(|_| args.met) {
        run.met = met(&judged.history, &judged.report);
    }
    print(&(result.to_line() + "\n"));
    Ok(Exit::Pass as u8)
}

/// What came of a seed; `None` if its process was stopped from outside and must run again.
///
/// # Errors
/// The program could not be started, or refuses what it is asked, as it would for any seed.
pub(super) fn result(
    scenario: &str,
    seed: u64,
    limits: Limits,
    end: End,
) -> Result<Option<SeedResult>, Failure> {
    let without = |ending, reason| Some(SeedResult::without_run(scenario, seed, ending, reason));
    Ok(match end {
        End::Stopped => None,
        End::NotStarted(e) => return Err(Failure::harness(format!("cannot start a worker: {e}"))),
        End::TimedOut => {
            let reason = format!("took longer than {:?}", limits.timeout);
            without(Ending::TimedOut, reason)
        }
        End::OutOfMemory => {
            let reason = format!("took more than {} bytes of memory", limits.memory_bytes);
            without(Ending::OutOfMemory, reason)
        }
        End::Exited(exited) => match serde_json::from_str(&exited.stdout) {
            Ok(result) if exited.status.success() => Some(result),
            _ if exited.status.code() == Some(Exit::Usage as i32) => {
                let message = exited.stderr.trim();
                return Err(Failure::usage(
                    message.strip_prefix(ERROR).unwrap_or(message),
                ));
            }
            _ if ran_out_of_memory(&exited) => {
                without(Ending::OutOfMemory, last_line(&exited.stderr))
            }
            _ => without(Ending::Crashed, why_it_crashed(&exited)),
        },
    })
}

/// The panic's place and message, or whatever was said last.
fn why_it_crashed(exited: &Exited) -> String {
    let stderr = &exited.stderr;
    if let Some(at) = stderr.rfind(" panicked at ") {
        let mut lines = stderr[at + " panicked at ".len()..].lines();
        let place = place(lines.next().unwrap_or_default());
        let message: Vec<&str> = lines
            .take_while(|line| !line.starts_with("note: ") && !line.starts_with("stack "))
            .collect();
        return format!("panicked at {place}: {}", message.join(" ").trim());
    }
    match stderr.trim().is_empty() {
        true => format!("ended with {}", exited.status),
        false => last_line(stderr),
    }
}

/// Crate, file and line, without the machine's own directories.
fn place(place: &str) -> &str {
    let place = place.trim_end_matches(':');
    let after = place.split("/registry/src/").nth(1);
    let in_registry = after.and_then(|rest| rest.split_once('/'));
    in_registry.map_or(place, |(_, rest)| rest)
}

fn last_line(text: &str) -> String {
    text.trim().lines().last().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::time::Duration;

    use super::*;

    const LIMITS: Limits = Limits {
        timeout: Duration::from_secs(1),
        memory_bytes: 1,
    };

    fn of(code: i32, stdout: &str, stderr: &str) -> SeedResult {
        let exited = Exited {
            status: std::process::ExitStatus::from_raw(code),
            stdout: stdout.into(),
            stderr: stderr.into(),
        };
        let result = result("a", 7, LIMITS, End::Exited(exited));
        result.expect("it was started").expect("it was not stopped")
    }

    #[test]
    fn a_panic_is_reported_with_place_and_message() {
        let stderr = "thread 'main' (7) panicked at /home/x/.cargo/registry/src/index.crates.io-1/\
                      openraft-0.10/src/raft.rs:25:13:\nlog not found\nnote: run with `RUST\n";
        let crashed = of(70 << 8, "", stderr);
        let expected = "panicked at openraft-0.10/src/raft.rs:25:13: log not found";
        assert_eq!(
            (crashed.ending, &*crashed.reason),
            (Ending::Crashed, expected)
        );
        let cause = crashed.cause().expect("a crash has a cause");
        assert_eq!(
            cause.to_string(),
            "crashed: panicked at N/src/raft.rs:N:N: log not found"
        );
    }

    #[test]
    fn an_abort_for_want_of_memory_is_no_crash() {
        let stderr = "memory allocation of 1048576 bytes failed\n";
        assert_eq!(of(6, "", stderr).ending, Ending::OutOfMemory);
        // The kernel's own doing, when the whole machine is short of memory.
        assert_eq!(of(9, "", "").ending, Ending::OutOfMemory);
        assert_eq!(of(11, "", "").ending, Ending::Crashed);
    }

    #[test]
    fn a_refusal_is_no_result_of_the_seed() {
        let exited = Exited {
            status: std::process::ExitStatus::from_raw(64 << 8),
            stdout: String::new(),
            stderr: "error: b.json: no file of baselines\n".into(),
        };
        let refused = result("a", 7, LIMITS, End::Exited(exited)).expect_err("it was refused");
        assert_eq!(refused.exit, Exit::Usage);
        assert_eq!(refused.message, "b.json: no file of baselines");
    }

    #[test]
    fn half_a_line_is_no_result() {
        assert_eq!(of(0, "{\"scenario\":", "").ending, Ending::Crashed);
    }

    #[test]
    fn a_seed_that_was_stopped_has_no_result() {
        let stopped = result("a", 7, LIMITS, End::Stopped);
        assert_eq!(stopped.expect("it was started"), None);
    }
}
