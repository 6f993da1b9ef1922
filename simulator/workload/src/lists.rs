//! Lists of the cache: clients push, pop, move and look; workers take what there is, and wait
//! for it where there is nothing.
//!
//! A worker hangs up now and then while it waits, moves some values to another list before it
//! begins, and removes them from there when it is done, as job libraries do. Under
//! `exactly_once` all that changes a list carries a sequence, and is sent again until it is known
//! what became of it. The audit reads every list.

use std::time::Duration;

use bytes::Bytes;
use rand::RngExt;
use squall_cluster::state::command::{Command, End, ListCommand, Query, Reply};

use super::asked::Asked;
use super::client::UNHEARD;
use super::driver::Extras;
use super::keys::list_name;
use super::{Client, Over, Pace, random_duration, sometimes};
use squall_history::lists::taking;
use squall_history::{Action, ListEnd, OperationClass, Outcome};
use squall_plan::plan::{CacheMix, ListMix, Pacing, Retries, WorkloadKind};

/// What a node is asked.
pub(super) fn asked(action: &Action) -> Asked {
    if let Some(taking) = taking(action) {
        return Asked::Write(Command::List(match taking.to {
            None => ListCommand::Pop {
                keys: vec![bytes(taking.list)],
                end: end(taking.end),
                count: 1,
            },
            Some((to, put)) => ListCommand::Move {
                from: bytes(taking.list),
                to: bytes(to),
                take: end(taking.end),
                put: end(put),
            },
        }));
    }
    Asked::Write(Command::List(match action {
        Action::ListPush {
            list,
            value,
            end: at,
        } => ListCommand::Push {
            key: bytes(list),
            values: vec![bytes(value)],
            end: end(*at),
            if_present: false,
        },
        Action::ListRemove { list, value } => ListCommand::Remove {
            key: bytes(list),
            count: 0,
            value: bytes(value),
        },
        Action::ListLength { list } => {
            return Asked::Read(None, Query::ListLength { key: bytes(list) });
        }
        Action::ListRange { list } => {
            let (key, first, last) = (bytes(list), 0, -1);
            return Asked::Read(None, Query::ListRange { key, first, last });
        }
        other => unreachable!("{other:?} is not about a list"),
    }))
}

fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

fn end(end: ListEnd) -> End {
    match end {
        ListEnd::Left => End::Left,
        ListEnd::Right => End::Right,
    }
}

/// What a reply says in the terms of the history; back if it answers something else.
pub(super) fn answer(reply: Reply) -> Result<Outcome, Reply> {
    let text = |value: &Bytes| String::from_utf8_lossy(value).into_owned();
    Ok(match reply {
        Reply::Size(values) => Outcome::Length { values },
        Reply::Popped(popped) => Outcome::Popped {
            value: popped.and_then(|popped| popped.values.first().map(text)),
        },
        Reply::Elements(values) => Outcome::Elements {
            values: values.iter().map(text).collect(),
        },
        other => return Err(other),
    })
}

pub(super) async fn run(mut client: Client) {
    let (lists, retries) = mix(&client);
    // Ends when the workload is over.
    while step(&mut client, &lists, retries).await.is_ok() {}
}

pub(super) async fn run_worker(mut client: Client) {
    let (lists, retries) = mix(&client);
    if let Pacing::Open { .. } = client.shared.plan.pacing {
        // The rate is that of the others; workers take what there is.
        client.pace = Pace::Closed {
            think_min: Duration::ZERO,
            think_max: Duration::ZERO,
        };
    }
    while !client.is_stopped() {
        client.pause().await;
        take(&mut client, &lists, retries).await;
    }
}

fn mix(client: &Client) -> (ListMix, Retries) {
    match &client.shared.plan.kind {
        WorkloadKind::Cache {
            mix:
                CacheMix {
                    lists: Some(lists),
                    retries,
                    ..
                },
            ..
        } => (*lists, *retries),
        _ => unreachable!("started for a workload of lists"),
    }
}

