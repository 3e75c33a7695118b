"""Vega-Lite specifications as SVG and PNG, without a browser and without a network. Knows no project."""

import json
from pathlib import Path

from core.paper.figure_job import FigureParams, FigureResult
from gpu_jobs.trainers.trainer_types import Progress


def draw(bundle: Path, params: FigureParams, report: Progress) -> FigureResult:
    """One file for each name and form, into `out`. Nothing is fetched: a specification holds its data."""
    import vl_convert

    files = []
    for done, name in enumerate(params.names):
        report(done, len(params.names))
        spec = json.loads((bundle / "in" / f"{name}.vl.json").read_text(encoding="utf-8"))
        for form in params.forms:
            target = bundle / "out" / f"{name}.{form}"
            if form == "svg":
                target.write_text(vl_convert.vegalite_to_svg(spec, allowed_base_urls=[]), encoding="utf-8")
            else:
                target.write_bytes(vl_convert.vegalite_to_png(spec, scale=params.scale, allowed_base_urls=[]))
            files.append(target.name)
    report(len(params.names), len(params.names))
    return FigureResult(tuple(files))
