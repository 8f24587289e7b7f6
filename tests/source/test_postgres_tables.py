"""Event tables in a real PostgreSQL give what the exported ones give, and nothing is told or written there."""

import json
import re
import traceback
from urllib.parse import quote

import numpy as np
import pandas as pd
import pytest

from tests.source.local_postgres import PASSWORD, PROGRAMS, LocalPostgres
from tutordex_analysis import catalogue_file
from tutordex_analysis.errors import NotHeld, SourceError
from tutordex_analysis.experiment import Experiment
from tutordex_analysis.frame import TimeRange
from tutordex_analysis.question.experiment_units import gather
from tutordex_analysis.settings import Settings
from tutordex_analysis.source.connect import connect_events
from tutordex_analysis.source.events import EventsSource
from tutordex_analysis.source.experiments import read_tables
from tutordex_analysis.source.postgres_tables import PostgresTables
from tutordex_analysis.source.tables import Asked

START, NOW = pd.Timestamp("2026-10-01T00:00Z"), pd.Timestamp("2026-10-20T00:00Z")


def row(user, event, day, arm=None, seconds=None):
    experiment = {"name": "order", "variant": arm} if arm else None
    meta = {"surface": "web" if user and user % 2 else "dm", "seconds": seconds, "experiment": experiment}
    return user, event, START + pd.Timedelta(days=day), json.dumps(meta)


SHOWN = "assignment_list_view"
ROWS = [
    row(1, SHOWN, 1, "a"), row(2, SHOWN, 1, "b"), row(3, SHOWN, 2, "b"), row(3, SHOWN, 3, "a"),
    row(4, SHOWN, 2, "b"), row(4, SHOWN, 2, "b"), row(None, SHOWN, 2, "b"), row(5, SHOWN, -3, "a"),
    row(6, SHOWN, 4, "red"),
    row(1, "apply", 2, None, 1.5), row(2, "apply", 0.5, None, 2.25), row(4, "apply", 8, None, 7),
    row(9, "apply", 8, None, 1), row(4, "apply", 30, None, 7),
]  # fmt: skip
PLAN = Experiment(
    name="order", title="Order", unit="user", arms={"control": "a", "treatment": "b"}, start=START,
    end="2026-11-01T00:00Z", looks="once",
    events={
        "exposures": "analytics_events", "outcomes": "analytics_events", "arm": "meta.experiment.variant",
        "experiment": "meta.experiment.name", "value": "meta.seconds", "segments": ["meta.surface"],
    },
    metrics={
        "applied": {"title": "Applied", "role": "goal", "event": "apply"},
        "seconds": {"title": "Seconds", "event": "apply", "take": "value", "before": "1d"},
    },
)  # fmt: skip


@pytest.fixture(scope="module")
def server():
    with LocalPostgres() as running:
        values = ", ".join(
            f"({'NULL' if user is None else user}, '{event}', '{at.isoformat()}', '{meta}')"
            for user, event, at, meta in ROWS
        )
        running.execute(
            "CREATE TABLE analytics_events (id bigserial, user_id bigint, event_type text, event_time timestamptz, "
            "meta jsonb, local timestamp)",
            "INSERT INTO analytics_events (user_id, event_type, event_time, meta) VALUES " + values,  # noqa: S608 - ours
            "CREATE TABLE users (created_at timestamptz, name text)",
            "INSERT INTO users VALUES ('2026-10-01T02:00Z', 'x'), ('2026-10-01T02:30Z', 'y')",
            "INSERT INTO users VALUES ('2026-10-01T05:00Z', 'z')",
        )
        yield running


def exported(folder):
    table = pd.DataFrame(ROWS, columns=["user_id", "event_type", "event_time", "meta"])
    table["user_id"] = table["user_id"].astype("Int64")
    table.to_parquet(folder / "analytics_events.parquet")
    times = pd.to_datetime(["2026-10-01T02:00Z", "2026-10-01T02:30Z", "2026-10-01T05:00Z"])
    pd.DataFrame({"created_at": times}).to_parquet(folder / "users.parquet")
    return EventsSource(folder, catalogue=catalogue_file.load())


@pytest.mark.server(*PROGRAMS)
def test_parquet_and_postgresql_give_the_same(server, tmp_path):
    database = connect_events(catalogue=catalogue_file.load(), settings=Settings(events_url=server.url))
    folder = exported(tmp_path)
    one, two = (gather(read_tables(PLAN, events=each, source=None, now=NOW)) for each in (folder, database))
    pd.testing.assert_frame_equal(one.units, two.units, check_dtype=False)
    assert (one.seen, one.notes, one.end) == (two.seen, two.notes, two.end)
    assert one.seen == {"a": 1, "b": 2, "red": 1}
    assert one.units["applied"].tolist() == [1, 0, 1]
    assert one.units["seconds:before"].tolist() == [0, 2.25, 0]
    assert one.units["meta.surface"].tolist() == ["web", "dm", "dm"]
    hours = TimeRange("2026-10-01T00:00Z", "2026-10-01T08:00Z", "1h")
    first, second = (each.read("users_joined", hours) for each in (folder, database))
    pd.testing.assert_frame_equal(first, second)


@pytest.mark.server(*PROGRAMS)
@pytest.mark.parametrize(
    ("asked", "kind", "said"),
    [
        (Asked(table="nowhere", columns={"x": "x"}), NotHeld, "there is no table nowhere in postgresql://127.0.0.1"),
        (Asked(table="users", columns={"x": "age"}), SourceError, "the table users in .* has no column age"),
        (Asked(table="users", columns={"x": "name.first"}), SourceError, "name of the table users .* holds no JSON"),
        (Asked(table="analytics_events", columns={"x": "local"}, time="local"), SourceError, "times with a zone"),
    ],
)
def test_what_is_not_there_is_one_sentence(server, asked, kind, said):
    with pytest.raises(kind, match=said) as caught:
        PostgresTables(server.url).read(asked)
    assert PASSWORD not in str(caught.value)


