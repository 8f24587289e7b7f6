"""The incidents file: what is read, what has expired, and what is refused where."""

import re
from pathlib import Path

import pandas as pd
import pytest

from tutordex_analysis import catalogue_file, incidents_file
from tutordex_analysis.errors import CatalogueError
from tutordex_analysis.settings import Settings

KNOWN = catalogue_file.load()
ENTRY = "  - from: 2026-10-03T09:00+08:00\n    to: 2026-10-03T15:00:00+08:00\n"
WHY = "    reason: the session was lost\n    expires: 2027-04-01\n"


def written(folder, text, name="incidents.yaml"):
    path = folder / name
    path.write_text("incidents:\n" + text if text.startswith("  - ") else text, encoding="utf-8")
    return path


def test_moments_areas_signals_and_all(tmp_path):
    rest = ("    areas: [collector]\n    signals: [cpu_used]\n", "    signals: [jobs_done]\n", "")
    got = incidents_file.read(written(tmp_path, "".join(ENTRY + one + WHY for one in rest)), KNOWN)
    assert got[0].start == pd.Timestamp("2026-10-03T01:00Z")
    assert got[0].end == pd.Timestamp("2026-10-03T07:00Z")
    assert {"posts_seen", "cpu_used"} < {*got[0].signals}
    assert not got[0].concerns("jobs_done")
    assert got[1].signals == ("jobs_done",)
    assert got[2].signals == ()
    assert {one.origin for one in got} == {"incident"}
    assert got[0].expires == pd.Timestamp("2027-04-01T16:00Z")  # the end of that day in Singapore


def test_a_mask_applies_until_it_expires_and_is_a_note_then(tmp_path):
    path = written(tmp_path, ENTRY + WHY)
    masks = incidents_file.read(path, KNOWN)
    before, after = (
        incidents_file.applying(masks, path, at=moment, tz="Asia/Singapore")
        for moment in ("2027-04-01T15:59:59Z", "2027-04-01T16:00Z")
    )
    assert (before.masks, before.notes) == (masks, ())
    assert after.masks == ()
    assert after.notes == (
        'The mask of the incident of 2026-10-03 09:00 ("the session was lost") held until 2027-04-01 and no longer '
        "applies: forecasts learn from that time again. Give it a new day in incidents.yaml, or take it out.",
    )


@pytest.mark.parametrize(
    ("text", "line", "match"),
    [
        (ENTRY + "    reason: x\n", 2, "expires: this key is missing"),
        (ENTRY + "    expires: 2027-04-01\n", 2, "reason: this key is missing"),
        (ENTRY + '    reason: ""\n    expires: 2027-04-01\n', 4, "reason"),
        (ENTRY + WHY + ENTRY + "    rea: x\n" + WHY, 8, "rea: there is no such key"),
        (ENTRY + "    signals: [post_seen]\n" + WHY, 4, "no signal 'post_seen'; did you mean posts_seen?"),
        (ENTRY + WHY + ENTRY + "    areas: [moon]\n" + WHY, 8, "no area 'moon'"),
        (ENTRY.replace("T09:00+08:00", "T09:00") + WHY, 2, "no time zone"),
        (ENTRY.replace("T09:00+08:00", "") + WHY, 2, "no time of day"),
        (ENTRY.replace("T15:00:00+08:00", "T09:00+08:00") + WHY, 2, "not after its start"),
        (ENTRY + WHY.replace("2027-04-01", "soon"), 5, "is not a moment"),
        ("incidents: {}\n", 1, "list"),
        ("masks: []\n", 1, "masks: there is no such key"),
        ("incidents: [\n", 2, "not YAML"),
        ("- a\n", 1, "has the key incidents"),
    ],
)
def test_what_is_wrong_is_refused_with_file_and_line(tmp_path, text, line, match):
    path = written(tmp_path, text)
    with pytest.raises(CatalogueError, match=match) as caught:
        incidents_file.read(path, KNOWN)
    assert str(caught.value).startswith(f"{path}:{line}:")


def test_the_guides_examples_load(tmp_path):
    guide = (Path(__file__).parents[1] / "docs" / "masks.md").read_text(encoding="utf-8")
    alerts, incidents = re.findall(r"```yaml\n(.*?)```", guide, flags=re.DOTALL)
    names = ("orders", "basket_errors")
    mine = "".join(f"  {one}: {{title: T, area: shop, kind: gauge, unit: ratio, promql: up}}\n" for one in names)
    written(tmp_path, "signals:\n" + mine + alerts, "alerts.yaml")
    assert "shop_down" in catalogue_file.load(tmp_path).alerts
    (mask,) = incidents_file.read(written(tmp_path, incidents), KNOWN)
    assert mask.concerns("queue_pending")
    assert not mask.concerns("cpu_used")


def test_an_empty_file_has_no_mask(tmp_path):
    assert incidents_file.read(written(tmp_path, "incidents:\n"), KNOWN) == ()


def test_the_file_is_that_of_the_settings_else_that_beside_the_catalogue(tmp_path):
    assert incidents_file.path_of(Settings(catalogue=tmp_path)) is None
    path = written(tmp_path, ENTRY + WHY)
    assert incidents_file.path_of(Settings(catalogue=tmp_path)) == path
    assert incidents_file.path_of(Settings(catalogue=tmp_path, incidents=tmp_path / "other")) == tmp_path / "other"
    with pytest.raises(CatalogueError, match="is not there; make it or correct the setting incidents"):
        incidents_file.read(tmp_path / "other", KNOWN)
    assert "posts_seen" in catalogue_file.load(tmp_path).signals  # the folder's catalogue does not trip over it
