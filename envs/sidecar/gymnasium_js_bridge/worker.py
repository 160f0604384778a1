"""A worker: runs environments for trainers on other machines, one after the other, until it is asked to stop.

`python -m gymnasium_js_bridge.worker --connect tcp://HOST:PORT --key-file FILE`. Each trainer is served by a process of
its own (session.py); when that has ended, because the trainer has, or an environment brought it down, another one
waits for the next.
"""

import argparse
import os
import signal
import subprocess
import sys
import time
from typing import Any

from . import lifetime, protocol, worker_keys
from .worker_common import OVER, REFUSED, STOP_SIGNALS, check_address, say

# A session that ends sooner than this is followed by the next one only after so long.
LEAST_SECONDS = 1.0


class Worker:
    """Starts one session after the other."""

    def __init__(self, address: str, key_file: str):
        self.command = [sys.executable, "-u", "-m", "gymnasium_js_bridge.session"]
        self.command += ["--connect", address, "--key-file", key_file, "--parent-pid", str(os.getpid())]
        self.session: subprocess.Popen[bytes] | None = None
        self.stopped = False

    def run(self) -> int:
        """Runs until it is stopped, or until a trainer wants none of it; the exit code."""
        for name in STOP_SIGNALS:
            signal.signal(name, self.stop)
        while not self.stopped:
            began = time.monotonic()
            code = self.run_session()
            if self.stopped:
                break
            if code == REFUSED:
                return REFUSED
            if code != OVER:
                say(f"its process ended ({describe(code)}); starting another")
            time.sleep(max(0.0, began + LEAST_SECONDS - time.monotonic()))
        say("stopped")
        return 0

    def run_session(self) -> int:
        # A signal must not come between the start of a process and the name for it. The session unblocks them.
        signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
        try:
            if self.stopped:
                return OVER
            self.session = subprocess.Popen(self.command, stdin=subprocess.PIPE)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
        return self.session.wait()

    def stop(self, *_: Any) -> None:
        self.stopped = True
        if self.session is not None:
            self.session.kill()


def describe(code: int) -> str:
    if code == -signal.SIGALRM:
        return "an environment did not come back in time"
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def main() -> int:
    parser = argparse.ArgumentParser(prog="worker", description="Runs environments for a trainer elsewhere.")
    parser.add_argument("--connect", required=True, metavar="ADDRESS", help="the trainer's: tcp://HOST:PORT")
    parser.add_argument("--key-file", required=True, metavar="FILE", help="worker.key, from the trainer's machine")
    parser.add_argument("--parent-pid", type=int, help="leave when this parent ends or standard input closes")
    arguments = parser.parse_args()
    try:
        check_address(arguments.connect)
        key_file = os.path.abspath(arguments.key_file)
        worker_keys.read(key_file)
    except protocol.BridgeError as error:
        say(str(error))
        return REFUSED
    lifetime.watch_parent(arguments.parent_pid)
    say(f"waiting for the trainer at {arguments.connect}")
    return Worker(arguments.connect, key_file).run()


if __name__ == "__main__":
    sys.exit(main())
