"""Kills etcd's leader by a scenario of Squall, and compares its figures with two judges that share
no code with it: etcd's own log, and a prober that writes a counter (etcd_prober.py).

usage: etcd_trials.py SQUALL DIR TRIALS [ARGUMENT OF SQUALL RUN...]

As root, for the prober enters the network of the run. Trial N is a run with seed N, kept in DIR/N.
Prints a line of JSON for each, times in milliseconds and in the order of the kills:

election   Squall: from the kill to the first commit of the next leader
log        etcd: from "lost TCP streaming connection" with the leader to "became leader"
downtime   Squall: in which no client of the register was answered
prober     the longest times between two answers to the prober, as many as there were kills
"""

import datetime
import json
import os
import pathlib
import re
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
LED = re.compile(r"^([0-9a-f]+) became leader at term")


def entries(run):
    """What all members have logged, in order of time."""
    found = []
    for log in sorted((run / "nodes").glob("*.log")):
        for line in log.read_text(errors="replace").splitlines():
            start = line.find('{"level":')
            if start < 0:
                continue
            try:
                entry = json.loads(line[start:])
                moment = datetime.datetime.strptime(entry["ts"], "%Y-%m-%dT%H:%M:%S.%fZ")
            except (ValueError, KeyError):
                continue  # a line that was cut
            moment = moment.replace(tzinfo=datetime.timezone.utc)
            found.append((moment.timestamp() * 1000, entry))
    return sorted(found, key=lambda of: of[0])


def elections_of_log(run):
    """How long it took from the loss of each leader until there was another."""
    leader, lost, elections = None, None, []
    for moment, entry in entries(run):
        text = entry.get("msg", "")
        is_of_leader = leader is not None and entry.get("remote-peer-id") == leader
        elected = LED.match(text)
        if elected:
            if lost is not None:
                elections.append(round(moment - lost, 1))
            leader, lost = elected.group(1), None
        elif is_of_leader and text.startswith("lost TCP streaming connection"):
            lost = moment if lost is None else lost
        elif is_of_leader and text.startswith("established TCP streaming connection"):
            lost = None
    return elections


def longest(stretches, count):
    """The longest so many of pairs of moments, as lengths in order of time."""
    chosen = sorted(stretches, key=lambda of: of[0] - of[1])[:count]
    return [round(until - since, 1) for since, until in sorted(chosen)]


def gaps_of_prober(told):
    lines = told.read_text().splitlines(keepends=True)
    # It was killed, perhaps in the middle of a line.
    answers = sorted(float(line) for line in lines if line.endswith("\n"))
    return list(zip(answers, answers[1:]))


def enter(squall, told, nodes):
    """The prober, in the network of a run, once it has one; it ends with the run."""
    own = os.readlink("/proc/self/ns/net")
    network = f"/proc/{squall.pid}/ns/net"
    while os.readlink(network) == own:
        if squall.poll() is not None:
            sys.exit(f"the run has ended with {squall.returncode}; see {told.parent}")
        time.sleep(0.01)
    members = [f"10.77.0.{node}:2379" for node in range(1, nodes + 1)]
    command = ["nsenter", f"--net={network}", sys.executable, str(HERE / "etcd_prober.py")]
    with open(told, "w") as output:
        return subprocess.Popen(command + members, stdout=output)


def nodes_of(arguments):
    """As many as the arguments say, or the scenario."""
    key = "cluster.nodes="
    told = [int(text[len(key):]) for text in arguments if text.startswith(key)]
    return told[-1] if told else 5


def trial(squall, run, seed, arguments):
    command = [squall, "run", "scenarios/leader-kill.toml", "--backend", "process"]
    command += ["--system", "etcd", "--seed", str(seed), "--out", str(run), "--quiet"]
    run.parent.mkdir(parents=True, exist_ok=True)
    told = run.parent / f"{seed}.prober"
    with open(run.parent / f"{seed}.txt", "w") as said:
        both = {"stdout": said, "stderr": subprocess.STDOUT}
        playing = subprocess.Popen(command + arguments, cwd=REPOSITORY, **both)
        prober = enter(playing, told, nodes_of(arguments))
        code = playing.wait()
    # Squall ends what it finds in the network of a run; it may have been quicker.
    prober.kill()
    prober.wait()
    report = json.loads((run / "report.json").read_text())
    checks = {check["name"]: check["verdict"] for check in report["checks"]}
    gaps = [(gap["from_ms"], gap["to_ms"]) for gap in report["gaps"] if gap["service"] == "cache"]
    elected = [fault["elected_ms"] for fault in report["faults"]]
    return {
        "seed": seed,
        "code": code,
        "verdict": report["verdict"],
        "lost": report["data_loss"]["lost"],
        "acked": report["data_loss"]["acked"],
        "register": checks["cache_linearizable"],
        "election": [ms for ms in elected if ms is not None],
        "log": elections_of_log(run),
        "downtime": longest(gaps, len(elected)),
        "prober": longest(gaps_of_prober(told), len(elected)),
    }


def main():
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    squall, place, trials, *arguments = sys.argv[1:]
    squall, place = (pathlib.Path(path).resolve() for path in (squall, place))
    for seed in range(1, int(trials) + 1):
        print(json.dumps(trial(str(squall), place / str(seed), seed, arguments)), flush=True)


main()
