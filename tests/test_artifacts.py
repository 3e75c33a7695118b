"""Stored models: what is sealed comes back unchanged, and what could run code or was changed is refused."""

import json
import os
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import Damaged, Refused, RondoError
from core.models.artifacts import INSIDE, Making, check_model, install_model, load_head, save_head, seal_model
from core.models.heads.head import Head
from core.models.out_of_fold import write_held_out

HEAD = Head(np.eye(2, 3, dtype=np.float32), np.array([0.5, 0], np.float32), 2.0, ("a", "b"), False, 0.1)
MODULES = [{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"}]


class Pickled:
    """What a pickle can do: anything."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch pickled",)


def write(file: Path, content: object) -> None:
    """Bytes as they are, anything else as JSON, in a folder that is made."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())


def sealed(folder: Path, **files: object) -> Path:
    """A model with an encoder of its own; `files` lie in the encoder, `__` in a name stands for its dot."""
    write(folder / "encoder" / "modules.json", MODULES)
    write(folder / "encoder" / "vocab.txt", "[PAD]\nö\n".encode())
    for name, content in files.items():
        write(folder / "encoder" / name.replace("__", "."), content)
    write_held_out(folder, np.arange(3), np.zeros((3, 2), np.float32))
    seal_model(folder, Making("encoder", INSIDE, ("a", "b"), False, {"records": 3}), HEAD)
    return folder


def resealed(folder: Path, name: str, content: object) -> Path:
    """By somebody who can write manifests, too: every hash fits."""
    import hashlib

    write(folder / name, content)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"][name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    write(folder / "manifest.json", manifest)
    return folder


def test_a_sealed_model_comes_back_as_it_was(tmp_path: Path) -> None:
    manifest = check_model(sealed(tmp_path / "m"))
    assert set(manifest["files"]) == {
        "encoder/modules.json",
        "encoder/vocab.txt",
        "head.safetensors",
        "judged.safetensors",
        "training_info.json",
    }
    vectors = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    assert np.array_equal(load_head(tmp_path / "m").predict(vectors), HEAD.predict(vectors))
    assert load_head(tmp_path / "m").calibration_error == 0.1


def test_the_head_of_a_round_of_an_earlier_version_is_still_read(tmp_path: Path) -> None:
    save_head(tmp_path / "m", HEAD, {"seed": 1})
    manifest = json.loads((tmp_path / "m" / "manifest.json").read_text())
    before = {key: manifest[key] for key in ("kind", "schema", "files", "labels", "multi", "temperature")}
    write(tmp_path / "m" / "manifest.json", before | {"calibration_error": None, "facts": {}})
    assert check_model(tmp_path / "m")["trainer"] == "round"
    assert load_head(tmp_path / "m").labels == ("a", "b")


def test_what_a_round_and_an_evaluation_add_later_is_no_damage_but_other_files_are(tmp_path: Path) -> None:
    save_head(tmp_path / "m", HEAD, {})
    shutil.copyfile(tmp_path / "m" / "head.safetensors", tmp_path / "m" / "verdicts.safetensors")
    write(tmp_path / "m" / "curve.json", [1])
    write(tmp_path / "m" / "evaluations" / "gold.json", {"n": 1})
    check_model(tmp_path / "m")
    write(tmp_path / "m" / "more.json", {})
    with pytest.raises(Damaged, match=r"more\.json was added"):
        check_model(tmp_path / "m")


@pytest.mark.parametrize("name", ["manifest.json", "head.safetensors", "training_info.json", "encoder/vocab.txt"])
def test_a_missing_or_changed_file_is_refused(tmp_path: Path, name: str) -> None:
    whole = sealed(tmp_path / "m")
    (shutil.copytree(whole, tmp_path / "missing") / name).unlink()
    with pytest.raises(Damaged, match=r"missing|No such file"):
        check_model(tmp_path / "missing")
    file = shutil.copytree(whole, tmp_path / "changed") / name
    file.write_bytes(file.read_bytes()[:-1] + b" ")
    with pytest.raises(Damaged):
        check_model(tmp_path / "changed")


def test_no_byte_of_a_model_can_change_unseen(tmp_path: Path) -> None:
    folder = sealed(tmp_path / "m")
    names = sorted(check_model(folder)["files"])

    @given(st.sampled_from(names), st.integers(0, 10**6), st.integers(1, 255))
    def holds(name: str, at: int, change: int) -> None:
        whole = (folder / name).read_bytes()
        spoilt = bytearray(whole)
        spoilt[at % len(whole)] ^= change
        (folder / name).write_bytes(spoilt)
        try:
            with pytest.raises(Damaged):
                check_model(folder)
        finally:
            (folder / name).write_bytes(whole)

    holds()


@pytest.mark.parametrize(
    "name", ["model_head.pkl", "pytorch_model.bin", "a.pt", "a.joblib", "a.json", "a.txt", "a.npz"]
)
def test_a_pickle_is_refused_under_every_name_and_never_loaded(tmp_path: Path, name: str) -> None:
    folder = resealed(sealed(tmp_path / "m"), f"encoder/{name}", pickle.dumps(Pickled()))
    with pytest.raises(Damaged, match=name.replace(".", r"\.")):
        check_model(folder)
    with pytest.raises(Damaged):
        install_model(folder, tmp_path / "models", "new")
    assert not Path("pickled").exists()
    assert not any((tmp_path / "models").glob("*"))


def test_a_model_that_stored_its_predictions_otherwise_is_refused_with_what_to_do(tmp_path: Path) -> None:
    """Arrays of plain numbers, too: a file of that kind may hold objects, and those are pickles."""
    folder = sealed(tmp_path / "m")
    np.savez(tmp_path / "a.npz", n=np.arange(3), probs=np.zeros((3, 2), np.float32))
    with pytest.raises(Damaged, match=r"judged\.npz may be a pickle.*train the model with Rondo"):
        check_model(resealed(folder, "judged.npz", (tmp_path / "a.npz").read_bytes()))


FOREIGN = {
    "config.json": {"auto_map": {"AutoModel": "modeling.Mine"}},
    "tokenizer_config.json": {"deep": [{"auto_map": {"AutoTokenizer": ["x.Y", None]}}]},
    "modules.json": [MODULES[0] | {"type": "os.path.join"}],
    "more/modules.json": [MODULES[0] | {"type": "sentence_transformers.util.misc.os"}],
    "router_config.json": {"types": {"query": "mine.Module"}},
    "2_Dense/config.json": {"activation_function": "torch.hub.load"},
    "sentence_bert_config.json": {"model_args": {"trust_remote_code": True}},
    "config_kernel.json": {"attn_implementation": "somebody/kernel"},
    "adapter_config.json": {"base_model_name_or_path": "somebody/model"},
    "paths/modules.json": [MODULES[0] | {"path": "../../elsewhere"}],
}


@pytest.mark.parametrize("name", FOREIGN)
def test_a_configuration_that_asks_for_code_or_weights_from_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    folder = resealed(sealed(tmp_path / "m"), f"encoder/{name}", FOREIGN[name])
    with pytest.raises(Damaged, match=r"not part of the model|leaves the model"):
        check_model(folder)


@pytest.mark.parametrize("name", ["modeling.py", "model.onnx", "model", "encoder.so", "a.jinja", "a.html"])
def test_only_known_kinds_of_files_are_taken(tmp_path: Path, name: str) -> None:
    with pytest.raises(Damaged, match="kind that no model holds"):
        check_model(resealed(sealed(tmp_path / "m"), f"encoder/{name}", b"x = 1\n"))


@pytest.mark.parametrize("content", [b"[" * 100_000, b"{", b"\xff{}", b"", b" " * (9 << 20) + b"1"])
def test_json_that_is_none_or_absurd_is_refused(tmp_path: Path, content: bytes) -> None:
    folder = resealed(sealed(tmp_path / "m"), "encoder/config.json", content)
    with pytest.raises(Damaged, match=r"config\.json"):
        check_model(folder)


def test_half_a_safetensors_file_is_refused_whatever_its_hash(tmp_path: Path) -> None:
    folder = sealed(tmp_path / "m")
    half = (folder / "head.safetensors").read_bytes()[:-4]
    with pytest.raises(Damaged, match="no whole safetensors"):
        check_model(resealed(folder, "head.safetensors", half))


def test_links_and_paths_that_leave_the_folder_are_refused(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("a")
    linked = sealed(tmp_path / "linked")
    (linked / "encoder" / "vocab.txt").unlink()
    (linked / "encoder" / "vocab.txt").symlink_to(secret)
    folder = sealed(tmp_path / "folder")
    shutil.move(folder / "encoder", tmp_path / "away")
    (folder / "encoder").symlink_to(tmp_path / "away")
    leaving = sealed(tmp_path / "leaving")
    manifest = json.loads((leaving / "manifest.json").read_text())
    write(leaving / "manifest.json", manifest | {"files": manifest["files"] | {"../secret.txt": "0" * 64}})
    for refused in (linked, folder, leaving):
        with pytest.raises(Damaged, match=r"link|\.\./secret\.txt is missing"):
            check_model(refused)


@settings(max_examples=30)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_a_manifest_of_any_shape_is_refused_in_one_sentence(manifest: object) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder) / "manifest.json", manifest)
        with pytest.raises(Damaged, match="is not a model"):
            check_model(Path(folder))


def test_a_head_that_does_not_fit_its_labels_is_refused(tmp_path: Path) -> None:
    save_head(tmp_path / "m", HEAD, {})
    manifest = json.loads((tmp_path / "m" / "manifest.json").read_text())
    for wrong in ({"labels": ["a"]}, {"temperature": 0.0}, {"temperature": None}):
        write(tmp_path / "m" / "manifest.json", manifest | wrong)
        with pytest.raises(Damaged, match="does not fit"):
            load_head(tmp_path / "m")


def test_a_model_without_a_head_says_what_it_is_good_for(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    seal_model(tmp_path / "m", Making("zeroshot", "some/nli", ("a", "b"), False, {}), None)
    check_model(tmp_path / "m")
    with pytest.raises(Refused, match="can only be compared"):
        load_head(tmp_path / "m")


def test_sealing_leaves_out_what_quotes_training_texts_and_where_folders_were(tmp_path: Path) -> None:
    write(tmp_path / "m" / "encoder" / "modules.json", MODULES)
    write(tmp_path / "m" / "encoder" / "README.md", b"widget: the text of a record")
    info = {"base": "/home/me/models/mini", "label_names": {"a": "/music"}, "values": {"base": "/home/me/x"}}
    manifest = seal_model(tmp_path / "m", Making("encoder", INSIDE, ("a", "b"), False, info), HEAD)
    assert "encoder/README.md" not in manifest["files"]
    stored = json.loads((tmp_path / "m" / "training_info.json").read_text())
    assert stored == {"base": "mini", "label_names": {"a": "/music"}, "values": {"base": "x"}}


def test_a_trainer_that_leaves_a_pickle_cannot_seal_its_model(tmp_path: Path) -> None:
    with pytest.raises(RondoError, match=r"training_args\.bin may be a pickle"):
        sealed(tmp_path / "m", training_args__bin=b"\x80\x04")


def test_a_model_is_installed_once_and_whole(tmp_path: Path) -> None:
    folder = sealed(tmp_path / "m")
    placed = install_model(folder, tmp_path / "models", "new")
    assert check_model(placed) == check_model(folder)
    (folder / "manifest.json").unlink()
    assert install_model(folder, tmp_path / "models", "new") == placed
    with pytest.raises(Damaged):
        install_model(folder, tmp_path / "models", "other")
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["new"]
