"""Lazy or rich? The Gradio app: `python app.py`. Host and port come from GRADIO_SERVER_NAME and GRADIO_SERVER_PORT."""

from regime.ui.build import build, launch_options

demo = build()

if __name__ == "__main__":
    demo.launch(**launch_options())
