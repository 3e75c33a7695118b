"""Columns of labels in files: names of the taxonomy, read with care, learnt where the taxonomy has none yet.

Knows words and numbers; not records, ids or how a file is made.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING

from core.config.settings import Settings
from core.config.taxonomy import (
    NONE_OF_THEM,
    SEPARATOR,
    add_label,
    check_new_name,
    clean_name,
    in_order,
    number_key,
    number_of,
)
from core.errors import BadInput, Refused
from core.store.tables import quoted
from core.tasks.columns import MISSING_WORDS, REMEMBERED, CellRules, Cells, Columns, ColumnSummary

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

NOUN = "label"
_NAMED = 20
"""labels that a sentence names"""
MOST_LABELS, MANY_LABELS = 1_000, 10_000
"""More different labels are not labels but a mistaken column; the second where somebody says that they are many."""


@dataclass
class LabelReader:
    """Reads labels as the taxonomy writes them, and counts what it had to make of them.

    known: names of the taxonomy, which mean themselves whatever else they could mean. missing: words that were taken
    for no label. spellings: number -> how the file writes it. none: answers that none of several labels holds. fault:
    the first name that no label can have, for whoever would make labels of these. labels: how many rows have each;
    labelled: rows that have any, or none of several; most: different labels that there may be.
    """

    multi: bool
    known: frozenset[str] = frozenset()
    keep_missing: bool = False
    most: int = MOST_LABELS
    missing: Counter[str] = field(default_factory=Counter)
    spellings: dict[str, set[str]] = field(default_factory=dict)
    none: int = 0
    fault: str | None = None
    labels: Counter[str] = field(default_factory=Counter)
    labelled: int = 0

    @property
    def noun(self) -> str:
        """What people call an answer."""
        return NOUN

    def __post_init__(self) -> None:
        self._numbers = {number_key(name): name for name in self.known}
        self._remembered: dict[str | None, str | None] = {None: None}

    def read(self, column: Cells) -> list[str | None]:
        """Joined by the separator where there are several, each once; "" says none of them, None that there is none."""
        texts = column.joined(SEPARATOR, NONE_OF_THEM, several=self.multi)
        known = self._remembered
        result = [
            known[text] if text in known else self._label(column, index, text) for index, text in enumerate(texts)
        ]
        self.none += result.count("")
        return result

    def _label(self, column: Cells, index: int, text: str | None) -> str | None:
        if text is None:
            return None
        if clean_name(text) == NONE_OF_THEM:
            label: str | None = "" if self.multi else None
        else:
            parts = [clean_name(part) for part in (text.split(SEPARATOR) if self.multi else [text])]
            words = [part for part in parts if part and not self._is_missing(part)]
            label = SEPARATOR.join(dict.fromkeys(self._name(column, index, word) for word in words)) or None
            if len(words) < sum(map(bool, parts)):
                return label  # every time is counted
        if len(self._remembered) < REMEMBERED:
            self._remembered[text] = label
        return label

    def _is_missing(self, word: str) -> bool:
        if self.keep_missing or word not in MISSING_WORDS or word in self.known:
            return False
        self.missing[word] += 1
        return True

    def _name(self, column: Cells, index: int, word: str) -> str:
        if word in self.known:
            return word
        try:
            check_new_name(word)
        except BadInput as error:
            if not self.fault:
                self.fault = f"{column.location(index)}: {error}"
            return word
        if number_of(word) is None:
            return word
        number = number_key(word)
        self.spellings.setdefault(number, set()).add(word)
        return self._numbers.get(number, number)

    def count(self, column: Cells, answers: Iterable[str | None]) -> None:
        """Refuses a column that holds no labels but texts or numbers."""
        self.count_known(label for label in answers if label is not None)
        if len(self.labels) > self.most:
            many = ", or say that there are so many (--many-labels)" if self.most < MANY_LABELS else ""
            fault = f"brings the different labels to more than {self.most:,}"
            column.complain(0, f"{fault}; name the column that holds the labels{many}")

    def count_known(self, answers: Iterable[str]) -> None:
        """Whatever they are; "" is none of them."""
        for label in answers:
            self.labelled += 1
            self.labels.update(label.split(SEPARATOR) if self.multi and label else [label] if label else [])

    def form(self, answer: str) -> str:
        """The order of several labels does not count."""
        return SEPARATOR.join(sorted(answer.split(SEPARATOR)))

    def words(self, answer: str) -> str:
        """Names, as they are."""
        return answer

    def unknown(self, answer: str, *, add: bool) -> str | None:
        """The first name that no label has, or can have, and the label that was probably meant. In an empty taxonomy
        all that can be labels are new ones.
        """
        names = answer.split(SEPARATOR) if self.multi and answer else [answer] if answer else []
        new = next((name for name in names if name not in self.known), None)
        if new is None or (self.known and not add):
            return None if new is None else self._no_label(new)
        try:
            check_new_name(new)
        except BadInput as error:
            return str(error)
        return None

    def _no_label(self, name: str) -> str:
        near = get_close_matches(name, self.known, n=1)
        labels = ", ".join(repr(one) for one in sorted(self.known)[:_NAMED])
        remedy = f"did you mean {near[0]!r}?" if near else f"there are {labels}"
        return f"there is no label {name[:80]!r}; {remedy}"

    def summary(self, declared: Iterable[str]) -> ColumnSummary:
        """The most frequent labels first."""
        return ColumnSummary(
            noun=NOUN,
            labelled=self.labelled,
            missing_words=dict(self.missing.most_common()),
            labels=dict(self.labels.most_common()),
            spellings={number: tuple(sorted(words)) for number, words in self.spellings.items() if words != {number}},
            none_of_them=self.none,
            fault=self.fault,
            doubt=looks_like_labels(self.labels, self.labelled),
            declared=tuple(declared),
        )


def looks_like_labels(labels: Counter[str], labelled: int) -> str | None:
    """A doubt about the whole column, or None. labelled: how many rows have a label."""
    objects = sum(count for name, count in labels.items() if _is_object(name))
    if objects:
        return f"{objects:,} of its {labelled:,} labels are JSON objects: name the column of the labels themselves."
    if labelled >= 5 and len(labels) > labelled / 2:
        return f"It holds {len(labels):,} different labels in {labelled:,} labelled rows: is it the column of labels?"
    return None


def _is_object(name: str) -> bool:
    try:
        return name.startswith("{") and isinstance(json.loads(name), dict)
    except (ValueError, RecursionError):
        return False


def about(settings: Settings) -> dict[str, object]:
    """Whether a record may have several, and the names that there are, of retired labels too."""
    return {"multi": settings.multi, "known": list(settings.taxonomy.ids)}


def reader(about: Mapping[str, object], rules: CellRules) -> LabelReader:
    """about: as above; nothing in it means one label per record, of any name."""
    known = about.get("known")
    names = frozenset(known) if isinstance(known, list | tuple) else frozenset()
    most = MANY_LABELS if rules.many else MOST_LABELS
    return LabelReader(bool(about.get("multi")), names, rules.keep_missing, most)


def learn(summary: ColumnSummary, about: Mapping[str, object], settings: Settings, add: bool) -> Settings:
    """With the file's labels, where the taxonomy has none yet or `add` says so; else unknown ones are refused."""
    if settings.multi != about["multi"]:
        raise Refused("Whether a record may have several labels was changed meanwhile. Import the file again.")
    taxonomy = settings.taxonomy
    if summary.fault:
        raise BadInput(f"{summary.fault} Nothing was imported.")
    unknown = [name for name in summary.labels if name not in taxonomy.spellings]
    if unknown and taxonomy.labels and not add:
        shown = ", ".join(repr(name) for name in unknown[:5]) + (", …" if len(unknown) > 5 else "")
        raise BadInput(
            f"The file holds {len(unknown)} labels that the taxonomy does not: {shown}. "
            "Add them with --add-labels, or correct the file. Nothing was imported."
        )
    if add or not taxonomy.labels:
        # what the file's metadata declare has an order, and is asked about though none has it
        declared = [name for name in summary.declared if name not in taxonomy.spellings]
        unknown = [*dict.fromkeys(declared), *in_order(name for name in unknown if name not in declared)]
    for name in unknown:
        written = summary.spellings.get(name, ())
        taxonomy = add_label(taxonomy, written[0] if len(written) == 1 and "." not in written[0] else name)
    return replace(settings, taxonomy=taxonomy)


