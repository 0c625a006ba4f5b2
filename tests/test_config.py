from pathlib import Path

import pytest

from pipeline.config import (
    Config,
    ConfigError,
    config_from_mapping,
    document,
    known_keys,
    load_config,
    to_toml,
)

DOCS = Path(__file__).parent.parent / "docs"


def test_toml_round_trip(tmp_path):
    config = config_from_mapping({"face": {"sample_fps": "all"}, "fusion": {"weights": {"face": 0.6}}})
    path = tmp_path / "settings.toml"
    path.write_text(to_toml(config), encoding="utf-8")
    assert load_config(path) == config
    assert config_from_mapping({}) == Config()


def test_flags_win_over_the_file(tmp_path):
    path = tmp_path / "settings.toml"
    path.write_text('[run]\nprofile = "full"\nworkers = 3\n')
    config = load_config(path, {"run": {"profile": "compact"}})
    assert (config.run.profile, config.run.workers) == ("compact", 3)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"face": {"sample_fpss": 3}}, "unknown setting 'face.sample_fpss'; did you mean 'face.sample_fps'?"),
        ({"fcae": {}}, "unknown setting 'fcae'; did you mean 'face'?"),
        ({"voice": {"hop_s": -1}}, "setting voice.hop_s: Input should be greater than 0 (got -1)"),
        ({"voice": {"hop_s": 5}}, "setting voice: hop_s (5) leaves holes between windows of 3 s"),
        ({"conflict": {"leave": 0.95}}, "setting conflict: leave (0.95) must not be above enter (0.9)"),
        (
            {"highlights": {"keyframes": 201}},
            "setting highlights.keyframes: Input should be less than or equal to 200 (got 201)",
        ),
        ({"zzzzzz": {}}, "unknown setting 'zzzzzz'; see docs/CONFIG.md"),
    ],
)
def test_mistakes_are_one_sentence(values, sentence):
    with pytest.raises(ConfigError) as raised:
        config_from_mapping(values)
    assert str(raised.value) == sentence


@pytest.mark.parametrize(
    ("text", "part"), [("[face", "is not valid TOML"), (None, "cannot read the settings")]
)
def test_unusable_files(tmp_path, text, part):
    path = tmp_path / "settings.toml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError, match=part):
        load_config(path)


def test_page_is_what_the_models_say():
    assert (DOCS / "CONFIG.md").read_text(encoding="utf-8") == document()
    assert all(f"`{key.split('.')[1]}`" in document() for key in known_keys() if "." in key)
