//! Who is compared: systems that ship, each configured for safety as its documentation
//! recommends, and once more as it comes where that is something else.

use std::path::Path;

use squall_systems::{Protocol, SystemFile};

/// A row of the comparison.
pub struct Contender {
    pub name: String,
    /// What its configuration is, in words.
    pub about: String,
    pub system: SystemFile,
}

/// A system that ships, with a few lines of its file replaced.
struct Known {
    name: &'static str,
    system: &'static str,
    about: &'static str,
    /// What stands in the file, and what stands there instead. It is replaced wherever it is.
    changes: &'static [(&'static str, &'static str)],
}

/// What the files of Redis have about its disk.
const EVERY_SECOND: &str = "appendonly yes\nappendfsync everysec\nsave \"\"\n";
const EVERY_WRITE: &str = "appendonly yes\nappendfsync always\nsave \"\"\n";

const KNOWN: [Known; 10] = [
    Known {
        name: "squall",
        system: "squall",
        about: "One row: there is no setting that makes it less safe. Election timeouts are drawn \
                between 300 and 600 ms, its default, which is shorter than any other's here.",
        changes: &[],
    },
    Known {
        name: "etcd",
        system: "etcd",
        about: "One row: as it comes is as recommended. Every write is synced on a majority, and \
                reads are linearizable unless a client asks for less. Heartbeat 100 ms and \
                election timeout 1 s are its defaults. 3.4 has no pre-vote unless asked; 3.5 has.",
        changes: &[],
    },
    Known {
        name: "nats-jetstream",
        system: "nats-jetstream",
        about: "A replica of every stream on each of five nodes; registers are read from the \
                leader of their stream. This version syncs its files every two minutes and cannot \
                be told to sync every write (`sync_interval: always` came with 2.10): what a node \
                loses with its power is not tested here. Its elections take 4 to 9 s, which \
                cannot be set.",
        changes: &[],
    },
    Known {
        name: "nats-jetstream-as-it-comes",
        system: "nats-jetstream",
        about: "As `nats-jetstream`, but registers are read by direct gets, which any replica \
                answers: clients of NATS make buckets so unless they are told otherwise. The \
                clients' default of one replica is not played: a bucket with one replica is away \
                with its node.",
        changes: &[("reads = \"primary\"", "reads = \"any\"")],
    },
    Known {
        name: "redis-sentinel",
        system: "redis-sentinel",
        about: "A master, four replicas and five Sentinels. `appendfsync always`, and as in the \
                documentation of Sentinel `min-replicas-to-write` and `min-replicas-max-lag`, so \
                that a master that is cut off stops taking writes: with two replicas, which makes \
                a majority of five, and after 2 s (the documentation's example has one replica of \
                two, and the default of 10 s, which is as long as the partitions here). \
                `down-after-milliseconds` is 1 s.",
        changes: &[(
            EVERY_SECOND,
            "appendonly yes\nappendfsync always\nsave \"\"\nmin-replicas-to-write 2\n\
             min-replicas-max-lag 2\n",
        )],
    },
    Known {
        name: "redis-sentinel-as-it-comes",
        system: "redis-sentinel",
        about: "The same with Redis's defaults for data: no log, a snapshot after 3,600 s with one \
                change, 300 s with 100 or 60 s with 10,000, and a master that takes writes \
                whatever its replicas do. The timeouts are those of the row above: with the \
                default of 30 s no failover would begin before the faults are over.",
        changes: &[(EVERY_SECOND, "")],
    },
    Known {
        name: "redis-cluster",
        system: "redis-cluster",
        about: "Three masters, three replicas, `appendfsync always`, node timeout 1 s. With one \
                replica for each master, `min-replicas-to-write` would stop every shard that has \
                just failed over, and the documentation of Redis Cluster does not ask for it.",
        changes: &[(EVERY_SECOND, EVERY_WRITE)],
    },
    Known {
        name: "redis-cluster-as-it-comes",
        system: "redis-cluster",
        about: "The same with Redis's defaults for data, as above. The node timeout is 1 s as \
                well: the default of 15 s is longer than the faults.",
        changes: &[(EVERY_SECOND, "")],
    },
    Known {
        name: "redis",
        system: "redis",
        about: "One server, `appendfsync always`: what it costs to have no replicas. It plays only \
                the scenarios that one node can: it has no follower, and nobody to be cut off from.",
        changes: &[],
    },
    Known {
        name: "redis-as-it-comes",
        system: "redis",
        about: "One server with Redis's defaults for data, as above; it promises nothing then.",
        changes: &[
            (EVERY_WRITE, ""),
            ("linearizable = true\n", ""),
            ("exclusive = true\n", ""),
            ("durable = true\n", ""),
        ],
    },
];

/// Their names, in the order of the page.
pub fn names() -> Vec<String> {
    KNOWN.iter().map(|known| known.name.to_owned()).collect()
}

impl Contender {
    /// Of this name, or a system file of somebody's own.
    ///
    /// # Errors
    /// There is none, or its system cannot be read.
    pub fn load(name: &str) -> Result<Self, String> {
        let Some(known) = KNOWN.iter().find(|known| known.name == name) else {
            let system = SystemFile::load(name).map_err(|e| e.to_string())?;
            return Ok(Self {
                // By which it is found again.
                name: name.to_owned(),
                about: system.summary().to_owned(),
                system,
            });
        };
        let shipped = SystemFile::load(known.system).map_err(|e| e.to_string())?;
        let mut text = shipped.text().to_owned();
        for (from, to) in known.changes {
            if !text.contains(from) {
                return Err(format!("{name}: {} has no {from:?}", known.system));
            }
            text = text.replace(from, to);
        }
        let system = SystemFile::parse(&text, name, Path::new("."));
        Ok(Self {
            name: name.to_owned(),
            about: known.about.to_owned(),
            system: system.map_err(|e| e.to_string())?,
        })
    }

    /// Squall's own node need not be in PATH: the backend finds it, or says how to make one.
    ///
    /// # Errors
    /// A program is missing.
    pub fn require(&self) -> Result<(), String> {
        match self.is_squall() {
            true => Ok(()),
            false => self.system.require(),
        }
    }

    pub fn is_squall(&self) -> bool {
        self.system.protocol() == Protocol::Squall
    }

    /// The file of its system without comments: what a trial depends on.
    pub fn configuration(&self) -> String {
        let lines = self.system.text().lines();
        let lines = lines.filter(|line| !line.starts_with('#') && !line.is_empty());
        lines.map(|line| format!("{line}\n")).collect()
    }
}
