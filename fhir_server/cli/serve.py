"""`fhir-server serve`: the server, in one process or several that share a listening socket."""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import os
import resource
import signal
import socket
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable, Iterable, Iterator, MutableMapping
from contextlib import AsyncExitStack, suppress
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fhir_server.cli.heap import tended
from fhir_server.cli.occupancy import occupied
from fhir_server.cli.options import USAGE, WRONG, Data, Store, err, refuse, settings
from fhir_server.settings import Settings, is_loopback
from fhir_server.store import private

if TYPE_CHECKING:
    import uvicorn

    from fhir_server.http.health import Readiness

Message = MutableMapping[str, Any]
Asgi = Callable[[Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]]

NO_BASE = (
    "FHIR_BASE_URL is not set: tokens are bound to the public URL of the FHIR base, which must not be whatever\n"
    "a client writes in its Host header. Set it to e.g. https://fhir.example/fhir."
)


#: How often the listening socket is watched. The event loop takes one connection from each watcher in a turn (libuv
#: since 1.45), and a turn of a busy server is long: by one, the thirtieth of a group of clients waits for seconds.
_DOORS = 32
#: New objects after which those are looked through for garbage that goes in a circle, and after how many looks older
#: ones are too. Hardly anything that a request makes does: Python's own measure, 700, is a twentieth of a write's work.
_NEW_OBJECTS, _LOOKS = 10_000, (5, 10)


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on [FHIR_HOST, 127.0.0.1].")] = None,
    port: Annotated[int | None, typer.Option(help="TCP port; 0 takes a free one [FHIR_PORT, 8080].")] = None,
    data: Data = None,
    store: Store = None,
    workers: Annotated[int | None, typer.Option(help="Worker processes [FHIR_WORKERS, 1].")] = None,
    open: Annotated[
        bool | None, typer.Option("--open", help="Serve without tokens, on loopback only [FHIR_OPEN].")
    ] = None,
) -> None:
    """Serve FHIR under /fhir, and pages for people under /."""
    chosen = settings(host=host, port=port, data=data, store=store, workers=workers, open=open)
    if chosen.open and not is_loopback(chosen.host):
        refuse(f"--open is refused on {chosen.host}: without tokens the server listens on this machine only.")
    if not chosen.open and not chosen.base_url and not is_loopback(chosen.host):
        refuse(NO_BASE, USAGE)
    listener = listen(chosen)
    chosen = chosen.placed(listener.getsockname()[1])
    raise typer.Exit(run(chosen, listener, _lines(address_of(chosen, listener), chosen)))


def run(chosen: Settings, listener: socket.socket, lines: Iterable[str]) -> int:
    """Serve on `listener` until a stop is asked for, and print `lines` once the server answers; the exit code."""
    _export(chosen)
    threading.Thread(target=_announce, args=(address_of(chosen, listener), lines), daemon=True).start()
    return _served(chosen, listener)


def application() -> Asgi:
    """The ASGI application of one worker process, from the `FHIR_*` variables."""
    # Nothing is garbage while it starts. What is there when it has started stays, and is looked through no more: the
    # event loop waits for each look.
    gc.disable()
    from fhir_server.http.logs import configure

    chosen = Settings()
    configure(chosen)
    private.by_default()
    _allow_files(chosen.max_connections)
    # A long search in a thread waits this long for the event loop at each row; Python's own 5 ms make it seconds.
    sys.setswitchinterval(0.0005)
    return _Worker(chosen)


def _allow_files(connections: int) -> None:
    """Have the system allow so many connections besides files, as far as it lets itself be asked."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + 200
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


class _Worker:
    """Opens the house when the server starts, passes it every request, closes it when the server stops."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._asgi: Asgi | None = None

    async def __call__(
        self, scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
    ) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(scope.get("state", {}), receive, send)
        elif self._asgi is not None:
            await self._asgi(scope, receive, send)

    async def _lifespan(
        self,
        state: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        from fhir_server.app import opened
        from fhir_server.beside import attended
        from fhir_server.http.connection_limits import STATE, door

        await receive()
        state[STATE] = door(self._settings)
        async with AsyncExitStack() as stack:
            try:
                stack.enter_context(occupied(self._settings, new=True))
                house = await stack.enter_async_context(opened(self._settings))
                await stack.enter_async_context(house.attended())
                stack.enter_context(attended(house))
                self._asgi = house.served
            except Exception as error:
                # What it needs is not there or not right: the words say what, and nobody is helped by a traceback.
                err.print(f"The server cannot start: {error}", markup=False)
                await send({"type": "lifespan.startup.failed"})
                return
            _on_stop(house.asgi.readiness)
            _when_orphaned()
            gc.freeze()
            gc.set_threshold(_NEW_OBJECTS, *_LOOKS)
            gc.enable()
            tending = asyncio.create_task(tended())
            stack.callback(tending.cancel)
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})


