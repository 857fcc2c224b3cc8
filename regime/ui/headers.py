"""Headers that tell browsers what this page never does, and the page itself compressed."""

from starlette.datastructures import MutableHeaders
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = {
    # Gradio's own scripts are inline and are evaluated, and the page may be framed: more cannot be forbidden.
    "Content-Security-Policy": "object-src 'none'; base-uri 'self'; form-action 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
}


class Headers:
    """ASGI middleware that adds HEADERS to every answer that does not have its own."""

    def __init__(self, app: ASGIApp) -> None:
        """Stand before `app`."""
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and its answer back with the headers."""

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, sent if scope["type"] == "http" else send)


class CompressedPage(GZipMiddleware):
    """ASGI middleware that compresses the page itself: Gradio compresses scripts and styles, and a stream is not to be held."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and the answer back, compressed where it is the page and its reader takes it so."""
        page = scope["type"] == "http" and scope["path"] in ("", "/")
        await (super().__call__ if page else self.app)(scope, receive, send)
