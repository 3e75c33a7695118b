"""Argilla's search engine as SQL on Argilla's own database. Knows Argilla's interface, not who calls it.

All that is filtered or sorted on is in that database already, so most of Argilla's calls to an engine need no work and
no copy can drift; only the words of fields are indexed (`text_index`), and vectors are a matrix in memory (`nearest`).
"""

from collections.abc import Iterable, Mapping
from uuid import UUID

import numpy as np
from argilla_server.database import async_engine
from argilla_server.enums import MetadataPropertyType, SimilarityOrder
from argilla_server.models import (
    Dataset,
    MetadataProperty,
    Record,
    Response,
    Suggestion,
    User,
    VectorSettings,
)
from argilla_server.search_engine.base import (
    Filter,
    FloatMetadataMetrics,
    IntegerMetadataMetrics,
    MetadataMetrics,
    Order,
    SearchEngine,
    SearchResponseItem,
    SearchResponses,
    TermsMetrics,
    TextQuery,
)
from sqlalchemy import Row, text

from .clauses import Clauses, Value
from .nearest import read_vectors
from .query_parser import Node, Term, Without, full_text, parse
from .text_index import COLUMNS, forget_texts, searched_fields, set_up_index, write_texts
from .turns import RANK, in_turn, shuffled

ANNOTATORS = (
    "SELECT u.id FROM users u JOIN workspaces_users w ON w.user_id = u.id "
    "WHERE w.workspace_id = :workspace AND u.role = 'annotator' ORDER BY u.id"
)


async def rows(statement: str, values: Mapping[str, Value]) -> list[Row]:
    """What a SELECT finds."""
    async with async_engine.connect() as connection:
        return list((await connection.execute(text(statement), values)).all())


class Query:
    """One search as SQL: its tables, its conditions and its score."""

    def __init__(self, dataset: Dataset, query: TextQuery | str | None = None, requested: Filter | None = None) -> None:
        self.clauses = Clauses(dataset)
        self.source, self.fit = "records r", "NULL"
        conditions = ["r.dataset_id = :dataset"]
        if query is not None:
            conditions.append(self._words(dataset, query))
        if requested:
            conditions.append(self.clauses.where(requested))
        self.where = " AND ".join(conditions)

    def _words(self, dataset: Dataset, query: TextQuery | str) -> str:
        answer, field = (query, None) if isinstance(query, str) else (query.q, query.field)
        tree = parse(answer)
        if tree is None:
            return "0"
        names = [one.name for one in searched_fields(dataset)]
        if field and field not in names:
            return "0"
        column = f"{{{COLUMNS[names.index(field)]}}} : " if field else ""
        match = full_text(tree)
        if match is None:
            self.source += " JOIN rondo_texts d ON d.record_id = r.id"
            return self._tree(tree, column)
        # CROSS JOIN fixes the order, words first: thirty times faster than SQLite's own choice
        self.source = (
            "rondo_words CROSS JOIN rondo_texts d ON d.rowid = rondo_words.rowid "
            "CROSS JOIN records r ON r.id = d.record_id"
        )
        self.fit = "-bm25(rondo_words)"
        return f"rondo_words MATCH {self.clauses.bind(column + match)}"

    def _tree(self, node: Node, column: str) -> str:
        if isinstance(node, Without):
            return f"NOT {self._tree(node.node, column)}"
        if isinstance(node, Term):
            match = self.clauses.bind(column + node.match)
            return f"d.rowid IN (SELECT rowid FROM rondo_words WHERE rondo_words MATCH {match})"
        return "(" + f" {node.word} ".join(self._tree(part, column) for part in node.nodes) + ")"


