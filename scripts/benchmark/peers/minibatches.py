"""Minibatches of noise with the shapes of DQN's, as every peer of `benchmark learner` takes them in turn."""

import numpy as np

BATCHES = 4


def random_batches(options: dict) -> list[tuple[np.ndarray, ...]]:
    """Some (states, actions, returns, discounts, next states), so that none stays in the caches."""
    random = np.random.default_rng(1)
    return [_random_batch(random, options["batchSize"], options["numActions"]) for _ in range(BATCHES)]


def _random_batch(random: np.random.Generator, batch_size: int, num_actions: int) -> tuple[np.ndarray, ...]:
    frames = (batch_size, 4, 84, 84)
    return (
        random.integers(0, 256, frames, dtype=np.uint8),
        random.integers(0, num_actions, batch_size),
        random.integers(-1, 2, batch_size).astype(np.float32),
        np.full(batch_size, 0.99, np.float32),
        random.integers(0, 256, frames, dtype=np.uint8),
    )
