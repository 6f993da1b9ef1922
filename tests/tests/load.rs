//! The performance scenarios, in their short forms: every one runs, passes, and asks what it
//! says it asks.

use std::collections::BTreeMap;

use squall::history::{
    Action, EventKind, History, LoadEvent, Outcome, Phase, Service, StressLimit, operations,
};
use squall::report::{RunVerdict, Status};
use squall::run::{self, Judged};
use squall::scenario::Scenario;
use squall_tests::repository;

fn scenario(name: &str, settings: &[(&str, &str)]) -> Scenario {
    let path = repository().join(format!("scenarios/{name}.toml"));
    let own = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    let settings: Vec<_> = settings.iter().map(own).collect();
    Scenario::load_with(path, &settings).expect("the repository's scenario is valid")
}

fn passes(name: &str, settings: &[(&str, &str)]) -> Judged {
    let judged = run::run(&scenario(name, settings), 1, "").expect("the simulation works");
    let report = &judged.report;
    assert_eq!(
        report.verdict,
        RunVerdict::Pass,
        "{name}: {}",
        report.reason
    );
    judged
}

/// Acknowledged operations of the chaos phase, by the words of the history.
fn acknowledged(history: &History, is_meant: impl Fn(&Action) -> bool) -> usize {
    let [from_us, to_us] = [Phase::Chaos, Phase::Heal].map(|phase| began(history, phase));
    operations(history)
        .iter()
        .filter(|op| (from_us..to_us).contains(&op.invoked_us) && is_meant(op.action))
        .filter(|op| op.outcome.is_some_and(Outcome::is_acknowledged))
        .count()
}

fn began(history: &History, wanted: Phase) -> u64 {
    let begins = |kind: &EventKind| matches!(kind, EventKind::Phase { phase } if *phase == wanted);
    let event = history.events.iter().find(|event| begins(&event.kind));
    event.expect("the run came to every phase").at_us
}

#[test]
fn limited_workloads_do_exactly_as_much_as_was_asked() {
    let locks = passes("lock-performance", &[("workload.0.operations", "600")]);
    let taken = acknowledged(&locks.history, |a| matches!(a, Action::Acquire { .. }));
    assert_eq!(taken, 600);

    let queue = passes("queue-performance", &[("workload.0.operations", "1500")]);
    let published = acknowledged(&queue.history, |a| matches!(a, Action::Publish { .. }));
    let consumed = acknowledged(&queue.history, |a| matches!(a, Action::Ack { .. }));
    assert_eq!(published, 1_500);
    // The warm-up leaves nothing behind.
    assert_eq!(consumed, published);

    let settings = [
        ("workload.0.operations", "3000"),
        ("workload.0.clients", "50"),
    ];
    let cache = passes("cache-performance", &settings);
    let is_asked = |a: &Action| matches!(a, Action::Get { .. } | Action::Set { .. });
    let of_clients = operations(&cache.history);
    let [from_us, to_us] = [Phase::Chaos, Phase::Heal].map(|p| began(&cache.history, p));
    let asked = of_clients.iter().filter(|op| {
        (from_us..to_us).contains(&op.invoked_us)
            && is_asked(op.action)
            && !op.client.contains("near")
    });
    assert_eq!(asked.count(), 3_000);
    let completion = cache
        .report
        .objectives
        .iter()
        .find(|o| o.name == "completion");
    assert!(completion.is_some_and(|o| o.status == Status::Met && o.measured.is_some()));
}

#[test]
fn keys_that_are_read_together_are_read_at_one_index() {
    let settings = [
        ("workload.0.operations", "3000"),
        ("workload.0.clients", "50"),
        ("workload.0.keys", "20"),
        ("workload.0.multi_get", "6"),
    ];
    let judged = passes("cache-performance", &settings);
    let checks = &judged.report.checks;
    let check = checks.iter().find(|check| check.name == "cache_multi_get");
    let read = check.map_or(0, |check| check.checked);
    assert!(read > 1_000, "{read} reads of several keys");
}

