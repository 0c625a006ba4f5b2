import pytest

from pipeline.config import ConfigError
from pipeline.fusion.readings import SHIPPED, load_rules, rule_of
from pipeline.labels import EMOTIONS


@pytest.mark.parametrize(
    ("kind", "emotions", "name"),
    [
        ("polarity", {"face": "sad", "text": "happy"}, "tears of joy"),
        ("polarity", {"voice": "angry", "text": "happy"}, "sarcasm-like"),
        ("polarity", {"face": "happy", "voice": "sad"}, "masking smile"),
        ("blend", {"face": "surprise", "voice": "fear"}, None),
        ("masking", {"face": "neutral", "voice": "sad"}, "feeling held back"),
    ],
)
def test_shipped_readings(kind, emotions, name):
    rule = rule_of(kind, emotions, load_rules(SHIPPED))
    assert (rule and rule.name) == name


def test_every_shipped_rule_names_emotions_and_can_fire():
    rules = load_rules(SHIPPED)
    for rule in rules:
        assert rule.when and all(what <= set(EMOTIONS) for what in rule.when.values())
        shown = {who: min(what) for who, what in rule.when.items()}
        kind = rule.kinds[0] if rule.kinds else "polarity"
        assert rule_of(kind, shown, (rule,)) is rule


def test_own_readings_come_first_and_mistakes_are_named(tmp_path):
    own = tmp_path / "own.toml"
    own.write_text('[[reading]]\nname = "mine"\nwhen = { face = ["sad"] }\n')
    rules = load_rules(own) + load_rules(SHIPPED)
    assert rule_of("polarity", {"face": "sad", "text": "happy"}, rules).name == "mine"
    assert rule_of("polarity", {"face": "happy", "voice": "sad"}, rules).name == "masking smile"
    own.write_text('[[reading]]\nname = "mine"\nwhen = { face = ["gloomy"] }\n')
    with pytest.raises(ConfigError, match="'gloomy' is none of angry"):
        load_rules(own)
    own.write_text('[[reading]]\nname = "mine"\nif = { face = ["sad"] }\n')
    with pytest.raises(ConfigError, match="unknown key 'if'"):
        load_rules(own)
    with pytest.raises(ConfigError, match="cannot read"):
        load_rules(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('name = "x"\nwhen = { face = 5 }', "when.face is a list of emotions; 5 is not"),
        ('name = "x"\nwhen = { face = "sad" }', "when.face is a list of emotions"),
        ('name = "x"\nwhen = {}', "a table named when that is not empty"),
        ('name = "x"\nwhen = 3', "a table named when"),
        ('name = "x"\nkinds = ["plarity"]\nwhen = { face = ["sad"] }', "kinds is a list of polarity, blend"),
        ('name = "x"\nkinds = "polarity"\nwhen = { face = ["sad"] }', "kinds is a list of polarity, blend"),
    ],
)
def test_a_rule_that_would_match_nothing_or_everything_is_refused(tmp_path, text, said):
    own = tmp_path / "own.toml"
    own.write_text(f"[[reading]]\n{text}\n")
    with pytest.raises(ConfigError, match=said):
        load_rules(own)
    own.write_text(f"[[readings]]\n{text}\n")
    with pytest.raises(ConfigError, match="unknown key 'readings'"):
        load_rules(own)
