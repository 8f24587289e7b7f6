"""How long something took, whatever else the machine does."""

from __future__ import annotations

import resource


def cpu_seconds() -> float:
    """CPU time of this process and of the children that ended: Prophet's optimiser is a program of its own."""
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in both)
