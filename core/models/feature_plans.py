"""Which encoder the rounds' comparisons have decided on. Reads the store, computes nothing."""

import json
from dataclasses import replace

from core.models.encoders.encoder import BUNDLED
from core.models.feature_check import FeatureCheck
from core.models.vectors import encoded_rows
from core.project import Project
from core.store.database import note
from core.store.record_numbers import NUMBERS
from core.typed_json import from_json


def last_check(project: Project) -> FeatureCheck | None:
    """The newest comparison, by whatever round."""
    stored = project.store.one(
        """select metrics->>'features' from models where trainer is null and metrics->>'features' is not null
           order by made_at desc limit 1"""
    )
    return from_json(FeatureCheck, json.loads(stored), "The comparison of encoders") if stored else None


def decided_encoder(project: Project) -> str:
    """The one that won often enough over the encoder in use, which nobody has fixed; "" for none."""
    settings = project.settings()
    if not settings.choose_encoder or settings.encoder not in BUNDLED:
        return ""
    check = last_check(project)
    return check.decided if check and check.in_use == settings.encoder else ""


def awaited_encoder(project: Project) -> str:
    """That one, while there are records that it has not encoded; "" for none."""
    encoder = decided_encoder(project)
    complete = not encoder or encoded_rows(project.vectors, encoder) >= project.store.one(f"select {NUMBERS}")
    return "" if complete else encoder


def adopt_features(project: Project) -> None:
    """Changes to the encoder that was decided on once all records have its vectors; the round that follows learns on
    them. Before that nothing changes."""
    encoder = decided_encoder(project)
    if not encoder or awaited_encoder(project):
        return
    with project.changing_settings() as (current, cursor):
        if not current.choose_encoder or current.encoder not in BUNDLED:  # a person was quicker
            return
        note(cursor, "rondo", "encoder", {"encoder": encoder, "before": current.encoder})
        project.save_settings(replace(current, encoder=encoder))
