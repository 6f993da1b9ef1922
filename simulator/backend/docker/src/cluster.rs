//! A cluster on containers: machines, a node on each, and the harness around them.

use std::cell::RefCell;
use std::pin::pin;
use std::rc::Rc;

use futures_util::future::{Either, join_all, select};
use tokio::sync::Notify;

use super::machine::{Common, Machine};
use super::run_resources::{DATA, Holder, RunResources};
use super::site::DockerSite;
use super::{DockerError, Options, backend};
use squall_backend::nemesis::Nemesis;
use squall_backend::phases::Stage;
use squall_history::Recorder;
use squall_linux::clock::Clock;
use squall_linux::links::Links;
use squall_plan::plan::Plan;
use squall_workload::RunContext;
use squall_world::RealWorld;

/// Port for clients, on every machine.
const PORT: u16 = 7_000;

pub(super) struct Cluster {
    pub clock: Clock,
    pub machines: Vec<Rc<Machine>>,
    pub stage: Stage<DockerSite>,
    common: Rc<Common>,
}

impl Cluster {
    /// Has the machines made. No node runs yet.
    pub(super) async fn set_up(
        plan: &Plan,
        options: &Options,
        resources: Rc<RunResources>,
    ) -> Result<Self, DockerError> {
        let plan = Rc::new(plan.clone());
        let count = plan.cluster.nodes + plan.cluster.spares;
        let holders = resources.set_up(count).await?;
        let clock = Clock::default();
        let recorder = {
            let clock = clock.clone();
            Recorder::new(move || clock.now_us())
        };
        let addresses: Vec<String> = holders.iter().map(address).collect();
        let members = addresses[..plan.cluster.nodes].to_vec();
        let context = RunContext::new::<RealWorld>(recorder, members.clone());
        let links = open_links(&plan, &holders).await?;
        let common = Rc::new(Common {
            resources,
            clock: clock.clone(),
            context: context.clone(),
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
            nemesis: Nemesis::new(site.clone(), context.clone(), &plan),
            site,
            context,
            services: squall_workload::shipped(),
            plan,
        };
        Ok(Self {
            clock,
            machines,
            stage,
            common,
        })
    }

    /// Starts all nodes and waits until one leads; the run's clock starts then.
    pub(super) async fn form(&self) -> Result<(), DockerError> {
        // Containers take their time to start, and start best at the same time.
        join_all(self.machines.iter().map(|machine| machine.start())).await;
        let formed = self.stage.form().await;
        formed.map_err(|why| DockerError::Run(self.explain(&why)))?;
        self.clock.start();
        Ok(())
    }

    /// Why no cluster formed, with what a node said that ended by itself.
    fn explain(&self, why: &str) -> String {
        let said = (self.machines.iter()).find_map(|machine| machine.last_words());
        match said {
            Some(said) => format!("{why}; {said}"),
            None => why.to_owned(),
        }
    }

    /// Does `work`, unless the harness fails before it is done.
    pub(super) async fn unless_it_fails<T>(
        &self,
        work: impl Future<Output = Result<T, DockerError>>,
    ) -> Result<T, DockerError> {
        let failed = async {
            self.common.failed.notified().await;
            let failure = self.common.failure.borrow_mut().take();
            failure.expect("a failure is stored before it notifies")
        };
        match select(pin!(work), pin!(failed)).await {
            Either::Left((result, _)) => result,
            Either::Right((failure, _)) => Err(failure),
        }
    }
}

async fn open_links(plan: &Plan, holders: &[Holder]) -> Result<Option<Links>, DockerError> {
    if !backend::has_link_faults(plan) {
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
    let mut arguments = vec!["--dir".to_owned(), DATA.to_owned()];
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
