"""HTML: one page for each table, without any outside file.

Each number says on hover which cell it is and what its interval is. Everything that comes from data is
escaped.
"""

import re
from functools import cache
from typing import Final

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup, escape

from pipeline.tables.layout import NO_DATASET, Style, lay
from pipeline.tables.model import Number, Table

_PAGE: Final = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{{ table.title }}</title>
<style>
body { font-family: system-ui, sans-serif; margin: 1.5em; color: #111; background: #fff; }
table { border-collapse: collapse; border-top: 2px solid; border-bottom: 2px solid; margin: 1em 0; }
thead th { border-bottom: 1px solid; text-align: left; }
th, td { padding: 0.2em 0.7em; vertical-align: top; }
td.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
.mark { color: #a00; }
</style>
</head>
<body>
<section class="table" id="{{ table.name | replace('/', '-') }}">
<h2>{{ table.title }}</h2>
{% for mark in marks %}
<p class="mark"><strong>{{ mark }}</strong></p>
{% endfor %}
{% for line in table.lead %}
<p>{{ line | prose }}</p>
{% endfor %}
{% for section, rows in sections %}
{% if section.title %}
<h3>{{ section.title }}</h3>
{% endif %}
{% for line in section.remarks %}
<p>{{ line }}</p>
{% endfor %}
{% if rows %}
<table>
<thead><tr>{% for cell in rows[0] %}<th scope="col">{{ cell | safe }}</th>{% endfor %}</tr></thead>
<tbody>
{% set left = section.left %}
{% for row in rows[1:] %}
<tr>
{%- for cell in row %}
<td{{ ' class="number"' | safe if not left[loop.index0] }}>{{ cell | safe }}</td>
{%- endfor -%}
</tr>
{% endfor %}
</tbody>
</table>
{% else %}
<p>{{ no_dataset }}</p>
{% endif %}
{% endfor %}
{% if table.below %}
<ul>
{% for line in table.below %}
<li>{{ line | prose }}</li>
{% endfor %}
</ul>
{% endif %}
{% for notes in footnotes %}
<p>{{ notes.title }}</p>
<ul>
{% for line in notes.lines() %}
<li>{{ line }}</li>
{% endfor %}
</ul>
{% endfor %}
</section>
</body>
</html>
"""


def html(table: Table) -> str:
    """The whole page of `table`."""
    grids, footnotes = lay(table, _style())
    return _template().render(
        table=table,
        marks=table.outcome.marks(),
        sections=list(zip(table.sections, grids, strict=True)),
        footnotes=footnotes,
        no_dataset=NO_DATASET,
    )


def prose(line: str) -> Markup:
    """A line of ours, what stands between backticks as code."""
    return Markup(re.sub("`([^`]+)`", r"<code>\1</code>", str(escape(line))))  # noqa: S704 - escaped


@cache
def _template() -> Template:
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["prose"] = prose
    return environment.from_string(_PAGE)


def _style() -> Style:
    return Style(
        lambda text: f"<strong>{text}</strong>",
        lambda text: f"<em>{text}</em>",
        lambda text: str(escape(text)),
        _hint,
    )


def _hint(number: Number, text: str) -> str:
    told = f"{number.system.name} on {number.dataset}"
    if number.subset:
        told += f"/{number.subset}"
    told += f", {number.metric}"
    if (ends := number.mean.interval) is not None:
        told += f": 95 % interval {number.show(ends[0])} to {number.show(ends[1])}"
    return f'<span title="{escape(told)}">{escape(text)}</span>'
