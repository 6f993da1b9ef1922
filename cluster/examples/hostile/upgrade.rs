//! A cluster of an older release is upgraded node by node, while clients write, read, lock and
//! pass messages, and keep account of what they were promised.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use futures_util::future::{join, join_all};
use squall_cluster::protocol::BytesFrame;
use squall_cluster::world::{RealWorld, World};

use crate::client::{Client, Failure};
use crate::load::Seen;
use crate::nodes::{Nodes, Site};
use crate::report::{Report, shown};

/// Clients of each kind.
const CLIENTS: usize = 6;
/// Clients go on for so long before, between and after the upgrades of nodes.
const BETWEEN: Duration = Duration::from_secs(5);
const WORST: Duration = Duration::from_secs(5);
const REST: Duration = Duration::from_millis(2);

/// What clients were promised, and what they saw that breaks it.
#[derive(Default)]
struct Account {
    /// Keys with the last value that was acknowledged, and the last that was tried.
    registers: RefCell<Vec<(String, u64, u64)>>,
    /// Increments that were acknowledged, and those whose outcome is unknown, by counter.
    counters: RefCell<Vec<(u64, u64)>>,
    published: RefCell<BTreeSet<String>>,
    delivered: RefCell<BTreeSet<String>>,
    last_token: Cell<u64>,
    broken: RefCell<Vec<String>>,
    seen: RefCell<Seen>,
    is_over: Cell<bool>,
}

impl Account {
    fn complain(&self, what: String) {
        eprintln!("  broken: {what}");
        self.broken.borrow_mut().push(what);
    }

    /// Asks until there is an answer, or the outcome is unknown.
    async fn ask(&self, client: &mut Client, words: &[&str]) -> Result<BytesFrame, String> {
        let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
        let begun = RealWorld::now();
        loop {
            match client.ask(&words).await {
                Ok(frame) => {
                    self.seen.borrow_mut().note(RealWorld::now() - begun);
                    return Ok(frame);
                }
                Err(failure) => self.seen.borrow_mut().note_error(&failure),
            }
            RealWorld::sleep(REST).await;
            if begun + Duration::from_secs(30) < RealWorld::now() {
                return Err("nobody answers for 30 s".into());
            }
        }
    }

    /// The same, for what must not be done twice: `None` if its outcome is unknown.
    async fn once(&self, client: &mut Client, words: &[&str]) -> Option<BytesFrame> {
        let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
        let begun = RealWorld::now();
        loop {
            let answer = client.ask(&words).await;
            if let Err(failure) = &answer {
                self.seen.borrow_mut().note_error(failure);
            }
            match answer {
                Ok(frame) => {
                    self.seen.borrow_mut().note(RealWorld::now() - begun);
                    return Some(frame);
                }
                Err(Failure::Unknown(_)) => return None,
                Err(Failure::Refused(_)) => RealWorld::sleep(REST).await,
            }
        }
    }

    /// One writer, and each of its reads sees what it wrote last.
    async fn keep_registers(&self, addresses: &[String], me: usize) {
        let (mut writer, mut reader) = (Client::new(addresses, me), Client::new(addresses, me + 1));
        for epoch in 0.. {
            let key = format!("register-{me}-{epoch}");
            let (mut acknowledged, mut tried) = (0, 0);
            while !self.is_over.get() {
                tried += 1;
                let value = tried.to_string();
                let set = ["SET", &key, &value];
                if self.once(&mut writer, &set).await.is_none() {
                    // It may come later, so no more is said of this key.
                    break;
                }
                acknowledged = tried;
                let read = self.ask(&mut reader, &["GET", &key]).await;
                if read.as_ref().ok().and_then(number) != Some(acknowledged) {
                    self.complain(format!("{key} is {acknowledged}, and reads as {read:?}"));
                }
            }
            self.registers.borrow_mut().push((key, acknowledged, tried));
            if self.is_over.get() {
                return;
            }
        }
    }

    async fn count(&self, addresses: &[String], me: usize) {
        let mut client = Client::new(addresses, me);
        let (key, mut last, mut unsure) = (format!("counter-{me}"), 0, 0);
        let (mut acknowledged, mut unknown) = (0, 0);
        while !self.is_over.get() {
            match self.once(&mut client, &["INCR", &key]).await {
                None => (unsure, unknown) = (unsure + 1, unknown + 1),
                Some(frame) => {
                    let value = number(&frame).unwrap_or_default();
                    if !(last + 1..=last + 1 + unsure).contains(&value) {
                        self.complain(format!("{key} went from {last} to {frame:?}"));
                    }
                    // What is unknown may also be done later.
                    unsure -= (value.saturating_sub(last + 1)).min(unsure);
                    (last, acknowledged) = (value, acknowledged + 1);
                }
            }
        }
        self.counters.borrow_mut()[me] = (acknowledged, unknown);
    }

