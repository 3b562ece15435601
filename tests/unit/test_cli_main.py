"""The command line as a whole: what it lists, what it loads, and how it fails."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from appliance import __version__
from appliance.cli.main import CommandModules

HEAVY = {"airflow", "fastapi", "psycopg", "docker", "httpx", "yaml", "pyinfra", "rich"}


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "appliance", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "120", **environment},
        timeout=300,
        check=False,
    )


def loaded_for(*arguments: str) -> set[str]:
    """The top-level packages that are imported to run a command."""
    program = f"""
        import sys
        sys.argv = ["appliance", *{list(arguments)!r}]
        from appliance.cli.main import main
        try:
            main()
        except SystemExit:
            pass
        sys.stdout.write("\\nLOADED " + " ".join(sorted({{name.partition(".")[0] for name in sys.modules}})))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    return set(done.stdout.rpartition("LOADED ")[2].split())


def failing(body: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command that does ``body``, run by the real entry point."""
    program = f"""
        import sys
        import typer
        from appliance.cli import (main as cli)
        from appliance.errors import RefusedError, WrongRequestError, WorkFailedError

        app = typer.Typer()

        @app.command()
        def fail() -> None:
            {body}

        cli.CommandModules.__getitem__ = lambda self, name: typer.main.get_command(app)
        cli.CommandModules.summary = lambda self, name: "Fails."
        sys.argv = ["appliance", "fail"]
        cli.main()
    """
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        timeout=300,
        check=False,
    )


def test_the_version_is_printed() -> None:
    done = run("--version")
    assert (done.returncode, done.stdout) == (0, f"appliance {__version__}\n")


@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help_lists_every_command_with_a_line_about_it(option: str) -> None:
    done = run(option)
    assert done.returncode == 0
    modules = CommandModules()
    assert {"workflow", "connections"} <= set(modules)
    for name in modules:
        assert f"\n  {name} " in done.stdout
        assert modules.summary(name)


def test_help_in_a_pipe_has_no_escape_codes_or_boxes() -> None:
    for arguments in (["--help"], ["workflow", "--help"], ["workflow", "validate", "--help"], ["nonsense"]):
        done = run(*arguments)
        shown = done.stdout + done.stderr
        assert "\x1b" not in shown
        assert "╭" not in shown


def test_without_arguments_help_is_shown() -> None:
    assert "Usage: appliance" in "".join([run().stdout, run().stderr])


def test_help_and_version_import_nothing_heavy() -> None:
    for arguments in ([], ["--help"], ["--version"]):
        assert loaded_for(*arguments) & {*HEAVY, "pydantic"} == set(), arguments
    # Typer reads a command's own options with pydantic.
    for arguments in (["connections", "--help"], ["connections", "template", "--help"]):
        assert loaded_for(*arguments) & HEAVY == set(), arguments


def test_every_command_can_be_loaded_and_has_help() -> None:
    modules = CommandModules()
    for name in modules:
        assert modules[name].name == name
        assert modules[name].help


def test_a_module_that_is_no_command_is_not_listed() -> None:
    assert {"main", "shell_files", "_validate"}.isdisjoint(CommandModules())


def test_a_run_is_shown_by_either_name() -> None:
    for arguments in (["runs", "--help"], ["run", "show", "--help"]):
        assert "List the newest runs, or show one" in run(*arguments).stdout
    assert "Run a workflow on this machine" in run("run", "--help").stdout


def test_the_man_page_has_every_command_with_what_its_options_take() -> None:
    page = subprocess.run(
        [sys.executable, "-m", "appliance.cli.work.host.shell_files", "man"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for name in CommandModules():
        assert re.search(rf"^\.SS appliance {name}( |$)", page, re.MULTILINE), name
    assert ".B \\-\\-in\\-spite\\-of CHECK\n" in page
    assert ".SS appliance exports get\n" in page


def test_a_mistyped_command_is_answered_with_the_right_one() -> None:
    done = run("workflw")
    assert done.returncode == 2
    assert "No such command 'workflw'. Did you mean 'workflow'?" in done.stderr


@pytest.mark.parametrize(
    ("error", "code"), [("WorkFailedError", 1), ("WrongRequestError", 2), ("RefusedError", 3)]
)
def test_a_failure_is_a_message_and_an_exit_code(error: str, code: int) -> None:
    done = failing(f'raise {error}("It failed.", "There is a reason.", "do this")')
    assert done.returncode == code
    assert done.stderr == "It failed.\nThere is a reason.\nNext: do this\n"
    assert done.stdout == ""


def test_a_fault_of_our_own_shows_its_kind_and_place_but_no_data() -> None:
    done = failing('raise KeyError("row value S3cret")')
    assert done.returncode == 1
    assert done.stderr.startswith("This is a fault of the appliance itself: KeyError at ")
    assert "S3cret" not in done.stderr
    assert "Traceback" not in done.stderr
    assert "APPLIANCE_DEBUG=1" in done.stderr


def test_what_is_closed_to_a_user_is_no_fault_and_says_how_to_open_it(tmp_path: Path) -> None:
    """Debian's home of the settings is closed to all but root and the appliance."""
    settings = tmp_path / "appliance.yaml"
    settings.touch(mode=0)
    as_nobody = f"import os; os.geteuid() or os.setuid(65534); open({str(settings)!r})"
    done = failing(as_nobody)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"{settings} is not open to you.\n"
        "What belongs to the appliance can be read by root only.\n"
        "Next: Put sudo before the command.\n"
    )
    # For root itself it is one, and shows its place.
    as_root = "import os; os.geteuid = lambda: 0; raise PermissionError(13, 'Denied', '/x')"
    assert failing(as_root).returncode == 1


