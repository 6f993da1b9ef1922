#!/usr/bin/env python3
"""A replicated register store: a primary, and backups that copy it.

Usage: server.py INDEX DIR ADDRESS,ADDRESS,... [--early-ack]

A write counts when a majority has it on disk; a new primary first collects what a majority
has, in a view of a higher number, and nobody takes anything of an older view from then on
(viewstamped replication, without its log: each key has the stamp of its last write). A node
promises a view to one node only, so that two who begin the same view cannot both have a majority.

--early-ack plants a mistake: the primary answers before anybody else has the write, as
asynchronous replication does.
"""
import json, os, random, socket, socketserver, sys, threading, time

BEAT, SILENCE, PATIENCE = 0.2, 1.0, 0.5
index, directory = int(sys.argv[1]), sys.argv[2]
addresses = [(a.rsplit(":", 1)[0], int(a.rsplit(":", 1)[1])) for a in sys.argv[3].split(",")]
early_ack = "--early-ack" in sys.argv
others = [other for other in range(len(addresses)) if other != index]
majority = len(addresses) // 2 + 1
journal = os.path.join(directory, "journal")

lock = threading.RLock()      # guards all of the following
writing = threading.Lock()    # one write at a time
view, primary, heard, store = 0, None, time.monotonic(), {}
promised = None               # whose the view is
joined = -1                   # the last view of which this node has taken anything


def keep(**what):
    """Notes what must survive a crash."""
    with open(journal, "a") as file:
        file.write(json.dumps(what) + "\n")
        file.flush()
        os.fsync(file.fileno())


def remember():
    global view, promised
    if os.path.exists(journal):
        for line in open(journal):
            try:
                what = json.loads(line)
            except ValueError:
                break  # a last line that was not written to its end
            view, promised = what.get("view", view), what.get("promised", promised)
            store.update(what.get("store", {}))


def ask(other, **question):
    try:
        with socket.create_connection(addresses[other], PATIENCE) as link:
            link.settimeout(PATIENCE)
            link.sendall((json.dumps(question) + "\n").encode())
            return json.loads(link.makefile().readline())
    except (OSError, ValueError):
        return None


def ask_all(**question):
    """What the others answered, at the same time."""
    answers = [None] * len(addresses)

    def one(other):
        answers[other] = ask(other, **question)

    threads = [threading.Thread(target=one, args=(other,)) for other in others]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    return [answer for answer in answers if answer]


def is_backed(answers):
    return 1 + sum(answer.get("ok", False) for answer in answers) >= majority


def take_over():
    global view, primary, promised
    with lock:
        view, primary, promised = view + 1, None, index
        keep(view=view, promised=promised)
        mine = view
    told = [a for a in ask_all(do="prepare", view=mine, id=index) if a.get("ok")]
    if not is_backed(told):
        return
    with lock:
        if view != mine:
            return
        for answer in told:
            for key, entry in answer["store"].items():
                if entry["stamp"] > store.get(key, {"stamp": 0})["stamp"]:
                    store[key] = entry
        keep(store=store)
        state = dict(store)
    if is_backed(ask_all(do="take", view=mine, id=index, store=state)):
        with lock:
            if view == mine:
                primary = index


def step_down():
    global primary
    with lock:
        primary = None if primary == index else primary


def watch():
    global heard
    while True:
        time.sleep(BEAT)
        with lock:
            leads, mine, silent = primary == index, view, time.monotonic() - heard
        if leads:
            if not is_backed(ask_all(do="beat", view=mine, id=index)):
                step_down()
        elif silent > SILENCE + random.random() * SILENCE:
            with lock:
                heard = time.monotonic()
            take_over()


def from_node(q):
    """A word of another node; that of an older view, or of a node whose view it is not, counts
    for nothing."""
    global view, primary, heard, promised, joined
    with lock:
        if q["view"] < view:
            return {"ok": False, "view": view}
        if q["view"] > view:
            view, primary, promised = q["view"], None, q["id"]
            keep(view=view, promised=promised)
        elif q["do"] == "prepare" or q["id"] != promised:
            return {"ok": False, "view": view}
        heard = time.monotonic()
        if q["do"] == "prepare":
            return {"ok": True, "store": store}
        if q["do"] == "take" and joined == view:
            return {"ok": False, "view": view}  # it comes late: writes of the view are here
        primary = q["id"]
        changed = q.get("store", {})
        if q["do"] == "take":
            store.clear()
        if q["do"] != "beat":
            joined = view
        store.update(changed)
        if changed:
            keep(store=changed)
        return {"ok": True}


def from_client(q):
    with writing:
        with lock:
            if primary != index:
                return {"error": "not primary"}
            mine, old = view, store.get(q["key"], {"stamp": 0, "value": None})
        if q["do"] == "get" or q["do"] == "cas" and old["stamp"] != q["version"]:
            if not early_ack and not is_backed(ask_all(do="beat", view=mine, id=index)):
                return {"error": "not primary"}
            return dict(old) if q["do"] == "get" else {"mismatch": True}
        stamp = max([mine * 1_000_000] + [entry["stamp"] for entry in store.values()]) + 1
        entry = {q["key"]: {"stamp": stamp, "value": q["value"]}}
        if early_ack:
            copy = lambda: (time.sleep(0.3), ask_all(do="copy", view=mine, id=index, store=entry))
            threading.Thread(target=copy).start()
        elif not is_backed(ask_all(do="copy", view=mine, id=index, store=entry)):
            step_down()
            return {"error": "unknown"}
        with lock:
            if view != mine:
                return {"error": "unknown"}
            store.update(entry)
            keep(store=entry)
        return {"stamp": stamp}


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            q = json.loads(line)
            if q["do"] == "status":
                with lock:
                    role = "primary" if primary == index else "backup"
                    applied = max([0] + [entry["stamp"] for entry in store.values()])
                    answer = {"role": role, "view": view, "applied": applied}
            else:
                answer = from_client(q) if "key" in q else from_node(q)
            self.wfile.write((json.dumps(answer) + "\n").encode())


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address, daemon_threads = True, True


remember()
threading.Thread(target=watch, daemon=True).start()
Server(addresses[index], Handler).serve_forever()
