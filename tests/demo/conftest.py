from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.demo.served import Demo, demonstrated


@pytest.fixture(scope="session")
def first(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """The first start, on a folder that is not there; it has ended."""
    with demonstrated(tmp_path_factory.mktemp("demo") / "var") as found:
        return found


@pytest.fixture(scope="session")
def demo(first: Demo) -> Iterator[Demo]:
    """The second start, on the folder of the first; it serves."""
    with demonstrated(first.folder) as found:
        yield found
