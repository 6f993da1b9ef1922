//! Judges by probes whether links are as they should be, not by what was asked for.
//!
//! The tolerances allow for a busy machine, which delays packets, and never for a fault that
//! is not there: an added latency must be seen nearly whole in the quickest of several
//! packets, a loss within five standard deviations, a limit of bandwidth by no more than a
//! quarter above it.

use std::time::Duration;

use super::observe::{Arrivals, Observer, Train};
use squall_backend::site::Direction;
use squall_fault::{LinkChange, node_name};

const SMALL: usize = 64;
const LARGE: usize = 1_000;
/// IP and UDP headers.
const HEADERS: u64 = 28;
const MILLISECOND: Duration = Duration::from_millis(1);
/// A link that works delivers within this time.
const WORKING: Duration = Duration::from_secs(3);
/// A machine that is not overwhelmed delivers the quickest of several packets sooner.
const SLACK_US: u64 = 15_000;
/// Silence where nothing can be compared with lasts this long.
const SILENCE: Duration = Duration::from_millis(100);

/// Every link delivers.
pub(super) async fn carries(observer: &Observer, ways: &[Direction]) -> Result<(), String> {
    let train = Train {
        packets: 5,
        bytes: SMALL,
        spacing: MILLISECOND * 2,
    };
    let all = |arrived: &[Arrivals]| arrived.iter().all(|way| way.count() > 0);
    let arrived = observer.send(ways, train, WORKING, all).await;
    match ways.iter().zip(&arrived).find(|(_, way)| way.count() == 0) {
        None => Ok(()),
        Some((way, _)) => Err(format!("{} carries nothing", name(*way))),
    }
}

/// No packet arrives over `cut`, while those that were sent over `open` at the same time do;
/// says so.
pub(super) async fn is_silent(
    observer: &Observer,
    cut: &[Direction],
    open: &[Direction],
) -> Result<String, String> {
    let train = Train {
        packets: 3,
        bytes: SMALL,
        spacing: MILLISECOND * 2,
    };
    let ways = [cut, open].concat();
    let compared = |arrived: &[Arrivals]| {
        !open.is_empty() && arrived[cut.len()..].iter().all(|way| way.count() > 0)
    };
    let limit = if open.is_empty() { SILENCE } else { WORKING };
    let arrived = observer.send(&ways, train, limit, compared).await;
    let (over_cut, over_open) = arrived.split_at(cut.len());
    if let Some((way, _)) = cut.iter().zip(over_cut).find(|(_, way)| way.count() > 0) {
        return Err(format!("{} still carries packets", name(*way)));
    }
    if let Some((way, _)) = open.iter().zip(over_open).find(|(_, way)| way.count() == 0) {
        return Err(format!("{} carries nothing, and should", name(*way)));
    }
    let names: Vec<String> = cut.iter().map(|way| name(*way)).collect();
    Ok(format!(
        "{} silent, {} other links carry",
        names.join(", "),
        open.len()
    ))
}

/// Every open link is as expected; what was measured. Loss and bandwidth are looked at on
/// `changed` alone.
pub(super) async fn measures(
    observer: &Observer,
    changed: &[Direction],
    expected: &[(Direction, LinkChange)],
) -> Result<String, String> {
    let mut measured = vec![latency(observer, expected).await?];
    let on_changed = expected.iter().filter(|(way, _)| changed.contains(way));
    let lossy: Vec<(Direction, u32)> = (on_changed.clone())
        .filter(|(_, change)| change.loss_ppm > 0)
        .map(|(way, change)| (*way, change.loss_ppm))
        .collect();
    if !lossy.is_empty() {
        measured.push(loss(observer, &lossy).await?);
    }
    let narrow: Vec<(Direction, u64)> = on_changed
        .filter(|(_, change)| change.loss_ppm == 0)
        .filter_map(|(way, change)| Some((*way, change.bandwidth_bytes_per_s?)))
        .collect();
    if !narrow.is_empty() {
        measured.push(bandwidth(observer, &narrow).await?);
    }
    measured.retain(|text| !text.is_empty());
    Ok(measured.join("; "))
}

/// The quickest of several packets took as long as the link adds, on each link.
async fn latency(
    observer: &Observer,
    expected: &[(Direction, LinkChange)],
) -> Result<String, String> {
    let train = Train {
        packets: 8,
        bytes: SMALL,
        spacing: MILLISECOND * 4,
    };
    let ways: Vec<Direction> = expected.iter().map(|(way, _)| *way).collect();
    let longest_us = (expected.iter())
        .map(|(_, change)| change.latency_us + change.jitter_us)
        .max();
    let limit = Duration::from_micros(longest_us.unwrap_or_default()) + WORKING / 6;
    let whole = |arrived: &[Arrivals]| arrived.iter().all(|way| way.count() == train.packets);
    let arrived = observer.send(&ways, train, limit, whole).await;
    let mut measured = Vec::new();
    for ((way, change), arrivals) in expected.iter().zip(&arrived) {
        let Some(least_us) = arrivals.least_us() else {
            // Lost, all of them; how much a link loses is looked at for itself.
            if change.loss_ppm == 0 {
                return Err(format!("{} carries nothing", name(*way)));
            }
            continue;
        };
        measured.push(format!("{} {}", name(*way), ms(least_us)));
        // Behind other traffic on a narrow link, a packet takes as long as that does.
        let most_us = match change.bandwidth_bytes_per_s {
            None => change.latency_us + change.jitter_us + SLACK_US,
            Some(_) => u64::MAX,
        };
        let least_expected_us = change.latency_us - change.latency_us / 50;
        if !(least_expected_us..=most_us).contains(&least_us) {
            return Err(format!(
                "{} takes {}, and {} were to be added",
                name(*way),
                ms(least_us),
                ms(change.latency_us)
            ));
        }
    }
    Ok(format!("one way {}", measured.join(", ")))
}

