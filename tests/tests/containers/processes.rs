//! Runs on ordinary processes: what they show, what they leave behind, how other systems run on
//! them, and what is refused without root.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::time::{Duration, Instant};

use squall::history::{EventKind, NodeEvent};
use squall::report::{RunVerdict, Verdict};
use squall::run::{RunError, plan_for, run_on};
use squall::scenario::Scenario;
use squall::workload::service::Services;
use squall::workload::{Drivers, LocalFuture, shipped};
use squall_cluster::client::operate;
use squall_process::launch::{
    Launch, LaunchFile, NodeContext, NodeSystem, Observer, Polled, Program, Ready, Role, Status,
    StatusSource,
};
use squall_process::{Options, ProcessBackend};
use squall_world::{RealWorld, World};

use crate::node;
use crate::owner::rules_of_this_machine;
use crate::setting::{Run, alone, scenario, skip};

/// Whether nodes can have networks of their own here; says why not.
pub fn networks() -> Option<()> {
    squall_process::clean().expect("what was left can be removed");
    match squall_process::links_can_be_broken() {
        Ok(()) => Some(()),
        Err(why) => skip(&why),
    }
}

fn run(scenario: &Scenario, system: Option<Rc<dyn NodeSystem>>) -> Run {
    let options = Options {
        system,
        node_binary: Some(node::binary()),
        ..Options::default()
    };
    let backend = ProcessBackend { options };
    let judged = run_on(&backend, scenario, 1, "", Default::default());
    Run::of(judged.unwrap_or_else(|error| panic!("{error}")))
}

/// Objectives are for machines that do nothing else.
const PATIENT: [(&str, &str); 3] = [
    ("objectives.election.p99", "30s"),
    ("objectives.downtime.max", "30s"),
    ("objectives.recovery.max", "30s"),
];

/// One kill in three seconds.
const ONE_KILL: [(&str, &str); 7] = [
    ("cluster.nodes", "3"),
    ("phases.warmup", "1s"),
    ("phases.chaos", "4s"),
    ("phases.serve", "500ms"),
    ("fault.0.at", "500ms"),
    ("fault.0.repeat.times", "1"),
    ("fault.0.for", "1500ms"),
];

#[test]
fn a_killed_leader_is_replaced_and_nothing_is_lost_or_left() {
    let Some(_turn) = networks().and_then(|()| alone()) else {
        return;
    };
    let settings = [&ONE_KILL[..], &PATIENT[..]].concat();
    let run = run(&scenario("leader-kill.toml", &settings), None);
    assert_eq!(run.report.verdict, RunVerdict::Pass, "{}", run.text());
    assert_eq!(run.report.backend, "process");
    assert_eq!(run.report.data_loss.lost, 0);
    assert_eq!(run.report.election_ms.count, 1, "the election was measured");
    let of_first = || run.resources.iter().filter(|of| of.node == "node-1");
    let used: Vec<u64> = of_first().filter_map(|of| of.cpu_us).collect();
    assert!(used.iter().max() > Some(&0), "processor time: {used:?}");
    let sent: Vec<u64> = of_first().filter_map(|of| of.net_sent_bytes).collect();
    assert!(sent.last() > sent.first(), "sent: {sent:?}");
    assert!(of_first().filter_map(|of| of.memory_bytes).max() > Some(1 << 20));
    assert_eq!(left_of(std::process::id()), Vec::<String>::new());
}

