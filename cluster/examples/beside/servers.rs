//! The servers: three nodes of Squall, three of etcd, one Redis, on loopback, with their data in
//! one directory.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use clap::ValueEnum;
use tempfile::TempDir;
use tokio::time::sleep;

use crate::client::Client;
use crate::nodes::{Nodes, Site};
use crate::ports;

const NODES: u16 = 3;
const PATIENCE: Duration = Duration::from_secs(60);
const REST: Duration = Duration::from_millis(50);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum System {
    Squall,
    Etcd,
    Redis,
}

impl System {
    pub const ALL: [Self; 3] = [Self::Squall, Self::Etcd, Self::Redis];
}

impl fmt::Display for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Squall => "Squall",
            Self::Etcd => "etcd",
            Self::Redis => "Redis",
        })
    }
}

/// What is started.
pub struct Programs {
    /// `None`: the one built beside this program.
    pub squall: Option<PathBuf>,
    pub etcd: PathBuf,
    pub redis: PathBuf,
}

enum Running {
    Squall(Nodes),
    Others {
        servers: Vec<Guarded>,
        addresses: Vec<String>,
    },
}

/// All servers; they end with this.
pub struct Servers {
    running: BTreeMap<System, (String, Running)>,
    directory: TempDir,
}

impl Servers {
    /// # Errors
    /// A program is not there, or its servers do not come up.
    pub async fn start(
        systems: &[System],
        programs: Programs,
        directory: Option<PathBuf>,
    ) -> Result<Self, String> {
        let made = match directory {
            Some(directory) => tempfile::Builder::new()
                .prefix("beside-")
                .tempdir_in(directory),
            None => tempfile::Builder::new().prefix("beside-").tempdir(),
        };
        let mut servers = Self {
            running: BTreeMap::new(),
            directory: made.map_err(|e| format!("no directory for the data: {e}"))?,
        };
        for system in systems {
            let path = servers.directory.path();
            let started = match system {
                System::Squall => start_squall(programs.squall.clone(), path).await?,
                System::Etcd => start_etcd(&programs.etcd, path)?,
                System::Redis => start_redis(&programs.redis, path)?,
            };
            servers.running.insert(*system, started);
            servers.leader(*system).await?;
        }
        Ok(servers)
    }

    pub fn systems(&self) -> impl Iterator<Item = System> {
        self.running.keys().copied()
    }

    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub fn version(&self, system: System) -> &str {
        self.running.get(&system).map_or("", |(version, _)| version)
    }

    /// The processes of a system.
    pub fn processes(&self, system: System) -> Vec<u32> {
        match self.running.get(&system) {
            Some((_, Running::Squall(nodes))) => nodes.processes(),
            Some((_, Running::Others { servers, .. })) => {
                servers.iter().map(|server| server.process).collect()
            }
            None => Vec::new(),
        }
    }

    /// Waits until somebody leads; its address.
    pub async fn leader(&self, system: System) -> Result<String, String> {
        let deadline = Instant::now() + PATIENCE;
        let addresses = match self.running.get(&system) {
            Some((_, Running::Squall(nodes))) => return Ok(nodes.address(nodes.leader().await?)),
            Some((_, Running::Others { addresses, .. })) => addresses,
            None => return Err(format!("{system} was not started")),
        };
        let mut why = String::new();
        while Instant::now() < deadline {
            for address in addresses {
                match leads(system, address).await {
                    Ok(true) => return Ok(address.clone()),
                    Ok(false) => {}
                    Err(e) => why = e,
                }
            }
            sleep(REST).await;
        }
        let logs = self.directory.path().display();
        Err(format!("nobody leads {system} (logs are in {logs}): {why}"))
    }
}

/// Whether the server at this address is the one to ask.
async fn leads(system: System, address: &str) -> Result<bool, String> {
    match Client::open(system, address).await? {
        Client::Resp(mut resp) => resp.ask(&[b"PING"]).await.map(|_| true),
        Client::Grpc(mut grpc) => {
            let status = grpc.status().await?;
            Ok(status.member == status.leader)
        }
    }
}

async fn start_squall(
    program: Option<PathBuf>,
    directory: &Path,
) -> Result<(String, Running), String> {
    let site = Site::new(program, Some(directory.to_owned()))?;
    let version = version(&site.node, "squall-node ", "")?;
    let nodes = Nodes::start(&site, &site.node, NODES, &[]).await?;
    Ok((version, Running::Squall(nodes)))
}

