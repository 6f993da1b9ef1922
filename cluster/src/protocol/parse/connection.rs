//! Parses commands about the connection, most of which Redis libraries send when they
//! connect, and the commands around a transaction.

use bytes::Bytes;

use super::arguments::{Keyword, Options, at_least, exactly, integer, key, list_after, number};
use super::{read_mode, strings};
use crate::protocol::call::{
    Call, ClientAttribute, ClientCall, ClusterCall, CommandCall, ConnectionCall, KillFilter,
    Remember, ReplyMode, TrackingCall, TransactionCall,
};
use crate::protocol::command_error::{CommandError, quoted};
use crate::protocol::decimal::parse_i64;
use crate::protocol::limits::MAX_NAME_BYTES;
use crate::protocol::slot::SLOTS;
use crate::protocol::wire::RespVersion;

const OK: ConnectionCall = ConnectionCall::Fixed("+OK\r\n");
/// Who a client is that names only a password.
const DEFAULT_USER: &[u8] = b"default";

type Parsed = Result<Call, CommandError>;

fn call(call: ConnectionCall) -> Parsed {
    Ok(Call::Connection(call))
}

pub(super) fn ping(args: &[Bytes]) -> Parsed {
    match args {
        [] => call(ConnectionCall::Ping(None)),
        [text] => call(ConnectionCall::Ping(Some(text.clone()))),
        _ => Err(CommandError::Arity("ping")),
    }
}

pub(super) fn echo(args: &[Bytes]) -> Parsed {
    let [text] = exactly("echo", args)?;
    call(ConnectionCall::Echo(text.clone()))
}

pub(super) fn quit(_: &[Bytes]) -> Parsed {
    call(ConnectionCall::Quit)
}

pub(super) fn reset(_: &[Bytes]) -> Parsed {
    call(ConnectionCall::Reset)
}

/// `HELLO [version [AUTH user password] [SETNAME name]]`. A version beyond what is known is
/// answered with what is.
pub(super) fn hello(args: &[Bytes]) -> Parsed {
    let (mut version, mut auth, mut name) = (None, None, None);
    if let Some((asked, rest)) = args.split_first() {
        version = match parse_i64(asked) {
            Some(2) => Some(RespVersion::Two),
            Some(3..) => Some(RespVersion::Three),
            Some(_) => return Err(CommandError::ProtocolVersion),
            None => return Err(CommandError::ProtocolNumber),
        };
        let mut rest = rest;
        while let Some((option, after)) = rest.split_first() {
            rest = match (&*Keyword::new(option), after) {
                (b"AUTH", [user, password, after @ ..]) => {
                    auth = Some((user.clone(), password.clone()));
                    after
                }
                (b"SETNAME", [new, after @ ..]) => {
                    name = Some(client_name(new)?);
                    after
                }
                _ => return Err(CommandError::HelloOption(quoted(option))),
            };
        }
    }
    call(ConnectionCall::Hello {
        version,
        auth,
        name,
    })
}

/// `AUTH [user] password`
pub(super) fn auth(args: &[Bytes]) -> Parsed {
    let (user, password) = match args {
        [password] => (Bytes::from_static(DEFAULT_USER), password.clone()),
        [user, password] => (user.clone(), password.clone()),
        _ => return Err(CommandError::Syntax),
    };
    call(ConnectionCall::Auth { user, password })
}

pub(super) fn select(args: &[Bytes]) -> Parsed {
    let [database] = exactly("select", args)?;
    match integer(database)? {
        0 => call(OK),
        _ => Err(CommandError::Database),
    }
}

