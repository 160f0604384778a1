"""Spellings of environment names, and the nearest known ones to a wrong name."""

import re
from collections.abc import Iterable


def squash(name: str) -> str:
    """Lower case, letters and digits only: SpaceInvaders and space_invaders become equal."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def edit_distance(a: str, b: str) -> int:
    """Levenshtein distance: insertions, deletions and substitutions."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        previous, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (x != y))
    return row[-1]


def without_version(name: str) -> str:
    return re.sub(r"-v\d+$", "", name)


def nearest(name: str, known: Iterable[str], count: int = 3) -> list[str]:
    """The `count` known names with the smallest edit distance to `name`, versions compared last."""
    base, whole = squash(without_version(name[:100])), squash(name[:100])
    return sorted(
        known,
        key=lambda k: (edit_distance(base, squash(without_version(k))), edit_distance(whole, squash(k)), k),
    )[:count]


def atari_game(name: str, games: Iterable[str]) -> str | None:
    """The game (a ROM id such as space_invaders) that `name` spells, or None.

    Understood: Enduro, space_invaders, SpaceInvaders, ALE/Enduro-v5, EnduroNoFrameskip-v4, EnduroDeterministic-v0.
    """
    base = without_version(name.strip().removeprefix("ALE/"))
    wanted = squash(re.sub(r"(NoFrameskip|Deterministic)$", "", base))
    return next((game for game in games if squash(game) == wanted), None)
