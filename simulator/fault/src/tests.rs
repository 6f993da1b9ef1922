//! Resolution of roles: a table of cases, and properties over all of them.

use std::collections::BTreeSet;

use proptest::prelude::*;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::kind::{Aim, Cost, Drawn};
use super::{Action, FaultKind, LinkChange, NodeFault, Roles, Target, resolve};

fn roles(leader: Option<usize>, up: &[usize], nodes: usize) -> Roles {
    Roles {
        leader,
        up: (0..nodes).map(|node| up.contains(&node)).collect(),
        member: vec![true; nodes],
        nodes,
    }
}

/// `leader, node-2 | all` as sides.
fn sides(text: &str) -> Vec<Vec<Target>> {
    let side = |side: &str| side.split(',').map(|t| t.trim().parse().unwrap()).collect();
    text.split('|').map(side).collect()
}

fn targets(text: &str) -> Vec<Target> {
    sides(text).remove(0)
}

fn run(action: Action<Target>, roles: &Roles) -> Result<Action<usize>, String> {
    resolve(&action, roles, &mut ChaCha8Rng::from_seed([7; 32]))
}

fn of_nodes(does: NodeFault, targets: Vec<Target>) -> Action<Target> {
    Action::Nodes { does, targets }
}

fn kill(text: &str, roles: &Roles) -> Result<Vec<usize>, String> {
    let targets = targets(text);
    match run(of_nodes(NodeFault::Kill, targets), roles)? {
        Action::Nodes {
            does: NodeFault::Kill,
            targets,
        } => Ok(targets),
        other => panic!("a kill stays a kill, not {other:?}"),
    }
}

fn partition(text: &str, one_way: bool, roles: &Roles) -> Action<usize> {
    let sides = sides(text);
    let bridge = None;
    run(
        Action::Partition {
            sides,
            one_way,
            bridge,
        },
        roles,
    )
    .unwrap()
}

#[test]
fn choices_without_choice() {
    let five = roles(Some(2), &[0, 1, 2, 3, 4], 5);
    let cases = [
        ("node-4, leader", vec![3, 2]),
        ("all", vec![0, 1, 2, 3, 4]),
        ("follower, follower, leader, follower, follower", vec![2]),
    ];
    for (text, expected) in cases {
        let nodes = kill(text, &five).unwrap();
        if text.contains("follower") {
            assert_eq!(nodes[2], expected[0], "{text}");
            assert_eq!(nodes.iter().collect::<BTreeSet<_>>().len(), 5, "{text}");
        } else {
            assert_eq!(nodes, expected, "{text}");
        }
    }
    // Only node-1 and the leader run: the follower can be none but node-1.
    assert_eq!(kill("follower", &roles(Some(2), &[0, 2], 5)), Ok(vec![0]));
    // Dead nodes are not killed again.
    assert_eq!(kill("all", &roles(Some(2), &[0, 2], 5)), Ok(vec![0, 2]));
    // Without a leader, whoever runs does not lead.
    assert_eq!(kill("follower", &roles(None, &[4], 5)), Ok(vec![4]));
}

#[test]
fn reasons_to_skip() {
    let three = roles(Some(0), &[0, 1], 3);
    let skipped = [
        ("node-3", "node-3 is not running"),
        ("node-9", "there is no node-9"),
        ("leader, node-1", "the leader, node-1, is named already"),
        ("follower, follower", "no follower that runs is left"),
        ("any, any, any", "no node that runs is left"),
        (
            "node-1, majority",
            "fewer than the 2 nodes of a majority are left",
        ),
    ];
    for (text, why) in skipped {
        assert_eq!(kill(text, &three), Err(why.to_owned()), "{text}");
    }
    let leaderless = roles(None, &[0, 1, 2], 3);
    assert_eq!(
        kill("leader", &leaderless),
        Err("there is no leader".to_owned())
    );
    let dead_leader = roles(Some(2), &[0, 1], 3);
    assert_eq!(
        kill("leader", &dead_leader),
        Err("there is no leader".to_owned())
    );
    let transfer = |to, roles: &Roles| run(Action::Transfer(to), roles);
    assert_eq!(
        transfer(Target::Node(0), &three),
        Ok(Action::Transfer(0)),
        "it leads already, which is done at once"
    );
    assert_eq!(
        transfer(Target::Any, &leaderless),
        Err("there is no leader to hand over".to_owned())
    );
    assert_eq!(transfer(Target::Follower, &three), Ok(Action::Transfer(1)));
}

