"""Coverage of the intervals behind verdicts, on simulated differences of two forecasts.

usage: verdicts.py [--samples N] [--out FILE.md]

The difference of the errors of a window is the sum of an effect of its series, one of its origin
and noise; the true mean is 0. An interval that does not contain 0 is a wrong verdict. Noise of
windows that overlap is a moving mean; effects of origins are autoregressive where said; skewed
effects and noise are log-normal.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from machine import describe

from rnnforecast.evaluation.bootstrap import bootstrap_means
from rnnforecast.types import Floats

BURN_IN = 50
"""Origins before the first, for the autoregression."""


@dataclass(frozen=True)
class Design:
    """A simulated comparison; standard deviations relative to that of the noise."""

    series: int
    origins: int
    series_effect: float = 0.0
    origin_effect: float = 0.0
    autocorrelation: float = 0.0
    overlap: int = 1
    skewed: bool = False

    def draw(self, random: np.random.Generator) -> Floats:
        """Differences `[series * origins]`, the origins of a series in a row."""
        by_series = self.series_effect * self._noise(random, (self.series, 1))
        by_origin = self._noise(random, (1, BURN_IN + self.origins))
        for step in range(1, by_origin.shape[1]):
            new = np.sqrt(1 - self.autocorrelation**2) * by_origin[:, step]
            by_origin[:, step] = self.autocorrelation * by_origin[:, step - 1] + new
        noise = self._noise(random, (self.series, self.origins + self.overlap - 1))
        moving = sum(noise[:, shift : shift + self.origins] for shift in range(self.overlap))
        total = by_series + self.origin_effect * by_origin[:, BURN_IN:]
        return np.asarray(total + moving / np.sqrt(self.overlap)).reshape(-1)

    def _noise(self, random: np.random.Generator, shape: tuple[int, int]) -> Floats:
        normal = random.standard_normal(shape)
        if not self.skewed:
            return normal
        variance = (np.e - 1) * np.e
        return np.asarray((np.exp(normal) - np.exp(0.5)) / np.sqrt(variance))


DESIGNS = (
    *(Design(count, 1) for count in (6, 12, 30, 200)),
    *(Design(count, 1, skewed=True) for count in (12, 30, 200)),
    *(Design(1, count, origin_effect=1.0) for count in (8, 20, 60)),
    *(
        Design(series, origins, series_effect, origin_effect)
        for series, origins in ((6, 6), (30, 6), (8, 30), (200, 6), (200, 20))
        for series_effect, origin_effect in ((0.0, 0.0), (0.5, 0.0), (0.0, 0.3), (0.5, 0.3))
    ),
    Design(50, 3, 0.5),
    Design(20, 10, 0.5, skewed=True),
    Design(200, 10, 0.5, 0.3, skewed=True),
    *(Design(1, 20, origin_effect=1.0, autocorrelation=each) for each in (0.3, 0.6)),
    *(Design(1, 60, origin_effect=1.0, autocorrelation=each) for each in (0.3, 0.6)),
    *(Design(100, 20, 0.3, 0.3, autocorrelation=each) for each in (0.3, 0.6)),
    *(
        Design(series, origins, 0.3 if series > 1 else 0.0, overlap=overlap)
        for series in (1, 20)
        for origins, overlap in ((20, 4), (40, 4), (100, 12))
    ),
)


def measure(design: Design, samples: int) -> tuple[float, float, float]:
    """The share of intervals with 0, their mean width, and the width of a normal interval with the
    variance of the means."""
    series, window = np.divmod(np.arange(design.series * design.origins), design.origins)
    means, bounds = [], []
    for seed in range(samples):
        values = design.draw(np.random.default_rng((1, seed)))[:, None]
        found = bootstrap_means(
            values,
            np.ones(values.shape),
            series=series,
            window=window,
            overlap=design.overlap,
            seed=seed,
        )
        means.append(found.mean[0])
        bounds.append((found.low[0], found.high[0]))
    low, high = np.array(bounds).T
    covered = float(((low <= 0) & (high >= 0)).mean())
    return covered, float((high - low).mean()), float(2 * 1.96 * np.std(means))


def page(samples: int) -> str:
    """The results as Markdown."""
    error = 100 * np.sqrt(0.05 * 0.95 / samples)
    explanation = (
        "How often the interval of 95 % contains the true mean difference; its width is relative to"
        " a normal interval with the true standard error. Effects are standard deviations relative"
        f" to that of the noise of a window. {samples:,} samples each: the coverage has a standard"
        f" error of about {error:.1f} %.\n"
    )
    lines = [
        "# Intervals behind verdicts\n",
        f"{describe()}\n",
        f"`python benchmarks/verdicts.py --samples {samples}`\n",
        explanation,
        "| series | origins | effect of series | of origins | windows | coverage % | width |",
        "| ---: | ---: | ---: | ---: | --- | ---: | ---: |",
    ]
    for design in DESIGNS:
        covered, width, ideal = measure(design, samples)
        kind = [f"{design.overlap} overlap"] if design.overlap > 1 else []
        kind += [f"autocorrelation {design.autocorrelation}"] if design.autocorrelation else []
        kind += ["skewed"] if design.skewed else []
        lines.append(
            f"| {design.series} | {design.origins} | {design.series_effect} | "
            f"{design.origin_effect} | {', '.join(kind)} | {100 * covered:.1f} | "
            f"{width / ideal:.2f} |"
        )
        print(lines[-1], flush=True)
    return "\n".join(lines) + "\n"


def main() -> None:
    """Prints the table, and writes the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--out", type=Path, metavar="FILE.md")
    arguments = parser.parse_args()
    text = page(arguments.samples)
    if arguments.out:
        arguments.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
