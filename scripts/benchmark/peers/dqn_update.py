"""What the peers of `benchmark learner` work on: the Nature network's shapes, and minibatches of noise in turn."""

import numpy as np

BATCHES = 4

# Mnih et al. 2015: kernels (height, width, inputs, filters) and strides.
CONVOLUTIONS = [((8, 8, 4, 32), 4), ((4, 4, 32, 64), 2), ((3, 3, 64, 64), 1)]


def initial_kernels(num_actions: int) -> list[np.ndarray]:
    """N(0, 2 / fan-in) for each layer, in order."""
    random = np.random.default_rng(1)
    shapes = [*(shape for shape, _ in CONVOLUTIONS), (3136, 512), (512, num_actions)]
    return [random.normal(0, np.sqrt(2 / np.prod(shape[:-1])), shape).astype(np.float32) for shape in shapes]


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
