//! Starts the nodes of a system as its file says, as processes of this machine.

use std::cell::Cell;
use std::future::Future;
use std::process::Stdio;
use std::time::Duration;

use squall_history::{Action, Outcome};
use squall_systems::{Member, Role, Status, SystemFile};
use squall_workload::{ClientDriver, Drivers};
use squall_world::{RealWorld, World};
use tokio::process::{Child, Command};

/// A cluster of processes, killed when it is dropped.
pub(crate) struct Servers {
    pub(crate) system: SystemFile,
    pub(crate) members: Vec<Member>,
    dir: tempfile::TempDir,
    nodes: Vec<Vec<Child>>,
}

/// Runs a test in the real world; it is skipped where programs are missing.
pub(crate) fn with_servers<F: Future<Output = ()>>(
    system: SystemFile,
    nodes: usize,
    test: impl FnOnce(Servers) -> F,
) {
    if let Err(why) = system.require() {
        println!("skipped: {why}");
        return;
    }
    in_real_world(async { test(Servers::start(system, nodes).await).await });
}

pub(crate) fn in_real_world(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.expect("a runtime of one thread");
    tokio::task::LocalSet::new().block_on(&runtime, test);
}

pub(crate) fn shipped(name: &str) -> SystemFile {
    SystemFile::load(name).unwrap_or_else(|why| panic!("{why}"))
}

thread_local! {
    static NETWORKS: Cell<u8> = const { Cell::new(0) };
}

/// Loopback addresses that nobody else uses: by process, thread, and cluster.
fn addresses(nodes: usize) -> Vec<String> {
    let thread = format!("{:?}", std::thread::current().id());
    let thread: u32 = thread
        .chars()
        .filter_map(|c| c.to_digit(10))
        .fold(0, |n, d| n * 10 + d);
    let cluster = NETWORKS.with(|networks| {
        networks.set(networks.get() + 1);
        u32::from(networks.get())
    });
    let network = std::process::id()
        .wrapping_mul(31)
        .wrapping_add(thread * 7 + cluster);
    let (high, low) = (1 + network / 250 % 250, 1 + network % 250);
    (1..=nodes)
        .map(|node| format!("127.{high}.{low}.{node}"))
        .collect()
}

impl Servers {
    /// Starts all nodes, and waits until they are up and one leads.
    async fn start(system: SystemFile, nodes: usize) -> Self {
        let members = system.members(addresses(nodes));
        let mut servers = Self {
            system,
            members,
            dir: tempfile::tempdir().expect("there is room for a directory"),
            nodes: (0..nodes).map(|_| Vec::new()).collect(),
        };
        for index in 0..nodes {
            let launch = servers.launch(index);
            std::fs::create_dir_all(servers.dir_of(index)).expect("the directory is ours");
            for (path, content) in launch.files {
                std::fs::write(path, content).expect("the directory is ours");
            }
            servers.start_node(index);
        }
        servers
            .until("all nodes are up", |all| all.iter().all(Option::is_some))
            .await;
        let initiated = servers.system.initiate(&servers.members).await;
        initiated.unwrap_or_else(|why| panic!("{why}"));
        servers
            .until("somebody leads", |all| leaders(all) > 0)
            .await;
        servers
    }

    fn dir_of(&self, index: usize) -> std::path::PathBuf {
        self.dir.path().join(format!("node-{}", index + 1))
    }

    fn launch(&self, index: usize) -> squall_systems::Launch {
        let launch = self
            .system
            .launch(&self.members, index, &self.dir_of(index));
        launch.expect("the file fits the cluster")
    }

    /// Starts the processes of a node.
    pub(crate) fn start_node(&mut self, index: usize) {
        let launch = self.launch(index);
        let dir = self.dir_of(index);
        let side = launch.side.into_iter().map(|side| side.command);
        let start = |command: Vec<String>| {
            let (program, arguments) = command.split_first().expect("a command");
            let mut log = std::fs::OpenOptions::new();
            log.create(true).append(true);
            let log = log.open(dir.join("log")).expect("the directory is ours");
            Command::new(program)
                .args(arguments)
                .current_dir(&dir)
                .stdin(Stdio::null())
                .stdout(log.try_clone().expect("a second handle"))
                .stderr(log)
                .kill_on_drop(true)
                .spawn()
                .expect("the program is installed")
        };
        self.nodes[index] = std::iter::once(launch.main)
            .chain(side)
            .map(start)
            .collect();
    }

