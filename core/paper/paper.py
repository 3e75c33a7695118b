"""The paper bundle: methods text, tables, figures and the supplement of a project, as a folder or a zip."""

import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from core.errors import BadInput
from core.jobs.bundle import Report
from core.paper.facts import PaperFacts, read_facts
from core.paper.figure_job import draw_figures
from core.paper.figures import Spec, caption_of, paper_figures
from core.paper.markup import PREAMBLE, UNICODE_HINT, latex, markdown, needs_unicode
from core.paper.methods import Section, as_text, methods, not_measured
from core.paper.reproduction import reproduction
from core.paper.result_tables import result_tables
from core.paper.supplement import public_encoder, write_supplement
from core.paper.tables import PaperTable, table_files, table_latex, table_markdown
from core.project import Project
from core.reports.datacard import ModelFacts
from core.store.database import utc_now
from core.store.private_files import private_folder
from core.store.targets import refuse_target
from core.store.whole_files import disk_errors, sha256_of, whole_file
from core.typed_json import to_json

SUMS = "SHA256SUMS"


@dataclass(frozen=True)
class PaperBundle:
    """path: of the folder or zip. tables, figures: their names. answers: rows of the supplement. missing: sentences on
    what a reader will not find in it."""

    path: str
    files: int
    tables: tuple[str, ...]
    figures: tuple[str, ...]
    answers: int
    missing: tuple[str, ...]


def paper(project: Project, report: Report, *, out: str = "", texts: bool = False, names: bool = False) -> PaperBundle:
    """Writes what a paper may say of the project and what a reviewer needs to choose its rounds again.

    out: a new folder, or a file that ends in .zip, which is replaced; empty for exports/paper-<time> of the project.
    texts: the records' texts and people's notes come along. names: of the annotators, who are numbered otherwise.
    Written whole or not at all. Raises BadInput for a place that cannot be written to.
    """
    target = _target(project, out)
    report("Reading what was measured", 0, 3)
    facts = read_facts(project, report, names=names)
    specs = paper_figures(facts)
    drawn = draw_figures(project, report, specs)
    report("Writing the bundle", 2, 3)
    content = _Content(facts, methods(facts), result_tables(facts), specs, drawn, not_measured(facts), texts)
    with disk_errors(f"The bundle {target}"), whole_file(target) as partial:
        if target.suffix.lower() == ".zip":
            with TemporaryDirectory(".partial", "paper-", private_folder(project.folder)) as folder:  # swept
                answers, files = _write(project, content, Path(folder))
                _zip(Path(folder), partial)
        else:
            partial.mkdir()
            answers, files = _write(project, content, partial)
    report("Writing the bundle", 3, 3)
    tables = tuple(one.name for one in content.tables)
    return PaperBundle(str(target), files, tables, tuple(specs), answers, tuple(content.missing))


@dataclass(frozen=True)
class _Content:
    """What is written. specs, drawn: figures and their files."""

    facts: PaperFacts
    sections: Sequence[Section]
    tables: Sequence[PaperTable]
    specs: Mapping[str, Spec]
    drawn: Mapping[str, bytes]
    missing: Sequence[str]
    texts: bool


def _target(project: Project, out: str) -> Path:
    if not out:
        with disk_errors("The folder of exports"):
            (project.folder / "exports").mkdir(exist_ok=True)
        return project.folder.resolve() / "exports" / f"paper-{utc_now():%Y%m%d-%H%M%S}"
    refuse_target(project, out)
    target = Path(out).resolve()
    zipped = target.suffix.lower() == ".zip"
    is_free = target.is_file() if zipped else target.is_dir() and not any(target.iterdir())
    if target.exists() and not is_free:
        raise BadInput(f"{target} is there already. Name a folder that is new or empty, or a file that ends in .zip.")
    if not target.parent.is_dir():
        raise BadInput(f"There is no folder {target.parent}; make it first or choose another.")
    return target


def _write(project: Project, content: _Content, folder: Path) -> tuple[int, int]:
    """(answers, files)."""
    facts = content.facts
    files: dict[str, str | bytes] = {
        "methods.md": as_text(content.sections, markdown, "### {}"),
        "methods.tex": _hinted(as_text(content.sections, latex, "\\paragraph{{{}}}")),
        "tables/tables.md": "\n".join(map(table_markdown, content.tables)),
        "supplement.tex": _document(content),
        "measured.json": _json(_measured(content)),
        "versions.json": _json({**facts.versions, "code": facts.code}),
        "REPRODUCE.md": reproduction(facts),
        "README.md": _readme(content),
    }
    for table in content.tables:
        files |= {f"tables/{name}": text for name, text in table_files(table).items()}
    files |= {f"figures/{name}.vl.json": _json(spec) for name, spec in content.specs.items()}
    files |= {f"figures/{name}": drawn for name, drawn in content.drawn.items()}
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(text.encode() if isinstance(text, str) else text)
    answers = write_supplement(project, facts, folder, texts=content.texts)
    return answers, _write_sums(folder)


