"""The body of a page: an executed notebook as clean HTML, nothing in it that could run or be fetched.

nbconvert renders (template `basic`, inputs hidden); then tables and links are mended for readers, and last a strict
allow-list goes over the whole, because label values and texts of others end up in outputs. nbconvert's own sanitiser
is not used: it escapes `thead`, `th` and `caption`, and lets pictures of other servers through.
"""

from __future__ import annotations

import base64
import copy
import re
from html import unescape
from typing import Any

import bleach
from bs4 import BeautifulSoup, Tag
from nbconvert import HTMLExporter
from nbformat import NotebookNode

from tutordex_analysis.sink.answer import ANSWER_MIME

_SHOWN = {"text/html", "text/markdown", "text/latex", "text/plain", "image/png", "image/jpeg", "image/svg+xml"}
_GONE = ("script", "style", "iframe", "object", "embed", "template", "noscript", "head", "title")
_TAGS = frozenset(
    re.findall(
        r"\w+",
        """
    a abbr b blockquote br caption code col colgroup dd del details div dl dt em figcaption figure h1 h2 h3 h4 h5 h6
    hr i img kbd li mark ol p pre s small span strong sub summary sup table tbody td tfoot th thead tr ul
""",
    )
)
_ATTRIBUTES = {
    "a": {"href", "title", "rel"},
    "abbr": {"title"},
    "details": {"open"},
    "div": {"tabindex", "role", "aria-label"},
    "img": {"src", "alt", "width", "height"},
    "ol": {"start"},
    "td": {"colspan", "rowspan"},
    "th": {"colspan", "rowspan", "scope"},
}
_PICTURE = re.compile(r"data:image/(png|jpeg|svg\+xml);base64,[A-Za-z0-9+/=\s]*\Z")
_SHORT, _LONG = 16, 40  # characters of a table cell: up to here on one line, from here on with room to wrap in
_NUMBER = re.compile(
    r"[≥≤<>~±]?\s*[+\-−]?[$€£]?\d[\d,.\u202f\u00a0]*(e[+\-]?\d+)?\s*(%|×|[a-zA-Zµ/]{1,4})?|nan|<na>|nat|none|–|—|-|∞|",
    re.IGNORECASE,
)


def body(notebook: NotebookNode) -> str:
    """The outputs and texts of an executed notebook as one sanitised HTML fragment.

    Inputs, stderr, the first level-1 heading (the page has it) and the answer object are left out. Every table gets a
    box to scroll in, scopes on its headings and right-aligned numbers.

    Args:
        notebook: An executed notebook, version 4; it is not changed.

    Returns:
        HTML of allow-listed tags and attributes only; pictures are `data:` addresses and have alt text.
    """
    exporter = HTMLExporter(  # type: ignore[no-untyped-call]  # has no annotations
        template_name="basic",
        exclude_input=True,
        exclude_input_prompt=True,
        exclude_output_prompt=True,
        exclude_anchor_links=True,
    )
    html, _ = exporter.from_notebook_node(_readable(notebook))
    soup = BeautifulSoup(html, "html.parser")
    for tag in soup.find_all(_GONE):
        tag.decompose()
    if heading := soup.find("h1"):
        heading.extract()
    for table in soup.find_all("table"):
        _mend_table(soup, table)
    for link in soup.find_all("a", href=re.compile("^https?:", re.IGNORECASE)):
        link["rel"] = "noreferrer"
    return sanitise(str(soup))


def sanitise(html: str) -> str:
    """HTML reduced to the allow-list: no scripts, styles, event handlers, forms, frames or addresses of other hosts."""
    cleaner = bleach.Cleaner(
        tags=_TAGS, attributes=_allowed, protocols={"http", "https", "mailto", "data"}, strip=True, strip_comments=True
    )
    cleaner.serializer.use_best_quote_char = False  # between single quotes bleach 6 escapes "&amp;" a second time
    return str(cleaner.clean(html))


