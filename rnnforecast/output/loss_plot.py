"""Plot of training and validation losses, as PNG and SVG."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from rnnforecast.output.line_plots import (
    MAX_STEPS_WITH_MARKERS,
    add_subtitle_and_legend,
    mark_position,
    new_figure,
    plot_line,
    save_png_and_svg,
)
from rnnforecast.output.plot_style import plot_style, widen_flat_ylim
from rnnforecast.output.style import BLUE, ORANGE, format_number
from rnnforecast.output.time_axis import INDEX_TICK_STEPS


def plot_loss(
    path_stem: Path,
    steps: np.ndarray,
    train: np.ndarray,
    validation: np.ndarray,
    best_step: int | None = None,
) -> tuple[Path, Path]:
    """Plots the losses of a training to `path_stem`.png and .svg; returns both paths.

    `steps`, `train` and `validation` are [M]; losses are in normalized values, NaN where
    missing. `best_step` marks the step whose weights were kept. The loss axis is logarithmic if the
    largest loss is over ten times the smallest. Raises OutputError as `atomic_file` does.
    """
    with plot_style():
        figure, axes, _ = new_figure("Training and validation loss")
        plot_line(axes, steps, train, "training", color=BLUE, width=1.1)
        known = np.isfinite(validation)
        n_validations = int(known.sum())
        plot_line(axes, steps[known], validation[known], "validation", color=ORANGE,
                   with_markers=n_validations <= MAX_STEPS_WITH_MARKERS, width=1.6)  # fmt: skip
        if best_step is not None:
            mark_position(axes, best_step, f"kept: step {best_step:,}")
        losses = np.concatenate([train, validation])
        losses = losses[np.isfinite(losses)]
        if len(losses) and losses.min() > 0 and losses.max() > 10 * losses.min():
            axes.set_yscale("log")
            axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
            axes.yaxis.set_major_formatter(FuncFormatter(format_number))
            axes.yaxis.set_minor_formatter(NullFormatter())
            axes.tick_params(axis="y", which="minor", length=0)
        axes.set_xlabel("step")
        axes.set_ylabel("loss, normalized values")
        axes.xaxis.set_major_formatter(FuncFormatter(format_number))
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True, steps=INDEX_TICK_STEPS))
        axes.margins(x=0.01)
        widen_flat_ylim(axes)
        last = f"{int(steps[-1]):,}" if len(steps) else "no"
        add_subtitle_and_legend(figure, axes, f"{last} steps, {n_validations:,} validations")
        return save_png_and_svg(figure, path_stem)