/// A partition in each of two runs at the same time.
#[test]
fn two_runs_at_once_have_networks_of_their_own() {
    let Some(_turn) = networks().and_then(|()| alone()) else {
        return;
    };
    let settings = [
        ("cluster.nodes", "3"),
        ("phases.warmup", "1s"),
        ("phases.chaos", "4s"),
        ("phases.serve", "500ms"),
        ("fault.0.at", "500ms"),
        ("fault.0.for", "2s"),
    ];
    let own_rules = rules_of_this_machine();
    let runs = std::thread::scope(|scope| {
        let file = "minority-partition.toml";
        let start = || {
            scope.spawn(|| {
                let run = run(&scenario(file, &settings), None);
                let is_cut = run.notes().iter().any(|note| note.contains("silent"));
                (run.report, is_cut)
            })
        };
        let runs = [start(), start()];
        runs.map(|run| run.join().expect("a run ends"))
    });
    for (report, is_cut) in runs {
        assert_eq!(report.data_loss.lost, 0);
        let broken = report
            .checks
            .iter()
            .find(|check| check.verdict == Verdict::Fail);
        assert!(broken.is_none(), "{broken:?}");
        assert!(is_cut, "the partition was seen");
    }
    assert_eq!(rules_of_this_machine(), own_rules);
    assert_eq!(left_of(std::process::id()), Vec::<String>::new());
}

/// Anybody but root.
const NOBODY: u32 = 65_534;

/// What the next test starts as somebody who is not root.
#[test]
#[ignore = "is started as another user by another test"]
fn a_run_without_root() {
    let refused = scenario("minority-partition.toml", &[]);
    let Err(RunError::Refused(why)) = plan_for(&ProcessBackend::default(), &refused, 1) else {
        panic!("a partition is not refused");
    };
    assert!(
        why.contains("partition") && why.contains("takes root"),
        "{why}"
    );
    let settings = [&ONE_KILL[..], &PATIENT[..]].concat();
    let run = run(&scenario("leader-kill.toml", &settings), None);
    assert_eq!(run.report.verdict, RunVerdict::Pass, "{}", run.text());
    assert_eq!(run.report.election_ms.count, 1, "the election was measured");
}

#[test]
fn without_root_processes_are_broken_and_links_are_refused() {
    let Some(_turn) = networks().and_then(|()| alone()) else {
        return;
    };
    let program = std::env::current_exe().expect("a test has a program");
    let started = Command::new(program)
        .args(["processes::a_run_without_root", "--exact", "--ignored"])
        .env(node::VARIABLE, node::binary())
        .uid(NOBODY)
        .gid(NOBODY)
        .output();
    let output = match started {
        Err(why) if why.kind() == ErrorKind::PermissionDenied => {
            return eprintln!("skipped: another user may not run this test: {why}");
        }
        started => started.expect("it is this very program"),
    };
    let said = String::from_utf8_lossy(&output.stderr);
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{printed}{said}");
    assert!(printed.contains("1 passed"), "{printed}");
}

/// The run that the next test kills: a process of its own, which must not clean up.
#[test]
#[ignore = "is started, and killed, by another test"]
fn a_process_run_to_be_killed() {
    let scenario = Scenario::parse(crate::LONG_PARTITION, "long-partition.toml");
    run(&scenario.expect("it is sound"), None);
}

#[test]
fn what_a_killed_run_of_processes_leaves_behind_the_next_command_removes() {
    let Some(_turn) = networks().and_then(|()| alone()) else {
        return;
    };
    let (own_rules, own_devices) = (rules_of_this_machine(), devices());
    let program = std::env::current_exe().expect("a test has a program");
    let mut child = Command::new(program)
        .args(["processes::a_process_run_to_be_killed", "--exact"])
        .arg("--ignored")
        .env(node::VARIABLE, node::binary())
        .stdout(Stdio::null())
        .spawn()
        .expect("it is this very program");
    let deadline = Instant::now() + Duration::from_secs(60);
    while !drops_packets(child.id()) {
        assert!(Instant::now() < deadline, "no partition was ever seen");
        std::thread::sleep(Duration::from_millis(100));
    }
    child.kill().expect("it runs");
    child.wait().expect("it is a child");
    let left = left_of(child.id());
    // Three nodes, and what they have stored.
    assert!(left.len() >= 4, "SIGKILL cleans nothing: {left:?}");
    assert_eq!(squall_process::clean().expect("it can be removed"), 1);
    assert_eq!(left_of(child.id()), Vec::<String>::new());
    assert_eq!(rules_of_this_machine(), own_rules);
    assert_eq!(devices(), own_devices);
}

