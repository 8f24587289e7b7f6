"""Series as people name them: labels read back from `unique_id`, and the short names that figures carry."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

_ID = re.compile(r'(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)?(?:\{(?P<pairs>(?:[^"{}]|"(?:[^"\\]|\\.)*")*)\})?', re.DOTALL)
_PAIR = re.compile(r'\s*([^\s=,"]+)="((?:[^"\\]|\\.)*)"\s*(?:,|$)', re.DOTALL)
_OURS = {
    *("signal", "horizon", "quantile", "model", "unit", "limit", "within", "family", "metric", "series", "bound"),
    *("step", "level", "hindsight"),
}
_RESERVED = _OURS | {"job", "instance", "le"}  # the latter are added or read by a scrape
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


def labels_of(unique_id: str) -> dict[str, str]:
    """The labels of a series in Prometheus notation, the inverse of `frame.series_id`.

    Text that is not Prometheus notation, which models allow, becomes one label called `series`.

    Example:
        >>> labels_of('up{job="node"}')
        {'__name__': 'up', 'job': 'node'}
        >>> labels_of("{}"), labels_of("my own series")
        ({}, {'series': 'my own series'})
    """
    match = _ID.fullmatch(unique_id)
    if match is None or not unique_id:
        return {"series": unique_id}
    name, pairs = match["name"], match["pairs"] or ""
    found = list(_PAIR.finditer(pairs))
    if "".join(one[0] for one in found) != pairs:
        return {"series": unique_id}
    own = {one[1]: _ESCAPED.sub(lambda m: "\n" if m[1] == "n" else m[1], one[2]) for one in found}
    return ({"__name__": name} if name else {}) | own


def own_labels(unique_id: str) -> dict[str, str]:
    """A series' own labels under names that cannot be mistaken for ours or the scrape's.

    The metric's name becomes `metric`; a label that is called like one of ours or like one that a scrape adds is
    prefixed `label_`, as Prometheus does with `exported_`; characters that a label name cannot have become `_`.

    Example:
        >>> own_labels('up{instance="a:1",zone="b"}')
        {'metric': 'up', 'label_instance': 'a:1', 'zone': 'b'}
    """
    labels = {name: value for name, value in labels_of(unique_id).items() if value}
    result = {"metric": labels.pop("__name__")} if "__name__" in labels else {}
    if labels == {"series": unique_id}:
        return labels  # text that is not Prometheus notation
    plain = {name: re.sub(r"[^a-zA-Z0-9_]", "_", name) for name in labels}
    for name, value in labels.items():
        safe = plain[name]
        while safe in _RESERVED or safe.startswith("__") or safe[0].isdigit() or safe in result:
            safe = f"label_{safe}"
        result[safe] = value
    return result


def short_names(unique_ids: Sequence[str], *, most: int = 24) -> list[str]:
    """A name for each series, made only of the labels in which they differ, at most `most` characters long.

    Example:
        >>> short_names(['{channel="a",job="x"}', '{channel="b",job="x"}'])
        ['a', 'b']
    """
    label_sets = [labels_of(one) for one in unique_ids]
    keys = sorted({key for labels in label_sets for key in labels})
    differ = [key for key in keys if len({labels.get(key, "") for labels in label_sets}) > 1]
    if len(label_sets) == 1:
        differ = [key for key in keys if key != "__name__"] or keys
    names = [" · ".join(labels[key] for key in differ if labels.get(key)) for labels in label_sets]
    return [shorten(plain(name) or "no label", most=most) for name in names]


def shorten(text: str, *, most: int) -> str:
    """The text, cut in the middle when it is longer than `most` characters.

    Example:
        >>> shorten("t.me/lion_city_tutors", most=12)
        't.me/l…utors'
    """
    if len(text) <= most:
        return text
    tail = (most - 1) // 2
    return f"{text[: most - 1 - tail]}…{text[len(text) - tail :]}"


def plain(text: str) -> str:
    """One line without control, formatting or direction characters, which could reorder or break a figure's text."""
    return " ".join("".join(" " if unicodedata.category(one)[0] in "CZ" else one for one in text).split())
