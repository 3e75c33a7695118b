"""The command line: reads options, calls a verb, prints what came of it. Imports nothing heavy until a command runs."""

import csv
from pathlib import Path
from typing import Annotated, Any

import typer

from app.cli.backup import backup, check, repair, restore
from app.cli.data.encode import encode_
from app.cli.data.export_file import export, formats_, push_data_
from app.cli.data.import_file import import_
from app.cli.data.paper import paper_
from app.cli.data.predict import predict_
from app.cli.data.prepare import balance_, clean_, split_
from app.cli.data.sheets import apply_, review_, samples_
from app.cli.data.taxonomy import taxonomy as taxonomy_commands
from app.cli.data.trees import features_, gather_, snapshots
from app.cli.erase import erase_
from app.cli.inspection import auto_, calibrate, inspect_, map_, quality_, withdraw_
from app.cli.models.evaluation import compare, evaluate
from app.cli.models.hosted import hosted
from app.cli.models.job_report import report_
from app.cli.models.models import models, retrain
from app.cli.models.training import jobs, train, trainers
from app.cli.options import (
    NoTokenOption,
    ProjectOption,
    errors,
    folder_of,
)
from app.cli.pairs.merges import merges
from app.cli.pairs.pairs import candidates_, dedup, predict_pairs_
from app.cli.people import history_, people
from app.cli.rounds import fit, next_, rechoose, round_
from app.cli.status import status
from app.cli.steps.extract import extract
from app.cli.suggest import suggest
from app.cli.team import team
from app.cli.templates import make_from_template, templates
from app.cli.terminal import say
from app.cli.trials import demo, replay

app = typer.Typer(
    name="rondo",
    help="From unlabelled records to labels of known accuracy: import, label in the browser, learn, ask again.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


HomeOption = Annotated[
    Path | None,
    typer.Option("--home", help="Folder of projects, opened where none is. Default: RONDO_HOME, else ~/rondo."),
]


@app.callback(invoke_without_command=True)
def root(context: typer.Context, project: ProjectOption = None, home: HomeOption = None) -> None:
    """What holds for every command; without one it opens the home, a page with all your projects."""
    context.obj = project
    if context.invoked_subcommand is not None:
        context.meta["home"] = home
        return
    if home is None and (project is not None or _in_project()):
        typer.echo(context.get_help())
        return
    with errors():
        _open_home(home, port=8501)


def _in_project() -> bool:
    """Is there a project, or what is left of one, in the folder that one stands in?"""
    from core.config.settings import DATABASE, FILE

    return Path(FILE).exists() or Path(DATABASE).exists()


def _open_home(home: Path | None, **listening: Any) -> None:
    from app.cli.demo import open_page
    from app.home_server import serve_home
    from app.server import Listening
    from core.home.folders import default_home

    def announce(link: str) -> None:
        say(f"Your projects are at {link} (Ctrl-C stops it).")
        open_page(link)

    serve_home(home or default_home(), Listening(**listening), announce)


@app.command()
def init(
    path: Annotated[Path, typer.Argument(help="Folder to make.")],
    labels: Annotated[
        str,
        typer.Option(help='Label names, comma-separated; "a, b" is one. Can also come with the first import.'),
    ] = "",
    multi: Annotated[bool, typer.Option("--multi", help="Several labels may hold for one record.")] = False,
    task: Annotated[str, typer.Option(help="What an answer is.")] = "labels",
    taxonomies: Annotated[
        str, typer.Option(help="In place of labels: a TOML file with [[taxonomy.labels]], or a template: folders.")
    ] = "",
    taxonomy: Annotated[str, typer.Option(help="Which of the taxonomies to answer with.")] = "",
    steps: Annotated[
        str, typer.Option(help="What structured answers hold: a TOML or Python file, or a template's name.")
    ] = "",
    template: Annotated[str, typer.Option(help="In place of all that: `rondo template list` has them.")] = "",
) -> None:
    """Make a project."""
    with errors():
        if template:
            return make_from_template(path, template, [labels, taxonomies, taxonomy, steps])
        from core.config.taxonomy_steps import load_taxonomies, use_taxonomy
        from core.extract.step_files import load_steps
        from core.loop import create_project
        from core.tasks.tasks import TASKS

        names = [name.strip() for row in csv.reader([labels], skipinitialspace=True) for name in row if name.strip()]
        loaded = load_taxonomies(taxonomies) if taxonomies else None
        if loaded and taxonomy:
            loaded = use_taxonomy(loaded, taxonomy)
        chosen_steps = load_steps(steps) if steps else ()
        create_project(path, names, multi=multi, task=task, steps=chosen_steps, taxonomies=loaded)
        say(f"Made {path}. Next: rondo --project {path} import FILE --text COLUMN")
        if TASKS[task].two_sides:
            say("A file of pairs instead: import FILE --left COLUMN --right COLUMN --label COLUMN")


@app.command()
def up(
    context: typer.Context,
    host: Annotated[
        str, typer.Option(help="Address to listen on; others than loopback need access codes: rondo people add NAME.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8501,
    public_address: Annotated[
        str,
        typer.Option(
            envvar="RONDO_PUBLIC_ADDRESS", help="What people open, where a proxy stands before it: https://host/path."
        ),
    ] = "",
    no_token: NoTokenOption = False,
    home: HomeOption = None,
    project: ProjectOption = None,
) -> None:
    """Start the app: pages to label and to see where you stand. Outside of a project: the home, with all of them."""
    with errors():
        from app.server import Listening, serve

        home = home or context.meta.get("home")
        if home or not (project or context.obj or _in_project()):
            where = {"host": host, "port": port, "public": public_address, "no_token": no_token}
            return _open_home(home, **where)
        listening = Listening(host, port, public_address, no_token)
        serve(folder_of(context, project), listening, lambda link: say(f"Rondo is at {link} (Ctrl-C stops it)."))


app.command("encode")(encode_)
app.command()(export)
app.command("paper")(paper_)
app.command("push-data")(push_data_)
app.command("formats")(formats_)
app.command("gather")(gather_)
app.add_typer(snapshots, name="snapshots")
app.command("features")(features_)
app.command("samples")(samples_)
app.command("apply")(apply_)
app.command("review")(review_)
app.command()(status)
app.command("import")(import_)
app.command("clean")(clean_)
app.command("balance")(balance_)
app.command("split")(split_)
app.command("next")(next_)
app.command()(fit)
app.command("round")(round_)
app.command()(backup)
app.command()(restore)
app.command("check")(check)
app.command()(repair)
app.command("erase")(erase_)
app.command("auto")(auto_)
app.command("withdraw")(withdraw_)
app.command()(calibrate)
app.command("inspect")(inspect_)
app.command("quality")(quality_)
app.command("map")(map_)
app.command()(rechoose)
app.command()(train)
app.command()(trainers)
jobs.command("report")(report_)
app.add_typer(jobs, name="jobs")
app.add_typer(hosted, name="hosted")
app.command()(evaluate)
app.command()(compare)
app.command("predict")(predict_)
app.add_typer(models, name="models")
app.command()(retrain)
app.add_typer(taxonomy_commands, name="taxonomy")
app.add_typer(team, name="team")
app.add_typer(people, name="people")
app.command("history")(history_)
app.add_typer(extract, name="extract")
app.command("candidates")(candidates_)
app.command("predict-pairs")(predict_pairs_)
app.command()(suggest)
app.command()(dedup)
app.add_typer(merges, name="merges")
app.add_typer(templates, name="template")
app.command()(replay)
app.command()(demo)
