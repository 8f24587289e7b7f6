"""Small rule files for tests: as text, with what is asked for."""

from __future__ import annotations

RECORDING = """groups:
  - name: recording
    interval: 1s
    rules:
      - record: tutordex:jobs:rate
        expr: sum by (job) (rate(jobs_total[5m]))
"""


def alerts(*names, limit=5, hold="5m", group="alerts"):
    """One alert a name, `jobs > limit`, with what Prometheus spells in its own way."""
    rules = "".join(
        f"""      - alert: {name}
        expr: |
          sum   by(job) (jobs{{job=~"a|b"}}) > {limit}  # jobs
        for: {hold}
        labels: {{severity: warning, on: yes, level: 1.0}}
        annotations:
          summary: "{name}: {{{{ $value }}}} jobs"
"""
        for name in names
    )
    return f"groups:\n  - name: {group}\n    interval: 1s\n    rules:\n{rules}"
