//! The backends that this program has: `--backend` takes its names from here.
//!
//! A backend is a crate with a [`Backend`] in it and a row of [`ALL`]; nothing else in Squall
//! knows how many there are or what they are called.

use std::path::PathBuf;
use std::sync::Arc;

pub use squall_backend::backend::{Backend, BackendError, BackendInfo, Lacks, RunOutput};
pub use squall_backend::log::{LogFilter, LogLine, Logs, Part, Role};
pub use squall_backend::trace::{self, TraceFilter, Traced};
use squall_docker::DockerBackend;
use squall_process::ProcessBackend;
use squall_sim::SimBackend;
use squall_sim::system::System;
use squall_systems::SystemFile;

use crate::system_files::FileSystem;

/// How to set a backend up.
#[derive(Default)]
pub struct Options {
    /// Runs instead of Squall's own cluster.
    pub system: Option<Arc<dyn System>>,
    /// Runs instead of Squall's own cluster, as processes.
    pub system_file: Option<SystemFile>,
    /// Which lines of the nodes' logs to keep, where a backend captures them; `None`: none.
    pub log: Option<LogFilter>,
    /// What to record for a trace, where a backend can; `None`: nothing.
    pub trace: Option<TraceFilter>,
    /// The `squall-node` for processes, or a static one for containers; found by itself if
    /// none is named.
    pub node_binary: Option<PathBuf>,
    /// Bug that all nodes are to make. In simulation the whole process makes it already.
    pub planted: Option<String>,
    /// Whether the run is to end early; asked now and then where time is real.
    pub interrupted: Option<Box<dyn Fn() -> bool>>,
}

/// A backend, before it is set up.
#[derive(Debug)]
pub struct Registered {
    /// Its name, and what its worlds are like.
    pub info: BackendInfo,
    /// A sentence for `--help`.
    pub summary: &'static str,
    /// Whether it can record messages and states ([`Options::trace`]).
    pub records_messages: bool,
    /// Whether it can start the processes of another system ([`Options::system_file`]).
    pub starts_systems: bool,
    open: fn(Options) -> Result<Box<dyn Backend>, String>,
}

impl Registered {
    /// Sets it up.
    ///
    /// # Errors
    /// The options ask for something that it does not have, and what to do instead.
    pub fn open(&self, mut options: Options) -> Result<Box<dyn Backend>, String> {
        // Every backend has Squall's own nodes, which are the same wherever they are named.
        options.system_file = (options.system_file)
            .filter(|system| system.protocol() != squall_systems::Protocol::Squall);
        if let Some(system) = &options.system_file
            && !self.starts_systems
        {
            return Err(self.refusal(system));
        }
        (self.open)(options)
    }
}

impl Registered {
    /// Why it cannot run a system of programs, and where to.
    fn refusal(&self, system: &SystemFile) -> String {
        let others = ALL.iter().filter(|backend| backend.starts_systems);
        let others: Vec<&str> = others.map(|backend| backend.info.name).collect();
        let way_out = match others.is_empty() {
            true => "no backend of this program does".to_owned(),
            false => format!("run it with --backend {}", others.join(" or ")),
        };
        format!(
            "the {} backend cannot run the system {}: it starts no programs of other systems, \
             which know nothing of its clock and its network; {way_out}",
            self.info.name,
            system.name()
        )
    }
}

