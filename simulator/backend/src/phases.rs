//! The phases of a run, as one task that leads the others.
//!
//! `warmup → chaos → heal → converge → serve → audit`: the plan sets lengths and faults;
//! that every fault is healed, that the cluster converges in time, serves again, and is
//! audited, is the harness's own business and the same for every run.

use std::rc::Rc;
use std::time::Duration;

use squall_world::{Instant, World};

use super::nemesis::Nemesis;
use super::site::Site;
use squall_fault::node_name;
use squall_history::{EventKind, HarnessEvent, LoadEvent, Phase};
use squall_plan::plan::Plan;
use squall_workload::service::Services;
use squall_workload::{RunContext, audits, probe};

/// A new cluster must have a leader within this time.
const FORM_LIMIT: Duration = Duration::from_secs(60);
/// Clients asked to stop must be done within this time: their operations time out.
const FINISH_LIMIT: Duration = Duration::from_secs(120);
/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(5);

/// A run about to be played.
pub struct Stage<S: Site> {
    /// The backend's machines.
    pub site: Rc<S>,
    /// Carries out the faults.
    pub nemesis: Rc<Nemesis<S>>,
    /// Shared by all clients.
    pub context: Rc<RunContext>,
    /// What can be asked.
    pub services: Services,
    /// What is to happen.
    pub plan: Rc<Plan>,
}

impl<S: Site> Stage<S> {
    /// Forms the cluster; the run's clock starts after this.
    ///
    /// # Errors
    /// The cluster did not elect a leader: nothing can be measured.
    pub async fn form(&self) -> Result<(), String> {
        for node in 0..self.site.len() {
            self.site.start(node).await;
        }
        match self
            .wait(FORM_LIMIT, || {
                self.leaders_position().is_some() && self.have_all_reached(None)
            })
            .await
        {
            true => Ok(()),
            false => Err(format!("the cluster did not form: {}", self.state())),
        }
    }

    /// Plays all phases.
    pub async fn play(&self) {
        let phases = &self.plan.phases;
        self.context.recorder.record(self.setup());
        self.enter(Phase::Warmup);
        self.start_clients();
        self.nemesis.start(&self.plan);
        self.sleep_us(phases.warmup_us).await;

        self.enter(Phase::Chaos);
        self.context.count_operations();
        self.chaos().await;
        self.context.close_operations();

        self.enter(Phase::Heal);
        // By plan, every fault is over now: what it takes to end one, the operator's waits among
        // it, is part of what is timed.
        let healed = S::World::now();
        self.nemesis.wait_until_done().await;
        self.nemesis.restore().await;

        self.enter(Phase::Converge);
        let converged = self.converge(healed).await;
        if converged {
            self.enter(Phase::Serve);
            self.sleep_us(phases.serve_us).await;
        }
        // Where a node never comes back, whoever leads is still asked what is lost.
        if converged || self.site.leader().is_some() {
            self.finish_clients().await;
            self.enter(Phase::Audit);
            self.audit().await;
        }
        if let Some(points) = self.nemesis.points() {
            let points = points.counts();
            self.context.recorder.record(EventKind::Points { points });
        }
        self.enter(Phase::End);
    }

    /// As long as planned, or until there is nothing more to do and every fault is over.
    async fn chaos(&self) {
        let phases = &self.plan.phases;
        if !self.plan.may_end_early() {
            return self.sleep_us(phases.chaos_us).await;
        }
        let last_us = self.plan.faults.iter().map(|fault| fault.until_us).max();
        let recorder = &self.context.recorder;
        let done = || self.context.is_done() && last_us.is_none_or(|us| recorder.now_us() >= us);
        let limit = Duration::from_micros(phases.chaos_us);
        if !self.wait(limit, done).await && self.plan.is_limited() {
            let event = LoadEvent::Unfinished;
            recorder.record(EventKind::Load { event });
        }
    }

    fn setup(&self) -> EventKind {
        let lease_us = self.plan.cluster.election_max_ms.saturating_mul(1_000);
        let drifts = self.plan.clocks.iter().map(|clock| clock.drift_ppm);
        let drifts = (0..).map(node_name).zip(drifts);
        EventKind::Setup {
            lease_us: (!self.context.is_foreign).then_some(lease_us),
            drift_ppm: drifts.filter(|(_, ppm)| *ppm != 0).collect(),
        }
    }

    fn enter(&self, phase: Phase) {
        self.context.recorder.record(EventKind::Phase { phase });
    }

    fn start_clients(&self) {
        self.site.among_clients(|| {
            squall_workload::start(&self.context, &self.services, &self.plan);
            if let Some(probes) = &self.plan.probe {
                probe::start(&self.context, &self.services, &self.plan, probes);
            }
        });
    }

