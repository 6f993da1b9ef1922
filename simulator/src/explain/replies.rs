//! Answers that are not what the log implies, and what of the log shows that.

use squall_cluster::state::command::{
    Command, Delivery, LockCommand, NewMessage, Once, QueueCommand, Refusal, Reply, Request,
    SessionCommand, Wake,
};

use super::model::{Left, Model, Queue};
use super::otherwise::{Deviation, messages_words, numbers, queue_of, reply_words};
use crate::backends::trace::AppliedEntry;

/// An answer to the one that asked.
pub(super) fn deviation(
    model: &Model,
    implied: &Reply,
    entry: &AppliedEntry,
    request: &Request,
) -> Deviation {
    let command = &request.command;
    let executed_by = request.once.and_then(|once| {
        let by = model.executed_by(once.session, once.sequence, entry.index)?;
        Some((once, by))
    });
    if let Some((once, by)) = executed_by {
        return repeat(once, by, implied, &entry.reply);
    }
    let specific = match (command, implied, &entry.reply) {
        (
            Command::Lock(LockCommand::Release {
                name,
                session,
                token,
            }),
            Reply::Refused(Refusal::NotHeld),
            Reply::Released,
        ) => Some(release(model, name, *session, *token)),
        (
            Command::Lock(LockCommand::Acquire { name, session, .. }),
            Reply::Waiting { waiter },
            Reply::Waiting { .. },
        ) => Some(Deviation::new(
            format!(
                "session {session} has waited for {name} since entry {waiter}, and asking again \
                 leaves it that one place"
            ),
            "put it into the line a second time",
            [*waiter],
        )),
        (
            Command::Lock(LockCommand::Acquire { name, .. }),
            Reply::Granted { token },
            Reply::Granted { token: given },
        ) => Some(Deviation::new(
            format!("its token is {token}: tokens of {name} rise, and are the entries' indexes"),
            format!("granted it with token {given}"),
            [],
        )),
        (Command::Session(session), _, Reply::Refused(Refusal::NoSession)) => {
            lives(model, session, implied)
        }
        (Command::Queue(QueueCommand::Ack { receipts, .. }), Reply::Settled(_), _) => {
            settle(model, command, receipts, implied, entry)
        }
        (
            Command::Queue(
                QueueCommand::Nack { receipt, .. } | QueueCommand::Extend { receipt, .. },
            ),
            Reply::Settled(_),
            _,
        ) => settle(model, command, &[*receipt], implied, entry),
        (
            Command::Queue(QueueCommand::Receive { queue, .. }),
            Reply::Messages(implied),
            Reply::Messages(given),
        ) => receive(model, queue, implied, given, entry),
        (
            Command::Queue(QueueCommand::Publish { queue, messages }),
            Reply::Published { ids },
            Reply::Published { ids: given },
        ) => publish(model, queue, messages, ids, given),
        _ => None,
    };
    specific.unwrap_or_else(|| {
        Deviation::new(
            format!("the log implies the answer “{}”", reply_words(implied)),
            format!("answered “{}”", reply_words(&entry.reply)),
            [],
        )
    })
}

fn repeat(once: Once, by: u64, implied: &Reply, given: &Reply) -> Deviation {
    Deviation::new(
        format!(
            "it is request {} of session {} again, which entry {by} has executed, and so it is \
             only answered once more: “{}”",
            once.sequence,
            once.session,
            reply_words(implied)
        ),
        format!("executed it a second time: “{}”", reply_words(given)),
        [by],
    )
}

