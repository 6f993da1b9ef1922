//! `squall merge`: the shards of a sweep, as one.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::exit::Failure;
use super::sweep::{exit_code, for_machines, show, write_summary};
use super::sweep_args::MergeArgs;
use super::tell;
use crate::sweep::failures::{dir_name, failure_path, kept};
use crate::sweep::result::Results;
use crate::sweep::store;
use crate::sweep::{Shard, Spec, Summary, Wall};

pub(super) fn merge(args: &MergeArgs) -> Result<u8, Failure> {
    let shards = read(&args.shards)?;
    let spec = whole(&shards)?;
    let mut results = Results::new();
    for shard in shards.values() {
        results.extend(shard.results.clone());
    }
    make_room(&args.out)?;
    store::write(&args.out, &spec, &results)?;
    let kept = kept(results.values(), args.keep);
    for shard in shards.values() {
        let names = shard
            .results
            .keys()
            .map(|(scenario, seed)| (scenario, *seed));
        let names = names.filter(|(scenario, seed)| kept.contains(&dir_name(scenario, *seed)));
        for (scenario, seed) in names {
            let name = failure_path(scenario, seed);
            copy(&shard.dir.join(&name), &args.out.join(&name))?;
        }
    }
    let summary = Summary::of(&spec, &results, args.keep, Wall::default());
    write_summary(&args.out, &summary, &results)?;
    let is_whole = summary.sweep.done == summary.sweep.planned;
    for_machines(&args.machines, &summary, &results, is_whole)?;
    show(args.format, &summary, &args.out);
    Ok(exit_code(&summary, is_whole))
}

struct Part {
    dir: PathBuf,
    spec: Spec,
    results: Results,
}

fn read(dirs: &[PathBuf]) -> Result<BTreeMap<Shard, Part>, Failure> {
    let mut parts: BTreeMap<Shard, Part> = BTreeMap::new();
    for dir in dirs {
        let (spec, results) = store::read(dir)?;
        if let Some(other) = parts.get(&spec.shard) {
            return Err(Failure::usage(format!(
                "{} and {} are both shard {}",
                other.dir.display(),
                dir.display(),
                spec.shard
            )));
        }
        let dir = dir.clone();
        parts.insert(spec.shard, Part { dir, spec, results });
    }
    Ok(parts)
}

/// The sweep that all are parts of.
fn whole(parts: &BTreeMap<Shard, Part>) -> Result<Spec, Failure> {
    let as_whole = |part: &Part| Spec {
        shard: Shard::WHOLE,
        ..part.spec.clone()
    };
    let (first_shard, first) = parts.first_key_value().expect("at least one is named");
    let whole = as_whole(first);
    for (shard, part) in parts {
        let place = part.dir.display();
        if shard.of != first_shard.of {
            let message = format!(
                "{place} is shard {shard}, {} {first_shard}",
                first.dir.display()
            );
            return Err(Failure::usage(message));
        }
        as_whole(part).must_match(&whole).map_err(|difference| {
            let first = first.dir.display();
            Failure::usage(format!(
                "{place} is of another sweep than {first}: {difference}"
            ))
        })?;
        for difference in first.spec.environment.differences(&part.spec.environment) {
            tell(&format!(
                "warning: {place} was made by another program: {difference}"
            ));
        }
        let (done, planned) = (part.results.len() as u64, part.spec.planned());
        if done < planned {
            tell(&format!(
                "warning: {place} has done {done} of {planned} runs"
            ));
        }
    }
    let missing = (1..=first_shard.of).filter(|part| !parts.keys().any(|s| s.part == *part));
    let missing: Vec<String> = missing.map(|part| part.to_string()).collect();
    if !missing.is_empty() {
        let missing = missing.join(", ");
        tell(&format!(
            "warning: of {} shards, {missing} is not there",
            first_shard.of
        ));
    }
    Ok(whole)
}

/// A new or empty directory, as nothing that exists is to be mixed with the result.
fn make_room(out: &Path) -> Result<(), Failure> {
    let at = |e| Failure::at(out, &e);
    fs::create_dir_all(out).map_err(at)?;
    match fs::read_dir(out).map_err(at)?.next() {
        None => Ok(()),
        Some(_) => Err(Failure::usage(format!("{}: is not empty", out.display()))),
    }
}

fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    let at = |e| Failure::at(from, &e);
    if !from.is_dir() {
        // Its shard kept fewer, as its options say.
        return Ok(());
    }
    fs::create_dir_all(to).map_err(at)?;
    for entry in fs::read_dir(from).map_err(at)? {
        let entry = entry.map_err(at)?;
        let target = to.join(entry.file_name());
        match entry.file_type().map_err(at)?.is_dir() {
            true => copy(&entry.path(), &target)?,
            false => {
                fs::copy(entry.path(), &target).map_err(at)?;
            }
        }
    }
    Ok(())
}
