//! Lists against a model that is a vector for each key.

use super::generate::{LISTED, list_command};
use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

const KEYS: [&str; 3] = ["a", "b", "c"];

/// What keys hold: `None` is a string.
#[derive(Default)]
struct Model(BTreeMap<Bytes, Option<Vec<Bytes>>>);

impl Model {
    fn list(&self, key: &Bytes) -> Result<Vec<Bytes>, Refusal> {
        match self.0.get(key) {
            None => Ok(Vec::new()),
            Some(Some(list)) => Ok(list.clone()),
            Some(None) => Err(Refusal::WrongType),
        }
    }

    fn put(&mut self, key: &Bytes, list: Vec<Bytes>) {
        match list.is_empty() {
            true => self.0.remove(key),
            false => self.0.insert(key.clone(), Some(list)),
        };
    }

    fn run(&mut self, command: &ListCommand, index: u64) -> Result<Reply, Refusal> {
        Ok(match command {
            ListCommand::Push {
                key,
                values,
                end,
                if_present,
            } => {
                let mut list = self.list(key)?;
                if list.is_empty() && *if_present {
                    return Ok(Reply::Size(0));
                }
                for value in values {
                    add(&mut list, *end, value.clone());
                }
                let length = list.len() as u64;
                self.put(key, list);
                Reply::Size(length)
            }
            ListCommand::Pop { keys, end, count } => {
                for key in keys {
                    let mut list = self.list(key)?;
                    if list.is_empty() {
                        continue;
                    }
                    let mut values = Vec::new();
                    while (values.len() as u64) < *count && !list.is_empty() {
                        values.push(take_one(&mut list, *end));
                    }
                    self.put(key, list);
                    let key = key.clone();
                    return Ok(Reply::Popped(Some(Popped { key, values })));
                }
                Reply::Popped(None)
            }
            ListCommand::Move {
                from,
                to,
                take,
                put,
            } => {
                let mut source = self.list(from)?;
                if source.is_empty() {
                    return Ok(Reply::Popped(None));
                }
                self.list(to)?;
                let value = take_one(&mut source, *take);
                self.put(from, source);
                let mut target = self.list(to)?;
                add(&mut target, *put, value.clone());
                self.put(to, target);
                let (key, values) = (from.clone(), vec![value]);
                Reply::Popped(Some(Popped { key, values }))
            }
            ListCommand::Insert {
                key,
                before,
                pivot,
                value,
            } => {
                let mut list = self.list(key)?;
                let at = list.iter().position(|found| found == pivot);
                let length = match at {
                    None if list.is_empty() => 0,
                    None => -1,
                    Some(at) => {
                        list.insert(at + usize::from(!before), value.clone());
                        list.len() as i64
                    }
                };
                self.put(key, list);
                Reply::Integer {
                    value: length,
                    version: index,
                }
            }
            ListCommand::Set { key, index, value } => {
                let mut list = self.list(key)?;
                let length = list.len() as i64;
                if length == 0 {
                    return Err(Refusal::NoSuchKey);
                }
                let at = if *index < 0 { length + index } else { *index };
                if !(0..length).contains(&at) {
                    return Err(Refusal::NoSuchIndex);
                }
                list[at as usize] = value.clone();
                self.put(key, list);
                Reply::Done
            }
            ListCommand::Remove { key, count, value } => {
                let mut list = self.list(key)?;
                if *count < 0 {
                    list.reverse();
                }
                let mut left = match count {
                    0 => u64::MAX,
                    count => count.unsigned_abs(),
                };
                let before = list.len();
                list.retain(|found| {
                    let is_gone = found == value && left > 0;
                    left -= u64::from(is_gone);
                    !is_gone
                });
                let gone = before - list.len();
                if *count < 0 {
                    list.reverse();
                }
                self.put(key, list);
                Reply::Size(gone as u64)
            }
            ListCommand::Trim { key, first, last } => {
                let list = part(&self.list(key)?, *first, *last);
                if self.0.contains_key(key) {
                    self.put(key, list);
                }
                Reply::Done
            }
        })
    }
}

