//! The nemesis: does to the cluster what the plan says, when it says so.
//!
//! Roles are resolved when a fault fires. A fault that needs someone who is not there, the
//! leader say, waits for it within the fault's own time; if nobody turns up it is skipped,
//! and the history says why. A fault counts as installed when its effect can be seen.
//!
//! Drawn faults keep to a budget: one that would leave too few nodes unharmed waits as well.
//! This file leads a fault through its life; what each kind does is in [`super::install`].

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use squall_world::World;
use tokio::sync::Notify;

use super::operator::Operator;
use super::points::{Points, Standing};
use super::site::{InstallError, Installed, Site};
use super::triggers::Triggers;
use super::wait;
use squall_fault::kind::Silence;
use squall_fault::{Action, FaultKind, NodeFault, Point, Roles, Target, node_name, resolve};
use squall_history::{EventKind, FaultEvent, FaultStatus, HarnessEvent, Recorder};
use squall_plan::plan::{Budget, Plan, PlannedFault};
use squall_workload::{ClientHandle, RunContext};

/// How often a fault that waits for its target looks again.
pub const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// An instant fault waits this long for its target.
pub(super) const INSTANT_PATIENCE_US: u64 = 5_000_000;

/// A drawn fault waits this long for its target to come to a point, and then strikes anywhere:
/// some points are passed seldom, and a run whose faults all wait has none.
const POINT_PATIENCE_US: u64 = 3_000_000;

/// A fault with its nodes, one of which may stand at a point.
type Found = (Action<usize>, Option<Standing>);

/// A fault whose time is over.
struct EndedFault {
    fault: PlannedFault,
    action: Action<usize>,
    targets: Vec<String>,
    /// Whether it was seen to have taken effect.
    is_in_force: bool,
}

/// Carries out the faults of a plan.
pub struct Nemesis<S: Site> {
    pub(super) site: Rc<S>,
    pub(super) context: Rc<RunContext>,
    pub(super) operator: Rc<Operator<S>>,
    triggers: Rc<Triggers>,
    points: Option<Rc<Points>>,
    pub(super) rng: RefCell<ChaCha8Rng>,
    /// Nodes that each fault in force impairs.
    unavailable: RefCell<BTreeMap<usize, BTreeSet<usize>>>,
    /// Clients that each retry storm in force makes impatient.
    pub(super) storms: RefCell<BTreeMap<usize, Vec<Rc<ClientHandle>>>>,
    /// What faults that keep to a budget may strike at a time.
    budget: Budget,
    /// The faults whose nodes may lose what they had stored.
    endangering: BTreeSet<usize>,
    /// Whether too few nodes were left unharmed when that was last looked at.
    lacks_majority: Cell<bool>,
    /// Faults that could not be ended when they were to.
    not_undone: RefCell<Vec<EndedFault>>,
    chaos_ends_us: u64,
    /// Faults that are not over.
    active: Cell<usize>,
    all_done: Notify,
}

impl<S: Site> Nemesis<S> {
    /// For the faults of this plan; nothing is done before [`Self::start`].
    pub fn new(site: Rc<S>, context: Rc<RunContext>, plan: &Plan) -> Rc<Self> {
        let triggers: Rc<Triggers> = Rc::default();
        let is_aimed = |fault: &PlannedFault| fault.when.is_some() && fault.point().is_none();
        if plan.faults.iter().any(is_aimed) {
            let triggers = triggers.clone();
            let watcher = Rc::new(move |kind: &EventKind| triggers.observe(kind));
            context.recorder.watch(Some(watcher));
        }
        let operator = Operator::new(site.clone(), context.clone());
        Rc::new(Self {
            site,
            context,
            operator,
            triggers,
            points: Points::of(plan).map(Rc::new),
            rng: RefCell::new(plan.stream("nemesis").rng()),
            unavailable: RefCell::default(),
            storms: RefCell::default(),
            budget: match &plan.chaos {
                Some(chaos) => chaos.budget,
                None => Budget::Impaired(Target::Minority.count(plan.cluster.nodes)),
            },
            endangering: {
                let faults = plan.faults.iter();
                let endangering = faults.filter(|fault| fault.action.kind().endangers_data());
                endangering.map(|fault| fault.id).collect()
            },
            lacks_majority: Cell::new(false),
            not_undone: RefCell::default(),
            chaos_ends_us: plan.phases.warmup_us + plan.phases.chaos_us,
            active: Cell::new(0),
            all_done: Notify::new(),
        })
    }

