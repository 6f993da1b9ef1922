//! `[[swarm]]`: values of a scenario drawn from the seed.
//!
//! One configuration hides what another shows (swarm testing: Groce et al., "Swarm testing",
//! ISSTA 2012). So a file may leave values to the seed: `set` is a table of the same shape as
//! the scenario, in which a value may be `{ one_of = [...] }` or `{ between = [least, most] }`,
//! and `chance` says in how many of the seeds the table counts at all. What is drawn is put
//! into the scenario as `--set` would put it, below the overrides, so that it can be written
//! down, taken over and shrunk like them.
//!
//! Every path draws from a stream of its own: one more value to draw changes no other.

use std::ops::Range;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::source::Problem;
use super::unit::{Bandwidth, Drift, Duration, Offset, Rate, Share, Size};
use crate::plan::Seed;

const SWARM: &str = "swarm";
const ONE_OF: &str = "one_of";
const BETWEEN: &str = "between";
const CERTAIN: u32 = 1_000_000;

/// One table of the list.
pub(super) struct Entry<'s> {
    /// In how many of the seeds it counts, parts per million.
    chance_ppm: u32,
    set: Spanned<DeValue<'s>>,
}

/// Takes the list out of `document`; empty if there is none.
pub(super) fn take<'s>(document: &mut DeTable<'s>) -> Result<Vec<Entry<'s>>, Problem> {
    let Some(list) = document.remove(SWARM) else {
        return Ok(Vec::new());
    };
    let span = list.span();
    let DeValue::Array(list) = list.into_inner() else {
        return Err(Problem::new(span, "expected [[swarm]] tables"));
    };
    list.into_iter().map(entry).collect()
}

