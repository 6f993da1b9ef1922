//! Arguments, in two stages: [`Args`] is what was typed or stands in a file ([`config`]), [`Job`]
//! what it means.
//!
//! Everything that can be wrong with arguments is found here, before anything is opened or
//! started, and is reported in clap's form.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use clap::{CommandFactory, Parser, error::ErrorKind};
use squall_cluster::node::{Access, ClientOptions, NodeOptions, parse_bytes};
use squall_cluster::raft::{Members, NodeId, RaftOptions, peer_address};
use squall_cluster::state::Limits;
use squall_cluster::world::tls::{AuthClients, TlsFiles, TlsOptions};

use super::config::{self, MAX_PORT};
use super::duration::parse_ms;
use super::local::{LocalCluster, PASSWORD_VARIABLE};
use super::tls::TlsArgs;

/// What does not go with `--health`: all but what says how to talk to the node.
const NOT_WITH_HEALTH: [&str; 27] = [
    "backup",
    "bind",
    "cache_entries",
    "cluster",
    "config",
    "dir",
    "election_max",
    "election_min",
    "force_new_cluster",
    "heartbeat",
    "hold",
    "host",
    "id",
    "insecure",
    "join",
    "local",
    "max_clients",
    "max_memory",
    "metrics",
    "port",
    "requirepass",
    "restore",
    "snapshot_every",
    "snapshot_rate",
    "stop_on_eof",
    "timeout",
    "user",
];
/// Most nodes of a local cluster.
const MAX_LOCAL: u16 = 99;

const EXAMPLES: &str = "\
Examples:
  One node, then talk to it with any Redis client:
    squall-node
    redis-cli -p 7001 SET greeting hello

  A cluster of three on this machine, stopped with Ctrl-C:
    squall-node --local 3
    redis-cli -c -p 7001 LOCK.INFO printer

  The same, each node started by itself (2 and 3 likewise):
    squall-node --id 1 --cluster 1=127.0.0.1:7001,2=127.0.0.1:7002,3=127.0.0.1:7003

  A fourth node, added while the cluster runs:
    squall-node --id 4 --port 7004 --join
    redis-cli -c -p 7001 RAFT.ADD 4 127.0.0.1:7004

  A backup of a running node, and a new cluster made of it:
    squall-node --backup monday.squall --port 7001
    squall-node --restore monday.squall --dir restored --port 7101
    squall-node --dir restored --port 7101

Nodes talk to each other on the port 10,000 above the clients'.
Events go to standard output, one JSON object a line; logs to standard error (RUST_LOG).
Exit codes: 0 stopped on request, 64 bad arguments, 70 could not start or go on, 101 a bug.";

