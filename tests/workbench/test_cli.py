import csv
import json
from pathlib import Path

import numpy as np
import pytest

from engine.home import Home, content
from engine.report import formats
from engine.run import Run
from tests.workbench.cli import Monoscope, neuron_of
from workbench.__main__ import Plain, plain_tui
from workbench.terminal import Wishes


def test_neurons_says_every_promised_fact(monoscope: Monoscope) -> None:
    rows = monoscope("neurons", "demo", "--json").json
    promised = "neuron level label label_state concept purity10 purity20 purity50 base_rate lift q label_purity10 "
    promised += "label_purity20 label_purity50 density_items density_users popularity_percentile monosemanticity dead"
    assert len(rows) == 40
    assert set(promised.split()) <= set(rows[0])


def test_a_purity_can_be_recomputed_from_the_item_list_and_the_films_themselves(monoscope: Monoscope) -> None:
    with open(content("datasets") / "demo" / "films.csv", newline="") as file:
        genres = {row["film_id"]: row["genres"].split("|") for row in csv.DictReader(file)}
    facts = monoscope("neuron", "demo", neuron_of(monoscope, "Horror"), "-k", 50, "--json").json
    carried = ["Horror" in genres[item["item_id"]] for item in facts["items"]]
    for k in (10, 20, 50):
        assert facts[f"purity{k}"] == pytest.approx(np.mean(carried[:k]))
    assert [item["rank"] for item in facts["items"]] == list(range(1, 51))
    assert facts["users"][0]["activation"] >= facts["users"][1]["activation"] > 0


def test_data_sets_concepts_and_sessions_are_listed(monoscope: Monoscope) -> None:
    listed = {entry["name"]: entry for entry in monoscope("datasets", "list", "--json").json}
    assert monoscope("datasets", "--json").json == list(listed.values())
    assert monoscope("sessions", "--json").json == monoscope("sessions", "list", "--json").json
    assert (listed["demo"]["state"], listed["demo"]["users"], listed["demo"]["simulated"]) == ("here", 2000, True)
    assert listed["ml-1m"]["state"] == "not fetched"
    assert "MovieLens 1M" in monoscope("datasets").out
    kinds = {entry["concept"]: entry["kind"] for entry in monoscope("concepts", "demo", "--json").json}
    assert (kinds["Horror"], kinds["1980s"], kinds["Popular head"]) == ("genre", "decade", "popularity")
    assert "Horror" in monoscope("concepts", "demo").out
    monoscope("labels", "demo", "set", 1, "listed", "--session", "listed")
    assert "listed" in [one["name"] for one in monoscope("sessions", "list", "--json").json]
    assert "listed" in monoscope("sessions").out
    assert "listed" in monoscope("labels", "demo", "--session", "listed").out


def test_every_table_is_printed_for_people_too(monoscope: Monoscope) -> None:
    for words, told in (
        (("runs",), "simulated audience"),
        (("runs", "show", "demo"), "NDCG@10"),
        (("neurons", "demo"), "No neuron reaches"),
        (("neuron", "demo", "0"), "Top items"),
        (("recommend", "demo", "--user", "v0001"), "affinity"),
        (("steer", "demo", "--neuron", "0", "--users", "true", "--off", "-k", "10"), "Collateral"),
    ):
        answer = monoscope(*words)
        assert (answer.code, told in answer.out) == (0, True), (words, answer.err)


def test_neurons_are_sorted_by_any_column_with_the_unknown_last(monoscope: Monoscope) -> None:
    values = [row["q"] for row in monoscope("neurons", "demo", "--sort", "q", "--json").json]
    known = [value for value in values if value is not None]
    assert values == sorted(known, reverse=True) + [None] * (len(values) - len(known))
    answer = monoscope("neurons", "demo", "--sort", "beauty")
    assert answer.code == 1
    assert "no column 'beauty'" in answer.err


