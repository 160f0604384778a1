"""Checks of what environments give: Python's own words for a wrong form name neither the environment nor the mend."""

from typing import Any

import numpy as np
from gymnasium import spaces

from . import protocol

# The largest whole number that float32 holds together with all below it.
LARGEST_EXACT_FLOAT32 = 1 << 24

RESET_FORM = "(observation, info)"
STEP_FORM = "(observation, reward, terminated, truncated, info)"


def check_results(env: Any, name: str) -> None:
    """Makes `reset` and `step` of the innermost environment raise BadValue where they give another form.

    The innermost one, since wrappers already unpack what it gives.
    """
    base = env.unwrapped
    # Wrappers may show something else than the innermost environment.
    space = getattr(base, "observation_space", None)
    plain_reset, plain_step = base.reset, base.step

    def refuse(method: str, what: str, wanted: str) -> None:
        raise protocol.BadValue(f"the environment {name} gave {what} in {method}; it must give {wanted}")

    def check_observation(method: str, observation: Any) -> None:
        if not isinstance(space, spaces.Box):
            return
        try:
            array = np.asarray(observation)
        except ValueError:
            refuse(method, "an observation whose rows have different lengths", f"one of {space}")
        if array.dtype.kind not in "fiub":
            refuse(method, f"an observation of type {type(observation).__name__}", f"one of {space}")
        if array.shape != space.shape:
            refuse(method, f"an observation of shape {array.shape}", f"one of shape {space.shape}")
        if not np.can_cast(array.dtype, space.dtype, "same_kind"):
            refuse(method, f"an observation of {array.dtype}", f"one of {space.dtype}")

    def reset(*args: Any, **kwargs: Any) -> Any:
        result = plain_reset(*args, **kwargs)
        if not isinstance(result, tuple) or len(result) != 2:
            refuse("reset", described(result), f"the two values {RESET_FORM}")
        if not isinstance(result[1], dict):
            refuse("reset", f"an info of type {type(result[1]).__name__}", "a dict")
        check_observation("reset", result[0])
        return result

    def step(action: Any) -> Any:
        result = plain_step(action)
        if not isinstance(result, tuple) or len(result) != 5:
            refuse("step", described(result), f"the five values {STEP_FORM}")
        observation, reward, terminated, truncated, info = result
        check_observation("step", observation)
        if not hasattr(reward, "__float__") or np.shape(reward) != ():
            refuse("step", f"the reward {shown(reward)}", "a number")
        for flag, value in (("terminated", terminated), ("truncated", truncated)):
            is_flag = isinstance(value, bool | np.bool_) or (np.shape(value) == () and value in (0, 1))
            if not is_flag:
                refuse("step", f"{shown(value)} as {flag}", "True or False")
        if not isinstance(info, dict):
            refuse("step", f"an info of type {type(info).__name__}", "a dict")
        return result

    base.reset, base.step = reset, step


def check_exact(observations: np.ndarray, name: str) -> None:
    """Raises BadValue where whole numbers are too large to travel as float32."""
    if observations.size == 0:
        return
    for value in (observations.min(), observations.max()):
        if abs(int(value)) > LARGEST_EXACT_FLOAT32:
            raise protocol.BadValue(
                f"the environment {name} gave the observation {value}; {observations.dtype} observations travel as "
                f"float32, which is exact up to {LARGEST_EXACT_FLOAT32}: scale it, or use int32 or float64"
            )


def described(result: Any) -> str:
    """What a method gave, in words."""
    if isinstance(result, tuple):
        return f"{len(result)} {'value' if len(result) == 1 else 'values'}"
    return "None" if result is None else f"one value of type {type(result).__name__}"


def shown(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{np.array2string(value, threshold=6)} (an array of shape {value.shape})"
    return f"{value!r:.100} (of type {type(value).__name__})"