def _hinted(text: str) -> str:
    return "\n".join([*PREAMBLE, *([UNICODE_HINT] if needs_unicode(text) else []), "", text])


def _json(value: object) -> str:
    return json.dumps(to_json(value), ensure_ascii=False, indent=1) + "\n"


def _measured(content: _Content) -> dict[str, object]:
    """Every figure as it was measured, for programs."""
    facts = content.facts
    model: ModelFacts | None = facts.card["model"]
    return {
        "card": {**facts.card, "model": model and replace(model, encoder=public_encoder(model.encoder))},
        "model": facts.metrics,
        "figures_rest_on": facts.stratum,
        "tables": content.tables,
        "missing": content.missing,
    }


def _document(content: _Content) -> str:
    """A whole document of LaTeX with the text, tables and figures, to be set as it is."""
    tables = [f"\\input{{tables/{table.name}}}" for table in content.tables]
    figures = [
        f"\\begin{{figure}}\\centering\\includegraphics[width=.7\\linewidth]{{figures/{name}.png}}\n"
        f"\\caption{{{latex(caption_of(name, content.facts))}}}\\label{{fig:rondo-{name}}}\\end{{figure}}"
        for name in content.specs
    ]
    title = latex(f"{content.facts.settings.name}: how its labels came about")
    plain = any(needs_unicode(table_latex(table)) for table in content.tables)
    hint = UNICODE_HINT if plain else "% Any engine sets it: pdfLaTeX, XeLaTeX, LuaLaTeX."
    return "\n".join(
        [
            hint,
            "\\documentclass{article}",
            "\\usepackage{iftex,graphicx,booktabs,longtable,lscape}",
            "\\ifPDFTeX\\usepackage[T1]{fontenc}\\else\\usepackage{fontspec}\\fi",
            "\\setlength{\\emergencystretch}{3em}",
            f"\\title{{{title}}}\\date{{}}",
            "\\begin{document}\\maketitle",
            *("\\input{methods}", *tables, "\\clearpage", *figures),
            "\\end{document}",
            "",
        ]
    )


def _readme(content: _Content) -> str:
    facts = content.facts
    side = "with" if content.texts else "without"
    captions = [f"`figures/{name}` (.svg, .png, .vl.json): {caption_of(name, facts)}" for name in content.specs]
    lines = [
        f"# Paper bundle of {markdown(facts.settings.name)}",
        "",
        f"Written {facts.card['made_at']} by Rondo {facts.versions.get('rondo', '')}. Every figure in it was measured "
        "in the project; nothing was filled in.",
        "",
        "- `methods.md`, `methods.tex`: text for the section on methods, to be pasted and changed as you like",
        "- `supplement.tex`: a whole document with that text, all tables and figures",
        "- `tables/`: each table in LaTeX (booktabs where it is loaded, plain lines where not), Markdown and CSV; "
        "`tables/tables.md` has all",
        "- `figures/`: each as SVG, PNG (300 dots an inch at 9 cm) and Vega-Lite with its data",
        f"- `answers.parquet`, `answers.jsonl`: every answer in the order in which they came, {side} texts of records",
        "- `batches.jsonl`: every round's seed, strategy and records in the order chosen",
        "- `rondo.toml`: the settings; `versions.json`: the software; `measured.json`: all figures for programs",
        "- `REPRODUCE.md`: the commands; `SHA256SUMS`: of every file",
        "",
        "## Figures",
        "",
        *(f"- {line}" for line in captions or ["None: nothing was measured that could be drawn."]),
        "",
        "## Not in it, and what figures cannot say",
        "",
        *(f"- {markdown(sentence)}" for sentence in content.missing),
    ]
    return "\n".join(lines) + "\n"


def _write_sums(folder: Path) -> int:
    """As `sha256sum -c` reads it; returns how many files there are, itself among them."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    lines = [f"{sha256_of(path)}  {path.relative_to(folder).as_posix()}\n" for path in files]
    (folder / SUMS).write_text("".join(lines), encoding="utf-8")
    return len(files) + 1


def _zip(folder: Path, file: Path) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(folder).as_posix())
