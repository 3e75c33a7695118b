"""Cleans texts by rules, and tells which records a model is better off without. Knows files, not the store."""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from core.arrays import Bools, Ints
from core.data.clean_job import REASONS, CleanParams, CleanResult
from core.data.clean_rules import RULES, clean_text
from core.data.ledger import normalise, normalised_hashes
from core.data.near_duplicates import connected, portions, signatures, similar_pairs
from gpu_jobs.trainers.trainer_types import Progress

BATCH = 5_000
"""records that are in memory at once"""
EXAMPLES, MOST_PAIRS = 3, 20
"""shown of a rule or a reason; of leaks, which a person has to look at"""
SHOWN = 300
"""characters of an example"""
WORDS = 2**20
"""cells that words are hashed into: a few rare ones share a cell, which lowers their weights a little"""
CHARACTERS = 20_000
"""of a text that its weights are of"""
FEWEST_WORDS = 3
"""of a text that can be boilerplate; a shorter one is near-empty"""
LETTERS = 24
"""of a text whose language can be told: "oh ok no prob" passes for Norwegian"""
PRESENT = 30
"""per cent of a text, from which it is in that language too"""
_ORDER = list(REASONS)


@dataclass
class CleanedRecords:
    """What is known of each record: (records,) arrays, in parts while they are read. reason: index into REASONS, -1 for
    none. other: the row that it repeats, -1 for none. applies: of each of REASONS, whether it leaves records out.
    """

    numbers: Ints
    protected: Bools
    labelled: Bools
    hashes: npt.NDArray[np.uint64]
    reason: npt.NDArray[np.int8]
    other: Ints
    applies: Bools

    def remaining(self) -> Bools:
        """(records,) those that nothing leaves out so far."""
        return (self.reason < 0) | ~self.applies[self.reason]

    def mark(self, rows: Ints, reason: str, other: Ints | None = None) -> None:
        """The reason of those of the rows that have none yet, or only one that does not apply where this one does."""
        code = _ORDER.index(reason)
        free = (self.reason[rows] < 0) | (~self.applies[self.reason[rows]] & self.applies[code])
        self.reason[rows[free]] = code
        self.other[rows[free]] = -1 if other is None else other[free]


@dataclass(frozen=True)
class Example:
    """Of a rule, or of a reason, by its name. after: the text of the other record, where there is one."""

    kind: str
    name: str
    id: str
    before: str
    after: str
    other_id: str = ""


@dataclass
class Notes:
    """Counts and examples on the way."""

    rules: Counter[str] = field(default_factory=Counter)
    languages: Counter[str] = field(default_factory=Counter)
    changed: int = 0
    examples: list[Example] = field(default_factory=list)

    def add_rules(self, ids: Sequence[str], texts: Sequence[str], rules: Sequence[str]) -> None:
        """What each rule changes by itself."""
        for name in rules:
            for id, text in zip(ids, texts, strict=True):
                after = RULES[name](text)
                if after != text:
                    self.rules[name] += 1
                    if self.rules[name] <= EXAMPLES:
                        self.examples.append(Example("rule", name, id, *_around(text, after)))


def clean(bundle: Path, params: CleanParams, report: Progress) -> CleanResult:
    """Reads `in/texts.parquet` (n, id, text, protected, labelled). The same input gives the same result."""
    from threadpoolctl import threadpool_limits

    started, notes, work = time.monotonic(), Notes(), bundle / "ckpt" / "texts.parquet"
    work.parent.mkdir(parents=True, exist_ok=True)
    with threadpool_limits(1):
        records, frequency = _clean_texts(bundle, params, notes, report)
        _mark_weights(records, params, work, frequency, report)
        _mark_repeats(records)
        if params.near_duplicates:
            _mark_near(records, work)
    marked = records.reason >= 0
    never = np.isin(records.reason, [_ORDER.index(name) for name in ("leak", "duplicate", "near_duplicate")])
    protected = int((marked & records.protected & ~never).sum())
    records.reason[records.protected] = -1
    _write_left_out(bundle / "out", records, notes)
    total = len(records.numbers)
    report(total * 2, total * 2)
    counts = np.bincount(records.reason[records.reason >= 0], minlength=len(REASONS))
    return CleanResult(
        records=total,
        changed=notes.changed,
        rules={name: notes.rules[name] for name in params.rules},
        reasons=dict(zip(REASONS, counts.tolist(), strict=True)),
        protected=protected,
        seconds=round(time.monotonic() - started, 3),
        languages=dict(notes.languages.most_common(20)),
    )


