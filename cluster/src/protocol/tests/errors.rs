//! Every text a bad command can be answered with.

use bytes::Bytes;

use super::refused;
use crate::protocol::{COMMANDS, CommandError, parse};

#[test]
fn unknown_commands_are_quoted_like_redis_quotes_them() {
    let text = "ERR unknown command 'foo', with args beginning with: 'a' 'b' ";
    assert_eq!(refused("foo a b"), text);
    assert_eq!(
        refused("FOO"),
        "ERR unknown command 'FOO', with args beginning with: "
    );
    let long = "x".repeat(300);
    let shown = "x".repeat(128);
    let text = format!("ERR unknown command '{shown}', with args beginning with: '{shown}' ");
    assert_eq!(refused(&format!("{long} {long} b")), text);
    for name in [
        "HSET",
        "LOCK.",
        "LOCK.STEAL",
        "QUEUE.GET",
        "CACHE.SET",
        "SESSION.X",
        "RAFT.X",
    ] {
        let text = format!("ERR unknown command '{name}', with args beginning with: 'a' ");
        assert_eq!(refused(&format!("{name} a")), text);
    }
    let nothing = parse(&[]).map_err(|error| error.to_string());
    assert_eq!(
        nothing,
        Err("ERR unknown command '', with args beginning with: ".into())
    );
}

#[test]
fn unknown_subcommands() {
    for command in ["CLIENT", "COMMAND", "CONFIG", "CLUSTER", "OBJECT", "SCRIPT"] {
        let text = format!("ERR unknown subcommand 'nope'. Try {command} HELP.");
        assert_eq!(refused(&format!("{command} nope")), text);
    }
}

#[test]
fn the_number_of_arguments_is_judged_under_the_commands_own_name() {
    for spec in COMMANDS {
        let text = format!("ERR wrong number of arguments for '{}' command", spec.name);
        let least = spec.arity.unsigned_abs() as usize;
        let short = vec![spec.name; 1]
            .into_iter()
            .chain(vec!["1"; least.saturating_sub(2)]);
        if least > 1 {
            assert_eq!(refused(&short.collect::<Vec<_>>().join(" ")), text);
        }
        if spec.arity > 0 {
            let long = vec![spec.name; 1].into_iter().chain(vec!["1"; least]);
            assert_eq!(refused(&long.collect::<Vec<_>>().join(" ")), text);
        }
    }
}

#[test]
fn surplus_and_missing_arguments() {
    for (line, name) in [
        ("GET a b", "get"),
        ("SET k", "set"),
        ("SETNX k", "setnx"),
        ("SETEX k 1", "setex"),
        ("PSETEX k 1", "psetex"),
        ("INCR a b", "incr"),
        ("DECRBY a", "decrby"),
        ("EXPIRE a", "expire"),
        ("TTL a b", "ttl"),
        ("PERSIST a b", "persist"),
        ("DBSIZE a", "dbsize"),
        ("CACHE.CAS k 1", "cache.cas"),
        ("CACHE.PUT k", "cache.put"),
        ("CACHE.INCRBY k", "cache.incrby"),
        ("PING a b", "ping"),
        ("TIME a", "time"),
        ("READONLY a", "readonly"),
        ("READWRITE a", "readwrite"),
        ("CONSISTENCY STALE", "consistency"),
        ("CONSISTENCY LOCAL a", "consistency"),
        ("CLIENT SETNAME", "client|setname"),
        ("CLIENT GETNAME a", "client|getname"),
        ("CLIENT SETINFO a", "client|setinfo"),
        ("CLIENT ID a", "client|id"),
        ("COMMAND COUNT a", "command|count"),
        ("CONFIG GET", "config|get"),
        ("CLUSTER KEYSLOT", "cluster|keyslot"),
        ("CLUSTER NODES a", "cluster|nodes"),
        ("MSET a", "mset"),
        ("MSET a 1 b", "mset"),
        ("OBJECT ENCODING", "object|encoding"),
        ("CLIENT INFO a", "client|info"),
        ("COMMAND GETKEYS", "command|getkeys"),
        ("CONFIG SET a", "config|set"),
        ("SCRIPT LOAD", "script|load"),
        ("ONCE 1 1", "once"),
        ("READ LOCAL", "read"),
        ("READ STALE 5", "read"),
        ("ONCE 1 1 GET", "get"),
        ("LOCK.RELEASE l 1", "lock.release"),
        ("QUEUE.PUBLISH q", "queue.publish"),
        ("QUEUE.ACK q", "queue.ack"),
        ("QUEUE.EXTEND q 1", "queue.extend"),
        ("RAFT.STATUS a", "raft.status"),
        ("RAFT.SNAPSHOT a", "raft.snapshot"),
        ("RAFT.DIGEST a", "raft.digest"),
        ("RAFT.INIT 1 h:1 2", "raft.init"),
    ] {
        let text = format!("ERR wrong number of arguments for '{name}' command");
        assert_eq!(refused(line), text, "{line}");
    }
}