#[test]
fn what_is_not_done_in_time_is_an_objective_missed() {
    let settings = [("phases.chaos", "20ms"), ("workload.0.operations", "50000")];
    let scenario = scenario("lock-performance", &settings);
    let judged = run::run(&scenario, 1, "").expect("the simulation works");
    let report = &judged.report;
    let completion = report.objectives.iter().find(|o| o.name == "completion");
    assert!(
        completion.is_some_and(|o| o.status == Status::Missed && o.measured.is_none()),
        "{}",
        report.reason
    );
    assert_ne!(report.verdict, RunVerdict::Pass);
    // Nobody goes on with it behind the back of what comes after.
    let [from_us, to_us] = [Phase::Heal, Phase::Audit].map(|p| began(&judged.history, p));
    let late = operations(&judged.history);
    let late = late.iter().filter(|op| {
        let is_late = (from_us + 1..to_us).contains(&op.invoked_us);
        is_late && matches!(op.action, Action::Acquire { .. })
    });
    assert_eq!(late.count(), 0);
}

#[test]
fn every_vote_counts_once() {
    let voting = passes("voting", &[]);
    let mut sums: BTreeMap<&str, Option<&str>> = BTreeMap::new();
    let audit_us = began(&voting.history, Phase::Audit);
    for op in operations(&voting.history) {
        if let (Action::Get { key, .. }, Some(Outcome::Value { value, .. })) =
            (op.action, op.outcome)
            && op.invoked_us >= audit_us
        {
            sums.insert(key, value.as_deref());
        }
    }
    let counts: Vec<Option<&str>> = sums.values().copied().collect();
    assert_eq!(counts, vec![Some("100"); 50]);
    // Answers were lost, and asked for again.
    let retried = |kind: &EventKind| matches!(kind, EventKind::Retry { .. });
    assert!(
        voting
            .history
            .events
            .iter()
            .any(|event| retried(&event.kind))
    );
}

#[test]
fn variants_differ_in_what_they_set() {
    let base = scenario("scalability", &[("workload.0.operations", "400")]);
    assert_eq!(
        base.variants(),
        ["3-nodes", "5-nodes", "7-nodes", "10-nodes"]
    );
    let nodes = base.variants().iter().map(|name| {
        let variant = base.choose(name).expect("every variant is valid");
        assert_eq!(variant.variant(), Some(name.as_str()));
        let judged = run::run(&variant, 1, "").expect("the simulation works");
        assert_eq!(
            judged.report.verdict,
            RunVerdict::Pass,
            "{name}: {}",
            judged.report.reason
        );
        judged.plan.cluster.nodes
    });
    assert_eq!(nodes.collect::<Vec<_>>(), [3, 5, 7, 10]);
}

#[test]
fn a_single_node_serves_and_forgets_nothing_but_is_down_while_it_is_dead() {
    let slow = [("workload.0.rate", "100/s"), ("phases.chaos", "12s")];
    let downtime = ["1-node", "5-nodes"].map(|variant| {
        let mut settings = slow.to_vec();
        settings.push(("variant", variant));
        let judged = passes("single-against-cluster", &settings);
        assert_eq!(judged.report.data_loss.lost, 0);
        let cache = judged.report.downtime_ms.of(Service::Cache);
        let cache = cache.expect("it was asked");
        cache.max.get() / 1_000
    });
    assert!(downtime[0] >= 5_000, "dead for five seconds: {downtime:?}");
    assert!(downtime[1] < 4_000, "others take over: {downtime:?}");
}

