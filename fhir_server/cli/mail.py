"""`fhir-server mail`: the mail gateway of secure messages, in a process beside those that serve."""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer
import uvloop

from fhir_server.cli.occupancy import occupied
from fhir_server.cli.options import Data, Store, out, settings
from fhir_server.settings import Settings

if TYPE_CHECKING:
    from fhir_server.space.messages.mail.outgoing import Outgoing

#: Seconds between two looks for what is to be sent.
_LOOK_SECONDS = 1.0


def mail(
    host: Annotated[str | None, typer.Option(help="Address to listen on [FHIR_MAIL_HOST, 127.0.0.1].")] = None,
    port: Annotated[int | None, typer.Option(help="TCP port for SMTP [FHIR_MAIL_PORT, 8025].")] = None,
    lmtp_port: Annotated[int | None, typer.Option(help="TCP port for LMTP [FHIR_MAIL_LMTP_PORT, 8024].")] = None,
    data: Data = None,
    store: Store = None,
) -> None:
    """Receive mail for patients by SMTP and LMTP, and send theirs; the server may be serving.

    Several of it share the ports: the system gives each connection to one of them.
    """
    chosen = settings(mail_host=host, mail_port=port, mail_lmtp_port=lmtp_port, data=data, store=store)
    with occupied(chosen), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(chosen))


async def _run(chosen: Settings) -> None:
    from fhir_server.app import opened
    from fhir_server.space.messages.mail.doors import Doors, listening
    from fhir_server.space.messages.mail.incoming import Incoming
    from fhir_server.space.messages.mail.outgoing import Outgoing
    from fhir_server.space.messages.mail.room import give_back_what_is_freed
    from fhir_server.space.messages.mail.traces import Traces

    give_back_what_is_freed()
    # As a worker that serves has it: the thread that writes waits this long for the event loop.
    sys.setswitchinterval(0.0005)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for one in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(one, stop.set)
    async with opened(chosen) as house:
        traces = Traces(house.services)
        doors = Doors(Incoming(house.services), chosen, traces.refused)
        ports = [(chosen.mail_host, chosen.mail_port, False), (chosen.mail_host, chosen.mail_lmtp_port, True)]
        servers = await listening(doors, ports)
        sending = asyncio.create_task(_send(Outgoing(house.services)))
        for (_, _, lmtp), server in zip(ports, servers, strict=True):
            address, taken = server.sockets[0].getsockname()[:2]
            out.print(f"{'LMTP' if lmtp else 'SMTP'} on {address}:{taken} for @{chosen.mail_domain}")
        # What is there when it has started stays, and is looked through for garbage no more.
        gc.collect()
        gc.freeze()
        await stop.wait()
        for server in servers:
            server.close()
        sending.cancel()
        with suppress(asyncio.CancelledError):
            await sending


async def _send(outgoing: Outgoing) -> None:
    import logging

    from fhir_server.fhir.outcome import FhirError

    while True:
        try:
            await outgoing.once()
        except FhirError as error:
            logging.getLogger(__name__).warning("mail out: put off (%s)", type(error).__name__)
        await asyncio.sleep(_LOOK_SECONDS)
