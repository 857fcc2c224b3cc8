"""An endpoint: a function with typed, described parameters, for HTTP, for Gradio's clients and, as a tool, for agents."""

import inspect
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.components.api_component import Api
from gradio.queueing import Event, Queue
from gradio.server_messages import EventMessage, ProcessGeneratingMessage
from gradio_client.utils import json_schema_to_python_type

from regime.config import Config, describe
from regime.config.base import named_fields
from regime.errors import ConfigError
from regime.ui.run.agents import by_agent, has_left, tell_progress, told
from regime.ui.run.runs import COMPUTE, readable

Schemas = dict[str, dict[str, Any]]
"""Parameter -> its JSON Schema; one without a default is required."""
UNSAID = {"title", "description", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}
UNSAID |= {"minLength", "maxLength", "minItems", "maxItems"}
"""Parts of a schema that the words and the server say: a client that checks them would not name the field in its error."""
QUICK = {"concurrency_id": "preview", "concurrency_limit": 2}


@dataclass(frozen=True)
class Endpoint:
    """A function of the fields that a call gives, and, of a stream, of who asks."""

    name: str
    tool: str
    """Its name for agents."""
    about: str
    """What it does."""
    answer: Callable[..., Any]
    schemas: Schemas
    whole: str | None = None
    """The parameter that may hold all others as one JSON object."""

    @property
    def streams(self) -> bool:
        """Whether it sends events."""
        return inspect.isgeneratorfunction(self.answer)

    def function(self) -> Callable[..., Any]:
        """Return the function that Gradio calls: its signature and its docstring name every parameter."""

        def stream(*values: Any) -> Iterator[Any]:
            *given, request = values
            if not by_agent(request):
                yield from self.answer(self._fields(given), request and request.session_hash)
                return
            with closing(self.answer(self._fields(given), None)) as events:  # agents share a session, and may wait side by side
                for event in events:
                    if has_left(request):
                        return
                    tell_progress(event)
                    yield told(event["report"], self.name) if event["kind"] == "finished" else event["kind"]

        def once(*values: Any) -> Any:
            *given, request = values
            answer = self.answer(self._fields(given))
            return told(answer, self.name) if by_agent(request) else answer

        call = stream if self.streams else once
        call.__name__ = self.tool
        lines = [f"    {name}: {schema['description']}" for name, schema in self.schemas.items()]
        call.__doc__ = "\n".join([self.about, "", "Args:", *lines])
        call.__annotations__ = {**dict.fromkeys(self.schemas, Any), "request": gr.Request | None}
        call.__signature__ = inspect.Signature([self._parameter(name) for name in call.__annotations__])  # type: ignore[attr-defined]
        return call

    def describe(self, name: str) -> dict[str, Any]:
        """Return what Gradio's clients are told of a parameter."""
        schema = self.schemas[name]
        words, default = schema["description"], schema.get("default")
        return {
            "label": name,
            "parameter_name": name,
            "parameter_has_default": "default" in schema,
            "parameter_default": default,
            "type": {part: value for part, value in schema.items() if (part, value) != ("default", None)},
            "python_type": {"type": json_schema_to_python_type(schema), "description": words},
            "component": "Api",
            "example_input": default,
        }

    def outline(self, name: str) -> dict[str, Any]:
        """Return what the page itself is told of a parameter, which it never sends: its type, for the page of the API."""
        kind = {"type": self.schemas[name]["type"]} if "type" in self.schemas[name] else {}
        unsaid = dict.fromkeys(("parameter_name", "parameter_default", "example_input"))
        return {**unsaid, "parameter_has_default": True, "type": kind}

    def _parameter(self, name: str) -> inspect.Parameter:
        required = name in self.schemas and "default" not in self.schemas[name]
        kind, empty = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.empty
        return inspect.Parameter(name, kind, default=empty if required else None)

    def _fields(self, values: list[Any]) -> Any:
        """What a call asks for. Clients of Gradio send every default: one counts as not given, as null does."""
        sent = zip(self.schemas.items(), values, strict=True)
        given = {name: value for (name, schema), value in sent if value is not None and not _same(value, schema.get("default"))}
        if self.whole not in given:
            return given
        whole = given.pop(self.whole)
        with readable():
            if given and (both := given.keys() & named_fields(whole).keys()):
                names = ", ".join(name for name in given if name in both)
                raise ConfigError(f"{names} is given twice, in {self.whole} and beside it; allowed: once")
        return whole | given if given else whole