def test_recommend_is_the_brute_force_list(monoscope: Monoscope, demo_run: Run) -> None:
    answer = monoscope("recommend", "demo", "--user", demo_run.recommender.users.ids[7], "-k", 12, "--json").json
    with demo_run.catalogue() as catalogue:
        train = catalogue.interactions(0, 1)
        popularity = catalogue.items().popularity
    scores = (
        demo_run.recommender.items.vectors @ demo_run.recommender.users.vectors[7] + demo_run.recommender.items.bias
    )
    scores[train.item[train.user == 7]] = -np.inf
    scores[popularity == 0] = -np.inf
    order = np.argsort(-scores, kind="stable")[:12]
    assert [item["item_id"] for item in answer["items"]] == [demo_run.recommender.items.ids[item] for item in order]
    assert set(answer["items"][0]) == {"rank", "item_id", "title", "affinity", "rank_before"}


def test_steer_says_the_same_facts_before_and_after(monoscope: Monoscope) -> None:
    neuron = neuron_of(monoscope, "Horror")
    effect = monoscope("steer", "demo", "--neuron", neuron, "--users", "age_band = 'under 18'", "--off", "--json").json
    before, after = effect["before"], effect["after"]
    assert list(before) == list(after) == list(effect["reconstruction"])
    assert {"lists", "concept_shares", "reach", "ndcg10", "exposure", "novelty", "diversity"} <= set(before)
    assert list(before["concept_shares"]) == list(after["concept_shares"])
    assert after["concept_shares"]["Horror"] < before["concept_shares"]["Horror"]
    assert effect["collateral"]["about"] == ["Horror"]
    assert len(after["lists"][0]["items"]) == 30


def test_an_edit_is_kept_in_a_session_and_the_next_one_lies_on_top(monoscope: Monoscope) -> None:
    horror, other = neuron_of(monoscope, "Horror"), neuron_of(monoscope, "Western")
    kept = ("--session", "two-edits", "--json")
    first = monoscope("steer", "demo", "--neuron", horror, "--users", "age_band = 'under 18'", "--off", *kept).json
    second = monoscope("steer", "demo", "--neuron", other, "--users", "true", "--add", 1, *kept).json
    assert [edit["neuron"] for edit in second["edits"]] == [horror, other]
    assert second["edits"][0] == first["edits"][0]
    assert second["edits"][0]["where"] == "age_band = 'under 18'"


def test_a_guard_that_is_crossed_refuses_and_leaves_the_session_alone(monoscope: Monoscope) -> None:
    neuron = neuron_of(monoscope, "Horror")
    words = ("steer", "demo", "--neuron", neuron, "--users", "true", "--session", "guarded")
    refused = monoscope(*words, "--set", -6, "--guard", "ndcg>=99%", "--json")
    assert (refused.code, "ndcg>=99% does not hold" in refused.err) == (1, True)
    guard = refused.json["guards"][0]
    assert guard["holds"] is False
    assert guard["after"] < 0.99 * guard["before"]
    assert monoscope("recommend", "demo", "--user", "v0001", "--session", "guarded").code == 1
    allowed = monoscope(*words, "--off", "--guard", "rbo>=0", "--json")
    assert (allowed.code, len(allowed.json["edits"])) == (0, 1)


def test_a_warning_is_said_and_the_edit_is_kept_all_the_same(monoscope: Monoscope) -> None:
    neuron = neuron_of(monoscope, "Horror")
    words = ("steer", "demo", "--neuron", neuron, "--users", "true", "--set", -6, "--session", "warned")
    answer = monoscope(*words, "--warn", "ndcg>=99%")
    assert answer.code == 0
    assert "WARNING: limit ndcg>=99% is crossed" in answer.out
    assert "Kept in session warned" in answer.out


def test_each_group_has_a_dose_of_its_own_beside_the_reconstruction(monoscope: Monoscope) -> None:
    neuron = neuron_of(monoscope, "Horror")
    words = ("dose", "demo", "--neuron", neuron, "--users", "true", "--goal", "share(Horror)<=5%", "--steps", 5)
    facts = monoscope(*words, "--by", "age_band", "--json").json
    assert 0 < facts["reconstruction"]["share(Horror)<=5%"] != facts["before"]["share(Horror)<=5%"]
    assert sum(group["users"] for group in facts["groups"]) == facts["users"]
    doses = {group["value"]: group["minimum"]["amount"] for group in facts["groups"]}
    assert len(doses) == 6
    assert len(set(doses.values())) > 3
    for group in facts["groups"]:
        assert group["minimum"]["point"]["figures"]["share(Horror)<=5%"] <= 0.05
    assert "no column 'shoe_size'" in monoscope(*words, "--by", "shoe_size").err
    assert monoscope("dose", "demo", "--neuron", neuron, "--users", "true", "--by", "age_band").code == 2


