//! Helps the tests of containers: whether they can run, how, and what is left behind.

use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use squall::backends::Logs;
use squall::report::{Report, Style};
use squall::run::resources::ResourceSample;
use squall::run::{Context, Judged, run_on};
use squall::scenario::Scenario;
use squall_docker::{DockerBackend, Options};

use crate::node;

/// A run, judged.
pub struct Run {
    pub report: Report,
    pub history: squall::history::History,
    pub resources: Vec<ResourceSample>,
    pub logs: Logs,
}

impl Run {
    pub fn of(judged: Judged) -> Self {
        Self {
            report: judged.report,
            history: judged.history,
            resources: judged.resources,
            logs: judged.logs,
        }
    }

    /// The report as a person sees it, for a failing assertion.
    pub fn text(&self) -> String {
        squall::report::text(&self.report, Style { color: false }, None)
    }

    /// What the harness noted, in order.
    pub fn notes(&self) -> Vec<&str> {
        use squall::history::EventKind;
        let events = self.history.events.iter();
        let notes = events.filter_map(|event| match &event.kind {
            EventKind::Note { text } => Some(text.as_str()),
            _ => None,
        });
        notes.collect()
    }
}

/// A scenario of the catalogue with other values.
pub fn scenario(file: &str, settings: &[(&str, &str)]) -> Scenario {
    let path = squall_tests::repository().join("scenarios").join(file);
    let settings: Vec<(String, String)> = (settings.iter())
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    Scenario::load_with(path, &settings).expect("the catalogue is sound")
}

/// Runs a scenario on containers.
pub fn run(scenario: &Scenario, planted: Option<&str>) -> Run {
    let options = Options {
        node_binary: Some(node::binary()),
        planted: planted.map(str::to_owned),
        interrupted: None,
    };
    let judged = run_on(
        &DockerBackend { options },
        scenario,
        1,
        "",
        Context::default(),
    );
    Run::of(judged.unwrap_or_else(|error| panic!("{error}")))
}

/// Whether containers can be run here; says why not.
pub fn engine() -> Option<()> {
    match squall_docker::clean() {
        Ok(_) => Some(()),
        Err(error) => skip(&error.to_string()),
    }
}

/// Whether links of containers can be broken here; says why not.
pub fn links_can_be_broken() -> Option<()> {
    engine()?;
    match squall_docker::links_can_be_broken() {
        Ok(()) => Some(()),
        Err(why) => skip(&why),
    }
}

/// Says why a test does nothing here.
pub fn skip(why: &str) -> Option<()> {
    assert!(
        std::env::var_os("SQUALL_NEED_CONTAINERS").is_none(),
        "these tests must not be skipped here, but: {why}"
    );
    eprintln!("skipped: {why}");
    None
}

/// One run at a time: two cores are not ten machines. With `SQUALL_REAL_NODES=elsewhere`, none.
pub fn alone() -> Option<MutexGuard<'static, ()>> {
    if std::env::var_os("SQUALL_REAL_NODES").is_some_and(|place| place == "elsewhere") {
        skip("SQUALL_REAL_NODES says that another process runs them")?;
    }
    static TURN: Mutex<()> = Mutex::new(());
    Some(TURN.lock().unwrap_or_else(PoisonError::into_inner))
}

/// What a process has made on the engine and not removed.
pub fn left_of(pid: u32) -> Vec<String> {
    let mut left = Vec::new();
    for list in [
        &["ps", "--all"][..],
        &["network", "ls"][..],
        &["volume", "ls"][..],
    ] {
        let listed = Command::new("docker")
            .args(list)
            .args(["--filter", "label=org.squall.run"])
            .args(["--format", "{{.Label \"org.squall.owner\"}}"])
            .output()
            .expect("the docker command is there");
        assert!(listed.status.success(), "{listed:?}");
        let owners = String::from_utf8_lossy(&listed.stdout).into_owned();
        let is_its = |owner: &&str| owner.split(' ').nth(2) == Some(&pid.to_string());
        left.extend(owners.lines().filter(is_its).map(|_| list.join(" ")));
    }
    left
}
