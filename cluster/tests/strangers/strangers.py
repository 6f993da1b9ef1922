"""redis-py against a running cluster: what its own first pages show, and what must hold.

    strangers.py CHECK PORT...

CHECK is one of the functions below. Prints nothing and exits with 0 if all is well.
"""

import faulthandler
import os
import signal
import sys
import threading
import time

import redis
from redis.backoff import ConstantBackoff
from redis.cache import CacheConfig
from redis.cluster import ClusterNode, RedisCluster
from redis.retry import Retry


def leader_of(ports, protocol):
    """A plain connection to the node that leads."""
    for port in ports:
        client = redis.Redis(port=port, protocol=protocol, decode_responses=True)
        if client.role()[0] == "master":
            return client
        client.close()
    raise AssertionError("no node leads")


def cluster_of(ports, protocol):
    nodes = [ClusterNode("127.0.0.1", port) for port in ports]
    return RedisCluster(
        startup_nodes=nodes,
        protocol=protocol,
        decode_responses=True,
        retry=Retry(ConstantBackoff(0.1), 100),
    )


def same(found, expected):
    assert found == expected, f"expected {expected!r}, found {found!r}"


def strings(client, prefix):
    """Works on a plain client and on a cluster's."""
    key = lambda name: "{" + prefix + "}" + name
    k = key("k")
    same(client.set(k, "bar"), True)
    same(client.get(k), "bar")
    same(client.set(k, "x", nx=True), None)
    same(client.set(k, "new", get=True), "bar")
    same(client.getset(k, "newer"), "new")
    same(client.append(k, "!"), 6)
    same(client.strlen(k), 6)
    same(client.getrange(k, 0, 2), "new")
    same(client.setrange(k, 5, "?"), 6)
    same(client.getdel(k), "newer?")
    same(client.get(k), None)
    same(client.mset({key("a"): 1, key("b"): 2}), True)
    same(client.mget(key("a"), key("b"), key("c")), ["1", "2", None])
    same(client.msetnx({key("b"): 3, key("c"): 4}), False)
    same(client.incr(key("n")), 1)
    same(client.incrby(key("n"), 41), 42)
    same(client.incrbyfloat(key("f"), 0.5), 0.5)
    same(client.decr(key("n")), 41)
    same(client.set(k, "v", ex=100), True)
    assert 98 <= client.ttl(k) <= 100
    same(client.expire(k, 200, lt=True), False)
    same(client.expire(k, 200, gt=True), True)
    same(client.persist(k), True)
    same(client.ttl(k), -1)
    at = int(time.time()) + 1000
    same(client.expireat(k, at), True)
    assert abs(client.expiretime(k) - at) <= 1
    same(client.getex(k, persist=True), "v")
    same(client.rename(k, key("k2")), True)
    same(client.exists(key("k2"), key("a")), 2)
    same(client.copy(key("k2"), k), True)
    same(client.type(k), "string")
    same(client.touch(k), 1)
    same(client.object("encoding", key("a")), "int")
    assert k in client.scan_iter(match="{" + prefix + "}*")
    assert client.dbsize() > 0
    assert client.randomkey() is not None
    same(client.delete(k, key("k2"), key("a"), key("b"), key("n"), key("f")), 6)


def lists(client, prefix):
    """As redis-py's own page on lists."""
    key = lambda name: "{" + prefix + "}" + name
    k = key("list")
    same(client.lpush(k, 1, 2), 2)
    same(client.rpush(k, 3), 3)
    same(client.lrange(k, 0, -1), ["2", "1", "3"])
    same(client.llen(k), 3)
    same(client.lindex(k, -1), "3")
    same(client.linsert(k, "before", 3, "x"), 4)
    same(client.lpos(k, "x"), 2)
    same(client.lset(k, 0, "two"), True)
    same(client.lrem(k, 0, "x"), 1)
    same(client.ltrim(k, 0, 1), True)
    same(client.type(k), "list")
    same(client.lmove(k, key("doing"), "LEFT", "RIGHT"), "two")
    same(client.blmove(k, key("doing"), 1, "LEFT", "RIGHT"), "1")
    same(client.brpoplpush(key("doing"), k, 1), "1")
    same(list(client.blpop([key("none"), k], 1)), [k, "1"])
    same(client.brpop(k, 0.01), None)
    same(client.lpop(key("doing"), 5), ["two"])
    same(client.rpop(key("doing")), None)
    client.rpush(k, "job")
    try:
        client.incr(k)
        raise AssertionError("a list is no number")
    except redis.ResponseError as error:
        assert str(error).startswith("WRONGTYPE"), error
    same(client.delete(k), 1)


