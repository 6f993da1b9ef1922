use squall_history::LoadUnit;
use squall_history::resources::ResourceSample;
use squall_measure::{ResponseWindow, Span};

use super::capacity::Knee;
use super::capacity::capacity;
use super::correlation::correlations;
use super::correlation::{Resource, With};
use super::leak::{leak, longest_life};

const SECOND_US: u64 = 1_000_000;

/// Between zero and one, and different for each pair of numbers: stands in for chance.
fn chance_of(seed: u64, number: u64) -> f64 {
    let mut mixed = (seed * 1_000_003 + number + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed ^= mixed >> 31;
    mixed = mixed.wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed ^= mixed >> 29;
    (mixed >> 11) as f64 / (1_u64 << 53) as f64
}

fn window(
    number: u64,
    load: Option<(LoadUnit, u64)>,
    per_second: u64,
    p95_us: u64,
) -> ResponseWindow {
    ResponseWindow {
        span: Span {
            from_us: (number + 5) * SECOND_US,
            to_us: (number + 6) * SECOND_US,
        },
        load,
        acknowledged: per_second,
        errors: 0,
        p50_us: Some(p95_us / 2),
        p95_us: Some(p95_us),
        is_disturbed: false,
    }
}

/// Users from 1 to 60; 25 and more get 500 a second together.
fn ramp(seed: u64, most: u64) -> Vec<ResponseWindow> {
    let windows = (1..=60).map(|users| {
        let rate = (users * 20).min(most) as f64 * (0.97 + 0.06 * chance_of(seed, users));
        let p95_us = if users * 20 <= most {
            10_000
        } else {
            10_000 * users * 20 / most
        };
        window(
            users,
            Some((LoadUnit::Users, users * 1_000)),
            rate as u64,
            p95_us,
        )
    });
    windows.collect()
}

#[test]
fn the_knee_is_where_throughput_stops_rising() {
    let found = capacity(&ramp(1, 500)).expect("a load that changes");
    let knee = found.knee.as_ref().expect("it stops rising");
    let per_second = knee.sustainable.get();
    assert!((490_000..510_000).contains(&per_second), "{knee:?}");
    assert!((240_000..260_000).contains(&knee.load.get()), "{knee:?}");
    assert!(knee.low <= knee.sustainable && knee.sustainable <= knee.high);
    assert_eq!((knee.p95_below_us, knee.left.get()), (Some(10_000), 0));
    assert!(
        found.summary.starts_with("throughput stops rising at 2"),
        "{}",
        found.summary
    );
    assert_eq!(found.curve.len(), 30, "sixty windows in rows of two");
    // On the way down, what has piled up is worked off.
    let mut back = ramp(1, 500);
    back.extend((61..90).map(|n| window(n, Some((LoadUnit::Users, 2_000)), 480, 90_000)));
    let back_again = capacity(&back)
        .and_then(|found| found.knee)
        .expect("a knee");
    assert!(
        (300_000..450_000).contains(&back_again.left.get()),
        "16 users are usual, of 25: {back_again:?}"
    );
    let as_before = Knee {
        left: knee.left,
        ..back_again
    };
    assert_eq!(as_before, *knee);
    // A load that was highest under a fault counts as having been there.
    let mut spike = ramp(1, 500);
    spike[2].load = Some((LoadUnit::Users, 90_000));
    spike[2].is_disturbed = true;
    let before = capacity(&spike).expect("two windows of two loads");
    assert_eq!((before.curve.len(), before.knee), (2, None));
    // As far as it rises there is none, and it is said how far that was.
    let straight = capacity(&ramp(2, 10_000)).expect("a load that changes");
    assert_eq!(straight.knee, None);
    assert!(
        straight.summary.contains("the knee was not reached"),
        "{}",
        straight.summary
    );
    // Nothing is answered, whatever the load: there is no knee.
    let mut dead = ramp(1, 500);
    dead.iter_mut().for_each(|window| window.acknowledged = 0);
    let dead = capacity(&dead).expect("a load that changes");
    assert_eq!((dead.knee, dead.most.get()), (None, 0));
    // No load, a load that never changes, windows in a fault: nothing to say.
    let quiet: Vec<ResponseWindow> = (0..20).map(|n| window(n, None, 100, 5_000)).collect();
    assert_eq!(capacity(&quiet), None);
    let level = Some((LoadUnit::PerHour, 5_000));
    let level: Vec<ResponseWindow> = (0..20).map(|n| window(n, level, 100, 5_000)).collect();
    assert_eq!(capacity(&level), None);
    let mut disturbed = ramp(1, 500);
    disturbed
        .iter_mut()
        .for_each(|window| window.is_disturbed = true);
    assert_eq!((capacity(&disturbed), capacity(&[])), (None, None));
}

/// Three nodes under a steady load. With a hog, another process takes the processor of node-2
/// every now and then, and clients wait.
fn run(seed: u64, has_hog: bool) -> (Vec<ResponseWindow>, Vec<ResourceSample>) {
    let is_hogged = |second: u64| has_hog && second % 17 >= 12;
    let windows = (0..90).map(|second| {
        let slow = if is_hogged(second) { 25_000.0 } else { 0.0 };
        let p95_us = 10_000.0
            + 2_000.0 * chance_of(seed, second)
            + slow * (0.8 + 0.4 * chance_of(seed, 500 + second));
        window(second, None, 300, p95_us as u64)
    });
    let mut samples = Vec::new();
    for node in 1..=3_u64 {
        let mut cpu_us = 0;
        for tenth in 0..=950_u64 {
            let second = (tenth / 10).saturating_sub(5);
            let hogged = if node == 2 && is_hogged(second) {
                60_000
            } else {
                0
            };
            cpu_us += 20_000 + (4_000.0 * chance_of(seed, 10_000 * node + tenth)) as u64 + hogged;
            samples.push(ResourceSample {
                at_us: tenth * 100_000,
                node: format!("node-{node}"),
                cpu_us: Some(cpu_us),
                memory_bytes: Some(
                    20_000_000 + (1_000_000.0 * chance_of(seed, 20_000 * node + tenth)) as u64,
                ),
                net_sent_bytes: Some(tenth * 10_000),
                ..ResourceSample::default()
            });
        }
    }
    (windows.collect(), samples)
}

#[test]
fn a_processor_hog_is_found_and_clean_runs_show_nothing() {
    let (windows, samples) = run(1, true);
    let found = correlations(&windows, &samples);
    let first = found.first().expect("the hog");
    assert_eq!(
        (first.node.as_str(), first.resource, first.with),
        ("node-2", Resource::Processor, With::ResponseTime)
    );
    assert!(
        first.coefficient.0 > 6_000 && first.low.0 > 3_000 && first.windows == 90,
        "{first:?}"
    );
    assert_eq!(found.len(), 1, "{found:#?}");
    for seed in 2..12 {
        let (windows, samples) = run(seed, false);
        assert_eq!(correlations(&windows, &samples), [], "seed {seed}");
    }
    // What happens under a fault has another cause.
    let (mut windows, samples) = run(1, true);
    windows
        .iter_mut()
        .for_each(|window| window.is_disturbed = true);
    assert_eq!(correlations(&windows, &samples), []);
    assert_eq!(correlations(&[], &samples), []);
    assert_eq!(correlations(&windows, &[]), []);
}

/// A node that is started again takes its memory anew, which is no growth.
#[test]
fn only_one_life_of_a_node_is_looked_at() {
    let sample = |tenth: u64, of: Option<(u64, u64)>| ResourceSample {
        at_us: 7_000 + tenth * 100_000,
        node: "node-1".into(),
        cpu_us: of.map(|(cpu_us, _)| cpu_us),
        memory_bytes: of.map(|(_, bytes)| bytes),
        ..ResourceSample::default()
    };
    let mut samples = Vec::new();
    samples.extend((0..5).map(|tenth| sample(tenth, Some((tenth * 10, 1)))));
    // At once there again, and only its time tells.
    samples.extend((5..15).map(|tenth| sample(tenth, Some((tenth * 10 - 45, 2)))));
    samples.push(sample(15, None));
    samples.extend((16..20).map(|tenth| sample(tenth, Some((tenth * 10, 3)))));
    let samples: Vec<&ResourceSample> = samples.iter().collect();
    let life = longest_life(&samples, 7_000);
    assert_eq!((life.len(), life[0]), (10, (500_000.0, 2.0)));
    assert_eq!(longest_life(&[], 0), []);
}

fn memory(seconds: u64, of: impl Fn(f64) -> f64) -> Vec<(f64, f64)> {
    let samples = (0..seconds * 10).map(|tenth| {
        let at_us = tenth as f64 * 100_000.0;
        (at_us, of(at_us / 1e6) + 400_000.0 * chance_of(7, tenth))
    });
    samples.collect()
}

#[test]
fn memory_that_grows_all_along_leaks_and_what_levels_off_does_not() {
    let found = leak("node-1", &memory(60, |at| 20e6 + 100e3 * at)).expect("it grows by a third");
    assert!(
        (340_000_000..380_000_000).contains(&found.bytes_per_hour),
        "{found:?}"
    );
    assert!(
        found.low <= 360_000_000 && 360_000_000 <= found.high,
        "{found:?}"
    );
    assert!(
        found.evidence.starts_with("memory of node-1 grows by 3"),
        "{}",
        found.evidence
    );
    assert_eq!(leak("node-1", &memory(60, |_| 20e6)), None);
    assert_eq!(
        leak(
            "node-1",
            &memory(60, |at| 20e6 + 6e6 * (at / 10.0).min(1.0))
        ),
        None
    );
    assert_eq!(leak("node-1", &memory(60, |at| 20e6 - 100e3 * at)), None);
    assert_eq!(
        leak("node-1", &memory(1, |at| 20e6 + 9e6 * at)),
        None,
        "ten samples"
    );
}
