//! Every command a node knows: its name, how many arguments it takes, what it does, where its
//! keys are, and its parser. The one table that commands are understood by, described by
//! (`COMMAND`), and allowed by (rights of users).

use std::sync::LazyLock;

use bytes::Bytes;

use super::lifetime::{MILLISECOND, SECOND};
use super::{
    admin, cache, connection, listing, lists, lock, once, queue, read, scripts, session, strings,
};
use crate::protocol::call::{Call, ReplyStyle};
use crate::protocol::command_error::CommandError;
use crate::state::command::{End, Listing};

/// One command.
#[derive(Debug)]
pub struct Spec {
    /// In lower case.
    pub name: &'static str,
    /// Number of arguments, the name included; negative: at least so many.
    pub arity: i64,
    /// What it does, and to what.
    pub flags: Flags,
    /// Which arguments are keys.
    pub keys: Keys,
    /// One line about what it does.
    pub summary: &'static str,
    pub(super) parse: Parser,
}

pub(super) type Parser = fn(&[Bytes]) -> Result<Call, CommandError>;

/// Where the keys are among the arguments, of which the name is number 0. `last` counts from
/// the end if it is negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keys {
    /// Place of the first key; 0: there is none.
    pub first: i64,
    /// Place of the last key.
    pub last: i64,
    /// From one key to the next.
    pub step: i64,
}

/// What a command does, as bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flags(u16);

impl Flags {
    /// Reads the replicated state.
    pub const READ: Self = Self(1);
    /// Changes the replicated state.
    pub const WRITE: Self = Self(1 << 1);
    /// Makes the state larger.
    pub const GROWS: Self = Self(1 << 2);
    /// For operators.
    pub const ADMIN: Self = Self(1 << 3);
    /// May wait for other clients.
    pub const BLOCKING: Self = Self(1 << 4);
    /// Known to whoever has not said who he is.
    pub const NO_AUTH: Self = Self(1 << 5);
    /// Keys are not only where [`Keys`] says.
    pub const MOVABLE: Self = Self(1 << 6);
    /// Is about the connection itself.
    pub const CONNECTION: Self = Self(1 << 7);
    /// Looks at everything there is.
    pub const SLOW: Self = Self(1 << 8);

    const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether it has any of these bits.
    pub fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// In the words of `COMMAND INFO`.
    pub fn names(self) -> Vec<&'static str> {
        let words = [
            (Self::READ, "readonly"),
            (Self::WRITE, "write"),
            (Self::GROWS, "denyoom"),
            (Self::ADMIN, "admin"),
            (Self::BLOCKING, "blocking"),
            (Self::NO_AUTH, "no_auth"),
            (Self::MOVABLE, "movablekeys"),
        ];
        let mut names: Vec<&str> = words
            .iter()
            .filter(|(flag, _)| self.has(*flag))
            .map(|(_, name)| *name)
            .collect();
        if !self.has(Self::SLOW) && !self.has(Self::BLOCKING) && !self.has(Self::ADMIN) {
            names.push("fast");
        }
        names
    }

    /// In the words of `ACL CAT`.
    pub fn categories(self) -> Vec<&'static str> {
        let words = [
            (Self::READ, "@read"),
            (Self::WRITE, "@write"),
            (Self::ADMIN, "@admin"),
            (Self::ADMIN, "@dangerous"),
            (Self::BLOCKING, "@blocking"),
            (Self::CONNECTION, "@connection"),
            (Self::SLOW, "@slow"),
        ];
        let has = words.iter().filter(|(flag, _)| self.has(*flag));
        has.map(|(_, name)| *name).collect()
    }
}

const R: Flags = Flags::READ;
const W: Flags = Flags::WRITE;
/// A write that makes the state larger.
const G: Flags = Flags::WRITE.and(Flags::GROWS);
const A: Flags = Flags::ADMIN;
const C: Flags = Flags::CONNECTION;
/// Before anybody has said who he is.
const N: Flags = Flags::CONNECTION.and(Flags::NO_AUTH);