def transactions(client, prefix):
    k = prefix + "-t"
    with client.pipeline(transaction=True) as pipe:
        pipe.set(k, 1).incr(k).get(k).mget(k, k)
        same(pipe.execute(), [True, 2, "2", ["2", "2"]])
    with client.pipeline(transaction=False) as pipe:
        for _ in range(500):
            pipe.incr(k)
        same(pipe.execute(), list(range(3, 503)))
    with client.pipeline() as pipe:
        pipe.watch(k)
        client.set(k, "changed")
        pipe.multi()
        pipe.set(k, "mine")
        try:
            pipe.execute()
            raise AssertionError("a watched key had changed")
        except redis.WatchError:
            pass
    same(client.get(k), "changed")
    # Nothing is done in part: what cannot be part of a transaction is refused as a whole.
    with client.pipeline(transaction=True) as pipe:
        pipe.set(k, "half").execute_command("SESSION.OPEN", 1000)
        try:
            pipe.execute()
            raise AssertionError("sessions are not opened in transactions")
        except redis.ResponseError:
            pass
    same(client.get(k), "changed")
    same(client.transaction(lambda pipe: pipe.multi() or pipe.set(k, 5), k), [True])
    client.delete(k)


def locks(client, prefix):
    name = prefix + "-lock"
    lock = client.lock(name, timeout=10)
    assert lock.acquire(blocking=False)
    assert not client.lock(name, timeout=10).acquire(blocking=False)
    same(lock.owned(), True)
    same(lock.extend(10), True)
    assert 15_000 < client.pttl(name) <= 20_000
    same(lock.extend(5, replace_ttl=True), True)
    assert client.pttl(name) <= 5_000
    same(lock.reacquire(), True)
    lock.release()
    same(client.exists(name), 0)
    client.set(name, "somebody else")
    lock.local.token = b"me"
    try:
        lock.release()
        raise AssertionError("it is not ours")
    except redis.exceptions.LockError:
        pass
    client.delete(name)
    with client.lock(name, timeout=5, blocking_timeout=5):
        pass
    try:
        client.eval("return 1", 0)
        raise AssertionError("scripts are not run")
    except redis.ResponseError as error:
        assert "not known" in str(error), error


def plain(ports):
    for protocol in (2, 3):
        client = leader_of(ports, protocol)
        strings(client, f"plain{protocol}")
        lists(client, f"plain{protocol}")
        transactions(client, f"plain{protocol}")
        locks(client, f"plain{protocol}")
        server(client)
        client.close()


def server(client):
    info = client.info()
    assert info["redis_version"].startswith("7."), info
    same(info["cluster_enabled"], 1)
    assert client.config_get("max*")["maxclients"]
    same(client.config_set("timeout", 7), True)
    same(client.config_get("timeout"), {"timeout": "7"})
    client.config_set("timeout", 0)
    client.client_setname("me")
    same(client.client_getname(), "me")
    mine = [one for one in client.client_list() if one["name"] == "me"]
    assert mine and mine[0]["lib-name"].startswith("redis-py"), mine
    same(client.client_info()["name"], "me")
    commands = client.command()
    same(commands["mset"]["step_count"], 2)
    same(client.command_getkeys("MSET", "a", 1, "b", 2), ["a", "b"])
    assert client.wait(1, 1000) >= 1
    same(client.echo("hi"), "hi")
    assert client.time()[0] > 0
    assert client.client_kill_filter(_id=client.client_id(), skipme=True) == 0


