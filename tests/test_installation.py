"""What is installed is what stands in constraints.txt, down to the last package that another one draws in."""

import re
import tomllib
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
LINES = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
PINNED = {
    str(canonicalize_name(name)): version for name, version in re.findall(r"^([\w.-]+)==(\S+)$", "\n".join(LINES), re.M)
}


def drawn_in(requirement: Requirement, seen: dict[str, str], extras: frozenset[str] = frozenset()) -> None:
    """Puts name and version into `seen`, of the package and of all that it needs here."""
    name = canonicalize_name(requirement.name)
    key = f"{name}[{','.join(sorted(requirement.extras))}]"
    if key in seen or not fits(requirement, extras):
        return
    matches = distribution(name)
    seen[key] = matches.version
    for line in matches.requires or ():
        drawn_in(Requirement(line), seen, frozenset(requirement.extras))


def fits(requirement: Requirement, extras: frozenset[str]) -> bool:
    marker = requirement.marker
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras))


def test_every_line_pins_one_version() -> None:
    assert [line for line in LINES if not line.startswith("#") and not re.fullmatch(r"[\w.-]+==\S+", line)] == []


def test_all_that_is_installed_for_us_is_pinned_to_what_is_installed() -> None:
    seen: dict[str, str] = {}
    drawn_in(Requirement("rondo[dev]"), seen)
    versions = {key.partition("[")[0]: version.partition("+")[0] for key, version in seen.items()}
    versions.pop("rondo")
    assert len(versions) > 100
    assert {name: version for name, version in versions.items() if PINNED.get(name) != version} == {}


def test_what_builds_the_package_is_pinned() -> None:
    system = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["build-system"]["requires"]
    needed = {canonicalize_name(Requirement(line).name) for line in system} | {"editables", "trove-classifiers", "pip"}
    assert needed <= PINNED.keys()