fn add(list: &mut Vec<Bytes>, end: End, value: Bytes) {
    match end {
        End::Left => list.insert(0, value),
        End::Right => list.push(value),
    }
}

fn take_one(list: &mut Vec<Bytes>, end: End) -> Bytes {
    match end {
        End::Left => list.remove(0),
        End::Right => list.remove(list.len() - 1),
    }
}

fn part(list: &[Bytes], first: i64, last: i64) -> Vec<Bytes> {
    let length = list.len() as i64;
    let from_left = |at: i64| if at < 0 { length + at } else { at };
    let positions = from_left(first)..=from_left(last);
    let wanted = list
        .iter()
        .zip(0..)
        .filter(|(_, at)| positions.contains(at));
    wanted.map(|(value, _)| value.clone()).collect()
}

/// A command for lists, or a string that takes a key.
fn step() -> impl Strategy<Value = Command> {
    let string = (0..KEYS.len()).prop_map(|at| Command::Cache(set(KEYS[at], "text")));
    let delete = (0..KEYS.len()).prop_map(|at| {
        let keys = bytes(&[KEYS[at]]);
        Command::Cache(CacheCommand::Delete { keys })
    });
    prop_oneof![
        30 => list_command(&KEYS).prop_map(Command::List),
        1 => string,
        2 => delete,
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn lists_do_what_vectors_do(
        steps in prop::collection::vec(step(), 1..80),
        first in -5..6_i64,
        last in -5..6_i64,
        rank in prop_oneof![-3..0_i64, 1..4_i64],
        count in 0..3_u64,
        most in 0..5_u64,
    ) {
        let mut bench = Bench::new();
        let mut model = Model::default();
        for step in steps {
            let index = bench.state.applied_index() + 1;
            let reply = bench.reply(step.clone());
            match &step {
                Command::List(command) => {
                    let expected = model.run(command, index).unwrap_or_else(Reply::Refused);
                    prop_assert_eq!(reply, expected, "{:?}", command);
                }
                Command::Cache(CacheCommand::Set { key, .. }) => {
                    model.0.insert(key.clone(), None);
                }
                Command::Cache(CacheCommand::Delete { keys }) => {
                    keys.iter().for_each(|key| drop(model.0.remove(key)));
                }
                other => unreachable!("{other:?} is no step"),
            }
        }
        prop_assert_eq!(bench.state.read(&Query::CacheSize), Reply::Size(model.0.len() as u64));
        for key in bytes(&KEYS) {
            let read = |query: Query| bench.state.read(&query);
            let Ok(list) = model.list(&key) else {
                prop_assert_eq!(read(Query::ListLength { key }), refused(Refusal::WrongType));
                continue;
            };
            let length = list.len() as u64;
            prop_assert_eq!(read(Query::ListLength { key: key.clone() }), Reply::Size(length));
            let range = Query::ListRange { key: key.clone(), first, last };
            prop_assert_eq!(read(range), Reply::Elements(part(&list, first, last)));
            let at = Query::ListIndex { key: key.clone(), index: first };
            let one = part(&list, first, first).into_iter().next();
            prop_assert_eq!(read(at), Reply::Text(one));
            let value = Bytes::from(LISTED[0]);
            let find = Query::ListFind { key, value: value.clone(), rank, count, most };
            let mut numbered: Vec<(u64, Bytes)> = (0..).zip(list).collect();
            if rank < 0 {
                numbered.reverse();
            }
            numbered.truncate(if most == 0 { usize::MAX } else { most as usize });
            let found = numbered.into_iter().filter(|(_, found)| *found == value);
            let found = found.skip(rank.unsigned_abs() as usize - 1).map(|(at, _)| at);
            let all = if count == 0 { usize::MAX } else { count as usize };
            prop_assert_eq!(read(find), Reply::Positions(found.take(all).collect()));
        }
    }
}
