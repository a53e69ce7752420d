"""Several runs at once: over one recommender, beside each other, concept by concept."""

import json
import re
import shutil
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from engine.adopt import Adoption, adopt
from engine.home import Home
from engine.progress import silent
from engine.run import Run
from engine.train import train
from tests.engine.test_smallest import of_size
from tests.workbench.cli import Monoscope
from workbench import tables
from workbench.comparison import show_compared

QUICK = ("--set", "sae.steps=30")


@pytest.fixture(scope="module")
def here(demo_run: Run, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home of its own with the demo, a second autoencoder over it, and a model without concepts."""
    home = Home(tmp_path_factory.mktemp("several"))
    shutil.copytree(demo_run.home.dataset("demo"), home.dataset("demo"))
    shutil.copytree(demo_run.folder, home.run("demo"))
    train(home, "demo", {"sae": {"steps": 30, "seed": 1}, "baselines": False}, "other", silent, base="demo")
    adopt(home, "bare", of_size(60, 80), Adoption(sae={"steps": 20}), "bare", silent)
    return home


@pytest.fixture
def monoscope(here: Home, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Monoscope]:
    before = {path.name for path in here.runs.iterdir()}
    yield Monoscope(here.root, monkeypatch, capfd)
    for path in here.runs.iterdir():
        if path.name not in before:
            shutil.rmtree(path)


def test_another_autoencoder_over_a_run_has_the_variant_and_the_levels_that_were_asked_for(
    monoscope: Monoscope, here: Home
) -> None:
    words = ("--variant", "topk", "--levels", "4,8", "--neurons", 12, "--no-baselines", *QUICK)
    answer = monoscope("train", "demo", "--base", "demo", *words, "--name", "nested")
    assert answer.code == 0, answer.err
    shown = monoscope("runs", "show", "nested", "--json").json
    assert (
        shown["hashes"]["recommender.safetensors"]
        == Run.open(here, "demo").manifest["hashes"]["recommender.safetensors"]
    )
    assert (shown["sae"]["variant"], shown["sae"]["levels"], shown["sae"]["m"]) == ("topk", [4, 8], 12)
    assert [row["level"] for row in monoscope("neurons", "nested", "--json").json] == [0] * 4 + [1] * 8
    run = Run.open(here, "nested")
    assert (run.sae.encode(run.recommender.items.vectors, "items") > 0).sum(axis=1).max() <= shown["sae"]["k_items"]
    assert "must be 1 or more and add up" in monoscope("train", "demo", "--base", "demo", *words, "--levels", "4,9").err
    assert monoscope("train", "demo", "--base", "demo", "--levels", "four").code == 2


def test_what_was_fitted_to_a_wish_stands_in_the_notes(monoscope: Monoscope) -> None:
    over = ("train", "demo", "--base", "demo", "--no-baselines", *QUICK)
    few = monoscope(*over, "--neurons", 5, "--name", "few")
    assert few.code == 0, few.err
    assert "Too few neurons (5) for the usual sae.k_items (8) and sae.k_users (10): lowered to 2." in few.out
    assert "recipe" not in few.out
    paper = monoscope(*over, "--recipe", "paper", "--name", "paper")
    assert paper.code == 0, paper.err
    assert "The recipe paper applies to the autoencoder alone" in paper.out


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (("--beta", "inf"), "sae.beta does not fit: it must be a finite number"),
        (("--set", "sae.neurons=true"), "sae.neurons does not fit: it cannot be true"),
        (("--set", "sae.learning_rate=1e30"), "lower sae.learning_rate (1e+30)"),
    ],
)
def test_a_training_that_cannot_end_well_is_one_sentence_and_leaves_no_run(
    monoscope: Monoscope, more: tuple, told: str
) -> None:
    answer = monoscope("train", "demo", "--base", "demo", *QUICK, *more, "--name", "never")
    assert answer.code == 1
    assert told in answer.err
    assert answer.err.count("\n") == 1
    assert "no run 'never'" in monoscope("runs", "show", "never").err


def test_a_sweep_trains_every_point_of_its_grid_and_is_kept(monoscope: Monoscope, here: Home) -> None:
    words = ("sweep", "demo", "--base", "demo", "--grid", "sae.beta=0,1", "--grid", "sae.k_items=4", *QUICK)
    found = monoscope(*words, "--name", "two", "--json").json
    assert [trial["changed"] for trial in found["trials"]] == [
        {"sae.beta": 0, "sae.k_items": 4},
        {"sae.beta": 1, "sae.k_items": 4},
    ]
    assert (found["base"], found["dataset"], len(found["panel"])) == ("demo", "demo", 19)
    assert json.loads((here.root / "sweeps" / "two.json").read_text()) == found
    assert sum(trial["best"] for trial in found["trials"]) == 1
    assert any(trial["front"] for trial in found["trials"])
    assert "already a sweep 'two'" in monoscope(*words, "--name", "two").err
    shown = monoscope(*words, "--name", "again")
    assert shown.code == 0, shown.err
    assert "2 autoencoders over demo" in shown.out
    assert f"{found['trials'][0]['rbo']:.3f}" in shown.out
    for name in ("raw dimensions", "PCA", "ICA, top 4/10", "random directions"):
        assert f"\n{name} " in shown.out
    files = ", ".join(str(here.root / "sweeps" / f"again.{kind}") for kind in ("json", "svg", "png"))
    assert shown.out.replace("\n", "").endswith(files)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("demo", "--grid", "sae.beta"), "no KEY=V1,V2"),
        (("demo", "--grid", "recommender.d=4,8"), "settings of the autoencoder"),
        (("demo", "--grid", "sae.neurons=0"), "sae.neurons"),
        (("demo", "--grid", "sae.beta=0", "--base", "bare"), "of the data set bare, not of demo"),
        (("nothing", "--grid", "sae.beta=0"), "no run of nothing"),
    ],
)
def test_a_sweep_that_makes_no_sense_is_one_sentence(monoscope: Monoscope, words: tuple, told: str) -> None:
    answer = monoscope("sweep", *words)
    assert (answer.code, told in answer.err, answer.err.count("\n")) == (1, True, 1)


def test_the_matrix_has_every_neuron_for_every_concept_and_pairs_them_one_to_one(monoscope: Monoscope) -> None:
    facts = monoscope("neurons", "demo", "--matrix", "--json").json
    matched = []
    for concept in facts["concepts"]:
        assert len(concept["purity20"]) == facts["neurons"] == 40
        for reading in ("label-chosen", "one-to-one"):
            one = concept["readings"][reading]
            assert concept["purity20"][one["neuron"]] == one["purity"]["20"]
        matched.append(concept["readings"]["one-to-one"]["neuron"])
    assert len(set(matched)) == len(matched) == 19
    rows = {row["neuron"]: row for row in monoscope("neurons", "demo", "--json").json}
    horror = next(one for one in facts["concepts"] if one["concept"] == "Horror")
    assert rows[horror["readings"]["one-to-one"]["neuron"]]["concept"] == "Horror"


def test_a_run_without_baselines_has_the_same_matrix(monoscope: Monoscope, here: Home) -> None:
    copied = here.run("stripped")
    shutil.copytree(here.run("demo"), copied)
    manifest = json.loads((copied / "manifest.json").read_text())
    (copied / "manifest.json").write_text(json.dumps({**manifest, "comparison": None}))
    whole, stripped = (monoscope("neurons", run, "--matrix", "--json").json for run in ("demo", "stripped"))
    assert stripped["concepts"] == whole["concepts"]
    assert len(monoscope("neurons", "other", "--matrix", "--json").json["concepts"]) == 19


def test_the_matrix_is_a_grid_where_there_is_room_and_a_list_elsewhere(
    monoscope: Monoscope, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = {one["concept"]: one for one in monoscope("neurons", "demo", "--matrix", "--json").json["concepts"]}
    wide = monoscope("neurons", "demo", "--matrix").out.splitlines()
    order = [one["readings"]["one-to-one"]["neuron"] for one in facts.values() if not one["missing"]]
    assert [int(number) for number in wide[1].split()] == order
    cells = {line[:11].strip(): line[11:].split() for line in wide[2 : 2 + len(facts)]}
    assert list(cells) == list(facts)
    for name, concept in facts.items():
        if concept["missing"]:
            assert set(cells[name]) == {"–"}
            continue
        for text, neuron in zip(cells[name], order, strict=True):
            purity = concept["purity20"][neuron]
            if text in "·–":
                assert purity is None or purity < 0.1
            else:
                assert float(text) == pytest.approx(purity, abs=0.006)
    monkeypatch.setattr(tables, "PIPE_WIDTH", 80)
    narrow = monoscope("neurons", "demo", "--matrix").out
    assert "1-to-1" in narrow
    assert f"A terminal of {11 + 4 * len(order)} columns shows concepts by neurons as a grid." in narrow
    assert max(len(line) for line in narrow.splitlines() if line.startswith(("Action", "Western"))) <= 80


def test_neurons_are_found_again_in_the_run_itself_and_one_to_one_in_another(monoscope: Monoscope) -> None:
    same = monoscope("neurons", "demo", "--match", "demo", "--json").json
    assert [row["match_neuron"] for row in same] == [row["neuron"] for row in same]
    assert [row["match"] for row in same] == pytest.approx([1.0] * 40)
    other = monoscope("neurons", "demo", "--match", "other", "--json").json
    pairs = [row["match_neuron"] for row in other if row["match_neuron"] is not None]
    assert len(pairs) == len(set(pairs)) > 20
    assert np.mean([row["match"] for row in other if row["match"] is not None]) > 0.5  # both start from ICA
    assert "match" in monoscope("neurons", "demo", "--match", "other").out.splitlines()[1]
    assert "no run 'nope'" in monoscope("neurons", "demo", "--match", "nope").err
    assert "have 0 ranked items in common" in monoscope("neurons", "demo", "--match", "bare").err


def test_runs_are_compared_side_by_side(monoscope: Monoscope, here: Home) -> None:
    facts = monoscope("runs", "compare", "demo", "other", "--json").json
    assert [run["name"] for run in facts["runs"]] == ["demo", "other"]
    whole = Run.open(here, "demo").manifest["comparison"]["rows"][0]["purity"]
    assert facts["runs"][0]["purity20"] == pytest.approx({reading: whole[reading]["20"] for reading in whole})
    assert None not in facts["runs"][1]["purity20"].values()  # measured now: its baselines were not
    (matching,) = facts["matchings"]
    assert (matching["a"], matching["b"], matching["items"]) == ("demo", "other", 893)
    assert matching["chance_matched"] < 0.05 < matching["matched"] <= 1
    answer = monoscope("runs", "compare", "demo", "other")
    same = sum(one["correlation"] >= matching["level"] for one in matching["pairs"])
    said = f"{same} of the {matching['alive_a']} living neurons of demo ({matching['matched']:.0%}) are found again in"
    assert said in answer.out
    assert "one frozen recommender" in answer.out
    assert "paired over" in answer.out  # how far apart the two are
    settings = {row["setting"]: row["values"] for row in facts["settings"]}
    assert settings["sae.seed"] == [0, 1]
    assert "sae.neurons" not in settings  # the same in both
    assert "sae.seed" in answer.out
    assert monoscope("runs", "compare", "demo").code == monoscope("runs", "compare", "demo", "demo").code == 2
    assert "no run 'nope'" in monoscope("runs", "compare", "demo", "nope").err


def test_a_comparison_of_runs_with_long_names_fits_a_narrow_terminal(
    monoscope: Monoscope, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    facts = monoscope("runs", "compare", "demo", "other", "--json").json
    long = [f"{name}-of-a-recommender-that-was-trained-on-a-subset-of-the-data-with-its-own-seed" for name in "ab"]
    for row, name in zip(facts["runs"], long, strict=True):
        row["name"], row["front"], row["beaten_by"] = name, name == long[0], long[: name == long[1]]
    for one in (*facts["matchings"], *facts["concepts"], *facts["differences"]):
        one |= {"a": long[0], "b": long[1]}
    facts["settings"] = [{"setting": "sae.seed", "values": [0, 1]}]
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    show_compared(facts)
    lines = re.sub(r"\x1b\[[\d;]*m", "", capfd.readouterr().out).splitlines()
    assert f"A  {long[0]}" in lines
    assert any(line.startswith("B ") and line.rstrip().endswith("under A") for line in lines)
    assert "…" not in "".join(lines)
    words = [line for line in lines if not any(name in line for name in long)]
    assert max(map(len, words)) <= 80
    broken = [bool(re.fullmatch(r"\w{1,2}", line.strip())) for line in lines]
    assert not any(one and other for one, other in pairwise(broken))  # no column of broken letters


def test_a_comparison_is_written_as_a_report_that_is_the_same_twice(
    monoscope: Monoscope, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    words = ("runs", "compare", "demo", "other", "--output")
    for name in ("one", "two"):
        for kind in ("html", "md", "json"):
            answer = monoscope(*words, tmp_path / name / f"report.{kind}")
            assert answer.code == 0, answer.err
    pairs = [(tmp_path / "one" / path.name, path) for path in (tmp_path / "two").iterdir()]
    assert {path.name for path, _ in pairs} == {"report.html", "report.md", "report.json", "demo-other-front.svg"}
    assert all(first.read_bytes() == second.read_bytes() for first, second in pairs)
    page = (tmp_path / "one" / "report.html").read_text(encoding="utf-8")
    assert "<svg" in page
    assert "1970-01-01" in page
    assert not re.search(r'(src|href)="(?!#|data:)', page)
    assert "![2 points" in (tmp_path / "one" / "report.md").read_text(encoding="utf-8")
    facts = json.loads((tmp_path / "one" / "report.json").read_text(encoding="utf-8"))
    assert facts == monoscope("runs", "compare", "demo", "other", "--json").json
    assert monoscope(*words, tmp_path / "one" / "report.json").code == 0  # an earlier report gives way
    (tmp_path / "mine.md").write_text("my own notes")
    refused = monoscope(*words, tmp_path / "mine.md")
    assert (refused.code, "exists and is no report" in refused.err) == (1, True)
    assert monoscope(*words, tmp_path / "mine.md", "--overwrite").code == 0
    assert "needs --output" in monoscope("runs", "compare", "demo", "other", "--format", "md").err
    assert "html, md or json" in monoscope(*words, tmp_path / "report.pdf").err


def test_runs_of_different_data_sets_are_compared_by_what_they_keep(monoscope: Monoscope, tmp_path: Path) -> None:
    facts = monoscope("runs", "compare", "demo", "bare", "--json").json
    assert "different data sets (demo, bare)" in facts["comparable"]
    assert [run["front"] for run in facts["runs"]] == [None, None]
    assert "0 ranked items in common" in facts["matchings"][0]["unknown"]
    answer = monoscope("runs", "compare", "demo", "bare")
    assert (answer.code, "neurons cannot be matched" in answer.out) == (0, True)
    assert monoscope("runs", "compare", "demo", "bare", "--output", tmp_path / "apart.md").code == 0
    assert "![" not in (tmp_path / "apart.md").read_text(encoding="utf-8")  # no plane of what is not comparable


def test_the_users_whose_lists_change_most_are_named(monoscope: Monoscope, here: Home) -> None:
    worst = monoscope("runs", "show", "demo", "--worst", 3, "--json").json["worst_users"]
    everyone = Run.open(here, "demo").fidelity_by_user
    assert worst == everyone[:3]
    assert [row["rbo"] for row in worst] == sorted(row["rbo"] for row in everyone)[:3]
    answer = monoscope("runs", "show", "demo", "--worst", 3)
    assert "Users whose lists change most" in answer.out
    assert all(row["user_id"] in answer.out for row in worst)
    assert "disjoint about -0.67" in answer.out
    assert "worst_users" not in monoscope("runs", "show", "demo", "--json").json


def test_without_concepts_fidelity_is_compared_and_the_dashes_are_explained(monoscope: Monoscope, here: Home) -> None:
    answer = monoscope("runs", "show", "bare").out
    for row in Run.open(here, "bare").manifest["comparison"]["rows"]:
        line = next(line for line in answer.splitlines() if line.startswith(row["name"] + "  "))
        assert f"{row['fidelity']['rbo']:.2f}" in line
    assert "monoscope concepts bare add NAME --where SQL" in monoscope("neurons", "bare").out
    assert "monoscope concepts" not in monoscope("neurons", "demo").out
    refused = monoscope("neurons", "bare", "--matrix")
    assert (refused.code, "monoscope concepts bare add" in refused.err) == (1, True)