pub(super) fn client(args: &[Bytes]) -> Parsed {
    let ([verb], rest) = at_least("client", args)?;
    let client = match &*Keyword::new(verb) {
        b"SETNAME" => {
            let [name] = exactly("client|setname", rest)?;
            ClientCall::SetName(client_name(name)?)
        }
        b"GETNAME" => {
            let [] = exactly("client|getname", rest)?;
            ClientCall::GetName
        }
        b"SETINFO" => set_info(rest)?,
        b"ID" => {
            let [] = exactly("client|id", rest)?;
            ClientCall::Id
        }
        b"INFO" => {
            let [] = exactly("client|info", rest)?;
            ClientCall::Info
        }
        b"LIST" => list(rest)?,
        b"KILL" => ClientCall::Kill(kill(rest)?),
        b"NO-EVICT" | b"NO-TOUCH" => {
            let [switch] = exactly("client|no-evict", rest)?;
            return match &*Keyword::new(switch) {
                b"ON" | b"OFF" => call(OK),
                _ => Err(CommandError::Syntax),
            };
        }
        b"REPLY" => {
            let [mode] = exactly("client|reply", rest)?;
            ClientCall::Reply(match &*Keyword::new(mode) {
                b"ON" => ReplyMode::On,
                b"OFF" => ReplyMode::Off,
                b"SKIP" => ReplyMode::Skip,
                _ => return Err(CommandError::Syntax),
            })
        }
        b"TRACKING" => ClientCall::Tracking(tracking(rest)?),
        b"CACHING" => {
            let [switch] = exactly("client|caching", rest)?;
            ClientCall::Caching(match &*Keyword::new(switch) {
                b"YES" => true,
                b"NO" => false,
                _ => return Err(CommandError::Syntax),
            })
        }
        b"PAUSE" | b"UNPAUSE" | b"UNBLOCK" => {
            let name = format!("CLIENT {}", quoted(verb).to_ascii_uppercase());
            return Err(CommandError::NotOffered(name));
        }
        _ => return Err(CommandError::unknown_subcommand("CLIENT", verb)),
    };
    call(ConnectionCall::Client(client))
}

/// `CLIENT TRACKING ON|OFF [BCAST] [PREFIX prefix …] [OPTIN|OPTOUT]`
fn tracking(args: &[Bytes]) -> Result<TrackingCall, CommandError> {
    let ([switch], rest) = at_least("client|tracking", args)?;
    let (mut is_broadcast, mut prefixes) = (false, Vec::new());
    let mut remember = Remember::All;
    let mut options = Options::new(rest);
    while let Some(option) = options.keyword() {
        match &*option {
            b"BCAST" => is_broadcast = true,
            b"PREFIX" => prefixes.push(key(options.value()?)?),
            b"OPTIN" if remember == Remember::All => remember = Remember::OptIn,
            b"OPTOUT" if remember == Remember::All => remember = Remember::OptOut,
            b"REDIRECT" | b"NOLOOP" => {
                let option = String::from_utf8_lossy(&option).into_owned();
                return Err(CommandError::NotOffered(format!(
                    "CLIENT TRACKING {option}"
                )));
            }
            _ => return Err(CommandError::Syntax),
        }
    }
    match &*Keyword::new(switch) {
        b"OFF" => Ok(TrackingCall::Off),
        b"ON" if is_broadcast && remember != Remember::All => Err(CommandError::Syntax),
        b"ON" if is_broadcast => Ok(TrackingCall::Broadcast(prefixes)),
        b"ON" if !prefixes.is_empty() => Err(CommandError::PrefixWithoutBroadcast),
        b"ON" => Ok(TrackingCall::Read(remember)),
        _ => Err(CommandError::Syntax),
    }
}

fn set_info(args: &[Bytes]) -> Result<ClientCall, CommandError> {
    let [attribute, value] = exactly("client|setinfo", args)?;
    let attribute = match &*Keyword::new(attribute) {
        b"LIB-NAME" => ClientAttribute::LibraryName,
        b"LIB-VER" => ClientAttribute::LibraryVersion,
        _ => return Err(CommandError::ClientAttribute(quoted(attribute))),
    };
    let value = client_name(value)?;
    Ok(ClientCall::SetInfo { attribute, value })
}