/// A node of a Raft cluster that offers locks, queues and a cache over the Redis protocol.
#[derive(Debug, Parser)]
#[command(name = "squall-node", version, after_help = EXAMPLES, max_term_width = 100)]
struct Args {
    /// A file in TOML with options by their names here, as in port = 7001; what is also given on
    /// the command line counts from there
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Number of this node, unique in its cluster
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    id: NodeId,
    /// Port for clients, up to 55535 [default: as in --cluster, else 7001]
    #[arg(long, short, value_name = "P", value_parser = clap::value_parser!(u16).range(1..=MAX_PORT as i64))]
    port: Option<u16>,
    /// Host under which clients and other nodes reach this node [default: as in --cluster,
    /// else 127.0.0.1]
    #[arg(long, value_name = "HOST")]
    host: Option<String>,
    /// Interface to listen on, e.g. 0.0.0.0 [default: the advertised host]
    #[arg(long, value_name = "HOST")]
    bind: Option<String>,
    /// Where this node keeps its log and snapshots; with --local, where the nodes have their
    /// directories [default: ./squall-data/node-ID, ./squall-data/local-N-P]
    #[arg(long, short, value_name = "PATH")]
    dir: Option<PathBuf>,
    /// All members of a new cluster as id=host:port, this node included [default: this node
    /// alone]. Ignored once the node belongs to a cluster
    #[arg(long, value_name = "ID=HOST:PORT", value_delimiter = ',', value_parser = parse_member)]
    cluster: Vec<(NodeId, String)>,
    /// Start without a cluster and wait to be added to one with RAFT.ADD
    #[arg(long, conflicts_with = "cluster")]
    join: bool,
    /// Run a whole cluster of N nodes (3 if N is left out) on this machine, on the ports from
    /// --port upwards
    #[arg(
        long,
        value_name = "N",
        num_args = 0..=1,
        default_missing_value = "3",
        conflicts_with_all = ["id", "cluster", "join", "stop_on_eof"],
        value_parser = clap::value_parser!(u16).range(1..=MAX_LOCAL as i64),
    )]
    local: Option<u16>,
    /// Time between a leader's heartbeats
    #[arg(long, value_name = "TIME", default_value = "100ms", value_parser = parse_ms)]
    heartbeat: u64,
    /// Shortest election timeout
    #[arg(long, value_name = "TIME", default_value = "300ms", value_parser = parse_ms)]
    election_min: u64,
    /// Longest election timeout, after which another node stands if the leader is silent
    #[arg(long, value_name = "TIME", default_value = "600ms", value_parser = parse_ms)]
    election_max: u64,
    /// Log entries between two snapshots
    #[arg(long, value_name = "N", default_value_t = RaftOptions::default().snapshot_every, value_parser = clap::value_parser!(u64).range(RaftOptions::FEWEST_BETWEEN_SNAPSHOTS..))]
    snapshot_every: u64,
    /// Bytes of snapshots a second that are sent to followers and saved, as in 50mb, so that
    /// clients beside them are served as ever. 0: no limit
    #[arg(long, value_name = "BYTES", default_value = "100mb", value_parser = parse_bytes)]
    snapshot_rate: u64,
    /// Most keys in the cache; the same on every node of a cluster
    #[arg(long, value_name = "N", default_value_t = Limits::default().cache_entries)]
    cache_entries: u64,
    /// Memory, as in 512mb, above which a leader refuses what makes its state grow (OOM); reads,
    /// deletions and acknowledgements are served. 0: no limit. The same on every node
    #[arg(long, value_name = "BYTES", default_value = "0", value_parser = parse_bytes)]
    max_memory: u64,
    /// Most connections of clients at a time; the next one gets an error and is closed
    #[arg(long, value_name = "N", default_value_t = ClientOptions::default().max_clients, value_parser = clap::value_parser!(u64).range(1..))]
    max_clients: u64,
    /// Close connections that ask nothing for so many seconds; 0: never
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    timeout: u64,
    /// Password of the default user, who may do everything. Better in the environment, as
    /// SQUALL_REQUIREPASS, than on the command line, where others can read it
    #[arg(long, value_name = "PASSWORD")]
    requirepass: Option<String>,
    /// A user and his rights, in the words of Redis' ACL; may be given several times
    #[arg(long, value_name = "NAME RULE…")]
    user: Vec<String>,
    /// Where to give figures to Prometheus, HOST:PORT
    #[arg(long, value_name = "ADDRESS", conflicts_with = "local")]
    metrics: Option<String>,
    #[command(flatten)]
    tls: TlsArgs,
    /// Let anybody in who reaches this node, although that is not only this machine
    #[arg(long)]
    insecure: bool,
    /// Stop when standard input ends, as --local has its nodes do
    #[arg(long)]
    stop_on_eof: bool,
    /// Ask the node at ADDRESS whether it can serve, which takes a leader with a quorum, and exit:
    /// 0 if it can, 70 if not. For health checks in images that have no other program. With
    /// --tls-ca-cert-file it speaks TLS
    #[arg(long, value_name = "ADDRESS", num_args = 0..=1, default_missing_value = "127.0.0.1:7001", conflicts_with_all = NOT_WITH_HEALTH)]
    health: Option<String>,
    /// Write a backup of the running node at --host and --port to FILE, check it, and exit
    #[arg(long, value_name = "FILE", conflicts_with_all = ["local", "restore", "force_new_cluster"])]
    backup: Option<PathBuf>,
    /// Put the backup in FILE into the empty directory of this node, make the node the only
    /// member of a new cluster with it, and exit. Then start it, and add others with RAFT.ADD
    #[arg(long, value_name = "FILE", conflicts_with_all = ["local", "force_new_cluster"])]
    restore: Option<PathBuf>,
    /// When a majority of the cluster is lost for good: make this node the only member of a new
    /// cluster with the data in its directory, and exit. DANGEROUS: what only the lost nodes had
    /// acknowledged is gone, and what was never acknowledged may be kept. Never do it on two
    /// nodes, nor while a majority could come back: there would be two clusters that both take
    /// writes. Choose the node with the largest last_log of those that are left. The directories
    /// of the others must be emptied before they can be added
    #[arg(long, conflicts_with = "local")]
    force_new_cluster: bool,
    /// Run no node, and wait to be stopped: keeps a container's network alive while nodes in it
    /// come and go
    #[arg(long, exclusive = true)]
    hold: bool,
    /// Make a mistake on purpose, to see it caught
    #[cfg(feature = "planted")]
    #[arg(long, value_name = "ID")]
    planted: Option<String>,
}

