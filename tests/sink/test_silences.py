"""What is planned from what an Alertmanager has, and what becomes of a plan when the Alertmanager refuses."""

import dataclasses
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.windows import ENTRY, KNOWN, calendar
from tutordex_analysis import labelled, maintenance_file
from tutordex_analysis.errors import CatalogueError, Locked, SilencesRefused, SourceError
from tutordex_analysis.maintenance import AT_ONCE, windows
from tutordex_analysis.sink import silence_plan, silence_table, silences
from tutordex_analysis.sink.silence_journal import FILE, Journal
from tutordex_analysis.sink.silence_plan import Past, Seen, comment_of, fingerprint_of, plan, titles_of
from tutordex_analysis.sink.silence_server import Firing, SilenceServer
from tutordex_analysis.source.session import Session
from tutordex_analysis.source.silences import Silence, parsed
from tutordex_analysis.window import Window

NOW = pd.Timestamp("2026-12-06T03:10Z")
MINUTE, DAY = pd.Timedelta("1min"), pd.Timedelta("24h")
TWO = {
    "vacuum": {**ENTRY, "zone": "UTC"},
    "move": {**ENTRY, "zone": "UTC", "at": "09:00", "matchers": '{component="dm"}'},
}
ALERTS = labelled.alerts_of(KNOWN)


def wanted(entries=None, **changes):
    return windows(calendar(entries, zone="UTC", **changes), NOW, NOW + DAY)


def held(one, key="a", state="active", **changes):
    made = Silence(
        key=key, start=one.start, end=one.end, matchers=one.matchers, comment=comment_of(one), by=one.by, state=state
    )
    return dataclasses.replace(made, **changes)


def seen(*found, at=NOW, firing=()):
    return Seen(at=at, silences=found, firing=firing)


def test_what_is_missing_is_made_and_what_is_there_is_kept():
    known = calendar(TWO)
    vacuum, move = wanted(TWO)
    first = plan(known, seen())
    assert (first.makes, first.ends, first.keeps) == ((vacuum, move), (), ())
    second = plan(known, seen(held(vacuum), held(move, "b", "pending")))
    assert not second.is_needed
    assert [one for one, _ in second.keeps] == [vacuum, move]
    half = plan(known, seen(held(move, "b", "pending")))  # a run was killed after its first
    assert half.makes == (vacuum,)


def test_only_windows_within_the_horizon_are_made_but_those_made_earlier_stay():
    known = calendar(TWO)
    vacuum, move = wanted(TWO)
    assert plan(known, seen(), horizon="1h").makes == (vacuum,)
    assert not plan(known, seen(held(vacuum), held(move, "b", "pending")), horizon="1h").is_needed
    assert len(plan(known, seen(), horizon="8d").makes) == 4


def test_ours_ends_when_its_window_is_gone_and_nobody_elses_does():
    vacuum, move = wanted(TWO)
    other = held(move, "theirs", comment="https://elsewhere.example.org moving house", by="somebody")
    found = plan(calendar({"vacuum": TWO["vacuum"]}), seen(held(vacuum), held(move, "b"), other))
    assert [(one.held.key, one.why, one.withdraws) for one in found.ends] == [
        ("b", "its window is no longer in the file", True)
    ]
    assert not plan(calendar(TWO), seen(held(vacuum), held(move, "b"), other)).is_needed
    assert not plan(calendar({"vacuum": TWO["vacuum"]}), seen(held(vacuum), held(move, "b")), tidy=False).is_needed


def test_a_changed_window_is_a_new_silence_made_before_the_old_one_ends():
    (old,), (new,) = wanted(), wanted(reason="else")
    found = plan(calendar(zone="UTC", reason="else"), seen(held(old)))
    assert (found.makes, [one.held.key for one in found.ends]) == ((new,), ["a"])


def test_one_that_is_there_twice_loses_the_second():
    (one,) = wanted()
    found = plan(calendar(zone="UTC"), seen(held(one), held(one, "twin")))
    assert [(end.held.key, end.why) for end in found.ends] == [("twin", "it is there twice")]
    assert found.makes == ()


