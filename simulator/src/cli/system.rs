//! Another system in the place of Squall's own cluster: `--system`, or `[system]` of a scenario.

use squall_systems::{Protocol, SystemFile};

use super::args::RunArgs;
use super::exit::Failure;
use super::tell;
use crate::scenario::Scenario;

/// A scenario, and the system that it is to run on.
pub(super) struct Chosen {
    pub(super) scenario: Scenario,
    /// By its name or file, as it can be given again.
    pub(super) name: Option<String>,
}

/// Loads the scenario, and fits it to the system if there is one. What it cannot be asked is
/// said.
pub(super) fn choose(args: &RunArgs) -> Result<Chosen, Failure> {
    let scenario = args.scenario.load()?;
    let name = args.system.clone().or_else(|| written(args, &scenario));
    let Some(system) = load(name.as_deref())? else {
        return Ok(Chosen {
            scenario,
            name: None,
        });
    };
    let fit = system.fit(&scenario);
    fit.notes.iter().for_each(|note| tell(note));
    let mut fitted = args.scenario.clone();
    fitted.set.extend(fit.settings);
    let scenario = fitted.load()?;
    Ok(Chosen { scenario, name })
}

/// What the scenario says itself; a file is found beside it.
fn written(args: &RunArgs, scenario: &Scenario) -> Option<String> {
    let system = scenario.system.as_ref()?.get_ref();
    if let Some(name) = &system.name {
        return Some(name.clone());
    }
    let beside = args.scenario.scenario.parent()?;
    Some(beside.join(system.file.as_ref()?).display().to_string())
}

/// The system of this name or file; `None` if it is Squall's own cluster.
pub(super) fn load(name: Option<&str>) -> Result<Option<SystemFile>, Failure> {
    let system = name.map(SystemFile::load).transpose()?;
    Ok(system.filter(|system| system.protocol() != Protocol::Squall))
}
