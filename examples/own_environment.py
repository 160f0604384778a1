"""An environment of your own in Python, for train-agent --env-id own_environment:Corridor-v0."""

import gymnasium
import numpy as np


class Corridor(gymnasium.Env):
    """A corridor: its right end pays 1, and every step costs 0.05."""

    def __init__(self, length: int = 8):
        self.length = length
        self.observation_space = gymnasium.spaces.Box(0, 1, (length,), np.float32)
        self.action_space = gymnasium.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)  # seeds self.np_random, from which all randomness has to come
        self.place = int(self.np_random.integers(self.length - 1))
        return self._observation(), {}

    def step(self, action):
        self.place = max(0, self.place + (1 if action == 1 else -1))
        arrived = self.place == self.length - 1
        return self._observation(), 1.0 if arrived else -0.05, arrived, False, {}

    def _observation(self):
        return np.eye(self.length, dtype=np.float32)[self.place]


gymnasium.register("Corridor-v0", Corridor, max_episode_steps=50)
