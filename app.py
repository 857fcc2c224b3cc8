"""Lazy or rich? The Gradio app: `python app.py`. Host and port come from GRADIO_SERVER_NAME and GRADIO_SERVER_PORT."""

from regime.ui.launch import launch

if __name__ == "__main__":
    launch()