/// What the process is to do.
#[derive(Debug)]
pub enum Job {
    /// Be one node.
    Node {
        options: Box<NodeOptions>,
        directory: PathBuf,
        stop_on_eof: bool,
        /// What its operator should know before it starts.
        warning: Option<String>,
    },
    /// Run several nodes as children.
    Local(LocalCluster),
    /// Ask the node at this address whether it serves.
    Health {
        address: String,
        /// How to speak TLS with it.
        tls: Option<TlsFiles>,
    },
    /// Fetch a backup from the node at this address.
    Backup {
        address: String,
        password: Option<String>,
        /// How to speak TLS with it.
        tls: Option<TlsFiles>,
        file: PathBuf,
    },
    /// Make a directory that of a new cluster, with what is in it or in a backup.
    Recover {
        options: Box<NodeOptions>,
        directory: PathBuf,
        backup: Option<PathBuf>,
    },
    /// Wait to be stopped.
    Hold,
}

/// The job that `args`, the program's name first, ask for.
///
/// # Errors
/// A message for the user; help and version count as such.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Job, clap::Error> {
    parse_reading(args, |file| std::fs::read_to_string(file))
}

/// The same, with the text of the file of `--config` from somewhere.
///
/// # Errors
/// As [`parse`].
pub fn parse_reading(
    args: impl IntoIterator<Item = OsString>,
    read: impl FnOnce(&Path) -> io::Result<String>,
) -> Result<Job, clap::Error> {
    let typed: Vec<OsString> = args.into_iter().collect();
    let mut args = Args::try_parse_from(&typed)?;
    if let Some(file) = &args.config {
        let all = config::with_file(&Args::command(), &typed, file, read);
        args = Args::try_parse_from(all.map_err(|why| Args::command().error(ErrorKind::Io, why))?)?;
    }
    args.resolve()
        .map_err(|(kind, why)| Args::command().error(kind, why))
}

type Wrong = (ErrorKind, String);

impl Args {
    fn resolve(self) -> Result<Job, Wrong> {
        if let Some(address) = self.health {
            let tls = self.tls.files();
            return Ok(Job::Health {
                address,
                tls: tls.authorities.is_some().then_some(tls),
            });
        }
        if self.hold {
            return Ok(Job::Hold);
        }
        #[cfg(feature = "planted")]
        self.plant()?;
        let raft = self.raft()?;
        let tls = self.tls.resolve().map_err(wrong)?;
        if let Some(count) = self.local {
            return Ok(Job::Local(self.local_cluster(count, tls)?));
        }
        let address = self.address()?;
        if let Some(file) = self.backup {
            let given = self.requirepass;
            return Ok(Job::Backup {
                address,
                password: given.or_else(password_of_environment),
                tls: tls.filter(|tls| tls.for_clients).map(|tls| tls.files),
                file,
            });
        }
        let warning = self.warning(&address, tls.as_ref());
        let is_recovery = self.restore.is_some() || self.force_new_cluster;
        // A node that is not started lets nobody in.
        let clients = match is_recovery {
            true => ClientOptions::default(),
            false => self.clients(&address, tls.as_ref())?,
        };
        let members = match (self.join, self.cluster.is_empty()) {
            (true, _) => Members::new(),
            (false, true) => Members::from([(self.id, address.clone())]),
            (false, false) => self.cluster.iter().cloned().collect(),
        };
        let default_directory = || PathBuf::from(format!("squall-data/node-{}", self.id));
        let directory = self.dir.unwrap_or_else(default_directory);
        let options = Box::new(NodeOptions {
            id: self.id,
            address,
            bind_host: self.bind,
            members,
            raft,
            limits: Limits {
                cache_entries: self.cache_entries,
                ..Limits::default()
            },
            clients,
            tls,
        });
        if is_recovery {
            return Ok(Job::Recover {
                options,
                directory,
                backup: self.restore,
            });
        }
        Ok(Job::Node {
            options,
            directory,
            stop_on_eof: self.stop_on_eof,
            warning,
        })
    }

