"""Atari games by ale-py's AtariVectorEnv, with a seed for every episode.

AtariVectorEnv resets by itself in the step after an episode's end. A reset with a mask and seeds right after the end
takes its place and leaves the other environments as they are, so every episode can be run again alone.
"""

import hashlib
from typing import Any

import numpy as np

from . import names, protocol
from .vector import Batch, Spec, StepBatch


class AtariEnvs:
    """`num_envs` copies of one game. Observations: uint8 [n, stack, height, width], RGB with a last axis of 3."""

    def __init__(self, game: str, num_envs: int, num_threads: int, settings: dict[str, Any]):
        protocol.require_packages({"ale_py": "ale-py>=0.12.1"})
        import ale_py
        import gymnasium
        from ale_py import roms
        from ale_py.vector_env import AtariVectorEnv

        roms_here = roms.get_all_rom_ids()
        # The emulator has ROMs of games for several players too, and ends the process where one of them is made.
        registered = {names.squash(env_id[4:].split("-")[0]) for env_id in gymnasium.registry if env_id[:4] == "ALE/"}
        games = [rom for rom in roms_here if names.squash(rom) in registered]
        rom_id = names.atari_game(game, games)
        if rom_id is None and (known := names.atari_game(game, roms_here)) is not None:
            raise protocol.UnsupportedEnv(
                f'the Atari game "{known}" is not one that Gymnasium has: the emulator plays it with several players '
                "only; choose another game"
            )
        if rom_id is None:
            near = names.nearest(game.removeprefix("ALE/"), games)
            raise protocol.UnknownEnv(
                f'no Atari game "{game}"; nearest: {", ".join(near)}', name=game, suggestions=near
            )

        self.envs = AtariVectorEnv(
            rom_id,
            num_envs,
            num_threads=num_threads,
            frameskip=settings["frameSkip"],
            noop_max=settings["maxNoops"],
            repeat_action_probability=settings["stickyActionProbability"],
            full_action_space=settings["fullActionSpace"],
            use_fire_reset=settings["fireReset"],
            max_num_frames_per_episode=settings["maxEpisodeFrames"],
            stack_num=settings["frameStack"],
            grayscale=settings["grayscale"],
            img_height=settings["height"],
            img_width=settings["width"],
            # Scores are logged as the game gives them and episodes end when the game does: learners clip and cut.
            reward_clipping=False,
            episodic_life=False,
        )
        self.newest: Batch | StepBatch | None = None
        actions = self.envs.ale.get_action_set()
        rom = roms.get_rom_path(rom_id)
        self.spec = Spec(
            settings={"kind": "atari", "id": rom_id, **settings},
            observation_space=self.envs.single_observation_space,
            num_actions=len(actions),
            action_meanings=[action.name for action in actions],
            packages={"ale-py": ale_py.__version__, "gymnasium": gymnasium.__version__, "numpy": np.__version__},
            rom={"name": rom.name, "sha256": hashlib.sha256(rom.read_bytes()).hexdigest()},
        )

    def reset(self, mask: np.ndarray, seeds: np.ndarray) -> Batch:
        if mask.any():
            observations, info = self.envs.reset(seed=seeds[mask], options={"reset_mask": mask})
            self.newest = Batch(observations, info["lives"])
        return self.newest

    def step(self, actions: np.ndarray, next_seeds: np.ndarray) -> StepBatch:
        observations, rewards, terminated, truncated, info = self.envs.step(actions)
        ended = terminated | truncated
        batch = StepBatch(observations, rewards, terminated, truncated, info["lives"])
        if ended.any():
            batch.final_observations = observations[ended]
            batch.length_frames = info["episode_frame_number"][ended]
            batch.observations = self.reset(ended, next_seeds).observations
        else:
            self.newest = batch
        return batch

    def close(self) -> None:
        self.envs.close()