#[test]
fn partitions_cut_between_sides() {
    let three = roles(Some(1), &[0, 1, 2], 3);
    let both = partition("leader | all", false, &three);
    assert_eq!(both.names(), ["node-2", "node-1", "node-3"]);
    assert_eq!(both.cut_links(3), [(0, 1), (1, 0), (1, 2), (2, 1)]);
    let one_way = partition("all | leader", true, &three);
    assert_eq!(one_way.cut_links(3), [(0, 1), (2, 1)]);
    let isolate = run(of_nodes(NodeFault::Isolate, targets("node-1")), &three);
    assert_eq!(
        isolate.unwrap().cut_links(3),
        [(0, 1), (0, 2), (1, 0), (2, 0)]
    );
    // A dead node can be cut off all the same: it may come back meanwhile.
    let dead = roles(Some(1), &[1], 3);
    assert_eq!(
        partition("leader | all", false, &dead).cut_links(3).len(),
        4
    );
}

#[test]
fn a_partition_cuts_off_those_who_have_no_majority() {
    let five = roles(Some(0), &[0, 1, 2, 3, 4], 5);
    let all = [true; 5];
    let cut_off = |text, one_way| partition(text, one_way, &five).cut_off(&all);
    assert_eq!(cut_off("leader, node-2 | all", false), [0, 1]);
    assert_eq!(cut_off("all | leader", true), [0], "it hears nothing");
    let halves = "node-1, node-2 | node-3, node-4";
    assert_eq!(
        cut_off(halves, false),
        [] as [usize; 0],
        "node-5 reaches all"
    );
    let thirds = "node-1, node-2 | node-3, node-4 | node-5";
    assert_eq!(cut_off(thirds, false), [0, 1, 2, 3, 4]);
    assert_eq!(cut_off("node-1 | node-2", false), [] as [usize; 0]);
    let bridge = Action::Partition {
        sides: vec![vec![0, 1], vec![3, 4]],
        one_way: false,
        bridge: Some(2),
    };
    assert_eq!(bridge.cut_off(&all), [] as [usize; 0]);
    // Of three members, two of them on one side.
    let three = [true, false, true, true, false];
    let split = partition("node-1, node-2 | all", false, &five);
    assert_eq!(split.cut_off(&three), [0]);
}

#[test]
fn a_fault_that_touches_no_link_of_the_cluster_is_skipped() {
    let mut four = roles(Some(0), &[0, 1, 2, 3, 4], 5);
    four.member[4] = false;
    let nothing = Err("it touches no link between members".to_owned());
    let isolate = of_nodes(NodeFault::Isolate, targets("node-5"));
    assert_eq!(run(isolate, &four), nothing);
    let split = Action::Partition {
        sides: sides("node-5 | all"),
        one_way: false,
        bridge: None,
    };
    assert_eq!(run(split, &four), nothing);
}

#[test]
fn a_bridge_is_on_no_side() {
    let three = roles(Some(0), &[0, 1, 2], 3);
    let sides = sides("leader | node-2");
    let action = Action::Partition {
        sides,
        one_way: false,
        bridge: Some(Target::Follower),
    };
    let resolved = run(action, &three).unwrap();
    let expected = Action::Partition {
        sides: vec![vec![0], vec![1]],
        one_way: false,
        bridge: Some(2),
    };
    assert_eq!(resolved, expected);
    assert_eq!(resolved.cut_links(3), [(0, 1), (1, 0)]);
}

#[test]
fn links_have_a_direction() {
    let three = roles(Some(0), &[0, 1, 2], 3);
    let link = |from: &str, to: &str| {
        let (from, to) = (targets(from), targets(to));
        let change = LinkChange {
            loss_ppm: 10_000,
            ..LinkChange::default()
        };
        run(Action::Link { from, to, change }, &three)
    };
    let names = |from, to| link(from, to).unwrap().names();
    assert_eq!(names("leader", "all"), ["node-1->node-2", "node-1->node-3"]);
    assert_eq!(names("all", "all").len(), 6);
    assert_eq!(
        names("node-1, node-2", "node-1, node-2"),
        ["node-1->node-2", "node-2->node-1"]
    );
    let followers = names("follower", "follower");
    assert!(followers == ["node-2->node-3"] || followers == ["node-3->node-2"]);
    let same = Err("both ends of the link are the same node".to_owned());
    assert_eq!(link("leader", "node-1"), same);
}

#[test]
fn every_choice_can_be_taken() {
    let five = roles(Some(0), &[0, 1, 2, 3, 4], 5);
    let action = of_nodes(NodeFault::Kill, targets("follower"));
    let mut seen = BTreeSet::new();
    let mut rng = ChaCha8Rng::from_seed([1; 32]);
    for _ in 0..200 {
        seen.extend(resolve(&action, &five, &mut rng).unwrap().names());
    }
    assert_eq!(seen.len(), 4, "{seen:?}");
}

/// An action of the kind as chaos would draw it, with the smallest sizes.
fn smallest(kind: FaultKind) -> Action<Target> {
    let info = kind.info();
    let groups = match info.aim {
        Aim::Several | Aim::One | Aim::All | Aim::Follower | Aim::Spare => 1,
        Aim::Side | Aim::Direction | Aim::Ends => 2,
        Aim::Bridge => 3,
        Aim::Clients => 0,
    };
    let sizes: Vec<i64> = info.sizes.iter().map(|size| size.min as i64).collect();
    Action::drawn(kind, vec![vec![Target::Any]; groups], &sizes)
}

