"""Wrong settings: one clear sentence, exit code 2."""

import subprocess

import pytest

WRONG = {
    "listen": ({"ACREL_LINK_LISTEN": "nowhere"}, "ACREL_LINK_LISTEN"),
    "port": ({"ACREL_LINK_LISTEN": "127.0.0.1:70000"}, "70000"),
    "allow": ({"ACREL_LINK_ALLOW": "10.0.0.0/99"}, "10.0.0.0/99"),
    "open_door": ({"ACREL_LINK_LISTEN": "0.0.0.0:8450"}, "ACREL_LINK_ALLOW"),
    "interval": ({"ACREL_LINK_POLL_IDLE": "often"}, "ACREL_LINK_POLL_IDLE"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_setting_is_one_sentence_and_exit_code_2(stage, case):
    change, named = WRONG[case]
    done = run(stage, ["meter_link", "-d", stage.demo()], change)
    assert done.returncode == 2, done.stderr
    (sentence,) = [line for line in done.stderr.splitlines() if named in line]
    assert sentence.rstrip().endswith(".")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["meter_link", "-d", "no_such_database"], "no_such_database"),
        (["meter_simulator", "--connect", "127.0.0.1:1", "--count", "0"], "--count"),
    ],
    ids=["database", "simulator"],
)
def test_wrong_argument_is_one_sentence_and_exit_code_2(stage, words, named):
    done = run(stage, words, {})
    assert done.returncode == 2, done.stderr
    assert [line for line in done.stderr.splitlines() if named in line]
    assert "Traceback" not in done.stderr


def run(stage, words: list[str], change: dict[str, str]) -> subprocess.CompletedProcess:
    """Run an Odoo command to its end."""
    return subprocess.run(
        stage.odoo.line(*words),
        env={**stage.odoo.env(), **change},
        cwd=stage.odoo.folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
