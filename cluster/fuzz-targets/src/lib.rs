//! Targets for hostile inputs: one function for each format that a node or the simulator reads
//! from outside.
//!
//! A target takes any bytes, and panics if something is wrong that they could bring about: a
//! panic on the way, a node that ends or serves nobody else, a reading that does not mean the same
//! the second time. What it may allocate for an input is bounded ([`Target::bound`]). Two runners
//! call them: `cargo fuzz` in the directory beside this one, guided by coverage, and [`run`], seeded and the
//! same everywhere, which tests and the program `squall-fuzz` use.

pub mod files;
mod formats;
mod mutate;
pub mod node;
mod program;
pub mod run;
pub mod seeds;
pub mod world;

/// One format, and what is done with it.
pub struct Target {
    pub name: &'static str,
    /// What it reads, for people.
    pub about: &'static str,
    /// Reads the bytes.
    pub read: fn(&[u8]),
    /// Words that inputs of this format are made of.
    pub words: &'static [&'static str],
    /// Whether an input costs microseconds, and not a conversation with a node.
    pub is_fast: bool,
    /// Bytes that reading may take at its peak, whatever the input.
    fixed_bytes: usize,
    /// And for each byte of the input.
    bytes_per_byte: usize,
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl Target {
    /// Bytes that reading an input of this length may take at its peak.
    pub fn bound(&self, length: usize) -> usize {
        self.fixed_bytes + self.bytes_per_byte * length
    }

    /// The target of that name.
    pub fn find(name: &str) -> Option<&'static Target> {
        TARGETS.iter().find(|target| target.name == name)
    }
}

const MIB: usize = 1 << 20;

/// All of them.
pub const TARGETS: &[Target] = &[
    Target {
        name: "client",
        about: "the port for clients, of a node in memory",
        read: |bytes| node::attack(node::Port::Client, bytes),
        words: formats::COMMAND_WORDS,
        is_fast: false,
        fixed_bytes: 64 * MIB,
        bytes_per_byte: 1_024,
    },
    Target {
        name: "peer",
        about: "the port for nodes, of a node in memory",
        read: |bytes| node::attack(node::Port::Peer, bytes),
        words: &["SQHI"],
        is_fast: false,
        fixed_bytes: 64 * MIB,
        bytes_per_byte: 1_024,
    },
    Target {
        name: "resp",
        about: "commands, from bytes to calls",
        read: formats::resp,
        words: formats::COMMAND_WORDS,
        is_fast: true,
        fixed_bytes: MIB,
        bytes_per_byte: 256,
    },
    Target {
        name: "frame",
        about: "messages between nodes, decoded, checked and put in words",
        read: formats::frame,
        words: &["SQHI"],
        is_fast: true,
        fixed_bytes: MIB,
        bytes_per_byte: 1_024,
    },
    Target {
        name: "wal",
        about: "the log of a node",
        read: files::wal,
        words: &["SQUALLWL"],
        is_fast: true,
        fixed_bytes: MIB,
        bytes_per_byte: 256,
    },
    Target {
        name: "snapshot",
        about: "snapshots and backups",
        read: files::snapshot,
        words: &[],
        is_fast: true,
        fixed_bytes: 2 * MIB,
        bytes_per_byte: 1_024,
    },
    Target {
        name: "config",
        about: "the file of squall-node --config",
        read: program::config,
        words: &[
            "port",
            "cluster",
            "heartbeat",
            "= ",
            "\"",
            "[",
            "]",
            "'''",
            "1=a:7001",
            "100ms",
            "true",
            "user",
            "tls-port",
            "9223372036854775808",
        ],
        is_fast: true,
        fixed_bytes: 4 * MIB,
        bytes_per_byte: 1_024,
    },
    Target {
        name: "users",
        about: "users and their rights",
        read: formats::users,
        words: &[
            "on",
            "off",
            "nopass",
            ">",
            "~",
            "allkeys",
            "resetkeys",
            "+@all",
            "-@admin",
            "+get",
            "\n",
            " ",
        ],
        is_fast: true,
        fixed_bytes: MIB,
        bytes_per_byte: 256,
    },
    Target {
        name: "scenario",
        about: "scenario files",
        read: formats::scenario,
        words: &[
            "[cluster]",
            "[[fault]]",
            "[[workload]]",
            "nodes = ",
            "\"1s\"",
            "\"10%\"",
            "18446744073709551615",
            "-1",
            "1e308",
            "{",
            "}",
            "[",
            "]",
            "\"leader\"",
        ],
        is_fast: true,
        fixed_bytes: 4 * MIB,
        bytes_per_byte: 2_048,
    },
    Target {
        name: "history",
        about: "history files of our own and of other tools",
        read: formats::history,
        words: &[
            ":invoke",
            ":ok",
            ":info",
            ":fail",
            "nil",
            ":read",
            ":write",
            ":cas",
            "{",
            "}",
            "\"",
            "18446744073709551615",
            "-1",
        ],
        is_fast: true,
        fixed_bytes: 8 * MIB,
        bytes_per_byte: 4_096,
    },
];
