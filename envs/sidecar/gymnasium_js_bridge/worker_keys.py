"""A worker's key file, as `npx gymnasium-js-bridge keys` writes it."""

import json
import os
import stat
from dataclasses import dataclass

from .protocol import BadOptions

KEY_LENGTH = 40
MAX_BYTES = 1 << 20


@dataclass
class WorkerKeys:
    """The worker's own pair and the trainer's public key, in Z85."""

    public: bytes
    secret: bytes
    trainer: bytes


def read(path: str) -> WorkerKeys:
    """The keys in a file; raises BadOptions where it is missing, is another, or others may read it."""
    try:
        with open(path, encoding="utf-8") as file:
            if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                raise BadOptions(f'{path} can be read by other users of this machine: run "chmod 600 {path}"')
            keys = json.loads(file.read(MAX_BYTES))
        values = [keys[name] for name in ("publicKey", "secretKey", "trainer")]
        if not all(isinstance(value, str) and len(value.encode()) == KEY_LENGTH for value in values):
            raise ValueError
        return WorkerKeys(*(value.encode() for value in values))
    except OSError as error:
        raise BadOptions(f"the key file {path} cannot be read: {error.strerror}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise BadOptions(
            f'{path} is no key file of a worker: "npx gymnasium-js-bridge keys FOLDER" on the trainer\'s machine '
            "writes FOLDER/worker.key"
        ) from error
