"""Messages: a msgpack header, then raw frames. Only data crosses: no pickle, no code.

Request: one frame, a map with `id` (integer), `op` (name) and the op's own fields.
Reply: a map with the request's `id` and `ok`; with `ok` true the op's fields, and large arrays follow as raw frames;
with `ok` false an `error` map (see `describe`). An unreadable request is answered with `id` nil.
"""

import importlib.util
import os
import sys
import sysconfig
import traceback
from typing import Any

PROTOCOL_VERSION = 2
MAX_REQUEST_BYTES = 1 << 20
MAX_TRACEBACK_CHARS = 20_000


class BridgeError(Exception):
    """An error that the client knows by its `kind`; `details` travel with it."""

    kind = "exception"

    def __init__(self, message: str, **details: Any):
        super().__init__(message)
        self.details = details


class ProtocolError(BridgeError):
    """A request that cannot be understood."""

    kind = "protocol"


class VersionMismatch(BridgeError):
    """Client and sidecar speak different versions."""

    kind = "version"


class MissingPackages(BridgeError):
    """Python packages are not installed."""

    kind = "missing-packages"


class UnknownEnv(BridgeError):
    """No environment of this name."""

    kind = "unknown-env"


class UnsupportedEnv(BridgeError):
    """An environment whose spaces this protocol does not carry."""

    kind = "unsupported-env"


class BadOptions(BridgeError):
    """Options that an environment cannot be made with."""

    kind = "env-options"


class BadValue(BridgeError):
    """An environment gave something else than environments give."""

    kind = "env-value"


def require_packages(packages: dict[str, str]) -> None:
    """Raises MissingPackages unless every module (key) can be found; the values are what pip installs."""
    missing = [package for module, package in packages.items() if importlib.util.find_spec(module) is None]
    if missing:
        command = " ".join([sys.executable, "-m pip install", *(f'"{package}"' for package in missing)])
        names = ", ".join(package.split(">=")[0] for package in missing)
        raise MissingPackages(f"Python lacks {names}; install with: {command}", packages=missing)


def describe(error: BaseException) -> dict[str, Any]:
    """The `error` map of a reply: kind, Python class, message, traceback, where it was raised, details."""
    where = origin(error)
    message = str(error) or repr(error)
    if isinstance(error, SystemExit):
        message = f"it called sys.exit({error.code!r}); an environment that cannot go on must raise an error instead"
    return {
        "kind": getattr(error, "kind", "exception"),
        "type": type(error).__name__,
        "message": message,
        "traceback": "".join(traceback.format_exception(error))[-MAX_TRACEBACK_CHARS:],
        "file": where and where.filename,
        "line": where and where.lineno,
        "details": getattr(error, "details", {}),
    }


def origin(error: BaseException) -> traceback.FrameSummary | None:
    """Where the exception came from: the innermost line of the user's own files, else the innermost one."""
    frames = traceback.extract_tb(error.__traceback__)
    libraries = (*sysconfig.get_paths().values(), os.path.dirname(__file__), "<frozen")
    own = [frame for frame in frames if not frame.filename.startswith(libraries)]
    return (own or frames or [None])[-1]


def decode_request(parts: list[bytes]) -> dict[str, Any]:
    """The request map in `parts`; raises ProtocolError where it is none."""
    import msgpack

    if len(parts) != 1:
        raise ProtocolError(f"a request has 1 frame, this one has {len(parts)}")
    try:
        request = msgpack.unpackb(parts[0])
    except Exception as error:
        raise ProtocolError(f"a request is msgpack, this one is not: {error}") from error
    if not isinstance(request, dict) or type(request.get("id")) is not int or not isinstance(request.get("op"), str):
        raise ProtocolError('a request is a map with an integer "id" and a text "op"')
    return request


def encode_header(header: dict[str, Any]) -> bytes:
    import msgpack

    return msgpack.packb(header, unicode_errors="replace")


def field(request: dict[str, Any], name: str, kind: type | tuple[type, ...]) -> Any:
    """A field of the request; raises ProtocolError where it is missing or of another type."""
    value = request.get(name)
    if not isinstance(value, kind):
        raise ProtocolError(f'op "{request["op"]}": field "{name}" is {type(value).__name__}, which does not fit')
    return value
