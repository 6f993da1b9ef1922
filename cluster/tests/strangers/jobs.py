"""taskiq against a running cluster: jobs in a list, results under keys, a worker beside.

    jobs.py PORT...

Runs a worker of its own, says "idle" when the first jobs are done, runs more jobs after the next
line of its input, and says "done". The broker is that of taskiq-redis for clusters which needs
lists alone; its worker waits with BRPOP. It is given one address, that of the first port: when
redis-py meets a node that just died while it looks for the cluster, the worker ends with an error,
is started again, and must find that address alive.
"""

import asyncio
import os
import signal
import subprocess
import sys

from redis.asyncio.retry import Retry
from redis.backoff import ConstantBackoff
from taskiq_redis import ListQueueClusterBroker, RedisAsyncClusterResultBackend

PORTS = sys.argv[1:] if __name__ == "__main__" else os.environ["PORTS"].split(",")
patience = {"retry": Retry(ConstantBackoff(0.1), 100)}
broker = ListQueueClusterBroker(
    url=f"redis://127.0.0.1:{PORTS[0]}", queue_name="jobs", **patience
).with_result_backend(
    RedisAsyncClusterResultBackend(f"redis://127.0.0.1:{PORTS[0]}", result_ex_time=1000, **patience)
)


@broker.task(task_name="double")
async def double(number: int) -> int:
    return 2 * number


async def done(number):
    """Whether the job was done; an error of a client whose leader just died says nothing."""
    try:
        task = await double.kiq(number)
        result = await task.wait_result(timeout=10, check_interval=0.02)
    except Exception as error:
        print(f"again: {error!r}", file=sys.stderr)
        await asyncio.sleep(0.1)
        return False
    assert result.return_value == 2 * number, result
    return True


async def run(numbers):
    for number in numbers:
        # A job that was queued, and whose answer was lost, is done twice.
        while not await done(number):
            pass


async def main():
    await broker.startup()
    await run(range(10))
    print("idle", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    await run(range(10, 20))
    print("done", flush=True)
    await broker.shutdown()


if __name__ == "__main__":
    worker = subprocess.Popen(
        [sys.executable, "-m", "taskiq", "worker", "jobs:broker", "--workers", "1"],
        cwd=os.path.dirname(os.path.abspath(__file__)),
        env=os.environ | {"PORTS": ",".join(PORTS), "PYTHONDONTWRITEBYTECODE": "1"},
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
        start_new_session=True,
    )
    try:
        # If it waits for ever, the error says where.
        asyncio.run(asyncio.wait_for(main(), 60))
    finally:
        # With its own workers, which hold the output open.
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()
