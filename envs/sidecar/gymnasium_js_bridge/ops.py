"""What can be asked of the environments here. One process may have several batches of them, told apart by a number."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .protocol import ProtocolError, field
from .vector import Envs, Spec

Reply = tuple[dict[str, Any], list[Any]]  # header fields, raw frames

MOST_ENVS = 4096


@dataclass
class Made:
    """A batch of environments that was made."""

    envs: Envs
    num_envs: int
    # Whether each of them is in an episode.
    started: bool = False


class Ops:
    """The batches of environments, and the ops on them."""

    def __init__(self) -> None:
        self.batches: dict[int, Made] = {}
        self.ops: dict[str, Callable[[dict[str, Any]], Reply]] = {
            "ping": self.ping,
            "make": self.make,
            "reset": self.reset,
            "step": self.step,
            "drop": self.drop,
            "close": self.close,
        }

    def answer(self, request: dict[str, Any]) -> Reply:
        """The fields and frames that answer a request; raises what went wrong."""
        op = request["op"]
        if op not in self.ops:
            raise ProtocolError(f'unknown op "{op[:100]}"; known: hello, {", ".join(self.ops)}')
        return self.ops[op](request)

    def ping(self, request: dict[str, Any]) -> Reply:
        return {}, []

    def make(self, request: dict[str, Any]) -> Reply:
        batch = field(request, "batch", int)
        if batch in self.batches:
            raise ProtocolError("this batch has its environments already")
        kind, name = field(request, "kind", str), field(request, "name", str)
        num_envs, settings = field(request, "numEnvs", int), field(request, "settings", dict)
        if not 1 <= num_envs <= MOST_ENVS:
            raise ProtocolError(f"there are 1 to {MOST_ENVS} environments in a batch, and not {num_envs}")
        envs: Envs
        if kind == "atari":
            from .atari import AtariEnvs

            envs = AtariEnvs(name, num_envs, field(request, "numThreads", int), settings)
        elif kind == "gymnasium":
            from .gym import GymnasiumEnvs

            envs = GymnasiumEnvs(name, num_envs, settings)
        else:
            raise ProtocolError(f'kind "{kind[:100]}" is neither "atari" nor "gymnasium"')
        self.batches[batch] = Made(envs, num_envs)
        return describe_spec(envs.spec), []

    def reset(self, request: dict[str, Any]) -> Reply:
        made = self.need_envs(request)
        mask = numbers(request, "mask", np.uint8, made.num_envs).astype(np.bool_)
        if not made.started and not mask.all():
            raise ProtocolError("the first reset is of all environments")
        batch = made.envs.reset(mask, numbers(request, "seeds", np.int32, made.num_envs))
        made.started = True
        return {"lives": batch.lives.tobytes()}, [batch.observations]

    def step(self, request: dict[str, Any]) -> Reply:
        made = self.need_envs(request)
        envs, num_envs = made.envs, made.num_envs
        actions = numbers(request, "actions", np.int32, num_envs)
        if actions.min() < 0 or actions.max() >= envs.spec.num_actions:
            raise ProtocolError(f"actions are 0 to {envs.spec.num_actions - 1}, got {actions.tolist()}")
        batch = envs.step(actions, numbers(request, "nextSeeds", np.int32, num_envs))
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

    def drop(self, request: dict[str, Any]) -> Reply:
        made = self.batches.pop(field(request, "batch", int), None)
        if made is not None:
            made.envs.close()
        return {}, []

    def close(self, request: dict[str, Any]) -> Reply:
        for made in self.batches.values():
            made.envs.close()
        self.batches.clear()
        return {}, []

    def need_envs(self, request: dict[str, Any]) -> Made:
        batch = field(request, "batch", int)
        if batch not in self.batches:
            raise ProtocolError('"make" comes before "reset" and "step"')
        return self.batches[batch]


def numbers(request: dict[str, Any], name: str, dtype: Any, num_envs: int) -> np.ndarray:
    """A field with one little-endian number for each environment."""
    data, dtype = field(request, name, bytes), np.dtype(dtype).newbyteorder("<")
    if len(data) != num_envs * dtype.itemsize:
        raise ProtocolError(f'op "{request["op"]}": "{name}" has {len(data)} bytes for {num_envs} environments')
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