    /// All nodes up, a leader that serves, and everybody where it was when this began. The time
    /// counts from the last heal, so that what the operator waited for is part of it.
    async fn converge(&self, healed: Instant) -> bool {
        let limit = Duration::from_micros(self.plan.phases.converge_us);
        let waited = || S::World::now() - healed;
        let mut target = None;
        let converged = self
            .wait(limit.saturating_sub(waited()), || {
                let Some(position) = self.leaders_position() else {
                    return false;
                };
                // What the leader has applied by the time it is known, others must reach.
                target = target.or(position);
                waited() <= limit && self.have_all_reached(target)
            })
            .await;
        if !converged {
            self.context.recorder.missed(HarnessEvent::Convergence {
                waited_us: waited().as_micros() as u64,
                state: self.state(),
            });
        }
        converged
    }

    /// How far a node has come, if it answers; the inner `None`: it does not tell.
    fn position(&self, node: usize) -> Option<Option<u64>> {
        match self.site.applied(node) {
            Some(index) => Some(Some(index)),
            None => self.site.is_untold(node).then_some(None),
        }
    }

    /// How far the leader has come, if there is one that answers.
    fn leaders_position(&self) -> Option<Option<u64>> {
        self.position(self.site.leader()?)
    }

    /// Whether all nodes answer, and all that tell how far they are have come to `target`.
    fn have_all_reached(&self, target: Option<u64>) -> bool {
        (0..self.site.members()).all(|node| match self.position(node) {
            None => false,
            Some(None) => true,
            Some(index) => index >= target,
        })
    }

    /// The nodes that do not tell how far they are.
    fn untold(&self) -> Vec<String> {
        let nodes = (0..self.site.members()).filter(|node| self.site.is_untold(*node));
        nodes.map(node_name).collect()
    }

    /// One line on where every node stands.
    fn state(&self) -> String {
        let leader = match self.site.leader() {
            Some(leader) => format!("{} leads", node_name(leader)),
            None => "no node leads".into(),
        };
        let nodes: Vec<String> = (0..self.site.len())
            .map(|node| {
                let name = node_name(node);
                match self.site.applied(node) {
                    Some(index) => format!("{name} applied {index}"),
                    None if self.site.is_untold(node) => format!("{name} answers"),
                    None => match self.site.data_loss(node) {
                        Some(why) => format!("{name} must be replaced ({why})"),
                        None => format!("{name} is down"),
                    },
                }
            })
            .collect();
        format!("{leader}; {}", nodes.join(", "))
    }

    async fn finish_clients(&self) {
        self.context.stop();
        let finished = self.wait(FINISH_LIMIT, || self.context.is_finished()).await;
        if !finished {
            self.context.recorder.missed(HarnessEvent::ClientsDone);
        }
    }

    async fn audit(&self) {
        let limit = Duration::from_micros(self.plan.phases.audit_us);
        self.context.resume();
        self.site.among_clients(|| {
            let (context, plan) = (self.context.clone(), self.plan.clone());
            let services = self.services.clone();
            self.context.spawn(async move {
                let audited = audits::run(&context, &services, &plan, limit).await;
                if let Err(audits::Unfinished { why, in_progress }) = audited {
                    let missed = HarnessEvent::Audit { why, in_progress };
                    context.recorder.missed(missed);
                }
            });
        });
        let ended = self.wait(limit + FINISH_LIMIT, || self.context.is_finished());
        if !ended.await {
            let why = "it still waits for an answer".into();
            self.context.recorder.missed(HarnessEvent::Audit {
                why,
                in_progress: false,
            });
        }
        // With all quiet, every node reaches the same index and can be compared whole.
        let level = || {
            let leader = self.leaders_position();
            leader.is_some_and(|position| self.have_all_reached(position))
        };
        if !self.wait(FORM_LIMIT, level).await {
            let state = self.state();
            self.context.recorder.missed(HarnessEvent::Level { state });
        }
        let untold = self.untold();
        if !untold.is_empty() {
            self.context.recorder.note(format!(
                "levelling was not observed: {} cannot tell how far they have come",
                untold.join(", ")
            ));
        }
        self.site.emit_digests().await;
    }

    /// Waits until `condition` holds; whether it did within `limit`.
    async fn wait(&self, limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
        let deadline = S::World::now() + limit;
        loop {
            if condition() {
                return true;
            }
            if S::World::now() >= deadline {
                return false;
            }
            S::World::sleep(LOOK).await;
        }
    }

    async fn sleep_us(&self, duration_us: u64) {
        S::World::sleep(Duration::from_micros(duration_us)).await;
    }
}