#[test]
fn users_come_and_go_as_the_steps_say() {
    let judged = passes("load", &[("phases.compress", "40")]);
    let steps: Vec<_> = judged
        .report
        .load
        .steps
        .iter()
        .map(|step| step.users)
        .collect();
    // The last step only falls, and holds nothing.
    assert_eq!(steps, [10, 50, 100, 500, 1_000].map(Some));
    // Users who think for two seconds ask about every two seconds; three operations a lock.
    for step in &judged.report.load.steps[2..] {
        let users = step.users.expect("just seen") * 1_000;
        let rate = step.per_second.get();
        assert!(rate > users / 2 && rate < users, "{step:?}");
        assert_eq!(step.errors, 0, "{step:?}");
    }
    let baseline = passes("baseline", &[("phases.compress", "30")]);
    let levels = baseline
        .history
        .events
        .iter()
        .filter_map(|event| match &event.kind {
            EventKind::Load {
                event: LoadEvent::Step { from, to, .. },
            } => Some((*from, *to)),
            _ => None,
        });
    assert_eq!(levels.collect::<Vec<_>>(), [(10, 10), (10, 50), (50, 10)]);
    passes(
        "soak",
        &[("phases.compress", "60"), ("phases.warmup", "30s")],
    );
}

#[test]
fn rates_are_kept_whatever_their_shape() {
    for (name, compress) in [("burst", "30"), ("volume", "120")] {
        let judged = passes(name, &[("phases.compress", compress)]);
        for step in &judged.report.load.steps {
            let rate = step.rate.expect("a rate").get();
            // Bursts are few, so their number is the mean's only by and large.
            let is_near = step.per_second.get() * 2 > rate && step.per_second.get() < rate * 2;
            assert!(is_near, "{name}: {step:?}");
        }
    }
}

#[test]
fn a_ramp_ends_where_the_cluster_is_full() {
    let judged = passes("ramp", &[("phases.compress", "20")]);
    let steps = &judged.report.load.steps;
    let rates: Vec<u64> = steps.iter().map(|step| step.per_second.get()).collect();
    // A hundred users get more than one, and far from a hundred times as much.
    assert!(
        rates[1] > 2 * rates[0] && rates[1] < 10 * rates[0],
        "{rates:?}"
    );
}

/// Writes of 10 KB over links of 1 MB/s: the leader sends each to every follower over a link of
/// its own, with a key, a header and the envelopes of the connection, some 300 bytes in all, so
/// 97 writes a second are what a link holds.
#[test]
fn the_knee_is_where_the_arithmetic_says_that_links_are_full() {
    const BYTES: u64 = 10_000 + 300;
    const PER_SECOND: u64 = 1_000_000_000 / BYTES;
    let settings = |more: &[(&'static str, &'static str)]| {
        let common = [
            ("workload.0.reads", "0%"),
            ("workload.0.payload", "10KB"),
            ("workload.0.keys", "100"),
            ("objectives.throughput.peak", "1/s"),
        ];
        [&common[..], more].concat()
    };
    let ramp = settings(&[
        ("phases.compress", "4"),
        ("load.1.users", "20"),
        ("workload.0.preload", "10"),
    ]);
    let stress = [
        ("workload.0.reads", "0%"),
        ("workload.0.payload", "10KB"),
        ("stress.rate.from", "20/s"),
        ("stress.rate.by", "20/s"),
        ("stress.rate.to", "300/s"),
        ("stress.hold", "4s"),
        ("stress.limits.p99", "20s"),
        ("stress.limits.unserved", "100%"),
        ("stress.limits.error_rate", "90%"),
    ];
    for (name, settings) in [("ramp", &ramp[..]), ("stress", &stress[..])] {
        let judged = run::run(&scenario(name, settings), 1, "").expect("the simulation works");
        let capacity = judged.report.analysis.capacity.expect("the load changes");
        println!("{name}: {}", capacity.summary);
        let knee = capacity.knee.expect(&capacity.summary);
        let found = knee.sustainable.get();
        let off = found.abs_diff(PER_SECOND) * 100 / PER_SECOND;
        assert!(
            off < 10,
            "{name}: {found} of {PER_SECOND}: {}",
            capacity.summary
        );
        // In an open loop the knee is the throughput.
        let at = knee.load.get() / 10;
        assert!(
            name == "ramp" || at.abs_diff(PER_SECOND) * 100 / PER_SECOND < 10,
            "{at}"
        );
    }
}