fn release(model: &Model, name: &str, session: u64, token: u64) -> Deviation {
    let lock = model.locks.get(name);
    let holders = lock.map_or(&[][..], |lock| &lock.holders);
    let of_token = holders.iter().find(|hold| hold.token == token);
    let given_up = model.locks.released.get(&(name.to_owned(), token));
    let (why, by) = match (of_token, given_up) {
        (Some(hold), _) => (
            format!(
                ", which is that of session {} since entry {}",
                hold.session, hold.since
            ),
            Some(hold.since),
        ),
        (None, Some((by, holder))) => (
            format!(", which session {holder} had until entry {by} took it away"),
            Some(*by),
        ),
        (None, None) => (", which was never granted".into(), None),
    };
    let others = holders.iter().filter(|hold| hold.token != token);
    let others: Vec<String> = others
        .map(|hold| format!("session {} with token {}", hold.session, hold.token))
        .collect();
    let held = match others.as_slice() {
        [] => String::new(),
        [one] => format!("; it is held by {one}"),
        [one, more @ ..] => format!("; it is held by {one} and {} more", more.len()),
    };
    let entries = holders.iter().map(|hold| hold.since).chain(by);
    Deviation::new(
        format!(
            "session {session} does not hold {name} by token {token}{why}{held}, so there is \
             nothing to release"
        ),
        "released a hold all the same, without the check that it is that session's own",
        entries,
    )
}

fn lives(model: &Model, command: &SessionCommand, implied: &Reply) -> Option<Deviation> {
    let (SessionCommand::KeepAlive { session } | SessionCommand::Close { session }) = command
    else {
        return None;
    };
    let renewed_by = model.sessions.get(*session).map(|known| known.renewed_by);
    Some(Deviation::new(
        format!(
            "no entry has ended session {session}, so the answer is “{}”",
            reply_words(implied)
        ),
        "had no such session",
        renewed_by,
    ))
}

fn settle(
    model: &Model,
    command: &Command,
    receipts: &[u64],
    implied: &Reply,
    entry: &AppliedEntry,
) -> Option<Deviation> {
    let name = queue_of(command)?;
    let queue = model.queues.as_ref()?.get(name)?;
    let void = receipts.iter().find_map(|receipt| {
        let given = queue.receipts.get(receipt)?;
        let since = given.void_since.filter(|since| *since < entry.index)?;
        Some((receipt, given, since))
    });
    let (receipt, given, since) = void?;
    Some(Deviation::new(
        format!(
            "receipt {receipt} of {name}, which entry {} gave for message {}, is void since entry \
             {since}, so that the answer is “{}”",
            given.by,
            given.message,
            reply_words(implied)
        ),
        format!("took it for valid: “{}”", reply_words(&entry.reply)),
        [given.by, since],
    ))
}

fn receive(
    model: &Model,
    name: &str,
    implied: &[Delivery],
    given: &[Delivery],
    entry: &AppliedEntry,
) -> Option<Deviation> {
    let queue = model.queues.as_ref()?.get(name)?;
    let differs = |(one, other): &(&Delivery, &Delivery)| one != other;
    let pair = implied.iter().zip(given).find(differs);
    if let Some((right, wrong)) = pair
        && right.id == wrong.id
        && right.receipt != wrong.receipt
    {
        let former = queue.receipts.get(&wrong.receipt);
        let former = former.filter(|former| former.by < entry.index);
        let was = former.map_or_else(String::new, |former| {
            format!(
                ", which entry {} had given for message {}",
                former.by, former.message
            )
        });
        return Some(Deviation::new(
            format!(
                "every delivery has a receipt of its own, and that of message {} is {}",
                right.id, right.receipt
            ),
            format!("gave it receipt {}{was}", wrong.receipt),
            former.map(|former| former.by),
        ));
    }
    let right = match pair {
        Some((right, _)) => right,
        None => match implied.get(given.len()) {
            Some(right) => right,
            None => {
                let wrong = given.get(implied.len())?;
                return Some(not_ready(queue, name, wrong));
            }
        },
    };
    let message = queue.messages.get(&right.id)?;
    let came_back = came_back(model, queue, right, entry);
    let did = match given.is_empty() {
        true => "handed out nothing".to_owned(),
        false => format!("handed out {}", messages_words(given)),
    };
    let (place, entries) = came_back.unwrap_or_else(|| {
        let ready = format!(
            "by priority and age message {} of {name} (priority {}) is next",
            right.id, message.priority
        );
        (ready, Vec::new())
    });
    Some(Deviation::new(place, did, entries))
}

