"""Any Gymnasium id with discrete actions and box observations, by Gymnasium's own vector API."""

import importlib
import json
import re
import sys
from typing import Any

import numpy as np

from . import checks, minatar_games, names, protocol
from .vector import Batch, Spec, StepBatch

# How observations travel: JavaScript has a typed array for each of these.
WIRE_DTYPES = {
    "uint8": "uint8",
    "bool": "uint8",
    "int8": "int32",
    "int16": "int32",
    "uint16": "int32",
    "int32": "int32",
    "uint32": "float32",
    "int64": "float32",
    "uint64": "float32",
    "float16": "float32",
    "float32": "float32",
    "float64": "float64",
}


# Whole numbers that neither int32 nor a JavaScript number holds in full: carried where float32 has them exactly.
CHECKED_DTYPES = ("uint32", "int64", "uint64")

# Arguments of `gymnasium.make_vec` and `gymnasium.make` that are not an environment's.
RESERVED_OPTIONS = ("id", "num_envs", "vectorization_mode", "vector_kwargs", "wrappers", "disable_env_checker")


class GymnasiumEnvs:
    """`num_envs` copies of one environment, stepped one after the other."""

    def __init__(self, env_id: str, num_envs: int, settings: dict[str, Any]):
        import gymnasium
        from gymnasium import spaces

        options = settings.get("envOptions") or {}
        self.env_id = env_id
        has_screen = settings.get("screen") is True
        self.envs = make_envs(env_id, num_envs, options, settings.get("maxEpisodeSteps"), has_screen)
        action_space, observation_space = self.envs.single_action_space, self.envs.single_observation_space
        if not isinstance(action_space, spaces.Discrete):
            raise protocol.UnsupportedEnv(f"{env_id} has the action space {action_space}; only Discrete is carried")
        dtype = str(observation_space.dtype)
        if not isinstance(observation_space, spaces.Box) or dtype not in WIRE_DTYPES:
            raise protocol.UnsupportedEnv(
                f"{env_id} has the observation space {observation_space}; "
                f"only Box with one of {', '.join(WIRE_DTYPES)} is carried"
            )
        if 0 in observation_space.shape:
            raise protocol.UnsupportedEnv(
                f"{env_id} has the observation space {observation_space}, which shows nothing: "
                "each size of its shape must be at least 1"
            )
        for env in self.envs.envs:
            checks.check_results(env, env_id)
        self.first_action = int(action_space.start)
        self.dtype = np.dtype(WIRE_DTYPES[dtype])
        self.is_checked = dtype in CHECKED_DTYPES
        self.no_lives = np.zeros(num_envs, np.int32)
        self.newest: Batch | StepBatch | None = None

        spec = self.envs.envs[0].spec
        known_limit = {} if spec.max_episode_steps is None else {"maxEpisodeSteps": spec.max_episode_steps}
        self.spec = Spec(
            settings={
                "kind": "gymnasium",
                # With its version, which is another one after an upgrade where the user gave none.
                "id": f"{module_of(env_id)}{spec.id}",
                **({"envOptions": options} if options else {}),
                **known_limit,
                **({"screen": True} if has_screen else {}),
            },
            observation_space=spaces.Box(
                observation_space.low.astype(self.dtype), observation_space.high.astype(self.dtype), dtype=self.dtype
            ),
            num_actions=int(action_space.n),
            action_meanings=None,
            packages={"gymnasium": gymnasium.__version__, "numpy": np.__version__, **minatar_games.version(env_id)},
            rom=None,
            frames_per_second=float(self.envs.envs[0].metadata.get("render_fps", 30)) if has_screen else None,
        )

    def reset(self, mask: np.ndarray, seeds: np.ndarray) -> Batch:
        if mask.any():
            # The vector environment removes the mask from these options, so an environment sees empty ones.
            observations, _ = self.envs.reset(seed=seeds.tolist(), options={"reset_mask": mask})
            self.newest = Batch(self.carried(observations), self.no_lives)
        return self.newest

    def step(self, actions: np.ndarray, next_seeds: np.ndarray) -> StepBatch:
        observations, rewards, terminated, truncated, _ = self.envs.step(actions + self.first_action)
        observations = self.carried(observations)
        batch = StepBatch(observations, rewards, terminated, truncated, self.no_lives)
        ended = terminated | truncated
        if ended.any():
            batch.final_observations = observations[ended]
            batch.observations = self.reset(ended, next_seeds).observations
        else:
            self.newest = batch
        return batch

    def carried(self, observations: np.ndarray) -> np.ndarray:
        """Observations in the type that they travel in."""
        if self.is_checked:
            checks.check_exact(observations, self.env_id)
        return observations.astype(self.dtype, copy=False)

    def close(self) -> None:
        self.envs.close()


def module_of(env_id: str) -> str:
    """The module that is imported first, with its colon; empty where the id names none."""
    module, colon, _ = env_id.rpartition(":")
    return module + colon


def add_screen(env: Any) -> Any:
    """The pictures that an environment draws in place of its observations."""
    from gymnasium.wrappers import AddRenderObservation

    return AddRenderObservation(env, render_only=True)


