"""What the catalogue of well-known exporters makes of a real Prometheus."""

import pandas as pd
import pytest

from tutordex_analysis import catalogue_file
from tutordex_analysis import frame as frames
from tutordex_analysis.frame import TimeRange
from tutordex_analysis.source.local_server import LocalPrometheus
from tutordex_analysis.source.prometheus import PrometheusSource

pytestmark = pytest.mark.server

START = pd.Timestamp("2026-03-01T00:00Z")
GROUPS = (("/", "", 8e9), ("/system.slice", "", 4e9), ("/docker", "", 4e9), ("/docker/a", "web", 3e9))
MOUNTS = (("/mnt/ntfs", "fuseblk", 1e9), ("/mnt/remote", "fuse.sshfs", 1e9), ("/run", "tmpfs", 1e9))


def text():
    rows = {
        "container_memory_working_set_bytes": [(f'id="{one}",name="{name}"', value) for one, name, value in GROUPS],
        "machine_memory_bytes": [('job="cadvisor"', 16e9)],
        "node_filesystem_avail_bytes": [(f'mountpoint="{one}",fstype="{kind}"', value) for one, kind, value in MOUNTS],
        "node_filesystem_size_bytes": [(f'mountpoint="{one}",fstype="{kind}"', 4e9) for one, kind, _ in MOUNTS],
    }
    for name, series in rows.items():
        yield f"# TYPE {name} gauge\n"
        for labels, value in series:
            moments = (START.timestamp() + 60 * minute for minute in range(180))
            yield from (f'{name}{{instance="a:1",{labels}}} {value} {moment:.3f}\n' for moment in moments)
    yield "# EOF\n"


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    folder = tmp_path_factory.mktemp("exporters")
    (folder / "samples.txt").write_text("".join(text()))
    with LocalPrometheus(folder / "data", openmetrics=[folder / "samples.txt"]) as server:
        known = catalogue_file.recognise(PrometheusSource(server.url).metrics())
        yield PrometheusSource(server.url, catalogue=known)


@pytest.mark.parametrize(
    ("signal", "want"),
    [
        ("containers_memory_used", {'containers_memory_used{instance="a:1"}': 3 / 16}),  # its groups hold it once more
        ("disk_used", {'disk_used{instance="a:1",mountpoint="/mnt/ntfs"}': 0.75}),  # a real one, unlike fuse.sshfs
    ],
)
def test_shares_count_each_container_once_and_real_file_systems_only(source, signal, want):
    got = frames.wide(source.read(signal, TimeRange("2026-03-01T02:00Z", "2026-03-01T03:00Z", "1h")))
    assert got.iloc[0].to_dict() == pytest.approx(want)
