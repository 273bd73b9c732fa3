"""What a misspelt name was probably meant to be."""

from collections.abc import Iterable
from difflib import get_close_matches


def near_miss(name: str, known: Iterable[str]) -> str:
    """The fix for a name that does not exist: the nearest one that does, else all of them."""
    names = list(dict.fromkeys(str(one) for one in known))
    lowered = {one.lower(): one for one in names}
    close = get_close_matches(name.lower(), lowered, n=1, cutoff=0.6)
    if not close:
        # Half a name is far from the whole by its letters, but only one name may have that half.
        close = [one for one in lowered if len(name) > 2 and name.lower() in one]
    if len(close) == 1:
        return f"did you mean `{lowered[close[0]]}`?"
    return f"there are {', '.join(f'`{one}`' for one in names)}" if names else "there are none yet"
