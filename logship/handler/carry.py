"""``wrap``: trace and bound fields go along into threads, pools and other processes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextvars import copy_context
from functools import wraps
from typing import Any, ParamSpec, TypeVar, overload

from logship.handler.context import Carried, carried

__all__ = ["wrap"]

P = ParamSpec("P")
T = TypeVar("T")
E = TypeVar("E", bound=Executor)


@overload
def wrap(work: E) -> E: ...


@overload
def wrap(work: Callable[P, T]) -> Callable[P, T]: ...


def wrap(work: Any) -> Any:
    """Make *work* run with the trace and the bound fields of where it was handed over.

    Args:
        work: An executor, whose ``submit`` (and with it ``map`` and asyncio's
            ``run_in_executor``) is changed in place to take along the context of each call;
            or a function, which takes along the context of now:
            ``Thread(target=logship.wrap(run))``.

    Returns:
        The same executor, or a new function. In threads all context variables go along, into
        the processes of a ``ProcessPoolExecutor`` the trace and the bound fields, which must
        be picklable then.
    """
    if not isinstance(work, Executor):
        return _wrapped(work)
    submit = work.submit
    across_processes = _is_process_pool(work)

    def submit_along(function: Callable[..., Any], /, *args: Any, **options: Any) -> Future[Any]:
        if across_processes:
            return submit(_run_with, carried(), function, *args, **options)
        return submit(copy_context().run, function, *args, **options)

    # On the instance, so that it still is what set_default_executor takes.
    work.submit = submit_along  # type: ignore[method-assign]
    return work


def _wrapped(function: Callable[P, T]) -> Callable[P, T]:
    context = copy_context()

    @wraps(function)
    def along(*args: P.args, **options: P.kwargs) -> T:
        # A copy for each call: one context cannot be entered twice at the same time.
        return context.copy().run(function, *args, **options)

    return along


def _run_with(along: Carried, function: Callable[..., Any], /, *args: Any, **options: Any) -> Any:
    context = copy_context()
    context.run(along.enter)
    return context.run(function, *args, **options)


def _is_process_pool(executor: Executor) -> bool:
    module = sys.modules.get("concurrent.futures.process")
    return module is not None and isinstance(executor, module.ProcessPoolExecutor)