@pytest.mark.server(*PROGRAMS)
def test_nothing_can_be_written_and_nothing_takes_for_ever(server):
    from sqlalchemy import text

    for statement, said in (
        ("DELETE FROM users", "read-only transaction"),
        ("SELECT pg_sleep(5)", "statement timeout"),
    ):
        with pytest.raises(SourceError, match=said), PostgresTables(server.url, limit_seconds=0.3)._connection() as one:
            one.execute(text(statement))


@pytest.mark.server(*PROGRAMS)
def test_a_wrong_password_is_not_told(server):
    wrong = server.url.replace(PASSWORD, "open-me")
    with pytest.raises(SourceError, match=r"did not answer: .*password authentication failed") as caught:
        PostgresTables(wrong).read(Asked(table="users", columns={"x": "name"}))
    assert "open-me" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("url", ["mysql://reader:sesame@db/users", "postgresql://reader:sesame@db:port/users"])
def test_another_url_is_refused_without_its_password(url):
    with pytest.raises(SourceError, match="postgresql://") as caught:
        PostgresTables(url)
    assert "sesame" not in str(caught.value)
    assert "sesame" not in repr(PostgresTables("postgresql://reader:sesame@db/users"))


@pytest.mark.server(*PROGRAMS)
@pytest.mark.parametrize("secret", [PASSWORD, "open me@home", "100%sure"])
@pytest.mark.parametrize("place", ["in front of the host", "behind the question mark"])
def test_no_message_and_no_log_holds_a_password(server, secret, place, caplog):
    caplog.set_level("DEBUG")
    host = f"127.0.0.1:{server.port}/postgres"
    if place == "in front of the host":
        url = f"postgresql://reader:{quote(secret, safe='')}@{host}"
    else:
        url = f"postgresql://reader@{host}?password={quote(secret, safe='')}"
    tables = PostgresTables(url)
    told = [repr(tables), tables.uri, str(vars(tables))]
    for table in ("users", "nowhere"):
        try:
            tables.read(Asked(table=table, columns={"x": "name"}))
        except (SourceError, NotHeld) as error:
            told += [traceback.format_exc(), str(error)]
    refused = SourceError("not told")
    refused.orig = f"{secret} and {quote(secret, safe='')} were refused"
    told.append(tables._plain(refused))
    assert told[-1] == "*** and *** were refused"
    text = "\n".join([*told, caplog.text])
    assert secret not in text
    assert quote(secret, safe="") not in text


@pytest.fixture(scope="module")
def many(server):
    """A table of a quarter of a million rows; the first of its numbers and words are absent."""
    server.execute(
        "CREATE TABLE many AS SELECT CASE WHEN i > 60000 THEN i END AS user_id, "
        "CASE WHEN i % 2 = 0 THEN 0.5 * i END::float8 AS price, 'word ' || i % 7 AS word, "
        "timestamptz '2026-10-01T00:00Z' + i * interval '1 second' AS at FROM generate_series(1, 250000) AS i",
        "ALTER ROLE reader SET log_statement = 'all'",
    )
    yield server
    server.execute("ALTER ROLE reader RESET log_statement")


COLUMNS = {"user": "user_id", "price": "price", "word": "word", "at": "at"}


@pytest.mark.server(*PROGRAMS)
def test_rows_come_piece_by_piece_and_are_all_there(many):
    before = (many.folder / "log").stat().st_size
    rows = PostgresTables(many.url).read(Asked(table="many", columns=COLUMNS, time="at")).sort_values("at")
    said = (many.folder / "log").read_text()[before:]
    assert len(re.findall("FETCH FORWARD 50000 ", said)) >= 5
    i = np.arange(1, 250_001)
    assert rows["at"].tolist() == [*(START + pd.to_timedelta(i, unit="s"))]
    np.testing.assert_array_equal(rows["price"], np.where(i % 2 == 0, 0.5 * i, np.nan))
    assert rows["user"].isna().sum() == 60_000
    assert rows["user"].dropna().tolist() == [*range(60_001, 250_001)]
    assert rows["word"].iloc[:3].tolist() == ["word 1", "word 2", "word 3"]
    found = PostgresTables(many.url).moments("many", "at", START, START + pd.Timedelta("200000s"))
    np.testing.assert_array_equal(found.inside, (START.value + i[:200_000] * 10**9))


@pytest.mark.server(*PROGRAMS)
def test_too_many_rows_are_refused_before_they_are_held(many):
    few = PostgresTables(many.url, most_rows=100_000)
    before = (many.folder / "log").stat().st_size
    with pytest.raises(SourceError) as caught:
        few.read(Asked(table="many", columns=COLUMNS, time="at"))
    assert str(caught.value) == (
        f"the table many in postgresql://127.0.0.1:{many.port}/postgres has more than 100,000 rows for this question; "
        "ask for less time (start: and end: of the experiment), or export it to a folder of Parquet files"
    )
    assert " LIMIT " in (many.folder / "log").read_text()[before:]
    with pytest.raises(SourceError, match="more than 100,000 rows"):
        few.moments("many", "at", START, NOW)
    end = START + pd.Timedelta("100000s")
    assert len(few.read(Asked(table="many", columns=COLUMNS, time="at", start=START, end=end))) == 100_000
    assert len(few.moments("many", "at", START, end).inside) == 100_000
