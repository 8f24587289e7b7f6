import itertools
import re
from importlib import resources

import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from nbformat import v4

from tutordex_analysis.errors import FrameError, ReportFailed
from tutordex_analysis.frame import TimeRange
from tutordex_analysis.question import finding
from tutordex_analysis.sink import page
from tutordex_analysis.sink.answer import answer_of, record_from_json, record_json
from tutordex_analysis.sink.body import body, heading, sanitise

GENERATED = pd.Timestamp("2026-11-22T22:30:00Z")
SHELL = {"generated": GENERATED, "version": "0.1.0", "tz": "Asia/Singapore"}
WINDOW = TimeRange("2026-08-01T00:00:00Z", "2026-11-01T00:00:00Z", "1h")
FINDING = dict(
    **{"question": "capacity", "signal": "disk_used", "where": "/data", "kind": "will_happen"},
    **{"sentence": "The disk is full on 14 Jan.", "effect": 0.8, "unit": "ratio", "lower": 0.7, "upper": np.nan},
    **{"certainty": 0.9, "action": "Grow it", "priority": 80.0},
)
EVIL = '<script>alert(1)</script><img src=x onerror=alert(2)><a href="javascript:alert(3)">x</a>'


def notebook(*outputs, text="# Room?\n\nWho acts: **ops**.\n\nMore.", metadata=None):
    shown = [v4.new_output("display_data", data=data, metadata=metadata or {}) for data in outputs]
    return v4.new_notebook(cells=[v4.new_markdown_cell(text), v4.new_code_cell("secret_source = 1", outputs=shown)])


def table(**changes):
    return pd.DataFrame([FINDING | changes])


def record(**changes):
    facts = {
        "name": "capacity",
        "title": "Room?",
        "asks": "Who acts: ops.",
        "started": GENERATED,
        "seconds": 4.2,
        "parameters": {"horizon": "30d", "as_of": ""},
        "notebook_sha256": "ab" * 32,
        "versions": {"python": "3.11"},
        "answer": page.answer(
            "The disk is full in January.",
            findings=table(),
            window=WINDOW,
            freshness=pd.Timedelta("42min"),
            digest="3f2a9c01d4e7",
            scorecard="Missed by 9 %.",
        ),
    }
    return page.Record(**(facts | changes))


def soup(html):
    return BeautifulSoup(html, "html.parser")


def test_findings_of_questions_have_the_columns_that_pages_want():
    assert finding.COLUMNS == page.FINDING_COLUMNS


def test_an_answer_travels_through_a_notebook():
    answer = page.answer("Yes.", findings=table(), window=WINDOW, freshness=pd.Timedelta("42min"), digest="ab")
    back = answer_of(notebook(answer._repr_mimebundle_()), name="capacity")
    assert (back.sentence, back.window, back.freshness, back.digest) == ("Yes.", WINDOW, pd.Timedelta("42min"), "ab")
    assert back.findings["upper"].tolist() == [None]  # missing is missing in JSON
    same = [name for name in page.FINDING_COLUMNS if name != "upper"]
    pd.testing.assert_frame_equal(back.findings[same], answer.findings[same], check_dtype=False)


def test_an_answer_is_readable_in_jupyter_and_escaped():
    shown = page.answer(EVIL, findings=table(sentence=EVIL))._repr_mimebundle_()
    assert "<script" not in shown["text/html"]
    assert "onerror=alert(2)&gt;" in shown["text/html"]


@pytest.mark.parametrize(
    ("sentence", "findings", "said"),
    [
        (" ", None, "needs a sentence"),
        ("Yes.", table().drop(columns="action"), "column action"),
        ("Yes.", table(kind="gossip"), "not 'gossip'"),
    ],
)
def test_a_broken_answer_is_refused(sentence, findings, said):
    with pytest.raises(FrameError, match=said):
        page.answer(sentence, findings=findings)


def test_a_notebook_has_exactly_one_answer():
    bundle = page.answer("Yes.")._repr_mimebundle_()
    with pytest.raises(ReportFailed, match="notebook capacity gave no answer"):
        answer_of(notebook({"text/plain": "hm"}), name="capacity")
    with pytest.raises(ReportFailed, match="gave 2 answers"):
        answer_of(notebook(bundle, bundle), name="capacity")


def test_a_record_survives_json():
    assert record_json(record_from_json(record_json(record()))) == record_json(record())


def test_a_page_opens_with_answer_window_freshness_digest_scorecard_and_parameters():
    html = page.page(notebook(page.answer("Yes.")._repr_mimebundle_()), record(), **SHELL)
    header = soup(html).find("header").get_text(" ", strip=True)
    assert soup(html).find(class_="answer").get_text() == "The disk is full in January."
    for said in ("1 Aug 2026 to 1 Nov 2026, every 1 h", "42 min old", "3f2a9c01d4e7", "Missed by 9 %.", "horizon 30d"):
        assert said in header
    assert "Sun 1 Nov 2026 07:00 SGT" in header  # the newest instant; the window is half-open
    assert [one.get_text() for one in soup(html).find_all("h1")] == ["Room?"]
    assert "secret_source" not in html
    assert "Mon 23 Nov 2026 06:30 SGT" in soup(html).find("footer").get_text()
    assert soup(html).find("nav").a["href"] == "index.html"


