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


class Marking(Touching):
    """Then takes 0.1 s."""

    def act(self, action):
        super().act(action)
        time.sleep(0.1)


class Raising(Counting):
    """Raises in step 8 of each episode; or, where there is a file $BRIDGE_TEST_FILE, removes that and raises once."""

    once = False

    def act(self, action):
        if self.steps != 8:
            return
        if self.once:
            try:
                os.remove(os.environ["BRIDGE_TEST_FILE"])
            except FileNotFoundError:
                return
        raise RuntimeError("the paint is wet")


class RaisingOnce(Raising):
    once = True


class Leaving(Counting):
    """Leaves Python in step 8 of each episode, as scripts do."""

    def act(self, action):
        if self.steps == 8:
            sys.exit(3)


class Unseeded(Counting):
    """Has randomness of its own, which no seed decides."""

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.drawn = time.time_ns() % 1_000_000
        return self.observation(), {}


class Spoiled(Counting):
    """Gives `reward` and `observed` in step 8 of each episode in place of its own."""

    def __init__(self, reward=0.0, observed=0.0):
        self.reward, self.observed = reward, observed

    def step(self, action):
        observation, _, terminated, truncated, info = super().step(action)
        if self.steps != 8:
            return observation, 0.0, terminated, truncated, info
        return observation + self.observed, self.reward, terminated, truncated, info


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


class OldStep(Counting):
    """Gives the four values of a step that Gym had."""

    def step(self, action):
        observation, reward, terminated, _, info = super().step(action)
        return observation, reward, terminated, info


class OldReset(Counting):
    """Gives the observation alone, as Gym had it."""

    def reset(self, *, seed=None, options=None):
        return super().reset(seed=seed)[0]


class WrongShape(Counting):
    """Observes three numbers where its space has two."""

    def observation(self):
        return np.zeros(3)


class OneAction(Counting):
    action_space = Discrete(1)


class EmptyShape(Counting):
    observation_space = Box(0, 1, (0,), np.float32)


class NoSpaces(gymnasium.Env):
    pass


class Large(Counting):
    """Observes int64: the number of steps, times `factor`."""

    observation_space = Box(-(2**62), 2**62, (2,), np.int64)

    def __init__(self, factor=1):
        self.factor = factor

    def observation(self):
        return np.array([self.steps * self.factor, -self.steps], np.int64)


class Sized(Counting):
    """Needs to be told its size."""

    def __init__(self, size, label="none"):
        self.size, self.label = size, label
        self.observation_space = Box(-np.inf, np.inf, (size,), np.float64)

    def observation(self):
        return np.full(self.size, len(self.label), np.float64)


class Endless(Counting):
    """Never ends."""

    def step(self, action):
        observation, reward, _, _, info = super().step(action)
        return observation, reward, False, False, info


class Typed(Endless):
    """Observes 10 times and 20 times the number of steps, in any type; ends by its time limit alone."""

    def __init__(self, dtype="int32"):
        self.observation_space = Box(-1000, 1000, (2,), np.dtype(dtype))

    def observation(self):
        return np.array([10 * self.steps, 20 * self.steps], self.observation_space.dtype)


class Image(Counting):
    """Observes images of one colour, the brighter the longer the episode."""

    def __init__(self, shape=(96, 72, 3), high=255, dtype="uint8"):
        self.observation_space = Box(0, high, tuple(shape), np.dtype(dtype))
        self.high = high

    def observation(self):
        value = self.high * self.steps / 10
        return np.full(self.observation_space.shape, value, self.observation_space.dtype)


class PartlySeeded(Counting):
    """Has a number that no seed decides in the middle of each episode; rewards, ends and all else are seeded."""

    def observation(self):
        return np.array([self.steps, time.time_ns() % 1_000_000 if self.steps == 5 else 0])


for cls in (
    Counting,
    DictObservations,
    EmptyShape,
    Endless,
    Faulty,
    Image,
    Large,
    Leaving,
    Marking,
    NoSpaces,
    OldReset,
    OldStep,
    OneAction,
    PartlySeeded,
    Raising,
    RaisingOnce,
    ShiftedSmall,
    Sized,
    Slow,
    Touching,
    Typed,
    Unseeded,
    WrongShape,
):
    gymnasium.register(f"{cls.__name__}-v0", cls)
for name, kwargs in {
    "NanReward": {"reward": np.nan},
    "InfiniteReward": {"reward": np.inf},
    "HugeReward": {"reward": 1e30},
    "NoReward": {"reward": None},
    "ArrayReward": {"reward": np.array([1.0])},
    "NanObservation": {"observed": np.nan},
    "HugeObservation": {"observed": -1e30},
}.items():
    gymnasium.register(f"{name}-v0", Spoiled, kwargs=kwargs)