    /// What is to happen at points of the nodes' code, if anything.
    pub fn points(&self) -> Option<&Rc<Points>> {
        self.points.as_ref()
    }

    /// The machines.
    pub fn site(&self) -> &S {
        &self.site
    }

    /// Since the start of the run, microseconds.
    pub fn now_us(&self) -> u64 {
        self.recorder().now_us()
    }

    /// Whether `node` is who `target`, which means one node, means now.
    pub fn is_meant(&self, node: usize, target: Target) -> bool {
        let is_voter = || self.site.voters()[node];
        match target {
            Target::Node(named) => named == node,
            Target::Leader => self.site.leader() == Some(node),
            Target::Follower => self.site.leader() != Some(node) && is_voter(),
            Target::Any => is_voter(),
            Target::Minority | Target::Majority | Target::All => false,
        }
    }

    /// Sets every fault of the plan on its way.
    pub fn start(self: &Rc<Self>, plan: &Plan) {
        S::World::spawn(self.operator.clone().watch());
        for fault in plan.faults.clone() {
            let nemesis = self.clone();
            self.active.set(self.active.get() + 1);
            S::World::spawn(async move {
                nemesis.run_fault(&fault).await;
                nemesis.unavailable.borrow_mut().remove(&fault.id);
                nemesis.active.set(nemesis.active.get() - 1);
                if nemesis.active.get() == 0 {
                    nemesis.all_done.notify_one();
                }
            });
        }
    }

    /// Resolves when every fault is over.
    pub async fn wait_until_done(&self) {
        while self.active.get() > 0 {
            self.all_done.notified().await;
        }
    }

    /// Starts every node that can be started, and brings the first members back together.
    pub async fn restore(&self) {
        for node in 0..self.site.len() {
            self.site.restart(node).await;
        }
        self.undo_again().await;
        self.operator.restore().await;
        self.look_for_majority();
    }

    /// Records when the faults leave no majority unharmed, and when they do again.
    pub(super) fn look_for_majority(&self) {
        let unavailable = self.unavailable_now();
        let lacks = lacks_majority(&self.site.voters(), &unavailable);
        if self.lacks_majority.replace(lacks) == lacks {
            return;
        }
        self.recorder().record(EventKind::Majority {
            is_left: !lacks,
            impaired: unavailable.into_iter().map(node_name).collect(),
        });
    }

    pub(super) fn recorder(&self) -> &Recorder {
        &self.context.recorder
    }

    /// One fault from its beginning to its end.
    async fn run_fault(&self, fault: &PlannedFault) {
        self.sleep_until_us(fault.at_us).await;
        let found = match fault.point() {
            Some(point) => match self.await_point(fault, point).await {
                Err(why) if fault.drawn => {
                    let (id, kind) = (fault.id, fault.action.kind());
                    let text = format!("fault {id} ({kind}) waits no longer: {why}");
                    self.recorder().note(text);
                    let action = self.await_targets(fault).await;
                    action.map(|action| (action, None))
                }
                found => found,
            },
            None => self.await_moment_and_targets(fault).await,
        };
        let (action, standing) = match found {
            Ok(found) => found,
            Err(why) => {
                self.report(fault, Vec::new(), FaultStatus::Skipped { why });
                return;
            }
        };
        let ends_us = self.ends_us(fault);
        if let Action::Nodes {
            does: NodeFault::RollingRestart(cycle),
            targets,
        } = &action
        {
            self.roll(fault, targets, *cycle).await;
            return;
        }
        let unavailable = action.unavailable();
        self.unavailable.borrow_mut().insert(fault.id, unavailable);
        // Who stands at a point goes on when others have had their turn, and is struck before.
        if let Some(standing) = standing {
            self.site.go_on(standing.node);
        }
        let installed = self.install(fault.id, &action, ends_us).await;
        let targets = match self.storms.borrow().get(&fault.id) {
            Some(clients) => clients.iter().map(|client| client.name()).collect(),
            None => action.names(),
        };
        let now_us = self.recorder().now_us();
        let (at_us, status) = match installed {
            Ok(Installed { at_us }) => (at_us, FaultStatus::Installed),
            Err(InstallError::Skipped(why)) => (now_us, FaultStatus::Skipped { why }),
            Err(InstallError::Uncertain(why)) => (now_us, FaultStatus::Uncertain { why }),
        };
        let is_installed = status == FaultStatus::Installed;
        let cut_off = match action.kind().info().silence {
            Silence::Minority => action.cut_off(&self.site.voters()),
            Silence::None | Silence::Process | Silence::CutOff => Vec::new(),
        };
        let event = FaultEvent {
            cut_off: cut_off.into_iter().map(node_name).collect(),
            drift_ppm: action.drift_ppm(),
            ..self.event(fault, targets.clone(), status)
        };
        self.recorder().record_at(at_us, EventKind::Fault(event));
        self.look_for_majority();
        let mut is_in_force = is_installed;
        if is_installed {
            if fault.action.is_instant() {
                self.storms.borrow_mut().remove(&fault.id);
                return;
            }
            is_in_force = self.keep_in_force(fault, &action, ends_us).await;
        }
        let ended = EndedFault {
            fault: fault.clone(),
            action,
            targets,
            is_in_force,
        };
        let undone = self.undo(&ended).await;
        self.unavailable.borrow_mut().remove(&fault.id);
        if undone.is_err() {
            self.not_undone.borrow_mut().push(ended);
        }
        self.look_for_majority();
    }

