"""What an agent is told through the Model Context Protocol: one answer as JSON text, small enough to read."""

import json
from secrets import token_hex
from typing import Any, ClassVar

import gradio as gr
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from regime.ui.run.frames import rounded

LARGEST = 30_000
"""Characters of an answer; of a larger one, details are left out."""
FIELDS = ("history", "schemas", "laws")
"""Fields of an answer that go whole, all but the last of them first."""
DETAILS = ("series", "configs", "key", "floors", "seeds", "spread", "undefined", "advice", "reasons", "layers", "intervals")
"""Details of the rows of an answer's lists that go next, one by one."""
CELL = ("measures", "training_seconds", "seconds", "agree", "straddles", "reached", "step", "error", "learning_rate", "status")
"""What goes after them: of a map's cell, its point and its verdict are left."""
EXACT = ("config", "configs", "point", "provenance")
"""Parts whose numbers are kept to the last digit: runs are made again from them."""
DIGITS = 6
MCP, CALL = "/gradio_api/mcp", "x-regime-call"
"""Where agents call, and the header that marks each of their calls for the run that it begins."""
REST = "everything: the endpoint /{name} over HTTP with the same configuration (api.md), or the command line, --json (cli.md)"


def by_agent(request: gr.Request | None) -> bool:
    """Tell whether a call comes from Gradio's own MCP server."""
    return request is not None and request.headers.get("x-gradio-user") == "mcp"


class AgentCalls:
    """ASGI middleware that knows which calls of agents are still waited for: Gradio lets the run of one that is not go on."""

    waited: ClassVar[set[str]] = set()

    def __init__(self, app: ASGIApp) -> None:
        """Stand before `app`."""
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a call on, marked, and forget it when it is answered or its caller has left."""
        if scope["type"] != "http" or MCP not in scope["path"]:
            return await self.app(scope, receive, send)
        mark = token_hex(16)
        MutableHeaders(scope=scope)[CALL] = mark

        async def heard() -> Message:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.waited.discard(mark)
            return message

        self.waited.add(mark)
        try:
            await self.app(scope, heard, send)
        finally:
            self.waited.discard(mark)


def has_left(request: gr.Request | None) -> bool:
    """Tell whether a run belongs to a call of an agent that nobody waits for any more."""
    mark = request and request.headers.get(CALL)
    return mark is not None and mark not in AgentCalls.waited


def tell_progress(event: dict[str, Any]) -> None:
    """Tell an agent that asks for progress how far a run is."""
    if event.get("steps"):
        gr.Progress()((event["step"], event["steps"]))
    elif event["kind"] == "working":
        gr.Progress()(event["done"] or 0, desc=event["doing"])


def told(answer: dict[str, Any], name: str) -> str:
    """Return an endpoint's answer as text for an agent: JSON, small enough to read."""
    return json.dumps(digest(answer, name))


def digest(answer: dict[str, Any], name: str) -> dict[str, Any]:
    """Return an answer whole where it is small, else rounded, and without what is longest: `left_out` names that."""
    if _size(answer) <= LARGEST:
        return answer
    kept, left_out = rounded(answer, DIGITS, EXACT), [f"digits after the first {DIGITS}"]
    for detail in (*FIELDS[:-1], *DETAILS, *CELL, FIELDS[-1]):
        if _size(kept) > LARGEST and (thinner := _without(kept, detail)) != kept:
            kept = thinner
            left_out.append(detail)
    while _size(kept) > LARGEST:
        left_out.append(longest := max(kept, key=lambda field: _size(kept[field])))
        kept = {field: value for field, value in kept.items() if field != longest}
    return kept | {"left_out": left_out, "rest": REST.format(name=name)}


def _size(value: Any) -> int:
    return len(json.dumps(value))


def _without(answer: dict[str, Any], detail: str) -> dict[str, Any]:
    if detail in FIELDS:
        return {field: value for field, value in answer.items() if field != detail}

    def thin(row: Any) -> Any:
        whole = not isinstance(row, dict)
        return row if whole else {name: row[name] if name in EXACT else thin(row[name]) for name in row if name != detail}

    return {field: [*map(thin, value)] if isinstance(value, list) else value for field, value in answer.items()}