def heading(notebook: NotebookNode) -> tuple[str, str]:
    """The title (first level-1 heading) and the question (first paragraph after it) of a notebook, as plain text."""
    texts = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    lines = iter("\n\n".join(texts).splitlines())
    title = next((line[2:] for line in lines if line.startswith("# ")), "")
    paragraph: list[str] = []
    for line in lines:
        if line.strip() and not line.startswith("#"):
            paragraph.append(line)
        elif paragraph:
            break
    return _plain(title), _plain(" ".join(paragraph))


def _plain(markdown: str) -> str:
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", markdown)
    text = re.sub(r"(?<!\w)[*_`]{1,3}(?=\S)|(?<=\S)[*_`]{1,3}(?!\w)", "", text)
    return re.sub(r"\s+", " ", text).strip()


def _readable(notebook: NotebookNode) -> NotebookNode:
    """A copy with only what a reader should see; SVG becomes a picture, so that nothing in it can run."""
    shown = copy.deepcopy(notebook)
    shown.cells = [cell for cell in shown.cells if cell.cell_type != "raw"]
    for cell in shown.cells:
        if cell.cell_type == "code":
            cell.outputs = [output for output in map(_output, cell.outputs) if output is not None]
    return shown


def _output(output: NotebookNode) -> NotebookNode | None:
    if output.output_type == "stream":
        return output if output.name == "stdout" else None
    if output.output_type == "error":
        output.traceback = [f"{output.ename}: {output.evalue}"]  # the frames hold paths of this machine
        return output
    if ANSWER_MIME in output.data:
        return None
    data: dict[str, Any] = {kind: value for kind, value in output.data.items() if kind in _SHOWN}
    svg = data.pop("image/svg+xml", None)
    if svg is not None and "image/png" not in data:
        alt = output.metadata.get("image/svg+xml", {}).get("alt") or "No description has been provided for this image"
        picture = BeautifulSoup("", "html.parser").new_tag("img", alt=str(alt))
        picture["src"] = f"data:image/svg+xml;base64,{base64.b64encode(str(svg).encode()).decode()}"
        data["text/html"] = str(picture)
    output.data = data
    return output if data else None


def _mend_table(soup: BeautifulSoup, table: Tag) -> None:
    for cell in table.select("thead th"):
        cell["scope"] = "col"
    for cell in table.select("tbody th"):
        cell["scope"] = "row"
    columns: dict[int, list[Tag]] = {}
    for row in table.find_all("tr"):
        for position, cell in enumerate(row.find_all(["td", "th"])):
            columns.setdefault(position, []).append(cell)
    for cells in columns.values():
        texts = [cell.get_text().strip() for cell in cells if cell.name == "td"]
        longest = max(map(len, texts), default=0)
        kind = "short" if longest <= _SHORT else "long" if longest >= _LONG else ""
        if any(texts) and all(_NUMBER.fullmatch(text) for text in texts):
            kind = "num"
        for cell in cells:
            cell["class"] = kind
    caption = table.find("caption")
    label = f"Table: {caption.get_text(' ', strip=True)}" if caption else "Table"
    table.wrap(soup.new_tag("div", attrs={"class": "scroll", "tabindex": "0", "role": "region", "aria-label": label}))


def _allowed(tag: str, name: str, value: str) -> bool:
    if name == "class":
        return re.fullmatch(r"[\w \-]*", value) is not None
    if name == "id":
        return tag in {"h1", "h2", "h3", "h4", "h5", "h6"}
    if name not in _ATTRIBUTES.get(tag, ()):
        return False
    if name == "src":
        return _PICTURE.match(value) is not None
    if name == "href":
        bare = re.sub(r"[\x00-\x20]", "", unescape(value))  # browsers skip these in a scheme
        return not re.match(r"(data|javascript|vbscript):", bare, re.IGNORECASE)
    return True