def test_what_somebody_ended_is_not_made_again_but_what_the_file_took_away_is():
    (one,) = wanted()
    gone = held(one, state="expired", end=NOW - MINUTE)
    found = plan(calendar(zone="UTC"), seen(gone))
    assert (found.makes, found.leaves) == ((), ((one, gone),))
    again = plan(calendar(zone="UTC"), seen(gone), past=Past(withdrawn=frozenset({one.fingerprint})))
    assert again.makes == (one,)


def test_a_window_in_its_last_second_is_not_withdrawn():
    (one,) = wanted()
    assert not plan(calendar(zone="UTC"), seen(held(one), at=one.end)).is_needed


FIRING = Firing(labels={"alertname": "QueueOldestPendingTooOld", "component": "queue"}, silenced_by=frozenset({"a"}))


@pytest.mark.parametrize(
    ("minutes", "options", "ends"),
    [
        (29, {}, False),  # under half of its hour
        (30, {}, True),
        (30, {"firing": (FIRING,)}, False),
        (30, {"past": "QueueOldestPendingTooOld"}, False),  # it held one before
        (30, {"keep": True}, False),
        (30, {"state": "pending"}, False),
        (34, {"matchers": '{alertname="HostCpuHigh"}'}, False),  # that fires after half an hour; a few minutes more
        (35, {"matchers": '{alertname="HostCpuHigh"}'}, True),
    ],
)
def test_a_silence_that_held_nothing_ends_when_something_would_have_fired(minutes, options, ends):
    changes = {key: options[key] for key in ("keep", "matchers") if key in options}
    (one,) = wanted(**changes)
    at = one.start + minutes * MINUTE
    past = Past(matched={one.fingerprint: frozenset({options["past"]})} if "past" in options else {})
    found = plan(
        calendar(zone="UTC", **changes),
        seen(held(one, state=options.get("state", "active")), at=at, firing=options.get("firing", ())),
        past=past,
    )
    assert [end.why for end in found.ends] == ([f"nothing matched it in {minutes}m"] if ends else [])


def test_a_window_stays_whole_as_long_as_one_of_its_silences_holds_something():
    entry = {**ENTRY, "matchers": None, "template": "collector_maintenance", "zone": "UTC", "lasts": "4h"}
    known = calendar({"session": entry})
    several = windows(known, NOW, NOW + MINUTE)
    assert len(several) == 3
    there = [held(one, key) for one, key in zip(several, "abc", strict=True)]
    late = NOW + pd.Timedelta("3h30m")
    assert len(plan(known, seen(*there, at=late)).ends) == 3
    assert plan(known, seen(*there, at=late, firing=(FIRING,))).ends == ()


def test_the_watchdog_as_it_really_arrives_is_spared_too():
    labels = {"alertname": "Watchdog", "component": "queue", "severity": "none"}  # relabelled by somebody
    firing = (Firing(labels=labels, silenced_by=frozenset()),)
    with pytest.raises(SilencesRefused, match="vacuum would silence Watchdog as it arrives there"):
        plan(calendar(zone="UTC"), seen(firing=firing))


@given(st.lists(st.sampled_from(["vacuum", "move"]), max_size=4), st.sets(st.sampled_from(["vacuum", "move"])))
def test_carrying_a_plan_out_leaves_nothing_to_plan(before, after):
    """Whatever is there, twice or not: one plan makes it what the file says, and the next has nothing to do."""
    known = calendar({name: TWO[name] for name in after} or {"other": {**TWO["move"], "at": "23:00"}})
    made = {one.title: one for one in wanted(TWO)}
    state = [held(made[name], str(i)) for i, name in enumerate(before)]
    first = plan(known, seen(*state))
    gone = {end.held.key for end in first.ends}
    now = [one for one in state if one.key not in gone] + [held(one, f"n{one.title}") for one in first.makes]
    assert not plan(known, seen(*now)).is_needed
    assert sorted(fingerprint_of(one) for one in now) == sorted(
        one.fingerprint for one in windows(known, NOW, NOW + DAY)
    )


def test_a_comment_says_why_and_where_and_is_read_back():
    (one,) = wanted(approved_by="the owner", lasts="10h", reason="two\n lines")
    said, mark = comment_of(one).rsplit(" | ", 1)
    assert said == f"two lines | {ENTRY['link']} | maintenance vacuum | approved by the owner"
    assert mark.startswith(f"tutordex:{one.fingerprint}-")
    there = held(one)
    assert (fingerprint_of(there), titles_of(there)) == (one.fingerprint, ("vacuum",))
    for comment in ("no comment", f"tutordex:{one.fingerprint} quoted", "see tutordex:worker:jobs_1h"):
        assert (fingerprint_of(held(one, comment=comment)), titles_of(held(one, comment=comment))) == ("", ())