/// Squall's node as if it were a stranger: it is asked who leads, and what it prints counts for
/// nothing. Beside it runs a program that it has been given, or Redis.
#[derive(Default)]
struct Stranger {
    /// Where each Redis writes its number down; `None`: there is none.
    redis: Option<PathBuf>,
}

const BESIDE: &str = "#!/bin/sh\necho beside $0; exec sleep 600\n";

impl NodeSystem for Stranger {
    fn name(&self) -> &str {
        "stranger"
    }

    fn launch(&self, node: &NodeContext) -> Result<Launch, String> {
        let members = (1..).zip(node.members());
        let members: Vec<String> = members.map(|(id, at)| format!("{id}={at}")).collect();
        let id = node.id.to_string();
        let binary = node::binary().display().to_string();
        let argv = [
            &*binary,
            "--id",
            &id,
            "--insecure",
            "--dir",
            "data",
            "--cluster",
            &members.join(","),
        ];
        Ok(Launch {
            files: vec![LaunchFile {
                path: "beside/run.sh".into(),
                content: BESIDE.into(),
                is_executable: true,
            }],
            main: Program {
                argv: argv.map(str::to_owned).to_vec(),
                ..Program::default()
            },
            sides: vec![Program {
                argv: match &self.redis {
                    None => vec!["beside/run.sh".into()],
                    Some(notes) => redis(node, notes),
                },
                ..Program::default()
            }],
            address: node.address(),
            ready: Ready::Connects,
        })
    }

    fn observer(&self, _: &[String]) -> Observer {
        Observer::Polled(Polled::by(Box::new(|_, address| {
            Box::new(Asked(address.to_owned()))
        })))
    }

    fn drivers(&self, _: &[String]) -> Option<Drivers> {
        None
    }

    fn services(&self) -> Services {
        shipped()
    }
}

struct Asked(String);

impl StatusSource for Asked {
    fn status(&mut self) -> LocalFuture<'_, Option<Status>> {
        Box::pin(async {
            let deadline = RealWorld::now() + Duration::from_millis(300);
            let lines = operate::<RealWorld>(&self.0, &["RAFT.STATUS"], deadline).await;
            let lines = lines.ok()?;
            let value = |name: &str| lines.iter().find_map(|line| line.strip_prefix(name));
            Some(Status {
                role: match value("state:")? {
                    "leader" => Role::Leader,
                    "candidate" => Role::Candidate,
                    _ => Role::Follower,
                },
                term: value("term:")?.parse().ok(),
                applied: value("applied:")?.parse().ok(),
            })
        })
    }
}

#[test]
fn system_that_tells_nothing_is_asked_who_leads() {
    let Some(_turn) = networks().and_then(|()| alone()) else {
        return;
    };
    let settings = [&ONE_KILL[..], &PATIENT[..]].concat();
    let run = run(
        &scenario("leader-kill.toml", &settings),
        Some(Rc::new(Stranger::default())),
    );
    let events = || run.history.events.iter().map(|event| &event.kind);
    // Nobody tried to change the members of nodes that take no commands.
    let missed: Vec<_> = { events() }
        .filter(|kind| matches!(kind, EventKind::Harness { .. }))
        .collect();
    assert!(missed.is_empty(), "{missed:?}");
    let leaders = run
        .history
        .events
        .iter()
        .filter_map(|event| match &event.kind {
            EventKind::Node {
                node,
                event: NodeEvent::Leader { term },
            } => Some((node.as_str(), *term)),
            _ => None,
        });
    let leaders: Vec<_> = leaders.collect();
    assert!(leaders.len() >= 2, "one before and one after: {leaders:?}");
    assert!(leaders.is_sorted_by_key(|(_, term)| *term), "{leaders:?}");
    assert_eq!(run.report.election_ms.count, 1, "{}", run.text());
    assert_eq!(run.report.data_loss.lost, 0, "{}", run.text());
    let said = run.logs.lines.iter().filter(|line| line.target == "side-1");
    // Each of three nodes once, and one of them again.
    assert_eq!(said.count(), 4);
    assert_eq!(left_of(std::process::id()), Vec::<String>::new());
}