def _clean_texts(
    bundle: Path, params: CleanParams, notes: Notes, report: Progress
) -> tuple[CleanedRecords, npt.NDArray[np.int64]]:
    """All records, and how many have each word; the texts as models read them are beside, for the next pass."""
    import pyarrow as arrow  # type: ignore[import-untyped]
    from pyarrow import parquet

    parts: list[CleanedRecords] = []
    frequency = np.zeros(WORDS, np.int64)
    words, done = _word_counter(), 0
    schema = arrow.schema([("n", arrow.int64()), ("text", arrow.string())])
    with (
        parquet.ParquetFile(bundle / "in" / "texts.parquet") as file,
        parquet.ParquetWriter(bundle / "out" / "cleaned.parquet", schema) as changed,
        parquet.ParquetWriter(bundle / "ckpt" / "texts.parquet", schema) as every,
    ):
        total = file.metadata.num_rows
        for batch in file.iter_batches(BATCH):
            columns: dict[str, list[Any]] = batch.to_pydict()
            texts = columns["text"]
            cleaned = [clean_text(text, params.rules) for text in texts]
            notes.add_rules(columns["id"], texts, params.rules)
            part = _part(columns, cleaned, params)
            part.mark(np.flatnonzero([not text for text in cleaned]), "empty")
            read = [after or before for before, after in zip(texts, cleaned, strict=True)]
            rows = [row for row, text in enumerate(read) if text != texts[row]]
            notes.changed += len(rows)
            changed.write_table(
                arrow.table([[columns["n"][row] for row in rows], [read[row] for row in rows]], schema=schema)
            )
            every.write_table(arrow.table([columns["n"], read], schema=schema))
            _mark_language(part, read, params, notes)
            lengths = np.array([len(text) for text in read])
            part.mark(np.flatnonzero(lengths < params.shortest), "short")
            part.mark(np.flatnonzero(lengths > (params.longest or np.inf)), "long")
            cells = words.transform(text[:CHARACTERS] for text in read)
            frequency += np.bincount(cells.indices, minlength=WORDS)
            parts.append(part)
            done += len(texts)
            report(done, total * 2)
    return _joined(parts), frequency


def _joined(parts: Sequence[CleanedRecords]) -> CleanedRecords:
    return CleanedRecords(
        numbers=np.concatenate([part.numbers for part in parts]),
        protected=np.concatenate([part.protected for part in parts]),
        labelled=np.concatenate([part.labelled for part in parts]),
        hashes=np.concatenate([part.hashes for part in parts]),
        reason=np.concatenate([part.reason for part in parts]),
        other=np.concatenate([part.other for part in parts]),
        applies=parts[0].applies,
    )


def _part(columns: dict[str, list[Any]], cleaned: Sequence[str], params: CleanParams) -> CleanedRecords:
    size = len(cleaned)
    return CleanedRecords(
        numbers=np.array(columns["n"], np.int64),
        protected=np.array(columns["protected"], np.bool_),
        labelled=np.array(columns["labelled"], np.bool_),
        hashes=normalised_hashes(cleaned),
        reason=np.full(size, -1, np.int8),
        other=np.full(size, -1, np.int64),
        applies=np.array([params.applies(name) for name in _ORDER]),
    )


def _word_counter() -> Any:
    """Texts to (texts, WORDS) of ones."""
    from sklearn.feature_extraction.text import HashingVectorizer

    return HashingVectorizer(n_features=WORDS, alternate_sign=False, norm=None, binary=True, dtype=np.float32)


def _mark_language(part: CleanedRecords, texts: Sequence[str], params: CleanParams, notes: Notes) -> None:
    """Only where the detector is sure: of a short text it knows nothing, which is no reason."""
    if not params.languages:
        return
    foreign = []
    for row, text in enumerate(texts):
        codes, sure = _languages(text)
        notes.languages[codes[0]] += 1
        long = sum(map(str.isalpha, text[:500])) >= LETTERS
        if sure and long and codes[0] != "un" and not set(codes) & set(params.languages):
            foreign.append(row)
    part.mark(np.array(foreign, np.int64), "language")


def _languages(text: str) -> tuple[list[str], bool]:
    """(ISO 639 codes, the likeliest first; is that sure?). ["un"] where nothing can be said."""
    import pycld2

    with suppress(pycld2.error):  # of what is no printable text
        sure, _, details = pycld2.detect("".join(char for char in text if char.isprintable() or char == "\n"))
        return [details[0][1], *(code for _, code, share, _ in details[1:] if share >= PRESENT)], sure
    return ["un"], False


def _mark_weights(
    records: CleanedRecords, params: CleanParams, texts: Path, frequency: npt.NDArray[np.int64], report: Progress
) -> None:
    """By the IDF weights ln(records / those with the word) of a text's distinct words."""
    total = len(records.numbers)
    weights = np.log(total / np.maximum(frequency, 1))
    least = min(params.near_empty, np.log(total))  # a word that no other record has is never near nothing
    words, start = _word_counter(), 0
    for batch in _batches(texts):
        cells = words.transform(text[:CHARACTERS] for text in batch)
        counts = np.diff(cells.indptr)
        sums = np.asarray(cells @ weights)
        rows = np.arange(start, start + len(batch))
        records.mark(rows[(sums < least - 1e-9) & (counts > 0)], "near_empty")
        means = sums / np.maximum(counts, 1)
        records.mark(rows[(means < params.boilerplate) & (counts >= FEWEST_WORDS)], "boilerplate")
        start += len(batch)
        report(total + start, total * 2)


