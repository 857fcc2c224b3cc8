"""What was read of somebody's own rows, as it stands under them."""

from jinja2 import Environment

from regime.config.read import Read
from regime.ui.form.own_rows import columns_line

COLUMNS = 24
"""Most columns of the first rows that are drawn, the target's aside."""
DRAWN = Environment(autoescape=True).from_string("""
<ul class="read" role="status">
{% for line in lines %}<li>{% if line[1:-1] in doubts %}<b>In doubt.</b> {% endif %}{{ line }}</li>{% endfor %}</ul>
<div class="scroll" role="region" aria-label="The first rows" tabindex="0"><table class="preview">
<thead><tr>{% for at, css in places %}<th scope="col" class="{{ css }}" title="{{ read.columns[at] }}">
{{- read.columns[at] }}{% if css %}<small>{{ css }}</small>{% endif %}</th>{% endfor %}</tr></thead>
<tbody>{% for row in read.first %}<tr>{% for at, css in places %}<td class="{{ css }}" title="{{ row[at] }}">{{ row[at] }}</td>
{%- endfor %}</tr>{% endfor %}</tbody></table></div>
<datalist id="{{ kind }}-columns">{% for name in names %}<option value="{{ name }}">{% endfor %}</datalist>""")


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