@pytest.mark.parametrize("old", ["5h", "3h"])
def test_stale_data_are_called_stale(old):
    answer = page.answer("Yes.", window=WINDOW, freshness=pd.Timedelta(old))
    assert (", stale" in page.page(notebook(), record(answer=answer), **SHELL)) == (old == "5h")


def evil_page(kind):
    failed = record(name="b", answer=None, error=EVIL, source=EVIL, cell=2, title=EVIL)
    if kind == "page":
        return page.page(notebook({"text/html": EVIL}), record(title=EVIL, parameters={"x": EVIL}), **SHELL)
    if kind == "failed":
        return page.failed_page(failed, None, **SHELL)
    rows = table(sentence=EVIL, signal=EVIL, where=EVIL, action=EVIL).assign(page="capacity")
    return page.overview([record(title=EVIL, asks=EVIL), failed], {"capacity": record()}, rows, **SHELL)


@pytest.mark.parametrize("kind", ["page", "failed", "overview"])
def test_every_page_is_whole_and_fetches_and_runs_nothing(kind):
    html = evil_page(kind)
    tree = soup(html)
    assert html.startswith("<!doctype html>")
    assert tree.html["lang"] == "en"
    assert tree.title.get_text()
    assert tree.find("meta", attrs={"name": "viewport"})
    assert tree.find("a", class_="skip")["href"] == "#" + tree.main["id"]
    policy = tree.find("meta", attrs={"http-equiv": "Content-Security-Policy"})["content"]
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'; img-src data:")
    assert not tree.find_all(["script", "iframe", "object", "embed", "form", "base"])
    assert "url(" not in tree.style.get_text()
    assert "@import" not in tree.style.get_text()
    assert all(one["href"].startswith("data:") for one in tree.find_all("link"))
    for tag in tree.find_all(True):
        assert not any(name.startswith("on") for name in tag.attrs)
        assert tag.get("src", "data:image/").startswith("data:image/")
        assert "javascript" not in tag.get("href", "")


def test_outputs_are_sanitised_and_tables_keep_their_structure():
    frame = pd.DataFrame({"series": ["a <script>alert(1)</script>", "b"], "now": ["1,234.5", "-3 %"]})
    html = body(notebook({"text/html": frame.to_html() + EVIL + "<style>p {color: red}</style>"}))
    tree = soup(html)
    assert not tree.find_all(["script", "style"])
    assert "color: red" not in html
    assert "&lt;script&gt;" in html
    assert [one["scope"] for one in tree.find_all("th")] == ["col", "col", "col", "row", "row"]
    assert [one.get_text() for one in tree.find_all("td", class_="num")] == ["1,234.5", "-3 %"]
    assert tree.find("table").parent["class"] == ["scroll"]
    assert "onerror" not in html


def test_captions_stay_and_name_the_box():
    styled = pd.DataFrame({"now": [1.5]}).style.set_caption("Limits & dates")
    tree = soup(body(notebook({"text/html": styled.to_html()})))
    assert tree.caption.get_text() == "Limits & dates"
    assert tree.find(class_="scroll")["aria-label"] == "Table: Limits & dates"


@pytest.mark.parametrize("kind", ["image/png", "image/svg+xml"])
def test_alt_text_is_kept(kind):
    data = {kind: "aGk=" if kind == "image/png" else "<svg onload='alert(1)'/>", "text/plain": "fig"}
    html = body(notebook(data, metadata={kind: {"alt": 'Disk "/data" & more', "width": 720}}))
    picture = soup(html).img
    assert picture["alt"] == 'Disk "/data" & more'
    assert picture["src"].startswith(f"data:{kind};base64,")
    assert "onload" not in html


def test_pictures_and_links_of_other_hosts_are_tamed():
    html = sanitise('<img src="https://example.org/x.png"><img src="data:text/html;base64,aGk="><p style="x">y</p>')
    assert "src" not in html
    assert "style" not in html
    for scheme in ("data:", "da&#9;ta:", "dat&#97;:", " java\nscript:"):
        assert sanitise(f'<a href="{scheme}text/html,x">x</a>') == "<a>x</a>"
    text = "# A\n\n[docs](https://example.org) [bad](javascript:alert(1)) ![p](http://example.org/p.png)\n\n> a > b"
    html = body(notebook(text=text))
    assert soup(html).find("a", string="docs")["rel"] == ["noreferrer"]
    assert "javascript" not in html
    assert "p.png" not in html
    assert soup(html).blockquote.get_text(strip=True) == "a > b"