    async fn publish(&self, addresses: &[String], me: usize) {
        let mut client = Client::new(addresses, me);
        for message in 0.. {
            if self.is_over.get() {
                return;
            }
            let payload = format!("message-{me}-{message}");
            let publish = ["QUEUE.PUBLISH", "jobs", &payload];
            if self.once(&mut client, &publish).await.is_some() {
                self.published.borrow_mut().insert(payload);
            }
        }
    }

    /// Receives and acknowledges; goes on until nothing comes any more.
    async fn consume(&self, addresses: &[String], me: usize) {
        let mut client = Client::new(addresses, me);
        let receive = ["QUEUE.RECEIVE", "jobs", "COUNT", "16", "VISIBILITY", "3000"];
        let mut empty_since = None;
        loop {
            let received = self.ask(&mut client, &receive).await;
            let messages = match received {
                Ok(BytesFrame::Array(messages)) => messages,
                other => return self.complain(format!("received {other:?}")),
            };
            if messages.is_empty() {
                // What was received by an attempt without an answer comes back.
                let since = *empty_since.get_or_insert(RealWorld::now());
                if self.is_over.get() && RealWorld::now() - since > Duration::from_secs(8) {
                    return;
                }
                RealWorld::sleep(Duration::from_millis(50)).await;
                continue;
            }
            empty_since = None;
            for message in messages {
                let BytesFrame::Array(parts) = message else {
                    return self.complain(format!("a message is {message:?}"));
                };
                let Some([_, receipt, _, payload]) = parts.first_chunk::<4>() else {
                    return self.complain(format!("a message has {} parts", parts.len()));
                };
                let receipt = number(receipt).unwrap_or_default().to_string();
                let payload = text(payload);
                self.delivered.borrow_mut().insert(payload);
                if let Err(why) = self
                    .ask(&mut client, &["QUEUE.ACK", "jobs", &receipt])
                    .await
                {
                    return self.complain(why);
                }
            }
        }
    }

    /// Tokens of a lock rise, whoever gets it.
    async fn lock(&self, addresses: &[String], me: usize) {
        let mut client = Client::new(addresses, me);
        let Some(session) = self.once(&mut client, &["SESSION.OPEN", "60000"]).await else {
            return;
        };
        let session = number(&session).unwrap_or_default().to_string();
        while !self.is_over.get() {
            let acquire = ["LOCK.ACQUIRE", "printer", &session, "WAIT", "200"];
            let granted = self.ask(&mut client, &acquire).await;
            let Some(token) = granted.ok().as_ref().and_then(number) else {
                continue;
            };
            let before = self.last_token.replace(token);
            if token < before {
                self.complain(format!("token {token} after {before}"));
            }
            let token = token.to_string();
            let release = ["LOCK.RELEASE", "printer", &session, &token];
            // Released by an attempt without an answer is NOTHELD.
            let _ = self.release(&mut client, &release).await;
        }
    }

    async fn release(&self, client: &mut Client, words: &[&str]) -> Result<BytesFrame, Failure> {
        let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
        loop {
            match client.ask(&words).await {
                Err(failure) if !failure.kind().starts_with("NOTHELD") => {
                    self.seen.borrow_mut().note_error(&failure);
                    RealWorld::sleep(REST).await;
                }
                answer => return answer,
            }
        }
    }

    /// Compares what is there at last with what was promised; the number of promises.
    async fn judge(&self, addresses: &[String]) -> Result<u64, String> {
        let mut client = Client::new(addresses, 0);
        let registers = self.registers.take();
        let mut promises = 0;
        for (key, acknowledged, tried) in registers {
            let value = self.ask(&mut client, &["GET", &key]).await?;
            let value = number(&value).unwrap_or_default();
            promises += acknowledged;
            if !(acknowledged..=tried).contains(&value) {
                let why = format!("{key} ends as {value}; {acknowledged} was acknowledged");
                self.complain(why);
            }
        }
        for (at, (acknowledged, unknown)) in self.counters.take().into_iter().enumerate() {
            let value = self
                .ask(&mut client, &["GET", &format!("counter-{at}")])
                .await?;
            let value = number(&value).unwrap_or_default();
            promises += acknowledged;
            if !(acknowledged..=acknowledged + unknown).contains(&value) {
                let why = format!("{acknowledged} increments, {unknown} unknown: {value}");
                self.complain(why);
            }
        }
        let delivered = self.delivered.take();
        for payload in self.published.take() {
            promises += 1;
            if !delivered.contains(&payload) {
                self.complain(format!("{payload} was published and never delivered"));
            }
        }
        Ok(promises)
    }
}

