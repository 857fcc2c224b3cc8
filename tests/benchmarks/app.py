"""Benchmarks of the app: `python -m tests.benchmarks.app`, from the root of the checkout.

    p4     the default run as a client sees it: first event, events a second, time outside computation
    p5     from `python app.py` to the first page, against a hello-world Gradio app that also imports torch
    p11    the page: bytes of a frame, frames a second, share of the main thread, bytes and listeners of the first page
    p12    a map of 10,000 cells in the browser: a new cell taken and painted, all of them painted, bytes a frame

Run it on an idle machine. A load average above 0.3 of the cores at the start is noted with the results.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from argparse import Namespace
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from gradio_client import Client

from regime.ui.run.mapframes import missing_frame
from regime.ui.screens.train import ALPHAS, WIDTHS
from regime.ui.static_files import address
from regime.ui.text import render
from tests.benchmarks.report import REPEATS, NotRunError, Row, Section, Table, command, rounds
from tests.benchmarks.timing import in_turn, ratio
from tests.ui.large_map import MOUNT, SIDE, sent_map

ROOT = Path(__file__).parents[2]
CALLS = 15
STARTS = 7
HELLO = """
import torch
import gradio as gr
with gr.Blocks() as demo:
    name, said = gr.Textbox(), gr.Textbox()
    name.submit(lambda name: f"Hello, {name} {torch.ones(1).item()}", name, said)
demo.launch(ssr_mode=False, quiet=True)
"""
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")


@contextmanager
def serving(*command: str) -> Iterator[str]:
    """A Gradio app in a process of its own, once its page answers; its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        settings = {
            "GRADIO_SERVER_NAME": "127.0.0.1",
            "GRADIO_SERVER_PORT": str(port),
            "GRADIO_TEMP_DIR": folder,
            "GRADIO_ANALYTICS_ENABLED": "False",
            "HF_HUB_OFFLINE": "1",
        }
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        process = subprocess.Popen([sys.executable, *command], cwd=ROOT, env=os.environ | settings, **quiet)
        url = f"http://127.0.0.1:{port}/"
        try:
            while not _answers(url):
                if process.poll() is not None:
                    raise RuntimeError(f"{command} ended with {process.returncode}")
                time.sleep(0.01)
            yield url
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()


KEPT = ExitStack()
"""What quick sections share; it is closed behind the last."""


@cache
def kept() -> str:
    return KEPT.enter_context(serving("app.py"))


@contextmanager
def app(quick: bool) -> Iterator[str]:
    """The app's address; if quick, all sections share one process."""
    if quick:
        yield kept()
        return
    with serving("app.py") as url:
        yield url


def _answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=5).read()
    except OSError:
        return False
    return True


def start(*command: str) -> float:
    """Seconds until the first page has been read."""
    began = time.perf_counter()
    with serving(*command):
        return time.perf_counter() - began


def call(client: Client, fields: dict) -> dict[str, float]:
    """One run over the API: what a client waits for, and what the server computed meanwhile."""
    began = time.perf_counter()
    job = client.submit(fields, api_name="/toy")
    first, count = 0.0, 0
    for _ in job:
        first = first or time.perf_counter() - began
        count += 1
    wall = time.perf_counter() - began
    computed = job.result()["report"]["provenance"]["seconds"]
    return {"first": first, "rate": count / (wall - first), "outside": 1 - computed / wall, "wall": wall}


