"""The server: lists the tools that a caller may use, and answers calls of them."""

import logging
from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Any, Final

import orjson
from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError
from mcp.types import (
    INVALID_PARAMS,
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    PaginatedRequestParams,
    TextContent,
    Tool as DeclaredTool,
    ToolAnnotations,
)
from pydantic import BaseModel, ValidationError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException

from provider_pipeline.api.access import Caller, RequestContext, Service, record_request
from provider_pipeline.api.problems import ProblemError, status_of
from provider_pipeline.api.routing import refuse_unstorable
from provider_pipeline.errors import ProviderPipelineError
from provider_pipeline.mcp_server import reading, repairing
from provider_pipeline.mcp_server.answers import NOTICE, Result, error_text, shortened
from provider_pipeline.mcp_server.tools import Tool

TOOLS: Final[Mapping[str, Tool[Any]]] = {each.name: each for each in (*reading.TOOLS, *repairing.TOOLS)}

_INSTRUCTIONS: Final = (
    "A table of AI providers' models: identifiers, capabilities, limits and prices, with where each value comes from. "
    "search_models finds models, get_model shows one with its sources, compare_offers ranks who offers a model by "
    f"cost. A value that is null is unknown, not false and not zero. In every result, {NOTICE}"
)
_LOG: Final = logging.getLogger(__name__)

_Context = ServerRequestContext[Any]


def create_server(service: Service, caller_of: Callable[[_Context], Caller], *, scope_hint: str) -> Server[Any]:
    """The server on a catalogue.

    Args:
        service: What all calls share.
        caller_of: Who sent a request.
        scope_hint: How a caller gets a scope that it lacks.
    """
    threads = CapacityLimiter(service.threads)

    async def list_tools(context: _Context, _page: PaginatedRequestParams | None) -> ListToolsResult:
        caller = caller_of(context)
        return ListToolsResult(tools=[_declared(each) for each in TOOLS.values() if caller.has(each.scope)])

    async def call_tool(context: _Context, asked: CallToolRequestParams) -> CallToolResult:
        tool = TOOLS.get(asked.name)
        if tool is None:
            raise MCPError(INVALID_PARAMS, f"no tool {asked.name!r}; there are {', '.join(TOOLS)}")
        caller = caller_of(context)
        status = 500
        try:
            caller.require(tool.scope, tool.name)
            refuse_unstorable(asked.arguments)
            arguments = tool.arguments.model_validate(asked.arguments or {})
            with service.slot(tool.slow):
                answer = await run_sync(_answer, service, caller, tool, arguments, limiter=threads)
            status = 200
        except ProblemError as error:
            status = error.status
            answer = _failed(error.detail, scope_hint if error.kind == "scope-missing" else error.hint)
        except HTTPException as error:
            status = error.status_code
            answer = _failed(error.detail, None)
        except ProviderPipelineError as error:
            status = status_of(error)
            answer = _failed(error.message, error.hint)
        except ValidationError as error:
            status = 422
            answer = _failed(_what_is_wrong(error), f"{tool.name} takes {', '.join(tool.arguments.model_fields)}")
        except PoolTimeoutError:
            status = 503
            answer = _failed("every database connection of this process is in use", "try again")
        except Exception:  # noqa: BLE001 - the SDK would send its text, which may hold internals
            _LOG.exception("%s failed", tool.name)
            answer = _failed("the call failed because of a bug; the server's log has the details", None)
        finally:
            if caller.id is not None and not tool.only_reads:
                await run_sync(_record, service, caller, tool, status, limiter=threads)
        return answer

    return Server(
        "provider-pipeline",
        version=version("provider-pipeline"),
        title="AI providers' models",
        instructions=_INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )


def _answer(service: Service, caller: Caller, tool: Tool[Any], arguments: BaseModel) -> CallToolResult:
    with service.database.session() as session:
        found = tool.run(RequestContext(session, caller, service), arguments)
        try:
            data = tool.data.model_validate(found.data, from_attributes=True).model_dump(mode="json")
        except ValidationError as error:  # not one of the caller's arguments
            raise AssertionError(f"{tool.name} found what its schema does not describe") from error
    data, left_out = shortened(data)
    result = Result(foreign_data=data, next_cursor=found.next_cursor, left_out=left_out).model_dump(mode="json")
    # Clients that do not read structured content read the text.
    text = orjson.dumps(result).decode()
    return CallToolResult(content=[TextContent(type="text", text=text)], structured_content=result)


def _declared(tool: Tool[Any]) -> DeclaredTool:
    return DeclaredTool(
        name=tool.name,
        description=tool.about,
        input_schema=tool.arguments.model_json_schema(),
        output_schema=Result[tool.data].model_json_schema(mode="serialization"),  # type: ignore[name-defined]
        annotations=ToolAnnotations(
            read_only_hint=tool.only_reads,
            destructive_hint=False,
            idempotent_hint=tool.only_reads,
            open_world_hint=False,
        ),
    )


def _failed(message: str, hint: str | None) -> CallToolResult:
    return CallToolResult(content=[TextContent(type="text", text=error_text(message, hint))], is_error=True)


def _what_is_wrong(error: ValidationError) -> str:
    """What is wrong with the arguments, without their values."""
    found = [
        f"{'.'.join(map(str, each['loc']))}: "
        + ("there is no such argument" if each["type"] == "extra_forbidden" else each["msg"])
        for each in error.errors()
    ]
    return "; ".join(found[:5]) + (f" (and {len(found) - 5} more)" if len(found) > 5 else "")


def _record(service: Service, caller: Caller, tool: Tool[Any], status: int) -> None:
    record_request(service.database, caller, method="POST", path=f"/mcp/{tool.name}", status=status)
