"""Where the commands take their settings from, and how they say that one is wrong."""

from pathlib import Path

import pytest

from tests.cli.conftest import Run, json_of


def database(run: Run, *flags: str) -> str:
    """The data directory that a command has used, seen from here."""
    used = Path(json_of(run("db", "upgrade", "--json", *flags))["database"]).parent
    return str(used.relative_to(Path.cwd())) if used.is_relative_to(Path.cwd()) else str(used)


@pytest.fixture
def everywhere(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """One setting in the environment, in a file named there and in the TOML file."""
    Path("settings.toml").write_text('data_dir = "of-toml"\n')
    Path("value").write_text("of-file\n")
    monkeypatch.setenv("TOKENSVC_CONFIG", "settings.toml")
    monkeypatch.setenv("TOKENSVC_DATA_DIR_FILE", "value")
    monkeypatch.setenv("TOKENSVC_DATA_DIR", "of-environment")
    return monkeypatch


def test_a_flag_goes_before_the_environment(run: Run, everywhere: pytest.MonkeyPatch) -> None:
    """A flag wins over every other source."""
    assert database(run, "--data-dir", "of-flag") == "of-flag"


def test_the_environment_goes_before_a_file_that_it_names(run: Run, everywhere: pytest.MonkeyPatch) -> None:
    """TOKENSVC_DATA_DIR wins over TOKENSVC_DATA_DIR_FILE."""
    assert database(run) == "of-environment"


def test_a_named_file_goes_before_the_toml_file(run: Run, everywhere: pytest.MonkeyPatch) -> None:
    """TOKENSVC_DATA_DIR_FILE wins over the TOML file."""
    everywhere.delenv("TOKENSVC_DATA_DIR")
    assert database(run) == "of-file"


def test_the_toml_file_goes_before_the_default(run: Run, everywhere: pytest.MonkeyPatch) -> None:
    """The TOML file wins over the default."""
    everywhere.delenv("TOKENSVC_DATA_DIR")
    everywhere.delenv("TOKENSVC_DATA_DIR_FILE")
    assert database(run) == "of-toml"


def test_a_named_toml_file_goes_before_the_one_of_the_environment(run: Run, everywhere: pytest.MonkeyPatch) -> None:
    """--config wins over TOKENSVC_CONFIG."""
    everywhere.delenv("TOKENSVC_DATA_DIR")
    everywhere.delenv("TOKENSVC_DATA_DIR_FILE")
    Path("other.toml").write_text('data_dir = "of-other-toml"\n')
    assert database(run, "--config", "other.toml") == "of-other-toml"


def test_an_empty_config_variable_names_no_file(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """TOKENSVC_CONFIG without a value, as containers pass it, means that there is no file."""
    monkeypatch.setenv("TOKENSVC_CONFIG", "")
    assert database(run) == "tokensvc-data"


def test_a_flag_for_no_undoes_a_yes_of_the_environment(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """--no-insecure wins over TOKENSVC_INSECURE=true."""
    monkeypatch.setenv("TOKENSVC_INSECURE", "true")
    result = run("serve", "--listen", "192.0.2.1:0", "--no-insecure", exit_code=2)
    assert "loopback" in result.stderr


def test_a_bad_value_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A value that cannot be is a configuration error that names the setting."""
    monkeypatch.setenv("TOKENSVC_TIMEOUT", "soon")
    result = run("session", "show", "x", exit_code=2)
    assert result.stderr.startswith("error: timeout:")
    assert result.stdout == ""


def test_a_configuration_error_is_json_for_scripts(run: Run) -> None:
    """With --json a configuration error is a JSON object on standard error."""
    result = run("session", "show", "x", "--timeout", "0", "--json", exit_code=2)
    assert '"error": "timeout: ' in result.stderr


def test_an_unknown_setting_in_the_toml_file_is_named(run: Run) -> None:
    """A misspelt setting is refused and named; it must not be ignored."""
    Path("settings.toml").write_text('data_dri = "x"\n')
    assert "data_dri" in run("db", "upgrade", "--config", "settings.toml", exit_code=2).stderr


@pytest.mark.parametrize("content", ["client_secret = hush-hush\n", 'client_secret = ["hush-hush"]\n'])
def test_a_secret_in_a_bad_toml_file_is_not_shown(run: Run, content: str) -> None:
    """What stands where a secret should is never repeated."""
    Path("settings.toml").write_text(content)
    result = run("session", "show", "x", "--config", "settings.toml", exit_code=2)
    assert "hush" not in result.output


@pytest.mark.parametrize("content", [None, b"hush-hush\xff"])
def test_a_secret_file_that_cannot_be_read_is_named(
    run: Run, monkeypatch: pytest.MonkeyPatch, content: bytes | None
) -> None:
    """A missing secret file, or one that is not text, is an error that names the variable and shows no content."""
    if content is not None:
        Path("secret").write_bytes(content)
    monkeypatch.setenv("TOKENSVC_CLIENT_SECRET_FILE", "secret")
    result = run("session", "show", "x", exit_code=2)
    assert "TOKENSVC_CLIENT_SECRET_FILE" in result.stderr
    assert "hush" not in result.output


def test_a_missing_toml_file_is_named(run: Run) -> None:
    """A TOML file that is not there is an error, not an empty one."""
    assert "nowhere.toml" in run("db", "upgrade", "--config", "nowhere.toml", exit_code=2).stderr


@pytest.mark.parametrize(
    ("settings", "wrong"),
    [
        ({"KEY_LEAD": "86400", "SIGNING_KEY_DAYS": "1"}, "signing_key_days: "),
        ({"KEY_LEAD": "2592000", "REFRESH_KEY_DAYS": "30"}, "refresh_key_days: "),
        ({"REFRESH_KEY_DAYS": "1"}, "refresh_key_days: "),
    ],
)
def test_settings_that_contradict_each_other(
    run: Run, monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], wrong: str
) -> None:
    """What could only be obeyed in part is refused by its name."""
    for name, value in settings.items():
        monkeypatch.setenv(f"TOKENSVC_{name}", value)
    assert wrong in run("db", "upgrade", exit_code=2).stderr


def test_keys_that_change_only_when_told_to_need_no_interval(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """With 0 days any lead is right, and a lead just below the interval is."""
    monkeypatch.setenv("TOKENSVC_KEY_LEAD", "172799")
    monkeypatch.setenv("TOKENSVC_SIGNING_KEY_DAYS", "0")
    monkeypatch.setenv("TOKENSVC_REFRESH_KEY_DAYS", "2")
    assert database(run) == "tokensvc-data"
