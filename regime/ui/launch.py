"""The app as a program: what `python app.py` and `python -m regime app` call."""

import os
from importlib.util import find_spec


def launch() -> None:
    """Serve the app until it is interrupted; GRADIO_SERVER_NAME and GRADIO_SERVER_PORT say where."""
    # Read when torch loads. By default its threads wait for one another by spinning, so that two runs on the same cores slow
    # each other tenfold; after 1000 turns they sleep instead, which costs one run alone 3%.
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    from regime.ui.build import build, launch_options

    build().launch(**launch_options(), mcp_server=serves_agents())


def serves_agents() -> bool:
    """Tell whether endpoints are served as tools of the Model Context Protocol, too: where the extra `mcp` is installed."""
    return find_spec("mcp") is not None