    /// Undoes a fault whose time is over, and reports that it is healed if it was in force.
    async fn undo(&self, ended: &EndedFault) -> Result<(), String> {
        self.heal(ended.fault.id, &ended.action).await?;
        if ended.is_in_force {
            self.report(&ended.fault, ended.targets.clone(), FaultStatus::Healed);
        }
        Ok(())
    }

    /// Tries again to undo what could not be undone while other faults were in force.
    async fn undo_again(&self) {
        for ended in self.not_undone.take() {
            if let Err(why) = self.undo(&ended).await {
                let fault = ended.fault.id;
                self.recorder().missed(HarnessEvent::Undo { fault, why });
            }
        }
    }

    /// When a fault heals that fires now.
    fn ends_us(&self, fault: &PlannedFault) -> u64 {
        if fault.when.is_none() && !fault.drawn {
            return fault.until_us;
        }
        let lasts_us = fault.until_us - fault.at_us;
        (self.recorder().now_us() + lasts_us).min(self.chaos_ends_us)
    }

    pub(super) fn report(&self, fault: &PlannedFault, targets: Vec<String>, status: FaultStatus) {
        self.report_at(self.recorder().now_us(), fault, targets, status);
    }

    pub(super) fn report_at(
        &self,
        at_us: u64,
        fault: &PlannedFault,
        targets: Vec<String>,
        status: FaultStatus,
    ) {
        let event = self.event(fault, targets, status);
        self.recorder().record_at(at_us, EventKind::Fault(event));
    }

    fn event(&self, fault: &PlannedFault, targets: Vec<String>, status: FaultStatus) -> FaultEvent {
        FaultEvent {
            fault: fault.id,
            kind: fault.action.kind(),
            targets,
            cut_off: Vec::new(),
            drift_ppm: None,
            status,
        }
    }

    /// Waits for the moment that the fault is aimed at, if it is, and then for its targets.
    async fn await_moment_and_targets(&self, fault: &PlannedFault) -> Result<Found, String> {
        self.await_moment(fault).await?;
        let action = self.await_targets(fault).await?;
        Ok((action, None))
    }

    /// Waits until the fault's target stands at the point, and may be struck.
    async fn await_point(&self, fault: &PlannedFault, point: Point) -> Result<Found, String> {
        let points = self.points.as_ref().expect("the plan has something there");
        let target = *fault.action.groups()[0].first().expect("one target");
        let mut why = format!("{target} did not come to {point} in time");
        let mut nth = fault.nth.max(1);
        loop {
            let until_us = match fault.drawn {
                true => self.chaos_ends_us.min(fault.at_us + POINT_PATIENCE_US),
                false => self.chaos_ends_us,
            };
            let rest_us = until_us.saturating_sub(self.recorder().now_us());
            let comes = points.wait_for(point, target, nth);
            let limit = Duration::from_micros(rest_us);
            let Ok(standing) = squall_world::timeout::<S::World, _>(limit, comes).await else {
                return Err(why);
            };
            nth = 1;
            let node = standing.node;
            if !standing.is_there() {
                // Its process may live on, and only the task may have given up what it was at.
                if points.is_latest(&standing) {
                    self.site.go_on(node);
                }
                continue;
            }
            let action = fault.action.with_groups(vec![vec![node]]);
            let allowed = match fault.drawn {
                true => self.check_budget(action.kind(), &action.unavailable()),
                false => Ok(()),
            };
            if let Err(refused) = allowed {
                why = refused;
                self.site.go_on(node);
                continue;
            }
            points.note_struck(point);
            let (id, kind, name) = (fault.id, action.kind(), node_name(node));
            let pass = standing.pass;
            let text = format!("fault {id} ({kind}) fires as {name} is at {point}, pass {pass}");
            self.recorder().note(text);
            return Ok((action, Some(standing)));
        }
    }