/// `CLIENT LIST [TYPE type] [ID id…]`; every client is a normal one.
fn list(args: &[Bytes]) -> Result<ClientCall, CommandError> {
    let Some((option, rest)) = args.split_first() else {
        return Ok(ClientCall::List(None));
    };
    match (&*Keyword::new(option), rest) {
        (b"TYPE", [kind]) => Ok(ClientCall::List(match &*Keyword::new(kind) {
            b"NORMAL" => None,
            b"MASTER" | b"REPLICA" | b"SLAVE" | b"PUBSUB" => Some(Vec::new()),
            _ => return Err(CommandError::Syntax),
        })),
        (b"ID", [_, ..]) => {
            let ids = rest.iter().map(|id| number(id));
            Ok(ClientCall::List(Some(ids.collect::<Result<_, _>>()?)))
        }
        _ => Err(CommandError::Syntax),
    }
}

/// `CLIENT KILL address`, `CLIENT KILL [ID id] [ADDR address] [USER name] [SKIPME yes|no]`
fn kill(args: &[Bytes]) -> Result<KillFilter, CommandError> {
    if let [address] = args {
        return Ok(KillFilter {
            address: Some(address.clone()),
            is_old_form: true,
            ..KillFilter::default()
        });
    }
    let mut filter = KillFilter {
        skips_me: true,
        ..KillFilter::default()
    };
    let mut options = Options::new(args);
    while let Some(option) = options.keyword() {
        match &*option {
            b"ID" => filter.id = Some(options.number()?),
            b"ADDR" => filter.address = Some(options.value()?.clone()),
            b"USER" => filter.user = Some(options.value()?.clone()),
            b"SKIPME" => {
                filter.skips_me = match &*Keyword::new(options.value()?) {
                    b"YES" => true,
                    b"NO" => false,
                    _ => return Err(CommandError::Syntax),
                }
            }
            _ => return Err(CommandError::Syntax),
        }
    }
    if filter.id.is_none() && filter.address.is_none() && filter.user.is_none() {
        return Err(CommandError::Syntax);
    }
    Ok(filter)
}

fn client_name(name: &Bytes) -> Result<Bytes, CommandError> {
    if name.len() > MAX_NAME_BYTES || !name.iter().all(u8::is_ascii_graphic) {
        return Err(CommandError::ClientName);
    }
    // A copy: a slice would keep the whole buffer that it arrived in.
    Ok(Bytes::copy_from_slice(name))
}

pub(super) fn command(args: &[Bytes]) -> Parsed {
    let Some((verb, rest)) = args.split_first() else {
        return call(ConnectionCall::Command(CommandCall::Info(None)));
    };
    let names = (!rest.is_empty()).then(|| rest.to_vec());
    let command = match &*Keyword::new(verb) {
        b"INFO" => CommandCall::Info(names),
        b"DOCS" => CommandCall::Docs(names),
        b"LIST" if rest.is_empty() => CommandCall::List,
        b"LIST" => return Err(CommandError::Syntax),
        b"COUNT" => {
            let [] = exactly("command|count", rest)?;
            CommandCall::Count
        }
        b"GETKEYS" => {
            let ([], words) = list_after("command|getkeys", rest)?;
            CommandCall::GetKeys(words.to_vec())
        }
        _ => return Err(CommandError::unknown_subcommand("COMMAND", verb)),
    };
    call(ConnectionCall::Command(command))
}

pub(super) fn config(args: &[Bytes]) -> Parsed {
    let ([verb], rest) = at_least("config", args)?;
    match &*Keyword::new(verb) {
        b"GET" => {
            let ([], names) = list_after("config|get", rest)?;
            call(ConnectionCall::ConfigGet(names.to_vec()))
        }
        b"SET" => {
            let ([], words) = list_after("config|set", rest)?;
            let (pairs, []) = words.as_chunks::<2>() else {
                return Err(CommandError::Arity("config|set"));
            };
            let pairs = pairs.iter().map(|[name, to]| (name.clone(), to.clone()));
            call(ConnectionCall::ConfigSet(pairs.collect()))
        }
        _ => Err(CommandError::unknown_subcommand("CONFIG", verb)),
    }
}

