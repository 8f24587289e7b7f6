"""Every error a user can meet: one sentence that says what was asked, what came and what to do."""

from __future__ import annotations


class AnalysisError(Exception):
    """The question cannot be answered as asked; the message says why and what to do.

    In a notebook the message stands alone, without a traceback; the cause stays on `__cause__`.
    """

    def _render_traceback_(self) -> list[str]:
        """IPython's hook: the sentence instead of a traceback."""
        return [f"{type(self).__name__}: {self}"]


class SourceError(AnalysisError):
    """A server, an archive or a file did not give what was asked of it."""


class NotHeld(SourceError):
    """An archive does not hold what was asked; a server may."""


class FrameError(AnalysisError):
    """A frame or a time range breaks the contract of `docs/design.md`, section 2."""


class CatalogueError(AnalysisError, ValueError):
    """A catalogue, a settings file or a parameter is wrong; the message names file and line where there is one."""


class NotEnoughData(AnalysisError):
    """The question needs more history than came; the message names both."""


class ExperimentError(AnalysisError, ValueError):
    """An experiment's numbers cannot be what they are said to be, such as more successes than trials."""


class PublishRefused(AnalysisError):
    """The numbers may not be handed on: too old, too many, or not finite."""


class ReportFailed(AnalysisError):
    """A notebook did not run to its end; the last good page still stands."""


class NotWritten(AnalysisError):
    """The disk is full, or a folder may not be written; what was there is as it was."""


class Locked(AnalysisError):
    """Another process is writing there; the message has its pid."""


class RulesRefused(AnalysisError):
    """Rules may not be pushed, or did not get in force; the sentence says which rules are in force now."""


class SilencesRefused(AnalysisError):
    """Silences may not be made or ended, or were only in part; the sentence says what was done."""
