"""Lines from a file descriptor, read so that a blocked read never keeps the process from ending."""

import logging
import os
from collections.abc import AsyncIterator
from threading import Thread
from typing import Final

import anyio
from anyio import from_thread, lowlevel

_CHUNK: Final = 64 * 1024
_LOG: Final = logging.getLogger(__name__)


async def read_lines(descriptor: int, *, max_bytes: int) -> AsyncIterator[str]:
    """The lines of a descriptor until its end; a longer line ends them too.

    The thread that reads is a daemon: worker threads of anyio would have to return first, and no signal wakes a read.
    """
    send, receive = anyio.create_memory_object_stream[bytes](1)
    token = lowlevel.current_token()

    def read() -> None:
        try:
            while chunk := os.read(descriptor, _CHUNK):
                from_thread.run(send.send, chunk, token=token)
            from_thread.run(send.aclose, token=token)
        except (OSError, RuntimeError, anyio.BrokenResourceError):
            pass  # the descriptor or the event loop is gone: nothing waits for lines any more

    Thread(target=read, daemon=True, name="lines").start()
    pending = bytearray()
    async with receive:
        async for chunk in receive:
            *complete, rest = chunk.split(b"\n")
            for part in complete:
                pending += part
                yield pending.decode("utf-8", "replace")
                pending.clear()
            pending += rest
            if len(pending) > max_bytes:
                _LOG.error("a line of more than %s bytes came, which ends the input", f"{max_bytes:,}")
                return
    if pending:
        yield pending.decode("utf-8", "replace")