    /// Kills the processes of a node.
    pub(crate) async fn kill(&mut self, index: usize) {
        for process in &mut self.nodes[index] {
            process.kill().await.expect("it ran");
        }
        self.nodes[index].clear();
    }

    /// Stops the processes of a node where they are, or lets them go on.
    pub(crate) async fn signal(&self, index: usize, signal: &str) {
        for process in &self.nodes[index] {
            let id = process.id().expect("it runs").to_string();
            let sent = Command::new("kill").args([signal, &id]).status().await;
            assert!(sent.expect("there is a kill").success());
        }
    }

    pub(crate) async fn statuses(&self) -> Vec<Option<Status>> {
        let mut all = Vec::new();
        for index in 0..self.members.len() {
            all.push(match self.nodes[index].is_empty() {
                true => None,
                false => self.system.status(&self.members, index).await,
            });
        }
        all
    }

    /// The node that leads.
    pub(crate) async fn leader(&self) -> usize {
        let all = self.until("somebody leads", |all| leaders(all) > 0).await;
        let leads = |status: &Option<Status>| status.is_some_and(|s| s.role == Role::Leader);
        all.iter().position(leads).expect("somebody does")
    }

    /// Waits for the nodes to say so.
    pub(crate) async fn until(
        &self,
        what: &str,
        is: impl Fn(&[Option<Status>]) -> bool,
    ) -> Vec<Option<Status>> {
        let limit = RealWorld::now() + Duration::from_secs(30);
        loop {
            let all = self.statuses().await;
            if is(&all) {
                return all;
            }
            if RealWorld::now() > limit {
                let log = std::fs::read_to_string(self.dir_of(0).join("log")).unwrap_or_default();
                panic!("{what}, not in 30 s: {all:?}\n{log}");
            }
            RealWorld::sleep(Duration::from_millis(50)).await;
        }
    }

    pub(crate) fn drivers(&self) -> Drivers {
        let drivers = self
            .system
            .drivers(&self.members)
            .expect("the file is right");
        drivers.expect("it is another system")
    }

    pub(crate) fn client(&self, number: usize) -> Asker {
        Asker(self.drivers()(number))
    }
}

pub(crate) fn leaders(all: &[Option<Status>]) -> usize {
    let leads = |status: &&Option<Status>| status.is_some_and(|s| s.role == Role::Leader);
    all.iter().filter(leads).count()
}

/// One client.
pub(crate) struct Asker(pub(crate) Box<dyn ClientDriver>);

impl Asker {
    pub(crate) async fn ask(&mut self, action: Action) -> Outcome {
        self.ask_within(action, 5_000).await
    }

    pub(crate) async fn ask_within(&mut self, action: Action, ms: u64) -> Outcome {
        let deadline = RealWorld::now() + Duration::from_millis(ms);
        let outcome = self.0.issue(&action, deadline).await;
        let late = RealWorld::now() - deadline;
        assert!(
            late < Duration::from_secs(1),
            "{action:?} took {late:?} longer than it might"
        );
        outcome
    }

    /// Asks until it is done.
    pub(crate) async fn insist(&mut self, action: Action) -> Outcome {
        let limit = RealWorld::now() + Duration::from_secs(30);
        loop {
            let outcome = self.ask_within(action.clone(), 1_000).await;
            if outcome.is_acknowledged() {
                return outcome;
            }
            assert!(RealWorld::now() < limit, "not in 30 s: {outcome:?}");
            RealWorld::sleep(Duration::from_millis(50)).await;
        }
    }

    pub(crate) async fn open(&mut self, ttl_ms: u64) -> u64 {
        match self.ask(Action::OpenSession { ttl_ms }).await {
            Outcome::Session { session } => session,
            other => panic!("no session: {other:?}"),
        }
    }