/// Where the processes that the following tests start keep notes of Redis.
const NOTES: &str = "SQUALL_TEST_NOTES";

/// Redis gives itself a title, for which it writes over its environment.
fn redis(node: &NodeContext, notes: &Path) -> Vec<String> {
    let (ip, name) = (&node.ip, &node.name);
    let notes = notes.display();
    let text = format!(
        "redis-server --bind {ip} --port 6390 --protected-mode no --save  --dir . \
         --pidfile {notes}/{name}"
    );
    text.split(' ').map(str::to_owned).collect()
}

fn notes() -> PathBuf {
    let notes = std::env::var_os(NOTES).expect("another test gives it");
    notes.into()
}

/// Every Redis that runs and has written its number down, and whether it still bears a mark.
fn redis_left(notes: &Path) -> Vec<(u32, bool)> {
    let files = fs::read_dir(notes).expect("it is there").flatten();
    let pids = files.filter_map(|file| fs::read_to_string(file.path()).ok());
    let pids = pids.filter_map(|text| text.trim().parse::<u32>().ok());
    let marked = marked();
    let state = |pid| fs::read_to_string(format!("/proc/{pid}/stat"));
    let runs = |pid: &u32| {
        state(*pid).is_ok_and(|stat| stat.contains("(redis-server) ") && !stat.contains(") Z "))
    };
    let runs = pids.filter(runs);
    runs.map(|pid| (pid, marked.iter().any(|(other, _)| *other == pid)))
        .collect()
}

fn run_beside_redis(settings: &[(&str, &str)]) -> Run {
    let system = Stranger {
        redis: Some(notes()),
    };
    let quiet = [("cluster.nodes", "3"), ("phases.warmup", "1s")];
    let settings = [&quiet[..], settings].concat();
    run(&scenario("quiet.toml", &settings), Some(Rc::new(system)))
}

/// The run that the next test kills.
#[test]
#[ignore = "is started, and killed, by another test"]
fn a_run_beside_redis_to_be_killed() {
    run_beside_redis(&[("phases.chaos", "120s")]);
}

/// What the test after this starts, as one user or another.
#[test]
#[ignore = "is started by another test"]
fn runs_beside_redis() {
    squall_process::clean().expect("what was left can be removed");
    let notes = notes();
    let program = std::env::current_exe().expect("a test has a program");
    let mut child = Command::new(program)
        .args(["processes::a_run_beside_redis_to_be_killed", "--exact"])
        .arg("--ignored")
        .stdout(Stdio::null())
        .spawn()
        .expect("it is this very program");
    let deadline = Instant::now() + Duration::from_secs(60);
    // They have thrown their environment away.
    let hidden = || {
        let left = redis_left(&notes);
        left.iter().filter(|(_, is_marked)| !is_marked).count()
    };
    while hidden() < 3 {
        assert!(Instant::now() < deadline, "no Redis was ever seen");
        std::thread::sleep(Duration::from_millis(50));
    }
    child.kill().expect("it runs");
    child.wait().expect("it is a child");
    assert_eq!(hidden(), 3, "SIGKILL ends no other process");
    assert_eq!(squall_process::clean().expect("it can be removed"), 1);
    assert_eq!(redis_left(&notes), [], "after a run that was killed");

    let short = [("phases.chaos", "1s"), ("phases.serve", "200ms")];
    run_beside_redis(&short);
    assert_eq!(fs::read_dir(&notes).expect("it is there").count(), 3);
    assert_eq!(redis_left(&notes), [], "after a run that has ended");
}