#[test]
fn a_spike_builds_a_backlog_that_is_drained() {
    let judged = passes("spike", &[("variant", "once"), ("phases.compress", "40")]);
    let publishes = |a: &Action| matches!(a, Action::Publish { .. });
    let acks = |a: &Action| matches!(a, Action::Ack { .. });
    let [published, consumed] = [
        acknowledged(&judged.history, publishes),
        acknowledged(&judged.history, acks),
    ];
    assert!(published > 3_000, "{published}");
    assert!(
        published.abs_diff(consumed) < 20,
        "{consumed} of {published}"
    );
}

#[test]
fn stress_finds_where_the_links_are_full_and_recovers() {
    let judged = passes("stress", &[("stress.hold", "2s"), ("stress.recover", "8s")]);
    let stress = judged
        .report
        .load
        .stress
        .as_ref()
        .expect("the test came to its end");
    let breaking = stress
        .breaking_step
        .expect("a megabyte a second is not enough") as usize;
    assert!(breaking > 0, "{}", stress.summary);
    assert!(stress.recovered, "{}", stress.summary);
    assert_eq!(stress.unknown, [StressLimit::Memory, StressLimit::Cpu]);
    let steps = &judged.report.load.steps;
    assert!(steps[breaking].broke.is_some() && steps[..breaking].iter().all(|s| s.broke.is_none()));
    // The way back, at the first level.
    assert_eq!(steps.len(), breaking + 2);
    assert_eq!(steps[breaking + 1].rate, steps[0].rate);
    // With links ten times as wide it breaks later, if at all.
    let wide = [
        ("stress.hold", "1s"),
        ("stress.recover", "4s"),
        ("network.bandwidth", "10MB/s"),
        ("stress.rate.to", "1800/s"),
    ];
    let wide = passes("stress", &wide);
    let held = wide
        .report
        .load
        .stress
        .as_ref()
        .and_then(|stress| stress.breaking_step);
    assert!(held.is_none_or(|step| step as usize > breaking), "{held:?}");
}

#[test]
fn composites_run_in_their_short_forms() {
    passes("task-distribution", &[("phases.compress", "6")]);
    let records = [
        ("workload.0.operations", "1500"),
        ("workload.0.inserts", "500"),
    ];
    let judged = passes("records", &records);
    let deletes = acknowledged(&judged.history, |a| matches!(a, Action::Delete { .. }));
    // A twentieth of a thousand.
    assert!((20..100).contains(&deletes), "{deletes}");
    let judged = passes("cache-warm", &[("phases.chaos", "12s")]);
    let [mut hits, mut misses] = [0, 0];
    for op in operations(&judged.history) {
        if let (Action::Get { .. }, Some(Outcome::Value { value, .. })) = (op.action, op.outcome) {
            *(if value.is_some() {
                &mut hits
            } else {
                &mut misses
            }) += 1;
        }
    }
    assert!(
        hits > 4 * misses && misses > 0,
        "{hits} hits, {misses} misses"
    );
    let cache = judged.report.cache.expect("it was read");
    let penalty = cache.miss_penalty_ms.expect("misses were filled");
    // Ten to twenty milliseconds elsewhere, and a write.
    assert!((10_000..25_000).contains(&penalty.get()), "{penalty}");
}

#[test]
fn regions_are_as_far_apart_as_they_should_be() {
    let judged = passes("regions", &[("phases.chaos", "30s")]);
    let commit = operations(&judged.history)
        .iter()
        .filter(|op| {
            matches!(op.action, Action::Set { .. })
                && op.outcome.is_some_and(Outcome::is_acknowledged)
        })
        .filter_map(|op| Some(op.returned_us? - op.invoked_us))
        .min();
    // Two of a region cannot commit by themselves: a write crosses to another and back.
    assert!(commit.is_some_and(|us| us >= 80_000), "{commit:?}");
}