def make_envs(
    env_id: str, num_envs: int, options: dict[str, Any], max_episode_steps: int | None, has_screen: bool = False
) -> Any:
    """Gymnasium's vector environment; raises errors that say what the user can do where it cannot be made."""
    import gymnasium
    from gymnasium.vector import AutoresetMode

    if "max_episode_steps" in options:
        raise protocol.BadOptions(f'{env_id}: give "max_episode_steps" as the option "maxEpisodeSteps"')
    for name in RESERVED_OPTIONS:
        if name in options:
            raise protocol.BadOptions(
                f'{env_id}: "{name}" in "envOptions" is no option of an environment: leave it out'
            )
    limit = {} if max_episode_steps is None else {"max_episode_steps": max_episode_steps}
    wrappers = [minatar_games.seeded] if minatar_games.is_minatar(env_id) else []
    screen = {"render_mode": "rgb_array"} if has_screen else {}
    if has_screen:
        wrappers.append(add_screen)
    module = module_of(env_id).removesuffix(":")
    try:
        if minatar_games.is_minatar(env_id):
            minatar_games.register()
        if has_screen and "rgb_array" not in render_modes(env_id):
            raise protocol.UnsupportedEnv(
                f"{env_id} has no screen to show: it draws no pictures (render mode rgb_array)"
            )
        return gymnasium.make_vec(
            env_id,
            num_envs=num_envs,
            # Not an environment's own vector version: those take one seed for all their copies.
            vectorization_mode="sync",
            vector_kwargs={"autoreset_mode": AutoresetMode.DISABLED},
            **({"wrappers": wrappers} if wrappers else {}),
            **limit,
            **screen,
            **options,
        )
    except gymnasium.error.DependencyNotInstalled as error:
        packages = re.findall(r"pip install ([^`]+)", str(error))
        needed = " ".join(packages) or "PACKAGE"
        # Without the commands, which are for whatever Python "pip" belongs to.
        reason = re.split(r", (?:you can|run|please)|[;.] ", first_line(error))[0]
        raise protocol.MissingPackages(
            f"{env_id} needs more than this Python has ({reason}); install with: "
            f"{sys.executable} -m pip install {needed}",
            packages=[package.strip("\"'") for package in packages],
        ) from error
    except ModuleNotFoundError as error:
        missing = error.name or first_module(error)
        if module and missing in (module, module.split(".")[0]):
            raise protocol.UnknownEnv(
                f'no Python module "{module}" for the environment {env_id}: '
                f"put its folder into $PYTHONPATH, or install it with: {sys.executable} -m pip install PACKAGE",
                name=env_id,
                suggestions=[],
            ) from error
        raise protocol.MissingPackages(
            f'{env_id} imports "{missing}", which this Python lacks; install the package that brings it with: '
            f"{sys.executable} -m pip install {missing}",
            packages=[missing],
        ) from error
    except gymnasium.error.DeprecatedEnv as error:
        newer = re.findall(r"use `([^`]+)` instead", str(error))
        raise protocol.UnknownEnv(first_line(error), name=env_id, suggestions=newer) from error
    except gymnasium.error.UnregisteredEnv as error:
        near = names.nearest(env_id, gymnasium.registry)
        raise protocol.UnknownEnv(
            f'no Gymnasium environment "{env_id}"; nearest: {", ".join(near)}', name=env_id, suggestions=near
        ) from error
    except gymnasium.error.Error as error:
        if "Malformed environment ID" not in str(error):
            raise
        raise protocol.UnknownEnv(
            f'"{env_id}" is no id of an environment, such as CartPole-v1 or module:Name-v0', name=env_id, suggestions=[]
        ) from error
    except TypeError as error:
        if not re.search(r"missing \d+ required|unexpected keyword argument|positional argument", str(error)):
            raise
        reason = re.sub(r" was raised from the environment creator .*", "", first_line(error))
        given = f"with envOptions {json.dumps(options)}" if options else "without envOptions"
        raise protocol.BadOptions(f"{env_id} cannot be made {given}: {reason}") from error
    except (AssertionError, AttributeError) as error:
        found = re.search(r"(observation|action)[_ ]space", str(error))
        if not found:
            raise
        raise protocol.UnsupportedEnv(
            f"{env_id} has no {found[1]}_space that can be used ({first_line(error)}): "
            "give it one, Discrete for actions and Box for observations"
        ) from error


def render_modes(env_id: str) -> list[str]:
    """What the environment's class says that it can draw; of an id without a version it is not known."""
    import gymnasium

    module, _, name = env_id.rpartition(":")
    if module:
        importlib.import_module(module)
    try:
        creator = gymnasium.spec(name).entry_point
    except gymnasium.error.Error:
        return ["rgb_array"]
    if isinstance(creator, str):
        creator = gymnasium.envs.registration.load_env_creator(creator)
    return getattr(creator, "metadata", {}).get("render_modes", [])


def first_line(error: BaseException) -> str:
    return str(error).strip().split("\n")[0]


def first_module(error: ModuleNotFoundError) -> str:
    """The module that an error speaks of where it does not say: Gymnasium raises one with a message alone."""
    found = re.search(r"No module named '([^']+)'", str(error))
    return found[1] if found else "a module"
