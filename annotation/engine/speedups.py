"""Faster versions of argilla-server 2.8.0's hot spots, with equal results. Measured by `benchmarks/argilla.py`."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from types import ModuleType
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from argilla_server.models import MetadataProperty, Question, Record, Response
    from argilla_server.models.mixins import CRUDMixin
    from argilla_server.webhooks.v1.event import Event
    from pydantic import BaseModel, TypeAdapter
    from sqlalchemy.ext.asyncio import AsyncSession
    from sqlalchemy.orm import InstrumentedAttribute


EnabledEvents = Callable[["AsyncSession"], Awaitable[frozenset[str]]]
Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def install_speedups() -> None:
    """Once, after argilla_server is imported."""
    from argilla_server.api.schemas.v1.questions import QuestionSettings
    from argilla_server.models import MetadataProperty, Question
    from argilla_server.models.metadata_properties import MetadataPropertySettings
    from argilla_server.webhooks.v1 import records, responses
    from pydantic import TypeAdapter

    # upstream compiles a validator and reads the settings anew for each record that is checked against them
    for model, settings in ((Question, QuestionSettings), (MetadataProperty, MetadataPropertySettings)):
        model.parsed_settings = property(_parsed(TypeAdapter(settings)))
    enabled_events = _remembered_events()
    _guard(records, "build_record_event", enabled_events)
    _guard(responses, "build_response_event", enabled_events)
    _insert_row_by_row()


def _parsed(adapter: "TypeAdapter[BaseModel]") -> Callable[["Question | MetadataProperty"], "BaseModel"]:
    """Caches the parsed settings on the object until they change."""

    def parsed(self: "Question | MetadataProperty") -> "BaseModel":
        known = self.__dict__.get("_rondo_parsed")
        if known is None or known[0] != self.settings:
            known = (dict(self.settings), adapter.validate_python(self.settings))
            self.__dict__["_rondo_parsed"] = known
        result: BaseModel = known[1]
        return result

    return parsed


class _NoEvent:
    async def notify(self, db: "AsyncSession") -> list[str]:
        return []


def _guard(module: ModuleType, name: str, enabled_events: EnabledEvents) -> None:
    """Upstream builds the event of every record (six SELECTs) and then finds that no webhook wants one."""
    build = getattr(module, name)

    async def guarded(db: "AsyncSession", event: str, entity: "Record | Response") -> "Event | _NoEvent":
        return await build(db, event, entity) if event in await enabled_events(db) else _NoEvent()

    setattr(module, name, guarded)


def _remembered_events() -> EnabledEvents:
    """The events that any enabled webhook wants: cached until a change. Only this process changes them."""
    from argilla_server.contexts import webhooks

    changes = 0
    known: frozenset[str] | None = None

    async def read_enabled(db: "AsyncSession") -> frozenset[str]:
        nonlocal known
        if known is not None:
            return known
        before = changes
        result = frozenset(event for one in await webhooks.list_enabled_webhooks(db) for event in one.events)
        if before == changes:  # else they are being changed: read again next time
            known = result
        return result

    def noticed(change: Callable[Arguments, Awaitable[Result]]) -> Callable[Arguments, Awaitable[Result]]:
        async def changed(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
            nonlocal changes, known
            changes += 1
            try:
                return await change(*args, **kwargs)
            finally:
                changes += 1
                known = None

        return changed

    for name in ("create_webhook", "update_webhook", "delete_webhook"):
        setattr(webhooks, name, noticed(getattr(webhooks, name)))
    return read_enabled


def _insert_row_by_row() -> None:
    """Upstream compiles one statement with all values of a batch in it; with rows beside it, it is compiled once."""
    from argilla_server.models.mixins import CRUDMixin
    from sqlalchemy.dialects.sqlite import insert

    async def upsert_many(
        cls: "type[CRUDMixin]",
        db: "AsyncSession",
        objects: "list[BaseModel | dict[str, object]]",
        constraints: "list[InstrumentedAttribute]",
        autocommit: bool = True,
    ) -> "list[CRUDMixin]":
        if not objects:
            raise ValueError("Cannot upsert empty list of objects")
        rows = [one if isinstance(one, dict) else one.model_dump() for one in objects]
        inserted = insert(cls)
        changed = {column: inserted.excluded[column] for column in cls.__upsertable_columns__}
        if hasattr(cls, "updated_at"):
            changed["updated_at"] = datetime.now(UTC).replace(tzinfo=None)
        statement = inserted.on_conflict_do_update(index_elements=constraints, set_=changed).returning(cls)
        result = await db.execute(statement.execution_options(populate_existing=True), rows)
        if autocommit:
            await db.commit()
        return list(result.scalars().all())

    CRUDMixin.upsert_many = classmethod(upsert_many)
