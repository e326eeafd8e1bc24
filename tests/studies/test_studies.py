"""Studies: trials in processes that end, fail, are killed and go on; tables of means over all seeds."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
from processes import until

from numgan import studies
from numgan.core.errors import FileFormatError, TrialError
from numgan.core.fields import for_json
from numgan.studies import STUDIES, Column, mixtures, protocol
from numgan.studies.protocol import Study, table


def test_a_column_is_the_mean_and_its_standard_error_over_all_seeds():
    assert Column("x", "x", 2).text([1.0, 2.0, 3.0]) == "2.00 ± 0.58"  # std 1 over sqrt 3
    assert (
        Column("x", "x", 2).text([1.0, None, 3.0]) == "2.00 ± 1.00 (2 of 3)"
        and Column("x", "x", 1).text([None, 4.0]) == "4.0 (1 of 2)"
    )
    assert Column("x", "x", 1, 100).text([0.5]) == "50.0" and Column("x", "x").text([]) == "-" == Column(
        "x", "x"
    ).text([None])


def test_the_table_has_our_rows_before_the_published_ones():
    study = Study(
        "t", "s", {"a": "ours"}, (Column("x", "figure", 1),), None, published={"theirs": {"x": "7 ± 1"}}
    )
    assert table(study, {"a": [{"x": 1.0}, {"x": 3.0}]}).splitlines()[2:] == [
        "| ours | 2.0 ± 1.0 |",
        "| theirs | 7 ± 1 |",
    ]


def test_figures_are_plain_numbers_without_inf():
    values = [np.float32(1), np.int64(2), np.array([np.nan, 3.0]), float("inf"), "x", True]
    assert json.dumps(for_json(values)) == '[1.0, 2, [null, 3.0], null, "x", true]'


@pytest.mark.parametrize("name", STUDIES)
def test_a_study_says_what_it_is(name):
    study = STUDIES[name]
    assert study.title.endswith(".") and study.source and study.arms and study.seeds >= 1 and study.differs
    keys = {column.key for column in study.columns}
    assert all(figures.keys() <= keys for figures in (study.published or {}).values())


def test_quick_ring_from_the_command_line(numgan, tmp_path, monkeypatch):
    """Two arms in processes; `test_a_quick_trial_of_ring` runs the others."""
    arms = {arm: STUDIES["ring"].arms[arm] for arm in ("gan", "r3gan")}
    monkeypatch.setitem(STUDIES, "ring", replace(STUDIES["ring"], arms=arms))
    code, out, err = numgan("study", "ring", "--quick", "--seeds", 1, "--out", "ring", "--json")
    found = json.loads(out)
    assert code == 0 and found["quick"] and found["results"].keys() == arms.keys()
    for arm, (row,) in found["results"].items():
        assert row["arm"] == arm and row["seed"] == 0
        assert 0 <= row["modes"] <= 8 and 0 <= row["high_quality"] <= 1 and row["steps"] == 30
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "ring" / "trials").rglob("result.json")}
    assert len(before) == 2 and all(
        (tmp_path / "ring" / name).exists() for name in ("table.md", "results.json", "samples.png")
    )

    code, again, err = numgan(
        "study", "ring", "--quick", "--seeds", 1, "--out", "ring", "--json"
    )  # nothing runs twice
    assert code == 0 and json.loads(again)["results"] == found["results"]
    assert before == {
        path: path.stat().st_mtime_ns for path in (tmp_path / "ring" / "trials").rglob("result.json")
    }

    code, out, err = numgan("study", "grid", "--quick", "--out", "ring")
    assert code == 2 and "holds study ring --quick" in err and "--out" in err
    code, out, err = numgan("study", "ring", "--out", "ring")
    assert code == 2 and "asked for ring;" in err.replace("ring --quick, ", "")


@pytest.mark.parametrize("arm", ["pac2", "r3gan-nets"])
def test_a_quick_trial_of_ring(arm, tmp_path, monkeypatch):
    monkeypatch.setattr(mixtures, "QUICK", 3)
    row = STUDIES["ring"].trial(arm, 0, True, tmp_path, lambda done: None)
    assert 0 <= row["modes"] <= 8 and 0 <= row["high_quality"] <= 1 and row["steps"] == 3


SCRIPT = """
import sys
from dataclasses import replace
from numgan import studies
if __name__ == "__main__":
    name, arm, quick, out = sys.argv[1:]
    study = replace(studies.STUDIES[name], arms={arm: "GAN"}, draw=None)
    studies.run(name, study, out, quick=quick == "quick", seeds=2, processes=1, progress=False)
