"""The loss of the pretraining against windows seen: a picture and a table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter
from pretrained_gate import Part

from rnnforecast.output.plot_style import style_axes
from rnnforecast.output.style import BLUE, ORANGE

ROWS = 10
LOSSES = {"loss": ("training", BLUE), "validation_loss": ("validation", ORANGE)}


def curve(folder: Path, picture: Path) -> Part:
    """Draws FOLDER/history.csv of a pretraining, and shows some of its rows."""
    history = pd.read_csv(folder / "history.csv")
    plot(history, picture)
    return Part("Pretraining: loss against windows seen", text=format_history(history))


def format_history(history: pd.DataFrame) -> str:
    """About `ROWS` rows, at evenly spaced logarithms of the windows, with the last."""
    windows = history["windows"].to_numpy(float)
    wanted = np.geomspace(windows[0], windows[-1], ROWS)
    rows = np.unique(np.abs(windows[:, None] - wanted).argmin(0))
    heads = ["windows, millions", "steps", "loss", "validation loss", "hours", "learning rate"]
    lines = ["| " + " | ".join(heads) + " |", "|" + " ---: |" * len(heads)]
    for row in history.iloc[rows].to_dict("records"):
        cells = [
            f"{row['windows'] / 1e6:.2f}",
            f"{row['step']:,.0f}",
            f"{row['loss']:.4f}",
            f"{row['validation_loss']:.4f}",
            f"{row['seconds'] / 3600:.2f}",
            f"{row['learning_rate']:.1e}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def plot(history: pd.DataFrame, file: Path) -> None:
    """Both losses, windows on a logarithmic axis."""
    figure = Figure(figsize=(8, 4), dpi=120, layout="constrained")
    axes = figure.subplots()
    style_axes(axes)
    for column, (name, color) in LOSSES.items():
        axes.plot(history["windows"] / 1e6, history[column], color=color, label=name, linewidth=1.2)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.grid(True, alpha=0.25)
    axes.set_xlabel("windows seen, millions (log)")
    axes.set_ylabel("quantile loss of normalized values")
    axes.legend(frameon=False)
    figure.savefig(file, metadata={"Software": None})
