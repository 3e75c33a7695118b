"""What is put in order whenever a project is opened: left-overs go, what jobs have ended with comes in.

Whoever opens it holds the database, so nobody else is in the middle of anything, except jobs in their own processes.
"""

import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from core.data.encoding import LAST_CLEANING
from core.errors import Refused, RondoError
from core.jobs.bundle import Bundle
from core.jobs.job_states import ENDED, OPEN, PATIENCE_DAYS, UNDER_WAY
from core.jobs.many_jobs import POOL_WORK
from core.models.vectors import cleaned_texts, encoded_rows
from core.project import Project
from core.store.database import utc_now
from core.store.private_files import drop_uploads

FOLDERS = (".", ".rondo", "exports", "backups", "models", "models/*", "rounds", "snapshots", "vectors", "vectors/*")
"""where commands write beside what they replace; jobs have folders of their own"""
SHARED = (".rondo", "backups", "vectors", "vectors/*")
"""of them, where jobs and the embedded Argilla write without holding the project"""
RESUMED = ("encode", "renew", "round")
"""kinds of jobs that the next owner goes on with"""
SETTLED_SECONDS = 60.0
"""for which nothing was written to what lies there before it counts as left behind"""


def take_up(project: Project) -> None:
    """`sweep`, and takes in jobs that have ended. What cannot be reached now stands in the job's row and is looked at
    again; nothing is raised for it."""
    if project.store.why_read_only:
        return
    sweep(project)
    if project.store.one("select exists(from jobs where list_contains(?, state))", [[*OPEN]]):
        from core.training.watching import follow  # every command takes up a project, few of them jobs

        with suppress(RondoError):
            follow(project, lambda *_: None)


def sweep(project: Project) -> None:
    """Goes on with an erasure that was cut off, and deletes what a kill left behind. Before anything else is begun."""
    if project.store.one("select exists(from erasures)"):
        from core.erasure.erase import finish_erasures

        with suppress(Refused):  # a full disk, say: it is gone on with next time
            finish_erasures(project)
    drop_uploads(project.folder)
    for path in _partials(project.folder):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    rows = project.store.query(
        """select id, kind from jobs where runner is null and list_contains(?, state)
           and (parent is null or state = 'draft')""",  # parts of a fan-out go on elsewhere, and are found again
        [[*UNDER_WAY]],
    )
    for job, kind in rows:  # their owners are gone
        bundle = Bundle(project.folder / "jobs" / job)
        if kind not in RESUMED:
            project.jobs.give_up(bundle)
        elif not project.jobs.survived(bundle):
            project.jobs.lose(bundle)
    empty_dead(project)


def _partials(folder: Path) -> Iterator[Path]:
    """Files and folders that were never renamed into place."""
    before = time.time() - SETTLED_SECONDS
    for name in FOLDERS:
        for path in folder.glob(f"{name}/*partial*" if name != "." else "*partial*"):
            ours = path.suffix == ".partial" or path.name.endswith(".partial.npz")
            if name == ".":
                ours = ours and path.name.startswith(("rondo.", "."))  # beside the person's own files
            with suppress(OSError):
                if ours and (name not in SHARED or path.lstat().st_mtime < before):
                    yield path


def empty_dead(project: Project) -> None:
    """Deletes what went into jobs that nobody will go on with, and what came out: it holds people's texts.

    A training job can be tried again for PATIENCE_DAYS, and so long the files of a pool's jobs wait for the last step;
    of encoding the piece that comes next is kept, since what of it is done need not be done again. A folder that no row
    knows is nobody's. A file that is still being stored is not dead.
    """
    since = utc_now() - timedelta(days=PATIENCE_DAYS)
    rows = {
        job: (kind, state, can_be_tried_again and made_at > since, start)
        for job, kind, state, can_be_tried_again, made_at, start in project.store.query(
            """select id, kind, state, runner is not null or parent in (select id from jobs where state <> 'succeeded'),
                      coalesce(ended_at, made_at),
                      if(params->>'encoder' = ?, (params->>'start')::bigint, null) from jobs""",
            [project.settings().encoder],
        )
    }
    resumed = encoded_rows(project.vectors, project.settings().encoder)
    stale = cleaned_texts(project.vectors, project.settings().encoder) < project.store.one(LAST_CLEANING)
    storing = {job for (job,) in project.store.query("select job from imports")}
    for folder in (project.folder / "jobs").glob("*-*-*-*"):
        bundle = Bundle(folder)
        kind, state, again, start = rows.get(folder.name, ("", "succeeded", False, None))
        if folder.name in storing or not any((folder / name).exists() for name in ("in", "out", "ckpt")):
            continue
        resumable = again or (kind == "encode" and start == resumed) or (kind == "renew" and stale)
        waiting = kind in POOL_WORK and again  # its jobs have succeeded; what reads their files may not have
        if (state == "succeeded" and not waiting) or (state in (*ENDED, "lost") and not resumable):
            bundle.empty()
