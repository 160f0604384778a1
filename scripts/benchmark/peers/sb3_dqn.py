"""Stable-Baselines3's DQN on Atari: its own environments, policy, replay buffer, loop and published settings.

Argument: {"device": "cpu", "game": "Enduro", "learningStarts": 400, "replayCapacity": 10000, "epsilon": 0.1}. A piece
of work is one agent step.
"""

from turns import serve, time_calls  # first: it takes standard output  # isort: skip

import json
import sys

import ale_py
import gymnasium as gym
import stable_baselines3
import torch
from stable_baselines3 import DQN
from stable_baselines3.common.env_util import make_atari_env
from stable_baselines3.common.vec_env import VecFrameStack

UPDATE_PERIOD_STEPS = 4
STEPS_A_CALL = 5 * UPDATE_PERIOD_STEPS


def main() -> None:
    options = json.loads(sys.argv[1])
    gym.register_envs(ale_py)
    env = VecFrameStack(make_atari_env(f"{options['game']}NoFrameskip-v4", n_envs=1, seed=1), n_stack=4)
    model = DQN(
        "CnnPolicy",
        env,
        learning_rate=1e-4,
        buffer_size=options["replayCapacity"],
        learning_starts=options["learningStarts"],
        batch_size=32,
        train_freq=UPDATE_PERIOD_STEPS,
        gradient_steps=1,
        target_update_interval=1000,
        exploration_initial_eps=options["epsilon"],
        exploration_final_eps=options["epsilon"],
        seed=1,
        device=options["device"],
    )
    model.learn(options["learningStarts"] + UPDATE_PERIOD_STEPS)

    def steps() -> None:
        model.learn(STEPS_A_CALL, reset_num_timesteps=False)

    serve(
        {"stableBaselines3": lambda turn_ms: time_calls(steps, turn_ms) / STEPS_A_CALL},
        {
            "stable-baselines3": stable_baselines3.__version__,
            "torch": torch.__version__,
            "device": options["device"],
        },
    )


main()
