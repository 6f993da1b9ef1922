//! Our own histories: the operations of one service, judged as its model has them.
//!
//! Cache keys for the models register, kv and counter (a key is all three: it has versions,
//! strings and increments), locks by session for lock, and queues for queue. Judged by
//! log indexes first, and by search where these do not decide; the search also finds the
//! best order of what is wrong.

use std::rc::Rc;

use super::object::{Explanation, Finding, Object, found};
use super::shown::Shown;
use super::{Limits, Model};
use crate::linearizability::{Bounds, Verdict};
use crate::log_order::{Answer, lock, queue};
use crate::view::{View, certain};
use crate::{cache_linearizable, cache_versions, words};
use squall_history::{Operation, Service, dead_lettered_from};

/// The objects of the model's service, and what was left out.
pub(super) fn objects<'v>(
    view: &'v View<'v>,
    model: Model,
) -> (Vec<Box<dyn Object + 'v>>, Vec<String>) {
    let mut left_out = Vec::new();
    let Some(service) = service(model) else {
        return (Vec::new(), left_out);
    };
    let named: Vec<(String, Vec<usize>)> = match service {
        Service::Cache => {
            let keys = view.keys.iter();
            keys.map(|(key, list)| (format!("key {key}"), list.clone()))
                .collect()
        }
        Service::Lock => {
            let locks = lock::objects(&view.operations).into_iter();
            locks
                .map(|(name, list)| (format!("lock {name}"), list))
                .collect()
        }
        Service::Queue => {
            let queues = queue::objects(&view.operations).into_iter();
            let (dead, alive): (Vec<_>, Vec<_>) =
                queues.partition(|(name, _)| dead_lettered_from(name).is_some());
            if !dead.is_empty() {
                let count = dead.len();
                left_out.push(format!(
                    "{count} dead-letter queues, to which no client publishes"
                ));
            }
            let alive = alive.into_iter();
            alive
                .map(|(name, list)| (format!("queue {name}"), list))
                .collect()
        }
        Service::Own(_) => unreachable!("{NO_MODEL}"),
    };
    let objects = named.into_iter().map(|(name, indexes)| {
        let object: Box<dyn Object + 'v> = Box::new(Ours {
            name,
            service,
            operations: &view.operations,
            indexes,
        });
        object
    });
    (objects.collect(), left_out)
}

const NO_MODEL: &str = "every model is that of a service that ships";

/// No service of ours is a set.
fn service(model: Model) -> Option<Service> {
    Some(match model {
        Model::Register | Model::Kv | Model::Counter => Service::Cache,
        Model::Lock => Service::Lock,
        Model::Queue => Service::Queue,
        Model::Set | Model::TotalQueue => return None,
    })
}

struct Ours<'v> {
    name: String,
    service: Service,
    operations: &'v [Operation<'v>],
    /// Of the object, in order of invocation.
    indexes: Vec<usize>,
}

impl<'v> Ours<'v> {
    /// The object's operations as they stood at position `cut`.
    fn before(&self, cut: usize) -> Vec<Operation<'v>> {
        let operations = self.indexes.iter().map(|&index| &self.operations[index]);
        let begun = operations.take_while(|operation| operation.invoke_pos < cut);
        begun
            .map(|operation| match operation.return_pos {
                Some(position) if position < cut => operation.clone(),
                _ => Operation {
                    outcome: None,
                    return_pos: None,
                    returned_us: None,
                    ..operation.clone()
                },
            })
            .collect()
    }

    fn search(&self, operations: &[Operation], limits: &Limits) -> Option<Verdict> {
        let all: Vec<usize> = (0..operations.len()).collect();
        let bounds: Bounds = limits.bounds(all.len());
        let stop = limits.interrupted;
        match self.service {
            Service::Cache => Some(cache_linearizable::search(operations, &all, bounds, stop)),
            Service::Lock => Some(lock::search(operations, &all, bounds, stop)),
            Service::Queue => queue::search(operations, &all, bounds, stop),
            Service::Own(_) => unreachable!("{NO_MODEL}"),
        }
    }
}

impl Object for Ours<'_> {
    fn name(&self) -> &str {
        &self.name
    }

    fn judge(&self, cut: usize, limits: &Limits) -> Finding {
        let operations = self.before(cut);
        let all: Vec<usize> = (0..operations.len()).collect();
        let answer = match self.service {
            _ if limits.search_only => Answer::NotApplicable,
            Service::Cache => cache_versions::judge(&operations, &all),
            Service::Lock => lock::judge(&operations, &all),
            Service::Queue => queue::judge(&operations, &all),
            Service::Own(_) => unreachable!("{NO_MODEL}"),
        };
        match answer {
            Answer::Linearizable => Finding::Right,
            Answer::Violation(what, shown) => Finding::Wrong(Explanation {
                what: Some(what),
                shown,
                stuck: None,
            }),
            Answer::NotApplicable => match self.search(&operations, limits) {
                Some(verdict) => found(verdict, |place| place),
                None => Finding::Undecided("the answers leave the order open".into()),
            },
        }
    }

    fn explain(&self, cut: usize, limits: &Limits) -> Option<Explanation> {
        let Finding::Wrong(mut why) = self.judge(cut, limits) else {
            return None;
        };
        if why.stuck.is_none() {
            let verdict = self.search(&self.before(cut), limits);
            if let Some(Verdict::Violation(stuck)) = verdict {
                why.stuck = Some(stuck);
            }
        }
        Some(why)
    }

    fn answers(&self) -> Vec<usize> {
        let operations = self.indexes.iter().map(|&index| &self.operations[index]);
        let mut answers: Vec<usize> = operations.filter_map(|o| o.return_pos).collect();
        answers.sort_unstable();
        answers
    }

    fn count(&self) -> usize {
        self.indexes.len()
    }

    fn operations(&self) -> Vec<Shown> {
        let operations = self.indexes.iter().map(|&index| &self.operations[index]);
        operations
            .map(|operation| Shown {
                client: Rc::from(operation.client),
                label: words::short(operation),
                words: words::operation(operation),
                invoked: operation.invoke_pos,
                returned: operation.return_pos.filter(|_| certain(operation)),
            })
            .collect()
    }
}
