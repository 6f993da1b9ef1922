"""Plays leader-kill with the harness in a container and outside of one, in turn, and compares
what they measure.

usage: harness_trials.py SQUALL NODE IMAGE DIR TRIALS [ARGUMENT OF SQUALL RUN...]

SQUALL and NODE are the static programs that `docker/build-harness` has put into IMAGE. Trial N has
seed N; run directories are kept in DIR/inside/N and DIR/outside/N, and one that is there is not
made again. Prints a table in Markdown: medians, and the least and the most.
"""

import json
import pathlib
import statistics
import subprocess
import sys

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent.parent
# As docker/README.md has it.
DOCKER = """docker run --rm --network host --pid host --cap-add SYS_ADMIN --cap-add NET_ADMIN
    --cap-add SYS_PTRACE --security-opt apparmor:unconfined
    -v /var/run/docker.sock:/var/run/docker.sock""".split()


def play(where, squall, node, image, place, seed, arguments):
    run = place / where / str(seed)
    if not (run / "report.json").exists():
        run.parent.mkdir(parents=True, exist_ok=True)
        command = ["run", "scenarios/leader-kill.toml", "--backend", "docker", "--quiet"]
        command += ["--seed", str(seed), *arguments]
        if where == "inside":
            volume = ["-v", f"{run.parent}:/squall/runs", image]
            command = DOCKER + volume + command + ["--out", f"runs/{seed}"]
        else:
            command = [squall, *command, "--out", str(run), "--node-binary", node]
        with open(run.parent / f"{seed}.txt", "w") as said:
            both = {"stdout": said, "stderr": subprocess.STDOUT}
            subprocess.run(command, cwd=REPOSITORY, **both)
    return json.loads((run / "report.json").read_text())


def figures(report):
    """By name, milliseconds: one for each kill, or for the run."""
    faults = report["faults"]
    return {
        "faults proved": [sum(1 for fault in faults if fault["status"] == "healed")],
        "detection": [fault["detected_ms"] for fault in faults],
        "election": [fault["elected_ms"] for fault in faults],
        "downtime, longest of a client": [max(
            service["clients"]["max"] for service in report["downtime_ms"].values()
            if isinstance(service, dict) and "clients" in service
        )],
        "acknowledged": [report["data_loss"]["acked"]],
        "lost": [report["data_loss"]["lost"]],
    }


def spread(values):
    values = [value for value in values if value is not None]
    if not values:
        return "-"
    return f"{statistics.median(values):,.0f} ({min(values):,.0f} to {max(values):,.0f})"


def main():
    if len(sys.argv) < 6:
        sys.exit(__doc__)
    squall, node, image, place, trials, *arguments = sys.argv[1:]
    squall, node, place = (pathlib.Path(path).resolve() for path in (squall, node, place))
    found = {"inside": {}, "outside": {}}
    for seed in range(1, int(trials) + 1):
        # Whoever comes first in one turn comes second in the next.
        turn = ["inside", "outside"] if seed % 2 else ["outside", "inside"]
        for where in turn:
            report = play(where, str(squall), str(node), image, place, seed, arguments)
            print(f"{where} {seed}: {report['verdict']}", file=sys.stderr, flush=True)
            for name, values in figures(report).items():
                found[where].setdefault(name, []).extend(values)
    print("| figure | outside | in the container |\n|---|---|---|")
    for name in found["outside"]:
        both = [spread(found[where][name]) for where in ("outside", "inside")]
        print(f"| {name} | {both[0]} | {both[1]} |")


main()