def test_a_copy_of_ours_with_another_author_end_or_matcher_is_not_ours():
    vacuum, move = wanted(TWO)
    there = held(vacuum)
    other = dataclasses.replace(there.matchers[0], value="HostDiskLow")
    later = there.end + pd.Timedelta("2h")
    for changes in ({"by": "Bob"}, {"end": later}, {"matchers": (other, *there.matchers[1:])}):
        copy = held(vacuum, "copy", **changes)
        assert fingerprint_of(copy) == ""
        found = plan(calendar(TWO), seen(copy, held(move, "b", "pending")))
        assert (found.makes, found.ends) == ((vacuum,), ())  # the window still needs its own, and Bob keeps his
        assert plan(calendar({}), seen(there, copy)).ends[0].held == there
        assert len(plan(calendar({}), seen(there, copy)).ends) == 1
    turned = held(vacuum, matchers=there.matchers[::-1])
    ended = held(vacuum, end=there.end - pd.Timedelta("10min"), state="expired")
    assert {fingerprint_of(turned), fingerprint_of(ended)} == {vacuum.fingerprint}


def test_ending_by_hand_takes_windows_fingerprints_and_keys_of_ours_only():
    vacuum, move = wanted(TWO)
    there = seen(held(vacuum), held(move, "b", "pending"), held(move, "x", comment="mine"))
    for name, keys in (("vacuum", ["a"]), (move.fingerprint, ["b"]), ("b", ["b"])):
        assert [one.held.key for one in silence_plan.ending(there, [name]).ends] == keys
    assert len(silence_plan.ending(there, ["vacuum", "a", "b"]).ends) == 2
    with pytest.raises(SilencesRefused, match="no silence that is live or to come is called 'vacum'"):
        silence_plan.ending(there, ["vacum"])
    with pytest.raises(SilencesRefused, match="x is not of a maintenance window, so nothing was ended"):
        silence_plan.ending(there, ["x"])
    with pytest.raises(SilencesRefused, match="is live or to come"):
        silence_plan.ending(seen(held(vacuum, state="expired")), ["vacuum"])


def test_at_once_is_made_once_and_made_longer_within_its_longest():
    def asked(lasts, at=NOW, *found):
        window = Window.model_validate(
            {**ENTRY, "weekdays": (), "dates": ["2026-12-06"], "name": AT_ONCE, "zone": "UTC", "lasts": lasts}
        )
        return silence_plan.at_once(maintenance_file.planned(window, KNOWN), seen(*found, at=at))

    (one,) = asked("1h").makes
    assert (one.start, one.end, one.names) == (NOW, NOW + 60 * MINUTE, ("now",))
    there = held(one)
    assert [silence for _, silence in asked("1h", NOW, there).keeps] == [there]
    assert [silence for _, silence in asked("30m", NOW + 10 * MINUTE, there).keeps] == [there]
    longer = asked("2h", NOW + 30 * MINUTE, there)
    assert ([one.end for one in longer.makes], [end.held for end in longer.ends]) == ([NOW + 150 * MINUTE], [there])
    with pytest.raises(
        SilencesRefused, match="is silenced since 03:10 UTC; until 07:40 UTC that is longer than the 4h"
    ):
        asked("4h", NOW + 30 * MINUTE, there)
    assert not plan(
        calendar({"move": {**TWO["move"], "first": "2027-01-01", "weekdays": ["monday"]}}), seen(there)
    ).is_needed
    assert len(silence_plan.ending(seen(there), ["now"]).ends) == 1