    /// Waits for the moment that the fault is aimed at, if it is.
    async fn await_moment(&self, fault: &PlannedFault) -> Result<(), String> {
        let Some(moment) = fault.when else {
            return Ok(());
        };
        let rest_us = self.chaos_ends_us.saturating_sub(self.recorder().now_us());
        let happened = self
            .triggers
            .next::<S::World>(moment, Duration::from_micros(rest_us));
        let what = happened
            .await
            .ok_or_else(|| format!("there was no {moment} in time"))?;
        let (id, kind) = (fault.id, fault.action.kind());
        self.recorder()
            .note(format!("fault {id} ({kind}) fires as {what}"));
        Ok(())
    }

    async fn await_targets(&self, fault: &PlannedFault) -> Result<Action<usize>, String> {
        let patience_us = match fault.action.is_instant() {
            true => INSTANT_PATIENCE_US,
            false => fault.until_us - fault.at_us,
        };
        let first_us = match fault.when {
            None => fault.at_us,
            Some(_) => self.recorder().now_us(),
        };
        let deadline_us = (first_us + patience_us).min(self.chaos_ends_us);
        loop {
            let resolved = self.resolve(&fault.action);
            let allowed = match fault.drawn {
                true => resolved.and_then(|action| {
                    self.check_budget(action.kind(), &action.unavailable())?;
                    Ok(action)
                }),
                false => resolved,
            };
            match allowed {
                Ok(action) => return Ok(action),
                Err(why) => {
                    let next_us = self.recorder().now_us() + LOOK_AGAIN.as_micros() as u64;
                    if next_us >= deadline_us {
                        return Err(why);
                    }
                    self.sleep_until_us(next_us).await;
                }
            }
        }
    }

    fn resolve(&self, action: &Action<Target>) -> Result<Action<usize>, String> {
        let nodes = self.site.len();
        let roles = Roles {
            leader: self.site.leader(),
            up: (0..nodes).map(|node| self.site.is_up(node)).collect(),
            member: self.site.voters(),
            nodes,
        };
        resolve(action, &roles, &mut *self.rng.borrow_mut())
    }

    /// Whether the budget lets a fault of the kind strike these nodes on top of those that are
    /// struck.
    pub(super) fn check_budget(
        &self,
        kind: FaultKind,
        more: &BTreeSet<usize>,
    ) -> Result<(), String> {
        let most = self.budget.most(kind);
        let Some(budget) = most.filter(|_| !more.is_empty()) else {
            return Ok(());
        };
        let already = match self.budget {
            Budget::Damaged(_) => self.endangered_now(),
            Budget::Impaired(_) | Budget::Unlimited => self.unavailable_now(),
        };
        let count = already.union(more).count();
        if count <= budget {
            return Ok(());
        }
        let names: Vec<String> = already.iter().copied().map(node_name).collect();
        Err(format!(
            "the budget is {budget} of the nodes, and {} are struck already",
            names.join(", ")
        ))
    }

    /// Voters that cannot be counted on now, for whatever reason, and first members that have
    /// no vote.
    fn unavailable_now(&self) -> BTreeSet<usize> {
        let up: Vec<bool> = (0..self.site.len()).map(|n| self.site.is_up(n)).collect();
        let struck = self.struck(|_| true);
        unavailable(self.site.members(), &self.site.voters(), &up, &struck)
    }

    /// Nodes that may have lost what they stored and are not members again, and first members
    /// that have no vote.
    fn endangered_now(&self) -> BTreeSet<usize> {
        let mut endangered = self.struck(|fault| self.endangering.contains(&fault));
        let is_lost = |node: &usize| self.site.data_loss(*node).is_some();
        endangered.extend((0..self.site.len()).filter(is_lost));
        let up = vec![true; self.site.len()];
        unavailable(self.site.members(), &self.site.voters(), &up, &endangered)
    }

