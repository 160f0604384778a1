"""Starts the sidecar: `python -m gymnasium_js_bridge --parent-pid N`.

The first and only line on standard output is JSON: `{"endpoint": ..., "folder": ...}` once the socket is bound, or
`{"error": {...}}`. Whatever environments print goes to standard error.
"""

import argparse
import json
import os
import sys

from . import lifetime, protocol

REQUIRED = {"zmq": "pyzmq>=27", "msgpack": "msgpack>=1.1", "numpy": "numpy>=2", "gymnasium": "gymnasium>=1.4"}


def main() -> int:
    lifetime.ignore_terminal_signals()
    parser = argparse.ArgumentParser(prog="gymnasium_js_bridge", description="Environments over ZeroMQ.")
    parser.add_argument("--endpoint", help="ipc:// path or tcp://127.0.0.1 address; default: a private ipc path")
    parser.add_argument("--parent-pid", type=int, help="leave when this parent ends or standard input closes")
    arguments = parser.parse_args()

    # Keep standard output for the line that says where we listen.
    announcement = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    lifetime.watch_parent(arguments.parent_pid)
    # One thread does the numpy work here; the emulators bring their own.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    try:
        protocol.require_packages(REQUIRED)
        from .server import Server, bind  # needs the packages just checked

        socket, endpoint = bind(arguments.endpoint)
    except Exception as error:
        with announcement:
            announcement.write(json.dumps({"error": protocol.describe(error)}) + "\n")
        return 1
    with announcement:
        announcement.write(json.dumps({"endpoint": endpoint, "folder": lifetime.folder}) + "\n")
    try:
        Server(socket, os.environ.get("GYMNASIUM_JS_BRIDGE_TOKEN")).serve()
    finally:
        socket.close(linger=500)
    return 0


try:
    sys.exit(main())
finally:
    # Also where nobody reads the announcement any more: the thread that watches the parent ends with the interpreter,
    # whether or not it has come to the removal.
    lifetime.remove_folder()
