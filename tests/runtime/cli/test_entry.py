"""Exit codes, one-line errors, help, and what the process does when its reader or its user stops it."""

from __future__ import annotations

import os
import signal
import time
from types import SimpleNamespace

import pytest

from loopspec.runtime.cli import registry
from loopspec.runtime.cli.registry import COMMANDS, load_command

MODULE = ("-m", "loopspec.runtime.cli")


def test_help_lists_every_command(cli):
    result = cli("--help")
    assert result.code == 0 and result.err == ""
    width = max(map(len, COMMANDS)) + 2
    for name, (_, summary) in COMMANDS.items():
        assert f"  {name:<{width}}{summary}\n" in result.out


def test_no_command_is_wrong_usage(cli):
    result = cli()
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("usage: loopspec COMMAND")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_examples_in_80_columns(cli, name):
    result = cli(name, "--help")
    assert result.code == 0
    assert max(map(len, result.out.splitlines())) <= 80
    examples = result.out.partition("\nexamples:\n")[2].splitlines()
    assert examples and all(line.startswith(f"  loopspec {name} ") for line in examples)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_registry_agrees_with_the_modules(name):
    command = load_command(name)
    assert name == command.NAME
    assert COMMANDS[name][1] == command.SUMMARY


def test_unknown_command_names_the_nearest(cli):
    result = cli("valdate", "x.yaml")
    assert (result.code, result.out) == (2, "")
    assert result.err == "loopspec: there is no command `valdate`; did you mean `validate`?\n"


@pytest.mark.parametrize(
    "words", [["--colour"], ["plan"], ["validate", "x", "--format", "xml"], ["plan", "x", "--form"]]
)
def test_wrong_usage_exits_with_2(cli, words):
    result = cli(*words)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("usage: ")


def test_version(cli):
    result = cli("--version")
    assert result.code == 0 and result.out.startswith("loopspec ")


def _register(monkeypatch: pytest.MonkeyPatch, fault: BaseException) -> None:
    """Makes `explain` a command that raises."""

    def execute(arguments: object) -> int:
        raise fault

    command = SimpleNamespace(NAME="explain", SUMMARY="", configure=lambda parser: None, execute=execute)
    monkeypatch.setattr(registry, "import_module", lambda *names: command)


def test_a_fault_of_the_tool_is_one_line(cli, monkeypatch):
    _register(monkeypatch, KeyError("dim"))
    result = cli("explain")
    assert result.code == 2
    assert result.err == "loopspec: internal error: KeyError: 'dim'; set LOOPSPEC_TRACEBACK=1 to see where\n"


def test_a_fault_of_the_tool_shows_its_stack_when_asked(cli, monkeypatch):
    _register(monkeypatch, KeyError("dim"))
    monkeypatch.setenv("LOOPSPEC_TRACEBACK", "1")
    result = cli("explain")
    assert result.code == 2
    assert result.err.startswith("Traceback") and "in execute" in result.err


def test_a_file_that_cannot_be_written_is_one_line(cli, monkeypatch):
    _register(monkeypatch, PermissionError(13, "Permission denied", "/etc/x"))
    result = cli("explain")
    assert (result.code, result.err) == (2, "loopspec: /etc/x: permission denied\n")


def test_interrupt_is_one_line(cli, monkeypatch):
    _register(monkeypatch, KeyboardInterrupt())
    result = cli("explain")
    assert (result.code, result.err) == (130, "loopspec: interrupted\n")


def test_torch_waits_passively_unless_told_otherwise(cli, monkeypatch):
    monkeypatch.delenv("OMP_WAIT_POLICY")
    cli("--version")
    assert os.environ["OMP_WAIT_POLICY"] == "PASSIVE"
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    cli("--version")
    assert os.environ["OMP_WAIT_POLICY"] == "ACTIVE"


def test_a_reader_that_goes_away_ends_it_quietly(start):
    process = start(*MODULE, "plan", "frugendorff-6x2")
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait(timeout=300) == 141


def test_ctrl_c_in_a_process_of_its_own(start):
    script = (
        "import sys; from loopspec.runtime.cli import main; import loopspec.runtime.cli.commands.validate\n"
        "print('ready', flush=True); sys.exit(main(['validate', '-']))"
    )
    process = start("-c", script)
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.2)  # it now waits for standard input
    process.send_signal(signal.SIGINT)
    assert process.stderr.read() == "loopspec: interrupted\n"
    assert process.wait(timeout=300) == 130


def test_an_encoding_without_the_character_gets_an_escape(start):
    process = start(*MODULE, "explain", "é" * 3, PYTHONIOENCODING="ascii")
    out, err = process.communicate(timeout=300)
    assert process.returncode == 1 and out == "" and "\\xe9" in err


def test_commands_without_torch(start):
    """All in one process, which is left without torch and numpy; the help of the program needs no library at all."""
    script = """
import sys
from loopspec.runtime.cli import main
def loaded(*names): return [name for name in names if name in sys.modules]
assert main(["--help"]) == 0
assert not loaded("yaml", "networkx", "jsonschema", "loopspec.compiler.check"), "help"
for words, code in [
    (["explain", "model.dim"], 0), (["new", "my.yaml"], 0), (["validate", "my.yaml"], 0), (["show", "my.yaml"], 0),
    (["show", "my.yaml", "--resolved"], 0), (["plan", "my.yaml"], 0), (["plan", "my.yaml", "--dump-after", "bind"], 0),
    (["diff", "my.yaml", "my.yaml", "--set", "model.dim=64"], 1), (["compile", "my.yaml", "-o", "out"], 0),
    (["export", "my.yaml", "-o", "script.py"], 0),
]:
    assert main(words) == code, words
    assert not loaded("torch", "numpy"), words
print("done", file=sys.stderr)
"""
    process = start("-c", script)
    _, err = process.communicate(timeout=300)
    assert (process.returncode, err) == (0, "done\n")
