use super::*;
use squall_history::{Action, Outcome};
use squall_history::{NodeEvent, Phase};
use squall_measure::measure;
use squall_measure::testing::{Script, get, unknown, value};
use squall_objective::objective::{Quantile, Service};

const SECOND: u64 = 1_000_000;

fn run(elects: bool) -> Measures {
    let mut script = Script::new();
    script
        .phase(0, Phase::Warmup)
        .phase(2 * SECOND, Phase::Chaos);
    script
        .gets(0, 2 * SECOND, 20_000, 5_000)
        .leader(0, "node-1", 1, 10);
    script.fault(0, "kill", &["node-1"], 2 * SECOND, None);
    let why = "killed".into();
    script.node(2 * SECOND, "node-1", NodeEvent::Stopped { why });
    script.election(2_300_000, "node-2", 1);
    if elects {
        script.leader(2_500_000, "node-2", 2, 2_600_000);
    }
    script.op(2_100_000, get("k"), None);
    script.get(2_500_000, 3_000_000);
    measure(&script.end(4 * SECOND))
}

/// Ten gets a second in seven seconds of chaos; slow ones, or unanswered ones, from 3 s to 5 s.
fn load(slow_us: u64, is_answered: bool) -> Measures {
    let mut script = Script::new();
    script.phase(0, Phase::Warmup).phase(SECOND, Phase::Chaos);
    script.gets(SECOND, 3 * SECOND, 100_000, 1_000);
    for at_us in (3 * SECOND..5 * SECOND).step_by(100_000) {
        match is_answered {
            true => script.get(at_us, at_us + slow_us),
            false => script.op(at_us, get("k"), Some((at_us + slow_us, unknown()))),
        };
    }
    script.gets(5 * SECOND, 8 * SECOND, 100_000, 1_000);
    script.phase(8 * SECOND, Phase::Audit);
    measure(&script.end(9 * SECOND))
}

fn objective(figure: Metric, limit: u64) -> Objective {
    Objective {
        figure,
        limit,
        grace_us: None,
    }
}

fn judge(objective: Objective, measures: &Measures) -> ObjectiveResult {
    let evidence = Evidence {
        measures,
        resources: None,
        backend: "sim",
    };
    let mut results = evaluate(&[objective], &evidence);
    results.pop().expect("one objective, one result")
}

fn status(figure: Metric, limit: u64, measures: &Measures) -> Status {
    judge(objective(figure, limit), measures).status
}

fn election(quantile: Quantile) -> Metric {
    Metric::Election { quantile }
}

fn get_latency(quantile: Quantile) -> Metric {
    Metric::Latency {
        service: Service::Cache,
        operation: "get".into(),
        quantile,
    }
}

#[test]
fn limits_are_kept_up_to_and_including_themselves() {
    let measures = run(true);
    let p99 = |limit| judge(objective(election(Quantile::P99), limit), &measures);
    assert_eq!(p99(600_000).status, Status::Met);
    assert_eq!(p99(599_999).status, Status::Missed);
    assert_eq!(p99(600_000).measured, Some(Number::of(6_000_000)));
    assert_eq!(p99(1_200_000).margin_percent, Some(SignedPercent(500_000)));
    assert_eq!(p99(300_000).margin_percent, Some(SignedPercent(-1_000_000)));
    assert_eq!(status(Metric::Lost, 0, &measures), Status::Met);
    assert_eq!(
        status(Metric::Availability, 600_000, &measures),
        Status::Missed
    );
}

#[test]
fn what_never_came_is_missed_and_what_never_was_needed_is_met() {
    let max = election(Quantile::Max);
    let (without, with) = (run(false), run(true));
    assert_eq!(status(max.clone(), u64::MAX, &without), Status::Missed);
    assert_eq!(status(Metric::RecoveryMax, 1, &without), Status::Met);
    assert_eq!(status(max, u64::MAX, &with), Status::Met);
    assert_eq!(status(Metric::RecoveryMax, 1, &with), Status::Missed);
    assert_eq!(
        status(Metric::RecoveryTime, u64::MAX, &with),
        Status::Missed
    );
}

