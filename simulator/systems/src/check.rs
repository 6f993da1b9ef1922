//! Checks of a system file that types cannot say.

use squall_history::OPERATIONS;
use squall_plan::scenario::{ScenarioError, TomlFile};
use toml::Spanned;

use crate::on::On;
use crate::table::{CLIENT_PORT, NodeTable, Protocol, Table};

/// The port of Sentinels.
pub(crate) const SENTINEL_PORT: &str = "sentinel";

/// The port on which servers of NATS tell how they stand.
pub(crate) const MONITOR_PORT: &str = "monitor";

type Checked = Result<(), ScenarioError>;

pub(crate) fn check(table: &Table, file: &TomlFile) -> Checked {
    check_name(&table.name, file)?;
    check_nodes(table, file)?;
    check_protocol(table, file)?;
    check_services(table, file)
}

fn check_name(name: &Spanned<String>, file: &TomlFile) -> Checked {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let text = name.get_ref();
    if text.is_empty() || !text.chars().all(fits) {
        let message = format!("name `{text}`: expected lower-case letters, digits and hyphens");
        return Err(file.error(name.span(), message));
    }
    Ok(())
}

fn check_nodes(table: &Table, file: &TomlFile) -> Checked {
    if let Some(counts) = &table.nodes {
        let counts_of = counts.get_ref();
        if counts_of.is_empty() || counts_of.contains(&0) {
            let message = "nodes: expected the numbers of nodes that it can have, such as [3, 5]";
            return Err(file.error(counts.span(), message));
        }
    }
    if !table.ports.get_ref().contains_key(CLIENT_PORT) {
        let message = "[ports] needs `client`, the port that clients connect to";
        return Err(file.error(table.ports.span(), message));
    }
    // Whoever has the most nodes needs an entry for the last, too.
    let has_all = table.node.iter().any(|node| node.on == On::All);
    let has_rest = || {
        let is_open = |node: &&NodeTable| matches!(node.on, On::Some { to: None, .. });
        let most = table.node.iter().find(is_open);
        most.is_some_and(|node| {
            let On::Some { from, .. } = node.on else {
                return false;
            };
            (0..from - 1).all(|index| table.node.iter().any(|node| node.on.has(index)))
        })
    };
    let most = table
        .nodes
        .as_ref()
        .and_then(|nodes| nodes.get_ref().iter().max());
    let has_each = most.is_some_and(|most| {
        (0..*most as usize).all(|index| table.node.iter().any(|node| node.on.has(index)))
    });
    if !has_all && !has_rest() && !has_each {
        let message = "[[node]]: no entry says what every node runs; add one without `on`, or \
                       with an open end such as \"2..\"";
        return Err(file.error(table.name.span(), message));
    }
    Ok(())
}

fn check_protocol(table: &Table, file: &TomlFile) -> Checked {
    let place = table.protocol.span();
    let protocol = *table.protocol.get_ref();
    let refuse = |message: String| Err(file.error(place.clone(), message));
    match (protocol, &table.client) {
        (Protocol::Program, None) => {
            return refuse("protocol `program` needs the table [client]: what to start".into());
        }
        (Protocol::Program, Some(client)) => check_offers(&client.offers, file)?,
        (_, Some(client)) => {
            let message = "[client] is for the protocol `program`";
            return Err(file.error(client.command.span(), message));
        }
        (_, None) => {}
    }
    if protocol == Protocol::Program && table.status.is_none() {
        let message = "protocol `program` needs the table [status]: nothing else tells who leads";
        return refuse(message.into());
    }
    if protocol == Protocol::RedisSentinel && !table.ports.get_ref().contains_key(SENTINEL_PORT) {
        let message = "[ports] needs `sentinel`, where Sentinels listen";
        return Err(file.error(table.ports.span(), message));
    }
    if protocol == Protocol::Nats && !table.ports.get_ref().contains_key(MONITOR_PORT) {
        let message = "[ports] needs `monitor`, where servers tell how they stand";
        return Err(file.error(table.ports.span(), message));
    }
    match protocol {
        Protocol::Nats if !cfg!(feature = "nats") => refuse(missing("nats")),
        Protocol::Etcd if !cfg!(feature = "etcd") => refuse(missing("etcd")),
        Protocol::Redis | Protocol::RedisSentinel | Protocol::RedisCluster
            if !cfg!(feature = "redis") =>
        {
            refuse(missing("redis"))
        }
        _ => Ok(()),
    }
}

fn missing(feature: &str) -> String {
    format!("this program was built without clients for it: build with --features {feature}")
}

fn check_offers(offers: &[Spanned<String>], file: &TomlFile) -> Checked {
    for offer in offers {
        if !OPERATIONS.iter().any(|row| row.name == offer.get_ref()) {
            let known: Vec<&str> = OPERATIONS.iter().map(|row| row.name).collect();
            let message = format!(
                "no operation is called `{}`, expected one of {}",
                offer.get_ref(),
                known.join(", ")
            );
            return Err(file.error(offer.span(), message));
        }
    }
    Ok(())
}

fn check_services(table: &Table, file: &TomlFile) -> Checked {
    let services = &table.service;
    if services.names().is_empty() {
        let message = "[service] names no service: expected [service.cache], [service.lock] or \
                       [service.queue]";
        return Err(file.error(table.name.span(), message));
    }
    if *table.protocol.get_ref() == Protocol::Etcd && services.queue.is_some() {
        let message = "etcd has no queues: leave [service.queue] out";
        return Err(file.error(table.protocol.span(), message));
    }
    if *table.protocol.get_ref() == Protocol::Nats && services.lock.is_some() {
        let message = "NATS has no locks: leave [service.lock] out";
        return Err(file.error(table.protocol.span(), message));
    }
    let promises = services.cache.as_ref().map(|cache| &cache.promises);
    if let Some(promises) = promises
        && let Some(linearizable) = &promises.linearizable
        && *linearizable.get_ref()
        && !promises.durable
    {
        let message = "linearizable without durable: a write that may be lost again is part of no \
                       order; promise both or neither";
        return Err(file.error(linearizable.span(), message));
    }
    Ok(())
}