/// All of them; the first is the default.
pub const ALL: &[Registered] = &[
    Registered {
        info: squall_sim::INFO,
        summary: "Deterministic simulation in virtual time",
        records_messages: true,
        starts_systems: false,
        open: |options| {
            let Options {
                system, log, trace, ..
            } = no_node_binary(options)?;
            Ok(Box::new(SimBackend { system, log, trace }))
        },
    },
    Registered {
        info: squall_docker::INFO,
        summary: "Real nodes in containers on this machine's Docker engine, in real time",
        records_messages: false,
        starts_systems: false,
        open: |options| {
            let options = own_cluster(
                untraced(options, &squall_docker::INFO)?,
                &squall_docker::INFO,
            )?;
            let options = squall_docker::Options {
                node_binary: options.node_binary,
                planted: options.planted,
                interrupted: options.interrupted,
            };
            Ok(Box::new(DockerBackend { options }))
        },
    },
    Registered {
        info: squall_process::INFO,
        summary: "Real nodes as processes of this machine, in real time",
        records_messages: false,
        starts_systems: true,
        open: |options| {
            let options = own_cluster(
                untraced(options, &squall_process::INFO)?,
                &squall_process::INFO,
            )?;
            let options = squall_process::Options {
                system: options.system_file.map(FileSystem::start).transpose()?,
                node_binary: options.node_binary,
                planted: options.planted,
                interrupted: options.interrupted,
            };
            Ok(Box::new(ProcessBackend { options }))
        },
    },
    #[cfg(feature = "turmoil")]
    Registered {
        info: squall_turmoil::INFO,
        summary: "The same nodes in virtual time on the classic turmoil engine",
        records_messages: false,
        starts_systems: false,
        open: |options| {
            let options = untraced(no_node_binary(options)?, &squall_turmoil::INFO)?;
            own_cluster(options, &squall_turmoil::INFO)?;
            Ok(Box::new(squall_turmoil::TurmoilBackend))
        },
    },
];

/// What runs unless somebody asks for something else.
pub const DEFAULT: &Registered = &ALL[0];

/// The backend of this name; `None`: this program has none.
pub fn named(name: &str) -> Option<&'static Registered> {
    ALL.iter().find(|backend| backend.info.name == name)
}

fn no_node_binary(options: Options) -> Result<Options, String> {
    if options.node_binary.is_some() {
        let why = "--node-binary is for real nodes: add --backend docker or --backend process";
        return Err(why.into());
    }
    Ok(options)
}

fn untraced(options: Options, info: &BackendInfo) -> Result<Options, String> {
    if options.trace.is_some() {
        return Err(format!(
            "the {} backend records no messages and no states; run the scenario on {}",
            info.name, DEFAULT.info.name
        ));
    }
    Ok(options)
}

fn own_cluster(options: Options, info: &BackendInfo) -> Result<Options, String> {
    if options.system.is_some() {
        return Err(format!(
            "the {} backend runs only Squall's own nodes; leave --backend out",
            info.name
        ));
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backends_are_found_by_names_that_differ() {
        for (index, backend) in ALL.iter().enumerate() {
            let name = backend.info.name;
            let found = ALL.iter().position(|other| other.info.name == name);
            assert_eq!(found, Some(index), "{name} stands twice");
            assert_eq!(named(name).map(|found| found.info), Some(backend.info));
        }
        assert!(named("nowhere").is_none());
    }

    #[test]
    fn a_file_of_squalls_own_protocol_means_the_backends_own_nodes() {
        for registered in ALL {
            let options = Options {
                system_file: Some(SystemFile::load("squall").expect("it ships")),
                ..Options::default()
            };
            let opened = registered.open(options);
            let opened = opened.unwrap_or_else(|why| panic!("{why}"));
            assert!(!opened.runs_other_system(), "{}", registered.info.name);
        }
    }

    #[test]
    fn a_system_of_programs_is_refused_where_it_cannot_run() {
        for registered in ALL.iter().filter(|backend| !backend.starts_systems) {
            let options = Options {
                system_file: Some(SystemFile::load("etcd").expect("it ships")),
                ..Options::default()
            };
            let why = registered.open(options).err().expect("it cannot run");
            assert!(why.contains("cannot run the system etcd"), "{why}");
        }
    }

    #[test]
    fn messages_are_recorded_where_that_can_be_asked_for() {
        for registered in ALL {
            let options = Options {
                trace: Some(TraceFilter::default()),
                ..Options::default()
            };
            let is_opened = registered.open(options).is_ok();
            let name = registered.info.name;
            assert_eq!(is_opened, registered.records_messages, "{name}");
        }
    }

    #[test]
    fn backend_opened_is_the_one_registered() {
        for registered in ALL {
            let opened = registered
                .open(Options::default())
                .expect("nothing is asked");
            assert_eq!(opened.info(), registered.info);
        }
    }
}
