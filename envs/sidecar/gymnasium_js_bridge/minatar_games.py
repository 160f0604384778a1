"""MinAtar's games (Young & Tian 2019), which tell Gymnasium of themselves only when asked to.

An episode follows from its seed alone here: MinAtar's sticky actions begin an episode with the last action of the one
before. And pictures need no seaborn.
"""

import logging
from importlib import metadata
from typing import Any

import numpy as np

# Sides of a cell in a picture, in pixels.
CELL = 16
# Of the channels in turn; the background is black.
COLOURS = np.array(
    [
        *[(230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178)],
        *[(213, 94, 0), (204, 121, 167), (255, 255, 255), (148, 103, 189), (140, 86, 75)],
    ],
    np.uint8,
)


def is_minatar(env_id: str) -> bool:
    return env_id.startswith("MinAtar/")


def version(env_id: str) -> dict[str, str]:
    """MinAtar's, for the packages that an environment was made with."""
    return {"minatar": metadata.version("minatar")} if is_minatar(env_id) else {}


def register() -> None:
    """Registers the games; raises ModuleNotFoundError where MinAtar is not installed."""
    import gymnasium

    if any(name.startswith("MinAtar/") for name in gymnasium.registry):
        return
    # It warns of what it would draw windows with.
    root = logging.getLogger()
    root.addFilter(is_of_interest)
    try:
        from minatar.gym import register_envs
    finally:
        root.removeFilter(is_of_interest)
    register_envs()


def is_of_interest(record: logging.LogRecord) -> bool:
    return not record.getMessage().startswith("Cannot import ")


def seeded(env: Any) -> Any:
    """The environment with episodes that follow from their seeds, and with pictures."""
    import gymnasium

    class SeededGame(gymnasium.Wrapper):
        def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
            self.unwrapped.game.last_action = 0
            return self.env.reset(seed=seed, options=options)

        def render(self) -> np.ndarray:
            return picture(self.unwrapped.game.state())

    return SeededGame(env)


def picture(state: np.ndarray) -> np.ndarray:
    """The newest channel of each cell in its colour: [height, width, 3]."""
    top = (state * np.arange(1, state.shape[2] + 1)).max(2)
    cells = np.where(top[..., None] > 0, COLOURS[(top - 1) % len(COLOURS)], np.uint8(0))
    return cells.repeat(CELL, 0).repeat(CELL, 1)