def test_the_audit_says_who_why_how_long_and_what_is_wrong():
    (one,) = wanted()
    mine = held(one)
    entry = {"id": "b", "startsAt": "2026-12-06T00:00Z", "endsAt": "2026-12-07T00:00Z", "comment": "", "createdBy": ""}
    entry |= {"matchers": [{"name": "alertname", "value": ".+", "isRegex": True}], "status": {"state": "active"}}
    (blank,) = parsed([entry])
    before = Past(matched={one.fingerprint: frozenset({"QueueStuckProcessing"})})
    table = silence_table.audit(seen(mine, blank, firing=(FIRING,)), ALERTS, past=before).set_index("key")
    assert table.loc["a", ["by", "reason", "link", "window", "lasts", "remarks"]].tolist() == [
        *("ops", "vacuum of the queue", ENTRY["link"], "vacuum", "1h", "")
    ]
    assert table.loc["a", "matched"] == "QueueOldestPendingTooOld, QueueStuckProcessing"
    remarks = table.loc["b", "remarks"].split("; ")
    assert remarks[:5] == ["no reason", "no author", "no link", "longer than 8h, not approved", "silences Watchdog"]
    assert remarks[5].startswith("silences critical ApiErrorBudgetBurn, ")
    assert "PublicApiDown" in remarks[5]
    assert len(silence_table.audit(seen(held(one, state="expired")), ALERTS, ended=False)) == 0


def test_a_plan_is_a_table_with_what_it_reaches():
    vacuum, _ = wanted(TWO)
    found = plan(calendar({"move": TWO["move"]}), seen(held(vacuum)))
    table = silence_table.plan_table(found, ALERTS)
    assert table[["what", "window", "why"]].to_numpy().tolist() == [
        ["make", "move", "vacuum of the queue"],
        ["end", "vacuum", "its window is no longer in the file"],
    ]
    assert table["alerts"].tolist() == [
        "DMDeliverySLOViolation, DMFailureSpike, DMRateLimited",
        "QueueOldestPendingTooOld",
    ]
    assert list(silence_table.plan_table(plan(calendar(zone="UTC"), seen(at=NOW + 2 * DAY)), ALERTS)) == [
        *silence_table.PLAN
    ]


def test_a_journal_outlives_half_a_line_and_tells_why_something_ended(tmp_path):
    journal = Journal(tmp_path, "http://127.0.0.1:9093/am")
    assert (journal.entries, journal.withdrawn, dict(journal.matched)) == ((), frozenset(), {})
    journal.add("made", fingerprint="1" * 16, key="a", title="x")
    journal.add("withdrawn", fingerprint="1" * 16, key="a", title="x", told="gone")
    path = journal.folder / FILE
    path.write_text(path.read_text() + '{"at": "2026')  # killed while it wrote
    journal.add("matched", fingerprint="1" * 16, key="a", title="x", told="ApiSlow")
    assert [one.action for one in journal.entries] == ["made", "withdrawn", "matched"]
    assert journal.withdrawn == {"1" * 16}
    assert journal.matched == {"1" * 16: {"ApiSlow"}}
    journal.add("made", fingerprint="1" * 16, key="b", title="x")
    assert journal.withdrawn == frozenset()
    with journal.locked(), pytest.raises(Locked), Journal(tmp_path, "http://127.0.0.1:9093/am").locked():
        pass


class Fake(ThreadingHTTPServer):
    """An Alertmanager that answers as it is told to: status and body of each change, in order; then it is well."""

    def __init__(self, *answers):
        self.answers, self.found, self.asked = list(answers), [], []
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self.say(200, fake.found if self.path.endswith("silences") else [])

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                fake.asked.append(("make", body))
                self.change(lambda: fake.make(body))

            def do_DELETE(self):
                fake.asked.append(("end", self.path.rsplit("/", 1)[1]))
                self.change(lambda: "")

            def change(self, do):
                status, body = fake.answers.pop(0) if fake.answers else (200, None)
                if status == "broken":
                    do()
                    self.connection.close()
                    return
                self.say(status, do() if status == 200 else body)

            def say(self, status, body):
                text = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_):
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def make(self, body):
        self.found.append({**body, "id": f"k{len(self.found)}", "status": {"state": "active"}})
        return {"silenceID": self.found[-1]["id"]}

    def __enter__(self):
        threading.Thread(target=self.serve_forever, daemon=True).start()
        self.client = SilenceServer(Session(self.url, server="Alertmanager", pause=lambda _: None))
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()

    @property
    def fingerprints(self):
        return [one["comment"].rpartition("tutordex:")[2][:16] for one in self.found]


