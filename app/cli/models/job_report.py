"""`rondo jobs report`: a training job as one HTML page that needs no network, and to Weights & Biases if asked."""

import io
import os
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.options import ProjectOption, errors, folder_of, run_verb
from app.cli.terminal import say
from core.ids import JobId

if TYPE_CHECKING:
    from core.training.entries import TrainingJob
    from core.training.trainers import Value

STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse}td{padding:.1rem 1.5rem .1rem 0;vertical-align:top}svg{max-width:100%;height:auto}"
)
FIGURES = ("epoch", "loss", "eval_loss", "eval_macro_f1", "eval_accuracy")


def report_(
    context: typer.Context,
    job: Annotated[str, typer.Argument(help="Id of a training job, as `rondo jobs` lists it.")],
    out: Annotated[Path, typer.Option("--out", help="The page to write: .html.")],
    to_wandb: Annotated[
        bool,
        typer.Option("--wandb", help="Also to Weights & Biases, as WANDB_PROJECT and its other variables say."),
    ] = False,
    project: ProjectOption = None,
) -> None:
    """Write a page about a training job: parameters, curves, evaluations, scores."""
    with errors():
        from core.errors import BadInput

        if out.suffix.lower() != ".html" or not out.resolve().parent.is_dir():
            raise BadInput(f"--out is {out}; name an .html file in a folder that is there.")
        if to_wandb and not os.environ.get("WANDB_PROJECT"):
            raise BadInput("--wandb needs WANDB_PROJECT in the environment, and WANDB_API_KEY or WANDB_MODE=offline.")
    from core.training import watching

    result = run_verb(folder_of(context, project), watching.job, job=JobId(job))
    with errors():
        from core.store.whole_files import disk_errors, write_whole

        page = report_page(result)
        with disk_errors(str(out)):
            write_whole(out.resolve(), page.encode())
        say(f"Wrote {out}.")
        if to_wandb:
            _send(result, page)
            say(f"Sent it to the project {os.environ['WANDB_PROJECT']} of Weights & Biases.")


def report_page(job: "TrainingJob") -> str:
    """HTML with the pictures in it, and no script."""
    from app.cli.models.training import shown_lines

    title = escape(f"{job.trainer}, {job.id}")
    rows = "".join(f"<tr><td>{escape(name)}<td>{escape(str(value))}" for name, value in _values(job).items())
    parts = [
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>{STYLE}</style>',
        f"<h1>{title}</h1>",
        *(f"<p>{escape(line.strip())}" for line in shown_lines(job) if not line.startswith("  with ")),
        f"<h2>Parameters</h2><table>{rows}</table>",
        *_pictures(job),
        *_evaluations(job),
    ]
    return "\n".join(parts) + "\n</html>\n"


def _pictures(job: "TrainingJob") -> Iterator[str]:
    from app.charts.training import evaluation_chart, loss_chart

    for name, chart in (("Loss", loss_chart(job.events)), ("Held out", evaluation_chart(job.events))):
        if chart is not None:
            picture = io.StringIO()
            chart.properties(width=700).save(picture, format="svg")
            yield f"<h2>{name}</h2>{picture.getvalue()}"


def _evaluations(job: "TrainingJob") -> Iterator[str]:
    """A row for each: what the pictures show, in figures."""
    rows = [event for event in job.events if event.keys() & {"eval_macro_f1", "eval_accuracy"}]
    if rows:
        head = "".join(f"<td>{name}" for name in ("step", *FIGURES))
        body = "".join(
            f"<tr><td>{row['done']:,}" + "".join(f"<td>{row[name]:.4g}" if name in row else "<td>" for name in FIGURES)
            for row in rows
        )
        yield f"<h2>Evaluations</h2><table><tr>{head}{body}</table>"


def _send(job: "TrainingJob", page: str) -> None:
    """A run of its own, so that it can be sent again. Raises Refused where it cannot be sent."""
    from core.errors import Refused

    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    try:
        import wandb
    except ImportError:
        raise Refused("wandb is not installed: pip install 'rondo[tracking]'. The page was written.") from None
    quiet = wandb.Settings(console="off", silent=True, disable_git=True, save_code=False, init_timeout=30)
    try:
        run = wandb.init(name=f"{job.id} report", job_type="report", config=_values(job), settings=quiet)
        run.log({"report": wandb.Html(page, inject=False)})
        run.finish()
    except Exception as error:  # a tracker may fail in any way
        raise Refused(f"Weights & Biases did not take the page ({str(error).splitlines()[0][:200]}).") from error


def _values(job: "TrainingJob") -> "dict[str, Value]":
    """The parameters, of a folder on this machine its name alone: the page may be passed on."""
    folders = {name: Path(str(value)).name for name, value in job.values.items() if str(value).startswith(os.sep)}
    return job.values | folders