pub(super) fn read_only(_: &[Bytes]) -> Parsed {
    call(ConnectionCall::ReadOnly(true))
}

pub(super) fn read_write(_: &[Bytes]) -> Parsed {
    call(ConnectionCall::ReadOnly(false))
}

pub(super) fn consistency(args: &[Bytes]) -> Parsed {
    let (mode, rest) = read_mode("consistency", args)?;
    let [] = exactly("consistency", rest)?;
    call(ConnectionCall::Consistency(mode))
}

pub(super) fn info(args: &[Bytes]) -> Parsed {
    let lower = |section: &Bytes| quoted(section).to_ascii_lowercase();
    let sections = args.iter().map(lower).collect();
    call(ConnectionCall::Info { sections })
}

pub(super) fn role(_: &[Bytes]) -> Parsed {
    call(ConnectionCall::Role)
}

pub(super) fn time(_: &[Bytes]) -> Parsed {
    call(ConnectionCall::Time)
}

/// `WAIT nodes timeout`
pub(super) fn wait(args: &[Bytes]) -> Parsed {
    let [nodes, timeout] = exactly("wait", args)?;
    let timeout = integer(timeout)?;
    let timeout_ms = u64::try_from(timeout).map_err(|_| CommandError::NegativeTimeout)?;
    call(ConnectionCall::Wait {
        nodes: number(nodes)?,
        timeout_ms,
    })
}

pub(super) fn multi(_: &[Bytes]) -> Parsed {
    call(ConnectionCall::Transaction(TransactionCall::Begin))
}

pub(super) fn exec(_: &[Bytes]) -> Parsed {
    call(ConnectionCall::Transaction(TransactionCall::Execute))
}

pub(super) fn discard(_: &[Bytes]) -> Parsed {
    call(ConnectionCall::Transaction(TransactionCall::Discard))
}

pub(super) fn watch(args: &[Bytes]) -> Parsed {
    let keys = strings::watched(args)?;
    call(ConnectionCall::Transaction(TransactionCall::Watch(keys)))
}

pub(super) fn unwatch(_: &[Bytes]) -> Parsed {
    call(ConnectionCall::Transaction(TransactionCall::Unwatch))
}

pub(super) fn cluster(args: &[Bytes]) -> Parsed {
    let ([verb], rest) = at_least("cluster", args)?;
    let (name, cluster) = match &*Keyword::new(verb) {
        b"KEYSLOT" => {
            let [key] = exactly("cluster|keyslot", rest)?;
            return call(ConnectionCall::Cluster(ClusterCall::KeySlot(key.clone())));
        }
        b"COUNTKEYSINSLOT" => {
            let [slot] = exactly("cluster|countkeysinslot", rest)?;
            let slot = number(slot)?.try_into().ok().filter(|slot| *slot < SLOTS);
            let slot = slot.ok_or(CommandError::Slot)?;
            return call(ConnectionCall::Cluster(ClusterCall::CountKeysInSlot(slot)));
        }
        b"SLOTS" => ("cluster|slots", ClusterCall::Slots),
        b"SHARDS" => ("cluster|shards", ClusterCall::Shards),
        b"NODES" => ("cluster|nodes", ClusterCall::Nodes),
        b"INFO" => ("cluster|info", ClusterCall::Info),
        b"MYID" => ("cluster|myid", ClusterCall::MyId),
        _ => return Err(CommandError::unknown_subcommand("CLUSTER", verb)),
    };
    let [] = exactly(name, rest)?;
    call(ConnectionCall::Cluster(cluster))
}
