"""What a message says of a name that stands for nothing: what resembles it, or what there is."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

# What is listed where nothing resembles a name.
_MOST = 60


def near_misses(
    wanted: str, known: Iterable[str], *, most: int = 3, quote: str = "'", cutoff: float = 0.6
) -> str:
    """Return a sentence that says which known names resemble one that is not known.

    Capitals, underscores and packages make no difference.

    Args:
        wanted: The name.
        known: The names that there are, in the order in which they are listed.
        most: How many of those that resemble it are named.
        quote: What stands around a name.
        cutoff: From which likeness on, between 0 and 1, a name resembles another.

    Returns:
        Those that resemble it; all, if none does.

    Example:
        >>> near_misses("max_nrom", ["MaxNorm", "NonNeg"])
        "Did you mean 'MaxNorm'?"
        >>> near_misses("l1", ["MaxNorm", "NonNeg"])
        'Known are MaxNorm, NonNeg.'
    """
    names = [*dict.fromkeys(known)]
    near = get_close_matches(plain(wanted), [*map(plain, names)], n=most, cutoff=cutoff)
    found = [name for one in dict.fromkeys(near) for name in names if plain(name) == one]
    if found:
        return f"Did you mean {' or '.join(f'{quote}{name}{quote}' for name in found)}?"
    more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
    return f"Known are {', '.join(names[:_MOST])}{more}." if names else "None is known."


def plain(name: str) -> str:
    """Return a name without what makes no difference between names that resemble each other.

    Args:
        name: The name, such as ``"mypkg>MaxNorm"``.

    Returns:
        The name in its package, in lower case and without underscores.

    Example:
        >>> plain("mypkg>Max_Norm")
        'maxnorm'
    """
    return name.rpartition(">")[2].replace("_", "").lower()