#[test]
fn syntax_errors() {
    for line in [
        "SET k v EX",
        "SET k v NX XX",
        "SET k v XX NX",
        "SET k v EX 1 PX 1",
        "SET k v PX 1 EX 1",
        "SET k v EX 1 KEEPTTL",
        "SET k v KEEPTTL PX 1",
        "SET k v EX 1 EXAT 5",
        "SET k v GET VERSION 1",
        "CACHE.PUT k v GET",
        "CACHE.CAS k 1 v EXAT 5",
        "GETEX k EX",
        "GETEX k PERSIST EX 1",
        "SCAN 0 COUNT 0",
        "SCAN 0 NOPE",
        "COPY a b NOPE",
        "CLIENT KILL SKIPME yes",
        "CLIENT REPLY maybe",
        "SET k v VERSION 1",
        "SET k v EX x NOPE",
        "CACHE.PUT k v NX VERSION 1",
        "CACHE.PUT k v VERSION 1 XX",
        "CACHE.CAS k 1 v NX",
        "CACHE.CAS k 1 v KEEPTTL",
        "FLUSHALL now",
        "FLUSHDB SYNC SYNC",
        "SESSION.OPEN 5 x",
        "LOCK.ACQUIRE l 1 WAIT",
        "LOCK.ACQUIRE l 1 nope",
        "QUEUE.CREATE q MAXDEPTH",
        "QUEUE.CREATE q x",
        "QUEUE.PUBLISH q m x",
        "QUEUE.PUBLISH q m DEDUP p",
        "QUEUE.PUBLISHEACH q 2 m",
        "QUEUE.PUBLISHEACH q 1 m 1",
        "QUEUE.RECEIVE q x",
        "QUEUE.NACK q 1 x",
        "READ NEVER GET k",
        "CONSISTENCY NEVER",
        "SHUTDOWN x",
    ] {
        assert_eq!(refused(line), "ERR syntax error", "{line}");
    }
}

#[test]
fn figures_that_are_no_integers() {
    for line in [
        "SET k v EX x",
        "SET k v PX 1.5",
        "SETEX k x v",
        "INCRBY k 9223372036854775808",
        "INCRBY k +1",
        "DECRBY k x",
        "EXPIRE k x",
        "EXPIREAT k x",
        "GETRANGE k x 1",
        "SETRANGE k x v",
        "WAIT x 1",
        "CLIENT KILL ID x",
        "CACHE.CAS k -1 v",
        "CACHE.PUT k v VERSION x",
        "CACHE.INCRBY k x",
        "SELECT x",
        "CONSISTENCY STALE x",
        "READ STALE -1 GET k",
        "ONCE x 1 INCR k",
        "ONCE 1 x INCR k",
        "SESSION.OPEN -1",
        "SESSION.CLOSE x",
        "SESSION.KEEPALIVE 18446744073709551616",
        "SESSION.TTL x",
        "LOCK.ACQUIRE l x",
        "LOCK.ACQUIRE l 1 WAIT x",
        "LOCK.RELEASE l 1 x",
        "LOCK.CHECK l x",
        "LOCK.CANCEL l x",
        "QUEUE.CREATE q MAXDELIVERIES 4294967296",
        "QUEUE.PUBLISH q m PRIORITY 256",
        "QUEUE.PUBLISH q m DELAY x",
        "QUEUE.PUBLISH q m DEDUP p x",
        "QUEUE.PUBLISHEACH q x m",
        "QUEUE.RECEIVE q COUNT 4294967296",
        "QUEUE.RECEIVE q WAIT x",
        "QUEUE.ACK q x",
        "QUEUE.NACK q x",
        "QUEUE.EXTEND q 1 x",
        "RAFT.ADD x h:1",
        "RAFT.REMOVE x",
        "RAFT.REPLACE 1 x h:1",
        "RAFT.TRANSFER x",
        "RAFT.INIT x h:1",
    ] {
        let text = "ERR value is not an integer or out of range";
        assert_eq!(refused(line), text, "{line}");
    }
}

#[test]
fn lifetimes_out_of_range() {
    for (line, name) in [
        ("SET k v EX 0", "set"),
        ("SET k v PX -1", "set"),
        ("SET k v EX 9223372036854775807", "set"),
        ("SETEX k 0 v", "setex"),
        ("PSETEX k -5 v", "psetex"),
        ("EXPIRE k 9223372036854775807", "expire"),
        ("EXPIRE k 9223370399119966", "expire"),
        ("EXPIRE k -9223372036854776", "expire"),
        ("PEXPIRE k 9223372036854770000", "pexpire"),
        ("EXPIREAT k -9223372036854776", "expireat"),
        ("SET k v EXAT 0", "set"),
        ("GETEX k PX 0", "getex"),
        ("CACHE.PUT k v PX 0", "cache.put"),
        ("CACHE.CAS k 1 v PX 0", "cache.cas"),
    ] {
        let text = format!("ERR invalid expire time in '{name}' command");
        assert_eq!(refused(line), text, "{line}");
    }
}

