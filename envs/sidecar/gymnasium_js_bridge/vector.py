"""What the server needs to know of a batch of environments, whoever emulates them."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np


@dataclass
class Spec:
    """An environment as the client sees it. `settings` are complete: with a seed and actions they give any episode."""

    settings: dict[str, Any]
    observation_space: Any
    num_actions: int
    action_meanings: list[str] | None
    packages: dict[str, str]
    rom: dict[str, str] | None
    frames_per_second: float | None = None


@dataclass
class Batch:
    """Observations [n, ...] and lives [n] of all environments."""

    observations: np.ndarray
    lives: np.ndarray


@dataclass
class StepBatch:
    """One step of all environments, [n, ...] each; where an episode ended, the next one's first observation.

    `final_observations` and `length_frames` have a row for each ended episode, by environment; both None where no
    episode ended, and `length_frames` also where the emulator counts no frames. `lives` is from before any reset.
    """

    observations: np.ndarray
    rewards: np.ndarray
    terminated: np.ndarray
    truncated: np.ndarray
    lives: np.ndarray
    final_observations: np.ndarray | None = None
    length_frames: np.ndarray | None = None


class Envs(Protocol):
    """`num_envs` environments that step together. Arrays that a call returns are not written to by later calls."""

    spec: Spec

    def reset(self, mask: np.ndarray, seeds: np.ndarray) -> Batch:
        """Starts an episode in each environment where `mask` is true, from its entry of `seeds`.

        Where there is none, what they showed last is given again; the first reset is of all.
        """
        ...

    def step(self, actions: np.ndarray, next_seeds: np.ndarray) -> StepBatch:
        """One action (int32) in each; where an episode ends, the next starts at once from its entry of `next_seeds`."""
        ...

    def close(self) -> None: ...
