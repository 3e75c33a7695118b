"""A model that reads both texts of a pair: trained in a job, its score a feature, put to use, taken back."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from core import loop, simulate
from core.config.settings import Settings
from core.data.encoding import encode
from core.errors import Damaged, Refused
from core.jobs.bundle import Runner
from core.jobs.job_states import ENDED
from core.models.artifacts import read_manifest
from core.models.encoders.encoder import EMBEDDED, OWN
from core.models.vectors import open_vectors
from core.pairs.blocking.find_candidates import candidates
from core.pairs.predict import predict_pairs
from core.pairs.scorer import pair_keys, read_scorer, read_scores
from core.project import Project, open_project
from core.registry.activation import promote, rollback
from core.registry.gate import gate
from core.training.entries import TrainingJob
from core.training.following import job_cancel, refresh_job
from core.training.launch import job_retry
from core.training.train import train
from gpu_jobs.runners.local import InProcessRunner, LocalRunner
from gpu_jobs.work.pairs.pair_encoder import PairScorer
from tests.conftest import quiet
from tests.pair_world import products
from tests.test_pair_project import bring_shops, new_project, truth_of
from tests.tiny_models import make_bert
from tests.waiting import wait_for

pytestmark = pytest.mark.long

COUNT = 40
HERE: dict[str, Callable[[Settings], Runner]] = {"local": lambda _: InProcessRunner()}
BESIDE: dict[str, Callable[[Settings], Runner]] = {"local": lambda _: LocalRunner(1)}
WORDS = ("name", "price", *"0123456789:.-", "camera", "drill", "lamp", "sony", "bosch", "braun")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bert(tmp_path_factory.mktemp("tiny") / "bert", WORDS)


@pytest.fixture(scope="module")
def shops(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """Two sources, paired, and some decisions."""
    folder = tmp_path_factory.mktemp("cross")
    project = new_project(folder / "pairs")
    project.runners = HERE
    bring_shops(project, folder)
    candidates(project, quiet)
    simulate.simulate_rounds(project, truth_of(project), simulate.Budget(3, 40, "default"), quiet)
    yield project
    project.close()


def fit(project: Project, base: Path, *more: str) -> TrainingJob:
    values = [f"base={base}", "epochs=1", "folds=2", "max_length=48", *more]
    return train(project, quiet, trainer="cross-encoder", values=values)


@pytest.fixture(scope="module")
def trained(shops: Project, base: Path) -> TrainingJob:
    return fit(shops, base)


def pairs_of(project: Project, where: str) -> list[tuple[str, str]]:
    query = f"select r.fields->>'left', r.fields->>'right' from records r left join settled s using (n) where {where}"
    return [(left, right) for left, right in project.store.query(query)]


def test_it_is_a_challenger_scored_on_the_audit_that_it_has_not_seen(shops: Project, trained: TrainingJob) -> None:
    assert trained.state == "succeeded"
    assert trained.model is not None
    audits = shops.store.one("select count(*) from settled where stratum = 'audit'")
    learnt = shops.store.one("select count(*) from settled where stratum = 'chosen'")
    assert trained.metrics.audit is not None
    assert trained.metrics.audit.n == audits > 0
    assert trained.remark.startswith("It learnt from")
    assert shops.store.query("select labels, trainer, encoder from models where id = ?", [trained.model]) == [
        (learnt, "cross-encoder", f"{OWN}{trained.model}")
    ]
    verdict = gate(shops, model=trained.model)
    assert verdict.challenger == trained.model
    assert sum(one.n for one in verdict.strata) == audits


def test_a_decided_pair_has_the_score_of_a_twin_and_every_pair_has_one_both_ways(
    shops: Project, trained: TrainingJob
) -> None:
    folder = shops.models / str(trained.model) / "encoder"
    facts, stored = read_scorer(folder), read_scores(folder)
    assert facts is not None
    assert (facts.base, facts.model) == (EMBEDDED, "bert")
    everything = pairs_of(shops, "true")
    assert not np.isnan(stored.of(pair_keys(everything))).any()
    assert (pair_keys([pair[::-1] for pair in everything]) == pair_keys(everything)).all()
    learnt, audit = pairs_of(shops, "s.stratum = 'chosen'"), pairs_of(shops, "s.stratum = 'audit'")
    bare = PairScorer(folder, facts, 1)
    from gpu_jobs.trainers.cross_encoder import load_cross_encoder

    model = load_cross_encoder(folder, 1, facts.longest)
    np.testing.assert_allclose(model.score(audit), stored.of(pair_keys(audit)), atol=1e-5)
    assert np.abs(model.score(learnt) - stored.of(pair_keys(learnt))).max() > 1e-4
    new = [("name: a lamp", "name: a drill"), ("name: a drill", "name: a lamp")]
    one, other = bare.score(new, lambda done, total: None)
    assert 0 < one == other < 1


def test_promoted_its_score_is_a_feature_of_rounds_and_programs_and_a_rollback_takes_it_out(
    shops: Project, trained: TrainingJob
) -> None:
    model, before = str(trained.model), shops.settings().encoder
    plain = open_vectors(shops.vectors, before).shape[1]
    result = promote(shops, quiet, model=model, force=True, reason="to see it at work")
    assert (result.encoder, shops.settings().encoder) == (f"{OWN}{model}", f"{OWN}{model}")
    vectors = open_vectors(shops.vectors, f"{OWN}{model}")
    assert vectors.shape[1] == plain + 1
    left, right = products(COUNT)
    answered = predict_pairs(shops, quiet, pairs=[(left[0], right[0]), (right[0], left[0]), ("name: x", "name: y")])
    assert (answered.model, answered.reason) == (model, "")
    assert answered.predictions[0] == answered.predictions[1]
    loop.play_round(shops, quiet)
    [(head, encoder)] = shops.store.query("select id, encoder from models order by made_at desc limit 1")
    assert encoder == f"{OWN}{model}"
    assert read_manifest(shops.models / head)["features"] == plain + 1
    left, right = products(COUNT + 3)
    assert candidates(shops, quiet).added == 0
    assert rollback(shops, quiet, to=result.before).encoder == before
    assert encode(shops, quiet).encoded == 0


def test_a_changed_model_is_not_used(shops: Project, trained: TrainingJob) -> None:
    facts = shops.models / str(trained.model) / "encoder" / "pair_scorer.json"
    whole = facts.read_bytes()
    facts.write_text("{}")
    with pytest.raises(Damaged, match=r"pair_scorer\.json"):
        promote(shops, quiet, model=str(trained.model), force=True, reason="whatever it is")
    facts.write_bytes(whole)


def test_a_killed_attempt_goes_on_after_its_finished_twins(shops: Project, base: Path) -> None:
    shops.runners = BESIDE
    values = [f"base={base}", "epochs=1", "folds=6", "max_length=48"]
    job = train(shops, quiet, trainer="cross-encoder", detach=True, values=values).id
    bundle = shops.folder / "jobs" / job
    first = bundle / "ckpt" / "fold-0.npy"
    wait_for(lambda: first.exists() or refresh_job(shops, job).state == "failed")
    job_cancel(shops, quiet, job=job)
    wait_for(lambda: refresh_job(shops, job).state == "cancelled")
    np.save(first, np.full_like(np.load(first), 0.125))  # by which it is seen that it is not made again
    job_retry(shops, quiet, job=job)
    wait_for(lambda: refresh_job(shops, job).state in ENDED)
    assert refresh_job(shops, job).state == "succeeded"
    scores = read_scores(shops.models / job / "encoder").of(pair_keys(pairs_of(shops, "s.stratum = 'chosen'")))
    assert 0.1 < (scores == 0.125).mean() < 0.25


def test_what_cannot_be_trained_is_refused(tmp_path: Path, base: Path) -> None:
    project = new_project(tmp_path / "few")
    project.runners = HERE
    bring_shops(project, tmp_path, 12)
    candidates(project, quiet)
    with pytest.raises(Refused, match="10 decisions of either kind; there are none"):
        fit(project, base)
    with pytest.raises(Refused, match="cross-encoder trains on them"):
        train(project, quiet, trainer="setfit")
    project.close()
    loop.create_project(tmp_path / "labels", ["spam", "ham"])
    labels = open_project(tmp_path / "labels", InProcessRunner())
    with pytest.raises(Refused, match="reads both sides"):
        train(labels, quiet, trainer="cross-encoder")
    labels.close()
