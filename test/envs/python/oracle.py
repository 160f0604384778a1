"""Plays given actions without the bridge: a single environment for each, every episode from its own seed.

Standard input: JSON {settings, seed, actions: [step][env]}. Standard output: JSON {first, steps}: for each environment
the SHA-256 of its first observation, and for each step and environment [SHA-256 of the observation, reward, terminated,
truncated, lives, SHA-256 of the final observation or null, episode frames or null, seed of an ended episode or null].
"""

import hashlib
import json
import sys

import numpy as np


def murmur3(data: bytes, seed: int = 0) -> int:
    """MurmurHash3_x86_32 of whole 4-byte words."""
    mask, h = 0xFFFFFFFF, seed
    for i in range(0, len(data), 4):
        k = int.from_bytes(data[i : i + 4], "little") * 0xCC9E2D51 & mask
        k = (k << 15 | k >> 17) & mask
        h ^= k * 0x1B873593 & mask
        h = ((h << 13 | h >> 19) & mask) * 5 + 0xE6546B64 & mask
    h ^= len(data)
    h = (h ^ h >> 16) * 0x85EBCA6B & mask
    h = (h ^ h >> 13) * 0xC2B2AE35 & mask
    return h ^ h >> 16


# Published test vectors.
assert murmur3(b"test") == 0xBA6BD213
assert murmur3(b"test", 0x9747B28C) == 0x704B81DC


def episode_seed(seed: int, env: int, episode: int) -> int:
    return murmur3(b"".join(x.to_bytes(4, "little") for x in (seed, env, episode))) >> 1


class AtariPlayer:
    def __init__(self, settings):
        from ale_py.vector_env import AtariVectorEnv

        self.env = AtariVectorEnv(
            settings["id"],
            1,
            max_num_frames_per_episode=settings["maxEpisodeFrames"],
            repeat_action_probability=settings["stickyActionProbability"],
            full_action_space=settings["fullActionSpace"],
            img_height=settings["height"],
            img_width=settings["width"],
            grayscale=settings["grayscale"],
            stack_num=settings["frameStack"],
            frameskip=settings["frameSkip"],
            noop_max=settings["maxNoops"],
            use_fire_reset=settings["fireReset"],
            reward_clipping=False,
        )

    def reset(self, seed):
        return self.env.reset(seed=np.array([seed]))[0][0]

    def step(self, action):
        obs, reward, terminated, truncated, info = self.env.step(np.array([action], np.int32))
        lives, frames = int(info["lives"][0]), int(info["episode_frame_number"][0])
        return obs[0], float(reward[0]), bool(terminated[0]), bool(truncated[0]), lives, frames


class GymnasiumPlayer:
    def __init__(self, settings):
        import gymnasium

        self.env = gymnasium.make(settings["id"], max_episode_steps=settings.get("maxEpisodeSteps"))

    def reset(self, seed):
        return self.env.reset(seed=seed)[0]

    def step(self, action):
        obs, reward, terminated, truncated, _ = self.env.step(action)
        return obs, float(reward), bool(terminated), bool(truncated), 0, None


def sha256(observation: np.ndarray) -> str:
    return hashlib.sha256(observation.tobytes()).hexdigest()


def main() -> None:
    task = json.load(sys.stdin)
    settings, actions = task["settings"], task["actions"]
    player_class = AtariPlayer if settings["kind"] == "atari" else GymnasiumPlayer
    envs = range(len(actions[0]))
    players = [player_class(settings) for _ in envs]
    started = [0 for _ in envs]
    seeds = [0 for _ in envs]

    def start(env: int) -> np.ndarray:
        seeds[env] = episode_seed(task["seed"], env, started[env])
        started[env] += 1
        return players[env].reset(seeds[env])

    first = [sha256(start(env)) for env in envs]
    steps = []
    for row in actions:
        results = []
        for env in envs:
            obs, reward, terminated, truncated, lives, frames = players[env].step(row[env])
            final = None, None, None
            if terminated or truncated:
                final = sha256(obs), frames, seeds[env]
                obs = start(env)
            results.append([sha256(obs), reward, terminated, truncated, lives, *final])
        steps.append(results)
    json.dump({"first": first, "steps": steps}, sys.stdout)


main()
