//! Objectives as they are written.

use super::*;

#[test]
fn objectives_are_read_with_their_graces() {
    let body = r#"[objectives]
grace = "2s"
lost = 0
recovery_time = "5s"
downtime = { per_day = "1m" }
latency.lock.acquire = { p95 = "100ms", max = "1s", grace = "10s" }
throughput = { sustained = "1000/s", queue = { minimum = "90/m" } }
error_rate = { chaos = "5%" }
hit_rate = "80%"
success_rate = { min = "99%", grace = "1s" }
memory = { max = "512MB", growth = "10%" }
baseline = { file = "b.json", tolerance = { latency = "5%" } }
"#;
    let scenario = parse_with(body, &[]).expect("it is valid");
    let read: Vec<_> = (scenario.objectives.list().into_iter())
        .map(|o| (o.figure.to_string(), o.limit, o.grace_us))
        .collect();
    let row = |name: &str, limit, grace_us| (name.to_owned(), limit, grace_us);
    let two = Some(2_000_000);
    assert_eq!(
        read,
        [
            row("downtime_per_day", 60_000_000, None),
            row("recovery_time", 5_000_000, None),
            row("lost", 0, None),
            row("latency.lock.acquire.p95", 100_000, Some(10_000_000)),
            row("latency.lock.acquire.max", 1_000_000, Some(10_000_000)),
            row("throughput.sustained", 1_000_000, two),
            row("throughput.queue.minimum", 1_500, two),
            row("error_rate.chaos", 50_000, two),
            row("success_rate", 990_000, Some(1_000_000)),
            row("hit_rate", 800_000, two),
            row("memory", 512_000_000, None),
            row("memory_growth", 100_000, None),
        ]
    );
    let plan = Plan::resolve(&scenario, 1).expect("it is valid");
    let baseline = plan.baseline.expect("one is named");
    assert_eq!(
        (baseline.file.as_str(), baseline.name.as_str()),
        ("b.json", "t")
    );
    assert_eq!(baseline.tolerance.latency_ppm, 50_000);
    assert_eq!(baseline.tolerance.throughput_ppm, 100_000);
}

#[test]
fn latency_of_an_operation_that_is_none_is_refused() {
    let error = error("[objectives]\nlatency.lock.aquire = { p95 = \"1ms\" }");
    assert!(error.starts_with("t.toml:3:"), "{error}");
    assert!(
        error.contains("no operation `aquire` of the service lock"),
        "{error}"
    );
}
