"""Atari in Python without a bridge: AtariVectorEnv called directly, and the emulator alone.

Argument: {"game": "enduro", "vectors": {"direct8": {"numEnvs": 8, "frameStack": 1}}}. A piece of work is one agent step
(4 emulator frames) of one environment; for "ale" it is one emulator frame.
"""

from turns import serve, time_calls  # first: it takes standard output  # isort: skip

import json
import sys

import ale_py
import numpy as np
from ale_py import roms
from ale_py.vector_env import AtariVectorEnv

FRAMES_A_CALL = 100


def vector_turn(game: str, num_envs: int, frame_stack: int):
    envs = AtariVectorEnv(
        game,
        num_envs,
        frameskip=4,
        stack_num=frame_stack,
        noop_max=30,
        repeat_action_probability=0.0,
        use_fire_reset=False,
        reward_clipping=False,
        episodic_life=False,
    )
    envs.reset(seed=1)
    actions = np.random.default_rng(1).integers(0, envs.single_action_space.n, (997, num_envs))
    steps = 0

    def step() -> None:
        nonlocal steps
        envs.step(actions[steps % len(actions)])
        steps += 1

    return lambda turn_ms: time_calls(step, turn_ms) / num_envs


def ale_turn(game: str):
    ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)
    ale = ale_py.ALEInterface()
    ale.setInt("random_seed", 1)
    ale.setFloat("repeat_action_probability", 0.0)
    ale.loadROM(roms.get_rom_path(game))
    choices = ale.getMinimalActionSet()
    actions = [choices[i] for i in np.random.default_rng(1).integers(0, len(choices), FRAMES_A_CALL)]

    def frames() -> None:
        for action in actions:
            if ale.game_over():
                ale.reset_game()
            ale.act(action)

    return lambda turn_ms: time_calls(frames, turn_ms) / FRAMES_A_CALL


def main() -> None:
    options = json.loads(sys.argv[1])
    variants = {
        name: vector_turn(options["game"], vector["numEnvs"], vector["frameStack"])
        for name, vector in options["vectors"].items()
    }
    variants["ale"] = ale_turn(options["game"])
    serve(variants, {"ale-py": ale_py.__version__, "numpy": np.__version__})


main()
