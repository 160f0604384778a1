"""Gymnasium's CartPole-v1 in float64, and NumPy's random numbers.

Standard input: JSON {episodes: [{seed, actions}], balanced: [seed], random: [seed]}; a "balanced" episode has the
actions that keep the pole up. Standard output: JSON {episodes, balanced, random}: for each episode its seed, its
actions, its states before the first and after each action, and where it ended; for each seed of `random` the first 8
numbers of its generator.
"""

import json
import sys

import gymnasium
import numpy as np


def play(seed, choose):
    """Plays to the end, or until `choose(step, state)` gives None. The limit of 500 steps is not applied."""
    env = gymnasium.make("CartPole-v1").unwrapped
    env.reset(seed=seed)
    actions, states, terminated = [], [env.state.tolist()], False
    while not terminated and (action := choose(len(actions), env.state)) is not None:
        terminated = env.step(action)[2]
        actions.append(action)
        states.append(env.state.tolist())
    return {"seed": seed, "actions": actions, "states": states, "terminated": terminated}


def balance(step, state):
    position, velocity, angle, angular_velocity = state
    return int(0.1 * position + 0.3 * velocity + 3 * angle + angular_velocity > 0) if step < 500 else None


task = json.load(sys.stdin)
answer = {
    "episodes": [
        play(episode["seed"], lambda step, _, actions=episode["actions"]: dict(enumerate(actions)).get(step))
        for episode in task["episodes"]
    ],
    "balanced": [play(seed, balance) for seed in task["balanced"]],
    "random": [np.random.default_rng(seed).random(8).tolist() for seed in task["random"]],
}
json.dump(answer, sys.stdout)