def _batches(texts: Path) -> Iterator[list[str]]:
    from pyarrow import parquet

    with parquet.ParquetFile(texts) as file:
        for batch in file.iter_batches(BATCH, columns=["text"]):
            yield batch.column("text").to_pylist()


def _mark_repeats(records: CleanedRecords) -> None:
    """Of equal texts the first stays: a gold or audit record before a labelled one, then the oldest."""
    rows = np.flatnonzero(records.remaining())
    order = rows[_by_rank(records, rows, records.hashes[rows])]
    same = np.flatnonzero(records.hashes[order[1:]] == records.hashes[order[:-1]]) + 1
    opens = np.ones(len(order), np.bool_)
    opens[same] = False
    heads = order[np.maximum.accumulate(np.where(opens, np.arange(len(order)), 0))[same]]
    _mark_group(records, order[same], heads, "duplicate")


def _by_rank(records: CleanedRecords, rows: Ints, group: npt.NDArray[Any]) -> Ints:
    return np.lexsort((records.numbers[rows], ~records.labelled[rows], ~records.protected[rows], group))


def _mark_group(records: CleanedRecords, rows: Ints, heads: Ints, reason: str) -> None:
    leaks = records.protected[heads]
    records.mark(rows[leaks], "leak", heads[leaks])
    records.mark(rows[~leaks], reason, heads[~leaks])


def _mark_near(records: CleanedRecords, texts: Path) -> None:
    """Among the distinct texts; in each group that hangs together the first stays, as above."""
    rows = np.flatnonzero(records.remaining())
    every = (normalise(text) or "\0" for batch in _batches(texts) for text in batch)
    hashed = np.concatenate([signatures(portion) for portion in portions(every)])[rows]
    for group in connected(*similar_pairs(hashed)):
        members = rows[group]
        members = members[_by_rank(records, members, np.zeros(len(members)))]
        _mark_group(records, members[1:], np.full(len(members) - 1, members[0]), "near_duplicate")


def _write_left_out(out: Path, records: CleanedRecords, notes: Notes) -> None:
    """What is left out, and examples of every reason, with their texts before and after."""
    import polars

    rows = np.flatnonzero(~records.remaining())
    other = np.where(records.other[rows] >= 0, records.numbers[records.other[rows]], -1)
    columns = {"n": records.numbers[rows], "reason": [_ORDER[code] for code in records.reason[rows]], "other": other}
    schema: dict[str, Any] = {"n": polars.Int64, "reason": polars.String, "other": polars.Int64}
    polars.DataFrame(columns, schema=schema).write_parquet(out / "left_out.parquet")
    shown = [
        row
        for code, name in enumerate(_ORDER)
        for row in np.flatnonzero(records.reason == code)[: MOST_PAIRS if name == "leak" else EXAMPLES].tolist()
    ]
    texts = _texts_of(out.parent, {*shown, *(int(records.other[row]) for row in shown)})
    for row in shown:
        id, before = texts[row]
        other_id, other_text = texts.get(int(records.other[row]), ("", ""))
        reason = _ORDER[records.reason[row]]
        notes.examples.append(Example("reason", reason, id, before[:SHOWN], other_text[:SHOWN], other_id))
    names = dict.fromkeys(Example.__dataclass_fields__, polars.String)
    polars.DataFrame([asdict(one) for one in notes.examples], schema=names).write_parquet(out / "examples.parquet")


def _texts_of(bundle: Path, rows: set[int]) -> dict[int, tuple[str, str]]:
    """row -> (id, text as it came), of a few rows."""
    from pyarrow import parquet

    start, result = 0, {}
    with parquet.ParquetFile(bundle / "in" / "texts.parquet") as file:
        for batch in file.iter_batches(BATCH, columns=["id", "text"]):
            for row in sorted(row for row in rows if start <= row < start + len(batch)):
                result[row] = (batch["id"][row - start].as_py(), batch["text"][row - start].as_py())
            start += len(batch)
    return result


def _around(before: str, after: str) -> tuple[str, str]:
    """The two texts from shortly before they begin to differ."""
    same = next((i for i, (one, other) in enumerate(zip(before, after, strict=False)) if one != other), len(after))
    start = max(0, same - 40) if same > 80 else 0
    cut = "…" if start else ""
    return cut + before[start : start + SHOWN], cut + after[start : start + SHOWN]
