"""The main job on MovieLens 1M, by the commands of the README."""

from pathlib import Path

import numpy as np
import pytest

from tests.workbench.cli import Monoscope

pytestmark = pytest.mark.real_data

PAPER_CONCEPTS = [
    "Children's", "Drama", "Action", "Adventure", "Animation", "Comedy", "Horror", "Romance", "Sci-Fi", "Thriller",
    "Crime", "Golden-Age", "90's Drama", "90's Comedy", "90's Action", "80's Comedy",
]  # fmt: skip


@pytest.fixture
def monoscope(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Monoscope:
    return Monoscope(tmp_path / "home", monkeypatch, capfd)


def test_from_the_archive_to_a_list_that_moves(monoscope: Monoscope, archives: Path, tmp_path: Path) -> None:
    fetched = monoscope("datasets", "fetch", "ml-1m", "--from", archives / "ml-1m.zip", "--accept-licence")
    assert fetched.code == 0, fetched.err
    trained = monoscope("train", "ml-1m", "--recommender", "mf")
    assert trained.code == 0, trained.err
    run = monoscope("runs", "show", "ml-1m-mf", "--json").json
    quality, fidelity = run["recommender"]["metrics"], run["fidelity"]
    assert quality["ndcg10"] > 0.185
    assert quality["mpr"] < 0.067
    assert fidelity["rbo"] > 0.7
    assert fidelity["l0_items"] < 8.1
    assert fidelity["l0_users"] < 10.1

    neurons = monoscope("neurons", "ml-1m-mf", "--json").json
    assert not any(neuron["dead"] for neuron in neurons)
    reach = {entry["concept"]: entry["purity20"] for entry in run["concepts"]}
    assert np.mean([reach[concept] for concept in PAPER_CONCEPTS]) > 0.9

    horror = next(neuron["neuron"] for neuron in neurons if neuron["concept"] == "Horror")
    shown = monoscope("neuron", "ml-1m-mf", horror, "--json").json
    assert np.mean(["Horror" in item["concepts"] for item in shown["items"][:20]]) == shown["purity20"]

    listed = monoscope("recommend", "ml-1m-mf", "--user", "1", "--json").json
    assert len(listed["items"]) == 30
    effect = monoscope("steer", "ml-1m-mf", "--neuron", horror, "--users", "gender = 'F'", "--off", "--json").json
    assert effect["collateral"]["users"] == 1709
    assert effect["after"]["concept_shares"]["Horror"] < effect["before"]["concept_shares"]["Horror"]
    assert effect["collateral"]["rbo_of_the_rest"] > 0.9

    report = tmp_path / "report.md"
    assert monoscope("export", "ml-1m-mf", "--format", "md", "--output", report).code == 0
    assert "not the official archive" in report.read_text()


@pytest.mark.seeds
def test_three_base_seeds_tell_the_same_story(monoscope: Monoscope, archives: Path) -> None:
    assert monoscope("datasets", "fetch", "ml-1m", "--from", archives / "ml-1m.zip", "--accept-licence").code == 0
    figures = []
    for seed in (0, 1, 2):
        assert monoscope("train", "ml-1m", "--seed", seed, "--name", f"seed-{seed}").code == 0
        run = monoscope("runs", "show", f"seed-{seed}", "--json").json
        purity20 = {entry["concept"]: entry["purity20"] for entry in run["concepts"]}
        figures.append(
            (
                run["recommender"]["metrics"]["ndcg10"],
                np.mean([purity20[concept] for concept in PAPER_CONCEPTS]),
                run["fidelity"]["rbo"],
            )
        )
    ndcg10, purity, rbo = np.array(figures).T
    assert ndcg10.min() > 0.19
    assert np.ptp(ndcg10) < 0.01
    assert purity.min() > 0.92
    assert rbo.min() > 0.7