const NONE: Keys = keys(0, 0, 0);
const ONE: Keys = keys(1, 1, 1);
const TWO: Keys = keys(1, 2, 1);
const ALL: Keys = keys(1, -1, 1);
const PAIRS: Keys = keys(1, -1, 2);
const ALL_BUT_LAST: Keys = keys(1, -2, 1);

const fn keys(first: i64, last: i64, step: i64) -> Keys {
    Keys { first, last, step }
}

const fn spec(
    name: &'static str,
    arity: i64,
    flags: Flags,
    keys: Keys,
    summary: &'static str,
    parse: Parser,
) -> Spec {
    Spec {
        name,
        arity,
        flags,
        keys,
        summary,
        parse,
    }
}

/// Every command a node knows.
#[rustfmt::skip]
pub static COMMANDS: &[Spec] = &[
    spec("once", -4, G.and(Flags::MOVABLE), NONE, "executes a write once, however often it is sent", once),
    spec("read", -3, R.and(Flags::MOVABLE), NONE, "one read in another mode", read),

    spec("get", 2, R, ONE, "the value of a key", |a| cache::get_one("get", a, ReplyStyle::Bulk)),
    spec("mget", -2, R, ALL, "the values of keys, as of one moment", |a| cache::get_all("mget", a, ReplyStyle::Bulks)),
    spec("exists", -2, R, ALL, "how many of the keys there are", |a| cache::get_all("exists", a, ReplyStyle::Count)),
    spec("touch", -2, R, ALL, "how many of the keys there are", |a| cache::get_all("touch", a, ReplyStyle::Count)),
    spec("type", 2, R, ONE, "the kind of a key's value", |a| cache::get_one("type", a, ReplyStyle::TypeName)),
    spec("strlen", 2, R, ONE, "the length of a value", |a| cache::get_one("strlen", a, ReplyStyle::Length)),
    spec("getrange", 4, R, ONE, "a part of a value", |a| strings::get_range("getrange", a)),
    spec("substr", 4, R, ONE, "a part of a value", |a| strings::get_range("substr", a)),
    spec("object", -2, R, keys(2, 2, 1), "how a value is kept", strings::object),
    spec("ttl", 2, R, ONE, "the lifetime left, in seconds", |a| cache::ttl("ttl", a, ReplyStyle::Seconds)),
    spec("pttl", 2, R, ONE, "the lifetime left, in milliseconds", |a| cache::ttl("pttl", a, ReplyStyle::Full)),
    spec("expiretime", 2, R, ONE, "when the key ends, in seconds of Unix time", |a| strings::expire_time("expiretime", a, ReplyStyle::Seconds)),
    spec("pexpiretime", 2, R, ONE, "when the key ends, in milliseconds of Unix time", |a| strings::expire_time("pexpiretime", a, ReplyStyle::Full)),
    spec("dbsize", 1, R, NONE, "the number of keys", cache::size),
    spec("keys", 2, R.and(Flags::SLOW), NONE, "the keys that match a pattern", strings::keys_of),
    spec("scan", -2, R.and(Flags::SLOW), NONE, "the keys, step by step", strings::scan),
    spec("randomkey", 1, R.and(Flags::SLOW), NONE, "some key", strings::random_key),

    spec("set", -3, G, ONE, "sets a key", |a| cache::set("set", a, cache::Offer::Redis, ReplyStyle::Status)),
    spec("setnx", 3, G, ONE, "sets a key that is not there", cache::set_if_absent),
    spec("setex", 4, G, ONE, "sets a key with a lifetime in seconds", |a| cache::set_with_ttl("setex", a, SECOND)),
    spec("psetex", 4, G, ONE, "sets a key with a lifetime in milliseconds", |a| cache::set_with_ttl("psetex", a, MILLISECOND)),
    spec("getset", 3, G, ONE, "sets a key and gives the value before", strings::get_set),
    spec("mset", -3, G, PAIRS, "sets several keys at once", |a| strings::set_many("mset", a, false)),
    spec("msetnx", -3, G, PAIRS, "sets several keys at once, if none of them is there", |a| strings::set_many("msetnx", a, true)),
    spec("append", 3, G, ONE, "adds to the end of a value", strings::append),
    spec("setrange", 4, G, ONE, "writes over a part of a value", strings::set_range),
    spec("getdel", 2, W, ONE, "the value of a key, which is deleted", strings::get_delete),
    spec("getex", -2, W, ONE, "the value of a key, whose lifetime is changed", strings::get_expire),
    spec("incr", 2, G, ONE, "adds one", |a| cache::increment("incr", a, 1)),
    spec("decr", 2, G, ONE, "takes one", |a| cache::increment("decr", a, -1)),
    spec("incrby", 3, G, ONE, "adds a number", |a| cache::increment_by("incrby", a, ReplyStyle::Number)),
    spec("decrby", 3, G, ONE, "takes a number", cache::decrement_by),
    spec("incrbyfloat", 3, G, ONE, "adds a decimal number", strings::add_float),
    spec("del", -2, W, ALL, "deletes keys", |a| cache::delete("del", a)),
    spec("unlink", -2, W, ALL, "deletes keys", |a| cache::delete("unlink", a)),
    spec("expire", -3, W, ONE, "sets a lifetime in seconds", |a| strings::expire("expire", a, SECOND)),
    spec("pexpire", -3, W, ONE, "sets a lifetime in milliseconds", |a| strings::expire("pexpire", a, MILLISECOND)),
    spec("expireat", -3, W, ONE, "sets the end of a lifetime in seconds of Unix time", |a| strings::expire_at("expireat", a, SECOND)),
    spec("pexpireat", -3, W, ONE, "sets the end of a lifetime in milliseconds of Unix time", |a| strings::expire_at("pexpireat", a, MILLISECOND)),
    spec("persist", 2, W, ONE, "takes the lifetime away", cache::persist),
    spec("rename", 3, W, TWO, "gives a key another name", |a| strings::rename("rename", a, false)),
    spec("renamenx", 3, W, TWO, "gives a key another name that is not taken", |a| strings::rename("renamenx", a, true)),
    spec("copy", -3, G, TWO, "copies a key", strings::copy),
    spec("flushall", -1, W.and(Flags::SLOW), NONE, "deletes every key", cache::flush),
    spec("flushdb", -1, W.and(Flags::SLOW), NONE, "deletes every key", cache::flush),
    spec("eval", -3, W.and(Flags::MOVABLE), NONE, "a script that compares a value, as for locks", scripts::eval),
    spec("evalsha", -3, W.and(Flags::MOVABLE), NONE, "such a script by its digest", scripts::eval_sha),
    spec("script", -2, C, NONE, "which scripts are known", scripts::script),

    spec("llen", 2, R, ONE, "the length of a list", lists::length),
    spec("lrange", 4, R, ONE, "a part of a list", lists::range),
    spec("lindex", 3, R, ONE, "a value of a list", lists::index),
    spec("lpos", -3, R, ONE, "where in a list a value is", lists::find),
    spec("lpush", -3, G, ONE, "adds to the left end of a list", |a| lists::push("lpush", a, End::Left, false)),
    spec("rpush", -3, G, ONE, "adds to the right end of a list", |a| lists::push("rpush", a, End::Right, false)),
    spec("lpushx", -3, G, ONE, "adds to the left end of a list that is there", |a| lists::push("lpushx", a, End::Left, true)),
    spec("rpushx", -3, G, ONE, "adds to the right end of a list that is there", |a| lists::push("rpushx", a, End::Right, true)),
    spec("linsert", 5, G, ONE, "adds beside a value of a list", lists::insert),
    spec("lset", 4, G, ONE, "replaces a value of a list", lists::set),
    spec("lrem", 4, W, ONE, "takes values out of a list", lists::remove),
    spec("ltrim", 4, W, ONE, "keeps a part of a list", lists::trim),
    spec("lpop", -2, W, ONE, "takes from the left end of a list", |a| lists::pop("lpop", a, End::Left)),
    spec("rpop", -2, W, ONE, "takes from the right end of a list", |a| lists::pop("rpop", a, End::Right)),
    spec("lmpop", -4, W.and(Flags::MOVABLE), NONE, "takes from the first list that is there", |a| lists::pop_of_many("lmpop", a)),
    spec("lmove", 5, G, TWO, "moves a value from list to list", lists::move_value),
    spec("rpoplpush", 3, G, TWO, "moves the right end of a list to the left end of another", lists::rotate),
    spec("blpop", -3, W.and(Flags::BLOCKING), ALL_BUT_LAST, "takes from the left end of a list, or waits", |a| lists::wait_and_pop("blpop", a, End::Left)),
    spec("brpop", -3, W.and(Flags::BLOCKING), ALL_BUT_LAST, "takes from the right end of a list, or waits", |a| lists::wait_and_pop("brpop", a, End::Right)),
    spec("blmpop", -5, W.and(Flags::BLOCKING).and(Flags::MOVABLE), NONE, "takes from the first list that is there, or waits", lists::wait_and_pop_of_many),
    spec("blmove", 6, G.and(Flags::BLOCKING), TWO, "moves a value from list to list, or waits", lists::wait_and_move),
    spec("brpoplpush", 4, G.and(Flags::BLOCKING), TWO, "moves the right end of a list to the left end of another, or waits", lists::wait_and_rotate),

    spec("multi", 1, C, NONE, "begins a transaction", connection::multi),
    spec("exec", 1, C, NONE, "executes a transaction in one entry of the log", connection::exec),
    spec("discard", 1, C, NONE, "gives a transaction up", connection::discard),
    spec("watch", -2, C, ALL, "a transaction fails if these keys change before it", connection::watch),
    spec("unwatch", 1, C, NONE, "forgets what was watched", connection::unwatch),

    spec("cache.getv", 2, R, ONE, "value and version of a key", |a| cache::get_one("cache.getv", a, ReplyStyle::Single)),
    spec("cache.mgetv", -2, R, ALL, "values and versions, as of one moment", |a| cache::get_all("cache.mgetv", a, ReplyStyle::Full)),
    spec("cache.put", -3, G, ONE, "sets a key and gives its version", |a| cache::set("cache.put", a, cache::Offer::All, ReplyStyle::Full)),
    spec("cache.cas", -4, G, ONE, "sets a key that has this version", cache::compare_and_set),
    spec("cache.incrby", 3, G, ONE, "adds a number and gives the version", |a| cache::increment_by("cache.incrby", a, ReplyStyle::Full)),
    spec("cache.track", 3, R.and(Flags::SLOW), NONE, "a stream of the keys that change", cache::track),

    spec("lock.acquire", -3, G.and(Flags::BLOCKING), ONE, "takes a lock", lock::acquire),
    spec("lock.release", 4, W, ONE, "gives a lock up", lock::release),
    spec("lock.cancel", 3, W, ONE, "stops waiting for a lock", lock::cancel),
    spec("lock.check", 3, W, ONE, "whether a fenced resource accepts a token", lock::check),
    spec("lock.info", 2, R, ONE, "who holds a lock, and who waits for it", lock::info),
    spec("lock.scan", -2, R.and(Flags::SLOW), NONE, "the locks, step by step", |a| listing::scan("lock.scan", a, Listing::Locks { held: false })),

    spec("queue.create", -2, G, ONE, "makes a queue or changes its settings", queue::create),
    spec("queue.publish", -3, G, ONE, "publishes a message", queue::publish),
    spec("queue.publishbatch", -3, G, ONE, "publishes messages, all or none", queue::publish_batch),
    spec("queue.publisheach", -4, G, ONE, "publishes messages with options of their own", queue::publish_each),
    spec("queue.receive", -2, W.and(Flags::BLOCKING), ONE, "takes messages for a while", queue::receive),
    spec("queue.ack", -3, W, ONE, "settles deliveries", queue::ack),
    spec("queue.nack", -3, W, ONE, "gives a message back", queue::nack),
    spec("queue.extend", 4, W, ONE, "keeps a message longer", queue::extend),
    spec("queue.purge", 2, W, ONE, "drops all messages", queue::purge),
    spec("queue.delete", -2, W, ONE, "deletes a queue", queue::delete),
    spec("queue.redrive", -3, W, TWO, "moves messages to another queue", queue::redrive),
    spec("queue.info", 2, R, ONE, "figures of a queue", queue::info),
    spec("queue.scan", -2, R.and(Flags::SLOW), NONE, "the queues, step by step", |a| listing::scan("queue.scan", a, Listing::Queues)),

    spec("session.open", -2, G, NONE, "opens a session", session::open),
    spec("session.keepalive", 2, W, NONE, "keeps a session alive", session::keep_alive),
    spec("session.close", 2, W, NONE, "ends a session and frees what it holds", session::close),
    spec("session.ttl", 2, R, NONE, "the time to live of a session", session::ttl),
    spec("session.scan", -2, R.and(Flags::SLOW), NONE, "the sessions, step by step", |a| listing::scan("session.scan", a, Listing::Sessions)),

    spec("ping", -1, C, NONE, "whether the node answers", connection::ping),
    spec("echo", 2, C, NONE, "the same text", connection::echo),
    spec("quit", -1, N, NONE, "ends the connection", connection::quit),
    spec("reset", 1, N, NONE, "begins the connection anew", connection::reset),
    spec("hello", -1, N, NONE, "which protocol to speak, and who asks", connection::hello),
    spec("auth", -2, N, NONE, "who asks", connection::auth),
    spec("select", 2, C, NONE, "database 0, the only one", connection::select),
    spec("client", -2, C, NONE, "connections and what is known of them", connection::client),
    spec("command", -1, C, NONE, "this table", connection::command),
    spec("config", -2, A, NONE, "parameters of the node", connection::config),
    spec("readonly", 1, C, NONE, "reads of a node that does not lead, as it stands", connection::read_only),
    spec("readwrite", 1, C, NONE, "ends READONLY", connection::read_write),
    spec("consistency", -2, C, NONE, "the mode of this connection's reads", connection::consistency),
    spec("info", -1, C, NONE, "figures of the node", connection::info),
    spec("cluster", -2, C, NONE, "the members, as a Redis Cluster", connection::cluster),
    spec("role", 1, C, NONE, "whether the node leads", connection::role),
    spec("time", 1, C, NONE, "the node's clock", connection::time),
    spec("wait", 3, C.and(Flags::BLOCKING), NONE, "until other nodes have what was written", connection::wait),

    spec("raft.status", 1, A, NONE, "the node's place in the cluster", admin::status),
    spec("raft.add", 3, A, NONE, "adds a node", admin::add),
    spec("raft.remove", 2, A, NONE, "removes a node", admin::remove),
    spec("raft.replace", 4, A, NONE, "replaces a node by another", admin::replace),
    spec("raft.transfer", 2, A, NONE, "hands leadership over", admin::transfer),
    spec("raft.snapshot", 1, A, NONE, "begins a snapshot", admin::snapshot),
    spec("raft.backup", 1, A.and(Flags::SLOW), NONE, "sends a backup and ends the connection", admin::backup),
    spec("raft.digest", 1, A.and(Flags::SLOW), NONE, "writes the digest of the state to the events", admin::digest),
    spec("raft.init", -3, A, NONE, "forms a new cluster", admin::init),
    spec("shutdown", -1, A, NONE, "stops the node", admin::shutdown),
];