    #[cfg(feature = "planted")]
    fn plant(&self) -> Result<(), Wrong> {
        use squall_cluster::planted::{self, Bug};
        let Some(id) = &self.planted else {
            return Ok(());
        };
        let bug = Bug::from_id(id).ok_or_else(|| wrong(format!("no planted bug {id}")))?;
        planted::activate(Some(bug));
        Ok(())
    }

    fn raft(&self) -> Result<RaftOptions, Wrong> {
        let raft = RaftOptions {
            heartbeat_ms: self.heartbeat,
            election_min_ms: self.election_min,
            election_max_ms: self.election_max,
            snapshot_every: self.snapshot_every,
            snapshot_rate: self.snapshot_rate,
        };
        if !(raft.heartbeat_ms < raft.election_min_ms
            && raft.election_min_ms < raft.election_max_ms)
        {
            return Err(wrong(
                "--heartbeat must be shorter than --election-min, and --election-min shorter \
                 than --election-max",
            ));
        }
        raft.config().map_err(|e| wrong(e.to_string()))?;
        Ok(raft)
    }

    fn password(&self) -> Option<String> {
        self.requirepass.clone().or_else(password_of_environment)
    }

    /// The interface to listen on, if others reach who listens there.
    fn exposed<'a>(&'a self, address: &'a str) -> Option<&'a str> {
        let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
        let listens_on = self.bind.as_deref().unwrap_or(host);
        (!is_loopback(listens_on)).then_some(listens_on)
    }

    /// A password is asked of clients alone: whoever reaches the port for nodes can pass for one.
    fn warning(&self, address: &str, tls: Option<&TlsOptions>) -> Option<String> {
        let exposed = self.exposed(address).filter(|_| !self.insecure)?;
        let is_open = !tls.is_some_and(|tls| tls.for_peers);
        is_open.then(|| {
            format!(
                "`{exposed}` can be reached by others, and the port for nodes asks nobody who he \
                 is: keep it in a network of your own, or use --tls-cluster"
            )
        })
    }

    /// What this node allows its clients. Who can be reached by others must ask who they are.
    fn clients(&self, address: &str, tls: Option<&TlsOptions>) -> Result<ClientOptions, Wrong> {
        let password = self.password();
        let access = Access::new(password.as_deref(), &self.user)
            .map_err(|e| wrong(format!("--user: {e}")))?;
        // Certificates of clients prove nothing where the port for nodes is open beside them.
        let shows_certificate = |tls: &TlsOptions| {
            tls.for_clients && tls.auth_clients == AuthClients::Yes && tls.for_peers
        };
        let asks_who = !access.is_open() || tls.is_some_and(shows_certificate);
        if let Some(exposed) = self.exposed(address)
            && !asks_who
            && !self.insecure
        {
            return Err(wrong(format!(
                "`{exposed}` can be reached by others: give --requirepass or --user, ask for \
                 certificates on both ports (--tls-port and --tls-cluster), or let everybody in \
                 with --insecure"
            )));
        }
        Ok(ClientOptions {
            max_clients: self.max_clients,
            idle_timeout_s: self.timeout,
            max_memory: self.max_memory,
            access,
            metrics: self.metrics.clone(),
        })
    }

