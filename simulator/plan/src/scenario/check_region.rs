//! Checks of `[[region]]`.

use std::collections::BTreeSet;

use toml::Spanned;

use super::Scenario;
use super::bounds::{Checked, check_bounds, problem, time};
use super::unit::Duration;

pub(super) fn check(scenario: &Scenario) -> Checked {
    let regions: Vec<_> = scenario.regions.iter().map(Spanned::get_ref).collect();
    let nodes = *scenario.cluster.nodes.get_ref() as usize;
    let known: Vec<String> = (0..nodes).map(squall_fault::node_name).collect();
    let mut placed = BTreeSet::new();
    let mut names = BTreeSet::new();
    for region in &regions {
        if !names.insert(region.name.get_ref().as_str()) {
            return problem(region.name.span(), "two regions have this name");
        }
        for node in region.nodes.get_ref() {
            if !known.contains(node.get_ref()) {
                let message = format!(
                    "no node `{}`, they are node-1 to node-{nodes}",
                    node.get_ref()
                );
                return problem(node.span(), message);
            }
            if !placed.insert(node.get_ref()) {
                return problem(
                    node.span(),
                    format!("`{}` is in two regions", node.get_ref()),
                );
            }
        }
    }
    let mut pairs = BTreeSet::new();
    for region in &regions {
        for (other, latency) in &region.latency {
            let (name, other_name) = (region.name.get_ref().as_str(), other.get_ref().as_str());
            if name == other_name || !names.contains(other_name) {
                return problem(other.span(), format!("no other region `{other_name}`"));
            }
            if !pairs.insert((name.min(other_name), name.max(other_name))) {
                let message =
                    format!("the latency between {name} and {other_name} is written twice");
                return problem(other.span(), message);
            }
            let bounds = latency.get_ref().or((Duration(0), Duration(0)));
            if latency.get_ref().max.is_none() {
                return problem(latency.span(), "latency: write min and max, or one value");
            }
            check_bounds("latency", latency, bounds, time)?;
        }
    }
    let Some(first) = scenario.regions.first() else {
        return Ok(());
    };
    if let Some(missing) = known.iter().find(|node| !placed.contains(node)) {
        return problem(first.span(), format!("`{missing}` is in no region"));
    }
    if regions.iter().filter(|region| region.clients).count() > 1 {
        return problem(first.span(), "clients are in one region");
    }
    if pairs.len() < names.len() * (names.len() - 1) / 2 {
        let message = "every two regions need a latency between them";
        return problem(first.span(), message);
    }
    if *scenario.cluster.spares.get_ref() > 0 {
        return problem(
            first.span(),
            "spares stand in no region: leave `spares` out",
        );
    }
    Ok(())
}