def _on_stop(readiness: Readiness) -> None:
    """Have readiness say "stopping" from the moment a stop is asked for, before what uvicorn does about it."""

    def handler(previous: Any) -> Callable[[int, FrameType | None], None]:
        def stopping(signum: int, frame: FrameType | None) -> None:
            readiness.stopping = True
            if callable(previous):
                previous(signum, frame)

        return stopping

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, handler(signal.getsignal(number)))


def _when_orphaned() -> None:
    """Have a worker whose parent is killed stop as if it had been told to: nobody is left who would tell it."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        loop, sentinel = asyncio.get_running_loop(), parent.sentinel

        def stop() -> None:
            loop.remove_reader(sentinel)
            os.kill(os.getpid(), signal.SIGTERM)

        loop.add_reader(sentinel, stop)


def _export(chosen: Settings) -> None:
    # Worker processes are started anew and read their settings from the environment.
    for name in ("host", "port", "data", "store", "workers", "open", "base_url", "simulators"):
        os.environ[f"FHIR_{name.upper()}"] = str(getattr(chosen, name))


def listen(chosen: Settings) -> socket.socket:
    """The socket to serve on.

    Raises:
        typer.Exit: the port is taken (code 1); it says so.
    """
    family = socket.AF_INET6 if ":" in chosen.host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((chosen.host, chosen.port))
    except OSError as error:
        refuse(f"Cannot listen on {chosen.host} port {chosen.port}: {error.strerror}.", WRONG)
    listener.listen(2048)
    listener.set_inheritable(True)
    return listener


def address_of(chosen: Settings, listener: socket.socket) -> str:
    """Where the server answers: `http://127.0.0.1:8080`."""
    host = f"[{chosen.host}]" if ":" in chosen.host else chosen.host
    return f"http://{host}:{listener.getsockname()[1]}"


def _announce(address: str, lines: Iterable[str]) -> None:
    """Print `lines` once the server answers."""
    while True:
        try:
            urllib.request.urlopen(f"{address}/health/ready", timeout=10).close()  # noqa: S310 — our own address
            break
        except urllib.error.HTTPError:
            break
        except OSError:
            time.sleep(0.02)
    for line in lines:
        typer.echo(line)


def _lines(address: str, chosen: Settings) -> Iterator[str]:
    """Where people and apps find what is served, a line each."""
    yield f"FHIR base        {address}/fhir"
    yield f"Pages            {address}/"
    yield f"Capabilities     {address}/fhir/metadata"
    yield f"Store            {chosen.store_shown} ({chosen.workers} worker{'s' * (chosen.workers > 1)})"
    if not chosen.open:
        yield f"Authorization    {address}/fhir/.well-known/smart-configuration"
    if chosen.open:
        yield "Open: anyone on this machine may read and write everything. Use invented data only."


def _served(chosen: Settings, listener: socket.socket) -> int:
    config = configured(chosen)
    doors = [listener, *(listener.dup() for _ in range(_DOORS - 1))]
    for door in doors:
        door.set_inheritable(True)
    return _supervised(config, doors) if chosen.workers > 1 else _alone(config, doors)


def configured(chosen: Settings) -> uvicorn.Config:
    """How uvicorn is to serve."""
    import uvicorn

    from fhir_server.http.protocol import Connection
    from fhir_server.http.socket_connection import LONGEST_MESSAGE, PING_SECONDS, SocketConnection

    return uvicorn.Config(
        "fhir_server.cli.serve:application",
        factory=True,
        workers=chosen.workers,
        loop="uvloop",
        http=Connection,
        ws=SocketConnection,
        ws_max_size=LONGEST_MESSAGE,
        ws_per_message_deflate=False,
        ws_ping_interval=PING_SECONDS,
        ws_ping_timeout=PING_SECONDS,
        lifespan="on",
        access_log=False,
        log_config=None,
        log_level="warning",
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=chosen.idle_seconds,  # type: ignore[arg-type]  # given to the event loop, which takes parts
        timeout_graceful_shutdown=max(1, round(chosen.shutdown_seconds)),
        # A worker answers once it has imported what it runs, which takes its time on a busy machine: by uvicorn's own
        # five seconds it would be ended and begun again for ever.
        timeout_worker_healthcheck=chosen.worker_seconds,
    )


def _alone(config: uvicorn.Config, doors: list[socket.socket]) -> int:
    import uvicorn

    server = uvicorn.Server(config)
    # After a graceful stop uvicorn raises the signal again: by then there is nothing left to end.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    with suppress(SystemExit):
        server.run(sockets=doors)
    return 0 if server.started else WRONG


def _supervised(config: uvicorn.Config, doors: list[socket.socket]) -> int:
    from uvicorn.supervisors.multiprocess import Multiprocess

    supervisor = Multiprocess(config, doors)
    supervisor.run()
    return WRONG if any(process.exitcode == 3 for process in supervisor.processes) else 0