def test_an_item_is_edited_for_an_audience_and_its_reach_is_told(monoscope: Monoscope) -> None:
    neuron = neuron_of(monoscope, "Western")
    words = ("--neuron", neuron, "--item", "Psycho", "--cohort", "age_band = 'under 18'")
    effect = monoscope("steer", "demo", *words, "--set", 2, "--by", "country", "--json").json
    assert (effect["collateral"]["users_changed"], effect["collateral"]["items_changed"]) == (0, 1)
    assert effect["before"]["reach"]["edited_items"][0]["title"].startswith("Psycho")
    assert sum(row["users"] for row in effect["groups"]["rows"]) == effect["collateral"]["users"]
    dose = monoscope("dose", "demo", *words, "--goal", "reach(Psycho)>=5%", "--steps", 5, "--json").json
    assert len(dose["points"]) == 5
    if dose["minimum"]["amount"] is not None:
        assert dose["minimum"]["point"]["figures"]["reach(Psycho)>=5%"] >= 0.05


def test_watched_users_are_the_ones_that_were_named(monoscope: Monoscope, demo_run: Run) -> None:
    first, second = demo_run.recommender.users.ids[:2]
    words = ("steer", "demo", "--neuron", 3, "--users", "true", "--scale", 2, "--json", "--watch")
    effect = monoscope(*words, f"user_id in ('{first}', '{second}')").json
    assert [entry["user"] for entry in effect["before"]["lists"]] == [first, second]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("neurons", "nope"), "no run 'nope'"),
        (("neurons", "dmo"), "did you mean 'demo'"),
        (("neuron", "demo", "99"), "no neuron 99"),
        (("recommend", "demo", "--user", "nobody"), "no user 'nobody'"),
        (("steer", "demo", "--neuron", "99", "--users", "true", "--off"), "no neuron 99"),
        (("steer", "demo", "--neuron", "1", "--users", "agee = 1", "--off"), "agee"),
        (
            ("steer", "demo", "--neuron", "1", "--users", "1) from read_text('/etc/passwd') --", "--off"),
            "does not parse",
        ),
        (("steer", "demo", "--neuron", "1", "--users", "user_id = 'x'", "--off"), "No user matches"),
        (("steer", "demo", "--neuron", "1", "--users", "true", "--set", "nan"), "finite"),
        (("steer", "demo", "--neuron", "1", "--users", "true", "--set", "1e38"), "1,000,000 at most"),
        (("dose", "demo", "--neuron", "1", "--users", "true", "--to", "1e300"), "Amounts go up to"),
        (("dose", "demo", "--neuron", "1", "--users", "true", "--session", "typo"), "no session 'typo'"),
        (("steer", "demo", "--neuron", "1", "--users", "Horror fan", "--off"), "no cohort 'Horror fan'"),
        (("steer", "demo", "--users", "true", "--goal", "share(Horror)<=150%"), "A share is at most 1"),
        (("train", "nope"), "no data set 'nope'"),
        (("train", "ml-1m"), "monoscope datasets fetch ml-1m"),
        (("train", "demo", "--name", "demo"), "already a run 'demo'"),
        (("train", "demo", "--set", "sae.k_items=400"), "cannot exceed neurons"),
        (("train", "demo", "--set", "nonsense"), "KEY=VALUE"),
        (("datasets", "fetch", "nope"), "no data set 'nope'"),
        (("label", "demo", "--neurons", "1,x"), "'x'"),
        (("label", "demo", "--neurons", "400"), "no neuron 400"),
        (("label", "demo", "--labeller", "oracle"), "no labeller 'oracle'"),
        (("export", "demo", "--format", "pdf"), "no export format 'pdf'"),
        (("tui", "demo"), "terminal"),
        (("tui", "nope"), "no run 'nope'"),
        (("--home", "/proc/nowhere", "demo"), "Cannot write"),
    ],
)
def test_a_users_mistake_is_one_sentence_and_a_non_zero_exit(monoscope: Monoscope, words: tuple, told: str) -> None:
    answer = monoscope(*words)
    assert answer.code == 1
    assert told in answer.err
    assert answer.err.count("\n") == 1
    assert "Traceback" not in answer.err + answer.out


