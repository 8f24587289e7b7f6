"""A Prometheus that loads pushed rules: told to reload, then asked whether it really has them."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Mapping
from typing import Any

from tutordex_analysis import rule_groups
from tutordex_analysis.errors import RulesRefused, SourceError
from tutordex_analysis.rule_groups import FileRule, Group
from tutordex_analysis.source import answer
from tutordex_analysis.source.session import Session

PATIENCE_SECONDS = 10.0  # until the rules of a reload are told
_LOADED = re.compile(rb"^prometheus_config_last_reload_successful(?:\{[^}]*\})? (\S+)", re.MULTILINE)
MOST_WAIT_SECONDS = 90.0  # for the first evaluation: that of the usual intervals, up to a minute, lies within
_HEALTHY, _NOT_YET = "ok", "unknown"


class RuleServer:
    """One server, over a session that knows who we are to it."""

    def __init__(
        self, session: Session, *, patience: float = PATIENCE_SECONDS, most_wait: float = MOST_WAIT_SECONDS
    ) -> None:
        self.session, self.patience, self.most_wait = session, patience, most_wait

    @property
    def url(self) -> str:
        """Its address."""
        return self.session.address

    def ready(self) -> None:
        """Asks, before anything is written, whether it answers and lets itself be reloaded.

        Raises:
            SourceError: It does not answer as Prometheus does.
            RulesRefused: Its lifecycle API is off.
        """
        self._rules()
        try:
            flags = self._data("api/v1/status/flags")
        except answer.Refused:
            return  # other servers have no flags; the reload itself will tell
        if isinstance(flags, dict) and flags.get("web.enable-lifecycle") == "false":
            raise RulesRefused(_no_lifecycle(self.url))

    def reload(self) -> None:
        """Makes it read its files again.

        Raises:
            RulesRefused: It refused to, or could not use what it read; it goes on with what it had.
            SourceError: It did not answer.
        """
        try:
            self.session.fetch("POST", f"{self.url}/-/reload", {})
        except answer.Refused as refused:
            if refused.status in (403, 404, 405):
                raise RulesRefused(_no_lifecycle(self.url)) from refused
            raise RulesRefused(f"{self.url} refused the new files: {refused.said or refused}") from refused

    def verify(self, groups: Iterable[Group], *, gone: Iterable[Group] = (), wait: bool = True) -> tuple[str, ...]:
        """Waits until it has these groups as they are, each of their rules healthy, and no more those that are gone.

        A rule of which the server says `unknown` was not evaluated since the reload: it is neither good nor bad. Its
        first evaluation is waited for, one interval of its group and at most `most_wait` seconds.

        Args:
            groups: What the target holds.
            gone: What it held before.
            wait: Whether evaluations are waited for; old rules that are put back only have to be there.

        Returns:
            Rules that were not evaluated in that time; nobody knows whether they can be.

        Raises:
            RulesRefused: After some seconds it still has not; the sentence names the first rule.
            SourceError: It does not answer.
        """
        wanted, deadline = tuple(groups), time.monotonic() + self.patience
        names = {one.name for one in wanted}
        left = {(one.file, one.name) for one in gone if one.rules and one.name not in names}
        while (fault := self._fault(wanted, left)) and time.monotonic() < deadline:
            time.sleep(min(0.2, self.patience / 5))
        began = time.monotonic()
        while not fault and wait and (late := self._unevaluated(wanted)):
            unknown, interval = late
            if time.monotonic() - began > min(interval + self.patience, self.most_wait):
                return unknown
            time.sleep(min(0.2, self.patience / 5))
            fault = self._fault(wanted, left)
        if fault:
            raise RulesRefused(f"{self.url} {fault}")
        return ()

    def _unevaluated(self, wanted: tuple[Group, ...]) -> tuple[tuple[str, ...], float] | None:
        """Rules of these groups that it did not evaluate yet, and the longest interval of their groups in seconds."""
        names = {one.name for one in wanted if one.rules}
        late = [
            (str(rule.get("name")), float(one.get("interval") or 0))
            for one in self._rules()
            if one.get("name") in names
            for rule in one.get("rules") or []
            if rule.get("health") == _NOT_YET
        ]
        return (tuple(name for name, _ in late), max(every for _, every in late)) if late else None

    def _fault(self, wanted: tuple[Group, ...], left: set[tuple[str, str]]) -> str:
        if not self._reload_successful():
            return "says that its last reload was not successful (prometheus_config_last_reload_successful is 0)"
        held: dict[str, list[list[dict[str, Any]]]] = {}
        for one in self._rules():
            held.setdefault(str(one.get("name")), []).append(list(one.get("rules") or []))
            if (str(one.get("file", "")).rsplit("/", 1)[-1], str(one.get("name"))) in left:
                return f"still has the group {one.get('name')!r}, which is gone: it answers with other, old rules"
        for group in wanted:
            if group.rules and (fault := _group_fault(group, held.get(group.name, []))):
                return fault
        return ""

    def _reload_successful(self) -> bool:
        """By its own metrics; by a query where a proxy hides them; true where neither tells."""
        try:
            found = _LOADED.search(self.session.fetch("GET", f"{self.url}/metrics", {}))
            if found:
                return float(found[1]) == 1
        except answer.Refused:
            pass
        form = {"query": "max(prometheus_config_last_reload_successful)"}
        told = self._data("api/v1/query", form).get("result") or []
        return not told or float(told[0]["value"][1]) == 1

    def _rules(self) -> list[dict[str, Any]]:
        data = self._data("api/v1/rules")
        if not isinstance(data, dict) or not isinstance(data.get("groups"), list):
            raise SourceError(f"{self.url} does not tell its rules as Prometheus does; is the URL that of its API?")
        return list(data["groups"])

    def _data(self, path: str, form: dict[str, str] | None = None) -> Any:  # noqa: ANN401 - JSON
        body = self.session.fetch("GET", f"{self.url}/{path}", form or {})
        try:
            document = json.loads(body)
        except ValueError:
            document = None
        if not isinstance(document, dict) or document.get("status") != "success":
            raise SourceError(f"{self.url}/{path} did not answer as Prometheus does; is the URL that of its API?")
        return document.get("data")


def _group_fault(group: Group, held: list[list[dict[str, Any]]]) -> str:
    """Nothing where one of the held groups is this one and healthy."""
    if not held:
        return f"does not have the group {group.name!r}, so it does not load this target"
    same = [rules for rules in held if not _difference(group, rules)]
    if not same:
        what = _difference(group, held[0])
        return f"does not have the group {group.name!r} as it was written ({what}): it answers with other, old rules"
    sick = [one for one in same[0] if one.get("health", _NOT_YET) not in (_HEALTHY, _NOT_YET)]
    return f"cannot evaluate {sick[0].get('name')}: {sick[0].get('lastError') or 'no reason given'}" if sick else ""


def _difference(group: Group, held: list[dict[str, Any]]) -> str:
    if len(held) != len(group.rules):
        return f"{len(held)} rules instead of {len(group.rules)}"
    return next((told for rule, one in zip(group.rules, held, strict=True) if (told := _differs(rule, one))), "")


def _differs(rule: FileRule, told: dict[str, Any]) -> str:
    pairs: dict[str, tuple[object, object]] = {
        "name": (rule.name, told.get("name")),
        "labels": (_some(rule.labels), _some(told.get("labels"))),
    }
    if rule_groups.can_be_parsed(rule.expr):  # else the server's spelling cannot be compared with ours
        pairs["expr"] = rule_groups.normal(rule.expr), rule_groups.normal(str(told.get("query")))
    if rule.kind == "alert":
        pairs["for"] = (rule.hold_seconds, told.get("duration"))
        pairs["annotations"] = (_some(rule.annotations), _some(told.get("annotations")))
        if "keepFiringFor" in told:  # since Prometheus 2.42
            pairs["keep_firing_for"] = (rule.keep_seconds, told["keepFiringFor"])
    differs = [name for name, (wanted, found) in pairs.items() if wanted != found]
    return f"{rule.name}: {', '.join(differs)}" if differs else ""


def _some(texts: Mapping[str, str] | None) -> dict[str, str]:
    return {name: text for name, text in (texts or {}).items() if text}


def _no_lifecycle(url: str) -> str:
    return f"{url} does not let itself be reloaded; start it with --web.enable-lifecycle"