"""


def test_a_killed_study_goes_on_where_it_was_cut(start, tmp_path, in_this_process):
    """kill -9 in the middle of the first trial: the same call then gives the figures of whole trials."""
    script, cut = tmp_path / "script.py", tmp_path / "cut"
    script.write_text(SCRIPT)
    process = start([sys.executable, script, "ring", "gan", "quick", cut])
    until((cut / "trials" / "gan-0" / "run" / "config.json").exists, process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    time.sleep(0.2)  # the trial's own process sees that its parent is gone
    assert not (cut / "results.json").exists() and not (cut / "trials" / "gan-1").exists()
    study = replace(STUDIES["ring"], arms={"gan": "GAN"}, draw=None)
    found = studies.run("ring", study, cut, quick=True, seeds=2, processes=1, progress=False)
    assert len(found.results["gan"]) == 2
    for row in found.results["gan"]:
        folder = tmp_path / f"whole-{row['seed']}"
        folder.mkdir()
        whole = study.trial("gan", row["seed"], True, folder, lambda done: None)
        assert row.keys() - whole.keys() == {"arm", "seed", "seconds"}
        assert all(row[key] == for_json(value) for key, value in whole.items() if key != "minutes")


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="needs process groups")
@pytest.mark.parametrize(
    "number, group",
    [(signal.SIGINT, True), (signal.SIGTERM, False)],
    ids=["Ctrl-C in a terminal", "SIGTERM to the parent"],
)
def test_a_study_that_is_asked_to_stop_saves(number, group, start, tmp_path):
    """A terminal sends Ctrl-C to the trials too. There only the parent's SIGTERM counts, and they save."""
    script, out = tmp_path / "script.py", tmp_path / "out"
    script.write_text(SCRIPT)
    words = [sys.executable, script, "mode-collapse", "plain", "full", out]
    process = start(words, stderr=subprocess.PIPE, text=True)
    log = out / "trials" / "plain-0" / "run" / "metrics.jsonl"
    until(lambda: log.exists() and log.read_bytes().count(b"\n") > 1, process)
    os.killpg(process.pid, number) if group else process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode and "KeyboardInterrupt" in err and "leaked" not in err
    steps = json.loads(log.read_text().splitlines()[-1])["step"]
    assert np.load(log.parent / "checkpoint.npz")["step"] >= steps > 0


def test_a_trial_that_was_cut_before_its_first_step_begins_again_and_counts_all_its_seconds(
    tmp_path, in_this_process
):
    """kill -9 between the first checkpoint and the run's configuration, after a stretch of 1,000 seconds."""
    name, trial = "random-architectures", tmp_path / "trials" / "gan-0"
    (trial / "run").mkdir(parents=True)
    (trial / "run" / "checkpoint.npz").write_bytes(b"torn")
    (trial / "seconds.json").write_text('{"before": 1000.0}')
    asked = {"study": name, "quick": True, "setting": STUDIES[name].differs}
    (tmp_path / "study.json").write_text(json.dumps(asked))
    study = replace(STUDIES[name], arms={"gan": "GAN"}, draw=None, summary=None)
    done = studies.run(name, study, tmp_path, quick=True, seeds=1, progress=False)
    assert done.results["gan"][0]["steps"] == 6 and done.seconds > 1000


def test_a_trial_whose_words_could_not_be_written_ends_with_its_code(tmp_path):
    (tmp_path / "trials" / "gan-0").mkdir(parents=True)
    (tmp_path / "trials" / "gan-0" / "error.txt").touch()
    with pytest.raises(TrialError, match="gan, seed 0, failed: its process ended with code 1;"):
        protocol._expect_done("ring", tmp_path, ("gan", 0), 1)


