"""The job that draws Vega-Lite specifications as SVG and PNG: what goes in and what comes out.

It has a process of its own since the library holds Python's lock for up to a second, in which no key press would be
stored. Knows no chart.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import Refused
from core.jobs.bundle import Bundle, Report
from core.jobs.kinds import JobKind
from core.store.whole_files import disk_errors

if TYPE_CHECKING:
    from core.project import Project

SCALE = 3.0
"""pixels of a PNG for each of the specification's: some 300 an inch in a column of a paper"""


@dataclass(frozen=True)
class FigureParams:
    """forms: svg, png. Specifications are `in/NAME.vl.json`."""

    names: tuple[str, ...]
    forms: tuple[str, ...]
    scale: float


@dataclass(frozen=True)
class FigureResult:
    """files: in `out/`."""

    files: tuple[str, ...]


FIGURES = JobKind("figures", FigureParams, FigureResult)


def draw_figures(
    project: "Project", report: Report, specs: Mapping[str, Mapping[str, Any]], forms: tuple[str, ...] = ("svg", "png")
) -> dict[str, bytes]:
    """File name -> content, for each name and form. Nothing stays of what went in.

    Raises JobBroke, and Refused where the disk is full.
    """
    if not specs:
        return {}
    bundle = project.jobs.prepare(FIGURES, FigureParams(tuple(specs), forms, SCALE))
    try:
        with disk_errors("What figures are drawn from"):
            for name, spec in specs.items():
                file = bundle.path / "in" / f"{name}.vl.json"
                file.write_text(json.dumps(spec, ensure_ascii=False), encoding="utf-8")
            result = project.jobs.run(bundle, FIGURES, report, "Drawing figures")
        content = _read(bundle, result)
        with project.store.transaction() as cursor:
            project.jobs.claim_result(bundle, cursor)
    except Refused as error:
        project.jobs.end(bundle, "failed", str(error))
        raise
    finally:  # annotators' names may stand in charts
        bundle.empty()
    return content


def _read(bundle: Bundle, result: FigureResult) -> dict[str, bytes]:
    return {Path(name).name: (bundle.path / "out" / name).read_bytes() for name in result.files}
