//! Downtime of hand-built histories: what is a gap, and what is mere silence.

use super::*;
use crate::testing::{Script, failed, get, unknown};
use squall_history::{Action, History, Outcome, Phase};

const SECOND: u64 = 1_000_000;

/// Warm-up of 2 s with a get every 20 ms, answered in 5 ms; chaos to 8 s, serve to 10 s.
fn script() -> Script {
    let mut script = Script::new();
    script
        .phase(0, Phase::Warmup)
        .phase(2 * SECOND, Phase::Chaos)
        .phase(8 * SECOND, Phase::Serve);
    script.phase(10 * SECOND, Phase::Audit);
    script.gets(0, 2 * SECOND, 20_000, 5_000);
    script
}

fn measured(history: &History) -> (Downtime, Vec<Gap>) {
    let timeline = Timeline::of(history);
    downtime(&timeline, &Baselines::of(&timeline))
}

fn gaps(script: &mut Script) -> Vec<(u64, u64)> {
    let (_, found) = measured(&script.end(11 * SECOND));
    let ends = found.iter().map(|gap| (gap.from_ms.get(), gap.to_ms.get()));
    ends.collect()
}

#[test]
fn a_gap_runs_from_the_last_to_the_first_acknowledgement() {
    let mut script = script();
    script.gets(2 * SECOND, 4 * SECOND, 20_000, 5_000);
    script.op(4 * SECOND, get("k"), Some((4_500_000, unknown())));
    script.op(4_510_000, get("k"), Some((4_511_000, failed())));
    script.gets(5 * SECOND, 10 * SECOND, 20_000, 5_000);
    let (downtime, gaps) = measured(&script.end(11 * SECOND));
    let gap = Gap {
        service: Service::Cache,
        from_ms: Ms::of(3_985_000),
        to_ms: Ms::of(5_005_000),
    };
    assert_eq!(gaps, [gap]);
    let expected = ServiceDowntime {
        total: Ms::of(1_020_000),
        max: Ms::of(1_020_000),
        count: 1,
        availability: Percent::of(872_500),
    };
    assert_eq!(downtime.of(Service::Cache), Some(expected));
    assert_eq!(downtime.any, Some(expected));
    assert_eq!(
        (downtime.of(Service::Lock), downtime.of(Service::Queue)),
        (None, None)
    );
}

#[test]
fn a_service_nobody_asks_is_not_down() {
    let mut script = script();
    script
        .gets(2 * SECOND, 3 * SECOND, 20_000, 5_000)
        .gets(9 * SECOND, 10 * SECOND, 20_000, 5_000);
    assert_eq!(gaps(&mut script), []);
}

#[test]
fn one_slow_answer_within_the_normal_spacing_is_no_gap_and_a_late_one_is() {
    let mut script = script();
    script.gets(2 * SECOND, 5 * SECOND, 20_000, 5_000);
    script
        .get(5 * SECOND, 5_004_000)
        .get(5_005_000, 5_023_000)
        .get(5_024_000, 5_400_000);
    assert_eq!(gaps(&mut script), [(5_023_000, 5_400_000)]);
}

#[test]
fn idle_time_far_from_any_distress_is_cut_off() {
    let mut script = script();
    script.get(2_500_000, 2_505_000);
    script.op(2_600_000, get("k"), Some((3_100_000, unknown())));
    script.get(9 * SECOND, 9_005_000);
    assert_eq!(gaps(&mut script), [(2_505_000, 3_100_000)]);
}

#[test]
fn an_outage_across_the_bounds_is_clipped_and_one_without_end_reaches_the_end() {
    let mut script = script();
    script.op(1_990_000, get("k"), Some((3 * SECOND, unknown())));
    script.get(3_100_000, 3_105_000);
    script.op(7 * SECOND, get("k"), None);
    script.op(6 * SECOND, get("k"), Some((6_500_000, unknown())));
    assert_eq!(
        gaps(&mut script),
        [(2 * SECOND, 3_105_000), (6 * SECOND, 10 * SECOND)]
    );
}

#[test]
fn a_long_poll_is_no_outage_until_its_own_wait_is_over() {
    let poll = |wait_ms| Action::Receive {
        queue: "q".into(),
        max: 1,
        visibility_ms: 1,
        wait_ms,
    };
    let answer = || Outcome::Received {
        messages: Vec::new(),
    };
    let mut script = script();
    script.gets(2 * SECOND, 10 * SECOND, 20_000, 5_000);
    script.op(3 * SECOND, poll(1_000), Some((4_050_000, answer())));
    script.op(4_050_000, poll(1_000), Some((5_600_000, answer())));
    let (downtime, gaps) = measured(&script.end(11 * SECOND));
    let gap = Gap {
        service: Service::Queue,
        from_ms: Ms::of(5_050_000),
        to_ms: Ms::of(5_600_000),
    };
    let queue_gaps: Vec<_> = gaps.iter().map(|g| (g.service, g.to_ms)).collect();
    assert_eq!(queue_gaps, [(gap.service, gap.to_ms)]);
    assert_eq!(downtime.of(Service::Queue).map(|d| d.count), Some(1));
}

#[test]
fn any_is_the_time_in_which_at_least_one_service_was_down() {
    let check = || Action::Check {
        name: "l".into(),
        token: 1,
    };
    let checked = || Outcome::Checked { accepted: true };
    let mut script = script();
    script
        .get(4 * SECOND, 4_005_000)
        .op(4_010_000, get("k"), Some((5 * SECOND, unknown())));
    script.get(5_100_000, 5_105_000);
    script.op(4_500_000, check(), Some((4_500_100, checked())));
    script.op(4_600_000, check(), Some((5_500_000, checked())));
    let (downtime, _) = measured(&script.end(11 * SECOND));
    assert_eq!(
        downtime.of(Service::Cache).map(|d| d.total.get()),
        Some(1_100_000)
    );
    assert_eq!(
        downtime.of(Service::Lock).map(|d| d.total.get()),
        Some(999_900)
    );
    assert_eq!(
        downtime.any.map(|d| (d.total.get(), d.count)),
        Some((1_495_000, 1))
    );
}