/// Longer than any name of a command.
const LONGEST_NAME: usize = 24;

static BY_NAME: LazyLock<Vec<&'static Spec>> = LazyLock::new(|| {
    let mut specs: Vec<&Spec> = COMMANDS.iter().collect();
    specs.sort_by_key(|spec| spec.name);
    specs
});

impl Spec {
    /// The command of this name, in any case.
    pub fn find(name: &[u8]) -> Option<&'static Self> {
        Self::find_at(name).map(|at| BY_NAME[at])
    }

    /// All commands, by name.
    pub fn all() -> &'static [&'static Self] {
        &BY_NAME
    }

    /// The place of the command of this name, in any case, among [`Self::all`].
    pub fn find_at(name: &[u8]) -> Option<usize> {
        let mut lower = [0; LONGEST_NAME];
        let lower = lower.get_mut(..name.len())?;
        lower.copy_from_slice(name);
        lower.make_ascii_lowercase();
        let at = BY_NAME.binary_search_by(|spec| spec.name.as_bytes().cmp(lower));
        at.ok()
    }

    /// What it does with these arguments, the name being the first: some are for operators only in
    /// one of their forms.
    pub fn flags_of(&self, args: &[Bytes]) -> Flags {
        let is_about_others = self.name == "client"
            && args.get(1).is_some_and(|verb| {
                let others = [b"KILL".as_slice(), b"LIST"];
                others.iter().any(|other| verb.eq_ignore_ascii_case(other))
            });
        match is_about_others {
            true => self.flags.and(Flags::ADMIN),
            false => self.flags,
        }
    }

    /// Whether so many arguments will do, the name included.
    pub fn takes(&self, arguments: usize) -> bool {
        let least = self.arity.unsigned_abs() as usize;
        if self.arity < 0 {
            arguments >= least
        } else {
            arguments == least
        }
    }

    /// The command that `ONCE` or `READ` executes, with its arguments, its name being the first.
    pub fn within<'a>(&self, args: &'a [Bytes]) -> Option<(&'static Self, &'a [Bytes])> {
        let is_stale = |mode: &Bytes| mode.eq_ignore_ascii_case(b"stale");
        let at = match self.name {
            "once" => 3,
            "read" if args.get(1).is_some_and(is_stale) => 3,
            "read" => 2,
            _ => return None,
        };
        let inner = args.get(at..)?;
        let spec = Self::find(inner.first()?)?;
        // They do not take each other.
        (!matches!(spec.name, "once" | "read")).then_some((spec, inner))
    }

    /// The keys among the arguments, the name being the first of these. Of `ONCE` and `READ`
    /// those of the command within.
    pub fn keys_of<'a>(&self, args: &'a [Bytes]) -> Vec<&'a Bytes> {
        if let Some((spec, inner)) = self.within(args) {
            return spec.keys_of(inner);
        }
        // As many as the argument before them says.
        let counted = |at: usize| {
            let count = args.get(at);
            let count = count.and_then(|count| std::str::from_utf8(count).ok());
            let count: usize = count.and_then(|count| count.parse().ok()).unwrap_or(0);
            args.iter().skip(at + 1).take(count).collect()
        };
        match self.name {
            "eval" | "evalsha" | "blmpop" => counted(2),
            "lmpop" => counted(1),
            _ => self.plain_keys(args),
        }
    }

    fn plain_keys<'a>(&self, args: &'a [Bytes]) -> Vec<&'a Bytes> {
        let Keys { first, last, step } = self.keys;
        if first == 0 {
            return Vec::new();
        }
        let last = if last < 0 {
            args.len() as i64 + last
        } else {
            last
        };
        let positions = (first..=last).step_by(step.max(1) as usize);
        positions.filter_map(|at| args.get(at as usize)).collect()
    }
}