def now_plan(fake, entries=TWO):
    return plan(calendar(entries), silences.look(fake.client, NOW))


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((400, "bad matcher"), "refused the silence of vacuum (400): bad matcher; nothing was changed"),
        ((422, {"code": 612, "message": "matchers in body"}), "(422): matchers in body; nothing was changed"),
        ((500, "disk full"), "refused the silence of vacuum (500): disk full; nothing was changed"),
        ((403, ""), "refused the silence of vacuum (403): it gave no reason; nothing was changed"),
    ],
)
def test_a_refusal_of_the_first_changes_nothing(answer, said):
    with Fake(answer) as fake:
        with pytest.raises(SilencesRefused) as refused:
            silences.apply(now_plan(fake), fake.client)
        assert said in str(refused.value)
        assert fake.found == []
        silences.apply(now_plan(fake), fake.client)
        assert len(fake.found) == 2


def test_a_refusal_half_way_says_how_far_it_came_and_a_second_run_goes_on(tmp_path):
    with Fake((200, None), (500, "out of memory")) as fake:
        journal = Journal(tmp_path, fake.url)
        with pytest.raises(
            SilencesRefused, match=r"of move \(500\): out of memory; 1 of 2 silences were made and 0 of 0"
        ):
            silences.apply(now_plan(fake), fake.client, journal)
        assert [one.title for one in journal.entries] == ["vacuum"]
        done = silences.apply(now_plan(fake), fake.client, journal)
        assert (len(done.made), done.kept, len(fake.found)) == (1, 1, 2)
        assert done.sentence == "1 silence made, 0 ended, 1 there already"
        assert not now_plan(fake).is_needed


def test_an_answer_that_breaks_off_is_in_doubt_and_nothing_is_made_twice():
    with Fake(("broken", None)) as fake:
        with pytest.raises(SilencesRefused, match="whether the one under way was made or ended is not known; 0 of 2"):
            silences.apply(now_plan(fake), fake.client)
        assert [what for what, _ in fake.asked] == ["make"]  # a change is never asked again by itself
        silences.apply(now_plan(fake), fake.client)
        assert sorted(fake.fingerprints) == sorted(one.fingerprint for one in wanted(TWO))


def test_an_alertmanager_that_is_busy_or_away_is_a_sentence():
    with Fake((503, "starting")) as fake:
        made = now_plan(fake)
        with pytest.raises(SilencesRefused, match=r'is not available \(503\): "?starting'):
            silences.apply(made, fake.client)
    with pytest.raises(SilencesRefused, match="start Alertmanager or correct the URL"):
        silences.apply(made, fake.client)
    with pytest.raises(SourceError, match="start Alertmanager or correct the URL"):
        silences.look(fake.client, NOW)


def test_one_that_was_said_to_be_made_and_is_not_there_is_told():
    with Fake() as fake:
        fake.make = lambda body: {"silenceID": "lost"}
        with pytest.raises(SilencesRefused, match="said that it made 2 silences, and does not have lost"):
            silences.apply(now_plan(fake), fake.client)


def test_another_server_than_an_alertmanager_is_told():
    with Fake() as fake:
        made = now_plan(fake)
        fake.make = lambda body: {"status": "success"}
        with pytest.raises(SilencesRefused, match="did not answer as Alertmanager does"):
            silences.apply(made, fake.client)
        fake.found = {"status": "success"}
        with pytest.raises(SourceError, match="did not answer as Alertmanager does"):
            silences.look(fake.client, NOW)


def test_what_is_sent_has_a_reason_an_author_and_a_link():
    with Fake() as fake:
        silences.apply(now_plan(fake, {"vacuum": TWO["vacuum"]}), fake.client)
        ((_, body),) = fake.asked
    assert body["createdBy"] == "ops"
    assert body["comment"].startswith(f"vacuum of the queue | {ENTRY['link']} | maintenance vacuum | tutordex:")
    assert (body["startsAt"], body["endsAt"]) == ("2026-12-06T03:00:00+00:00", "2026-12-06T04:00:00+00:00")
    assert body["matchers"][1] == {"name": "severity", "value": "critical", "isRegex": False, "isEqual": False}


def test_windows_that_are_too_long_together_change_nothing():
    entries = {"a": {**TWO["vacuum"], "lasts": "4h"}, "b": {**TWO["vacuum"], "at": "06:00", "lasts": "4h"}}
    with pytest.raises(CatalogueError, match="a and b together silence"):
        plan(calendar(entries), seen())
