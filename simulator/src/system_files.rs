//! Runs the system of a file on the process backend: what its nodes run, when they are up, who
//! leads and how clients ask it.

use std::net::Ipv4Addr;
use std::rc::Rc;

use squall_check::Promises;
use squall_process::launch::{
    Launch, LaunchFile, NodeContext, NodeSystem, Observer, Polled, Probe, Program, Ready, Role,
    Status, StatusSource,
};
use squall_systems::{CLIENT_PORT, Member, ReadyBy, SystemFile};
use squall_workload::service::Services;
use squall_workload::{Drivers, LocalFuture};

/// The system of a file, as processes.
pub(crate) struct FileSystem(Rc<SystemFile>);

impl FileSystem {
    /// The system of this file, for the backend to run.
    ///
    /// # Errors
    /// A program that it needs is not installed.
    pub(crate) fn start(file: SystemFile) -> Result<Rc<dyn NodeSystem>, String> {
        file.require()?;
        Ok(Rc::new(Self(Rc::new(file))))
    }

    /// The nodes at these addresses, `ip:port`, with all their ports.
    fn members(&self, addresses: &[String]) -> Vec<Member> {
        let ips = addresses.iter().map(|address| {
            let (ip, _) = address.rsplit_once(':').unwrap_or((address, ""));
            ip.to_owned()
        });
        self.0.members(ips)
    }
}

impl NodeSystem for FileSystem {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn launch(&self, node: &NodeContext) -> Result<Launch, String> {
        let members = self.0.members(node.peers.iter().map(Ipv4Addr::to_string));
        let filled = self.0.launch(&members, node.index, &node.dir)?;
        let files = filled.files.into_iter().map(|(path, content)| {
            let path = path.strip_prefix(&node.dir).unwrap_or(&path).to_owned();
            LaunchFile {
                path,
                content: content.into_bytes(),
                is_executable: false,
            }
        });
        let address = members[node.index].address(CLIENT_PORT);
        let (file, index) = (self.0.clone(), node.index);
        let ready = match filled.ready.by {
            ReadyBy::Tcp => Ready::Connects,
            ReadyBy::Protocol => {
                let members: Rc<[Member]> = members.into();
                let probe: Probe = Rc::new(move || {
                    let (file, members) = (file.clone(), members.clone());
                    Box::pin(async move { file.status(&members, index).await.is_some() })
                });
                Ready::Probe(probe)
            }
        };
        Ok(Launch {
            files: files.collect(),
            main: program(filled.main),
            sides: (filled.side.into_iter())
                .map(|side| program(side.command))
                .collect(),
            address: address.ok_or("it has no port for clients")?,
            ready,
        })
    }

    fn observer(&self, addresses: &[String]) -> Observer {
        let (file, members) = (self.0.clone(), self.members(addresses));
        let members: Rc<[Member]> = members.into();
        let by = match self.0.is_asked_by_command() {
            true => Polled::by_programs,
            false => Polled::by,
        };
        Observer::Polled(by(Box::new(move |index, _| {
            Box::new(Asked {
                file: file.clone(),
                members: members.clone(),
                index,
                trouble: None,
            })
        })))
    }

    fn drivers(&self, addresses: &[String]) -> Option<Drivers> {
        let drivers = self.0.drivers(&self.members(addresses));
        drivers.expect("its templates were filled in for every node")
    }

    fn services(&self) -> Services {
        self.0.services()
    }

    fn promises(&self) -> Promises {
        self.0.promises()
    }

    fn mark(&self, variables: Vec<(String, String)>) {
        self.0.mark(variables);
    }

    fn initiate<'a>(&'a self, addresses: &'a [String]) -> LocalFuture<'a, Result<(), String>> {
        Box::pin(async { self.0.initiate(&self.members(addresses)).await })
    }
}

fn program(argv: Vec<String>) -> Program {
    Program {
        argv,
        ..Program::default()
    }
}

/// Asks one node who leads.
struct Asked {
    file: Rc<SystemFile>,
    members: Rc<[Member]>,
    index: usize,
    /// Why it did not answer last.
    trouble: Option<String>,
}

impl StatusSource for Asked {
    fn status(&mut self) -> LocalFuture<'_, Option<Status>> {
        Box::pin(async move {
            let answer = self.file.ask(&self.members, self.index).await;
            let status = match answer {
                Ok(status) => status,
                Err(why) => {
                    self.trouble = Some(why);
                    return None;
                }
            };
            Some(Status {
                role: match status.role {
                    squall_systems::Role::Leader => Role::Leader,
                    squall_systems::Role::Follower => Role::Follower,
                },
                term: status.term,
                applied: status.applied,
            })
        })
    }

    fn trouble(&self) -> Option<String> {
        self.trouble.clone()
    }
}
