"""`inspect`: looks into a run's network while it forecasts one window, and at what it hangs on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from rnnforecast.data.cleaning.transforms import Transform
from rnnforecast.data.cleaning_plan import CleanedData, prepare_data
from rnnforecast.data.features.checks import check_future_known
from rnnforecast.data.features.input_columns import input_columns
from rnnforecast.data.time.format import format_timestamp
from rnnforecast.data.windows.origins import WindowIndex, first_observed, validation_windows
from rnnforecast.data.windows.split import split_series
from rnnforecast.errors import DataError
from rnnforecast.inference import attribution as probing
from rnnforecast.output.atomic_files import atomic_folder, write_bytes, write_json, write_text
from rnnforecast.output.inspection.results import (
    InputImportance,
    InspectedWindow,
    Inspection,
    LayerActivations,
    Occlusion,
    PermutationImportance,
)
from rnnforecast.pipeline.forecasting import (
    build_window_dataset,
    item_target_mask,
)
from rnnforecast.pipeline.progress import NullListener, ProgressListener
from rnnforecast.pipeline.run_folder import Run, load_run
from rnnforecast.training import device
from rnnforecast.types import Floats, Ints
from rnnforecast.workflow.inspect_selection import (
    InspectRequest,
    WindowLocation,
    check_member,
    select_window,
)

JSON_FILE, HTML_FILE = "inspect.json", "inspect.html"

MIN_LAG_RANGES, MAX_LAG_RANGES = 8, 24
"""Stretches in which the lookback is hidden, and shuffled: whole segments, or parts of them."""
MAX_WINDOWS, MIN_WINDOWS, REPEATS = 512, 64, 10
"""Windows that are shuffled, those of a net that takes long, and how often."""
MAX_WORK = 100_000
"""Windows times inputs times segments times layers that are taken at most, beyond the few."""
DEFAULT_REQUEST = InspectRequest()


@dataclass(frozen=True)
class InspectResult:
    """What `inspect` wrote."""

    run: str
    out: str
    series: str
    target: str
    origin: str
    """The last stamp that the forecast knew."""
    member: int
    members: int
    findings: dict[str, str]
    """A sentence for each picture, by the name of its file."""


def inspect(
    folder: Path,
    out: Path,
    *,
    request: InspectRequest = DEFAULT_REQUEST,
    data: Sequence[str] | None = None,
    listener: ProgressListener | None = None,
) -> InspectResult:
    """Writes pictures, a page and `inspect.json` about a network of the run to the folder `out`.

    `data` are files to read instead of those of the spec. Always on the CPU: the numbers are then
    the same on every machine. Raises UsageError, RunFolderError, DataError, OutputError.
    """
    listener = listener or NullListener()
    run = load_run(folder)
    check_member(request.member, len(run.members))
    place, cleaned = _prepare_window(run, request, data)
    with atomic_folder(
        out, replace_if_contains=JSON_FILE
    ) as partial:  # first: a place that is taken fails now
        window = WindowInspector(run, request.member, cleaned, place)
        found = window.inspect()
        looked = _write_results(partial, window, found, InspectResult(
            run=folder.resolve().name,
            out=str(out),
            series=found.window.label,
            target=found.window.target,
            origin=format_timestamp(found.window.timestamp_at(-1)),
            member=request.member,
            members=len(run.members),
            findings={},
        ))  # fmt: skip
    if looked.members > 1:
        listener.info(f"network {looked.member} of the {looked.members} of this run")
    return looked


def _prepare_window(
    run: Run, request: InspectRequest, data: Sequence[str] | None
) -> tuple[WindowLocation, CleanedData]:
    """The window to look at, and the data, cleaned as the run says."""
    horizon = run.config.horizon
    cleaned = prepare_data(run.plan, data or run.source, horizon=horizon)
    panel = cleaned.panel
    location = select_window(request, cleaned, horizon=horizon, plotted_series=run.plotted_series)
    steps_ahead = location.origin + horizon - int(panel.lengths[location.series])
    check_future_known(run.plan.features, cleaned.table, panel, max(steps_ahead, 0))
    return location, cleaned


class WindowInspector:
    """One window of a panel, and the network that forecasts it."""

    def __init__(
        self, run: Run, member: int, cleaned: CleanedData, location: WindowLocation
    ) -> None:
        self.run, self.cleaned, self.location = run, cleaned, location
        self.net = run.members[member - 1].net
        self.config = self.net.config
        self.windows = build_window_dataset(
            cleaned, [self.config], device.device_of(self.net), run.smoothed_items
        )
        self.joint = self.config.channels > 1
        self.items_per_series = 1 if self.joint else len(cleaned.panel.target_names)
        self.channel = location.target if self.joint else 0
        """Of the target, among those that are forecast at once."""

    def inspect(self) -> Inspection:
        """All that there is to see."""
        item = int(self._item_indices(np.array([self.location.series]))[0])
        inside = probing.inspect_window(
            self.net, self.windows, item, self.location.origin, self.channel
        )
        whole = self.lag_ranges()
        begun = tuple(
            (max(b, -self.location.origin), e) for b, e in whole if e > -self.location.origin
        )
        plain, without = probing.occluded_medians(
            self.net, self.windows, item, self.location.origin, self._slices(begun)
        )
        forecast = self.to_original_units(plain[None])[0]
        return Inspection(
            window=self._inspected_window(forecast),
            layers=tuple(LayerActivations(*track) for track in inside.layers),
            gradient_norm=self._slope_norms(inside.gradients),
            recurrent_gradient_norm=None
            if inside.recurrent_gradients is None
            else self._slope_norms(inside.recurrent_gradients),
            horizon_attention=inside.decoder_attention,
            self_attention=tuple(inside.self_attention),
            importance=self._importance(whole),
            occlusion=Occlusion(begun, self.to_original_units(without) - forecast),
        )

    def _slope_norms(self, slope: Floats) -> Floats:
        """`[H, L, C]` → `[H, L]`, of the steps that the series has."""
        size: Floats = np.sqrt((slope**2).sum(-1))[:, -self.location.origin :]
        return size

    def lag_ranges(self) -> tuple[tuple[int, int], ...]:
        """What is read in pieces, in steps from the origin: segments, or where they are few equal
        parts of them, where they are many several together."""
        segment, read = self.config.patch_length, self.config.lookback
        size = segment * -(-read // (segment * MAX_LAG_RANGES))
        parts = (n for n in range(size, 0, -1) if segment % n == 0 and MIN_LAG_RANGES * n <= read)
        if read < MIN_LAG_RANGES * size:
            size = next((n for n in parts if read <= MAX_LAG_RANGES * n), size)
        ends = range(0, -self.config.lookback, -size)
        begins = [*(end - size for end in ends[:-1]), -self.config.input_length]
        return tuple(zip(begins, ends, strict=True))[::-1]

    def _slices(self, lag_ranges: Sequence[tuple[int, int]]) -> list[slice]:
        """Stretches as steps of what is read, from the oldest."""
        read = self.config.input_length
        return [slice(begin + read, end + read) for begin, end in lag_ranges]

    def _item_indices(self, series: Ints) -> Ints:
        return series * self.items_per_series + (0 if self.joint else self.location.target)

    def to_original_units(self, values: Floats) -> Floats:
        """What the net forecasts, `[n, H, C]`, as the target in original units, `[n, H]`."""
        transform = self.run.plan.transform
        if not self.joint:
            one = slice(self.location.target, self.location.target + 1)
            transform = Transform(transform.methods[one], transform.powers[one])
        return transform.inverse(values)[..., self.channel]

    def _inspected_window(self, forecast: Floats) -> InspectedWindow:
        panel, place = self.cleaned.panel, self.location
        past = min(self.config.input_length, place.origin)
        first = np.zeros(panel.n_series, dtype=np.int64)
        first[place.series] = place.origin - past
        count = past + self.config.horizon
        own = panel.targets[panel.offsets[place.series] : panel.offsets[place.series + 1]]
        values = np.full(count, np.nan)
        known = own[place.origin - past : place.origin - past + count, place.target]
        values[: len(known)] = known
        target = panel.target_names[place.target]
        return InspectedWindow(
            label=str(panel.labels()[place.series]) if panel.keys.shape[1] else target,
            target=target,
            timestamps=panel.to_display_timezone(panel.window_timestamps(first, count))[
                place.series
            ],
            values=values,
            forecast=forecast,
            patch_length=self.config.patch_length,
        )

    def _importance(self, lag_ranges: Sequence[tuple[int, int]]) -> PermutationImportance | None:
        panel = self.cleaned.panel
        covariates = input_columns(
            self.run.plan.features,
            panel.frequency,
            is_irregular=panel.irregular_timestamps is not None,
        )
        index = self._sample_windows(len(lag_ranges) + len(covariates))
        if len(index.item) < 2:
            return None
        parts = [
            probing.InputGroup(f"{begin}", steps=steps)
            for (begin, _), steps in zip(lag_ranges, self._slices(lag_ranges), strict=True)
        ]
        parts += [
            probing.InputGroup(one.name, table=one.table, columns=one.columns) for one in covariates
        ]
        error, changes = probing.permutation_importance(
            self.net, self.windows, self._item_indices(index.item), index.origin, parts,
            score=self._make_error_fn(index), repeats=REPEATS, seed=int(self.run.metadata["seed"]),
        )  # fmt: skip
        deviation = changes.std(1, ddof=1) / np.sqrt(REPEATS)
        lags = [*lag_ranges, *(None for _ in covariates)]
        bars = tuple(
            InputImportance(part.name, float(mean), float(uncertain), lag)
            for part, mean, uncertain, lag in zip(
                parts, changes.mean(1), deviation, lags, strict=True
            )
        )
        return PermutationImportance(error, bars, len(index.item), REPEATS)

    def _sample_windows(self, n_inputs: int) -> WindowIndex:
        """Series (as items) and origins of windows like those that training validates with."""
        panel, a = self.cleaned.panel, self.config
        each = n_inputs * -(-a.lookback // a.patch_length) * a.backbone.n_layers
        most = int(np.clip(MAX_WORK // each, MIN_WINDOWS, MAX_WINDOWS))
        nothing = np.empty(0, dtype=np.int64)
        try:
            parts = split_series(panel.lengths, horizon=a.horizon, season=a.season, channels=1)
        except DataError:  # no series is long enough
            return WindowIndex(nothing, nothing, nothing)
        index = validation_windows(parts, horizon=a.horizon, channels=1, max_windows=most)
        if not len(index.item):
            tested = np.flatnonzero(parts.test_origin >= 0)[:most]
            index = WindowIndex(
                tested, parts.test_origin[tested], parts.test_origin[tested] + a.horizon
            )
        seen = (
            item_target_mask(self.cleaned, joint=True) if self.joint else self.cleaned.target_mask
        )
        first = first_observed(seen, panel.offsets)
        begun = index.origin > first[self._item_indices(index.item)]
        return WindowIndex(index.item[begun], index.origin[begun], index.target_end[begun])

    def _make_error_fn(self, index: WindowIndex) -> Callable[[Floats], float]:
        """The mean absolute error of medians `[W, H, C]`, in percent of the size of each window."""
        panel, target = self.cleaned.panel, self.location.target
        values = np.where(self.cleaned.target_mask, panel.targets, np.nan)[:, target]
        rows = (panel.offsets[index.item] + index.origin)[:, None]  # [W, 1]
        actual = values[rows + np.arange(self.config.horizon)]
        back = np.arange(-self.config.input_length, 0)
        inside = back >= -index.origin[:, None]
        history = np.where(inside, np.abs(values[np.maximum(rows + back, 0)]), np.nan)
        size = _finite_mean(history, axis=1)[:, None]

        def score(medians: Floats) -> float:
            relative = np.abs(actual - self.to_original_units(medians)) / np.where(
                size > 0, size, np.nan
            )
            return float(100 * np.nan_to_num(_finite_mean(relative.reshape(-1), axis=0)))

        return score


def _finite_mean(values: Floats, axis: int) -> Floats:
    """The mean of what is known, NaN where nothing is."""
    known = np.isfinite(values)
    count = known.sum(axis)
    total = np.where(known, values, 0.0).sum(axis)
    mean: Floats = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return mean


def _write_results(
    folder: Path, inspector: WindowInspector, inspection: Inspection, result: InspectResult
) -> InspectResult:
    """The pictures, the page and the numbers are in `folder`."""
    # matplotlib takes half a second to load: not before the place and the data are known to be good
    from rnnforecast.output.inspection.page import build_sections, render_inspection_page

    parts = build_sections(inspection)
    for part in parts:
        write_bytes(folder / f"{part.name}.png", part.png)
    result = InspectResult(
        **{**asdict(result), "findings": {part.name: part.finding for part in parts}}
    )
    text = render_inspection_page(
        f"Inside the run {result.run}", _summary_lines(inspector, inspection, result), parts
    )
    write_text(folder / HTML_FILE, text)
    versions = {"versions": inspector.run.metadata["versions"]}
    write_json(folder / JSON_FILE, inspection.to_json() | asdict(result) | versions)
    return result


def _summary_lines(
    inspector: WindowInspector, inspection: Inspection, result: InspectResult
) -> list[str]:
    """What was looked at: the window, and the network."""
    a, scene = inspector.config, inspection.window
    name = scene.label if scene.label == scene.target else f"{scene.label}, {scene.target}"
    which = f"Network {result.member} of {result.members}" if result.members > 1 else "Network"
    layers = f"{a.backbone.n_layers:,} layer{'s' * (a.backbone.n_layers > 1)}"
    reads = f"it reads {a.lookback:,} steps, {a.patch_length:,} at once"
    return [
        f"{name}: {a.horizon:,} steps from {format_timestamp(scene.timestamp_at(0))}, known up to {result.origin}.",
        f"{which}: {a.backbone.name}, {layers} of {a.hidden_size:,} units; {reads}.",
    ]
