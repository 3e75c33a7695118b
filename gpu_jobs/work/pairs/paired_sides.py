"""The records of sources as they are searched: by source, in blocks of two that are held against each other."""

from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from pathlib import Path

import numpy as np

from core.arrays import Ints
from core.pairs.blocking.candidate_job import CandidateParams
from core.pairs.blocking.candidate_parts_job import FOUND, block_name
from core.pairs.blocking.candidates import (
    DistinctTexts,
    FoundPairs,
    Pairs,
    SearchedPairs,
    distinct_texts,
    join_found,
    with_near_misses,
)
from gpu_jobs.work.pairs.pair_pool import MOST_TEXTS


@dataclass(frozen=True)
class Block:
    """rows: of `Sides`, distinct texts of two sources, or of one within itself. sources: their numbers."""

    rows: tuple[Ints, ...]
    sources: tuple[int, ...]

    @property
    def by_words(self) -> bool:
        """Whether they are too many to hold each against all others."""
        return max(map(len, self.rows)) > MOST_TEXTS


@dataclass(frozen=True)
class Sides:
    """Records that are paired, by the number of their side; all (n,). numbers: of the sides. parts: rows of those that
    are searched together with or against others: of each source, or all as one."""

    numbers: Ints
    ids: list[str]
    titles: list[str]
    texts: list[str]
    parts: list[Ints]

    @cached_property
    def distinct(self) -> list[DistinctTexts]:
        """Of each part."""
        return [distinct_texts([self.texts[row] for row in part.tolist()]) for part in self.parts]

    @cached_property
    def firsts(self) -> list[Ints]:
        """Rows of the distinct texts of each part."""
        return [part[one.firsts] for part, one in zip(self.parts, self.distinct, strict=True)]

    @property
    def blocks(self) -> list[Block]:
        """Every source with every other, but for those without a text."""
        numbers = [(0,)] if self.within else list(combinations(range(len(self.parts)), 2))
        blocks = [Block(tuple(self.firsts[number] for number in pair), pair) for pair in numbers]
        return [one for one in blocks if all(map(len, one.rows)) and sum(map(len, one.rows)) > 1]

    def texts_of(self, block: Block) -> list[list[str]]:
        """Of each of its sources."""
        return [[self.texts[row] for row in rows.tolist()] for rows in block.rows]

    @property
    def within(self) -> bool:
        """Whether any may be paired with any."""
        return len(self.parts) == 1


def read_sides(path: Path, params: CandidateParams) -> Sides:
    """Of every source, or all as one where records of one source are paired, too."""
    import polars

    table = polars.read_parquet(path)
    sources, ids = table["source"].to_list(), table["id"].to_list()
    several = params.sources > 1
    rows = np.arange(len(ids))
    source = np.array(sources)
    return Sides(
        numbers=table["side"].to_numpy().astype(np.int64),
        ids=[f"{source}:{id_}" for source, id_ in zip(sources, ids, strict=True)] if several else ids,
        titles=[f"{source} · {id_}" for source, id_ in zip(sources, ids, strict=True)] if several else ids,
        texts=table["text"].to_list(),
        parts=[rows] if params.within else [rows[source == name] for name in dict.fromkeys(sources)],
    )


def read_found(folder: Path, block: int) -> SearchedPairs:
    """What all parts of a block found, that lie in folders of `folder`."""
    import polars

    tables = [polars.read_parquet(path) for path in sorted(folder.glob(f"piece-*/{block_name(block)}/{FOUND}"))]
    columns = [{name: table[name].to_numpy() for name in table.columns} for table in tables]
    return with_near_misses(
        join_found(
            [FoundPairs(Pairs(one["left"], one["right"]), one["searches"], one["similarity"]) for one in columns]
        )
    )
