#!/usr/bin/env python3
"""What a leader's end costs clients, on real processes: three nodes on loopback.

    cargo build --profile node -p squall-cluster --bin squall-node
    python3 cluster/benches/failover.py target/node/squall-node
    python3 cluster/benches/failover.py target/node/squall-node --rolling

Kills the leader (SIGKILL) again and again while a client counts with INCR, one increment at a
time, and follows redirections. Downtime is the longest time without an acknowledgement, from the
signal on. With --rolling, every node in turn is asked to stop (SIGTERM) and started
again under 1,000 increments a second, and what fails or stays unknown is counted. In the end
the counter must hold every acknowledged increment.
"""

import argparse
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

NODES = (1, 2, 3)
TIMERS = {
    "100/1000": ("100ms", "1000ms", "2000ms"),
    "50/300": ("50ms", "300ms", "600ms"),
    "default": ("100ms", "300ms", "600ms"),
}
PATIENCE_S = 30


class Connection:
    """A connection that speaks RESP2; answers are lines, errors begin with '-'."""

    def __init__(self, address, timeout=2.0):
        self.socket = socket.create_connection(address, timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.lines = self.socket.makefile("rb")

    def ask(self, *words):
        parts = [f"*{len(words)}\r\n"]
        parts += [f"${len(word)}\r\n{word}\r\n" for word in words]
        self.socket.sendall("".join(parts).encode())
        line = self.lines.readline()
        if not line:
            raise ConnectionResetError("closed")
        line = line.decode().rstrip("\r\n")
        if line.startswith("*"):
            return [self.bulk(self.lines.readline().decode()) for _ in range(int(line[1:]))]
        return self.bulk(line)

    def bulk(self, line):
        if not line.startswith("$") or line.startswith("$-1"):
            return line.rstrip("\r\n")
        return self.lines.read(int(line[1:]) + 2).decode().rstrip("\r\n")

    def close(self):
        self.socket.close()


class Cluster:
    def __init__(self, program, timers, directory):
        self.program, self.timers, self.directory = program, timers, directory
        self.addresses = {id: ("127.0.0.1", free_port()) for id in NODES}
        self.processes = {}
        for id in NODES:
            self.start(id)
        self.await_leader()

    def start(self, id):
        heartbeat, shortest, longest = self.timers
        members = ",".join(f"{i}={h}:{p}" for i, (h, p) in self.addresses.items())
        log = open(f"{self.directory}/log-{id}", "ab")
        self.processes[id] = subprocess.Popen(
            [self.program, "--id", str(id), "--cluster", members]
            + ["--dir", f"{self.directory}/node-{id}", "--heartbeat", heartbeat]
            + ["--election-min", shortest, "--election-max", longest],
            stdout=log,
            stderr=log,
        )

    def status(self, id):
        connection = Connection(self.addresses[id])
        try:
            lines = connection.ask("RAFT.STATUS")
        finally:
            connection.close()
        return dict(line.split(":", 1) for line in lines)

    def await_leader(self):
        """Waits until all nodes follow one leader and have applied what it has; its id."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            try:
                all_status = [self.status(id) for id in NODES]
                leaders = {status["leader"] for status in all_status}
                applied = [int(status["applied"]) for status in all_status]
                if len(leaders) == 1 and "none" not in leaders and max(applied) - min(applied) < 100:
                    return int(leaders.pop().split("-")[1])
            except (OSError, KeyError, ValueError):
                pass
            time.sleep(0.02)
        raise TimeoutError("the nodes do not agree on a leader")

    def stop(self):
        for process in self.processes.values():
            process.kill()
            process.wait()


def free_port():
    while True:
        with socket.socket() as probe, socket.socket() as peer:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
            if port < 55_000:
                try:
                    peer.bind(("127.0.0.1", port + 10_000))
                    return port
                except OSError:
                    pass


class Writer(threading.Thread):
    """Counts, one increment at a time, `rest_s` apart."""

    def __init__(self, addresses, key, rest_s):
        super().__init__(daemon=True)
        self.addresses, self.key, self.rest_s = list(addresses.values()), key, rest_s
        self.at = self.addresses[0]
        self.acknowledged, self.failed, self.unknown = [], 0, 0
        self.reasons = {}
        self.ends = threading.Event()

    def run(self):
        connection = None
        due = time.monotonic()
        while not self.ends.is_set():
            sent = False
            try:
                if connection is None:
                    connection = Connection(self.at)
                sent = True
                answer = connection.ask("INCR", self.key)
            except OSError as e:
                if sent:
                    self.note("unknown", f"{e}")
                connection, self.at = None, self.next_address()
                time.sleep(0.002)
                continue
            if answer.startswith(":"):
                self.acknowledged.append(time.monotonic())
                due = max(due + self.rest_s, time.monotonic() - 0.1)
                time.sleep(max(0, due - time.monotonic()))
            elif answer.startswith("-MOVED"):
                host, port = answer.split()[2].rsplit(":", 1)
                connection.close()
                connection, self.at = None, (host, int(port))
            else:
                self.note("unknown" if answer.startswith("-UNKNOWN") else "failed", answer)
                if answer.startswith("-CLUSTERDOWN"):
                    connection.close()
                    connection, self.at = None, self.next_address()
                time.sleep(0.002)

    def note(self, kind, why):
        setattr(self, kind, getattr(self, kind) + 1)
        self.reasons[why] = self.reasons.get(why, 0) + 1

    def next_address(self):
        return self.addresses[(self.addresses.index(self.at) + 1) % len(self.addresses)]

    def longest_gap_s(self, moment):
        """The longest time between two acknowledgements since the last one before `moment`, once
        they have come again for a second."""
        deadline = moment + PATIENCE_S
        while not self.acknowledged or self.acknowledged[-1] < moment + 0.01:
            if time.monotonic() > deadline:
                raise TimeoutError("nothing was acknowledged any more")
            time.sleep(0.005)
        time.sleep(1.0)
        times = [at for at in self.acknowledged[-5000:] if at > moment]
        return max(b - a for a, b in zip([moment] + times, times))

    def finish(self):
        self.ends.set()
        self.join()


def check_counter(cluster, writers):
    leader = Connection(cluster.addresses[cluster.await_leader()])
    for writer in writers:
        value = int(leader.ask("GET", writer.key))
        count = len(writer.acknowledged)
        assert value >= count, f"{writer.key} is {value}, and {count} were acknowledged"


def kill_leaders(program, name, trials):
    with tempfile.TemporaryDirectory() as directory:
        cluster = Cluster(program, TIMERS[name], directory)
        writer = Writer(cluster.addresses, "count", 0.001)
        try:
            writer.start()
            downtimes = []
            for _ in range(trials):
                # A node that has just started gives its vote to nobody for a while.
                time.sleep(2.0)
                leader = cluster.await_leader()
                moment = time.monotonic()
                cluster.processes[leader].send_signal(signal.SIGKILL)
                cluster.processes[leader].wait()
                downtimes.append(writer.longest_gap_s(moment) * 1000)
                cluster.start(leader)
            writer.finish()
            check_counter(cluster, [writer])
        finally:
            cluster.stop()
    ordered = sorted(downtimes)
    print(
        f"| {name} | {trials} | {ordered[0]:.0f} | {statistics.median(ordered):.0f} "
        f"| {ordered[-1]:.0f} |",
        flush=True,
    )


def rolling_restart(program, name):
    with tempfile.TemporaryDirectory() as directory:
        cluster = Cluster(program, TIMERS[name], directory)
        writers = [Writer(cluster.addresses, f"count-{i}", 0.010) for i in range(10)]
        begun = time.monotonic()
        try:
            for writer in writers:
                writer.start()
            time.sleep(1)
            for id in NODES:
                process = cluster.processes[id]
                process.send_signal(signal.SIGTERM)
                process.wait()
                cluster.start(id)
                cluster.await_leader()
                time.sleep(1)
            for writer in writers:
                writer.finish()
            rate = sum(len(writer.acknowledged) for writer in writers) / (time.monotonic() - begun)
            check_counter(cluster, writers)
        finally:
            cluster.stop()
    gaps = [b - a for w in writers for a, b in zip(w.acknowledged, w.acknowledged[1:])]
    failed, unknown = (sum(getattr(w, kind) for w in writers) for kind in ("failed", "unknown"))
    print(f"| {name} | {rate:.0f} | {failed} | {unknown} | {max(gaps) * 1000:.0f} |", flush=True)
    for writer in writers:
        for why, count in writer.reasons.items():
            print(f"  {writer.key}: {count} times {why}", file=sys.stderr)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program", help="path of squall-node")
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--timers", choices=TIMERS, nargs="*", default=list(TIMERS))
    parser.add_argument("--rolling", action="store_true")
    arguments = parser.parse_args()
    if arguments.rolling:
        print("| timers, ms | writes a second | failed | unknown | longest gap, ms |\n|---|---|---|---|---|")
    else:
        print("| timers, ms | kills | least, ms | median, ms | worst, ms |\n|---|---|---|---|---|")
    for name in arguments.timers:
        if arguments.rolling:
            rolling_restart(arguments.program, name)
        else:
            kill_leaders(arguments.program, name, arguments.trials)


if __name__ == "__main__":
    main()
