"""The sidecar's loop: one request in, one reply out, in order."""

import os
import platform
from collections.abc import Callable
from typing import Any

import numpy as np
import zmq

from . import lifetime, protocol
from .protocol import ProtocolError, field
from .vector import Envs, Spec

Reply = tuple[dict[str, Any], list[Any]]  # header fields, raw frames
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
    """Serves one batch of environments to peers that shook hands (with the token, where the sidecar was given one)."""

    def __init__(self, socket: zmq.Socket, token: str | None):
        self.socket = socket
        self.token = token
        self.greeted: set[bytes] = set()
        self.envs: Envs | None = None
        self.num_envs = 0
        self.running = True
        self.ops: dict[str, Callable[[dict[str, Any]], Reply]] = {
            "ping": self.ping,
            "make": self.make,
            "reset": self.reset,
            "step": self.step,
            "close": self.close,
        }

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
            elif op not in self.ops:
                raise ProtocolError(f'unknown op "{op[:100]}"; known: hello, {", ".join(self.ops)}')
            else:
                fields, frames = self.ops[op](request)
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

    def ping(self, request: dict[str, Any]) -> Reply:
        return {}, []

    def make(self, request: dict[str, Any]) -> Reply:
        if self.envs is not None:
            raise ProtocolError("this sidecar has its environments already")
        kind, name = field(request, "kind", str), field(request, "name", str)
        num_envs, settings = field(request, "numEnvs", int), field(request, "settings", dict)
        envs: Envs
        if kind == "atari":
            from .atari import AtariEnvs

            envs = AtariEnvs(name, num_envs, field(request, "numThreads", int), settings)
        elif kind == "gymnasium":
            from .gym import GymnasiumEnvs

            envs = GymnasiumEnvs(name, num_envs, settings)
        else:
            raise ProtocolError(f'kind "{kind[:100]}" is neither "atari" nor "gymnasium"')
        self.envs, self.num_envs = envs, num_envs
        return describe_spec(envs.spec), []

    def reset(self, request: dict[str, Any]) -> Reply:
        envs = self.need_envs()
        mask = self.numbers(request, "mask", np.uint8).astype(np.bool_)
        if not mask.any():
            raise ProtocolError("a reset names at least one environment")
        batch = envs.reset(mask, self.numbers(request, "seeds", np.int32))
        return {"lives": batch.lives.tobytes()}, [batch.observations]

    def step(self, request: dict[str, Any]) -> Reply:
        envs = self.need_envs()
        actions = self.numbers(request, "actions", np.int32)
        if actions.min() < 0 or actions.max() >= envs.spec.num_actions:
            raise ProtocolError(f"actions are 0 to {envs.spec.num_actions - 1}, got {actions.tolist()}")
        batch = envs.step(actions, self.numbers(request, "nextSeeds", np.int32))
        fields = {
            "rewards": batch.rewards.astype(np.float64).tobytes(),
            "terminated": batch.terminated.tobytes(),
            "truncated": batch.truncated.tobytes(),
            "lives": batch.lives.tobytes(),
        }
        frames = [batch.observations]
        if batch.final_observations is not None:
            frames.append(batch.final_observations)
            if batch.length_frames is not None:
                fields["lengthFrames"] = batch.length_frames.astype(np.int32).tobytes()
        return fields, frames

    def close(self, request: dict[str, Any]) -> Reply:
        self.running = False
        if self.envs is not None:
            self.envs.close()
        return {}, []

    def need_envs(self) -> Envs:
        if self.envs is None:
            raise ProtocolError('"make" comes before "reset" and "step"')
        return self.envs

    def numbers(self, request: dict[str, Any], name: str, dtype: Any) -> np.ndarray:
        """A field with one little-endian number for each environment."""
        data, dtype = field(request, name, bytes), np.dtype(dtype).newbyteorder("<")
        if len(data) != self.num_envs * dtype.itemsize:
            raise ProtocolError(
                f'op "{request["op"]}": "{name}" has {len(data)} bytes for {self.num_envs} environments'
            )
        return np.frombuffer(data, dtype)


def describe_spec(spec: Spec) -> dict[str, Any]:
    space = spec.observation_space
    return {
        "settings": spec.settings,
        "observation": {
            "shape": list(space.shape),
            "dtype": str(space.dtype),
            "low": one_or_all(space.low),
            "high": one_or_all(space.high),
        },
        "numActions": spec.num_actions,
        "actionMeanings": spec.action_meanings,
        "packages": spec.packages,
        "rom": spec.rom,
        "framesPerSecond": spec.frames_per_second,
    }


def one_or_all(values: np.ndarray) -> Any:
    """One number where all are equal, else all of them in row-major order."""
    flat = values.reshape(-1)
    return flat[0].item() if (flat == flat[0]).all() else flat.tolist()
