//! The seam to a backend: a place in which a plan is played and becomes a history.
//!
//! A backend says what it is called ([`BackendInfo`]), what it cannot do ([`Lacks`],
//! [`Backend::missing`]) and plays plans that ask for nothing of that. How it was set up (a
//! system of one's own, the program to put into containers) is its own constructor's matter.
//! Most backends do little but implement the traits of [`crate::site`] over their machines;
//! phases, nemesis and operator are the same for all.

use std::error::Error;

use squall_check::Promises;
use squall_fault::{Action, Capability, Target};
use squall_history::resources::ResourceSample;
pub use squall_history::{BackendInfo, History};
use squall_plan::plan::{ClockPlan, Plan};
use squall_workload::service::Services;
use squall_workload::shipped;

use crate::log::Logs;
use crate::trace::Traced;

/// A place in which plans are played.
///
/// ```
/// use squall_backend::backend::{Backend, BackendError, BackendInfo, Lacks, RunOutput};
/// use squall_history::History;
/// use squall_plan::plan::Plan;
///
/// /// Plays nothing at all, very fast.
/// struct Nowhere;
///
/// impl Backend for Nowhere {
///     fn info(&self) -> BackendInfo {
///         BackendInfo { name: "nowhere", title: "nowhere", simulated: true, knows_resources: false }
///     }
///     fn lacks(&self) -> Lacks {
///         Lacks { clock_skew: Some("has no clocks; leave [clock] out"), ..Lacks::default() }
///     }
///     fn missing(&self, _: squall_fault::Capability) -> Option<&'static str> {
///         Some("nothing is there to break")
///     }
///     fn run(&self, _: &Plan) -> Result<RunOutput, BackendError> {
///         Ok(RunOutput { history: History::default(), ..RunOutput::default() })
///     }
/// }
///
/// assert_eq!(Nowhere.info().name, "nowhere");
/// ```
pub trait Backend {
    /// What it is called, and what can be expected of its histories.
    fn info(&self) -> BackendInfo;

    /// What a plan may ask of machines and is not to be had here.
    fn lacks(&self) -> Lacks;

    /// Why what a fault needs cannot be done here; `None`: it can.
    fn missing(&self, needed: Capability) -> Option<&'static str>;

    /// Why this fault cannot be done here, whatever its targets; `None`: it can. That is what
    /// it needs, and what a backend finds beyond that.
    fn cannot(&self, action: &Action<Target>) -> Option<&'static str> {
        self.missing(action.kind().info().needs)
    }

    /// Plays a plan that is not refused, and gives what was recorded.
    ///
    /// # Errors
    /// The harness failed, which says nothing about the cluster; or the run was interrupted.
    fn run(&self, plan: &Plan) -> Result<RunOutput, BackendError>;

    /// Whether its nodes are of another system than Squall's own cluster.
    fn runs_other_system(&self) -> bool {
        false
    }

    /// The services that its nodes can be asked.
    fn services(&self) -> Services {
        shipped()
    }

    /// What its nodes promise: what is broken and not promised is shown, and no violation.
    fn promises(&self) -> Promises {
        Promises::default()
    }

    /// Why the plan cannot be played here: the first thing that it asks for in vain, and what
    /// to do. `None`: it can. Nothing that a backend cannot do is ever skipped silently.
    fn refusal(&self, plan: &Plan) -> Option<String> {
        let name = self.info().name;
        if let Some(why) = self.lacks().first(plan) {
            return Some(format!(
                "the {name} backend {why}, or run on another backend"
            ));
        }
        let refused = plan.faults.iter();
        let mut refused = refused.filter_map(|fault| Some((fault, self.cannot(&fault.action)?)));
        let (fault, why) = refused.next()?;
        let way_out = if fault.drawn {
            "name the kinds to draw from in [chaos], or run on another backend"
        } else {
            "leave it out, or run on another backend"
        };
        let (id, kind) = (fault.id, fault.action.kind());
        Some(format!(
            "the {name} backend cannot do fault {id} ({kind}): {why}; {way_out}"
        ))
    }
}

/// What a plan may ask of machines and a backend may lack: what it does instead, and what to
/// leave out, as the end of a sentence that begins with the backend. `None`: it is to be had.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lacks {
    /// Clocks that are off or drift from the start (`[clock]`).
    pub clock_skew: Option<&'static str>,
    /// Hardware as a profile describes it (`--profile`, `[hardware]`).
    pub hardware: Option<&'static str>,
    /// Members far apart (`[[region]]`).
    pub regions: Option<&'static str>,
    /// Packets that are lost all the time (`loss` in `[network]`).
    pub loss: Option<&'static str>,
    /// Links of a limited bandwidth (`bandwidth` in `[network]`).
    pub bandwidth: Option<&'static str>,
    /// Something that happens at points of the nodes' code (`[[point]]`, a fault whose `when` is
    /// one).
    pub points: Option<&'static str>,
    /// Who goes first at one instant (`order` in `[schedule]`).
    pub order: Option<&'static str>,
}

impl Lacks {
    /// Of what the plan asks for, the first that is lacking.
    fn first(&self, plan: &Plan) -> Option<&'static str> {
        let (network, disk) = (&plan.network, &plan.disk);
        let models_hardware = plan.processors.is_some()
            || network.measured_latency.is_some()
            || disk.measured_sync.is_some();
        let asked = [
            (
                !plan.clocks.iter().all(ClockPlan::is_exact),
                self.clock_skew,
            ),
            (models_hardware, self.hardware),
            (network.regions.is_some(), self.regions),
            (network.loss_ppm > 0, self.loss),
            (network.bandwidth_bytes_per_s.is_some(), self.bandwidth),
            (plan.uses_points(), self.points),
            (!plan.order.is_fifo(), self.order),
        ];
        let mut lacking = asked.into_iter().filter(|(is_asked, _)| *is_asked);
        lacking.find_map(|(_, why)| why)
    }
}

/// Whether the plan does anything to links.
pub fn has_link_faults(plan: &Plan) -> bool {
    let mut kinds = plan.faults.iter().map(|fault| fault.action.kind());
    kinds.any(|kind| kind.info().needs == Capability::Links)
}

/// What is left of a run.
#[derive(Debug, Default)]
pub struct RunOutput {
    /// All that was recorded, in order of time.
    pub history: History,
    /// What nodes used of their machines; empty where that is not known.
    pub resources: Vec<ResourceSample>,
    /// What nodes logged, as far as the backend was asked to keep it.
    pub logs: Logs,
    /// Messages and what else makes a trace, as far as the backend was asked to record it.
    pub traced: Traced,
}

/// There is no history.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// The harness failed; says nothing about the cluster.
    #[error("the run failed ({title}): {source}")]
    Failed {
        /// [`BackendInfo::title`] of the backend.
        title: &'static str,
        /// What the backend said.
        source: Box<dyn Error + Send + Sync>,
    },
    /// Somebody wished the run to end early.
    #[error("interrupted; what the run had made is removed")]
    Interrupted,
}

impl BackendError {
    /// The harness failed on this backend.
    pub fn failed(info: BackendInfo, source: impl Error + Send + Sync + 'static) -> Self {
        let source = Box::new(source);
        Self::Failed {
            title: info.title,
            source,
        }
    }
}
