//! Translates the functions of a foreign history into calls of each model.
//!
//! Every record becomes a call with its answer and a call without one, for prefixes that end
//! before the answer. A read without an answer tells nothing; a write that failed has no
//! effect. What a compare-and-set or a release that failed without an error means is for
//! [`Fail`]: it never happened, or the object answered no.

use std::rc::Rc;

use indexmap::{IndexMap, IndexSet};

use super::edn::Datum;
use super::object::{Calls, Decide, Object, Recorded};
use super::records::{Completion, Record, Records};
use super::{Fail, InputError, Model};
use crate::linearizability::models::counter::{Counter, CounterCall, out_of_bounds};
use crate::linearizability::models::kv::{Kv, KvCall};
use crate::linearizability::models::lock::{Lock, LockCall};
use crate::linearizability::models::queue::{Queue, QueueCall};
use crate::linearizability::models::register::{Register, RegisterCall};
use crate::linearizability::zones::{self, Conflict};
use crate::linearizability::{Call, Specification};

/// The objects of the history, each with its calls.
///
/// # Errors
/// An operation that the model does not have, with its line.
pub(super) fn objects(
    records: &Records,
    model: Model,
    fail: Fail,
) -> Result<Vec<Box<dyn Object + '_>>, InputError> {
    let mut values = Values::default();
    match model {
        Model::Register => {
            let initial = values.symbol(&Datum::Nil);
            let meaning = |record: &Record| register(record, &mut values, fail);
            apart(
                records,
                model,
                meaning,
                move || Register { initial },
                move || Box::new(move |calls| zones::decide(initial, calls)),
            )
        }
        Model::Kv => {
            let meaning = |record: &Record| kv(record, &mut values);
            let calls = grouped(records, model, meaning)?;
            Ok(kv_objects(calls, records, &values))
        }
        Model::Lock => {
            let meaning = |record: &Record| lock(record, &mut values, fail);
            apart(
                records,
                model,
                meaning,
                || Lock { leases: false },
                undecided,
            )
        }
        Model::Queue => {
            let meaning = |record: &Record| queue(record, &mut values);
            apart(records, model, meaning, || Queue, undecided)
        }
        Model::Counter => apart(records, model, counter, || Counter, || Box::new(bounded)),
        Model::Set | Model::TotalQueue => unreachable!("they are judged by their elements"),
    }
}

/// A call with its answer, and while it has none.
type Meaning<O> = (Option<O>, Option<O>);

/// Numbers for values.
#[derive(Default)]
struct Values(IndexSet<Datum>);

impl Values {
    fn symbol(&mut self, datum: &Datum) -> u32 {
        let (place, _) = self.0.insert_full(datum.clone());
        u32::try_from(place).expect("a history is bounded far below")
    }
}

/// Calls by object, in order of appearance.
fn grouped<O>(
    records: &Records,
    model: Model,
    mut meaning: impl FnMut(&Record) -> Result<Meaning<O>, String>,
) -> Result<IndexMap<String, Vec<Recorded<O>>>, InputError> {
    let mut objects: IndexMap<String, Vec<Recorded<O>>> = IndexMap::new();
    for (number, record) in records.records.iter().enumerate() {
        let (answered, pending) = meaning(record).map_err(|what| InputError::Line {
            line: record.line,
            what,
        })?;
        let name = match &record.key {
            None => format!("the {}", model.noun()),
            Some(key) => format!("{} {key}", model.noun()),
        };
        let returned = record
            .returned
            .filter(|_| record.completion != Completion::Unknown);
        objects.entry(name).or_default().push(Recorded {
            answered,
            pending,
            invoked: record.invoked,
            returned,
            record: number,
        });
    }
    Ok(objects)
}

/// Reads of a counter that the sums exclude; the search decides about the others.
fn bounded(calls: &[Call<CounterCall>]) -> Option<Result<(), Conflict>> {
    let wrong = out_of_bounds(calls);
    (!wrong.is_empty()).then_some(Err(Conflict {
        what: "no sum of the adds was read",
        calls: wrong,
    }))
}

/// What a counter was asked, and how many reads no sum of the adds explains: the errors of
/// Jepsen's `counter`.
pub(super) fn counter_counts(records: &Records) -> Vec<(&'static str, u64)> {
    let mut objects: IndexMap<Option<&Datum>, Vec<Call<CounterCall>>> = IndexMap::new();
    let (mut attempted, mut acknowledged, mut reads) = (0, 0, 0);
    for record in &records.records {
        let Ok((answered, pending)) = counter(record) else {
            continue;
        };
        attempted += u64::from(&*record.function != "read");
        match answered {
            Some(CounterCall::Read(_)) => reads += 1,
            Some(CounterCall::Add { .. }) => acknowledged += 1,
            None => {}
        }
        let returned = record.returned.filter(|_| answered.is_some());
        let operation = match record.completion {
            Completion::Unknown => pending,
            Completion::Ok(_) | Completion::Fail { .. } => answered,
        };
        if let Some(operation) = operation {
            objects.entry(record.key.as_ref()).or_default().push(Call {
                operation,
                invoked: record.invoked,
                returned,
            });
        }
    }
    let errors = objects
        .values()
        .map(|calls| out_of_bounds(calls).len() as u64);
    vec![
        ("adds attempted", attempted),
        ("acknowledged", acknowledged),
        ("reads", reads),
        ("reads out of bounds", errors.sum()),
    ]
}