def cluster(ports):
    for protocol in (2, 3):
        client = cluster_of(ports[1:] + ports[:1], protocol)
        strings(client, f"cluster{protocol}")
        lists(client, f"cluster{protocol}")
        locks(client, f"cluster{protocol}")
        with client.pipeline() as pipe:
            for n in range(100):
                pipe.set(f"cluster{protocol}-{n}", n)
            same(pipe.execute(), [True] * 100)
        same(client.get(f"cluster{protocol}-99"), "99")
        same(len(client.get_nodes()), len(ports))
        same(len(client.get_primaries()), 1)
        client.close()


def near_cache(ports):
    """redis-py's cache in the client, which lives of CLIENT TRACKING."""
    port = leader_of(ports, 3).connection_pool.connection_kwargs["port"]
    other = redis.Redis(port=port, protocol=3, decode_responses=True)
    near = redis.Redis(
        port=port, protocol=3, decode_responses=True, cache_config=CacheConfig(max_size=100)
    )
    cache = near.get_cache()
    for n in range(20):
        other.set("near", n)
        # The change is pushed within a moment; a copy of before must not outlive it.
        deadline = time.monotonic() + 5
        while near.get("near") != str(n):
            assert time.monotonic() < deadline, f"still {near.get('near')}, not {n}"
        same(near.get("near"), str(n))
        same(cache.size, 1)
    commands = int(other.info("stats")["total_commands_processed"])
    for _ in range(100):
        same(near.get("near"), "19")
    asked = int(other.info("stats")["total_commands_processed"]) - commands
    assert asked < 10, f"{asked} commands for 100 reads of a copy"
    same(other.delete("near"), 1)
    deadline = time.monotonic() + 5
    while near.get("near") is not None:
        assert time.monotonic() < deadline, "a deleted key has a copy"


def survive(ports):
    """Writes until its input ends, then reads everything back."""
    stop = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True).start()
    client = cluster_of(ports, 3)
    print("writing", flush=True)
    written = 0
    while not stop.is_set():
        try:
            client.set(f"survive-{written}", written)
        except redis.RedisError as error:
            # The outcome of this one is not known; it is asked for again.
            print(f"again: {error}", file=sys.stderr)
            time.sleep(0.05)
            continue
        written += 1
    for n in range(written):
        same(client.get(f"survive-{n}"), str(n))
    print(f"written {written}", flush=True)


def encrypted(ports):
    """Certificates are in the files that the environment names."""
    tls = {
        "ssl": True,
        "ssl_ca_certs": os.environ["SQUALL_CA"],
        "ssl_certfile": os.environ["SQUALL_CERT"],
        "ssl_keyfile": os.environ["SQUALL_KEY"],
    }
    plain = redis.Redis(port=ports[0], ssl=True, ssl_ca_certs=os.environ["SQUALL_CA"])
    try:
        raise AssertionError(f"without a certificate: {plain.ping()}")
    except redis.ConnectionError:
        pass
    nodes = [ClusterNode("127.0.0.1", port) for port in ports]
    client = RedisCluster(
        startup_nodes=nodes,
        decode_responses=True,
        retry=Retry(ConstantBackoff(0.1), 100),
        **tls,
    )
    strings(client, "tls")
    large = "x" * 3_000_000
    same(client.set("large", large), True)
    same(client.get("large"), large)


if __name__ == "__main__":
    # A check that waits for ever says where.
    faulthandler.register(signal.SIGALRM, chain=True)
    signal.alarm(60)
    check, *ports = sys.argv[1:]
    checks = {
        "plain": plain,
        "cluster": cluster,
        "encrypted": encrypted,
        "near_cache": near_cache,
        "survive": survive,
    }
    checks[check]([int(port) for port in ports])
