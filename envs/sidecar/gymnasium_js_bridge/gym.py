"""Any Gymnasium id with discrete actions and box observations, by Gymnasium's own vector API."""

from typing import Any

import numpy as np

from . import names, protocol
from .vector import Batch, Spec, StepBatch

# How observations travel: JavaScript has a typed array for each of these.
WIRE_DTYPES = {
    "uint8": "uint8",
    "bool": "uint8",
    "int8": "int32",
    "int16": "int32",
    "uint16": "int32",
    "int32": "int32",
    "float16": "float32",
    "float32": "float32",
    "float64": "float64",
}


class GymnasiumEnvs:
    """`num_envs` copies of one environment, stepped one after the other."""

    def __init__(self, env_id: str, num_envs: int, settings: dict[str, Any]):
        import gymnasium
        from gymnasium import spaces
        from gymnasium.vector import AutoresetMode

        limit = {} if settings.get("maxEpisodeSteps") is None else {"max_episode_steps": settings["maxEpisodeSteps"]}
        try:
            self.envs = gymnasium.make_vec(
                env_id,
                num_envs=num_envs,
                # Not an environment's own vector version: those take one seed for all their copies.
                vectorization_mode="sync",
                vector_kwargs={"autoreset_mode": AutoresetMode.DISABLED},
                **limit,
            )
        except gymnasium.error.UnregisteredEnv as error:
            near = names.nearest(env_id, gymnasium.registry)
            raise protocol.UnknownEnv(
                f'no Gymnasium environment "{env_id}"; nearest: {", ".join(near)}', name=env_id, suggestions=near
            ) from error

        action_space, observation_space = self.envs.single_action_space, self.envs.single_observation_space
        if not isinstance(action_space, spaces.Discrete):
            raise protocol.UnsupportedEnv(f"{env_id} has the action space {action_space}; only Discrete is carried")
        if not isinstance(observation_space, spaces.Box) or str(observation_space.dtype) not in WIRE_DTYPES:
            raise protocol.UnsupportedEnv(
                f"{env_id} has the observation space {observation_space}; "
                f"only Box with one of {', '.join(WIRE_DTYPES)} is carried"
            )
        self.first_action = int(action_space.start)
        self.dtype = np.dtype(WIRE_DTYPES[str(observation_space.dtype)])
        self.no_lives = np.zeros(num_envs, np.int32)

        spec = self.envs.envs[0].spec
        known_limit = {} if spec.max_episode_steps is None else {"maxEpisodeSteps": spec.max_episode_steps}
        self.spec = Spec(
            settings={"kind": "gymnasium", "id": env_id, **known_limit},
            observation_space=spaces.Box(
                observation_space.low.astype(self.dtype), observation_space.high.astype(self.dtype), dtype=self.dtype
            ),
            num_actions=int(action_space.n),
            action_meanings=None,
            packages={"gymnasium": gymnasium.__version__, "numpy": np.__version__},
            rom=None,
        )

    def reset(self, mask: np.ndarray, seeds: np.ndarray) -> Batch:
        # The vector environment removes the mask from these options, so an environment sees empty ones.
        observations, _ = self.envs.reset(seed=seeds.tolist(), options={"reset_mask": mask})
        return Batch(observations.astype(self.dtype, copy=False), self.no_lives)

    def step(self, actions: np.ndarray, next_seeds: np.ndarray) -> StepBatch:
        observations, rewards, terminated, truncated, _ = self.envs.step(actions + self.first_action)
        observations = observations.astype(self.dtype, copy=False)
        batch = StepBatch(observations, rewards, terminated, truncated, self.no_lives)
        ended = terminated | truncated
        if ended.any():
            batch.final_observations = observations[ended]
            batch.observations = self.reset(ended, next_seeds).observations
        return batch

    def close(self) -> None:
        self.envs.close()
