"""What stands before the app: headers, the page compressed, and refusals of requests that no endpoint can take.

What is wrong with a request is one line that its sender can read, with a status from 400 to 499.
"""

import json
import logging
import re
from collections.abc import Iterable, Mapping
from typing import Any

from fastapi.exceptions import RequestValidationError
from gradio import Blocks
from gradio.route_utils import FnIndexInferError
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from regime.errors import show

LARGEST = 16 * 2**20
"""Bytes of a body: own rows are at most a million characters, each at most 12 bytes in JSON."""
CALL = re.compile(r"/gradio_api/call/(v2/)?(?P<name>[^/]+)(/(?P<event>[^/]+))?/?$")
JOIN = re.compile(r"/gradio_api/queue/join/?$")
USAGE = 'POST /gradio_api/call/toy with content-type: application/json and a body such as {"data": [{"width": 64}]}'
HEADERS = {
    # Gradio's own scripts are inline and are evaluated, and the page may be framed: more cannot be forbidden.
    "Content-Security-Policy": "object-src 'none'; base-uri 'self'; form-action 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
}
log = logging.getLogger(__name__)


def with_headers(app: ASGIApp) -> ASGIApp:
    """Return an app whose answers have those HEADERS of which they do not have their own."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await app(scope, receive, sent if scope["type"] == "http" else send)

    return answer


class CompressedPage(GZipMiddleware):
    """ASGI middleware that compresses the page itself: Gradio compresses scripts and styles, and a stream is not to be held."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and the answer back, compressed where it is the page and its reader takes it so."""
        page = scope["type"] == "http" and scope["path"] in ("", "/")
        await (super().__call__ if page else self.app)(scope, receive, send)


class Refusals:
    """ASGI middleware that answers a request that no endpoint can take with `{"detail": line}`."""

    def __init__(self, app: ASGIApp, names: Mapping[str, Iterable[str]]) -> None:
        """Stand before `app`, whose endpoints have those names, and their parameters those."""
        self.app, self.names = app, names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on where it can be taken, and answer it where not, also where Gradio fails on it."""
        if scope["type"] != "http" or "/gradio_api/" not in scope["path"]:
            return await self.app(scope, receive, send)
        begun = False

        async def noted(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self.app(scope, await self._checked(scope, receive), noted)
        except ClientDisconnect:
            pass
        except HTTPException as error:
            await JSONResponse({"detail": error.detail}, error.status_code)(scope, receive, send)
        except (FnIndexInferError, KeyError, TypeError, ValueError) as error:  # what Gradio's routes raise for names they lack
            if begun:
                raise
            log.info("a request failed", exc_info=True)
            line = f"the request names or holds what is not known here: {show(str(error))}; allowed: {USAGE}"
            await JSONResponse({"detail": line}, 400)(scope, receive, send)

    async def _checked(self, scope: Scope, receive: Receive) -> Receive:
        """Return the `receive` for the app; raises HTTPException."""
        call, blocks = CALL.search(scope["path"]), scope["app"].get_blocks()
        if call and call["name"] not in self.names:
            raise HTTPException(404, f"{show(call['name'])} is not an endpoint; allowed: {', '.join(self.names)}")
        if call and call["event"]:
            if not _readable(blocks, call["event"]):
                allowed = "the event_id that a POST answered, until its last event was read or its reader left"
                raise HTTPException(404, f"event_id = {show(call['event'])} is not known; allowed: {allowed}")
            return receive
        if not call and not JOIN.search(scope["path"]):
            return receive
        if scope["method"] != "POST":
            raise HTTPException(405, f"{scope['method']} is not allowed here; allowed: {USAGE}")
        request = Request(scope, receive)
        raw = await _read(request)
        body = _parsed(raw, request.headers.get("content-type", ""))
        if not (call and call[1]):
            _check_data(body, call["name"] if call else None, blocks)
        elif strange := body.keys() - {"oauth_token", *(known := self.names[call["name"]])}:  # that one is Gradio's own
            raise HTTPException(400, f"{show(min(strange))} is not a parameter; allowed: {', '.join(known) or 'none'}")
        waiting = [{"type": "http.request", "body": raw}]

        async def again() -> Message:
            return waiting.pop() if waiting else await receive()

        return again


async def _read(request: Request) -> bytes:
    """Return a body; of one that is too large all is read, so that its sender gets to read the answer, and nothing kept."""
    kept, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size <= LARGEST:
            kept.append(part)
    if size > LARGEST:
        raise HTTPException(413, f"the body has {size:,} bytes; allowed: at most {LARGEST:,}")
    return b"".join(kept)


def _parsed(raw: bytes, content: str) -> dict[str, Any]:
    """Return the object that a body holds."""
    if "json" not in content:
        raise HTTPException(400, f"content-type = {show(content)} is not allowed; allowed: {USAGE}")
    cause = "not an object"
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError) as error:
        body, cause = None, str(error).split(";")[0]
    if not isinstance(body, dict):
        came = show(raw[:80].decode(errors="replace"))
        raise HTTPException(400, f"the body {came} is not a JSON object ({cause}); allowed: {USAGE}")
    return body


def _check_data(body: dict[str, Any], name: str | None, blocks: Blocks) -> None:
    """Refuse a body whose `data` are not as many as its endpoint takes; `name` is None where `fn_index` tells.

    One value is enough: the first parameter may hold all others.
    """
    data, index = body.get("data"), body.get("fn_index")
    if not isinstance(data, list):
        came = f"data = {show(data)} is not allowed" if "data" in body else f"data is not among {show(list(body))}"
        raise HTTPException(400, f"{came}; allowed: a list; {USAGE}")
    for function in blocks.fns.values():
        public = function.api_visibility == "public" and (function.api_name == name if name else function._id == index)
        most = len(function.inputs)
        if public and len(data) not in {min(1, most), most}:
            holds = f"one value, the first of its {most} parameters, or all" if most else "no value"
            raise HTTPException(400, f"data = {show(data)} has {len(data)} values; allowed: {holds}; {USAGE}")


def _readable(blocks: Blocks, event_id: str) -> bool:
    """Return whether there is something to read of a call: it waits, goes on, or has ended unread."""
    queue = blocks._queue
    holders = (session for session, ids in queue.pending_event_ids_session.items() if event_id in ids)
    messages = queue.pending_messages_per_session.get(next(holders, ""))
    event = queue.event_ids_to_events.get(event_id)
    return messages is not None and (not messages.empty() or (event is not None and event.alive))


async def unfit(_: Request, error: Exception) -> JSONResponse:
    """Answer a request whose parts are not those of its route."""
    assert isinstance(error, RequestValidationError)
    parts = (f"{'.'.join(map(str, each['loc']))} = {show(each['input'])}: {each['msg']}" for each in error.errors())
    return JSONResponse({"detail": f"not allowed: {'; '.join(parts)}"}, 400)
