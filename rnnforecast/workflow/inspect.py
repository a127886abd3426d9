"""`inspect`: plots of the activations of a network, and of what a forecast depends on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rnnforecast.data.cleaning_plan import CleanedData, prepare_data
from rnnforecast.data.features.checks import check_future_known
from rnnforecast.data.time.format import format_timestamp
from rnnforecast.output.atomic_files import write_bytes, write_text
from rnnforecast.output.atomic_folders import atomic_folder
from rnnforecast.output.inspection.results import Inspection
from rnnforecast.output.json_files import write_json
from rnnforecast.pipeline.progress import NullListener, ProgressListener
from rnnforecast.pipeline.run import Run
from rnnforecast.pipeline.run_folder import load_run
from rnnforecast.pipeline.run_versions import run_name
from rnnforecast.wording import count_of
from rnnforecast.workflow.inspect_selection import (
    InspectRequest,
    WindowLocation,
    select_window,
)
from rnnforecast.workflow.inspect_window import WindowInspector

JSON_FILE, HTML_FILE = "inspect.json", "inspect.html"

DEFAULT_REQUEST = InspectRequest()


@dataclass(frozen=True)
class InspectResult:
    """What `inspect` wrote."""

    run: str
    out: str
    series: str
    target: str
    origin: str
    """The last timestamp before the forecast."""
    member: int
    members: int
    findings: dict[str, str]
    """A sentence for each plot, by the name of its file."""


def inspect(
    folder: Path,
    out: Path,
    *,
    request: InspectRequest = DEFAULT_REQUEST,
    data: Sequence[str] | None = None,
    force: bool = False,
    listener: ProgressListener | None = None,
) -> InspectResult:
    """Writes plots, a page and `inspect.json` about a network of a run to the folder `out`.

    The network runs on the CPU, so that machines with and without a GPU give the same numbers.

    Args:
        folder: the run.
        request: network, series, target and origin.
        data: files to read instead of those of the spec.
        force: whether any folder at `out` is replaced.

    Raises:
        UsageError, RunFolderError, DataError, OutputError.
    """
    listener = listener or NullListener()
    run = load_run(folder)
    net = run.members[run.member_index(request.member)].net
    location, cleaned = _prepare_window(run, request, data or run.source)
    # before the inspection, so that a folder that cannot be written fails now
    with atomic_folder(out, "inspection", force=force) as partial:
        inspection = WindowInspector(run, net, cleaned, location).inspect()
        result = InspectResult(
            run=run_name(folder),
            out=str(out),
            series=inspection.window.label,
            target=inspection.window.target,
            origin=format_timestamp(inspection.window.timestamp_at(-1)),
            member=request.member,
            members=len(run.members),
            findings=_write_page(partial, run, run_name(folder), request.member, inspection),
        )
        versions = {"versions": run.metadata["versions"]}
        write_json(partial / JSON_FILE, inspection.to_json() | asdict(result) | versions)
    if result.members > 1:
        listener.info(f"network {result.member} of the {result.members} of this run")
    return result


def _prepare_window(
    run: Run, request: InspectRequest, source: Sequence[str]
) -> tuple[WindowLocation, CleanedData]:
    """The window to inspect, and the data, cleaned as at training."""
    horizon = run.horizon
    cleaned = prepare_data(run.plan, source, horizon=horizon)
    panel = cleaned.panel
    location = select_window(request, cleaned, horizon=horizon, plotted_series=run.plotted_series)
    steps_ahead = location.origin + horizon - int(panel.lengths[location.series])
    check_future_known(run.plan.features, cleaned.table, panel, max(steps_ahead, 0))
    return location, cleaned


def _write_page(
    folder: Path, run: Run, run_name: str, member: int, inspection: Inspection
) -> dict[str, str]:
    """Writes the page and its plots; returns the finding of each plot by its name."""
    # matplotlib takes half a second to load
    from rnnforecast.output.inspection.page import build_sections, render_inspection_page

    sections = build_sections(inspection)
    for section in sections:
        write_bytes(folder / f"{section.name}.png", section.png)
    lines = _summary_lines(run, member, inspection)
    write_text(
        folder / HTML_FILE,
        render_inspection_page(f"What the forecasts of {run_name} depend on", lines, sections),
    )
    return {section.name: section.finding for section in sections}


def _summary_lines(run: Run, member: int, inspection: Inspection) -> list[str]:
    """A line about the window and one about the network."""
    config, window = run.members[member - 1].net.config, inspection.window
    name = window.label if window.label == window.target else f"{window.label}, {window.target}"
    first, origin = (format_timestamp(window.timestamp_at(step)) for step in (0, -1))
    which = f"Network {member} of {len(run.members)}" if len(run.members) > 1 else "Network"
    layers = count_of(config.backbone.n_layers, "layer")
    reads = f"it reads {config.lookback:,} steps, {config.patch_length:,} at once"
    return [
        f"{name}: {config.horizon:,} steps from {first}, known up to {origin}.",
        f"{which}: {config.backbone.name}, {layers} of {config.hidden_size:,} units; {reads}.",
    ]
