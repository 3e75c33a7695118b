"""Where a person may have a file written: not over the project's own files, nor into a device. Writes nothing."""

from pathlib import Path

from core.errors import BadInput
from core.project import Project


def refuse_target(project: Project, out: str) -> None:
    """Raises BadInput for the project's own files, and for what is no plain file (a device, a pipe)."""
    if "\0" in out:
        raise BadInput("The name of the export holds a NUL character. Choose another.")
    target, home = Path(out).resolve(), project.folder.resolve()
    own = target.parent == home and target.suffix.lower() in (".duckdb", ".wal", ".toml", ".partial")
    inside = target.is_relative_to(home) and target.parent != home and not target.is_relative_to(home / "exports")
    if own or inside:
        raise BadInput(f"{target} is a place of the project itself. Choose exports/, or another folder.")
    for name in ("", ".card.md", ".card.json"):
        file = target.with_name(target.name + name)
        if file.exists() and not file.is_dir() and not file.is_file():
            raise BadInput(f"{file} is no plain file (a device or a pipe). Name a file to write to.")
