//! Real containers on this machine's Docker engine: one plan, one history, in real time.
//!
//! The clients, the probes and the clock of record are in this process and in the real
//! [`World`]; the nodes are `squall-node` processes in containers ([`machine`], [`lab`]).
//! Faults hit real processes ([`process`]) and real packets ([`links`]), and count only when
//! they have been seen ([`proof`]). Nothing of it is deterministic, and nothing is claimed
//! to be. All types of Docker stop in [`engine`].
//!
//! Whatever a run makes bears its label, and is removed at its end, however it ends; what a
//! run that was killed has left behind, the next one removes ([`owner`]).

use std::cell::RefCell;
use std::path::PathBuf;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::{Either, join_all, select};
use squall_cluster::world::{RealWorld, World};
use tokio::sync::Notify;
use tokio::task::LocalSet;

mod clock;
mod engine;
mod image;
mod knowledge;
mod lab;
mod links;
mod machine;
mod meter;
mod netns;
mod observe;
mod owner;
mod packets;
mod process;
mod proof;
mod refusal;
mod rules;
mod site;

use clock::Clock;
use engine::Engine;
use lab::{Holder, Lab};
use links::Links;
use machine::{Common, Machine};
pub use refusal::refusal;
use site::DockerSite;

use super::nemesis::Nemesis;
use super::phases::Stage;
use super::resources::{self, ResourceSample};
use crate::history::{History, Recorder};
use crate::plan::Plan;
use crate::workload::Setting;

/// Port for clients, on every machine.
const PORT: u16 = 7_000;
/// How often a wish to end the run is looked for.
const LOOK: Duration = Duration::from_millis(50);

/// How to run, beside the plan.
#[derive(Default)]
pub struct Options {
    /// A static `squall-node`; found by itself if none is named.
    pub node_binary: Option<PathBuf>,
    /// Bug that all nodes are to make; their binary must have it compiled in.
    pub planted: Option<String>,
    /// Whether the run is to end early.
    pub interrupted: Option<Box<dyn Fn() -> bool>>,
}

/// A finished run.
#[derive(Debug)]
pub struct DockerRun {
    pub history: History,
    pub resources: Vec<ResourceSample>,
}

/// The harness failed; says nothing about the cluster.
#[derive(Debug, thiserror::Error)]
pub enum DockerError {
    #[error("{0}")]
    Engine(String),
    #[error("{0}")]
    Image(String),
    #[error("{0}")]
    Run(String),
    #[error("interrupted; what the run had made is removed")]
    Interrupted,
}

/// Executes the plan, which [`refusal`] does not refuse.
///
/// # Errors
/// The engine cannot be used, or the cluster did not form; or the run was interrupted.
/// Whatever the run had made is removed also then.
#[allow(clippy::disallowed_methods)] // real time begins here
pub fn run(plan: &Plan, options: &Options) -> Result<DockerRun, DockerError> {
    block_on(async {
        let engine = Engine::connect().await?;
        lab::sweep(&engine).await?;
        if refusal::has_link_faults(plan) {
            links_can_be_broken().map_err(|why| {
                DockerError::Run(format!("faults of links are not possible: {why}"))
            })?;
        }
        let image = image::ensure(&engine, options.node_binary.as_deref()).await?;
        let lab = Rc::new(Lab::new(engine, image));
        let played = {
            let wish = pin!(wish_to_end(options.interrupted.as_deref()));
            let play = pin!(play(plan, options, lab.clone()));
            match select(play, wish).await {
                Either::Left((played, _)) => played,
                Either::Right(((), _)) => Err(DockerError::Interrupted),
            }
        };
        let removed = lab.tear_down().await;
        let run = played?;
        removed.map(|()| run)
    })
}

/// Removes what runs that were killed have left behind; how many there were.
///
/// # Errors
/// The engine cannot be used.
pub fn clean() -> Result<usize, DockerError> {
    block_on(async {
        let engine = Engine::connect().await?;
        lab::sweep(&engine).await
    })
}

/// Whether faults of links are possible on this machine.
///
/// # Errors
/// Why they are not.
pub fn links_can_be_broken() -> Result<(), String> {
    rules::must_be_possible()?;
    match rustix::process::geteuid().is_root() {
        true => Ok(()),
        false => Err("only root may enter the networks of containers".into()),
    }
}

fn block_on<T>(work: impl Future<Output = Result<T, DockerError>>) -> Result<T, DockerError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|e| DockerError::Run(format!("no event loop: {e}")))?;
    LocalSet::new().block_on(&runtime, work)
}

async fn wish_to_end(interrupted: Option<&dyn Fn() -> bool>) {
    while !interrupted.is_some_and(|is_asked| is_asked()) {
        RealWorld::sleep(LOOK).await;
    }
}