def drawn(url: str, width: int) -> dict[str, Any]:
    """A run of the page, in Chromium: the frames that the server sends while it goes, and what drawing them takes."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        network = page.context.new_cdp_session(page)
        network.send("Network.enable")
        network.send("Performance.enable")
        busy = lambda: {each["name"]: each["value"] for each in network.send("Performance.getMetrics")["metrics"]}  # noqa: E731
        page.goto(url)
        page.locator("#toy-transport").get_by_text("finished in").wait_for()
        page.get_by_role("slider", name="Width").fill(str(WIDTHS.index(width)))
        page.get_by_role("slider", name="Output scale").fill(str(ALPHAS.index(1.0)))
        page.wait_for_timeout(2000)
        received: list[int] = []
        network.on("Network.dataReceived", lambda part: received.append(part["dataLength"]))
        page.evaluate(
            """() => { window.sizes = []; const parse = JSON.parse;
            JSON.parse = text => {
              const value = parse(text);
              if (value?.events?.some(({kind}) => kind === 'measured')) sizes.push(text.length);
              return value;
            };
            window.seen = {frames: 0, first: 0, last: 0, began: performance.now(), step: ''};
            const now = () => document.querySelector('#toy-transport .progress b')?.textContent ?? '';
            new MutationObserver(() => {
              if (now() === seen.step || !now().startsWith('step')) return;
              Object.assign(seen, {step: now(), frames: seen.frames + 1, last: performance.now()});
              seen.first ||= seen.last;
            }).observe(document.body, {subtree: true, childList: true, characterData: true}); }"""
        )
        before = busy()
        page.get_by_role("button", name="Run", exact=True).click()
        page.locator("#toy-transport [data-do=pause]").wait_for()  # to ask for roles again and again takes the page's time
        page.locator("#toy-transport [data-do=run]").wait_for(timeout=120_000)
        page.locator("#toy-transport").get_by_text("finished in").wait_for()
        after, seen, sizes = busy(), page.evaluate("seen"), page.evaluate("sizes")
        browser.close()
    first, last = ((seen[name] - seen["began"]) / 1000 for name in ("first", "last"))
    share = (after["TaskDuration"] - before["TaskDuration"]) / (after["Timestamp"] - before["Timestamp"])
    known = {"frames": seen["frames"], "seconds": last - first, "bytes": sum(received), "first": first}
    return known | {"sizes": sizes, "share": share}


def live(asked: Namespace) -> Section:
    """P4."""
    fields = {"width": 16, "steps": 20, "seeds": 1} if asked.quick else {}
    section = Section("P4, the default run from outside", ["`/toy` without fields by gradio_client, warm."])
    with app(asked.quick) as url:
        client = Client(url, verbose=False, analytics_enabled=False, download_files=False)
        call(client, fields)
        calls = [call(client, fields) for _ in range(max(1, rounds(asked, CALLS)))]
        client.close()
    columns = {name: [each[name] for each in calls] for name in calls[0]}
    medians = {name: float(np.median(values)) for name, values in columns.items()}
    section.promise("first event within 0.5 s, the slowest call", max(columns["first"]), at_most=0.5)
    section.promise("at least 10 events a second, the slowest call", min(columns["rate"]), at_least=10)
    section.promise("at most 20% of the time outside computation, median", medians["outside"], at_most=0.2)
    rows: list[Row] = [
        {"what": "first event, s", "median": medians["first"]},
        {"what": "events a second", "median": medians["rate"]},
        {"what": "share of time outside computation", "median": medians["outside"]},
        {"what": "whole call, s", "median": medians["wall"]},
    ]
    section.tables.append(Table("Medians over calls", rows))
    section.seconds["calls"] = columns
    return section


def page(asked: Namespace) -> Section:
    """P11."""
    if not Path(CHROMIUM).exists():
        raise NotRunError(f"there is no Chromium at {CHROMIUM}")
    section = Section("P11, the page", ["The default run, in Chromium on the server's two cores."])
    with app(asked.quick) as url:
        first_page = len(urllib.request.urlopen(url).read())
        packed = len(urllib.request.urlopen(urllib.request.Request(url, headers={"Accept-Encoding": "gzip"})).read())
        listeners = len(json.load(urllib.request.urlopen(f"{url}config"))["dependencies"])
        shown = drawn(url, 16 if asked.quick else 512)
    sizes, rate = shown["sizes"][1:], shown["frames"] / shown["seconds"]  # the first has the forecast, too
    section.promise("at most 13 kB a frame after the first, the largest", max(sizes), at_most=13_000)
    section.promise("at least 10 frames a second", rate, at_least=10)
    section.promise("at most 300 kB for the first page", first_page, at_most=300_000)
    section.promise("at most 70 listeners", listeners, at_most=70)
    rows: list[Row] = [
        {"what": "bytes of the first frame", "value": shown["sizes"][0]},
        {"what": "bytes of the second frame", "value": sizes[0]},
        {"what": "bytes of a frame, mean of all later ones", "value": float(np.mean(sizes))},
        {"what": "bytes of the last frame, which repeats the last measurement", "value": sizes[-1]},
        {"what": "bytes a frame, all that arrives while it runs", "value": shown["bytes"] / shown["frames"]},
        {"what": "frames a second", "value": rate},
        {"what": "first frame after the press, s", "value": shown["first"]},
        {"what": "share of the page's main thread", "value": shown["share"]},
        {"what": "bytes of the first page", "value": first_page},
        {"what": "bytes of the first page as a browser gets it", "value": packed},
        {"what": "listeners", "value": listeners},
    ]
    section.tables.append(Table("One run of the page", rows))
    return section


def cold(asked: Namespace) -> Section:
    """P5."""
    if asked.quick:
        raise NotRunError("starts take their time; p4 begins with one")
    section = Section("P5, from the start to the first page", ["A process each, until its page has been read, in turn."])
    turns = {"app.py": partial(start, "app.py"), "hello world": partial(start, "-c", HELLO)}
    seconds = in_turn(turns, rounds(asked, STARTS))
    section.promise("at most 1.3 times hello world with torch", ratio(*seconds.values()), at_most=1.3)
    rows: list[Row] = [{"what": name, "median, s": float(np.median(values))} for name, values in seconds.items()]
    section.tables.append(Table("Seconds", rows))
    section.seconds["starts"] = seconds
    return section


def painted(url: str, frames: list[str]) -> dict[str, list[float]]:
    """A map in Chromium, cell by cell: milliseconds of each new cell, and of ten times all of them."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.goto(url)
        page.get_by_role("button", name="Run", exact=True).wait_for()
        page.evaluate(MOUNT, [address(), render("map"), frames[0], "large"])
        one = page.evaluate("frames => frames.map(frame => large.send(frame))", frames[1:])
        every = page.evaluate(
            """() => [...Array(10).keys()].map(k => {
              const chosen = large.element.querySelector('.measure'), start = performance.now();
              chosen.selectedIndex = 1 - k % 2;
              chosen.dispatchEvent(new Event('change'));
              large.pen.getImageData(0, 0, 1, 1);
              return performance.now() - start;
            })"""
        )
        browser.close()
    return {"a new cell": one, "all cells": every}


