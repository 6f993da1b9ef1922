//! A cluster on this machine: machines, a node on each, and the harness around them.

use std::cell::RefCell;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::{Either, join_all, select};
use squall_world::{RealWorld, World};
use tokio::sync::Notify;
use tokio::task::LocalSet;

use super::clock::Clock;
use super::host::Host;
use super::links::Links;
use super::machine::{Common, Machine};
use super::poll::Polled;
use super::sampler;
use super::site::NodeSite;
use squall_backend::backend::RunOutput;
use squall_backend::nemesis::Nemesis;
use squall_backend::phases::Stage;
use squall_backend::resources;
use squall_history::Recorder;
use squall_plan::plan::Plan;
use squall_workload::service::Services;
use squall_workload::{Drivers, RunContext};

/// How often a wish to end the run is looked for.
const LOOK: Duration = Duration::from_millis(50);

/// What a cluster is made of.
pub struct Parts<H> {
    /// Starts the nodes.
    pub host: H,
    /// Where clients reach each node, spare ones last; `host:port`.
    pub addresses: Vec<String>,
    /// Only where the plan has faults of links.
    pub links: Option<Links>,
    /// How nodes are asked that tell nothing by themselves; `None`: they are Squall's own.
    pub polled: Option<Polled>,
    /// How clients ask another system; `None`: they ask Squall's own.
    pub drivers: Option<Drivers>,
    /// What clients can ask.
    pub services: Services,
}

/// Nodes and harness of one run.
pub struct Cluster<H: Host> {
    clock: Clock,
    machines: Vec<Rc<Machine<H>>>,
    stage: Stage<NodeSite<H>>,
    common: Rc<Common<H>>,
}

impl<H: Host> Cluster<H> {
    /// Puts the parts together. No node runs yet.
    pub fn new(plan: &Plan, parts: Parts<H>) -> Self {
        let plan = Rc::new(plan.clone());
        let clock = Clock::default();
        let recorder = {
            let clock = clock.clone();
            Recorder::new(move || clock.now_us())
        };
        let members = parts.addresses[..plan.cluster.nodes].to_vec();
        let context = RunContext::with_drivers::<RealWorld>(recorder, members, parts.drivers);
        let common = Rc::new(Common {
            host: parts.host,
            clock: clock.clone(),
            context: context.clone(),
            polled: parts.polled,
            leaderships: Default::default(),
            is_made: Default::default(),
            log: Default::default(),
            failure: RefCell::default(),
            failed: Notify::new(),
        });
        let count = parts.addresses.len();
        let machines: Vec<Rc<Machine<H>>> = (parts.addresses.into_iter().enumerate())
            .map(|(index, address)| {
                let is_spare = index >= plan.cluster.nodes;
                Machine::new(index, address, common.clone(), is_spare)
            })
            .collect();
        let site = Rc::new(NodeSite {
            common: common.clone(),
            machines: machines.clone(),
            links: parts.links,
            members: plan.cluster.nodes,
            voters: RefCell::new((0..count).map(|node| node < plan.cluster.nodes).collect()),
        });
        site.watch();
        let stage = Stage {
            nemesis: Nemesis::new(site.clone(), context.clone(), &plan),
            site,
            context,
            services: parts.services,
            plan,
        };
        Self {
            clock,
            machines,
            stage,
            common,
        }
    }

    /// The machines, in the order of their nodes.
    pub fn machines(&self) -> &[Rc<Machine<H>>] {
        &self.machines
    }

    /// Starts all nodes and waits until one leads; the run's clock starts then.
    ///
    /// # Errors
    /// No cluster formed; why, with what a node said that ended by itself, or why one does not
    /// say how it stands.
    pub async fn form(&self) -> Result<(), String> {
        // Processes take their time to start, and start best at the same time.
        join_all(self.machines.iter().map(|machine| machine.start())).await;
        let formed = async {
            self.common.host.settle().await?;
            self.common.is_made.set(true);
            self.stage.form().await
        };
        formed.await.map_err(|why| self.explain(&why))?;
        self.clock.start();
        Ok(())
    }

    fn explain(&self, why: &str) -> String {
        let machines = self.machines.iter();
        let said = machines.clone().find_map(|machine| machine.last_words());
        let said = said.or_else(|| machines.clone().find_map(|machine| machine.trouble()));
        match said {
            Some(said) => format!("{why}; {said}"),
            None => why.to_owned(),
        }
    }

    /// Forms the cluster and plays all phases on it.
    ///
    /// # Errors
    /// No cluster formed, or the harness failed.
    pub async fn play(&self) -> Result<RunOutput, String> {
        let samples = self
            .unless_it_fails(async {
                self.form().await?;
                let machines = self.machines.clone();
                let metered = move || machines.iter().map(|machine| machine.metered()).collect();
                let samples = sampler::start(&self.clock, metered);
                let seen = samples.clone();
                let gauge = move |from_us, to_us| resources::usage(&seen.borrow(), from_us, to_us);
                self.stage.context.measure_by(Box::new(gauge));
                self.stage.play().await;
                Ok(samples)
            })
            .await?;
        Ok(RunOutput {
            // What nodes say arrives a little after it happened: this puts it in its place.
            history: self.stage.context.recorder.take(),
            resources: samples.take(),
            logs: self.common.log.take(&self.clock),
            ..RunOutput::default()
        })
    }

    /// Does `work`, unless the harness fails before it is done.
    ///
    /// # Errors
    /// The work's own, or why the harness failed.
    pub async fn unless_it_fails<T>(
        &self,
        work: impl Future<Output = Result<T, String>>,
    ) -> Result<T, String> {
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

/// Does `work` on this thread, in real time.
///
/// # Errors
/// The work's own; or there is no event loop to be had, which `failed` puts into words.
#[allow(clippy::disallowed_methods)] // real time begins here
pub fn block_on<T, E>(
    work: impl Future<Output = Result<T, E>>,
    failed: impl FnOnce(String) -> E,
) -> Result<T, E> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    match runtime {
        Ok(runtime) => LocalSet::new().block_on(&runtime, work),
        Err(error) => Err(failed(format!("no event loop: {error}"))),
    }
}

/// Does `work` unless somebody wishes it to end before that; `None`: somebody did.
pub async fn unless_interrupted<T>(
    interrupted: Option<&dyn Fn() -> bool>,
    work: impl Future<Output = T>,
) -> Option<T> {
    let wish = async {
        while !interrupted.is_some_and(|is_asked| is_asked()) {
            RealWorld::sleep(LOOK).await;
        }
    };
    match select(pin!(work), pin!(wish)).await {
        Either::Left((done, _)) => Some(done),
        Either::Right(((), _)) => None,
    }
}
