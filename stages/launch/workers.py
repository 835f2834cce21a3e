"""Parts of one work done side by side, by copies of this process with one thread each.

A small model leaves two threads of one product waiting for each other; two processes with a thread
each do not (tests/bench/bench_workers.py). The copies share the memory of what is loaded. They
return what they found in any order, and a part's result depends neither on how many there are nor
on who does it: on a processor the bits of an evaluation are the same for any number of threads.

On other devices, and on systems where a copied process may not compute, all parts are done here.
"""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from ..common.command import die_with_parent
from ..common.errors import IO_FAILED, UserError

if TYPE_CHECKING:
    import torch

Part = TypeVar("Part")
Result = TypeVar("Result")
_todo: tuple[Callable[[Any], Any], Sequence[Any]] | None = None  # copied with the process


def _begin() -> None:
    import torch

    die_with_parent()
    torch.set_num_threads(1)


def _do(place: int) -> Any:
    assert _todo
    work, parts = _todo
    return work(parts[place])


@contextmanager
def one_thread() -> Iterator[int]:
    """Compute with one thread while the block lasts; gives the number there was before."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield before
    finally:
        torch.set_num_threads(before)


def mapped(work: Callable[[Part], Result], parts: Sequence[Part], device: torch.device,
           ) -> Iterator[tuple[int, Result]]:
    """(place of a part, its result) of every part as it is finished, those in front begun first.

    On a processor as many parts at a time as torch may use threads. Raises what the first part
    raised that failed, and UserError where a worker was killed.
    """
    global _todo
    if device.type != "cpu" or sys.platform != "linux":
        yield from ((place, work(part)) for place, part in enumerate(parts))
        return
    with one_thread() as threads:
        if min(threads, len(parts)) < 2:
            yield from ((place, work(part)) for place, part in enumerate(parts))
            return
        _todo = work, parts
        pool = ProcessPoolExecutor(min(threads, len(parts)), multiprocessing.get_context("fork"),
                                   _begin)
        try:
            places = {pool.submit(_do, place): place for place in range(len(parts))}
            for future in as_completed(places):
                yield places.pop(future), future.result()
        except BrokenProcessPool as error:
            raise UserError("a worker process was killed, most likely for want of memory. Lower "
                            "machine.threads in params.yaml", IO_FAILED) from error
        finally:
            pool.shutdown(cancel_futures=True)
            _todo = None