def test_only_stdout_is_shown_and_the_notebook_is_left_alone():
    shown = notebook(page.answer("Mine.")._repr_mimebundle_())
    shown.cells[1].outputs += [v4.new_output("stream", name=name, text=f"to {name}") for name in ("stdout", "stderr")]
    shown.cells[1].outputs.append(v4.new_output("error", ename="KeyError", evalue="x", traceback=["/home/a/file.py"]))
    before = str(shown)
    html = body(shown)
    assert "to stdout" in html
    assert "KeyError: x" in html
    for gone in ("to stderr", "/home/a", "Mine.", "vnd.tutordex"):
        assert gone not in html
    assert str(shown) == before


def test_heading_is_plain_text():
    assert heading(notebook()) == ("Room?", "Who acts: ops.")
    assert heading(
        notebook(text="no heading\n\n# Is `x_y` [on](http://a.b)?\n## sub\nIt *is*\ntwo lines.\n\nmore")
    ) == (
        "Is x_y on?",
        "It is two lines.",
    )
    assert heading(notebook(text="nothing")) == ("", "")


def test_failed_page_names_cell_error_and_last_good_page():
    failed = record(answer=None, error="needs 14 days, got 9", cell=3, source="forecast(frame)")
    text = soup(page.failed_page(failed, record(), **SHELL)).main.get_text(" ", strip=True)
    assert "Code cell 3" in text
    assert "needs 14 days, got 9" in text
    assert "forecast(frame)" in text
    assert soup(page.failed_page(failed, record(), **SHELL)).main.a["href"] == "capacity.html"
    assert "no earlier good page" in page.failed_page(failed, None, **SHELL)


def test_overview_lists_findings_by_priority_and_says_what_is_empty():
    rows = pd.concat(
        [table(sentence="small", priority=5.0), table(sentence="large", priority=90.0), table(kind="data", action="")]
    ).assign(page="capacity")
    failed = record(name="anomalies", title="Odd?", answer=None, error="Prometheus said no")
    html = page.overview([record(), failed], {"capacity": record()}, rows, **SHELL)
    tree = soup(html)
    assert [one.get_text() for one in tree.find_all("h2")] == [*page.SECTIONS.values(), "Pages"]
    assert [one.get_text() for one in tree.select(".sentence")][:2] == ["large", "small"]
    assert all(one["href"] == "capacity.html" for one in tree.select(".sentence a"))
    assert html.count("No page has reported on this.") == 3
    assert tree.find(class_="answer").get_text() == "3 findings on 1 page; 2 ask for action."
    assert "Prometheus said no" in tree.find(class_="alarm").get_text()
    assert [one.get_text(strip=True) for one in tree.select(".state")] == ["✓ good", "✗ failed"]
    assert "80 % · 90 % sure" in tree.select(".findings .meta")[0].get_text()


def test_overview_marks_findings_of_an_older_page():
    older = {"capacity": record(started=GENERATED - pd.Timedelta(days=7))}
    html = page.overview([record(answer=None, error="no")], older, table().assign(page="capacity"), **SHELL)
    assert "from the page of 16 Nov 2026" in html


def test_overview_folds_what_is_less_urgent():
    rows = pd.concat([table(sentence=f"finding {i}", priority=float(i)) for i in range(11)]).assign(page="capacity")
    tree = soup(page.overview([record()], {"capacity": record()}, rows, **SHELL))
    assert tree.summary.get_text() == "3 more"
    assert [one.get_text() for one in tree.details.select(".sentence")] == ["finding 2", "finding 1", "finding 0"]
    assert len(tree.select(".sentence")) == 11


def test_overview_of_nothing():
    html = page.overview([], {}, table().iloc[:0].assign(page=""), **SHELL)
    assert "Nothing has been looked at yet." in html
    assert html.count("No page has reported on this.") == len(page.SECTIONS)


def luminance(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a, b):
    light, dark = sorted((luminance(a), luminance(b)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", [0, 1, 2], ids=["light", "dark", "print"])
def test_text_has_contrast_of_at_least_four_and_a_half(theme):
    css = resources.files("tutordex_analysis.sink").joinpath("page.css").read_text()
    root = re.findall(r":root \{(.*?)\}", css, re.DOTALL)[theme]
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", root))
    texts, grounds = ("ink", "quiet", "link", "good", "bad", "warn"), ("ground", "panel", "bad-panel")
    low = {
        pair: round(contrast(colours[pair[0]], colours[pair[1]]), 2)
        for pair in itertools.product(texts, grounds)
        if contrast(colours[pair[0]], colours[pair[1]]) < 4.5
    }
    assert low == {}
    assert contrast("#ffffff", "#767676") == pytest.approx(4.54, abs=0.01)  # WCAG's textbook pair