#[test]
fn rows_of_the_table_agree_with_their_actions() {
    let mut names = BTreeSet::new();
    for kind in FaultKind::ALL {
        let info = kind.info();
        assert!(names.insert(info.name), "{kind} is there twice");
        assert_eq!(info.name.parse(), Ok(*kind));
        let recorded = info.recorded_as.info();
        assert_eq!(recorded.recorded_as, info.recorded_as, "{kind}");
        assert_eq!(recorded.group, info.group, "{kind}");
        assert_eq!(recorded.needs, info.needs, "{kind}");
        if info.drawn != Drawn::Never {
            let action = smallest(*kind);
            assert_eq!(action.kind(), info.recorded_as, "{action}");
            let groups: Vec<Vec<Target>> = action.groups().iter().map(|g| g.to_vec()).collect();
            assert_eq!(action.with_groups(groups), action);
        }
        for size in info.sizes {
            assert!(
                size.min <= size.max && size.min.is_multiple_of(size.step),
                "{kind}"
            );
        }
    }
}

#[test]
fn what_a_budget_counts_is_what_the_row_says() {
    for kind in FaultKind::ALL
        .iter()
        .filter(|kind| kind.info().drawn != Drawn::Never)
    {
        let action = smallest(*kind);
        let mut next = 0;
        let resolved = action.map(|_| {
            next += 1;
            next - 1
        });
        let expected: &[usize] = match kind.info().cost {
            Cost::None | Cost::InTurn => &[],
            Cost::Targets => &[0],
            // Of sides as large as each other the first counts as the larger.
            Cost::SmallerSides => &[1],
        };
        assert_eq!(Vec::from_iter(resolved.unavailable()), expected, "{kind}");
    }
}

#[test]
fn targets_have_one_spelling() {
    for text in [
        "node-1", "node-64", "leader", "follower", "minority", "majority", "all", "any",
    ] {
        assert_eq!(text.parse::<Target>().unwrap().to_string(), text);
    }
    for text in [
        "node-0", "node-01", "node-+1", "node-", "Leader", "node1", "",
    ] {
        text.parse::<Target>().expect_err(text);
    }
}

fn any_target() -> impl Strategy<Value = Target> {
    prop_oneof![
        (0..7_usize).prop_map(Target::Node),
        Just(Target::Leader),
        Just(Target::Follower),
        Just(Target::Minority),
        Just(Target::Majority),
        Just(Target::Any),
        Just(Target::All),
    ]
}

fn any_roles() -> impl Strategy<Value = Roles> {
    (1..=7_usize).prop_flat_map(|nodes| {
        let up = prop::collection::vec(prop::bool::weighted(0.8), nodes);
        (prop::option::of(0..nodes), up).prop_map(move |(leader, up)| Roles {
            leader,
            up,
            member: vec![true; nodes],
            nodes,
        })
    })
}

proptest! {
    #[test]
    fn nodes_are_distinct_and_as_many_as_asked(
        roles in any_roles(),
        targets in prop::collection::vec(any_target(), 1..4),
        seed: [u8; 32],
    ) {
        let action = of_nodes(NodeFault::Kill, targets.clone());
        let first = resolve(&action, &roles, &mut ChaCha8Rng::from_seed(seed));
        let second = resolve(&action, &roles, &mut ChaCha8Rng::from_seed(seed));
        prop_assert_eq!(&first, &second);
        let Ok(Action::Nodes { targets: nodes, .. }) = first else {
            return Ok(());
        };
        let distinct: BTreeSet<usize> = nodes.iter().copied().collect();
        prop_assert_eq!(distinct.len(), nodes.len());
        prop_assert!(nodes.iter().all(|node| roles.up[*node]));
        let asked = targets.iter().filter(|target| **target != Target::All);
        let asked: usize = asked.map(|target| target.count(roles.nodes)).sum();
        if targets.contains(&Target::All) {
            prop_assert_eq!(nodes.len(), roles.up.iter().filter(|up| **up).count());
        } else {
            prop_assert_eq!(nodes.len(), asked);
        }
        if targets.contains(&Target::Leader) {
            prop_assert!(nodes.contains(&roles.leader.unwrap()));
        }
    }

    #[test]
    fn sides_share_no_node(roles in any_roles(), seed: [u8; 32]) {
        for text in ["leader | all", "minority | majority", "follower, leader | follower"] {
            let action = Action::Partition { sides: sides(text), one_way: false, bridge: None };
            let resolved = resolve(&action, &roles, &mut ChaCha8Rng::from_seed(seed));
            if let Ok(Action::Partition { sides, .. }) = resolved {
                let all = sides.concat();
                let distinct: BTreeSet<usize> = all.iter().copied().collect();
                prop_assert_eq!(distinct.len(), all.len());
                prop_assert!(sides.iter().all(|side| !side.is_empty()));
            }
        }
    }
}
