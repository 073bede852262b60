"""The table for agents, over the Model Context Protocol. docs/mcp.md explains it to users."""

from typing import TYPE_CHECKING

from provider_pipeline.lazy import lazy_submodules

if TYPE_CHECKING:
    from provider_pipeline.mcp_server import (
        answers as answers,
        http as http,
        lines as lines,
        reading as reading,
        repairing as repairing,
        server as server,
        stdio as stdio,
        tools as tools,
    )
else:
    __getattr__ = lazy_submodules(__name__)
