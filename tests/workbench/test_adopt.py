"""`monoscope adopt` from files to a run, and what it refuses."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from engine.run import Run
from tests.workbench.cli import Monoscope

QUICK = ["--neurons", 10, "--set", "sae.steps=40", "--set", "sae.k_items=3", "--set", "sae.k_users=3"]


@pytest.fixture(scope="module")
def files(demo_run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's model as a stranger would have it: vectors, ids, biases, an implicit model, pairs."""
    folder = tmp_path_factory.mktemp("files")
    recommender = demo_run.recommender
    for side, tower in (("users", recommender.users), ("items", recommender.items)):
        np.save(folder / f"{side}.npy", tower.vectors)
        np.save(folder / f"{side}_bias.npy", tower.bias)
        (folder / f"{side}.txt").write_text("\n".join(tower.ids) + "\n")
    items = np.hstack([recommender.items.vectors, recommender.items.bias[:, None]])
    users = np.hstack([recommender.users.vectors, np.ones((len(recommender.users.ids), 1), np.float32)])
    np.savez(folder / "bpr.npz", user_factors=users, item_factors=items, factors=np.array(20))
    affinity = recommender.affinities(np.arange(2)) - recommender.users.bias[:2, None]
    rows = [f"{recommender.users.ids[u]},{recommender.items.ids[i]},{affinity[u, i]}" for u in (0, 1) for i in (3, 7)]
    (folder / "pairs.csv").write_text("\n".join(["user_id,item_id,score", *rows]))
    return folder


@pytest.fixture
def monoscope(
    demo_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Monoscope:
    home = tmp_path / "home"
    shutil.copytree(demo_run.home.dataset("demo"), home / "datasets" / "demo")
    return Monoscope(home, monkeypatch, capfd)


def vectors(folder: Path) -> list[object]:
    words: list[object] = []
    for side in ("user", "item"):
        words += [f"--{side}-vectors", folder / f"{side}s.npy", f"--{side}-ids", folder / f"{side}s.txt"]
    return words


def test_a_saved_model_of_implicit_is_adopted_and_recommends(monoscope: Monoscope, files: Path) -> None:
    words = ["--model", files / "bpr.npz", "--user-ids", files / "users.txt", "--item-ids", files / "items.txt"]
    answer = monoscope("adopt", "demo", *words, "--check-pairs", files / "pairs.csv", *QUICK, "--name", "bpr")
    assert answer.code == 0, answer.err
    assert "4 pairs the scores differ by" in answer.out
    assert "its quality on held-out items is unknown" in answer.out
    shown = monoscope("runs", "show", "bpr", "--json").json["recommender"]
    assert (shown["kind"], shown["bias"], shown["d"], shown["trained_on"]) == ("adopted", True, 20, "unknown")
    assert shown["source"]["model"]["file"] == "bpr.npz"
    assert len(monoscope("recommend", "bpr", "--user", "v0001", "-k", 5, "--json").json["items"]) == 5
    listed = next(run for run in monoscope("runs", "--json").json if run["name"] == "bpr")
    assert listed["beats_popularity"] is None
    report = monoscope("export", "bpr", "--format", "md")
    assert report.code == 0
    assert "How good the recommender is is unknown: nothing was held out" in report.out


def test_a_two_tower_mlp_is_adopted_from_its_folder(monoscope: Monoscope, files: Path, tmp_path: Path) -> None:
    random, folder = np.random.default_rng(0), tmp_path / "scorer"
    folder.mkdir()
    sizes = [(8, 40), (1, 8)]
    arrays = {f"{n}.weight": random.normal(size=size).astype(np.float32) for n, size in zip((0, 2), sizes, strict=True)}
    arrays |= {f"{n}.bias": np.zeros(size[0], np.float32) for n, size in zip((0, 2), sizes, strict=True)}
    save_file(arrays, folder / "scorer.safetensors")
    (folder / "scorer.json").write_text(json.dumps({"kind": "mlp", "layers": ["0", "2"], "activation": "relu"}))
    answer = monoscope("adopt", "demo", *vectors(files), "--scorer", folder, "--trained-on", "train", *QUICK)
    assert answer.code == 0, answer.err
    assert "Not trained: on held-out items" in answer.out  # random layers
    assert "Users are rotated onto their items" in answer.out
    assert monoscope("steer", "demo-adopted", "--neuron", 0, "--users", "user_id = 'v0001'", "--off").code == 0


def test_vectors_without_a_data_set_make_one_of_their_ids(monoscope: Monoscope, files: Path) -> None:
    answer = monoscope("adopt", "elsewhere", *vectors(files), *QUICK)
    assert answer.code == 0, answer.err
    assert "one was made of the model's ids: they serve as titles" in answer.out
    listed = {entry["name"]: entry for entry in monoscope("datasets", "--json").json}
    assert (listed["elsewhere"]["items"], listed["elsewhere"]["interactions"]) == (893, 0)
    first = monoscope("neuron", "elsewhere-adopted", 0, "--json").json["items"][0]
    assert first["title"] == first["item_id"]


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        ({"--user-ids": "items.txt"}, 1, "2000"),
        ({"--scorer": "euclid"}, 1, "neither dot nor cosine nor a folder"),
        ({"--trained-on": "some"}, 2, "--trained-on is train, all or unknown"),
        ({"--set": "recommender.d=3"}, 1, "Only settings of the autoencoder"),
        ({"--set": "sae.k_items=99", "--neurons": 10}, 1, "cannot exceed neurons"),
        ({"--trust-code": "users.npy"}, 1, "program cannot be loaded"),
        ({"--trust-code": "nothing.pt2"}, 1, "Cannot read"),
        ({"--check-pairs": "users.txt"}, 1, "users.txt"),
    ],
)
def test_what_does_not_fit_is_one_sentence_and_leaves_no_run(
    monoscope: Monoscope, files: Path, change: dict[str, object], code: int, message: str
) -> None:
    words = vectors(files)
    for option, value in change.items():
        given = files / value if isinstance(value, str) and (files / value).exists() else value
        if option in words:
            words[words.index(option) + 1] = given
        else:
            words += [option, given]
    answer = monoscope("adopt", "demo", *words)
    assert answer.code == code
    assert message in answer.err
    assert "Traceback" not in answer.err
    assert monoscope("runs", "--json").json == []


def test_a_pickle_is_refused_and_never_opened(monoscope: Monoscope, files: Path, tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple:
            return (Path.touch, (tmp_path / "sprung",))

    trap = tmp_path / "users.npy"
    np.save(trap, np.array([Trap()], dtype=object), allow_pickle=True)
    words = vectors(files)
    words[words.index("--user-vectors") + 1] = trap
    answer = monoscope("adopt", "demo", *words)
    assert answer.code == 1
    assert "opening a pickle runs what is in it" in answer.err
    assert not (tmp_path / "sprung").exists()