def test_the_state_of_a_database_error_is_shown_without_its_text() -> None:
    done = failing('import psycopg.errors; raise psycopg.errors.UniqueViolation("Key (ssn)=(S3cret)")')
    assert "UniqueViolation" in done.stderr
    assert "SQLSTATE 23505" in done.stderr
    assert "S3cret" not in done.stderr


def test_debugging_shows_the_traceback() -> None:
    done = failing('raise WrongRequestError("It failed.")', APPLIANCE_DEBUG="1")
    assert done.returncode == 2
    assert "Traceback (most recent call last)" in done.stderr


def test_an_interrupt_exits_as_a_shell_expects() -> None:
    done = failing("raise KeyboardInterrupt")
    assert done.returncode == 130
    assert "Traceback" not in done.stderr


def test_an_interrupt_while_the_command_line_is_imported_shows_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "typer.py").write_text("raise KeyboardInterrupt")
    done = subprocess.run(
        [sys.executable, "-m", "appliance", "--help"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_an_interrupt_from_the_keyboard_exits_as_a_shell_expects(tmp_path: Path) -> None:
    pipe = tmp_path / "endless.yaml"
    os.mkfifo(pipe)
    process = subprocess.Popen(
        [sys.executable, "-m", "appliance", "connections", "template", str(pipe)],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # Where the tests themselves run in the background, they ignore it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
    )
    # Opening the other end waits until the command has begun to read.
    descriptor = os.open(pipe, os.O_WRONLY)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=300)
    os.close(descriptor)
    assert process.returncode == 130
    assert "Traceback" not in errors


def test_a_reader_that_goes_away_leaves_no_traceback() -> None:
    done = subprocess.run(
        f"{sys.executable} -m appliance --help | true",
        shell=True,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr


def test_commands_complete_in_a_shell_without_being_imported() -> None:
    done = run(_APPLIANCE_COMPLETE="complete_bash", COMP_WORDS="appliance conn", COMP_CWORD="1")
    assert done.stdout.split() == ["connections"]
    inside = run(_APPLIANCE_COMPLETE="complete_bash", COMP_WORDS="appliance connections t", COMP_CWORD="2")
    assert inside.stdout.split() == ["template"]


def test_names_complete_from_files_and_never_with_an_error(tmp_path: Path) -> None:
    (tmp_path / "connections.yaml").write_text("# ours\nproduction: {host: h}\nstaging:\n  host: h\n")
    (tmp_path / "runs" / "nightly-1").mkdir(parents=True)
    (tmp_path / "exports" / "nightly" / "nightly-2").mkdir(parents=True)
    (tmp_path / "exports" / "nightly" / ".nightly-3.unfinished").mkdir()
    index = {"version": "1", "files": [{"id": "nightly"}, {"id": "weekly"}, {"id": None}]}
    (tmp_path / "workflow-index.json").write_text(json.dumps(index))

    def completed(words: str, folder: Path) -> list[str]:
        done = run(
            _APPLIANCE_COMPLETE="complete_bash",
            COMP_WORDS=f"appliance {words}",
            COMP_CWORD=str(len(words.split(" "))),
            APPLIANCE_CONFIG_DIR=str(folder),
            APPLIANCE_STATE_DIR=str(folder),
        )
        assert done.stderr == ""
        return done.stdout.split()

    assert completed("connections check ", tmp_path) == ["production", "staging"]
    assert completed("workflow start w", tmp_path) == ["weekly"]
    assert completed("runs ", tmp_path) == ["nightly-1"]
    assert completed("exports get ", tmp_path) == ["nightly-2"]
    for words in ("connections check ", "workflow start ", "runs ", "exports rm "):
        assert completed(words, tmp_path / "nowhere") == []
