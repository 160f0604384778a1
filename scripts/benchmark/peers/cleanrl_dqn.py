"""CleanRL's published DQN for Atari (dqn_atari), the algorithm with its wrappers and settings, written anew.

One environment, Stable-Baselines3's Atari wrappers and replay buffer as there, frames scaled down in colour and then
made grey, a stack of four, squared error, Adam, an update of a batch of 32 every 4 agent steps, the target network
copied every 1,000.

Argument: {"device": "cpu", "game": "Enduro", "learningStarts": 400, "replayCapacity": 10000, "epsilon": 0.1}. A piece
of work is one agent step.
"""

from turns import serve, time_calls  # first: it takes standard output  # isort: skip

import json
import sys
from collections.abc import Iterator

import ale_py
import gymnasium as gym
import numpy as np
import torch
import torch.nn.functional as F
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers import FrameStackObservation, GrayscaleObservation, RecordEpisodeStatistics, ResizeObservation
from stable_baselines3.common.atari_wrappers import (
    ClipRewardEnv,
    EpisodicLifeEnv,
    FireResetEnv,
    MaxAndSkipEnv,
    NoopResetEnv,
)
from stable_baselines3.common.buffers import ReplayBuffer
from torch import nn

DISCOUNT = 0.99
BATCH_SIZE = 32
UPDATE_PERIOD_STEPS = 4
TARGET_PERIOD_STEPS = 1000


def make_env(game: str) -> gym.Env:
    env: gym.Env = RecordEpisodeStatistics(gym.make(f"{game}NoFrameskip-v4"))
    env = MaxAndSkipEnv(NoopResetEnv(env, noop_max=30), skip=4)
    env = EpisodicLifeEnv(env)
    if "FIRE" in env.unwrapped.get_action_meanings():
        env = FireResetEnv(env)
    env = GrayscaleObservation(ResizeObservation(ClipRewardEnv(env), (84, 84)))
    return FrameStackObservation(env, 4)


def q_network(num_actions: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(4, 32, 8, stride=4),
        nn.ReLU(),
        nn.Conv2d(32, 64, 4, stride=2),
        nn.ReLU(),
        nn.Conv2d(64, 64, 3, stride=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(3136, 512),
        nn.ReLU(),
        nn.Linear(512, num_actions),
    )


def train(options: dict) -> Iterator[int]:
    """Yields after every agent step."""
    device = torch.device(options["device"])
    random = np.random.default_rng(1)
    envs = SyncVectorEnv([lambda: make_env(options["game"])], autoreset_mode=AutoresetMode.SAME_STEP)
    num_actions = int(envs.single_action_space.n)
    online, target = q_network(num_actions).to(device), q_network(num_actions).to(device)
    target.load_state_dict(online.state_dict())
    optimizer = torch.optim.Adam(online.parameters(), lr=1e-4)
    replay = ReplayBuffer(
        options["replayCapacity"],
        envs.single_observation_space,
        envs.single_action_space,
        device,
        optimize_memory_usage=True,
        handle_timeout_termination=False,
    )

    observations, _ = envs.reset(seed=1)
    step = 0
    while True:
        if step < options["learningStarts"] or random.random() < options["epsilon"]:
            actions = np.array([envs.single_action_space.sample()])
        else:
            q_values = online(torch.Tensor(observations).to(device) / 255)
            actions = torch.argmax(q_values, dim=1).cpu().numpy()
        next_observations, rewards, terminations, truncations, infos = envs.step(actions)
        followers = next_observations.copy()
        for lane in np.flatnonzero(terminations | truncations):
            followers[lane] = infos["final_obs"][lane]
        replay.add(observations, followers, actions, rewards, terminations, infos)
        observations = next_observations

        if step > options["learningStarts"] and step % UPDATE_PERIOD_STEPS == 0:
            batch = replay.sample(BATCH_SIZE)
            with torch.no_grad():
                best = target(batch.next_observations / 255).max(dim=1).values
                targets = batch.rewards.flatten() + DISCOUNT * best * (1 - batch.dones.flatten())
            values = online(batch.observations / 255).gather(1, batch.actions).squeeze(1)
            loss = F.mse_loss(targets, values)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        if step > options["learningStarts"] and step % TARGET_PERIOD_STEPS == 0:
            target.load_state_dict(online.state_dict())
        step += 1
        yield step


def main() -> None:
    options = json.loads(sys.argv[1])
    gym.register_envs(ale_py)
    torch.manual_seed(1)
    steps = train(options)
    while next(steps) <= options["learningStarts"]:
        pass

    def four_steps() -> None:
        for _ in range(UPDATE_PERIOD_STEPS):
            next(steps)

    serve(
        {"cleanRl": lambda turn_ms: time_calls(four_steps, turn_ms) / UPDATE_PERIOD_STEPS},
        {"torch": torch.__version__, "gymnasium": gym.__version__, "device": options["device"]},
    )


main()
