//! Figures beside targets, as text.

use crate::figures::Figures;
use crate::machine::Elapsed;
use crate::parts::{PEAK_TARGET_BYTES, Part, Target};

type Measured<'a> = [(&'a Part, Figures)];

/// Prints everything there is to say about what was measured.
pub fn print(measured: &Measured<'_>) {
    print_rates(measured);
    print_times(measured);
    print_targets(measured);
    print_rivals(measured);
}

fn per(amount: f64, seconds: f64) -> f64 {
    amount / seconds.max(1e-9)
}

fn print_rates(measured: &Measured<'_>) {
    println!();
    println!(
        "{:<20} {:>9} {:>8} {:>8} {:>9} {:>9} {:>9} {:>9} {:>11} {:>8} {:>8}",
        "part",
        "simulated",
        "wall",
        "cpu",
        "sim-s/s",
        "per cpu-s",
        "ops/s",
        "per cpu-s",
        "events",
        "checks",
        "peak"
    );
    for (part, f) in measured {
        let (wall_s, cpu_s) = (f.total.wall_s, f.total.cpu_s);
        let operations = f.operations as f64;
        println!(
            "{:<20} {:>7.1} s {:>6.2} s {:>6.2} s {:>9.1} {:>9.1} {:>9.0} {:>9.0} {:>11} {:>8} {:>5} MB",
            part.name,
            f.simulated_s(),
            wall_s,
            cpu_s,
            per(f.simulated_s(), wall_s),
            per(f.simulated_s(), cpu_s),
            per(operations, wall_s),
            per(operations, cpu_s),
            f.events,
            format!("{}/{}", f.checks_passed, f.checks),
            f.peak_bytes / 1_000_000,
        );
    }
}

/// Where the processor's time went.
fn print_times(measured: &Measured<'_>) {
    println!();
    println!(
        "{:<20} {:>9} {:>9} {:>9} {:>9} {:>11} {:>14}",
        "cpu time of", "simulate", "measure", "check", "report", "per event", "events/sim-s"
    );
    for (part, f) in measured.iter().filter(|(_, f)| f.events > 0) {
        let Elapsed { cpu_s: report, .. } = f.total - f.simulate - f.measure - f.check;
        println!(
            "{:<20} {:>7.2} s {:>7.2} s {:>7.2} s {:>7.2} s {:>8.0} ns {:>14.0}",
            part.name,
            f.simulate.cpu_s,
            f.measure.cpu_s,
            f.check.cpu_s,
            report,
            f.simulate.cpu_s * 1e9 / f.events as f64,
            per(f.events as f64, f.simulated_s()),
        );
    }
}

fn print_targets(measured: &Measured<'_>) {
    println!();
    println!(
        "{:<48} {:>10} {:>10} {:>7} {:>7}",
        "target", "wanted", "measured", "ratio", "by cpu"
    );
    for (part, f) in measured {
        let (what, wanted, amount) = match part.target {
            Some(Target::SimulatedSeconds(wanted)) => ("simulated s", wanted, f.simulated_s()),
            Some(Target::Operations(wanted)) => ("operations", wanted, f.operations as f64),
            None => continue,
        };
        let rate = per(amount, f.total.wall_s);
        println!(
            "{:<48} {wanted:>10.0} {rate:>10.0} {:>7.2} {:>7.2}",
            format!("{}: {what} per wall second", part.name),
            rate / wanted,
            per(amount, f.total.cpu_s) / wanted,
        );
    }
    let ours = measured.iter().filter(|(part, _)| part.rival.is_none());
    if let Some((part, f)) = ours.max_by_key(|(_, f)| f.peak_bytes) {
        println!(
            "{:<48} {:>10} {:>10} {:>7.2}",
            format!("{}: largest peak of memory, MB, at most", part.name),
            PEAK_TARGET_BYTES / 1_000_000,
            f.peak_bytes / 1_000_000,
            f.peak_bytes as f64 / PEAK_TARGET_BYTES as f64,
        );
    }
}

/// Our engine against classic `turmoil`: simulation only, because only that is the engine's.
fn print_rivals(measured: &Measured<'_>) {
    if measured.iter().all(|(part, _)| part.rival.is_none()) {
        return;
    }
    println!();
    println!(
        "{:<48} {:>10} {:>10} {:>7} {:>7}",
        "against classic turmoil 0.7.2, simulating only", "turmoil", "squall", "ratio", "by cpu"
    );
    for (part, classic) in measured {
        let ours = measured.iter().find(|(p, _)| part.rival == Some(p.name));
        let Some((rival, ours)) = ours else {
            continue;
        };
        let row = |what: &str, amount: fn(&Figures) -> f64| {
            let wall = |f: &Figures| per(amount(f), f.simulate.wall_s);
            let cpu = |f: &Figures| per(amount(f), f.simulate.cpu_s);
            println!(
                "{:<48} {:>10.1} {:>10.1} {:>7.2} {:>7.2}",
                format!("{}: {what} per wall second", rival.name),
                wall(classic),
                wall(ours),
                wall(ours) / wall(classic),
                cpu(ours) / cpu(classic),
            );
        };
        row("simulated s", Figures::simulated_s);
        row("operations", |f| f.operations as f64);
    }
}
