//! Another system in the place of Squall's own cluster: `--system`, or `[system]` of a scenario.

use squall_systems::{Protocol, SystemFile};

use super::args::ScenarioArgs;
use super::exit::Failure;
use crate::scenario::Scenario;

/// The override that puts Squall's own cluster in the place of what `[system]` names.
const OWN: (&str, &str) = ("system", "{ name = \"squall\" }");

/// A scenario, and the system that it is to run on.
pub(super) struct Chosen {
    /// As it was asked for, without what the system makes of it.
    pub(super) args: ScenarioArgs,
    /// Fitted to the system.
    pub(super) scenario: Scenario,
    /// By its name or file, as it can be given again; `None`: it is Squall's own cluster.
    pub(super) name: Option<String>,
    /// What the system cannot be asked, a line each.
    pub(super) notes: Vec<String>,
}

/// Loads the scenario, and fits it to the system if there is one: that of the command line, or
/// else the scenario's own.
pub(super) fn choose(args: &ScenarioArgs, system: Option<&str>) -> Result<Chosen, Failure> {
    let mut args = args.clone();
    let scenario = args.load()?;
    let name = system.map(str::to_owned);
    let name = name.or_else(|| written(&args, &scenario));
    let Some(system) = load(name.as_deref())? else {
        let written = scenario.system.as_ref();
        if written.is_some_and(|system| system.get_ref().is_other()) {
            args.set.push((OWN.0.to_owned(), OWN.1.to_owned()));
        }
        return Ok(Chosen {
            scenario: args.load()?,
            args,
            name: None,
            notes: Vec::new(),
        });
    };
    let fit = system.fit(&scenario);
    let mut fitted = args.clone();
    fitted.set.extend(fit.settings);
    Ok(Chosen {
        scenario: fitted.load()?,
        args,
        name,
        notes: fit.notes,
    })
}

/// What the scenario says itself; a file is found beside it.
fn written(args: &ScenarioArgs, scenario: &Scenario) -> Option<String> {
    let system = scenario.system.as_ref()?.get_ref();
    if let Some(name) = &system.name {
        return Some(name.clone());
    }
    let beside = args.scenario.parent()?;
    Some(beside.join(system.file.as_ref()?).display().to_string())
}

/// The system of this name or file; `None` if it is Squall's own cluster.
pub(super) fn load(name: Option<&str>) -> Result<Option<SystemFile>, Failure> {
    let system = name.map(SystemFile::load).transpose()?;
    Ok(system.filter(|system| system.protocol() != Protocol::Squall))
}