DIRAC = replace(STUDIES["dirac"], arms={"r1": "R1"})


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a quick study of the Dirac GAN, with one arm."""
    folder = tmp_path_factory.mktemp("dirac")
    studies.run("dirac", DIRAC, folder, quick=True, progress=False)
    return folder


def test_a_missing_file_of_a_trial_is_named(finished, tmp_path):
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    next(tmp_path.glob("trials/*/paths.npz")).unlink()
    with pytest.raises(FileFormatError, match="paths.npz is missing: delete the result.json"):
        studies.run("dirac", DIRAC, tmp_path, quick=True, progress=False)


@pytest.mark.parametrize("words", [{"processes": -1}, {"processes": 0}, {"seeds": 0}, {"seeds": -1}])
def test_no_seeds_and_no_processes_are_refused(words, tmp_path):
    with pytest.raises(ValueError, match="expected seeds and processes of at least 1"):
        studies.run("dirac", STUDIES["dirac"], tmp_path / "s", quick=True, progress=False, **words)
    assert not (tmp_path / "s").exists()


def test_requests_that_are_wrong_say_what_is_right(numgan, tmp_path):
    code, out, err = numgan("study", "sphere")
    assert code == 2 and "'sphere'" in err and "ring" in err
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("mine")
    code, out, err = numgan("study", "ring", "--quick", "--out", "full")
    assert code == 2 and "not empty" in err and (tmp_path / "full" / "letter.txt").read_text() == "mine"
    code, out, err = numgan("study", "ring", "--quick", "--out", "full/letter.txt")
    assert code == 2 and "expected a folder" in err
    code, out, err = numgan("study")
    assert code == 0 and all(name in out for name in STUDIES)
    code, out, err = numgan("study", "--seeds", 3)
    assert code == 2 and "expected a NAME" in err


@pytest.mark.parametrize(
    "words",
    [
        "{torn",
        "{}",
        '{"arm": "gan", "seed": 0, "seconds": null}',
        '{"arm": "pac2", "seed": 0, "seconds": 1}',
        '{"arm": "gan", "seed": 0, "seconds": 1, "modes": NaN}',
        '{"arm": "gan", "seed": 0, "seconds": 1}',
    ],
)
def test_a_damaged_result_is_named(words, tmp_path):
    out = tmp_path / "s"
    (out / "trials" / "gan-0").mkdir(parents=True)
    (out / "study.json").write_text(
        json.dumps({"study": "ring", "quick": True, "setting": STUDIES["ring"].differs})
    )
    (out / "trials" / "gan-0" / "result.json").write_text(words)
    with pytest.raises(FileFormatError, match="gan-0.*delete the file"):
        studies.run(
            "ring", replace(STUDIES["ring"], arms={"gan": "GAN"}), out, quick=True, seeds=1, progress=False
        )


@pytest.mark.parametrize(
    "words", ["x", "{}", '{"study": 3, "quick": true, "setting": ""}', '{"study": "dirac", "quick": true}']
)
def test_a_folder_whose_study_is_damaged_says_how_to_mend_it(words, tmp_path):
    (tmp_path / "study.json").write_text(words)
    with pytest.raises(FileFormatError) as caught:
        studies.run("dirac", STUDIES["dirac"], tmp_path, quick=True, progress=False)
    mended = str(caught.value).partition("write ")[2].partition(" into it")[0]
    assert json.loads(mended) == {"study": "dirac", "quick": True, "setting": STUDIES["dirac"].differs}


def test_a_study_whose_setting_changed_does_not_join_its_old_trials(finished, tmp_path):
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    with pytest.raises(
        ValueError,
        match="holds trials of dirac in another setting.*--out, or, if nothing but words changed, write",
    ):
        studies.run("dirac", replace(DIRAC, differs="Twice the steps."), tmp_path, quick=True, progress=False)


def test_a_trial_that_fails_is_named_and_its_words_are_kept(tmp_path):
    """The arm exists nowhere: its process ends with an error of its own."""
    with pytest.raises(TrialError, match="trial nowhere, seed 0.*KeyError"):
        studies.run(
            "dirac",
            replace(STUDIES["dirac"], arms={"nowhere": "-"}),
            tmp_path / "s",
            quick=True,
            seeds=1,
            progress=False,
        )
    assert "Traceback" in (tmp_path / "s" / "trials" / "nowhere-0" / "error.txt").read_text()