/// Sets the machines up and plays all phases on them.
async fn play(plan: &Plan, options: &Options, lab: Rc<Lab>) -> Result<DockerRun, DockerError> {
    let plan = Rc::new(plan.clone());
    let count = plan.cluster.nodes + plan.cluster.spares;
    let holders = lab.set_up(count).await?;
    let clock = Clock::default();
    let recorder = {
        let clock = clock.clone();
        Recorder::new(move || clock.now_us())
    };
    let addresses: Vec<String> = holders.iter().map(address).collect();
    let members = addresses[..plan.cluster.nodes].to_vec();
    let setting = Setting::new(recorder, members.clone());
    let links = open_links(&plan, &holders).await?;
    let common = Rc::new(Common {
        lab,
        clock: clock.clone(),
        setting: setting.clone(),
        arguments: arguments(&plan, options),
        members: member_list(&members),
        failure: RefCell::default(),
        failed: Notify::new(),
    });
    let machines: Vec<Rc<Machine>> = (holders.into_iter().zip(addresses).enumerate())
        .map(|(index, (holder, address))| {
            let is_spare = index >= plan.cluster.nodes;
            Machine::new(index, holder, address, common.clone(), is_spare)
        })
        .collect();
    let site = Rc::new(DockerSite {
        common: common.clone(),
        machines: machines.clone(),
        links,
        members: plan.cluster.nodes,
        voters: RefCell::new((0..count).map(|node| node < plan.cluster.nodes).collect()),
    });
    site.watch();
    let stage = Stage {
        nemesis: Nemesis::new(site.clone(), setting.clone(), &plan),
        site,
        setting: setting.clone(),
        plan: plan.clone(),
    };
    let failed = async {
        common.failed.notified().await;
        let failure = common.failure.borrow_mut().take();
        failure.expect("a failure is told before it rings")
    };
    let story = async {
        // Containers take their time to start, and start best at the same time.
        join_all(machines.iter().map(|machine| machine.start())).await;
        let formed = stage.form().await;
        formed.map_err(|why| DockerError::Run(explain(&why, &machines)))?;
        clock.start();
        let samples = meter::start(&machines, &clock);
        let seen = samples.clone();
        let gauge = move |from_us, to_us| resources::usage(&seen.borrow(), from_us, to_us);
        setting.measure_by(Box::new(gauge));
        stage.play().await;
        Ok(samples.take())
    };
    let resources = match select(pin!(story), pin!(failed)).await {
        Either::Left((resources, _)) => resources?,
        Either::Right((failure, _)) => return Err(failure),
    };
    let mut history = setting.recorder.take();
    // What nodes say arrives a little after it happened.
    history.events.sort_by_key(|event| event.at_us);
    Ok(DockerRun { history, resources })
}

/// Why no cluster formed, with what a node said that ended by itself.
fn explain(why: &str, machines: &[Rc<Machine>]) -> String {
    let said = machines.iter().find_map(|machine| machine.last_words());
    match said {
        Some(said) => format!("{why}; {said}"),
        None => why.to_owned(),
    }
}

async fn open_links(plan: &Plan, holders: &[Holder]) -> Result<Option<Links>, DockerError> {
    if !refusal::has_link_faults(plan) {
        return Ok(None);
    }
    let pids: Vec<i32> = holders.iter().map(|holder| holder.pid).collect();
    let ips = holders.iter().map(|holder| holder.ip.clone()).collect();
    let opened = Links::open(&pids, ips, plan.stream("links")).await;
    let links = opened.map_err(|e| {
        DockerError::Run(format!(
            "faults of links need to enter the networks of containers, as root: {e}"
        ))
    })?;
    links.must_work().await.map_err(DockerError::Run)?;
    Ok(Some(links))
}

fn address(holder: &Holder) -> String {
    format!("{}:{PORT}", holder.ip)
}

/// `1=10.0.0.2:7000,2=…`
fn member_list(addresses: &[String]) -> String {
    let members = addresses.iter().enumerate();
    let members: Vec<String> = members
        .map(|(index, address)| format!("{}={address}", index + 1))
        .collect();
    members.join(",")
}

/// What every node is started with.
fn arguments(plan: &Plan, options: &Options) -> Vec<String> {
    let cluster = &plan.cluster;
    let mut arguments = vec!["--dir".to_owned(), "/data".to_owned()];
    let mut pass = |name: &str, value: String| arguments.extend([name.to_owned(), value]);
    pass("--heartbeat", format!("{}ms", cluster.heartbeat_ms));
    pass("--election-min", format!("{}ms", cluster.election_min_ms));
    pass("--election-max", format!("{}ms", cluster.election_max_ms));
    pass("--snapshot-every", cluster.snapshot_every.to_string());
    pass("--cache-entries", cluster.cache_entries.to_string());
    if let Some(id) = &options.planted {
        pass("--planted", id.clone());
    }
    arguments
}
