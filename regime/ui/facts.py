"""What Python knows and the page's scripts have to know, too: names, bounds, zones. `static_files` serves it as `facts.js`."""

from typing import Any

from regime.config.base import ROWS
from regime.config.models import ADDITION
from regime.measures.definitions import DEFINITIONS
from regime.measures.verdict import LAZY_BELOW, RICH_ABOVE
from regime.plots.charts import CURVES, LOOKS
from regime.plots.dial import DIAL
from regime.plots.words import FIELDS, NAMES, OPTIONS


def facts() -> dict[str, Any]:
    """Return constants by name, each of plain JSON."""
    return {
        "NAMES": NAMES,
        "ROWS": ROWS,
        "ADDITION": ADDITION,
        "FIELDS": FIELDS,
        "OPTIONS": OPTIONS,
        "DEFINITIONS": DEFINITIONS,
        "BOUNDS": {"lazyBelow": LAZY_BELOW, "richAbove": RICH_ABOVE},
        "ZONES": DIAL,
        "LOOKS": LOOKS,
        "CURVES": CURVES,
    }
