"""Tables of the paper bundle in LaTeX, Markdown and CSV. Knows columns and rows, not where they come from."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from core.evaluation.metrics import Estimate
from core.paper.markup import PREAMBLE, UNICODE_HINT, latex, markdown, needs_unicode

Cell = str | int | float | Estimate | None
"""a share with its interval is an `Estimate`; None: it was not measured, or too few records tell"""

MISSING = "–"
LONG = 45
"""rows from which on a table goes over pages"""
PAGE = 75
"""letters that stand side by side on a page of LaTeX's article"""


@dataclass(frozen=True)
class PaperTable:
    """name: of its files. caption: plain text, with what a reader must know. rows: in the order shown, each as long as
    `columns`."""

    name: str
    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


def table_of(
    name: str, caption: str, rows: Sequence[Mapping[str, Cell]], columns: Sequence[str] = ()
) -> PaperTable | None:
    """Columns are those of the first row, less those in which no row says anything; None without rows."""
    if not rows:
        return None
    names = [one for one in (columns or rows[0]) if any(row.get(one) not in (None, "") for row in rows)]
    return PaperTable(name, caption, tuple(names), tuple(tuple(row.get(one) for one in names) for row in rows))


def table_files(table: PaperTable) -> dict[str, str]:
    """File name -> content."""
    return {
        f"{table.name}.tex": table_latex(table),
        f"{table.name}.md": table_markdown(table),
        f"{table.name}.csv": _csv(table),
    }


def cell_text(cell: Cell) -> str:
    """As a reader sees it: '61.0 % (54.2 to 67.3)' of a share with an interval."""
    match cell:
        case None:
            return MISSING
        case Estimate():
            return f"{100 * cell.value:.1f} % ({100 * cell.low:.1f} to {100 * cell.high:.1f})"
        case int():
            return f"{cell:,}"
        case float():
            return f"{cell:.3f}"
    return cell


def table_markdown(table: PaperTable) -> str:
    """A table of GitHub's kind, its caption above."""
    lines = [_row(map(markdown, table.columns)), _row(["---"] * len(table.columns))]
    lines += [_row(markdown(cell_text(cell)) for cell in row) for row in table.rows]
    return "\n".join([markdown(table.caption), "", *lines]) + "\n"


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def table_latex(table: PaperTable) -> str:
    """With booktabs' rules, or plain lines where it is not loaded; a long one needs longtable. One that is wider than
    the page is made smaller or, where it is long, turned on its side."""
    long = len(table.rows) > LONG
    sides = "".join("r" if _is_number(table, index) else "l" for index in range(len(table.columns)))
    head = f"{' & '.join(map(latex, table.columns))} \\\\"
    body = [f"{' & '.join(latex(cell_text(cell)) for cell in row)} \\\\" for row in table.rows]
    caption = f"\\caption{{{latex(table.caption)}}}\\label{{tab:rondo-{table.name}}}"
    inner = ["\\toprule", head, "\\midrule", *body, "\\bottomrule"]
    if long:
        inner = [caption, "\\\\", "\\toprule", head, "\\midrule", "\\endhead", *body, "\\bottomrule"]
        lines = [f"\\begin{{longtable}}{{{sides}}}", *inner, "\\end{longtable}"]
        if _letters(table) > PAGE:
            lines = ["\\begin{landscape}\\footnotesize", *lines, "\\end{landscape}"]
    else:
        tabular = [f"\\fitted{{\\begin{{tabular}}{{{sides}}}", *inner, "\\end{tabular}}"]
        lines = ["\\begin{table}", "\\centering", caption, *tabular, "\\end{table}"]
    text = "\n".join(lines)
    hints = [*PREAMBLE, *(["% It needs the package longtable."] if long else [])]
    hints += [UNICODE_HINT] if needs_unicode(text) else []
    return "\n".join([*hints, text]) + "\n"


def _letters(table: PaperTable) -> int:
    """Width of the longest cells side by side, with the space between columns."""
    columns = zip(table.columns, *([cell_text(cell) for cell in row] for row in table.rows), strict=True)
    return sum(max(map(len, cells)) + 2 for cells in columns)


def _is_number(table: PaperTable, column: int) -> bool:
    cells = [row[column] for row in table.rows if row[column] is not None]
    return bool(cells) and all(not isinstance(cell, str) for cell in cells)


def _csv(table: PaperTable) -> str:
    """Shares from 0 to 1, each with the ends of its interval in columns of their own; empty where nothing was
    measured."""
    shares = {index for row in table.rows for index, cell in enumerate(row) if isinstance(cell, Estimate)}
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    titles = [
        [name, f"{name} low", f"{name} high"] if at in shares else [name] for at, name in enumerate(table.columns)
    ]
    writer.writerow([title for part in titles for title in part])
    for row in table.rows:
        parts = [_ends(cell) if at in shares else [cell] for at, cell in enumerate(row)]
        writer.writerow(["" if value is None else value for part in parts for value in part])
    return text.getvalue()


def _ends(cell: Cell) -> list[Cell]:
    if isinstance(cell, Estimate):
        return [round(cell.value, 6), round(cell.low, 6), round(cell.high, 6)]
    return [cell, None, None]