def _same(value: Any, default: Any) -> bool:
    return type(value) is type(default) and value == default


class Described(gr.Blocks):
    """An app whose API describes every parameter of its endpoints, without a word of it in the page.

    One component stands for all parameters: each of its own would add 400 bytes to the first page, and its schema three times.
    """

    described: Mapping[str, Endpoint] = {}

    def offer(self, endpoints: Mapping[str, Endpoint]) -> None:
        """Add the endpoints, as `gr.api` does, to the app that is being built."""
        self.described, anything = endpoints, Api(None, {})
        for name, endpoint in endpoints.items():
            self.default_config.set_event_trigger(
                [],
                endpoint.function(),
                [anything] * len(endpoint.schemas),
                [anything],
                preprocess=False,
                postprocess=False,
                show_progress="hidden",
                api_name=name,
                **(COMPUTE if endpoint.streams else QUICK),
            )

    def validate_inputs(self, block_fn: Any, inputs: list[Any]) -> None:
        """Fill in what a call leaves out that gives the first parameter only, before Gradio counts."""
        if block_fn.api_name in self.described:
            inputs.extend([None] * (len(block_fn.inputs) - len(inputs)))
        super().validate_inputs(block_fn, inputs)

    def get_api_info(self, all_endpoints: bool = False, page: str | None = None) -> Any:
        """Return what Gradio's clients, its MCP server or, where a `page` is named, its page of the API know of endpoints."""
        info = super().get_api_info(all_endpoints, page)
        for name, endpoint in self.described.items():
            if told := info["named_endpoints"].get(f"/{name}"):
                names = [known["parameter_name"] for known in told["parameters"]]
                told["parameters"] = [endpoint.describe(name) if page is None else endpoint.outline(name) for name in names]
        return info


def typed(config: type[Config]) -> Schemas:
    """Return the fields of a configuration as parameters; parts of one's own are for Python."""
    return {name: parameter(schema) for name, schema in config.properties().items() if name not in ("kind", "measures")}


def parameter(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a field as one of a parameter, a number's bounds and the default in the description, too."""
    default, kinds = schema.get("default"), {option.get("type") for option in schema.get("anyOf", [schema])}
    known = "" if default is None or isinstance(default, dict) else f"default {json.dumps(default)}"
    allowed = describe(schema) if kinds <= {"integer", "number", "null"} and "enum" not in schema else ""
    said = "; ".join(filter(None, [schema["description"], allowed, known]))
    plain = {"type": "object", "default": None} if "oneOf" in schema else _plain(schema)  # a configuration is an object, too
    return {**plain, "description": said}


def _plain(schema: dict[str, Any]) -> dict[str, Any]:
    plain = {name: value for name, value in schema.items() if name not in UNSAID}
    if "anyOf" in plain:
        plain["anyOf"] = [_plain(option) for option in plain["anyOf"]]
    if "items" in plain:
        plain["items"] = _plain(plain["items"])
    return plain


def tell_once(queue: Queue, names: tuple[str, ...]) -> None:
    """Leave `finished` out of the streams of the endpoints `names` over plain HTTP, whose last message holds it again."""
    send = queue.send_message

    def telling(event: Event, message: EventMessage) -> None:
        plain = event.fn.api_name in names and event.data is not None and event.data.simple_format
        last = isinstance(message, ProcessGeneratingMessage) and plain and message.output["data"][0]["kind"] == "finished"
        if not last:
            send(event, message)

    setattr(queue, "send_message", telling)  # noqa: B010 - a method of one object, which type checkers do not let be assigned
