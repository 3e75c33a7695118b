"""Labelled texts in many languages: descriptions of Debian packages, whose section is the label.

    python -m benchmarks.package_descriptions LISTS OUT [--languages en,de,es,ja,ko,zh]

LISTS is a folder that `apt-get update` has filled with Packages and, by `Acquire::Languages`, Translation files. Writes
OUT/debian_LANGUAGE.parquet with the columns text (the short description and the first paragraph), label and split (a
fifth judges). Packages of one source whose descriptions begin alike stand in the same part.
"""

import argparse
import re
import subprocess
import zlib
from collections.abc import Iterator
from pathlib import Path

SECTIONS = (
    *("admin", "database", "doc", "editors", "electronics", "fonts", "games", "graphics", "hamradio", "httpd", "mail"),
    *("math", "net", "science", "sound", "text", "vcs", "video", "x11"),
)
"""those that say what a package is for; the others say in which language it is written, or that it is a library"""
LEAST = 15
"""records of a label, else it is left out"""


def entries(file: Path) -> Iterator[dict[str, str]]:
    """Field -> text of each paragraph. apt's own helper reads whatever it was compressed with."""
    done = subprocess.run(["/usr/lib/apt/apt-helper", "cat-file", str(file)], capture_output=True, check=True)
    for paragraph in done.stdout.decode("utf-8").split("\n\n"):
        fields = re.split(r"^([A-Za-z0-9_-]+): ?", paragraph, flags=re.MULTILINE)
        yield {name: text.strip() for name, text in zip(fields[1::2], fields[2::2], strict=True)}


def text_of(description: str) -> str:
    """The short description and the first paragraph of the long one."""
    short, _, rest = description.partition("\n")
    lines = [line.strip() for line in rest.splitlines()]
    first = lines[: lines.index(".")] if "." in lines else lines
    return f"{short.strip()}. {' '.join(first)}".strip()


def records(lists: Path, language: str, sections: dict[str, tuple[str, str]]) -> list[tuple[str, str, str]]:
    """(text, label, split) of each description that is not there twice. sections: package -> (section, source)."""
    rows: dict[str, tuple[str, str, str]] = {}
    for file in sorted(lists.glob(f"*_bookworm_main_i18n_Translation-{language}*")):
        for entry in entries(file):
            section, source = sections.get(entry.get("Package", ""), ("", ""))
            description = next((text for name, text in entry.items() if name.startswith(f"Description-{language}")), "")
            text = text_of(description)
            if section in SECTIONS and len(text) > 40:
                split = "test" if zlib.crc32(source.encode()) % 5 == 0 else "train"
                rows.setdefault(text[:40], (text, section, split))
    return list(rows.values())


def main() -> None:
    """One file for each language, and a line of what it holds."""
    import polars as pl

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lists", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--languages", default="en,de,es,ja,ko,zh")
    options = parser.parse_args()
    sections: dict[str, tuple[str, str]] = {}
    for file in sorted(options.lists.glob("*_bookworm_main_binary-*_Packages*")):
        for entry in entries(file):
            if "Package" in entry:
                source = entry.get("Source", entry["Package"]).split()[0]
                sections[entry["Package"]] = (entry.get("Section", ""), source)
    for language in options.languages.split(","):
        rows = records(options.lists, language, sections)
        table = pl.DataFrame(rows, schema=["text", "label", "split"], orient="row")
        enough = table["label"].value_counts().filter(pl.col("count") >= LEAST)["label"]
        table = table.filter(pl.col("label").is_in(enough.to_list()))
        table.write_parquet(options.out / f"debian_{language}.parquet")
        print(f"{language}: {len(table):,} texts, {table['label'].n_unique()} labels")


if __name__ == "__main__":
    main()
