#!/usr/bin/env python3
"""A client program for Squall: one operation a line, one outcome a line.

This is also the template for a client of your own: keep the loop at the end, and write `do`.
`failed` means certainly not done; if in doubt it is `unknown`, which is also what Squall
records when no answer comes in time.

With `status HOST:PORT` it prints what a node says of itself.
"""
import json, socket, sys, time

links = {}


class Unknown(Exception):
    """Sent, and not answered."""


def ask(address, question, seconds):
    """The node's answer; `OSError` if it was certainly not asked."""
    link = links.pop(address, None)
    if link is None:
        host, port = address.rsplit(":", 1)
        link = socket.create_connection((host, int(port)), min(seconds, 0.3))
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        link.settimeout(seconds)
        link.sendall((json.dumps(question) + "\n").encode())
        answer = b""
        while not answer.endswith(b"\n"):
            part = link.recv(65536)
            if not part:
                raise Unknown("the connection was closed")
            answer += part
    except OSError as error:
        raise Unknown(str(error) or "no answer in time")
    links[address] = link
    return json.loads(answer)


def do(operation, nodes):
    """An outcome for an operation."""
    global favourite
    question = {"do": operation["f"], "key": operation["key"]}
    if operation["f"] == "compare_and_set":
        question.update(do="cas", version=operation["version"])
    if "value" in operation:
        question["value"] = operation["value"]
    until = time.monotonic() + operation["deadline_ms"] / 1000 - 0.05
    why = "no node was asked"
    while time.monotonic() < until:
        try:
            answer = ask(nodes[favourite], question, until - time.monotonic())
        except OSError as error:
            why = str(error)
        except Unknown as error:
            favourite = (favourite + 1) % len(nodes)
            return {"outcome": "unknown", "why": str(error)}
        else:
            if answer.get("error") == "unknown":
                return {"outcome": "unknown", "why": "the primary lost its majority"}
            if "mismatch" in answer:
                return {"outcome": "mismatch"}
            if "value" in answer:
                return {"outcome": "value", "value": answer["value"], "version": answer["stamp"]}
            if "stamp" in answer:
                return {"outcome": "stored", "version": answer["stamp"]}
            why = answer["error"]
        favourite = (favourite + 1) % len(nodes)
        time.sleep(0.02)
    return {"outcome": "failed", "why": why}


if sys.argv[1:2] == ["status"]:
    print(json.dumps(ask(sys.argv[2], {"do": "status"}, 2)))
    sys.exit()

nodes, favourite = [], 0
for line in sys.stdin:
    operation = json.loads(line)
    if operation["f"] == "init":
        nodes, favourite = operation["nodes"], operation["client"] % len(operation["nodes"])
        outcome = {"outcome": "ready"}
    else:
        outcome = do(operation, nodes)
    print(json.dumps({"id": operation["id"], **outcome}), flush=True)
