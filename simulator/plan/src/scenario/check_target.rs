//! Checks of targets: whether they can be given distinct nodes of the cluster.

use std::collections::BTreeMap;

use toml::Spanned;

use super::bounds::{Checked, Place, problem};
use squall_fault::Target;

/// Whether groups exclude each other (sides), or may share nodes (ends of links).
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Ends {
    Apart,
    MayMeet,
}

/// Whether all groups together, written at `place`, can be given distinct nodes in a cluster
/// of `nodes`.
pub(super) fn check_group(
    groups: &[&[Spanned<Target>]],
    place: &Place,
    nodes: usize,
    ends: Ends,
) -> Checked {
    let mut seen: BTreeMap<Target, usize> = BTreeMap::new();
    let mut asked = 0;
    let mut followers = 0;
    for (index, targets) in groups.iter().enumerate() {
        if targets.is_empty() {
            return problem(place.clone(), "the list of targets is empty");
        }
        for spanned in *targets {
            let target = *spanned.get_ref();
            let place = spanned.span();
            check_target(target, &place, targets.len(), nodes)?;
            let again = seen.insert(target, index);
            check_again(target, &place, again, index, ends)?;
            let shared = again.is_some() && is_distinct(target) && ends == Ends::MayMeet;
            if target == Target::All || shared {
                continue;
            }
            asked += target.count(nodes);
            followers += usize::from(target == Target::Follower);
            if followers >= nodes {
                let all = "followers asked for than there are: the cluster has";
                return problem(place, format!("more {all} {}", nodes - 1));
            }
            if asked > nodes {
                let message = format!("{asked} nodes asked for, but the cluster has {nodes}");
                return problem(place, message);
            }
        }
    }
    if ends == Ends::Apart
        && asked == nodes
        && let Some(index) = seen.get(&Target::All)
    {
        return problem(groups[*index][0].span(), "no node is left for `all`");
    }
    Ok(())
}

fn check_target(target: Target, place: &Place, list_len: usize, nodes: usize) -> Checked {
    let place = place.clone();
    match target {
        Target::Node(node) if node >= nodes => problem(
            place,
            format!("unknown node `{target}`, the cluster has node-1 to node-{nodes}"),
        ),
        Target::All if list_len > 1 => problem(place, "`all` must be alone in its list"),
        Target::Minority if target.count(nodes) == 0 => {
            problem(place, format!("a cluster of {nodes} has no minority"))
        }
        _ => Ok(()),
    }
}

/// Targets that mean the same nodes each time they are written.
fn is_distinct(target: Target) -> bool {
    !matches!(target, Target::Follower | Target::Any)
}

fn check_again(
    target: Target,
    place: &Place,
    again: Option<usize>,
    index: usize,
    ends: Ends,
) -> Checked {
    let Some(before) = again.filter(|_| is_distinct(target)) else {
        return Ok(());
    };
    let place = place.clone();
    if before == index {
        return problem(place, format!("`{target}` is named twice"));
    }
    match (ends, target) {
        (Ends::Apart, _) => problem(
            place,
            format!("sides overlap: `{target}` is on two of them"),
        ),
        (_, Target::Minority | Target::Majority) => problem(
            place,
            format!("`{target}` can be at one end of the link only"),
        ),
        _ => Ok(()),
    }
}
