"""An actor of Ray that has a worker on its node. It needs nothing but Python and this package there."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

# How long a worker may take to end.
STOP_SECONDS = 5.0


class EnvWorker:
    """A worker on a node of the cluster."""

    def __init__(self, address: str, keys: str, python: str | None):
        # The worker reads its keys as its session starts, each time, so the file stays as long as the actor.
        self.folder = tempfile.TemporaryDirectory(prefix="gymnasium-js-worker-")
        key_file = os.path.join(self.folder.name, "worker.key")
        with open(os.open(key_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(keys)
        command = [python or sys.executable, "-u", "-m", "gymnasium_js_bridge.worker", "--parent-pid", str(os.getpid())]
        # Here the package is where Ray has put it.
        paths = [str(Path(__file__).parent.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
        self.process = subprocess.Popen(
            [*command, "--connect", address, "--key-file", key_file],
            stdin=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        )

    def exit_code(self) -> int | None:
        """How the worker ended; None while it runs."""
        return self.process.poll()

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.folder.cleanup()
