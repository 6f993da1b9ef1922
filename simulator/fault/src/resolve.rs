//! From roles to nodes, at the moment a fault fires.
//!
//! A pure function of the action, of who leads and runs at that moment, and of the
//! generator given: the same three give the same nodes. It picks distinct nodes, or says
//! why the fault has to be skipped; it never settles for fewer than were asked for.
//!
//! Named nodes are placed first, then the leader, then single picks, then groups, and
//! `all` last: so a target that leaves no choice is never robbed by one that has it.

use std::collections::BTreeSet;

use rand::{Rng, RngExt};

use crate::action::Action;
use crate::detail::MemberChange;
use crate::target::{Target, node_name};

/// Who is what when the fault fires. Nodes count from 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roles {
    /// The node that leads, if one does.
    pub leader: Option<usize>,
    /// Which processes run; one element a node.
    pub up: Vec<bool>,
    /// Which nodes belong to the cluster; the others are meant only when they are named.
    pub member: Vec<bool>,
    /// How many members there are.
    pub nodes: usize,
}

/// Picks the nodes of an action.
///
/// # Errors
/// The reason, in words, why the fault must be skipped: a role that nobody has now, a
/// named node that does not run, or too few nodes left to pick from.
pub fn resolve(
    action: &Action<Target>,
    roles: &Roles,
    rng: &mut impl Rng,
) -> Result<Action<usize>, String> {
    assert_eq!(
        roles.up.len(),
        roles.nodes,
        "every node either runs or does not"
    );
    let rules = Rules {
        running: action.kind().info().targets_run,
        overlap: matches!(action, Action::Link { .. }),
    };
    let groups = pick_groups(&action.groups(), roles, rules, rng)?;
    let resolved = action.with_groups(groups);
    match &resolved {
        Action::Link { .. } if resolved.links().is_empty() => {
            return Err("both ends of the link are the same node".to_owned());
        }
        Action::Member(change) => {
            let (node, joins) = (*change.target(), matches!(change, MemberChange::Add(_)));
            let name = node_name(node);
            match (joins, roles.member[node]) {
                (true, true) => return Err(format!("{name} is a member already")),
                (false, false) => return Err(format!("{name} is no member")),
                _ => {}
            }
        }
        Action::Transfer(_) if roles.running_leader().is_none() => {
            return Err("there is no leader to hand over".to_owned());
        }
        _ => {}
    }
    let touched = [resolved.links(), resolved.cut_links(roles.nodes)].concat();
    let is_member = |node: usize| roles.member[node];
    let joins_members = |(a, b): &(usize, usize)| is_member(*a) && is_member(*b);
    if !touched.is_empty() && !touched.iter().any(joins_members) {
        return Err("it touches no link between members".to_owned());
    }
    Ok(resolved)
}

impl Roles {
    fn running_leader(&self) -> Option<usize> {
        self.leader.filter(|leader| self.up[*leader])
    }
}

#[derive(Debug, Clone, Copy)]
struct Rules {
    /// Only running processes can be meant.
    running: bool,
    /// Groups are the ends of links: a named node, the leader and `all` may be in both,
    /// and `all` is every node.
    overlap: bool,
}

/// The nodes of each group, in the order their targets are written.
fn pick_groups(
    groups: &[&[Target]],
    roles: &Roles,
    rules: Rules,
    rng: &mut impl Rng,
) -> Result<Vec<Vec<usize>>, String> {
    let mut order: Vec<(usize, usize, Target)> = Vec::new();
    for (g, group) in groups.iter().enumerate() {
        order.extend(group.iter().enumerate().map(|(t, target)| (g, t, *target)));
    }
    order.sort_by_key(|(g, t, target)| (precedence(*target), *g, *t));
    let mut taken = BTreeSet::new();
    let mut picked = Vec::new();
    for (g, t, target) in order {
        let nodes = pick(target, roles, rules, &taken, rng)?;
        taken.extend(nodes.iter().copied());
        picked.push((g, t, nodes));
    }
    picked.sort();
    let mut result = vec![Vec::new(); groups.len()];
    for (g, _, nodes) in picked {
        result[g].extend(nodes);
    }
    Ok(result)
}

fn precedence(target: Target) -> u8 {
    match target {
        Target::Node(_) => 0,
        Target::Leader => 1,
        Target::Follower => 2,
        Target::Any => 3,
        Target::Minority => 4,
        Target::Majority => 5,
        Target::All => 6,
    }
}

/// The nodes that one target stands for, none of them taken.
fn pick(
    target: Target,
    roles: &Roles,
    rules: Rules,
    taken: &BTreeSet<usize>,
    rng: &mut impl Rng,
) -> Result<Vec<usize>, String> {
    let free = |running: bool| -> Vec<usize> {
        let nodes = (0..roles.nodes).filter(|node| !taken.contains(node));
        let nodes = nodes.filter(|node| roles.member[*node]);
        nodes.filter(|node| !running || roles.up[*node]).collect()
    };
    match target {
        Target::Node(node) => {
            let name = node_name(node);
            if node >= roles.nodes {
                return Err(format!("there is no {name}"));
            }
            if rules.running && !roles.up[node] {
                return Err(format!("{name} is not running"));
            }
            named(node, &name, rules, taken)
        }
        Target::Leader => match roles.running_leader() {
            Some(leader) => {
                let name = format!("the leader, {},", node_name(leader));
                named(leader, &name, rules, taken)
            }
            None => Err("there is no leader".to_owned()),
        },
        Target::Follower => {
            let leader = roles.running_leader();
            let mut followers = free(true);
            followers.retain(|node| Some(*node) != leader);
            sample(followers, 1, "no follower that runs is left", rng)
        }
        Target::Any => sample(free(true), 1, "no node that runs is left", rng),
        Target::Minority | Target::Majority => {
            let members = roles.member.iter().filter(|member| **member).count();
            let count = target.count(members);
            let why = format!("fewer than the {count} nodes of a {target} are left");
            sample(free(rules.running), count, &why, rng)
        }
        Target::All if rules.overlap => Ok((0..roles.nodes).collect()),
        Target::All => match free(rules.running) {
            rest if rest.is_empty() => Err("no node is left for `all`".to_owned()),
            rest => Ok(rest),
        },
    }
}

fn named(
    node: usize,
    name: &str,
    rules: Rules,
    taken: &BTreeSet<usize>,
) -> Result<Vec<usize>, String> {
    if taken.contains(&node) && !rules.overlap {
        return Err(format!("{name} is named already"));
    }
    Ok(vec![node])
}

/// `count` distinct nodes of `pool`, ascending, every choice equally likely.
fn sample(
    mut pool: Vec<usize>,
    count: usize,
    why: &str,
    rng: &mut impl Rng,
) -> Result<Vec<usize>, String> {
    if count == 0 || pool.len() < count {
        return Err(why.to_owned());
    }
    let mut picked = Vec::new();
    for _ in 0..count {
        // u64, so that the width of usize does not enter into the draw.
        let index = rng.random_range(0..pool.len() as u64) as usize;
        picked.push(pool.remove(index));
    }
    picked.sort();
    Ok(picked)
}
