"""The endpoints as tools of the Model Context Protocol, through its own client, against the app in its own process."""

import asyncio
import json
import time

import httpx
import jsonschema
import pytest

from regime.config import KINDS
from regime.config.tasks import TASKS
from regime.reproductions.registry import CLAIMS
from regime.reproductions.shipped import cards
from regime.ui import build
from regime.ui.run.agents import LARGEST, digest

SMALL = {"width": 16, "steps": 20, "samples": 32, "test_samples": 32, "probe_samples": 16, "seeds": 2}
PROBE = {"model": "minilm", "steps": 2, "samples": 8, "probe_samples": 8, "max_tokens": 12, "forecast": False}
TOOLS = {
    "train_toy",
    "probe_transformer",
    "compare_checkpoints",
    "map_regimes",
    "find_border",
    "reproduce_claim",
    "estimate_cost",
    "list_catalog",
    "server_health",
}


@pytest.fixture
def agent(server):
    """Run a coroutine function of a session with the app."""
    mcp = pytest.importorskip("mcp", reason="the extra mcp is not installed")
    http = pytest.importorskip("mcp.client.streamable_http")

    async def meet(ask):
        async with (
            http.streamable_http_client(f"{server.url}gradio_api/mcp/") as (read, write, _),
            mcp.ClientSession(read, write) as session,
        ):
            await session.initialize()
            return await ask(session)

    return lambda ask: asyncio.run(meet(ask))


@pytest.fixture
def call(agent):
    """Call a tool; return its answer, or the line that says what is wrong."""

    def called(tool, **fields):
        result = agent(lambda session: session.call_tool(tool, fields))
        (content,) = result.content
        assert len(content.text) < LARGEST + 1000
        return content.text if result.isError else json.loads(content.text)

    return called


@pytest.fixture
def tools(agent):
    return {tool.name: tool for tool in agent(lambda session: session.list_tools()).tools}


def test_the_endpoints_are_the_tools_and_nothing_else_is(tools):
    assert set(tools) == TOOLS
    for tool in tools.values():
        jsonschema.Draft202012Validator.check_schema(tool.inputSchema)
        assert tool.description[0].isupper()
        assert all(schema["description"] for schema in tool.inputSchema["properties"].values())
        assert all({"type", "enum", "anyOf"} & schema.keys() for schema in tool.inputSchema["properties"].values())


def test_a_tool_says_what_every_field_is(tools):
    schemas = {name: tool.inputSchema["properties"] for name, tool in tools.items()}
    for name, kind in (("train_toy", "toy"), ("probe_transformer", "probe"), ("compare_checkpoints", "checkpoints")):
        assert set(schemas[name]) == {"config", *KINDS[kind].model_fields} - {"kind", "measures"}
    assert schemas["train_toy"]["task"]["enum"] == [*TASKS, "own"]
    assert schemas["train_toy"]["width"] == {
        "type": "integer",
        "default": 512,
        "description": "units in each hidden layer; an integer from 1 to 16384; default 512",
    }
    assert schemas["reproduce_claim"]["claim"]["enum"] == [*CLAIMS]
    assert tools["reproduce_claim"].inputSchema["required"] == ["claim"]
    assert "required" not in tools["train_toy"].inputSchema


def test_a_toy_is_trained_and_its_verdict_read(call):
    report = call("train_toy", **SMALL)
    assert report["config"] == SMALL | {name: value for name, value in report["config"].items() if name not in SMALL}
    assert report["verdict"]["label"] in ("lazy", "mixed", "rich", "no verdict")
    assert report["verdict"]["reasons"]
    assert report["final"]["kernel_change"] > 0
    assert [row["layer"] for row in report["layers"]] == ["hidden 1", "hidden 2", "readout"]
    assert report["provenance"]["versions"]
    assert "history" in report["left_out"]
    assert "/toy" in report["rest"]


def test_the_old_form_is_another_way_to_say_the_same(call):
    assert call("train_toy", config=SMALL)["verdict"] == call("train_toy", **SMALL)["verdict"]


def test_minilm_is_probed_layer_by_layer(call):
    cost = call("estimate_cost", config=PROBE)
    assert (cost["kind"], cost["refused"]) == ("probe", None)
    report = call("probe_transformer", **PROBE)
    assert report["config"]["model"] == "minilm"
    assert report["verdict"]["reasons"]
    assert {row["block"] for row in report["layers"]} >= {"encoder.layer.0", "encoder.layer.5"}
    assert all(row["kernel_change"] > 0 for row in report["blocks"] if row["block"].startswith("encoder"))


def test_the_quickest_claim_is_reproduced(call):
    id = min(cards("quick"), key=lambda id: cards("quick")[id].seconds, default="S1")
    assert id in call("list_catalog")["claims"]
    card = call("reproduce_claim", claim=id)
    assert (card["id"], card["form"], card["title"]) == (id, "quick", CLAIMS[id].title)
    assert card["outcome"] in ("pass", "fail", "undecided")
    assert all(finding["what"] and finding["interval"] for finding in card["findings"])