    /// Where clients reach this node. What `--cluster` says of it need not be repeated, and
    /// must not be contradicted.
    fn address(&self) -> Result<String, Wrong> {
        let mut listed = self.cluster.iter().filter(|(id, _)| *id == self.id);
        let listed = match (listed.next(), listed.next()) {
            (Some(_), Some(_)) => return Err(wrong("--cluster names this node twice")),
            (Some((_, address)), None) => Some(address),
            (None, _) if !self.cluster.is_empty() => {
                let id = self.id;
                return Err(wrong(format!("--cluster does not name this node ({id})")));
            }
            (None, _) => None,
        };
        let (host, port) = match listed.and_then(|address| address.rsplit_once(':')) {
            Some((host, port)) => (host, port),
            None => ("127.0.0.1", "7001"),
        };
        let host = self.host.as_deref().unwrap_or(host);
        let port = self.own_port().map_or(port.into(), |port| port.to_string());
        let address = format!("{host}:{port}");
        if peer_address(&address).is_none() {
            return Err(wrong(format!(
                "nobody can reach a node at `{address}`: --host is its name or address, with \
                 brackets around an IPv6 one, and --bind the interface to listen on"
            )));
        }
        if listed.is_some_and(|listed| *listed != address) {
            return Err(wrong(format!(
                "--cluster and --host, --port or --tls-port disagree about this node's address ({address})"
            )));
        }
        Ok(address)
    }

    /// The port for clients, if it is given: of the kind that is served.
    fn own_port(&self) -> Option<u16> {
        self.tls.port().or(self.port)
    }

    fn local_cluster(self, count: u16, tls: Option<TlsOptions>) -> Result<LocalCluster, Wrong> {
        let first_port = self.own_port().unwrap_or(7001);
        if first_port.saturating_add(count - 1) > MAX_PORT {
            return Err(wrong(format!(
                "{count} nodes from port {first_port} upwards would pass port {MAX_PORT}"
            )));
        }
        let mut common = Vec::new();
        let mut pass = |name: &str, value: String| common.extend([name.to_owned(), value]);
        pass("--heartbeat", format!("{}ms", self.heartbeat));
        pass("--election-min", format!("{}ms", self.election_min));
        pass("--election-max", format!("{}ms", self.election_max));
        pass("--snapshot-every", self.snapshot_every.to_string());
        pass("--snapshot-rate", self.snapshot_rate.to_string());
        pass("--cache-entries", self.cache_entries.to_string());
        let host = self.host.clone().unwrap_or_else(|| "127.0.0.1".into());
        self.clients(&format!("{host}:{first_port}"), tls.as_ref())?;
        let password = self.password();
        pass("--max-clients", self.max_clients.to_string());
        pass("--max-memory", self.max_memory.to_string());
        pass("--timeout", self.timeout.to_string());
        for user in self.user {
            pass("--user", user);
        }
        if self.insecure {
            common.push("--insecure".into());
        }
        let mut pass = |name: &str, value: String| common.extend([name.to_owned(), value]);
        if let Some(bind) = self.bind {
            pass("--bind", bind);
        }
        common.extend(self.tls.typed());
        Ok(LocalCluster {
            count,
            first_port,
            host,
            password,
            is_tls: tls.is_some_and(|tls| tls.for_clients),
            // Another number of nodes or another port is another cluster: members are known
            // by their addresses, and these are in the log.
            directory: self.dir.unwrap_or_else(|| {
                PathBuf::from(format!("squall-data/local-{count}-{first_port}"))
            }),
            common,
        })
    }
}

fn password_of_environment() -> Option<String> {
    std::env::var(PASSWORD_VARIABLE).ok()
}

fn wrong(why: impl Into<String>) -> Wrong {
    (ErrorKind::ValueValidation, why.into())
}

/// Whether only this machine reaches who listens there.
fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let is_loopback = |address: std::net::IpAddr| address.is_loopback();
    bare == "localhost" || bare.parse().is_ok_and(is_loopback)
}

/// `id=host:port`
fn parse_member(text: &str) -> Result<(NodeId, String), String> {
    let (id, address) = text
        .split_once('=')
        .ok_or("expected id=host:port, as in 1=127.0.0.1:7001")?;
    let id = id
        .parse()
        .ok()
        .filter(|id| *id > 0)
        .ok_or_else(|| format!("{id:?} is not a node's number (1 or more)"))?;
    if peer_address(address).is_none() {
        return Err(format!(
            "{address:?} is not host:port with a port from 1 to {MAX_PORT}"
        ));
    }
    Ok((id, address.to_owned()))
}

#[cfg(test)]
#[path = "args_tests.rs"]
mod tests;