fn entry(element: Spanned<DeValue<'_>>) -> Result<Entry<'_>, Problem> {
    let span = element.span();
    let DeValue::Table(mut table) = element.into_inner() else {
        return Err(Problem::new(span, "expected [[swarm]] tables"));
    };
    let chance_ppm = match table.remove("chance") {
        None => CERTAIN,
        Some(chance) => {
            let parsed = match chance.get_ref() {
                DeValue::String(text) => text.parse::<Share>(),
                _ => Err("expected a share such as \"80%\"".to_owned()),
            };
            parsed.map_err(|why| Problem::new(chance.span(), why))?.0
        }
    };
    let Some(set) = table.remove("set") else {
        return Err(Problem::new(span, "missing field `set` of the swarm"));
    };
    if let Some((key, _)) = table.into_iter().next() {
        let unknown = key.get_ref();
        let message = format!("unknown field `{unknown}`, expected one of `chance`, `set`");
        return Err(Problem::new(key.span(), message));
    }
    check_table(&set)?;
    Ok(Entry { chance_ppm, set })
}

/// What is put at the top of a scenario is a table, or one of several.
fn check_table(set: &Spanned<DeValue<'_>>) -> Result<(), Problem> {
    let DeValue::Table(table) = set.get_ref() else {
        return Err(Problem::new(set.span(), "`set` of a swarm is a table"));
    };
    match choice(table, set.span())? {
        Some(Choice::OneOf(values)) => values.into_iter().try_for_each(check_table),
        Some(Choice::Between(_)) => Err(Problem::new(set.span(), "`set` of a swarm is a table")),
        None => check(table),
    }
}

/// Refuses choices without values and bounds that make none, whatever a seed draws.
fn check(table: &DeTable<'_>) -> Result<(), Problem> {
    table.values().try_for_each(check_value)
}

fn check_value(value: &Spanned<DeValue<'_>>) -> Result<(), Problem> {
    let DeValue::Table(table) = value.get_ref() else {
        return Ok(());
    };
    match choice(table, value.span())? {
        Some(Choice::OneOf(values)) => values.into_iter().try_for_each(check_value),
        Some(Choice::Between(_)) => Ok(()),
        None => check(table),
    }
}

/// What each key is in a scenario with this seed: paths and values as `--set` takes them.
pub(super) fn draw(entries: &[Entry<'_>], seed: Seed) -> Result<Vec<(String, String)>, Problem> {
    let seed = seed.fork(SWARM);
    let mut drawn = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        let seed = seed.fork(&index.to_string());
        if seed.rng().random_range(0..CERTAIN) < entry.chance_ppm {
            draw_value(&entry.set, "", seed, &mut drawn)?;
        }
    }
    Ok(drawn)
}

fn draw_table(
    table: &DeTable<'_>,
    path: &str,
    seed: Seed,
    drawn: &mut Vec<(String, String)>,
) -> Result<(), Problem> {
    for (key, value) in table {
        let path = match path {
            "" => key.get_ref().to_string(),
            path => format!("{path}.{}", key.get_ref()),
        };
        draw_value(value, &path, seed, drawn)?;
    }
    Ok(())
}

fn draw_value(
    value: &Spanned<DeValue<'_>>,
    path: &str,
    seed: Seed,
    drawn: &mut Vec<(String, String)>,
) -> Result<(), Problem> {
    let DeValue::Table(table) = value.get_ref() else {
        drawn.push((path.to_owned(), override_text(value.get_ref())));
        return Ok(());
    };
    let mut rng = seed.fork(path).rng();
    match choice(table, value.span())? {
        None => draw_table(table, path, seed, drawn),
        Some(Choice::OneOf(values)) => {
            let chosen = &values[rng.random_range(0..values.len())];
            draw_value(chosen, path, seed.fork(ONE_OF), drawn)
        }
        Some(Choice::Between(bounds)) => {
            drawn.push((path.to_owned(), bounds.draw(&mut rng)));
            Ok(())
        }
    }
}

/// A value that is left to the seed.
enum Choice<'v, 's> {
    OneOf(Vec<&'v Spanned<DeValue<'s>>>),
    Between(Between),
}

/// The choice that a table stands for, if it stands for one.
fn choice<'v, 's>(
    table: &'v DeTable<'s>,
    span: Range<usize>,
) -> Result<Option<Choice<'v, 's>>, Problem> {
    let named = [ONE_OF, BETWEEN]
        .into_iter()
        .find(|key| table.contains_key(*key));
    let Some(key) = named else { return Ok(None) };
    if table.len() > 1 {
        let message = format!("`{key}` stands alone in its table");
        return Err(Problem::new(span, message));
    }
    let value = &table[key];
    let list = value.get_ref().as_array();
    let list: Vec<_> = list.into_iter().flatten().collect();
    if key == ONE_OF {
        return match list.is_empty() {
            true => Err(Problem::new(value.span(), "`one_of` is a list of values")),
            false => Ok(Some(Choice::OneOf(list))),
        };
    }
    let [least, most] = list[..] else {
        let message = "`between` is a list of the least and the most";
        return Err(Problem::new(value.span(), message));
    };
    let ends = [least.get_ref(), most.get_ref()];
    let between = Between::of(ends).map_err(|why| Problem::new(value.span(), why))?;
    Ok(Some(Choice::Between(between)))
}

/// Two bounds of one kind.
struct Between {
    least: i128,
    most: i128,
    /// The number in the kind's own text.
    text: fn(i128) -> String,
}

impl Between {
    fn of(ends: [&DeValue<'_>; 2]) -> Result<Self, String> {
        let texts = ends.map(|end| match end {
            DeValue::String(text) => Some(text.as_ref()),
            DeValue::Integer(number) => Some(number.as_str()),
            _ => None,
        });
        let [Some(least), Some(most)] = texts else {
            return Err("`between` is of two whole numbers or two quantities".to_owned());
        };
        let bounds = KINDS.iter().find_map(|(read, text)| {
            let (least, most) = (read(least)?, read(most)?);
            Some(Between {
                least,
                most,
                text: *text,
            })
        });
        match bounds {
            None => Err(format!("`{least}` and `{most}` are not of one kind")),
            Some(bounds) if bounds.least > bounds.most => {
                Err(format!("least {least} is above most {most}"))
            }
            Some(bounds) => Ok(bounds),
        }
    }

    /// Every order of magnitude alike: first a doubling between the bounds, then a number of
    /// it. Where there are negative numbers, every number alike.
    fn draw(&self, rng: &mut ChaCha8Rng) -> String {
        let (least, most) = (self.least, self.most);
        let (from, to) = match least < 0 {
            true => (least, most),
            false => {
                let mut doublings = vec![least];
                while let Some(last) = doublings.last().copied().filter(|last| *last < most) {
                    doublings.push((last * 2).max(1).min(most));
                }
                let number = rng.random_range(0..doublings.len().max(2) - 1);
                let to = doublings.get(number + 1);
                (doublings[number], to.copied().unwrap_or(most))
            }
        };
        (self.text)(rng.random_range(from..=to))
    }
}

type Read = fn(&str) -> Option<i128>;
type Written = fn(i128) -> String;

/// Reads whole milliseconds, which is what most keys take; times in microseconds are finer.
fn milliseconds(text: &str) -> Option<i128> {
    let time = text.parse::<Duration>().ok()?;
    (time.us() % 1_000 == 0 && !text.ends_with("us")).then(|| i128::from(time.ms()))
}

fn read<Q: std::str::FromStr, N: From<Q> + Into<i128>>(text: &str) -> Option<i128> {
    Some(N::from(text.parse::<Q>().ok()?).into())
}

fn unsigned(number: i128) -> u64 {
    u64::try_from(number).expect("it is between two of them")
}

/// What can be drawn between two ends, the first kind that both are of.
const KINDS: [(Read, Written); 9] = [
    (|text| text.parse().ok(), |number| number.to_string()),
    (milliseconds, |ms| {
        Duration(unsigned(ms) * 1_000).to_string()
    }),
    (read::<Duration, u64>, |us| {
        Duration(unsigned(us)).to_string()
    }),
    (read::<Share, u32>, |ppm| {
        Share(unsigned(ppm) as u32).to_string()
    }),
    (read::<Size, u64>, |bytes| Size(unsigned(bytes)).to_string()),
    (read::<Bandwidth, u64>, |bytes| {
        Bandwidth(unsigned(bytes)).to_string()
    }),
    (read::<Rate, u64>, |an_hour| {
        Rate(unsigned(an_hour)).to_string()
    }),
    (read::<Offset, i64>, |us| Offset(us as i64).to_string()),
    (read::<Drift, i32>, |ppm| Drift(ppm as i32).to_string()),
];

/// The value as an override says it: a string that is no TOML needs no quotes.
fn override_text(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) if DeValue::parse(text).is_err() => text.to_string(),
        value => text(value),
    }
}

/// The value as TOML in one line.
fn text(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => toml::Value::String(text.to_string()).to_string(),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(is_so) => is_so.to_string(),
        DeValue::Datetime(moment) => moment.to_string(),
        DeValue::Array(list) => {
            let list: Vec<String> = list.iter().map(|value| text(value.get_ref())).collect();
            format!("[{}]", list.join(", "))
        }
        DeValue::Table(table) => {
            let pairs = table
                .iter()
                .map(|(key, value)| format!("{} = {}", key.get_ref(), text(value.get_ref())));
            format!("{{ {} }}", pairs.collect::<Vec<_>>().join(", "))
        }
    }
}