#[test]
fn nothing_to_measure_a_level_by_is_unknown_and_never_met() {
    let measures = load(1_000, true);
    let acquire = Metric::Latency {
        service: Service::Lock,
        operation: "acquire".into(),
        quantile: Quantile::P95,
    };
    let result = judge(objective(acquire, u64::MAX), &measures);
    assert_eq!((result.status, result.measured), (Status::Unknown, None));
    assert_eq!(
        result.to_string(),
        format!(
            "latency.lock.acquire.p95: nothing to measure it by, limit {}",
            Unit::Ms.text(Unit::Ms.number(u64::MAX))
        )
    );
}

#[test]
fn what_the_backend_cannot_know_is_said_and_not_missed() {
    let measures = load(1_000, true);
    let result = judge(objective(Metric::Memory, 1), &measures);
    assert_eq!(result.status, Status::Unsupported);
    assert_eq!(result.note.as_deref(), Some("not known on the backend sim"));
    let resources = Resources {
        memory_max_bytes: Some(2),
        ..Resources::default()
    };
    let evidence = Evidence {
        measures: &measures,
        resources: Some(&resources),
        backend: "docker",
    };
    let known = evaluate(&[objective(Metric::Memory, 1)], &evidence);
    assert_eq!(known[0].status, Status::Missed);
}

#[test]
fn levels_are_of_the_whole_stretch_without_a_grace() {
    let measures = load(50_000, true);
    assert_eq!(
        status(get_latency(Quantile::P50), 1_000, &measures),
        Status::Met
    );
    assert_eq!(
        status(get_latency(Quantile::P95), 1_000, &measures),
        Status::Missed
    );
    let failing = load(50_000, false);
    let rate = |phase| Metric::ErrorRate { phase };
    // 20 of 70.
    assert_eq!(status(rate(None), 285_714, &failing), Status::Met);
    assert_eq!(status(rate(None), 285_713, &failing), Status::Missed);
    assert_eq!(
        status(rate(Some(Phase::Warmup)), 0, &failing),
        Status::Unknown
    );
    assert_eq!(
        status(Metric::SuccessRate, 714_286, &failing),
        Status::Missed
    );
    let throughput = |rate, limit| {
        let figure = Metric::Throughput {
            service: Some(Service::Cache),
            rate,
        };
        status(figure, limit, &failing)
    };
    assert_eq!(throughput(Rate::Peak, 10_000), Status::Met);
    assert_eq!(throughput(Rate::Minimum, 1), Status::Missed);
    assert_eq!(throughput(Rate::Sustained, 8_000), Status::Missed);
    let rate = |operation: &str, limit| {
        let operation = operation.to_owned();
        let service = Service::Cache;
        status(
            Metric::OperationRate { service, operation },
            limit,
            &failing,
        )
    };
    // 49 are answered in 6.9 s.
    assert_eq!(rate("get", 7_101), Status::Met);
    assert_eq!(rate("get", 7_102), Status::Missed);
    assert_eq!(rate("set", 1), Status::Unknown);
}

#[test]
fn a_grace_lets_a_limit_be_missed_for_a_while() {
    let graced = |figure, limit, grace_us, measures: &Measures| {
        let objective = Objective {
            figure,
            limit,
            grace_us: Some(grace_us),
        };
        let result = judge(objective, measures);
        (result.status, result.missed_for_ms.map(Ms::get))
    };
    let slow = load(50_000, true);
    let p95 = || get_latency(Quantile::P95);
    let two_seconds = Some(2 * SECOND);
    assert_eq!(
        graced(p95(), 1_000, 2 * SECOND, &slow),
        (Status::Met, two_seconds)
    );
    assert_eq!(
        graced(p95(), 1_000, 2 * SECOND - 1, &slow),
        (Status::Missed, two_seconds)
    );
    assert_eq!(graced(p95(), 50_000, 0, &slow), (Status::Met, Some(0)));
    let failing = load(50_000, false);
    let errors = Metric::ErrorRate { phase: None };
    assert_eq!(
        graced(errors, 0, SECOND, &failing),
        (Status::Missed, two_seconds)
    );
}