fn start_etcd(program: &Path, directory: &Path) -> Result<(String, Running), String> {
    let version = version(program, "etcd Version: ", "etcd-server")?;
    let ports = ports::free(2 * NODES);
    let (for_clients, for_peers) = ports.split_at(NODES.into());
    let url = |port: &u16| format!("http://127.0.0.1:{port}");
    let members = for_peers.iter().enumerate();
    let members: Vec<String> = members
        .map(|(at, port)| format!("etcd-{at}={}", url(port)))
        .collect();
    let start = |(at, (client, peer)): (usize, (&u16, &u16))| {
        let name = format!("etcd-{at}");
        let data = directory.join(&name);
        let args = [
            ("--name", name.clone()),
            ("--data-dir", data.display().to_string()),
            ("--listen-client-urls", url(client)),
            ("--advertise-client-urls", url(client)),
            ("--listen-peer-urls", url(peer)),
            ("--initial-advertise-peer-urls", url(peer)),
            ("--initial-cluster", members.join(",")),
            ("--log-level", "error".into()),
            // Nothing of this run is compacted away.
            ("--quota-backend-bytes", (8_u64 << 30).to_string()),
        ];
        let args = args.map(|(name, value)| format!("{name}={value}"));
        Guarded::start(program, &args, directory, &name)
    };
    let servers = for_clients.iter().zip(for_peers).enumerate().map(start);
    let running = Running::Others {
        servers: servers.collect::<Result<_, _>>()?,
        addresses: for_clients.iter().map(address_of).collect(),
    };
    Ok((version, running))
}

/// With its log synced at every write, and no snapshots beside it, which it has no need of then.
fn start_redis(program: &Path, directory: &Path) -> Result<(String, Running), String> {
    let version = version(program, "Redis server v=", "redis-server")?;
    let ports = ports::free(1);
    let data = directory.join("redis");
    std::fs::create_dir(&data).map_err(|e| e.to_string())?;
    let args = [
        ("--bind", "127.0.0.1"),
        ("--port", &ports[0].to_string()),
        ("--dir", &data.display().to_string()),
        ("--appendonly", "yes"),
        ("--appendfsync", "always"),
        ("--save", ""),
    ];
    let args: Vec<String> = args
        .iter()
        .flat_map(|(name, value)| [(*name).to_owned(), (*value).to_owned()])
        .collect();
    let running = Running::Others {
        servers: vec![Guarded::start(program, &args, directory, "redis")?],
        addresses: ports.iter().map(address_of).collect(),
    };
    Ok((version, running))
}

fn address_of(port: &u16) -> String {
    format!("127.0.0.1:{port}")
}

/// The word behind `before` in what the program says of its version.
fn version(program: &Path, before: &str, package: &str) -> Result<String, String> {
    let name = program.display();
    let output = Command::new(program).arg("--version").output();
    let output = output.map_err(|e| match package {
        "" => format!("{name} does not run: {e}"),
        _ => format!("{name} does not run ({e}): Debian has it in the package {package}"),
    })?;
    let text = String::from_utf8_lossy(&output.stdout);
    let found = text.lines().find_map(|line| line.strip_prefix(before));
    let word = found.and_then(|rest| rest.split_whitespace().next());
    word.map(str::to_owned)
        .ok_or_else(|| format!("{name} --version says {text:?}"))
}

/// A server that ends when this is dropped, and with this process however that ends: a shell
/// beside it waits for the end of its input, and kills it then.
struct Guarded {
    shell: Child,
    process: u32,
}

impl Guarded {
    const SCRIPT: &str = r#"
        log=$1; shift
        "$@" >"$log" 2>&1 & echo $!
        read -r end
        kill -9 $!
        wait $!
    "#;

    fn start(
        program: &Path,
        args: &[String],
        directory: &Path,
        name: &str,
    ) -> Result<Self, String> {
        let failed = |e: &dyn fmt::Display| format!("{name} does not start: {e}");
        // What it says.
        let log = directory.join(format!("{name}.log"));
        File::create(&log).map_err(|e| failed(&e))?;
        let mut shell = Command::new("sh")
            .args(["-c", Self::SCRIPT, "sh"])
            .arg(&log)
            .arg(program)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|e| failed(&e))?;
        let mut line = String::new();
        let output = shell.stdout.take().ok_or_else(|| failed(&"no output"))?;
        let read = BufReader::new(output).read_line(&mut line);
        read.map_err(|e| failed(&e))?;
        let process = line.trim().parse().map_err(|_| failed(&line))?;
        Ok(Self { shell, process })
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}
