"""Answers requests for turns, a line of JSON each, so that a benchmark can take turns with a peer.

The first line written says what runs: {"about": {"torch": "2.15.0"}}. A request {"variant": "plain", "turnMs": 150} is
answered by {"ms": 27.1}: milliseconds for one piece of work. The end of standard input ends the process.
"""

import json
import os
import sys
import time
from collections.abc import Callable

# Standard output carries answers only: what libraries print goes to standard error.
_answers = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(2, 1)


def serve(variants: dict[str, Callable[[float], float]], about: dict[str, str]) -> None:
    """Each variant works for about the given number of milliseconds and returns milliseconds for one piece of work."""
    _answer({"about": about})
    for line in sys.stdin:
        request = json.loads(line)
        _answer({"ms": variants[request["variant"]](request["turnMs"])})


def time_calls(call: Callable[[], object], turn_ms: float) -> float:
    """Milliseconds a call, over about `turn_ms`, after one that is not counted."""
    call()
    calls = 0
    start = time.perf_counter()
    while True:
        call()
        calls += 1
        elapsed_ms = (time.perf_counter() - start) * 1000
        if elapsed_ms >= turn_ms:
            return elapsed_ms / calls


def _answer(message: dict) -> None:
    _answers.write(json.dumps(message) + "\n")