#[test]
fn downtime_a_day_is_extrapolated_and_says_so() {
    let measures = run(true);
    let total_us = measures
        .outages
        .downtime
        .any
        .expect("the cache was asked")
        .total
        .get();
    let result = judge(objective(Metric::DowntimePerDay, 0), &measures);
    // Chaos lasts two seconds, so a day has 43,200 of them.
    assert_eq!(result.measured, Some(Unit::Ms.number(total_us * 43_200)));
    let note = result.note.expect("it is extrapolated");
    assert!(note.starts_with("extrapolated from 2.000 s"), "{note}");
}

#[test]
fn what_should_stay_flat_is_compared_between_its_ends() {
    let mut script = Script::new();
    script.phase(0, Phase::Warmup).phase(SECOND, Phase::Chaos);
    // Ten seconds of load; in the last one every other read misses, and one fails.
    for tenth in 0..100 {
        let at_us = SECOND + tenth * 100_000;
        let outcome = match (tenth, tenth % 10) {
            (90.., 1) => unknown(),
            (90.., place) if place % 2 == 0 => value(None, 0),
            _ => value(Some("v"), 1),
        };
        script.op(at_us, get("k"), Some((at_us + 1_000, outcome)));
    }
    script.phase(11 * SECOND, Phase::Audit);
    let measures = measure(&script.end(12 * SECOND));
    let measured = |figure| judge(objective(figure, 0), &measures).measured;
    // Of the nine before the last operation eight were answered, and five found nothing.
    let ppm = |ppm| Some(Unit::Percent.number(ppm));
    assert_eq!(measured(Metric::HitRateChange), ppm(625_000));
    assert_eq!(measured(Metric::ErrorRateChange), ppm(111_111));
    let before = load(1_000, true);
    assert_eq!(status(Metric::ErrorRateChange, 0, &before), Status::Met);
}

#[test]
fn a_backlog_is_drained_when_nothing_is_left() {
    let backlog = |leaves: u64| {
        let mut script = Script::new();
        script.phase(0, Phase::Chaos);
        let queue = || "q".to_owned();
        for id in 0..10 {
            let action = Action::Publish {
                queue: queue(),
                value: format!("v.{id}"),
                bytes: 1,
            };
            script.op(
                id * 10,
                action,
                Some((id * 10 + 5, Outcome::Published { id })),
            );
        }
        for receipt in leaves..10 {
            let at_us = SECOND + receipt * 10;
            let action = Action::Ack {
                queue: queue(),
                receipt,
                value: format!("v.{receipt}"),
            };
            script.op(
                at_us,
                action,
                Some((at_us + 5, Outcome::Settled { valid: true })),
            );
        }
        script.phase(2 * SECOND, Phase::Audit);
        measure(&script.end(3 * SECOND))
    };
    let (drained, left) = (backlog(0), backlog(4));
    assert_eq!(status(Metric::BacklogEnd, 0, &drained), Status::Met);
    // From the last publish to the last ack.
    assert_eq!(
        status(Metric::BacklogDrained, SECOND, &drained),
        Status::Met
    );
    assert_eq!(
        status(Metric::BacklogDrained, SECOND - 1, &drained),
        Status::Missed
    );
    assert_eq!(status(Metric::BacklogEnd, 3, &left), Status::Missed);
    assert_eq!(
        status(Metric::BacklogDrained, u64::MAX, &left),
        Status::Missed
    );
    let without = load(1_000, true);
    assert_eq!(status(Metric::BacklogEnd, 0, &without), Status::Unknown);
    assert_eq!(status(Metric::MissPenalty, 0, &without), Status::Unknown);
}