@pytest.mark.parametrize(
    ("words", "read"),
    [
        (["tui"], Plain()),
        (["tui", "demo"], Plain(run="demo")),
        (["tui", "--session", "s", "demo"], Plain(run="demo", session="s")),
        (["--home", "/h", "tui", "demo", "--session", "s"], Plain(Path("/h"), "demo", "s")),
        (["tui", "--ascii", "--color", "16"], Plain(wishes=Wishes(ascii=True, color="16"))),
        (["tui", "--no-ascii"], Plain(wishes=Wishes(ascii=False))),
        (["tui", "--theme", "nord", "--keys", "k"], Plain(wishes=Wishes(theme="nord", keys=Path("k")))),
        (["tui", "--color", "17"], None),
        (["tui", "--color"], None),
        (["tui", "--ascii", "--no-ascii"], None),
        (["tui", "--help"], None),
        (["tui", "a", "b"], None),
        (["tui", "--session"], None),
        (["runs"], None),
        (["--home=/h", "tui"], None),
        ([], None),
    ],
)
def test_plain_forms_of_tui_need_no_command_line_library(words: list[str], read: Plain | None) -> None:
    assert plain_tui(words) == read


def test_wrong_usage_exits_with_two(monoscope: Monoscope) -> None:
    both = ("steer", "demo", "--neuron", 1, "--users", "true", "--off", "--add", 1)
    for words in (("neuron", "demo"), both, ("serve",), ("frobnicate",), ("labels", "demo", "set", 1)):
        assert monoscope(*words).code == 2


def test_a_missing_key_is_a_state_of_the_label_and_not_a_label(monoscope: Monoscope) -> None:
    answer = monoscope("label", "demo", "--neurons", "2", "--model", "any", "--session", "keyless", "--json")
    assert answer.code == 1
    assert (answer.json[0]["state"], answer.json[0]["text"]) == ("failed", None)
    assert "OPENAI_API_KEY" in answer.json[0]["note"]
    assert monoscope("labels", "demo", "--session", "keyless", "--json").json[0]["state"] == "failed"


def test_a_label_by_hand_wins_and_its_own_purity_stands_beside_the_best_concepts(monoscope: Monoscope) -> None:
    neuron = neuron_of(monoscope, "Horror")
    assert monoscope("labels", "demo", "set", neuron, "Sci-Fi", "--session", "hand").code == 0
    assert monoscope("label", "demo", "--neurons", neuron, "--labeller", "metadata", "--session", "hand").code == 0
    row = monoscope("neurons", "demo", "--session", "hand", "--json").json[neuron]
    assert (row["label"], row["label_state"], row["concept"]) == ("Sci-Fi", "human", "Horror")
    assert row["label_purity20"] < row["purity20"]
    items = monoscope("neuron", "demo", neuron, "-k", 20, "--json").json["items"]
    assert row["label_purity20"] == pytest.approx(np.mean(["Sci-Fi" in item["concepts"] for item in items]))


def test_an_unknown_session_or_another_runs_is_refused(monoscope: Monoscope, demo_run: Run) -> None:
    from engine.session import Session

    with Session.open(demo_run.home, "others", "another-run") as journal:
        journal.append("watch", user="v0001")
    for words in (("neurons", "demo"), ("export", "demo"), ("recommend", "demo", "--user", "v0001")):
        assert "no session 'typo'" in monoscope(*words, "--session", "typo").err
        assert monoscope(*words, "--session", "others").code == 1