/// As root, in networks of their own, and without root, on the loopback.
#[test]
fn processes_that_hide_their_environment_are_ended_however_a_run_ends() {
    let Some(_turn) = networks().and_then(|()| alone()) else {
        return;
    };
    if Command::new("redis-server").arg("-v").output().is_err() {
        return eprintln!("skipped: redis-server is not installed");
    }
    for user in [0, NOBODY] {
        let notes = tempfile::tempdir().expect("a directory");
        std::os::unix::fs::chown(notes.path(), Some(user), Some(user)).expect("we are root");
        let program = std::env::current_exe().expect("a test has a program");
        let started = Command::new(program)
            .args(["processes::runs_beside_redis", "--exact", "--ignored"])
            .env(node::VARIABLE, node::binary())
            .env(NOTES, notes.path())
            .uid(user)
            .gid(user)
            .output();
        let output = match started {
            Err(why) if why.kind() == ErrorKind::PermissionDenied => {
                eprintln!("skipped: another user may not run this test: {why}");
                continue;
            }
            started => started.expect("it is this very program"),
        };
        let said = String::from_utf8_lossy(&output.stderr);
        let printed = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{user}: {printed}{said}");
        assert!(printed.contains("1 passed"), "{printed}");
    }
}

/// Marked processes and directories of a process's runs.
pub fn left_of(pid: u32) -> Vec<String> {
    let is_its = |owner: &str| owner.split(' ').nth(2) == Some(&pid.to_string());
    let mut left: Vec<String> = (marked().into_iter())
        .filter(|(_, owner)| is_its(owner))
        .map(|(pid, _)| format!("process {pid}"))
        .collect();
    for entry in fs::read_dir("/var/tmp/squall-0").into_iter().flatten() {
        let path = entry.expect("an entry").path();
        let owner = fs::read_link(&path).map(|owner| owner.display().to_string());
        if owner.is_ok_and(|owner| is_its(&owner)) {
            left.push(path.display().to_string());
        }
    }
    left
}

/// Processes with the owner that they are marked with.
fn marked() -> Vec<(u32, String)> {
    let pids = fs::read_dir("/proc").expect("Linux").flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid: u32| {
        let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
        let environment = String::from_utf8_lossy(&environment).into_owned();
        let mut variables = environment.split('\0');
        let owner = variables.find_map(|text| text.strip_prefix("SQUALL_RUN_OWNER="));
        owner.map(|owner| (pid, owner.to_owned()))
    })
    .collect()
}

/// Whether a node of the run of this process hears nothing of another.
fn drops_packets(pid: u32) -> bool {
    let is_its = |owner: &str| owner.split(' ').nth(2) == Some(&pid.to_string());
    let nodes = marked().into_iter().filter(|(_, owner)| is_its(owner));
    nodes.into_iter().any(|(node, _)| {
        let network = format!("--net=/proc/{node}/ns/net");
        let saved = Command::new("nsenter")
            .args([&network, "iptables-save"])
            .output();
        let is_drop = |line: &str| line.starts_with("-A INPUT") && line.contains("DROP");
        saved.is_ok_and(|saved| String::from_utf8_lossy(&saved.stdout).lines().any(is_drop))
    })
}

/// Devices of this machine's own network, but for those of containers that come and go.
fn devices() -> Vec<String> {
    let devices = fs::read_dir(Path::new("/sys/class/net")).expect("Linux");
    let names = devices.map(|device| device.expect("an entry").file_name());
    let mut names: Vec<String> = names
        .map(|name| name.to_string_lossy().into_owned())
        .filter(|name| !name.starts_with("veth") && !name.starts_with("br-"))
        .collect();
    names.sort();
    names
}