    /// The token, if the lock was granted.
    pub(crate) async fn acquire(&mut self, name: &str, session: u64, wait_ms: u64) -> Option<u64> {
        match self.ask(acquire(name, session, wait_ms)).await {
            Outcome::Granted { token } => Some(token),
            Outcome::NotGranted => None,
            other => panic!("no answer to an acquire: {other:?}"),
        }
    }
}

pub(crate) fn acquire(name: &str, session: u64, wait_ms: u64) -> Action {
    Action::Acquire {
        name: name.into(),
        session,
        shared: false,
        wait_ms,
    }
}

pub(crate) fn release(name: &str, session: u64, token: u64) -> Action {
    Action::Release {
        name: name.into(),
        session,
        token,
    }
}

pub(crate) fn get(key: &str) -> Action {
    Action::Get {
        key: key.into(),
        lease: false,
    }
}

pub(crate) fn set(key: &str, value: &str) -> Action {
    Action::Set {
        key: key.into(),
        value: value.into(),
        bytes: 40,
    }
}

pub(crate) fn set_if(key: &str, version: u64, value: &str) -> Action {
    Action::CompareAndSet {
        key: key.into(),
        version,
        value: value.into(),
    }
}

/// What a register of any of the systems does.
pub(crate) async fn registers_work(servers: &Servers) {
    let (mut one, mut other) = (servers.client(0), servers.client(1));
    let absent = Outcome::Value {
        value: None,
        version: 0,
    };
    assert_eq!(one.ask(get("k")).await, absent);
    let Outcome::Stored { version: first } = one.insist(set_if("k", 0, "a")).await else {
        panic!("it was absent");
    };
    assert_eq!(other.ask(set_if("k", 0, "b")).await, Outcome::Mismatch);
    let Outcome::Value { value, version } = other.ask(get("k")).await else {
        panic!("it is there");
    };
    assert_eq!((value.as_deref(), version), (Some("a"), first));
    let Outcome::Stored { version: second } = other.ask(set_if("k", first, "b")).await else {
        panic!("it is at that version");
    };
    assert_ne!(first, second);
    one.ask(get("k")).await;
    let stored = one.ask(set("k", "c")).await;
    assert!(stored.is_acknowledged(), "{stored:?}");
    assert_eq!(
        other.ask(set_if("k", second, "d")).await.is_acknowledged(),
        {
            // Redis compares with what the client read, and this one has read another value.
            !servers.system.name().starts_with("redis")
        }
    );
    let Outcome::Value { value, .. } = other.ask(get("k")).await else {
        panic!("it is there");
    };
    assert_eq!(value.as_deref(), Some("c"));
}

/// A lock is held by one, and free when its holder gives it back, or is gone.
pub(crate) async fn locks_work(servers: &Servers) {
    let (mut one, mut other) = (servers.client(0), servers.client(1));
    let (mine, theirs) = (one.open(3_000).await, other.open(30_000).await);
    let token = one.acquire("l", mine, 0).await.expect("it is free");
    assert_eq!(other.acquire("l", theirs, 200).await, None);
    let stolen = other.ask(release("l", theirs, token + 1)).await;
    assert_eq!(stolen, Outcome::NotHeld);
    assert_eq!(
        one.ask(Action::KeepAlive { session: mine }).await,
        Outcome::Alive
    );
    assert_eq!(one.ask(release("l", mine, token)).await, Outcome::Released);
    assert_eq!(one.ask(release("l", mine, token)).await, Outcome::NotHeld);
    let again = other
        .acquire("l", theirs, 1_000)
        .await
        .expect("it was given back");
    assert_ne!(again, token);
    assert_eq!(
        other.ask(Action::CloseSession { session: theirs }).await,
        Outcome::Closed
    );
    // The end of a session gives back what it held; the end of its time as well.
    one.acquire("l", mine, 1_000)
        .await
        .expect("its session was closed");
    drop(one);
    let theirs = other.open(30_000).await;
    let held = other.ask_within(acquire("l", theirs, 14_000), 15_000).await;
    assert!(matches!(held, Outcome::Granted { .. }), "{held:?}");
}
