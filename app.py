"""Lazy or rich? The Gradio app: `python app.py`. Host and port come from GRADIO_SERVER_NAME and GRADIO_SERVER_PORT."""

import os

# Read when torch loads. By default its threads wait for one another by spinning, so that two runs on the same cores slow each
# other tenfold; after 1000 turns they sleep instead, which costs one run alone 3%.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")

from regime.ui.build import build, launch_options

demo = build()

if __name__ == "__main__":
    demo.launch(**launch_options())
