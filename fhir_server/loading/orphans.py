"""A worker process ends when the one that started it is gone: whoever was killed cannot tell it to."""

from __future__ import annotations

import os
from multiprocessing import parent_process
from multiprocessing.connection import wait
from threading import Thread


def end_with_parent() -> None:
    """From now on this process ends as soon as its parent has, however that ended."""
    Thread(target=_wait, name="parent", daemon=True).start()


def _wait() -> None:
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        # Nobody asks it for anything any more, and what it prepared is written by nobody.
        os._exit(1)