    /// Nodes of the faults that count, in force or not undone yet, and those being replaced.
    fn struck(&self, counts: impl Fn(usize) -> bool) -> BTreeSet<usize> {
        let in_force = self.unavailable.borrow();
        let in_force = in_force.iter().filter(|(fault, _)| counts(**fault));
        let mut struck: BTreeSet<usize> = in_force.flat_map(|(_, nodes)| nodes).copied().collect();
        let not_undone = self.not_undone.borrow();
        let not_undone = not_undone.iter().filter(|left| counts(left.fault.id));
        struck.extend(not_undone.flat_map(|left| left.action.unavailable()));
        struck.extend(self.operator.busy());
        struck
    }

    /// Counts `nodes` as impaired by the fault, on top of what it impairs already.
    pub(super) fn impair(&self, fault: usize, nodes: &[usize]) {
        let mut unavailable = self.unavailable.borrow_mut();
        unavailable.entry(fault).or_default().extend(nodes);
    }

    /// Takes `node` off the fault's account.
    pub(super) fn mark_available(&self, fault: usize, node: usize) {
        if let Some(nodes) = self.unavailable.borrow_mut().get_mut(&fault) {
            nodes.remove(&node);
        }
    }

    /// Waits until `condition` holds; whether it did before `deadline_us`.
    pub(super) async fn wait_until(
        &self,
        deadline_us: u64,
        every: Duration,
        condition: impl Fn() -> bool,
    ) -> bool {
        wait::wait_until::<S::World>(self.recorder(), deadline_us, every, condition).await
    }

    pub(super) async fn sleep_until_us(&self, at_us: u64) {
        wait::sleep_until_us::<S::World>(self.recorder(), at_us).await;
    }
}

/// Of the first `members` nodes and of those that have a vote, those that cannot be counted on:
/// impaired, down, or without a vote.
fn unavailable(
    members: usize,
    voters: &[bool],
    up: &[bool],
    impaired: &BTreeSet<usize>,
) -> BTreeSet<usize> {
    let counts = |node: &usize| *node < members || voters[*node];
    let is_away = |node: &usize| impaired.contains(node) || !up[*node] || !voters[*node];
    let nodes = (0..voters.len()).filter(counts);
    nodes.filter(is_away).collect()
}

/// Whether fewer than a majority of the voters can be counted on.
fn lacks_majority(voters: &[bool], unavailable: &BTreeSet<usize>) -> bool {
    let voters: Vec<usize> = (0..voters.len()).filter(|node| voters[*node]).collect();
    let left = voters.iter().filter(|node| !unavailable.contains(node));
    left.count() < Target::Majority.count(voters.len())
}

#[cfg(test)]
mod tests {
    use super::{lacks_majority, unavailable};

    /// Nodes away of five members and a spare, and whether that leaves no majority.
    fn away(voters: [bool; 6], down: &[usize], impaired: &[usize]) -> (Vec<usize>, bool) {
        let up: Vec<bool> = (0..6).map(|node| !down.contains(&node)).collect();
        let impaired = impaired.iter().copied().collect();
        let away = unavailable(5, &voters, &up, &impaired);
        let lacks = lacks_majority(&voters, &away);
        (away.into_iter().collect(), lacks)
    }

    #[test]
    fn a_spare_counts_as_soon_as_it_has_a_vote() {
        let without = [true, true, true, true, true, false];
        assert_eq!(away(without, &[1, 5], &[2]), (vec![1, 2], false));
        assert_eq!(away(without, &[1], &[2, 3]), (vec![1, 2, 3], true));
        let all = [true; 6];
        assert_eq!(away(all, &[1], &[2]), (vec![1, 2], false));
        assert_eq!(away(all, &[1, 5], &[2]), (vec![1, 2, 5], true));
    }

    #[test]
    fn a_member_without_a_vote_is_away_and_not_needed_for_a_majority() {
        let replaced = [false, true, true, true, true, true];
        assert_eq!(away(replaced, &[], &[]), (vec![0], false));
        assert_eq!(away(replaced, &[5], &[1]), (vec![0, 1, 5], false));
        let removed = [false, true, true, true, true, false];
        assert_eq!(away(removed, &[1], &[]), (vec![0, 1], false));
        assert_eq!(away(removed, &[1, 2], &[]), (vec![0, 1, 2], true));
    }
}
