"""Maintenance windows for tests: one entry, and a file of it with changes."""

import tempfile
from pathlib import Path

import yaml

from tutordex_analysis import catalogue_file, maintenance_file

KNOWN = catalogue_file.load()
ENTRY = {
    "matchers": '{component="queue"}',
    "weekdays": ["sunday"],
    "at": "03:00",
    "zone": "Asia/Singapore",
    "lasts": "1h",
    "reason": "vacuum of the queue",
    "by": "ops",
    "link": "https://tracker.example.org/42",
}


def calendar(entries=None, *, catalogue=KNOWN, **changes):
    """The windows of a file: these entries, or the one with changes; a key that is None is left out."""
    made = entries or {"vacuum": {**ENTRY, **changes}}
    kept = {name: {key: value for key, value in one.items() if value is not None} for name, one in made.items()}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "maintenance.yaml"
        path.write_text(yaml.safe_dump({"windows": kept}, sort_keys=False))
        return maintenance_file.read(path, catalogue)
