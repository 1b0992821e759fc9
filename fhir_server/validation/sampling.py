"""How much of a very large resource is looked through for what is wrong with it.

A body of nothing but mistakes would cost ten thousand times its length if each of them were told. Where a large
resource is found wrong, a random part of it says whether its mistakes are few, and can all be told, or many, and the
first do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from random import Random
from secrets import randbits
from typing import Any, TypeVar

#: The most values, of any kind and at any depth, that are looked through as they are.
LARGE = 20_000
#: How many items of each array are kept of what is larger; the first that leaves few enough values.
KEPT = (200, 30, 5, 1)
#: Errors in a random part from which on there may be too many in the whole. The largest body has a thousand such parts.
MANY = 12

# Nobody who sends a body can know which part will be looked at.
_SEED = randbits(64)

Tree = Mapping[str, Any]
Error = TypeVar("Error")


def errors(run: Callable[[Tree], Iterable[Error]], tree: Tree) -> Iterable[Error]:
    """What `run` finds in `tree`; where that could be too much, what it finds in the first items of each array.

    Args:
        run: finds every error at once.
        tree: has at least one; the first items may have none.
    """
    if not _is_large(tree):
        return run(tree)
    few = sum(1 for _ in run(_part(tree, _spread))) < MANY
    return run(tree if few else _part(tree, _first))


def _part(tree: Tree, chosen: Callable[[list[Any], int], list[Any]]) -> Tree:
    part: Any = tree
    for kept in KEPT:
        part = _copy(tree, kept, chosen)
        if not _is_large(part):
            break
    found: Tree = part
    return found


def _is_large(tree: Any) -> bool:
    waiting, seen = [tree], 0
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict | list):
            seen += len(node)
            if seen > LARGE:
                return True
            waiting.extend(node.values() if isinstance(node, dict) else node)
    return False


def _copy(node: Any, kept: int, chosen: Callable[[list[Any], int], list[Any]]) -> Any:
    if isinstance(node, dict):
        return {key: _copy(value, kept, chosen) for key, value in node.items()}
    return [_copy(value, kept, chosen) for value in chosen(node, kept)] if isinstance(node, list) else node


def _first(items: list[Any], kept: int) -> list[Any]:
    return items[:kept]


def _spread(items: list[Any], kept: int) -> list[Any]:
    # Arrays of one length, such as those of a primitive and its extensions, lose the same items.
    places = range(len(items)) if len(items) <= kept else Random(_SEED ^ len(items)).sample(range(len(items)), kept)  # noqa: S311
    return [items[place] for place in sorted(places)]
