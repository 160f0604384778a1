"""The sidecar's loop: one request in, one reply out, in order."""

import os
import platform
from typing import Any

import zmq

from . import lifetime, protocol
from .ops import Ops, Reply
from .protocol import ProtocolError

SOCKET_NAME = "socket"
# A signal that comes just before the wait for a request, or in another thread, does not end the wait, and Python runs
# its handler only after it: so no wait is longer than this.
LONGEST_WAIT_MS = 1000


def bind(endpoint: str | None) -> tuple[zmq.Socket, str]:
    """A bound ROUTER socket and its address: `endpoint`, or a private ipc path, or loopback where that is too long."""
    if endpoint is not None and not endpoint.startswith(("ipc://", "tcp://127.0.0.1:")):
        raise ProtocolError(f'endpoint "{endpoint}": only ipc:// and tcp://127.0.0.1: are served')
    socket = zmq.Context.instance().socket(zmq.ROUTER)
    # libzmq drops the connection of a peer that sends more.
    socket.setsockopt(zmq.MAXMSGSIZE, protocol.MAX_REQUEST_BYTES)
    socket.setsockopt(zmq.RCVTIMEO, LONGEST_WAIT_MS)
    with lifetime.filling:
        if endpoint is None:
            path = os.path.join(lifetime.make_folder(), SOCKET_NAME)
            fits = len(os.fsencode(path)) <= zmq.IPC_PATH_MAX_LEN
            endpoint = f"ipc://{path}" if fits else "tcp://127.0.0.1:*"
        socket.bind(endpoint)
    return socket, socket.getsockopt_string(zmq.LAST_ENDPOINT)


class Server:
    """Serves environments to peers that shook hands (with the token, where the sidecar was given one)."""

    def __init__(self, socket: zmq.Socket, token: str | None):
        self.socket = socket
        self.token = token
        self.greeted: set[bytes] = set()
        self.ops = Ops()
        self.running = True

    def serve(self) -> None:
        while self.running:
            try:
                peer, *parts = self.socket.recv_multipart()
            except zmq.Again:  # no request came meanwhile
                continue
            header, frames = self.answer(peer, parts)
            # Frames are never written to after this, so they are sent without a copy.
            self.socket.send_multipart([peer, protocol.encode_header(header), *frames], copy=False)

    def answer(self, peer: bytes, parts: list[bytes]) -> Reply:
        request_id = None
        try:
            request = protocol.decode_request(parts)
            request_id = request["id"]
            op = request["op"]
            if op == "hello":
                fields, frames = self.hello(peer, request)
            elif peer not in self.greeted:
                raise ProtocolError('the first request is "hello"')
            else:
                self.running = op != "close"
                fields, frames = self.ops.answer(request)
        except (Exception, SystemExit) as error:
            return {"id": request_id, "ok": False, "error": protocol.describe(error)}, []
        return {"id": request_id, "ok": True, **fields}, frames

    def hello(self, peer: bytes, request: dict[str, Any]) -> Reply:
        if self.token is not None and request.get("token") != self.token:
            raise ProtocolError("hello with a wrong token")
        if request.get("protocol") != protocol.PROTOCOL_VERSION:
            raise protocol.VersionMismatch(
                f"the sidecar speaks protocol {protocol.PROTOCOL_VERSION}, the client {request.get('protocol')}; "
                "install the same version of both"
            )
        self.greeted.add(peer)
        lifetime.connected()
        return {"protocol": protocol.PROTOCOL_VERSION, "pid": os.getpid(), "python": platform.python_version()}, []