/// About as many packets are lost as should be.
async fn loss(observer: &Observer, lossy: &[(Direction, u32)]) -> Result<String, String> {
    let least_ppm = lossy
        .iter()
        .map(|(_, ppm)| *ppm)
        .min()
        .expect("there are some");
    // Enough that ten should be lost, as far as that can be had in a second.
    let packets = (10_000_000 / least_ppm).clamp(200, 2_000);
    let train = Train {
        packets,
        bytes: SMALL,
        spacing: Duration::from_micros(u64::from(500_000 / packets)),
    };
    let ways: Vec<Direction> = lossy.iter().map(|(way, _)| *way).collect();
    let arrived = observer.send(&ways, train, WORKING / 6, |_| false).await;
    let mut measured = Vec::new();
    for ((way, ppm), arrivals) in lossy.iter().zip(&arrived) {
        let lost = packets - arrivals.count();
        measured.push(format!("{} lost {lost} of {packets}", name(*way)));
        if !is_plausible(packets, lost, *ppm) {
            return Err(format!("{} lost {lost} of {packets} packets", name(*way)));
        }
    }
    Ok(measured.join(", "))
}

/// Whether `lost` of `packets` may be chance at a loss of `ppm`: within five standard
/// deviations of the binomial distribution, and one packet.
fn is_plausible(packets: u32, lost: u32, ppm: u32) -> bool {
    let (count, share) = (f64::from(packets), f64::from(ppm) / 1e6);
    let (mean, deviation) = (count * share, (count * share * (1.0 - share)).sqrt());
    let is_near = (f64::from(lost) - mean).abs() <= 5.0 * deviation + 1.0;
    is_near && (lost > 0 || mean < 5.0)
}

/// No more passes than may.
async fn bandwidth(observer: &Observer, narrow: &[(Direction, u64)]) -> Result<String, String> {
    let packet = LARGE as u64 + HEADERS;
    let least = narrow
        .iter()
        .map(|(_, rate)| *rate)
        .min()
        .expect("there are some");
    let most = narrow
        .iter()
        .map(|(_, rate)| *rate)
        .max()
        .expect("there are some");
    // A fifth of a second's worth.
    let packets = (most / 5 / packet).clamp(5, 200) as u32;
    let train = Train {
        packets,
        bytes: LARGE,
        spacing: Duration::ZERO,
    };
    let ways: Vec<Direction> = narrow.iter().map(|(way, _)| *way).collect();
    let usual_us = u64::from(packets) * packet * 1_000_000 / least.max(1);
    let limit = Duration::from_micros(4 * usual_us).min(WORKING * 3) + WORKING / 6;
    let whole = |arrived: &[Arrivals]| arrived.iter().all(|way| way.count() == packets);
    let arrived = observer.send(&ways, train, limit, whole).await;
    let mut carried = Vec::new();
    for ((way, rate), arrivals) in narrow.iter().zip(&arrived) {
        let bytes = u64::from(arrivals.count().saturating_sub(1)) * packet;
        let measured = bytes * 1_000_000 / arrivals.span_us.max(1);
        carried.push(format!("{} carried {measured} B/s", name(*way)));
        if arrivals.count() < 2 || measured > rate + rate / 4 {
            return Err(format!(
                "{} carried {measured} B/s, and {rate} B/s were to be the limit",
                name(*way)
            ));
        }
    }
    Ok(carried.join(", "))
}

fn name((from, to): Direction) -> String {
    format!("{}->{}", node_name(from), node_name(to))
}

fn ms(us: u64) -> String {
    format!("{:.2} ms", us as f64 / 1_000.0)
}

#[cfg(test)]
mod tests {
    use super::is_plausible;

    #[test]
    fn a_tenth_lost_is_about_twenty_of_two_hundred() {
        assert!(is_plausible(200, 20, 100_000));
        assert!(is_plausible(200, 35, 100_000));
        assert!(!is_plausible(200, 60, 100_000), "far too many");
        assert!(!is_plausible(200, 0, 100_000), "nothing is lost at all");
    }

    #[test]
    fn all_lost_is_all() {
        assert!(is_plausible(200, 200, 1_000_000));
        assert!(!is_plausible(200, 150, 1_000_000));
    }
}