@SearchEngine.register(engine_name="embedded")
class Embedded(SearchEngine):  # type: ignore[misc]
    """One per request, without state."""

    @classmethod
    async def new_instance(cls) -> "Embedded":
        return cls()

    async def close(self) -> None:
        """Nothing is open."""

    async def ping(self) -> bool:
        """Called once, at the server's start."""
        await set_up_index()
        return True

    async def info(self) -> dict[str, object]:
        return {"name": "embedded", "version": {"number": "sqlite-fts5"}, "tagline": "no Elasticsearch"}

    async def create_index(self, dataset: Dataset) -> None:
        """One index serves all datasets."""

    async def delete_index(self, dataset: Dataset) -> None:
        await forget_texts("t.dataset_id = :dataset", {"dataset": dataset.id.hex})

    async def index_records(self, dataset: Dataset, records: Iterable[Record]) -> None:
        await write_texts(dataset, records)

    async def delete_records(self, dataset: Dataset, records: Iterable[Record]) -> None:
        for record in records:
            await forget_texts("t.record_id = :record", {"record": record.id.hex})

    async def configure_metadata_property(self, dataset: Dataset, metadata_property: MetadataProperty) -> None: ...
    async def configure_index_vectors(self, vector_settings: VectorSettings) -> None: ...
    async def partial_record_update(self, record: Record, **update: object) -> None: ...
    async def update_record_response(self, response: Response) -> None: ...
    async def delete_record_response(self, response: Response) -> None: ...
    async def update_record_suggestion(self, suggestion: Suggestion) -> None: ...
    async def delete_record_suggestion(self, suggestion: Suggestion) -> None: ...

    async def get_dataset_progress(self, dataset: Dataset) -> dict[str, int]:
        statement = "SELECT status, COUNT(*) FROM records WHERE dataset_id = :dataset GROUP BY 1"
        return await _counts(dataset, statement, {"dataset": dataset.id.hex})

    async def get_dataset_user_progress(self, dataset: Dataset, user: User) -> dict[str, int]:
        statement = (
            "SELECT x.status, COUNT(*) FROM responses x JOIN records r ON r.id = x.record_id "
            "WHERE r.dataset_id = :dataset AND x.user_id = :user GROUP BY 1"
        )
        return await _counts(dataset, statement, {"dataset": dataset.id.hex, "user": user.id.hex})

    async def compute_metrics_for(self, metadata_property: MetadataProperty) -> MetadataMetrics:
        source = "FROM records r JOIN json_each(r.metadata, :path) j WHERE r.dataset_id = :dataset AND j.value NOT NULL"
        values = {"dataset": metadata_property.dataset_id.hex, "path": f'$."{metadata_property.name}"'}
        if metadata_property.type == MetadataPropertyType.terms:
            counted = await rows(f"SELECT j.value, COUNT(*) {source} GROUP BY 1 ORDER BY 2 DESC, 1", values)
            counts = [TermsMetrics.TermCount(term=str(term), count=count) for term, count in counted]
            return TermsMetrics(total=sum(count for _, count in counted), values=counts)
        least, most = (await rows(f"SELECT MIN(j.value), MAX(j.value) {source}", values))[0]
        whole = metadata_property.type == MetadataPropertyType.integer
        return (IntegerMetadataMetrics if whole else FloatMetadataMetrics)(min=least, max=most)

    async def search(  # noqa: PLR0913 - Argilla's interface
        self,
        dataset: Dataset,
        query: TextQuery | str | None = None,
        filter: Filter | None = None,
        sort: list[Order] | None = None,
        offset: int = 0,
        limit: int = 100,
        user_id: UUID | str | None = None,
    ) -> SearchResponses:
        request = Query(dataset, query, filter)
        clauses, source = request.clauses, f"FROM {request.source} WHERE {request.where}"
        total = (await rows(f"SELECT COUNT(*) {source}", clauses.values))[0][0]
        order = "r.inserted_at, r.id"
        if sort:
            order = ", ".join([*(clauses.order(one) for one in sort), order])
        elif request.fit != "NULL":
            order = f"fit DESC, {order}"
        elif user_id:
            order = await _turns(dataset, clauses, UUID(str(user_id)))
        page = f"LIMIT {clauses.bind(limit)} OFFSET {clauses.bind(offset)}"
        hits = await rows(f"SELECT r.id, {request.fit} AS fit {source} ORDER BY {order} {page}", clauses.values)
        return SearchResponses(
            items=[SearchResponseItem(record_id=UUID(record_id), score=fit) for record_id, fit in hits], total=total
        )

    async def similarity_search(  # noqa: PLR0913 - Argilla's interface
        self,
        dataset: Dataset,
        vector_settings: VectorSettings,
        value: list[float] | None = None,
        record: Record | None = None,
        query: TextQuery | str | None = None,
        filter: Filter | None = None,
        max_results: int = 100,
        order: SimilarityOrder = SimilarityOrder.most_similar,
        threshold: float | None = None,
    ) -> SearchResponses:
        if bool(value) == bool(record):
            raise ValueError("Must provide either vector value or record to compute the similarity search")
        requested = value if record is None else record.vector_value_by_vector_settings(vector_settings)
        if not requested:
            raise ValueError("Cannot find a vector value to apply with provided info")
        vectors = await read_vectors(vector_settings, rows)
        keep = np.arange(len(vectors.ids))
        if query is not None or filter:
            request = Query(dataset, query, filter)
            records = await rows(f"SELECT r.id FROM {request.source} WHERE {request.where}", request.clauses.values)
            keep = np.array([vectors.row_of[one] for (one,) in records if one in vectors.row_of], dtype=np.int64)
        if record is not None and record.id.hex in vectors.row_of:
            keep = keep[keep != vectors.row_of[record.id.hex]]
        if not len(keep):
            return SearchResponses(items=[], total=0)
        scores = vectors.scores(requested, keep, far=order == SimilarityOrder.least_similar)
        best = [row for row in np.argsort(-scores, kind="stable")[:max_results] if scores[row] >= (threshold or -1)]
        items = [SearchResponseItem(record_id=UUID(vectors.ids[keep[row]]), score=float(scores[row])) for row in best]
        return SearchResponses(items=items, total=len(items))


async def _counts(dataset: Dataset, statement: str, values: Mapping[str, Value]) -> dict[str, int]:
    if dataset.is_draft:
        return {}
    counts = {str(status): int(count) for status, count in await rows(statement, values)}
    return {"total": sum(counts.values()), **counts}


async def _turns(dataset: Dataset, clauses: Clauses, user: UUID) -> str:
    """The order for a person: shuffled per person, as upstream, or by rank where the dataset has ranks."""
    if all(one.name != RANK for one in dataset.metadata_properties):
        return shuffled(user)
    annotators = [one for (one,) in await rows(ANNOTATORS, {"workspace": dataset.workspace_id.hex})]
    return in_turn(clauses, user, annotators, int(dataset.distribution.get("min_submitted", 1)))