#[test]
fn the_remaining_texts() {
    for (line, text) in [
        (
            "DECRBY k -9223372036854775808",
            "ERR decrement would overflow",
        ),
        ("EXPIRE k 5 NOW", "ERR Unsupported option NOW"),
        (
            "EXPIRE k 5 NX XX",
            "ERR NX and XX, GT or LT options at the same time are not compatible",
        ),
        (
            "EXPIRE k 5 GT LT",
            "ERR GT and LT options at the same time are not compatible",
        ),
        ("INCRBYFLOAT k nan", "ERR value is not a valid float"),
        (
            "INCRBYFLOAT k -inf",
            "ERR increment would produce NaN or Infinity",
        ),
        ("SETRANGE k -1 v", "ERR offset is out of range"),
        ("SCAN x", "ERR invalid cursor"),
        ("COPY a b DB 1", "ERR DB index is out of range"),
        ("WAIT 1 -1", "ERR timeout is negative"),
        ("CLUSTER COUNTKEYSINSLOT 16384", "ERR Invalid slot"),
        ("CLIENT SETINFO what ever", "ERR Unrecognized option 'what'"),
        (
            "EVAL x 2 a",
            "ERR this script is not known, and scripts are not run: offered are those that \
             compare a key's value and then delete the key or set its lifetime, as libraries \
             use them for locks",
        ),
        (
            "QUEUE.RECEIVE q WAIT 86400001",
            "OUTOFRANGE a duration or count is outside its range",
        ),
        ("SELECT 1", "ERR DB index is out of range"),
        ("HELLO 1", "NOPROTO unsupported protocol version"),
        (
            "HELLO x",
            "ERR Protocol version is not an integer or out of range",
        ),
        ("HELLO 2 AUTH a", "ERR Syntax error in HELLO option 'AUTH'"),
        (
            "HELLO 2 SETNAME",
            "ERR Syntax error in HELLO option 'SETNAME'",
        ),
        (
            "CLIENT SETNAME 'a b'",
            "ERR Client names cannot contain spaces, newlines or special characters.",
        ),
        ("ONCE 1 1 GET k", "ERR ONCE takes a write command"),
        ("ONCE 1 1 PING", "ERR ONCE takes a write command"),
        ("ONCE 1 1 once 1 2 INCR k", "ERR ONCE takes a write command"),
        ("ONCE 1 1 ONCE", "ERR ONCE takes a write command"),
        ("READ LOCAL SET k v", "ERR READ takes a read command"),
        (
            "READ LOCAL READ LEASE GET k",
            "ERR READ takes a read command",
        ),
        (
            "RAFT.ADD 1 nowhere",
            "ERR invalid address 'nowhere', expected host:port",
        ),
        (
            "RAFT.ADD 1 host:0",
            "ERR invalid address 'host:0', expected host:port",
        ),
        (
            "RAFT.REPLACE 1 2 :80",
            "ERR invalid address ':80', expected host:port",
        ),
        (
            "RAFT.INIT 1 h:99999",
            "ERR invalid address 'h:99999', expected host:port",
        ),
    ] {
        assert_eq!(refused(line), text, "{line}");
    }
}

/// The outcome of a command whose `at`-th argument has `size` bytes.
fn sized(line: &str, at: usize, size: usize) -> Result<(), String> {
    let mut args = super::words(line);
    args[at] = Bytes::from(vec![b'1'; size]);
    parse(&args)
        .map(drop)
        .map_err(|error: CommandError| error.to_string())
}

#[test]
fn sizes_of_names_keys_and_values() {
    let name = "ERR a name has 1 to 512 bytes of UTF-8";
    let key = "ERR key exceeds the limit of 65536 bytes";
    let value = "ERR value exceeds the limit of 8388608 bytes";
    for (line, at, most, text) in [
        ("LOCK.ACQUIRE l 1", 1, 512, name),
        ("LOCK.INFO l", 1, 512, name),
        ("QUEUE.PUBLISH q m", 1, 512, name),
        ("QUEUE.PUBLISH q m GROUP g", 4, 512, name),
        ("QUEUE.PUBLISH q m DEDUP p 1", 4, 512, name),
        ("QUEUE.CREATE q DEADLETTER d", 3, 512, name),
        ("GET k", 1, 65536, key),
        ("MGET a k", 2, 65536, key),
        ("SET k v", 1, 65536, key),
        ("INCR k", 1, 65536, key),
        ("TTL k", 1, 65536, key),
        ("SET k v", 2, 8388608, value),
        ("CACHE.CAS k 1 v", 3, 8388608, value),
        ("QUEUE.PUBLISH q m", 2, 8388608, value),
        ("QUEUE.PUBLISHBATCH q m", 2, 8388608, value),
    ] {
        assert_eq!(sized(line, at, most), Ok(()), "{line}");
        assert_eq!(sized(line, at, most + 1), Err(text.into()), "{line}");
    }
    assert_eq!(sized("LOCK.INFO l", 1, 0), Err(name.into()));
    assert_eq!(sized("GET k", 1, 0), Ok(()));
    assert_eq!(refused(r#"LOCK.INFO "\xff""#), name);
}
