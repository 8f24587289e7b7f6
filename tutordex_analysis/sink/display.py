"""How results show themselves in a notebook: a table and a picture. Importing this module teaches them."""

from __future__ import annotations

import base64
import html

import pandas as pd

from tutordex_analysis.model.backtest import Backtest
from tutordex_analysis.model.breach import Breach
from tutordex_analysis.model.forecast import Forecast
from tutordex_analysis.sink import plot
from tutordex_analysis.sink.figure_style import Picture

MOST_ROWS = 10


def of_forecast(result: Forecast) -> str:
    """The model of each series, the first steps, and the figure."""
    models = pd.DataFrame({"model": result.model, "why": result.reason}).rename_axis("series").reset_index()
    return _table(models) + _picture(plot.forecast(result)) + _table(result.frame)


def of_breach(result: Breach) -> str:
    """The probabilities and the dates."""
    return _table(result.frame) + _table(result.dates)


def of_backtest(result: Backtest) -> str:
    """The mean scores of each model, and the errors side by side."""
    scores = result.frame.groupby("model", observed=True).mean(numeric_only=True)
    bars = plot.bars(scores["mase"], title="Error against repeating the last season (1 is as good)")
    return _table(scores.reset_index()) + _picture(bars)


def _table(frame: pd.DataFrame) -> str:
    more = f"<p>{len(frame) - MOST_ROWS:,} rows more</p>" if len(frame) > MOST_ROWS else ""
    return frame.head(MOST_ROWS).to_html(index=False, border=0, float_format="{:,.4g}".format) + more


def _picture(picture: Picture) -> str:
    data = base64.b64encode(picture.png()).decode("ascii")
    return f'<img alt="{html.escape(picture.alt)}" src="data:image/png;base64,{data}" style="max-width:100%">'


for _kind, _show in ((Forecast, of_forecast), (Breach, of_breach), (Backtest, of_backtest)):
    setattr(_kind, "_repr_html_", _show)  # noqa: B010  # results know nothing of pages, pages know results
