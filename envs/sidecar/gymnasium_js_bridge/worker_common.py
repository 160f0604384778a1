"""What the parts of a worker have in common: how they end, and what they say."""

import re
import signal
import sys

from .protocol import BadOptions

# Exit codes. The trainer has ended, or wants no more of this process: another one may come.
OVER = 0
# Another one would fare no better.
REFUSED = 2

# What asks a worker to stop.
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

ADDRESS = re.compile(r"tcp://([\w.-]+|\[[\da-fA-F:.%\w]+\]):\d{1,5}")


def check_address(address: str) -> None:
    """Raises BadOptions unless it is where a trainer can listen."""
    if not ADDRESS.fullmatch(address):
        raise BadOptions(f'--connect "{address}" is no address like tcp://192.168.1.5:7777')


def say(line: str) -> None:
    print(f"worker: {line}", file=sys.stderr, flush=True)
