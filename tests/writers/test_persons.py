from dataclasses import replace

from pipeline.types import Analysis, Observation, Span, Status
from pipeline.writers.evidence import because
from pipeline.writers.facts import headline
from pipeline.writers.palette import PERSONS
from pipeline.writers.persons import naming, person_colours
from tests.writers.conftest import scores, with_posture


def seen(subject: str, start_us: int) -> Observation:
    return Observation(
        "face", Span(start_us, start_us + 1), Status.OK, scores("sad", 0.5), subject=subject, quality=1.0
    )


def test_colours_go_by_first_appearance_whatever_the_order_of_the_file(analysis: Analysis) -> None:
    late_first = replace(analysis, observations={"face": (seen("P1", 9), seen("P2", 3), seen("P10", 3))})
    assert person_colours(late_first) == dict(zip(("P2", "P10", "P1"), PERSONS, strict=False))


def test_a_seventh_person_shares_a_colour(analysis: Analysis) -> None:
    many = replace(analysis, observations={"face": tuple(seen(f"P{i}", i) for i in range(7))})
    colours = person_colours(many)
    assert len(set(colours.values())) == 6 and colours["P6"] == colours["P0"] == PERSONS[0]


def test_a_person_keeps_the_colour_when_another_modality_sees_them_too(analysis: Analysis) -> None:
    assert person_colours(with_posture(analysis)) == person_colours(analysis)
    assert person_colours(replace(analysis, observations={})) == {}


def test_a_conflict_names_its_person_where_there_are_several(analysis: Analysis) -> None:
    _, blend, polarity = analysis.conflicts
    shown = naming(analysis)
    assert shown(blend) == {"face": "P1"}  # a voice and words belong to nobody
    assert headline(blend, shown(blend)) == "blend · face (P1) sad, voice angry"
    assert because(polarity, shown(polarity)).startswith("face (P1) sad 70%, words happy 91% while")
    alone = tuple(o for o in analysis.observations["face"] if o.subject != "P2")
    assert naming(replace(analysis, observations={"face": alone}))(blend) == {}


def test_persons_shown_one_after_the_other_are_all_named(analysis: Analysis) -> None:
    _, blend, _ = analysis.conflicts
    first, second, *rest = analysis.moments
    other = replace(second.by_modality["face"], subject="P2")
    second = replace(second, by_modality={**second.by_modality, "face": other})
    turned = replace(analysis, moments=(first, second, *rest))
    assert naming(turned)(blend) == {"face": "P1+P2"}
    assert naming(turned)(replace(blend, span=second.span)) == {"face": "P2"}
    assert naming(replace(turned, moments=()))(blend) == {}
