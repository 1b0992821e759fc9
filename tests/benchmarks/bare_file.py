"""The ceiling of a retrieval: a bare file response of Starlette on the same uvicorn. `… bare_file FILE PORT`."""

from __future__ import annotations

import sys

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse
from starlette.routing import Route


def main() -> None:
    """Serve the file at every address."""

    async def file(request: Request) -> FileResponse:
        return FileResponse(sys.argv[1], media_type="application/pdf")

    app = Starlette(routes=[Route("/{path:path}", file)])
    uvicorn.run(app, port=int(sys.argv[2]), loop="uvloop", http="httptools", log_level="error", access_log=False)


if __name__ == "__main__":
    main()