fn text(frame: &BytesFrame) -> String {
    match frame {
        BytesFrame::BulkString(text) | BytesFrame::SimpleString(text) => {
            String::from_utf8_lossy(text).into_owned()
        }
        other => format!("{other:?}"),
    }
}

fn number(frame: &BytesFrame) -> Option<u64> {
    match frame {
        BytesFrame::Integer(number) => u64::try_from(*number).ok(),
        BytesFrame::BulkString(text) => std::str::from_utf8(text).ok()?.parse().ok(),
        _ => None,
    }
}

pub async fn play(site: &Site, old: PathBuf, report: &mut Report) -> Result<(), String> {
    let mut nodes = Nodes::start(site, &old, 3, &[]).await?;
    let addresses = nodes.addresses();
    let account = Account::default();
    account.counters.borrow_mut().resize(CLIENTS, (0, 0));
    let elections = nodes.elections();
    let begun = RealWorld::now();
    let clients = join_all((0..CLIENTS).map(|me| {
        let (account, addresses) = (&account, &addresses);
        async move {
            let writers = join(
                account.keep_registers(addresses, me),
                account.count(addresses, me),
            );
            let messages = join(
                account.publish(addresses, me),
                account.consume(addresses, me),
            );
            let locks = account.lock(addresses, me);
            join(writers, join(messages, locks)).await;
        }
    }));
    let upgrades = async {
        let result = upgrade_all(site, &mut nodes).await;
        account.is_over.set(true);
        result
    };
    let (_, upgraded) = join(clients, upgrades).await;
    let took = RealWorld::now() - begun;
    let levels = upgraded?;
    let promises = account.judge(&addresses).await?;
    let seen = account.seen.take();
    report.figure("level of the rules after each upgrade", levels.join(", "));
    report.figure(
        "commands served meanwhile, in",
        format!("{}, {}", seen.count(), shown(took)),
    );
    let broken = account.broken.borrow().len() as u64;
    report.none(format!("of {promises} promises broken"), broken);
    report.at_most(
        "worst wait for an answer, retries included",
        WORST,
        seen.worst(),
    );
    report.figure("p99", shown(seen.p99()));
    let errors: Vec<String> = (seen.errors.iter())
        .map(|(kind, count)| format!("{count} × {kind}"))
        .collect();
    report.figure("errors on the way", errors.join(", "));
    let elected = nodes.elections() - elections;
    report.row("elections", "at most 3", elected.to_string(), elected <= 3);
    let digests = digests(&nodes).await?;
    let agree = digests.iter().collect::<BTreeSet<_>>().len() == 1;
    report.row(
        "digests of the three states",
        "the same",
        digests.join(", "),
        agree,
    );
    let mut client = Client::new(&addresses, 0);
    for words in [
        &["RPUSH", "list", "a", "b"][..],
        &["APPEND", "text", "more"],
    ] {
        let asked: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
        let answer = client.ask(&asked).await;
        let what = format!("{}, which the old release does not know", words[0]);
        report.row(what, "served", format!("{answer:?}"), answer.is_ok());
    }
    report.none("nodes that ended by themselves", nodes.ended());
    Ok(())
}

/// One node after the other; the level after each.
async fn upgrade_all(site: &Site, nodes: &mut Nodes) -> Result<Vec<String>, String> {
    let mut levels = Vec::new();
    for id in 1..=3 {
        RealWorld::sleep(BETWEEN).await;
        nodes.stop(id).await?;
        nodes.programs[id - 1] = site.node.clone();
        nodes.start_node(id)?;
        nodes.caught_up(id).await?;
        levels.push(nodes.status(id, "level").await?);
    }
    RealWorld::sleep(BETWEEN).await;
    Ok(levels)
}

/// The digest of each node's state at one index.
async fn digests(nodes: &Nodes) -> Result<Vec<String>, String> {
    for _ in 0..20 {
        // Who looks whether a node has caught up writes something, so that comes first.
        for id in 1..=3 {
            nodes.caught_up(id).await?;
        }
        RealWorld::sleep(Duration::from_millis(300)).await;
        for id in 1..=3 {
            nodes.ask(id, &["RAFT.DIGEST"]).await?;
        }
        // Events are written by and by.
        RealWorld::sleep(Duration::from_millis(300)).await;
        let mut all = Vec::new();
        for id in 1..=3 {
            all.push(nodes.last_digest(id)?);
        }
        if all.iter().all(|(index, _)| *index == all[0].0) {
            return Ok(all.into_iter().map(|(_, digest)| digest).collect());
        }
    }
    Err("the three nodes are never at one index".into())
}
