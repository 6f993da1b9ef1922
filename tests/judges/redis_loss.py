"""Counts the acknowledged writes of a run of Squall that are gone, from its history alone: a judge
that shares no code with Squall.

usage: redis_loss.py RUN_DIR

A message was lost if its publish was acknowledged and nobody ever received it, although the audit
read its queue to the end. A write of a register was lost if it was acknowledged, and the audit
at the end read nothing, or a value whose own write had been answered before this one was sent:
nothing can have been written over it since. Prints JSON: how many writes were acknowledged, how many
of them are gone, and the same by kind.
"""

import json
import pathlib
import sys


def operations(history):
    """Every operation, with when it was sent and answered, and whether by the audit."""
    phase, asked, all_of_them = None, {}, []
    with open(history) as lines:
        next(lines)  # the header
        for line in lines:
            event = json.loads(line)
            if event["type"] == "phase":
                phase = event["phase"]
            elif event["type"] == "invoke":
                operation = {
                    "action": event["action"],
                    "sent": event["at"],
                    "answered": None,
                    "outcome": {"outcome": "unknown"},
                    "is_audit": phase == "audit",
                }
                asked[event["op"]] = operation
                all_of_them.append(operation)
            elif event["type"] == "return":
                asked[event["op"]]["answered"] = event["at"]
                asked[event["op"]]["outcome"] = event["outcome"]
    return all_of_them


def messages(all_of_them):
    published, received, drained = [], set(), set()
    for operation in all_of_them:
        action, outcome = operation["action"], operation["outcome"]
        queue = action.get("queue")
        if action["f"] == "publish" and outcome["outcome"] == "published":
            published.append((queue, action["value"]))
        elif action["f"] == "receive" and outcome["outcome"] == "received":
            received.update((queue, message["value"]) for message in outcome["messages"])
            if operation["is_audit"]:
                (drained.discard if outcome["messages"] else drained.add)(queue)
    missing = [message for message in published if message not in received]
    return len(published), sum(1 for queue, _ in missing if queue in drained)


def registers(all_of_them):
    written, last = {}, {}
    for operation in all_of_them:
        action, outcome = operation["action"], operation["outcome"]
        kind = outcome["outcome"]
        if action["f"] in ("set", "compare_and_set") and kind not in ("failed", "mismatch"):
            written.setdefault(action["key"], {})[action["value"]] = operation
        elif action["f"] == "get" and kind == "value" and operation["is_audit"]:
            last[action["key"]] = outcome.get("value")
    acknowledged = gone = 0
    for key, writes in written.items():
        stored = [of for of in writes.values() if of["outcome"]["outcome"] == "stored"]
        acknowledged += len(stored)
        if key not in last:
            continue
        there = writes.get(last[key])
        if last[key] is None:
            gone += len(stored)
        elif there is not None and there["outcome"]["outcome"] == "stored":
            gone += sum(1 for of in stored if of["sent"] > there["answered"])
    return acknowledged, gone


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    all_of_them = operations(pathlib.Path(sys.argv[1]) / "history.jsonl")
    deletes = [of for of in all_of_them if of["action"]["f"] == "delete"]
    if deletes:
        sys.exit("this judge knows nothing of deletes")
    counted = {"messages": messages(all_of_them), "registers": registers(all_of_them)}
    print(json.dumps({
        "acked": sum(acked for acked, _ in counted.values()),
        "lost": sum(lost for _, lost in counted.values()),
        **{kind: {"acked": acked, "lost": lost} for kind, (acked, lost) in counted.items()},
    }))


main()
