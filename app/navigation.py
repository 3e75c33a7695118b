"""Which pages there are, in which groups, and the right that each needs. Knows no person and draws nothing."""

from dataclasses import dataclass

WORK, QUALITY, MODELS, DATA, PROJECT = "Work", "Quality", "Models", "Data", "Project"


@dataclass(frozen=True)
class Entry:
    """One page. right: needed to see the page and to open it by its address; group: heading in the menu, "" for a page
    that only links lead to; people: in the menu only where people sign in; trains: only where a model can be trained;
    sides: only where a record is two sides; texts: only where it is one text."""

    file: str
    title: str
    icon: str
    right: str
    group: str
    people: bool = False
    trains: bool = False
    sides: bool = False
    texts: bool = False

    def in_menu(self, rights: frozenset[str], *, signed_in: bool, trains: bool, sides: bool = False) -> bool:
        """Whether somebody with these rights finds it there. trains: has the project's task trainers? sides: are its
        records two sides?"""
        allowed = bool(self.group) and self.right in rights and signed_in >= self.people
        return allowed and trains >= self.trains and sides >= self.sides and not (self.texts and sides)


ENTRIES = (
    Entry("label", "Label", "label", "label", WORK),
    Entry("mine", "Your labels", "person", "label", WORK, people=True),
    Entry("records", "Records", "table_rows", "adjudicate", WORK),
    Entry("map", "Map", "scatter_plot", "manage", WORK),
    Entry("clusters", "Clusters", "hub", "adjudicate", WORK, sides=True),
    Entry("overview", "Overview", "home", "manage", QUALITY),
    Entry("rounds", "Rounds", "cycle", "look", QUALITY),
    Entry("team", "Team", "group", "adjudicate", QUALITY),
    Entry("auto_label", "Machine labels", "smart_toy", "manage", MODELS),
    Entry("jobs", "Jobs", "rocket_launch", "manage", MODELS, trains=True),
    Entry("models", "Models", "model_training", "manage", MODELS),
    Entry("predict", "Predict a file", "online_prediction", "manage", MODELS),
    Entry("import", "Import", "upload", "manage", DATA),
    Entry("folders", "Folder trees", "account_tree", "manage", DATA),
    Entry("prepare", "Prepare", "cleaning_services", "manage", DATA, texts=True),
    Entry("export", "Export", "download", "manage", DATA),
    Entry("settings", "Settings", "settings", "manage", PROJECT),
    Entry("history", "History", "history", "manage", PROJECT),
    Entry("upkeep", "Upkeep", "health_and_safety", "manage", PROJECT),
    Entry("measurement", "How this is measured", "straighten", "label", ""),
)
FIRST = "overview"
"""the page that comes first for whoever may open it"""


def home(rights: frozenset[str]) -> str:
    """The page that comes first: the overview, else the first one of the menu that is a person's own."""
    own = [entry for entry in ENTRIES if entry.right in rights]
    return next(entry.file for entry in sorted(own, key=lambda one: (one.file != FIRST, not one.people)))