def test_labels_go_through_a_real_server_into_the_session_and_the_table(monoscope: Monoscope) -> None:
    from tests.engine.labels.chat_server import answer, chat_server

    neuron = neuron_of(monoscope, "Horror")
    with chat_server() as server:
        server.replies = [answer("Scary films")]
        words = ("--neurons", neuron, "--model", "any", "--base-url", server.base_url, "--session", "served")
        words += ("--tests", "none")
        assert monoscope("label", "demo", *words, "--json").json[0]["state"] == "llm"
        assert len(server.requests) == 1
    row = monoscope("neurons", "demo", "--session", "served", "--json").json[neuron]
    assert (row["label"], row["label_state"], row["label_purity20"]) == ("Scary films", "llm", None)


def test_a_session_in_use_elsewhere_is_refused_before_anything_is_asked(monoscope: Monoscope, demo_run: Run) -> None:
    from engine.session import Session

    with Session.open(demo_run.home, "busy", "demo") as journal:
        journal.append("watch", user="v0001")
        answer = monoscope("label", "demo", "--neurons", 1, "--labeller", "metadata", "--session", "busy")
    assert answer.code == 1
    assert answer.err.count("\n") == 1


def test_a_dry_run_sends_nothing_and_says_how_much_it_would(monoscope: Monoscope) -> None:
    facts = monoscope("label", "demo", "--neurons", "1-3", "--dry-run", "--json").json
    assert facts["requests"] == 9  # a label and two tests each
    assert facts["tokens"] > 300


def test_the_tour_shows_neurons_items_and_a_list_before_and_after(monoscope: Monoscope) -> None:
    answer = monoscope("demo", "--no-tui")
    assert answer.code == 0
    for part in ("simulated audience", "No neuron reaches", "stands for", "before", "after", "monoscope tui demo"):
        assert part in answer.out


def test_a_report_names_neurons_and_holds_no_user(monoscope: Monoscope, demo_run: Run, tmp_path: Path) -> None:
    assert monoscope("export", "demo", "--output", tmp_path / "report.md").code == 0
    text = (tmp_path / "report.md").read_text()
    assert "simulated audience" in text
    assert "Horror" in text
    assert demo_run.manifest["hashes"]["sae.safetensors"] in text
    assert not any(f" {user} " in text for user in demo_run.recommender.users.ids)
    assert monoscope("export", "demo").out == text
    assert monoscope("export", "demo", "--format", "json").json["run"] == "demo"
    file = tmp_path / "report.md"
    file.write_text(text.replace("RBO", "OBR"))
    assert monoscope("export", "demo", "--output", file).code == 0
    assert file.read_text() == text


@pytest.mark.long
def test_a_report_of_one_kind_takes_the_place_of_one_of_another(monoscope: Monoscope, tmp_path: Path) -> None:
    for kind in formats.FORMATS:
        assert monoscope("export", "demo", "--format", kind, "--output", tmp_path / kind).code == 0
        assert monoscope("export", "demo", "--output", tmp_path / kind).code == 0


@pytest.mark.parametrize("mine", ["x = 1\n", '{"run": "demo"}', "[]", "# Notes\n"])
def test_a_file_that_is_no_earlier_report_is_written_over_only_on_demand(
    monoscope: Monoscope, tmp_path: Path, mine: str
) -> None:
    file = tmp_path / "model.py"
    file.write_text(mine)
    answer = monoscope("export", "demo", "--output", file)
    assert answer.code == 1
    assert f"{file} exists and is no report of monoscope; name another file" in " ".join(answer.err.split())
    assert file.read_text() == mine
    assert monoscope("export", "demo", "--output", file, "--overwrite").code == 0
    assert "what the model has learned" in file.read_text()


def test_runs_are_listed_shown_and_removed(elsewhere: Monoscope, demo_run: Run, tmp_path: Path) -> None:
    import shutil

    assert elsewhere("runs", "list", "--json").json == elsewhere("runs", "--json").json == []
    assert "monoscope demo" in elsewhere("runs").out
    shutil.copytree(demo_run.folder, tmp_path / "home" / "runs" / "copy")
    listed = elsewhere("runs", "list", "--json").json
    assert [(run["name"], run["dataset"], run["neurons"]) for run in listed] == [("copy", "demo", 40)]
    assert set(listed[0]["fidelity"]) == {"rbo", "tau", "l0_items", "l0_users", "ndcg_kept"}
    assert elsewhere("runs", "show", "copy", "--json").json["config"]["sae"]["neurons"] == 40
    assert elsewhere("runs", "remove", "copy").code == 1
    assert elsewhere("runs", "remove", "copy", "--yes").code == 0
    assert elsewhere("runs", "list", "--json").json == []