def large_map(asked: Namespace) -> Section:
    """P12."""
    if not Path(CHROMIUM).exists():
        raise NotRunError(f"there is no Chromium at {CHROMIUM}")
    section = Section(
        "P12, a map of 10,000 cells", ["Cells come one a frame; the canvas is read after each, so that it is painted."]
    )
    board, frames = sent_map(20 if asked.quick else SIDE)
    with app(asked.quick) as url:
        times = painted(url, frames)
    last = times["a new cell"][-1000:]
    sizes = [len(frame) for frame in frames if "lines" not in frame]
    section.promise("a new cell painted in 20 ms, the mean of the last thousand", float(np.mean(last)), at_most=20)
    rows: list[Row] = [
        {"what": "a new cell, ms, mean of the first thousand", "value": float(np.mean(times["a new cell"][:1000]))},
        {"what": "a new cell, ms, mean of the last thousand", "value": float(np.mean(last))},
        {"what": "a new cell, ms, the slowest", "value": max(times["a new cell"])},
        {"what": "all cells in other colors, ms, median", "value": float(np.median(times["all cells"]))},
        {"what": "bytes a frame, mean of the first thousand", "value": float(np.mean(sizes[:1000]))},
        {"what": "bytes a frame, mean of the last thousand", "value": float(np.mean(sizes[-1000:]))},
        {"what": "bytes of all cells, for a page that has none", "value": len(missing_frame(board, None))},
    ]
    section.tables.append(Table("One map of 100 by 100", rows))
    section.seconds["ms"] = {"all cells": times["all cells"]}
    return section


if __name__ == "__main__":
    with KEPT:
        sys.exit(command("app", __doc__, {"p4": live, "p5": cold, "p11": page, "p12": large_map}, REPEATS))