/// Leaves every decision to the search.
fn undecided<O>() -> Decide<O> {
    Box::new(|_| None)
}

fn apart<'r, S>(
    records: &'r Records,
    model: Model,
    meaning: impl FnMut(&Record) -> Result<Meaning<S::Operation>, String>,
    specification: impl Fn() -> S + Clone + 'static,
    decide: impl Fn() -> Decide<S::Operation>,
) -> Result<Vec<Box<dyn Object + 'r>>, InputError>
where
    S: Specification<Operation: Clone + 'static> + 'static,
{
    let objects = grouped(records, model, meaning)?.into_iter();
    let objects = objects.map(|(name, recorded)| -> Box<dyn Object + 'r> {
        Box::new(Calls {
            name,
            records,
            recorded,
            specification: Box::new(specification.clone()),
            decide: decide(),
        })
    });
    Ok(objects.collect())
}

/// `answer` if it was acknowledged; `otherwise` says what of the rest.
fn write<O: Clone>(record: &Record, call: O) -> Meaning<O> {
    let answered = match record.completion {
        Completion::Ok(_) => Some(call.clone()),
        Completion::Fail { .. } | Completion::Unknown => None,
    };
    (answered, Some(call))
}

fn unknown_function(record: &Record, known: &str) -> String {
    format!(
        "unknown function :{}; this model has {known}",
        record.function
    )
}

fn register(
    record: &Record,
    values: &mut Values,
    fail: Fail,
) -> Result<Meaning<RegisterCall>, String> {
    Ok(match &*record.function {
        "read" => match &record.completion {
            Completion::Ok(value) => (Some(RegisterCall::Read(values.symbol(value))), None),
            Completion::Fail { .. } | Completion::Unknown => (None, None),
        },
        "write" => write(record, RegisterCall::Write(values.symbol(&record.asked))),
        "cas" => {
            let Datum::List(pair) = &record.asked else {
                return Err("a cas needs [OLD NEW]".into());
            };
            let [old, new] = &**pair else {
                return Err("a cas needs [OLD NEW]".into());
            };
            let (old, new) = (values.symbol(old), values.symbol(new));
            let swap = RegisterCall::Swap { old, new };
            match record.completion {
                Completion::Fail { error: false } if fail == Fail::Compared => {
                    (Some(RegisterCall::Mismatch { old }), Some(swap))
                }
                _ => write(record, swap),
            }
        }
        _ => return Err(unknown_function(record, ":read, :write, :cas")),
    })
}

/// The text of a value: a string's own, nothing for nil.
fn text(datum: &Datum) -> Datum {
    match datum {
        Datum::Text(_) => datum.clone(),
        Datum::Nil => Datum::Text("".into()),
        other => Datum::Text(other.to_string().into()),
    }
}

fn kv(record: &Record, values: &mut Values) -> Result<Meaning<KvCall>, String> {
    let asked = text(&record.asked);
    Ok(match &*record.function {
        "get" | "read" => match &record.completion {
            Completion::Ok(value) => (Some(KvCall::Get(values.symbol(&text(value)))), None),
            Completion::Fail { .. } | Completion::Unknown => (None, None),
        },
        "put" | "write" => write(record, KvCall::Put(values.symbol(&asked))),
        "append" => write(record, KvCall::Append(values.symbol(&asked))),
        _ => return Err(unknown_function(record, ":get, :put, :append")),
    })
}

/// Each key gets only the texts that its own calls name.
fn kv_objects<'r>(
    calls: IndexMap<String, Vec<Recorded<KvCall>>>,
    records: &'r Records,
    values: &Values,
) -> Vec<Box<dyn Object + 'r>> {
    let objects = calls.into_iter().map(|(name, mut recorded)| {
        let mut own: IndexSet<u32> = IndexSet::new();
        for recorded in &mut recorded {
            for call in [&mut recorded.answered, &mut recorded.pending] {
                if let Some(KvCall::Get(text) | KvCall::Put(text) | KvCall::Append(text)) = call {
                    let (place, _) = own.insert_full(*text);
                    *text = u32::try_from(place).expect("fewer than all values");
                }
            }
        }
        let texts = own.iter().map(|&symbol| match &values.0[symbol as usize] {
            Datum::Text(text) => Box::from(&**text),
            other => unreachable!("keys have texts, not {other}"),
        });
        let texts: Rc<[Box<str>]> = texts.collect();
        let object: Box<dyn Object + 'r> = Box::new(Calls {
            name,
            records,
            recorded,
            decide: Box::new({
                let empty = texts.iter().position(|text| text.is_empty());
                let empty = empty.unwrap_or(texts.len()) as u32;
                move |calls| zones::decide(empty, &without_appends(calls)?)
            }),
            specification: Box::new(move || Kv::new(texts.to_vec())),
        });
        object
    });
    objects.collect()
}