def test_a_map_and_a_border_are_small_enough_to_read(call):
    axes = {"width": [8, 16, 32, 64], "alpha": [0.25, 0.5, 1.0, 2.0]}
    report = call("map_regimes", base=SMALL | {"steps": 10}, axes=axes)
    assert [cell["verdict"]["label"] for cell in report["cells"]]
    assert len(report["cells"]) == 16
    assert call("find_border", config=SMALL | {"steps": 10}, axis="width", within=[8, 64])["axis"] == "width"


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"width": -1}, "width = -1 is not allowed; allowed: an integer from 1 to 16384"),
        ({"config": {"widht": 1}}, "'widht' is not a field of ToyConfig; allowed: "),
        ({"widht": 1}, "Parameter `widht` is not a valid"),
        ({"task": "chess"}, "'chess' is not one of ['rings'"),
        ({"width": "many"}, "'many' is not of type 'integer'"),
        ({"config": {"width": 8}, "width": 16}, "width is given twice, in config and beside it; allowed: once"),
        ({"optimizer": "gd", "batch_size": 8}, "batch_size = 8 is not allowed with optimizer = 'gd'; allowed: null"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(call, fields, line):
    said = call("train_toy", **fields)
    assert line in said
    assert len(said.splitlines()) == 1


def test_an_agent_that_asks_for_progress_gets_it(agent):
    said = []

    async def told(progress, total, message):  # noqa: ARG001 - as the client calls it
        said.append(message)

    agent(lambda session: session.call_tool("train_toy", SMALL | {"steps": 400}, progress_callback=told))
    assert any(message and message.startswith("Progress: Step ") for message in said)


def test_agents_do_not_stand_in_each_others_way(agent):
    """Gradio gives them one session, which of visitors may have one run waiting."""

    async def four(session):
        return await asyncio.gather(*(session.call_tool("train_toy", SMALL | {"seed": seed}) for seed in range(4)))

    results = agent(four)
    assert [json.loads(result.content[0].text)["config"]["seed"] for result in results] == [0, 1, 2, 3]


def test_a_run_that_its_agent_has_left_ends(agent, server):
    """Whether or not it asked for progress; the run would take minutes."""
    long = {"width": 2048, "samples": 512, "steps": 5000}

    async def left(session):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(session.call_tool("train_toy", long), 4.0)
        queue = httpx.get(f"{server.url}health").json()["queue"]
        assert sum(pool["running"] for pool in queue.values()) == 1

    agent(left)
    for _ in range(60):
        queue = httpx.get(f"{server.url}health").json()["queue"]
        if not any(pool["running"] for pool in queue.values()):
            return
        time.sleep(0.25)
    raise AssertionError(queue)


def test_the_page_says_whether_there_are_tools(server):
    pytest.importorskip("mcp", reason="the extra mcp is not installed")
    assert httpx.get(f"{server.url}config").json()["mcp_server"] is True


def test_without_the_extra_there_is_no_server_and_no_error(monkeypatch):
    monkeypatch.setattr(build, "find_spec", lambda _: None)
    assert build.launch_options()["mcp_server"] is False


def test_a_small_answer_is_left_as_it_is():
    answer = {"weight_std": 2**0.5, "history": [1]}
    assert digest(answer, "toy") == answer


def test_of_a_large_answer_the_details_go_first():
    row = {
        "layer": "one",
        "kernel_change": 1 / 3,
        "floors": {"kernel_change": 0.1} | dict.fromkeys(map(str, range(900)), 1 / 3),
    }
    answer = {"config": {"alpha": 1 / 3}, "final": 1 / 3, "history": ["x" * LARGEST], "layers": [row] * 3, "floors": {"a": 1}}
    assert digest(answer, "toy") == {
        "config": {"alpha": 1 / 3},
        "final": 0.333333,
        "layers": [{"layer": "one", "kernel_change": 0.333333}] * 3,
        "floors": {"a": 1},
        "left_out": ["digits after the first 6", "history", "floors"],
        "rest": digest(answer, "toy")["rest"],
    }


@pytest.mark.parametrize("width", [4, 12])
def test_of_a_map_every_cell_keeps_its_place_and_its_verdict(width):
    verdict = {"label": "rich", "index": 1 / 3, "interval": [1 / 7, 1.0], "seeds": [1 / 3] * 4, "agree": "a" * 30}
    verdict |= {"reasons": ["r" * 90] * 2, "advice": ["a" * 90], "straddles": False}
    cell = {"status": "finished", "reached": True, "step": 3, "learning_rate": 1 / 3, "error": None, "verdict": verdict}
    cell |= {"measures": dict.fromkeys(map(str, range(40)), 1 / 3), "training_seconds": 1 / 3, "seconds": 1 / 3}
    places = [{"width": wide, "learning_rate": rate / 3} for wide in range(width) for rate in range(width)]
    cells = [{"index": index, "point": point, **cell} for index, point in enumerate(places)]
    told = digest({"laws": ["x" * 1000] * 2 * width, "cells": cells}, "sweep")
    assert [row["point"] for row in told["cells"]] == places
    kept = {"label": "rich", "index": 0.333333, "interval": [0.142857, 1.0]}
    assert all(row["verdict"].items() >= kept.items() for row in told["cells"])
    assert ("measures" in told["cells"][0]) == ("reasons" in told["cells"][0]["verdict"]) == (width == 4)
    assert len(json.dumps(told)) < LARGEST + 1000


def test_an_answer_is_never_too_large():
    answer = {"verdict": "rich", "cells": [{"point": number} for number in range(LARGEST)]}
    assert digest(answer, "sweep") | {"rest": ""} == {
        "verdict": "rich",
        "left_out": ["digits after the first 6", "cells"],
        "rest": "",
    }
