"""What was read of somebody's own rows, as it stands under them."""

from regime.config.read import Read
from regime.ui.form.own_rows import columns_line
from regime.ui.markup import render

COLUMNS = 24
"""Most columns of the first rows that are drawn, the target's aside."""


def rows_read(kind: str, read: Read) -> str:
    """Draw what was read: sentences, doubts marked, and the first rows, the target marked; and offer the columns' names."""
    marked = [(at, "target" if name in read.target else "") for at, name in enumerate(read.columns)]
    return render(
        "rows_read",
        kind=kind,
        read=read,
        lines=read.sentences(),
        doubts=[part[1:] for part in read.doubts],
        places=[(at, css) for at, css in marked if css or at < COLUMNS],
        names=map(columns_line, read.columns),
    )
