//! What one node of a system runs, with all templates filled in.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::file::SystemFile;
use crate::table::{CLIENT_PORT, ReadyBy};
use crate::template::{Argument, Member, Place};

/// Until a node that is not up has failed to start.
const START_LIMIT: Duration = Duration::from_secs(20);

/// What starts a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    /// To be written before it starts for the first time: full paths, and what they hold.
    pub files: Vec<(PathBuf, String)>,
    /// Program and arguments of the main process.
    pub main: Vec<String>,
    /// Further processes that live and die with it.
    pub side: Vec<Side>,
    /// When it is up.
    pub ready: ReadyWhen,
}

/// A process beside the main one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Side {
    /// For logs.
    pub name: String,
    /// Program and arguments.
    pub command: Vec<String>,
}

/// A command that is run when every node is up, until it succeeds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct After {
    /// The node on whose machine it runs, from 0.
    pub node: usize,
    /// Program and arguments; it must end with code 0.
    pub command: Vec<String>,
}

/// When a node is up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadyWhen {
    pub by: ReadyBy,
    /// After this long without being up it has failed to start.
    pub within: Duration,
}

impl SystemFile {
    /// What the node of this index runs, in its own directory.
    ///
    /// # Errors
    /// A template names a node or a port that is not there.
    pub fn launch(&self, members: &[Member], index: usize, dir: &Path) -> Result<Launch, String> {
        let place = self.place(members, index, dir);
        let node = self.commands.nodes.iter().find(|(on, _)| on.has(index));
        let (_, main) = node.ok_or_else(|| {
            format!(
                "{}: no [[node]] says what node {} runs",
                self.name(),
                index + 1
            )
        })?;
        let sides = self.commands.sides.iter().filter(|(on, ..)| on.has(index));
        let files = self.commands.files.iter().filter(|(on, ..)| on.has(index));
        Ok(Launch {
            files: files
                .map(|(_, path, content)| Ok((dir.join(path), content.fill(place)?)))
                .collect::<Result<_, String>>()?,
            main: fill(main, place)?,
            side: sides
                .map(|(_, name, command)| {
                    let name = name.clone();
                    Ok(Side {
                        name,
                        command: fill(command, place)?,
                    })
                })
                .collect::<Result<_, String>>()?,
            ready: ReadyWhen {
                by: self.table.ready.by,
                within: (self.table.ready.within_ms).map_or(START_LIMIT, Duration::from_millis),
            },
        })
    }

    /// What is to be run when every node is up, in order.
    ///
    /// # Errors
    /// A template names a node or a port that is not there.
    pub fn after(&self, members: &[Member]) -> Result<Vec<After>, String> {
        let filled = self.commands.after.iter().map(|(on, command)| {
            let node = on.checked_sub(1).filter(|node| *node < members.len());
            let node = node.ok_or_else(|| format!("[[after]]: there is no node {on}"))?;
            let place = self.place(members, node, Path::new("."));
            Ok(After {
                node,
                command: fill(command, place)?,
            })
        });
        filled.collect()
    }

    /// Members at these addresses, each with the ports of the file.
    pub fn members(&self, ips: impl IntoIterator<Item = String>) -> Vec<Member> {
        let member = |ip| Member {
            ip,
            ports: self.ports().clone(),
        };
        ips.into_iter().map(member).collect()
    }

    /// The programs that it needs, by their names in `PATH`.
    pub fn programs(&self) -> Vec<&str> {
        let packages = self.table.packages.iter();
        packages.map(|needed| needed.binary.as_str()).collect()
    }

    /// Looks for the programs that the system needs.
    ///
    /// # Errors
    /// One is missing: which, and how to get it.
    pub fn require(&self) -> Result<(), String> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let dirs: Vec<PathBuf> = std::env::split_paths(&path).collect();
        let is_there = |binary: &str| dirs.iter().any(|dir| dir.join(binary).is_file());
        match self
            .table
            .packages
            .iter()
            .find(|needed| !is_there(&needed.binary))
        {
            None => Ok(()),
            Some(needed) => Err(format!(
                "the system {} needs `{}`, which is not in PATH: install it, on Debian and Ubuntu \
                 with `apt-get install {}`",
                self.name(),
                needed.binary,
                needed.package
            )),
        }
    }

    pub(crate) fn place<'a>(
        &'a self,
        members: &'a [Member],
        index: usize,
        dir: &'a Path,
    ) -> Place<'a> {
        Place {
            members,
            index,
            dir,
            here: &self.here,
        }
    }
}

