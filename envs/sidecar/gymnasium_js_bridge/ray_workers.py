"""Workers as actors of a Ray cluster: `python -m gymnasium_js_bridge.ray_workers --connect ADDRESS --key-file FILE`.

Each actor (ray_actor.py) starts one worker (worker.py) on the node where Ray puts it; where a node is lost, Ray starts
its actors on others. The actors end with this program.
"""

import argparse
import signal
import sys
import time
from pathlib import Path
from typing import Any

from . import protocol, worker_keys
from .worker_common import REFUSED, check_address, say

PACKAGE = Path(__file__).parent
# How often the actors are asked whether their workers still run.
LOOK_SECONDS = 5.0


def main() -> int:
    parser = argparse.ArgumentParser(prog="ray_workers", description="Starts workers on the nodes of a Ray cluster.")
    parser.add_argument("--connect", required=True, metavar="ADDRESS", help="the trainer's: tcp://HOST:PORT")
    parser.add_argument("--key-file", required=True, metavar="FILE", help="worker.key, on this machine")
    parser.add_argument("--count", type=int, default=1, metavar="N", help="how many workers (default: 1)")
    parser.add_argument("--cpus", type=float, default=1, metavar="N", help="processors of each (default: 1)")
    parser.add_argument(
        "--python", metavar="FILE", help="on each node, a Python with the environments' packages (default: Ray's own)"
    )
    parser.add_argument("--address", default="auto", help="the cluster's (default: that of this machine)")
    arguments = parser.parse_args()
    try:
        check_address(arguments.connect)
        if arguments.count < 1 or arguments.cpus <= 0:
            raise protocol.BadOptions(f"--count {arguments.count} --cpus {arguments.cpus}: both are above 0")
        worker_keys.read(arguments.key_file)
        protocol.require_packages({"ray": "ray[default]"})
        return run(arguments)
    except (protocol.BridgeError, ConnectionError) as error:
        say(str(error).split("\n")[0])
        return REFUSED


def run(arguments: argparse.Namespace) -> int:
    """Keeps the workers until this program is asked to stop, or the trainer wants none of them; the exit code."""
    import ray

    # By its name, so that Ray does not take a copy of the class along with what it is made of here.
    from gymnasium_js_bridge.ray_actor import STOP_SECONDS, EnvWorker

    keys = Path(arguments.key_file).read_text(encoding="utf-8")
    ray.init(address=arguments.address, runtime_env={"py_modules": [str(PACKAGE)]}, log_to_driver=True)
    actor = ray.remote(EnvWorker).options(num_cpus=arguments.cpus, max_restarts=-1, max_task_retries=-1)
    workers: list[Any] = [actor.remote(arguments.connect, keys, arguments.python) for _ in range(arguments.count)]
    say(f"{arguments.count} actors were asked for")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        while True:
            time.sleep(LOOK_SECONDS)
            # Those that wait for a node with a free processor do not answer yet.
            ready, _ = ray.wait([worker.exit_code.remote() for worker in workers], num_returns=len(workers), timeout=1)
            codes = [code for code in ray.get(ready) if code is not None]
            if codes:
                say(f"a worker has ended with exit code {codes[0]}: see its lines above")
                return codes[0]
    except KeyboardInterrupt:
        say("stopped")
        return 0
    finally:
        ray.wait([worker.stop.remote() for worker in workers], num_returns=len(workers), timeout=2 * STOP_SECONDS)
        for worker in workers:
            ray.kill(worker)
        ray.shutdown()


if __name__ == "__main__":
    sys.exit(main())
