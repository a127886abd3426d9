"""`inspect`: looks into a run's network while it forecasts one window, and at what it hangs on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from rnnforecast.data.cleaning.transforms import Transform
from rnnforecast.data.cleaning_plan import Cleaned, finish, lay, read_table, treat
from rnnforecast.data.features.named import named
from rnnforecast.data.panel.problems import spoken
from rnnforecast.data.windows.origins import Index, first_observed, validation
from rnnforecast.data.windows.split import split
from rnnforecast.errors import DataError
from rnnforecast.inference import attribution as probing
from rnnforecast.output.atomic_files import whole_folder, write_bytes, write_json, write_text
from rnnforecast.output.inspection.results import Bar, Hiding, Importance, Inspected, Scene, Units
from rnnforecast.pipeline.forecasting import (
    items_of,
    windows_of,
)
from rnnforecast.pipeline.progress import Listener, Silent
from rnnforecast.pipeline.rnn_imputation import estimate_of
from rnnforecast.pipeline.run_folder import Run, load_run
from rnnforecast.training import device
from rnnforecast.types import Floats, Ints
from rnnforecast.workflow.inspect_window import Asked, Place, check_member, find

JSON, HTML = "inspect.json", "inspect.html"

FEWEST, MOST = 8, 24
"""Stretches in which the lookback is hidden, and shuffled: whole segments, or parts of them."""
WINDOWS, FEW_WINDOWS, REPEATS = 512, 64, 10
"""Windows that are shuffled, those of a net that takes long, and how often."""
WORK = 100_000
"""Windows times inputs times segments times layers that are taken at most, beyond the few."""
AS_NAMED = Asked()


@dataclass(frozen=True)
class Looked:
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
    request: Asked = AS_NAMED,
    data: Sequence[str] | None = None,
    listener: Listener | None = None,
) -> Looked:
    """Writes pictures, a page and `inspect.json` about a network of the run to the folder `out`.

    `data` are files to read instead of those of the spec. Always on the CPU: the numbers are then
    the same on every machine. Raises UsageError, RunFolderError, DataError, OutputError.
    """
    listener = listener or Silent()
    run = load_run(folder)
    check_member(request.member, len(run.members))
    place, cleaned = _clean(run, request, data)
    with whole_folder(out, replace_if=JSON) as partial:  # first: a place that is taken fails now
        window = Window(run, request.member, cleaned, place)
        found = window.inspected()
        looked = _write(partial, window, found, Looked(
            run=folder.resolve().name,
            out=str(out),
            series=found.scene.label,
            target=found.scene.target,
            origin=spoken(found.scene.stamp(-1)),
            member=request.member,
            members=len(run.members),
            findings={},
        ))  # fmt: skip
    if looked.members > 1:
        listener.say(f"network {looked.member} of the {looked.members} of this run")
    return looked


def _clean(run: Run, request: Asked, data: Sequence[str] | None) -> tuple[Place, Cleaned]:
    """The window to look at, and the data, cleaned as the run says."""
    laid = lay(run.plan, read_table(run.plan, data or run.source), skip_faulty=True)
    treated = treat(run.plan, laid.panel)
    horizon = run.architecture.horizon
    place = find(request, laid.panel, treated, horizon=horizon, plotted_series=run.plotted)
    beyond = place.origin + horizon - int(laid.panel.lengths[place.series])
    cleaned = finish(
        run.plan,
        laid,
        treated,
        horizon=horizon,
        rnn_imputer=estimate_of(run.plan),
        required_steps=max(beyond, 0),
    )
    return place, cleaned


class Window:
    """One window of a panel, and the network that forecasts it."""

    def __init__(self, run: Run, member: int, cleaned: Cleaned, location: Place) -> None:
        self.run, self.cleaned, self.place = run, cleaned, location
        self.net = run.members[member - 1].net
        self.a = self.net.architecture
        self.windows = windows_of(cleaned, [self.a], device.of(self.net), run.items)
        self.joint = self.a.channels > 1
        self.channels = 1 if self.joint else len(cleaned.panel.targets_names)
        self.channel = location.target if self.joint else 0
        """Of the target, among those that are forecast at once."""

    def inspected(self) -> Inspected:
        """All that there is to see."""
        item = int(self._items(np.array([self.place.series]))[0])
        inside = probing.insides(self.net, self.windows, item, self.place.origin, self.channel)
        whole = self.stretches()
        begun = tuple((max(b, -self.place.origin), e) for b, e in whole if e > -self.place.origin)
        plain, without = probing.without(
            self.net, self.windows, item, self.place.origin, self._slices(begun)
        )
        forecast = self.original(plain[None])[0]
        return Inspected(
            scene=self._scene(forecast),
            units=tuple(Units(*track) for track in inside.tracks),
            slope=self._sizes(inside.slope),
            recurrent=None if inside.recurrent is None else self._sizes(inside.recurrent),
            ahead=inside.ahead,
            within=tuple(inside.within),
            importance=self._importance(whole),
            hiding=Hiding(begun, self.original(without) - forecast),
        )

    def _sizes(self, slope: Floats) -> Floats:
        """`[H, L, C]` → `[H, L]`, of the steps that the series has."""
        size: Floats = np.sqrt((slope**2).sum(-1))[:, -self.place.origin :]
        return size

    def stretches(self) -> tuple[tuple[int, int], ...]:
        """What is read in pieces, in steps from the origin: segments, or where they are few equal
        parts of them, where they are many several together."""
        segment, read = self.a.segment, self.a.lookback
        size = segment * -(-read // (segment * MOST))
        parts = (n for n in range(size, 0, -1) if segment % n == 0 and FEWEST * n <= read)
        if read < FEWEST * size:
            size = next((n for n in parts if read <= MOST * n), size)
        ends = range(0, -self.a.lookback, -size)
        begins = [*(end - size for end in ends[:-1]), -self.a.steps_read]
        return tuple(zip(begins, ends, strict=True))[::-1]

    def _slices(self, lag_ranges: Sequence[tuple[int, int]]) -> list[slice]:
        """Stretches as steps of what is read, from the oldest."""
        read = self.a.steps_read
        return [slice(begin + read, end + read) for begin, end in lag_ranges]

    def _items(self, series: Ints) -> Ints:
        return series * self.channels + (0 if self.joint else self.place.target)

    def original(self, values: Floats) -> Floats:
        """What the net forecasts, `[n, H, C]`, as the target in original units, `[n, H]`."""
        transform = self.run.plan.transform
        if not self.joint:
            one = slice(self.place.target, self.place.target + 1)
            transform = Transform(transform.methods[one], transform.powers[one])
        return transform.undo(values)[..., self.channel]

    def _scene(self, forecast: Floats) -> Scene:
        panel, place = self.cleaned.panel, self.place
        past = min(self.a.steps_read, place.origin)
        first = np.zeros(panel.size, dtype=np.int64)
        first[place.series] = place.origin - past
        count = past + self.a.horizon
        own = panel.targets[panel.offsets[place.series] : panel.offsets[place.series + 1]]
        values = np.full(count, np.nan)
        known = own[place.origin - past : place.origin - past + count, place.target]
        values[: len(known)] = known
        target = panel.targets_names[place.target]
        return Scene(
            label=str(panel.labels()[place.series]) if panel.keys.shape[1] else target,
            target=target,
            times=panel.shown(panel.stamps(first, count))[place.series],
            values=values,
            forecast=forecast,
            segment=self.a.segment,
        )

    def _importance(self, lag_ranges: Sequence[tuple[int, int]]) -> Importance | None:
        covariates = named(self.run.plan.features, self.cleaned.panel)
        index = self._sample(len(lag_ranges) + len(covariates))
        if len(index.item) < 2:
            return None
        parts = [
            probing.Part(f"{begin}", stretch=steps)
            for (begin, _), steps in zip(lag_ranges, self._slices(lag_ranges), strict=True)
        ]
        parts += [
            probing.Part(one.name, table=one.table, columns=one.columns) for one in covariates
        ]
        error, changes = probing.shuffled(
            self.net, self.windows, self._items(index.item), index.origin, parts,
            score=self._score(index), repeats=REPEATS, seed=int(self.run.facts["seed"]),
        )  # fmt: skip
        deviation = changes.std(1, ddof=1) / np.sqrt(REPEATS)
        lags = [*lag_ranges, *(None for _ in covariates)]
        bars = tuple(
            Bar(part.name, float(mean), float(uncertain), lag)
            for part, mean, uncertain, lag in zip(
                parts, changes.mean(1), deviation, lags, strict=True
            )
        )
        return Importance(error, bars, len(index.item), REPEATS)

    def _sample(self, n_inputs: int) -> Index:
        """Series (as items) and origins of windows like those that training validates with."""
        panel, a = self.cleaned.panel, self.a
        each = n_inputs * -(-a.lookback // a.segment) * a.recurrent.layers
        most = int(np.clip(WORK // each, FEW_WINDOWS, WINDOWS))
        nothing = np.empty(0, dtype=np.int64)
        try:
            parts = split(panel.lengths, horizon=a.horizon, season=a.season, channels=1)
        except DataError:  # no series is long enough
            return Index(nothing, nothing, nothing)
        index = validation(parts, horizon=a.horizon, channels=1, max_windows=most)
        if not len(index.item):
            tested = np.flatnonzero(parts.test_origin >= 0)[:most]
            index = Index(tested, parts.test_origin[tested], parts.test_origin[tested] + a.horizon)
        seen = items_of(self.cleaned, joint=True) if self.joint else self.cleaned.counted
        first = first_observed(seen, panel.offsets)
        begun = index.origin > first[self._items(index.item)]
        return Index(index.item[begun], index.origin[begun], index.limit[begun])

    def _score(self, index: Index) -> Callable[[Floats], float]:
        """The mean absolute error of medians `[W, H, C]`, in percent of the size of each window."""
        panel, target = self.cleaned.panel, self.place.target
        values = np.where(self.cleaned.counted, panel.targets, np.nan)[:, target]
        rows = (panel.offsets[index.item] + index.origin)[:, None]  # [W, 1]
        actual = values[rows + np.arange(self.a.horizon)]
        back = np.arange(-self.a.steps_read, 0)
        inside = back >= -index.origin[:, None]
        history = np.where(inside, np.abs(values[np.maximum(rows + back, 0)]), np.nan)
        size = _mean(history, axis=1)[:, None]

        def score(medians: Floats) -> float:
            relative = np.abs(actual - self.original(medians)) / np.where(size > 0, size, np.nan)
            return float(100 * np.nan_to_num(_mean(relative.reshape(-1), axis=0)))

        return score


def _mean(values: Floats, axis: int) -> Floats:
    """The mean of what is known, NaN where nothing is."""
    known = np.isfinite(values)
    count = known.sum(axis)
    total = np.where(known, values, 0.0).sum(axis)
    mean: Floats = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return mean


def _write(folder: Path, inspector: Window, inspection: Inspected, result: Looked) -> Looked:
    """The pictures, the page and the numbers are in `folder`."""
    # matplotlib takes half a second to load: not before the place and the data are known to be good
    from rnnforecast.output.inspection.page import page, sections

    parts = sections(inspection)
    for part in parts:
        write_bytes(folder / f"{part.name}.png", part.png)
    result = Looked(**{**asdict(result), "findings": {part.name: part.finding for part in parts}})
    text = page(f"Inside the run {result.run}", _lines(inspector, inspection, result), parts)
    write_text(folder / HTML, text)
    versions = {"versions": inspector.run.facts["versions"]}
    write_json(folder / JSON, inspection.to_json() | asdict(result) | versions)
    return result


def _lines(inspector: Window, inspection: Inspected, result: Looked) -> list[str]:
    """What was looked at: the window, and the network."""
    a, scene = inspector.a, inspection.scene
    name = scene.label if scene.label == scene.target else f"{scene.label}, {scene.target}"
    which = f"Network {result.member} of {result.members}" if result.members > 1 else "Network"
    layers = f"{a.recurrent.layers:,} layer{'s' * (a.recurrent.layers > 1)}"
    reads = f"it reads {a.lookback:,} steps, {a.segment:,} at once"
    return [
        f"{name}: {a.horizon:,} steps from {spoken(scene.stamp(0))}, known up to {result.origin}.",
        f"{which}: {a.recurrent.backbone}, {layers} of {a.hidden_size:,} units; {reads}.",
    ]
