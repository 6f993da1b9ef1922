use super::*;
use squall_history::{NodeEvent, Phase, Served, Timed, Work};
use squall_measure::measure;
use squall_measure::testing::Script;

/// A hundred writes of 30 ms each, for which a node reported where their time went.
fn run(work: Work) -> Measures {
    let mut script = Script::new();
    script.phase(0, Phase::Warmup).phase(1_000, Phase::Chaos);
    script.gets(1_000, 10_001_000, 100_000, 30_000);
    script.node(10_500_000, "node-1", NodeEvent::Work(Box::new(work)));
    measure(&script.end(11_000_000))
}

fn timed(mean_us: u64) -> Timed {
    Timed {
        count: 100,
        us: 100 * mean_us,
    }
}

/// A node took so long in all, in the stages before the log, and to the commit.
fn work(node_us: u64, held_us: u64, committed_us: u64, call_us: u64, follower_us: u64) -> Work {
    Work {
        cache: Served {
            writes: timed(node_us),
            held_us: 100 * held_us,
            committed_us: 100 * committed_us,
            ..Served::default()
        },
        appends: timed(call_us),
        handled: timed(follower_us),
        syncs: timed(follower_us),
        ..Work::default()
    }
}

fn found(work: Work) -> Vec<(Rule, Priority)> {
    let found = bottlenecks(&run(work), None, &[]);
    for bottleneck in &found {
        assert!(!bottleneck.evidence.is_empty(), "{bottleneck:?}");
    }
    found.iter().map(|b| (b.rule, b.priority)).collect()
}

#[test]
fn each_stage_that_takes_long_is_a_bottleneck_of_its_own() {
    use Priority::{High, Low, Medium};
    // 24 of 30 ms to make entries durable.
    assert_eq!(
        found(work(28_000, 0, 28_000, 28_000, 24_000)),
        [(Rule::DiskSync, High)]
    );
    // 25 ms on the way to followers and back.
    assert_eq!(
        found(work(28_000, 0, 27_000, 26_000, 1_000)),
        [(Rule::Network, High)]
    );
    // 20 ms beyond a round trip of 3 ms and a sync of 2 ms.
    assert_eq!(
        found(work(27_000, 0, 25_000, 5_000, 2_000)),
        [(Rule::Consensus, High)]
    );
    // 5 ms before Raft takes the write.
    assert_eq!(
        found(work(14_000, 5_000, 9_000, 8_000, 1_000)),
        [(Rule::Processing, Low)]
    );
    // 22 ms on the way from and to the client, and 9 ms held: of 30.
    let both = found(work(9_000, 9_000, 0, 0, 0));
    assert_eq!(
        both,
        [(Rule::ClientNetwork, High), (Rule::Processing, Medium)]
    );
}

#[test]
fn no_bottleneck_without_long_work_or_reports() {
    assert_eq!(found(work(14_000, 1_000, 13_000, 8_000, 4_000)), []);
    assert_eq!(found(Work::default()), []);
}

#[test]
fn what_is_found_quotes_what_was_measured() {
    let measures = run(work(28_000, 0, 28_000, 28_000, 24_000));
    let found = bottlenecks(&measures, None, &[]);
    assert_eq!(
        found[0].evidence,
        [
            "24.0 ms of 30.0 ms of a cache operation, 80.0 %, over 100 operations",
            "100 syncs of 24.0 ms each; a follower takes 24.0 ms to make entries durable"
        ]
    );
    assert_eq!(
        found[0].impact,
        "without it a cache operation would take 6.00 ms instead of 30.0 ms"
    );
}

/// A processor that idles before chaos and after leaves no more of it.
#[test]
fn what_a_processor_leaves_is_that_of_the_chaos_phase() {
    let mut script = Script::new();
    script
        .phase(0, Phase::Warmup)
        .phase(5_000_000, Phase::Chaos);
    script.gets(5_000_000, 10_000_000, 100_000, 30_000);
    script.phase(10_000_000, Phase::Heal);
    let measures = measure(&script.end(20_000_000));
    let samples = (0..200_u64).map(|sample| {
        let at_us = sample * 100_000;
        let busy_us = at_us.clamp(5_000_000, 10_000_000) * 8 / 10;
        format!("{at_us},node-1,{busy_us},1000,,,,\n")
    });
    let samples: String = samples.collect();
    let head = squall_history::resources::HEADER;
    let resources = Resources::parse(&format!("{head}\n{samples}")).expect("it is well-formed");
    let analysis = crate::analysis::Analysis::of(&measures, Some(&resources));
    let headroom = analysis.headroom.expect("node-1 is busy");
    assert_eq!(headroom.busy.get(), 800_000);
}

#[test]
fn nodes_that_are_busy_or_grow_are_found_where_that_is_known() {
    let csv = (0..=100_u64).map(|sample| {
        let at_us = sample * 100_000;
        let (busy_us, memory) = (at_us * 9 / 10, 1_000_000 + sample * 10_000);
        format!("{at_us},node-1,{busy_us},{memory},,,,\n{at_us},node-2,{sample},1000,,,,\n")
    });
    let csv: String = csv.collect();
    let head = squall_history::resources::HEADER;
    let resources = Resources::parse(&format!("{head}\n{csv}")).expect("it is well-formed");
    let measures = run(Work::default());
    let analysis = crate::analysis::Analysis::of(&measures, Some(&resources));
    let found = bottlenecks(&measures, Some(&resources), &analysis.leaks);
    // Ten operations a second keep nine tenths of a processor busy.
    let headroom = analysis.headroom.expect("node-1 is busy");
    assert_eq!(
        (headroom.node.as_str(), headroom.left.get()),
        ("node-1", 100_000)
    );
    let ratio = headroom.at_most.get() * 90 / headroom.per_second.get();
    assert!((99..=100).contains(&ratio), "{headroom:?}");
    let found_subjects: Vec<_> = found.iter().map(|b| (b.rule, b.subject.as_str())).collect();
    assert_eq!(
        found_subjects,
        [(Rule::MemoryGrowth, "node-1"), (Rule::Cpu, "node-1")]
    );
    assert!(
        found[0].evidence[0].starts_with("memory of node-1 grows by 360."),
        "{:?}",
        found[0]
    );
    assert_eq!(found[1].evidence, ["90.0 % of one processor on average"]);
}