/// That a message had been handed out before and is ready again.
fn came_back(
    model: &Model,
    queue: &Queue,
    right: &Delivery,
    entry: &AppliedEntry,
) -> Option<(String, Vec<u64>)> {
    let mut former = queue.receipts.values().rev();
    let former = former.find(|given| given.message == right.id && given.by < entry.index)?;
    let since = former.void_since?;
    let led = model.led_between(former.by, entry.index);
    let leaders = led.map_or_else(String::new, |by| {
        format!("; entry {by}, by which a leader took over, came in between")
    });
    let text = format!(
        "message {} is next: entry {} had handed it out, and with entry {since} it was ready \
         again{leaders}",
        right.id, former.by
    );
    Some((text, [former.by, since].into_iter().chain(led).collect()))
}

fn not_ready(queue: &Queue, name: &str, wrong: &Delivery) -> Deviation {
    let placed_by = queue
        .messages
        .get(&wrong.id)
        .map(|message| message.placed_by);
    let why = match placed_by {
        Some(by) => format!(
            "since entry {by} message {} of {name} is not ready",
            wrong.id
        ),
        None => format!("{name} has no message {} any more", wrong.id),
    };
    Deviation::new(
        why,
        format!("handed it out with receipt {}", wrong.receipt),
        placed_by,
    )
}

fn publish(
    model: &Model,
    name: &str,
    messages: &[NewMessage],
    ids: &[u64],
    given: &[u64],
) -> Option<Deviation> {
    let queue = model.queues.as_ref()?.get(name)?;
    let mut all = messages.iter().zip(ids.iter().zip(given));
    let (message, (right, wrong)) = all.find(|(_, (right, wrong))| right != wrong)?;
    let (producer, sequence) = message.dedup.as_ref()?;
    let (_, by) = queue.published.get(producer)?.get(sequence)?;
    if right > wrong {
        return None;
    }
    Some(Deviation::new(
        format!(
            "it repeats number {sequence} of producer {producer}, which entry {by} has published \
             as {}",
            numbers(&[*right])
        ),
        format!("published it once more, as {}", numbers(&[*wrong])),
        [*by],
    ))
}

/// Compares the answers to waiters.
pub(super) fn wake_deviation(model: &Model, implied: &[Wake], entry: &AppliedEntry) -> Deviation {
    let missing = implied.iter().find(|wake| !entry.wakes.contains(wake));
    let extra = entry.wakes.iter().find(|wake| !implied.contains(wake));
    if let Some(wake) = missing
        && let Some(departed) = model.locks.departed.get(&wake.waiter)
    {
        let (name, session) = (&departed.name, departed.session);
        let ended = model.sessions.ended_by(session);
        let implied = match departed.why {
            Left::SessionEnded => format!(
                "it ends session {session}, and with that its place in the line of {name}, which \
                 it has had since entry {}",
                wake.waiter
            ),
            Left::TimeUp => {
                format!("with it the time is up for which session {session} was to wait for {name}")
            }
            Left::Granted => format!("with it session {session} is granted {name}, as the next"),
            Left::Cancelled => format!("with it session {session} waits for {name} no more"),
        };
        let actual = match extra {
            Some(extra) => format!(
                "answered the waiter of entry {}: {}",
                extra.waiter,
                reply_words(&extra.reply)
            ),
            None => "did nothing of that".into(),
        };
        let actual = actual + &dead_head(model, name, entry);
        return Deviation::new(implied, actual, [wake.waiter].into_iter().chain(ended));
    }
    match extra {
        Some(extra) => Deviation::new(
            format!(
                "nothing ends the wait that began with entry {}",
                extra.waiter
            ),
            format!("answered its session: {}", reply_words(&extra.reply)),
            [extra.waiter],
        ),
        None => Deviation::new(
            format!("{} waits end with it, in this order", implied.len()),
            "ended them in another one",
            [],
        ),
    }
}

/// That the node left one at the head of a line whose session has ended.
fn dead_head(model: &Model, name: &str, entry: &AppliedEntry) -> String {
    let held = entry.held.locks.iter().find(|(of, _)| of == name);
    let head = held.and_then(|(_, info)| info.waiters.first().copied());
    let ended = head.and_then(|head| Some((head, model.sessions.ended_by(head)?)));
    ended.map_or_else(String::new, |(head, by)| {
        format!(
            " and left session {head}, which has ended with entry {by}, at the head of the line"
        )
    })
}
