"""One session of a worker: a process that connects to a trainer, runs environments for it and ends with it.

`python -m gymnasium_js_bridge.session`, started by worker.py, which starts another one when it has ended. Its exit code
says why it ended.
"""

import argparse
import os
import platform
import re
import signal
import socket as machine
import sys
from typing import Any

import zmq
from zmq.utils.monitor import recv_monitor_message

from . import lifetime, protocol, worker_keys
from .ops import Ops, Reply
from .worker_common import OVER, REFUSED, STOP_SIGNALS, say

# The first and the longest time between two tries to connect.
RECONNECT_MS = 500
LONGEST_RECONNECT_MS = 2000
# Signs of life between the sockets; without one for so long the connection has ended.
HEARTBEAT_MS = 2000
HEARTBEAT_TIMEOUT_MS = 15_000
LINGER_MS = 500
# An op that takes this much longer than the trainer waits for it ends the process.
LIMIT_GRACE_SECONDS = 2.0


class Session:
    """The connection to a trainer, and the environments that run here for it."""

    def __init__(self, address: str, keys: worker_keys.WorkerKeys):
        self.address = address
        self.ops = Ops()
        self.ended: int | None = None
        self.joined = False
        self.told_of_refusal = False
        self.socket = zmq.Context.instance().socket(zmq.DEALER)
        for option, value in (
            (zmq.CURVE_PUBLICKEY, keys.public),
            (zmq.CURVE_SECRETKEY, keys.secret),
            (zmq.CURVE_SERVERKEY, keys.trainer),
            # libzmq drops the connection of a trainer that sends more.
            (zmq.MAXMSGSIZE, protocol.MAX_REQUEST_BYTES),
            (zmq.RECONNECT_IVL, RECONNECT_MS),
            (zmq.RECONNECT_IVL_MAX, LONGEST_RECONNECT_MS),
            (zmq.HEARTBEAT_IVL, HEARTBEAT_MS),
            (zmq.HEARTBEAT_TIMEOUT, HEARTBEAT_TIMEOUT_MS),
            (zmq.LINGER, LINGER_MS),
            (zmq.IPV6, int("[" in address)),
        ):
            self.socket.setsockopt(option, value)
        self.monitor = self.socket.get_monitor_socket(
            zmq.EVENT_HANDSHAKE_SUCCEEDED
            | zmq.EVENT_HANDSHAKE_FAILED_AUTH
            | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
            | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
            | zmq.EVENT_DISCONNECTED
        )
        self.socket.connect(address)

    def run(self) -> int:
        """Serves until the session has ended; the process's exit code."""
        poller = zmq.Poller()
        for socket in (self.socket, self.monitor):
            poller.register(socket, zmq.POLLIN)
        while self.ended is None:
            ready = dict(poller.poll())
            # What the trainer said before the connection ended comes first.
            if self.socket in ready:
                self.serve(self.socket.recv_multipart())
            elif self.monitor in ready:
                self.hear_of(recv_monitor_message(self.monitor)["event"])
        self.socket.disable_monitor()
        self.socket.close()
        return self.ended

    def hear_of(self, event: int) -> None:
        """Takes note of what happened to the connection."""
        if event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
            self.joined = True
            say(f"joined the trainer at {self.address}")
            hello = {"op": "join", "protocol": protocol.PROTOCOL_VERSION, "pid": os.getpid()}
            self.send({**hello, "host": machine.gethostname(), "python": platform.python_version()})
        elif event == zmq.EVENT_HANDSHAKE_FAILED_AUTH:
            self.end(REFUSED, f"the trainer at {self.address} does not know this worker's key: take its own worker.key")
        elif event == zmq.EVENT_DISCONNECTED:
            if self.joined:
                self.end(OVER, f"the connection to the trainer at {self.address} has ended")
        elif not self.told_of_refusal:
            self.told_of_refusal = True
            say(
                f"{self.address} closes the connection at once: it is no trainer, or one with another key than that "
                "in the key file; trying on"
            )

    def serve(self, parts: list[bytes]) -> None:
        """Answers one message of the trainer."""
        request_id = None
        try:
            request = protocol.decode_request(parts)
            request_id = request["id"]
            if request["op"] in ("close", "refuse"):
                self.leave(request)
                return
            fields, frames = self.within_limit(request)
        except (Exception, SystemExit) as error:
            self.send({"id": request_id, "ok": False, "error": protocol.describe(error)})
            return
        self.send({"id": request_id, "ok": True, **fields}, frames)

    def within_limit(self, request: dict[str, Any]) -> Reply:
        """The answer to a request. Where it takes longer than the trainer waits, the kernel ends this process.

        No code of Python has to run for that, so it also ends an environment that never gives the interpreter back.
        """
        limit_ms = request.get("limitMs")
        limited = isinstance(limit_ms, int) and limit_ms > 0
        if limited:
            signal.setitimer(signal.ITIMER_REAL, limit_ms / 1000 + LIMIT_GRACE_SECONDS)
        try:
            return self.ops.answer(request)
        finally:
            if limited:
                signal.setitimer(signal.ITIMER_REAL, 0)

    def leave(self, request: dict[str, Any]) -> None:
        reason = re.sub(r"[^ -~]", "?", str(request.get("reason")))[:500]
        if request["op"] == "refuse":
            self.end(REFUSED, f"the trainer sends this worker away: {reason}")
        else:
            self.end(OVER, f"the trainer at {self.address} has ended its session: {reason}")

    def send(self, header: dict[str, Any], frames: list[Any] | None = None) -> None:
        self.socket.send_multipart([protocol.encode_header(header), *(frames or [])], copy=False)

    def end(self, code: int, line: str) -> None:
        self.ended = code
        say(line)


def main() -> int:
    lifetime.ignore_terminal_signals()
    parser = argparse.ArgumentParser()
    parser.add_argument("--connect", required=True)
    parser.add_argument("--key-file", required=True)
    parser.add_argument("--parent-pid", type=int, required=True)
    arguments = parser.parse_args()
    lifetime.watch_parent(arguments.parent_pid)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
    lifetime.connected()  # it has no folder of its own: the kernel may end it with its parent from the beginning
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    try:
        return Session(arguments.connect, worker_keys.read(arguments.key_file)).run()
    except (protocol.BridgeError, zmq.ZMQError) as error:
        say(str(error))
        return REFUSED


if __name__ == "__main__":
    sys.exit(main())
