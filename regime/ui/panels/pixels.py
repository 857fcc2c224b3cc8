"""Arrays as translucent pictures inside the page."""

import base64
from io import BytesIO

import numpy as np
from PIL import Image

NEGATIVE, POSITIVE = (0xDF, 0x8C, 0x35), (0x46, 0x82, 0xC9)
"""Colors of -1 and +1. Zero is the background of the box, so that it follows the theme."""
SHADE = 5
"""Steps of opacity: finer ones are not seen, and cost bytes in every frame."""


def signed_image(values: np.ndarray) -> str:
    """Draw an (n, m) array as a picture: hue by sign, opacity by size up to 1."""
    return f'<img alt="" src="{_url(np.where(values[..., None] > 0, POSITIVE, NEGATIVE), np.abs(values))}">'


def ink_mask(values: np.ndarray) -> str:
    """Draw an (n, m) array of values up to 1 as ink of the page's theme, through a mask."""
    return f'<i class="ink" style="--mask:url({_url(np.zeros((*values.shape, 3)), values)})"></i>'


def _url(colors: np.ndarray, opacity: np.ndarray) -> str:
    """Return a picture of (n, m, 3) colors and (n, m) opacities, clipped to 0 to 1, as a URL that holds it."""
    alpha = SHADE * (opacity.clip(0, 1) * 255 / SHADE).round()
    file = BytesIO()
    Image.fromarray(np.dstack([colors, alpha]).astype(np.uint8), "RGBA").save(file, "PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
