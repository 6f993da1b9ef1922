//! The tables of a system file, as they are written.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use crate::offer::Services;
use crate::on::On;

/// The port that clients connect to.
pub const CLIENT_PORT: &str = "client";

/// A system under test, as its file has it.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// Lower-case letters, digits and hyphens.
    #[schemars(with = "String")]
    pub name: Spanned<String>,
    /// One line for the catalogue.
    pub summary: String,
    /// What its clients speak.
    #[schemars(with = "Protocol")]
    pub protocol: Spanned<Protocol>,
    /// How many nodes it can have; without it, any number. A scenario with another number gets
    /// the next smaller one, or the smallest.
    #[serde(default)]
    #[schemars(with = "Option<Vec<u64>>")]
    pub nodes: Option<Spanned<Vec<u64>>>,
    /// Programs that must be installed.
    #[serde(default)]
    pub packages: Vec<Package>,
    /// Ports of every node by name. `client` is there clients connect.
    #[schemars(with = "BTreeMap<String, u16>")]
    pub ports: Spanned<BTreeMap<String, u16>>,
    /// The main process of each node: the first entry whose `on` fits.
    pub node: Vec<NodeTable>,
    /// Further processes beside it, which live and die with their node.
    #[serde(default)]
    pub side: Vec<SideTable>,
    /// Files that are written below a node's directory before it starts for the first time.
    #[serde(default)]
    pub file: Vec<FileTable>,
    /// Commands that are run once when every node is up, in order.
    #[serde(default)]
    pub after: Vec<AfterTable>,
    /// When a node is up.
    #[serde(default)]
    pub ready: Ready,
    /// The client program, for the protocol `program`.
    pub client: Option<ClientTable>,
    /// How one tells who leads, where the protocol does not tell: a command whose output is
    /// JSON.
    pub status: Option<StatusTable>,
    /// For the Redis protocols.
    #[serde(default)]
    pub redis: RedisTable,
    /// What it can be asked, and what it promises.
    pub service: Services,
}

/// What clients of a system speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// Squall's own, of its own cluster.
    Squall,
    /// Redis: one master, found by asking the nodes.
    Redis,
    /// Redis: the master is found by asking Sentinels, on the port `sentinel` of every node.
    RedisSentinel,
    /// Redis Cluster: nodes redirect to who has the key.
    RedisCluster,
    /// etcd 3, by its JSON gateway.
    Etcd,
    /// NATS JetStream: streams with pull consumers, and the key-value store. Servers are asked who
    /// leads on the port `monitor` of every node, which names itself `{name}`.
    Nats,
    /// A program that reads operations as lines of JSON and answers each with a line.
    Program,
}

/// A program that must be installed.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Package {
    /// Name of the Debian package.
    pub package: String,
    /// What is looked for in `PATH`.
    pub binary: String,
}

/// The main process of some nodes.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NodeTable {
    #[serde(default)]
    pub on: On,
    /// Program and arguments, as templates.
    #[schemars(with = "Vec<String>")]
    pub command: Spanned<Vec<Spanned<String>>>,
}

/// A process beside the main one.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SideTable {
    /// For logs.
    pub name: String,
    #[serde(default)]
    pub on: On,
    #[schemars(with = "Vec<String>")]
    pub command: Spanned<Vec<Spanned<String>>>,
}

/// A file of a node.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FileTable {
    /// Below the node's directory.
    #[schemars(with = "String")]
    pub path: Spanned<String>,
    #[serde(default)]
    pub on: On,
    /// A template.
    #[schemars(with = "String")]
    pub content: Spanned<String>,
}

/// A command for when every node is up.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AfterTable {
    /// Number of the node on whose machine it runs, from 1.
    #[serde(default = "first")]
    pub on: usize,
    #[schemars(with = "Vec<String>")]
    pub command: Spanned<Vec<Spanned<String>>>,
}

fn first() -> usize {
    1
}

/// When a node is up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ready {
    #[serde(default)]
    pub by: ReadyBy,
    /// Milliseconds until a node that is not up has failed to start. Default 20,000.
    pub within_ms: Option<u64>,
}

/// How one sees that a node is up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ReadyBy {
    /// It takes connections on its port `client`.
    #[default]
    Tcp,
    /// It tells its status.
    Protocol,
}

/// The client program.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClientTable {
    /// Program and arguments; of the places in braces only `{here}` and those of all nodes
    /// (`{peers:…}`) mean anything to a client, and the rest are those of node 1.
    #[schemars(with = "Vec<String>")]
    pub command: Spanned<Vec<Spanned<String>>>,
    /// The operations that it knows, by their names in histories: `get`, `set`, `acquire`.
    #[schemars(with = "Vec<String>")]
    pub offers: Vec<Spanned<String>>,
    /// What its versions of values tell.
    #[serde(default)]
    pub versions: Versions,
}

/// What versions tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Versions {
    /// Nothing but which value it is.
    #[default]
    Names,
    /// The larger one is the later one, for each key, also over deletes.
    Rising,
}

/// Who leads, by a command.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StatusTable {
    /// Prints JSON about the node.
    #[schemars(with = "Vec<String>")]
    pub command: Spanned<Vec<Spanned<String>>>,
    /// JSON pointer (RFC 6901) of the role: `/role`.
    pub role: String,
    /// What stands there at a leader.
    pub leader: serde_json::Value,
    /// JSON pointer of the term, view or epoch, a number that rises with every leader.
    pub term: Option<String>,
    /// JSON pointer of the position of what the node has applied.
    pub applied: Option<String>,
}

/// Settings of the Redis protocols.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RedisTable {
    /// What Sentinels call the master. Default `squall`.
    pub master: Option<String>,
}