/// The calls on a key as those on a register; `None` if anything is appended.
fn without_appends(calls: &[Call<KvCall>]) -> Option<Vec<Call<RegisterCall>>> {
    let call = |call: &Call<KvCall>| {
        let operation = match call.operation {
            KvCall::Get(text) => RegisterCall::Read(text),
            KvCall::Put(text) => RegisterCall::Write(text),
            KvCall::Append(_) => return None,
        };
        Some(Call {
            operation,
            invoked: call.invoked,
            returned: call.returned,
        })
    };
    calls.iter().map(call).collect()
}

/// A token given as a number, or in a map.
fn token(datum: &Datum) -> Result<Option<u64>, String> {
    match datum.get("token").unwrap_or(datum) {
        Datum::Int(token) => match u64::try_from(*token) {
            Ok(token) => Ok(Some(token)),
            Err(_) => Err(format!("a token is not negative: {token}")),
        },
        _ => Ok(None),
    }
}

fn lock(record: &Record, values: &mut Values, fail: Fail) -> Result<Meaning<LockCall>, String> {
    let owner = u64::from(values.symbol(&Datum::Text(record.client.clone())));
    let shared = matches!(record.asked.get("shared"), Some(Datum::Bool(true)));
    let grant = |token| LockCall::Grant {
        owner,
        shared: shared || &*record.function == "acquire-shared",
        token,
    };
    Ok(match &*record.function {
        "acquire" | "acquire-shared" => match &record.completion {
            Completion::Ok(answer) => (Some(grant(token(answer)?)), Some(grant(None))),
            Completion::Fail { .. } | Completion::Unknown => (None, Some(grant(None))),
        },
        "release" => {
            let token = token(&record.asked)?;
            let release = LockCall::Release { owner, token };
            match record.completion {
                Completion::Fail { error: false } if fail == Fail::Compared => {
                    (Some(LockCall::NotHeld { owner, token }), Some(release))
                }
                _ => write(record, release),
            }
        }
        "check" => match (&record.completion, token(&record.asked)?) {
            (_, None) => return Err("a check needs a token".into()),
            (Completion::Ok(_), Some(token)) => {
                let accepted = LockCall::Accepted { token };
                (Some(accepted), Some(accepted))
            }
            (_, Some(token)) => (None, Some(LockCall::Accepted { token })),
        },
        _ => {
            let known = ":acquire, :acquire-shared, :release, :check";
            return Err(unknown_function(record, known));
        }
    })
}

fn queue(record: &Record, values: &mut Values) -> Result<Meaning<QueueCall>, String> {
    Ok(match &*record.function {
        "enqueue" => write(record, QueueCall::Enqueue(values.symbol(&record.asked))),
        "dequeue" => {
            let answered = match &record.completion {
                Completion::Ok(Datum::Nil) => Some(QueueCall::Dequeue(None)),
                Completion::Ok(value) => Some(QueueCall::Dequeue(Some(values.symbol(value)))),
                Completion::Fail { .. } | Completion::Unknown => None,
            };
            (answered, Some(QueueCall::LostDequeue))
        }
        _ => return Err(unknown_function(record, ":enqueue, :dequeue")),
    })
}

fn counter(record: &Record) -> Result<Meaning<CounterCall>, String> {
    let int = |datum: &Datum| match datum {
        Datum::Int(value) => Ok(*value),
        other => Err(format!("{other} is no number of a counter")),
    };
    Ok(match &*record.function {
        "read" => match &record.completion {
            Completion::Ok(value) => (Some(CounterCall::Read(int(value)?)), None),
            Completion::Fail { .. } | Completion::Unknown => (None, None),
        },
        "add" => {
            let by = int(&record.asked)?;
            write(record, CounterCall::Add { by, sum: None })
        }
        "add-and-get" => {
            let by = int(&record.asked)?;
            let blind = CounterCall::Add { by, sum: None };
            match &record.completion {
                Completion::Ok(sum) => {
                    let sum = Some(int(sum)?);
                    (Some(CounterCall::Add { by, sum }), Some(blind))
                }
                _ => write(record, blind),
            }
        }
        _ => return Err(unknown_function(record, ":read, :add, :add-and-get")),
    })
}
