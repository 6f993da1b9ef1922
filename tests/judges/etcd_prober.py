"""Writes a counter to etcd and tells when it was answered: a judge of downtime that shares no
code with Squall.

usage: etcd_prober.py ADDRESS...        (host:port of members)

Every 20 ms the next number is written, through etcd's JSON gateway, on a connection of its own,
to one member after the other; a write that is not answered within a second is given up. Prints
a line for every write that is acknowledged: when it was answered, in milliseconds of a clock of
its own. It goes on until it is killed.
"""

import base64
import http.client
import json
import sys
import threading
import time

EVERY_S = 0.02
PATIENCE_S = 1.0


def write(address, number):
    value = base64.b64encode(str(number).encode()).decode()
    key = base64.b64encode(b"prober").decode()
    connection = http.client.HTTPConnection(address, timeout=PATIENCE_S)
    try:
        connection.request("POST", "/v3/kv/put", json.dumps({"key": key, "value": value}))
        answer = connection.getresponse()
        told = json.loads(answer.read())
        answered = time.monotonic()
        if answer.status == 200 and "revision" in told.get("header", {}):
            sys.stdout.write(f"{answered * 1000:.3f}\n")
            sys.stdout.flush()
    except (OSError, ValueError, http.client.HTTPException):
        pass  # not acknowledged
    finally:
        connection.close()


def main():
    addresses = sys.argv[1:]
    if not addresses:
        sys.exit(__doc__)
    number = 0
    begun = time.monotonic()
    while True:
        time.sleep(max(0.0, begun + number * EVERY_S - time.monotonic()))
        address = addresses[number % len(addresses)]
        number += 1
        threading.Thread(target=write, args=(address, number), daemon=True).start()


main()
