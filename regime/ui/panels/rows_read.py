"""What was read of somebody's own rows, as it stands under them."""

from jinja2 import Environment

from regime.config.read import Read
from regime.ui.form.own_rows import columns_line
from regime.ui.static_files import template

COLUMNS = 24
"""Most columns of the first rows that are drawn, the target's aside."""
DRAWN = Environment(autoescape=True).from_string(template("rows_read"))


def rows_read(kind: str, read: Read) -> str:
    """Draw what was read: sentences, doubts marked, and the first rows, the target marked; and offer the columns' names."""
    marked = [(at, "target" if name in read.target else "") for at, name in enumerate(read.columns)]
    return DRAWN.render(
        kind=kind,
        read=read,
        lines=read.sentences(),
        doubts=[part[1:] for part in read.doubts],
        places=[(at, css) for at, css in marked if css or at < COLUMNS],
        names=map(columns_line, read.columns),
    )