/// Addresses for clients.
pub(crate) fn client_addresses(members: &[Member]) -> Vec<String> {
    let addresses = members.iter().map(|member| member.address(CLIENT_PORT));
    addresses
        .map(|address| address.expect("every system has a port for clients"))
        .collect()
}

pub(crate) fn fill(command: &[Argument], place: Place) -> Result<Vec<String>, String> {
    let mut filled = Vec::new();
    for argument in command {
        filled.extend(argument.fill(place)?);
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn launched(name: &str, nodes: usize) -> (SystemFile, Vec<Member>, Vec<Launch>) {
        let system = SystemFile::load(name).unwrap_or_else(|why| panic!("{why}"));
        let members = system.members((1..=nodes).map(|n| format!("10.0.0.{n}")));
        let launch = |index| {
            let dir = PathBuf::from(format!("/run/{index}"));
            system
                .launch(&members, index, &dir)
                .expect("the file fits the cluster")
        };
        let launches = (0..nodes).map(launch).collect();
        (system, members, launches)
    }

    #[test]
    fn etcd_is_told_of_all_its_members() {
        let (.., launches) = launched("etcd", 3);
        let main = &launches[1].main;
        let after = |flag: &str| {
            let at = main.iter().position(|argument| argument == flag);
            main[at.expect("the flag is there") + 1].as_str()
        };
        assert_eq!(after("--name"), "node-2");
        assert_eq!(after("--listen-client-urls"), "http://10.0.0.2:2379");
        assert_eq!(
            after("--initial-cluster"),
            "node-1=http://10.0.0.1:2380,node-2=http://10.0.0.2:2380,node-3=http://10.0.0.3:2380"
        );
    }

    #[test]
    fn replicas_follow_the_first_node_and_each_has_a_sentinel() {
        let (.., launches) = launched("redis-sentinel", 5);
        let content = |launch: &Launch, name: &str| {
            let found = launch.files.iter().find(|(path, _)| path.ends_with(name));
            found.expect("it is written").1.clone()
        };
        assert!(!content(&launches[0], "redis.conf").contains("replicaof"));
        assert!(content(&launches[4], "redis.conf").contains("replicaof 10.0.0.1 6379"));
        for launch in &launches {
            assert_eq!(launch.side.len(), 1);
            let sentinel = content(launch, "sentinel.conf");
            assert!(
                sentinel.contains("monitor squall 10.0.0.1 6379 3"),
                "{sentinel}"
            );
        }
    }

    #[test]
    fn a_cluster_is_put_together_when_all_are_up() {
        let (system, members, _) = launched("redis-cluster", 6);
        let after = system.after(&members).expect("the nodes are there");
        assert_eq!((after.len(), after[0].node), (1, 0));
        assert_eq!(after[0].command[3..=8].join(" "), {
            let addresses: Vec<String> = (1..=6).map(|n| format!("10.0.0.{n}:6379")).collect();
            addresses.join(" ")
        });
    }

    #[test]
    fn a_program_that_is_missing_is_named_with_its_package() {
        let text = "name = \"x\"\nsummary = \"\"\nprotocol = \"redis\"\n\
                    packages = [{ package = \"x-server\", binary = \"no-such-program-anywhere\" }]\n\
                    [ports]\nclient = 1\n[[node]]\ncommand = [\"x\"]\n[service.cache]\n";
        let system = SystemFile::parse(text, "x.toml", Path::new(".")).expect("it is a system");
        let why = system.require().expect_err("there is no such program");
        assert!(why.contains("apt-get install x-server"), "{why}");
    }
}