async fn step(client: &mut Client, lists: &ListMix, retries: Retries) -> Result<(), Over> {
    let intended_us = client.next().await?;
    let list = draw_list(client);
    let point = client.rng.random_range(0..1_000_000);
    let mut below = 0;
    let mut is_drawn = |share_ppm: u32| {
        below += share_ppm;
        point < below
    };
    let action = if is_drawn(lists.push_ppm) {
        Action::ListPush {
            list,
            value: client.fresh_value(),
            end: draw_end(client, ListEnd::Right, lists),
        }
    } else if is_drawn(lists.pop_ppm) {
        let end = draw_end(client, ListEnd::Left, lists);
        Action::ListPop { list, end }
    } else if is_drawn(lists.move_ppm) {
        Action::ListMove {
            from: list,
            take: draw_end(client, ListEnd::Left, lists),
            to: draw_list(client),
            put: draw_end(client, ListEnd::Right, lists),
        }
    } else if is_drawn(lists.length_ppm) {
        Action::ListLength { list }
    } else {
        Action::ListRange { list }
    };
    ask(client, lists, retries, intended_us, action).await;
    Ok(())
}

/// Takes a value, works on it, and is done with it.
async fn take(client: &mut Client, lists: &ListMix, retries: Retries) {
    let (list, wait_ms) = (draw_list(client), lists.wait_ms);
    let is_moved = sometimes(&mut client.rng, lists.moved_ppm);
    let end = draw_end(client, ListEnd::Left, lists);
    let to = is_moved.then(|| draw_list(client));
    let action = match &to {
        None => Action::ListBlockingPop { list, end, wait_ms },
        Some(to) => Action::ListBlockingMove {
            from: list,
            take: end,
            to: to.clone(),
            put: draw_end(client, ListEnd::Right, lists),
            wait_ms,
        },
    };
    if sometimes(&mut client.rng, lists.cancel_ppm) {
        return hang_up(client, lists, retries, action).await;
    }
    let outcome = ask(client, lists, retries, None, action).await;
    let Some(Outcome::Popped { value: Some(value) }) = outcome else {
        return;
    };
    if lists.work_max_us > 0 {
        let [min, max] = [lists.work_min_us, lists.work_max_us].map(Duration::from_micros);
        let work = random_duration(&mut client.rng, min, max);
        client.sleep(work).await;
    }
    if let Some(list) = to {
        let action = Action::ListRemove { list, value };
        ask(client, lists, retries, None, action).await;
    }
}

/// Asks, and is gone before its wait is over.
async fn hang_up(client: &mut Client, lists: &ListMix, retries: Retries, action: Action) {
    let mut extras = Extras::default();
    if lists.numbered {
        extras.once = client.next_once(&retries, &action).await;
        if extras.once.is_none() {
            return;
        }
    }
    let longest = Duration::from_millis(lists.wait_ms);
    let patience = random_duration(&mut client.rng, UNHEARD, longest);
    client.ask_briefly(action, extras, patience).await;
}

/// Asks, until it is known what became of it if that can be asked; `None` if nothing was sent.
async fn ask(
    client: &mut Client,
    lists: &ListMix,
    retries: Retries,
    intended_us: Option<u64>,
    action: Action,
) -> Option<Outcome> {
    if !lists.numbered || action.info().class != OperationClass::Write {
        return Some(client.ask(intended_us, action).await);
    }
    let extras = Extras {
        once: Some(client.next_once(&retries, &action).await?),
        ..Extras::default()
    };
    let asked = client.ask_until_known(intended_us, action, extras, retries);
    Some(asked.await)
}

fn draw_list(client: &mut Client) -> String {
    let number = client.draw_key();
    list_name(&client.shared.plan.name, number)
}

/// The usual end, or now and then the other.
fn draw_end(client: &mut Client, usual: ListEnd, lists: &ListMix) -> ListEnd {
    match (sometimes(&mut client.rng, lists.reversed_ppm), usual) {
        (false, usual) => usual,
        (true, ListEnd::Left) => ListEnd::Right,
        (true, ListEnd::Right) => ListEnd::Left,
    }
}
