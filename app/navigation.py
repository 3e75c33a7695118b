"""Which pages there are, and the right that each needs. Knows no person and draws nothing."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    """One page. right: needed to see the page and to open it by its address; people: in the menu
    only where people sign in; labels: only where answers are labels; sides: only where a record is two sides."""

    file: str
    title: str
    icon: str
    right: str
    people: bool = False
    labels: bool = False
    sides: bool = False

    def in_menu(self, rights: frozenset[str], *, signed_in: bool, labels: bool, sides: bool = False) -> bool:
        """Whether somebody with these rights finds it there. labels: are the project's answers labels? sides: are its
        records two sides?"""
        return self.right in rights and signed_in >= self.people and labels >= self.labels and sides >= self.sides


ENTRIES = (
    Entry("overview", "Overview", "home", "manage"),
    Entry("mine", "Your labels", "person", "label", people=True),
    Entry("label", "Label", "label", "label"),
    Entry("rounds", "Rounds", "cycle", "look"),
    Entry("records", "Records", "table_rows", "adjudicate"),
    Entry("clusters", "Clusters", "hub", "adjudicate", sides=True),
    Entry("team", "Team", "group", "adjudicate"),
    Entry("map", "Map", "scatter_plot", "manage"),
    Entry("auto_label", "Machine labels", "smart_toy", "manage"),
    Entry("jobs", "Jobs", "rocket_launch", "manage", labels=True),
    Entry("models", "Models", "model_training", "manage"),
    Entry("export", "Export", "download", "manage"),
    Entry("history", "History", "history", "manage"),
    Entry("settings", "Settings", "settings", "manage"),
)


def home(rights: frozenset[str]) -> str:
    """The page that comes first: the first one that may be opened."""
    return next(entry.file for entry in ENTRIES if entry.right in rights)