# "" is none of them.
_STORED = """
    with named as (select id, annotator, unnest({parts}) as name from ({query})),
    given as (
        select named.id, annotator, coalesce(list(distinct l.id order by l.id) filter (l.id is not null), []) as labels
        from named left join label_ids l using (name) group by named.id, annotator
    )
    select id, annotator, labels, answer_of(labels) as answer from given
"""


def stored(cursor: "DuckDBPyConnection", query: str, settings: Settings) -> str:
    """Names become ids."""
    cursor.execute("create or replace temp table label_ids (name varchar, id varchar)")
    if settings.taxonomy.labels:
        cursor.executemany("insert into label_ids values (?, ?)", list(settings.taxonomy.spellings.items()))
    return _STORED.format(query=query, parts=f"string_split(label, '{SEPARATOR}')" if settings.multi else "[label]")


def written(settings: Settings, column: str) -> str:
    """Names stand in the SQL itself, quoted: a map that is bound takes seventeen times as long."""
    names = ", ".join(f"'{quoted(label.id)}': '{quoted(label.name)}'" for label in settings.taxonomy.labels)
    mapping = f"map {{{names}}}" if names else "map([]::varchar[], []::varchar[])"
    named = f"array_to_string(list_transform({column}, lambda x: {mapping}[x]), '{SEPARATOR}')"
    return f"if(len({column}) = 0, '{NONE_OF_THEM}', {named})"


LABEL_COLUMNS = Columns(about, reader, learn, stored, written)
