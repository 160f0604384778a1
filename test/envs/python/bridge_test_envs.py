"""Real environments that do on purpose what others do by accident. Ids: bridge_test_envs:Name-v0."""

import ctypes
import os
import pathlib
import sys
import time

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Dict, Discrete


class Counting(gymnasium.Env):
    """Observes how many steps the episode has run, and the first number that its seed gives; ends after 10 steps."""

    observation_space = Box(-np.inf, np.inf, (2,), np.float64)
    action_space = Discrete(5)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps, self.drawn = 0, self.np_random.random()
        return self.observation(), {}

    def step(self, action):
        self.steps += 1
        self.act(int(action))
        return self.observation(), float(action) / 3, self.steps == 10, False, {}

    def observation(self):
        return np.array([self.steps, self.drawn])

    def act(self, action):
        pass


class Faulty(Counting):
    """Action 1 raises, 2 leaves Python, 3 prints; 4 is fine."""

    def act(self, action):
        if action == 1:
            raise ValueError("the wheel came off: \N{SNOWMAN}")
        if action == 2:
            sys.exit(7)
        if action == 3:
            print("printed by the environment")


class Touching(Counting):
    """Makes the file $BRIDGE_TEST_FILE, where there is such a name, in every step."""

    def act(self, action):
        if file := os.environ.get("BRIDGE_TEST_FILE"):
            pathlib.Path(file).touch()


class Slow(Touching):
    """Then action 2 sleeps 600 s, 3 sleeps 600 s and keeps every other Python thread from running."""

    def act(self, action):
        super().act(action)
        if action == 3:
            ctypes.PyDLL(None).sleep(600)
        elif action == 2:
            time.sleep(600)


class ShiftedSmall(Counting):
    """Actions 3, 4 and 5; observes the last one as int16."""

    observation_space = Box(-5, 5, (1,), np.int16)
    action_space = Discrete(3, start=3)
    action = 0

    def act(self, action):
        self.action = action

    def observation(self):
        return np.array([self.action], np.int16)


class DictObservations(Counting):
    observation_space = Dict({"a": Discrete(2)})


for cls in (Counting, Faulty, Touching, Slow, ShiftedSmall, DictObservations):
    gymnasium.register(f"{cls.__name__}-v0", cls)