def test_a_run_names_the_concepts_and_the_users_that_it_is_compared_over(
    elsewhere: Monoscope, demo_run: Run, tmp_path: Path
) -> None:
    import shutil

    folder = tmp_path / "home" / "runs" / "copy"
    shutil.copytree(demo_run.folder, folder)
    panel = demo_run.manifest["comparison"]["panel"]
    said = " ".join(elsewhere("runs", "show", "copy").out.split())
    assert f"Panel: {len(panel)} concepts of this data set ({', '.join(panel)})" in said
    assert "in this table are on" not in said
    manifest = json.loads((folder / "manifest.json").read_text())
    for row in manifest["comparison"]["rows"]:
        row["fidelity"]["users"] = 7
    (folder / "manifest.json").write_text(json.dumps(manifest))
    said = " ".join(elsewhere("runs", "show", "copy").out.split())
    assert f"in this table are on 7 users, above on {manifest['fidelity']['users']}." in said
    manifest["comparison"]["rows"][0]["fidelity"]["users"] = 9
    (folder / "manifest.json").write_text(json.dumps(manifest))
    said = " ".join(elsewhere("runs", "show", "copy").out.split())
    assert "of the autoencoder are on 9 users, those of its baselines on 7." in said


def test_a_run_without_its_catalogue_opens_its_neurons_and_says_why_lists_are_missing(
    elsewhere: Monoscope, demo_run: Run, tmp_path: Path
) -> None:
    import shutil

    shutil.copytree(demo_run.folder, tmp_path / "home" / "runs" / "copy")
    assert len(elsewhere("neurons", "copy", "--json").json) == 40
    answer = elsewhere("recommend", "copy", "--user", "v0001")
    assert answer.code == 1
    assert "monoscope datasets fetch demo" in answer.err


def test_a_damaged_run_is_refused_and_listed_with_its_problem(
    elsewhere: Monoscope, demo_run: Run, tmp_path: Path
) -> None:
    import shutil

    folder = tmp_path / "home" / "runs" / "copy"
    shutil.copytree(demo_run.folder, folder)
    weights = bytearray((folder / "sae.safetensors").read_bytes())
    weights[-1] ^= 1
    (folder / "sae.safetensors").write_bytes(weights)
    answer = elsewhere("neuron", "copy", "0")
    assert answer.code == 1
    assert "sae.safetensors is missing or damaged" in answer.err
    (folder / "manifest.json").write_text("{")
    assert "cannot be read" in elsewhere("runs", "list", "--json").json[0]["problem"]


@pytest.mark.long
def test_two_trainings_with_the_same_seed_are_the_same_to_the_byte(demo_run: Run, tmp_path: Path) -> None:
    from engine.catalogue.fetch import fetch
    from engine.progress import silent
    from engine.train import train

    home = Home(tmp_path / "home")
    fetch(home, "demo", source=None, assent=True, progress=silent)
    config = {
        "recommender": {"epochs": 2, "d": 8},
        "sae": {"neurons": 8, "k_items": 2, "k_users": 3, "steps": 20},
    }
    first, second = (train(home, "demo", config, name, silent) for name in ("one", "two"))
    assert first.manifest["hashes"] == second.manifest["hashes"]
    assert first.manifest["catalogue_hash"] == demo_run.manifest["catalogue_hash"]
    other = train(home, "demo", {**config, "recommender": {"epochs": 2, "d": 8, "seed": 1}}, None, silent)
    assert other.manifest["hashes"] != first.manifest["hashes"]


def test_doctor_names_what_it_looked_at(monoscope: Monoscope) -> None:
    found = {finding["what"]: finding for finding in monoscope("doctor", "--json").json}
    assert {"torch", "device", "terminal", "home", "language model"} <= set(found)
    assert found["torch"]["state"] == "ok"
    assert found["terminal"]["state"] == "note"
