"""Tables of what files show and what is said by it; every row is a kind of file that is met outside."""

import itertools
from collections.abc import Sequence
from time import process_time, thread_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.media.cues import Cue, Spoken, plain_text, spoken_lines
from pipeline.media.subtitles import parse_subtitles
from pipeline.types import US_PER_S

FILM_US = 20 * US_PER_S
Row = tuple[float, float, str]


def cue(start_s: float, end_s: float, text: str, **more: str) -> Cue:
    return Cue(round(start_s * US_PER_S), round(end_s * US_PER_S), text, **more)  # type: ignore[arg-type]


def spoken(rows: Sequence[Row], **wanted: str) -> Spoken:
    return spoken_lines([cue(*row) for row in rows], "talk.srt", FILM_US, **wanted)


def said(result: Spoken) -> list[Row]:
    return [(line.span.start_s, line.span.end_s, line.text) for line in result.lines]


def words(text: str, **wanted: str) -> list[tuple[str | None, str]]:
    """Speakers and words of one cue."""
    return [(line.speaker, line.text) for line in spoken([(1, 5, text)], **wanted).lines]


@pytest.mark.parametrize(
    ("marked_up", "plain"),
    [
        ("<i>a</i>\nb", "a b"),
        (r"{\an8}a", "a"),
        (r"{\an8\fs30}第二\h行", "第二 行"),
        ("<font color='red'>a</font>", "a"),
        ('<font color="#00ff00" size=3>a</font>', "a"),
        ("<c.yellow.bg_blue>a</c>", "a"),
        ("am<00:00:01.000><c> so</c><00:00:01.300><c> happy</c>", "am so happy"),
        ("<v Anna>a</v>", "a"),
        ("<ruby>漢<rt>かん</rt></ruby>字", "漢字"),
        ("a<br>b<br/>c", "a b c"),
        ("<b.loud>a</b>", "a"),
        ("{y:i}a", "a"),
        ("Tom &amp; Jerry", "Tom & Jerry"),
        ("AT&T &lt;3 R&B", "AT&T <3 R&B"),
        ("1 < 2 > 0", "1 < 2 > 0"),
        ("I <3 you", "I <3 you"),
        ("if x<y and y>z", "if x<y and y>z"),
        ("if a<b and b>c", "if a<b and b>c"),
        ("if i<v and v>c or x <p or p> y", "if i<v and v>c or x <p or p> y"),
        ("<sigh> I know", "<sigh> I know"),
        ("{not a tag} a", "{not a tag} a"),
        ("  a \t b ", "a b"),
        ("a\u200b\u202ab\x1b[31m", "ab[31m"),
    ],
)
def test_only_known_markup_goes(marked_up: str, plain: str) -> None:
    if marked_up.startswith("<v "):
        assert words(marked_up) == [("Anna", plain)]
    else:
        assert plain_text(marked_up) == plain


@pytest.mark.parametrize(
    ("rows", "lines"),
    [
        pytest.param(
            [
                (0.5, 2, "I<00:00:00.700><c> am</c> so happy today"),
                (2, 2.01, "I am so happy today"),
                (2.01, 4, "I am so happy today\nthank<00:00:02.300><c> you</c>"),
                (4, 4.01, "thank you"),
                (4.01, 6, "thank you\nbut my brother died"),
                (6, 6.01, "but my brother died"),
            ],
            [
                (0.5, 2.01, "I am so happy today"),
                (2.01, 4.01, "thank you"),
                (4.01, 6.01, "but my brother died"),
            ],
            id="each line twice",
        ),
        pytest.param(
            [
                (0, 2, "one\ntwo\nthree four"),
                (2, 4, "two\nthree four\nfive six"),
                (4, 6, "three four\nfive six\nseven"),
            ],
            [(0, 2, "one two three four"), (2, 4, "five six"), (4, 6, "seven")],
            id="three lines roll up",
        ),
        pytest.param(
            [
                (0, 4, "the first line"),
                (2, 6, "the first line\nthe second line"),
                (4, 8, "the second line\nend"),
            ],
            [(0, 2, "the first line"), (2, 4, "the second line"), (4, 8, "end")],
            id="rolling, and overlapping",
        ),
        pytest.param(
            [(0, 1, "so I was"), (1, 2, "so I was very sad"), (2, 3, "so I was very sad today")],
            [(0, 3, "so I was very sad today")],
            id="built up word by word",
        ),
        pytest.param(
            [(0, 1, "<b>I</b> am sad"), (1, 2, "I <b>am</b> sad"), (2, 3, "I am <b>sad</b>")],
            [(0, 3, "I am sad")],
            id="highlighted word by word",
        ),
        pytest.param(
            [
                (0, 2, "I am so happy today thank"),
                (2, 4, "so happy today thank you this is"),
                (4, 6, "thank you this is wonderful but"),
            ],
            [(0, 2, "I am so happy today thank"), (2, 4, "you this is"), (4, 6, "wonderful but")],
            id="a window of words",
        ),
        pytest.param(
            [(0, 1, "No!"), (1.5, 2, "No!"), (3, 4, "No!\nStop it!"), (6, 7, "Stop it!\nNo!")],
            [(0, 1, "No!"), (1.5, 2, "No!"), (3, 4, "No! Stop it!"), (6, 7, "Stop it! No!")],
            id="said again is no rolling",
        ),
        pytest.param(
            [(0, 1, "No."), (1.1, 2, "No.\nI said no."), (2.1, 3, "Why?")],
            [(0, 1, "No."), (1.1, 2, "No. I said no."), (2.1, 3, "Why?")],
            id="a short word repeated once is no rolling",
        ),
        pytest.param(
            [(0, 1, "No!"), (1, 2, "No!"), (2, 3, "No!"), (4, 5, "I hate you!"), (5, 6, "I hate you!")],
            [(0, 1, "No!"), (1, 2, "No!"), (2, 3, "No!"), (4, 5, "I hate you!"), (5, 6, "I hate you!")],
            id="adjoining cues of the same few words",
        ),
        pytest.param(
            [(0, 1, "不要！"), (1, 2, "不要！"), (2, 3, "我真的不想再见到他了")],
            [(0, 1, "不要！"), (1, 2, "不要！"), (2, 3, "我真的不想再见到他了")],
            id="adjoining cues of the same few characters",
        ),
    ],
)
def test_rolling_captions(rows: list[Row], lines: list[Row]) -> None:
    assert said(spoken(rows)) == lines
    assert spoken(rows).losses == ()


@pytest.mark.parametrize(
    ("rows", "note"),
    [
        ([(0, 2, "I am very sad today"), (2, 4, "I am very sad today")], "1 repeated line."),
        ([(0, 2, "so I was"), (2, 4, "so I was\nvery sad"), (4, 6, "very sad\ntoday")], "2 repeated lines."),
        ([(0, 2, "I am sad"), (0, 2, "I am sad")], "1 repeated line."),
        ([(0, 2, "I am sad"), (0, 2, "I am sad (sighs)")], "1 repeated line, 1 sound tag."),
        ([(0, 1, "No!"), (1, 2, "No!")], ""),
    ],
)
def test_repeats_that_are_left_out_are_counted(rows: list[Row], note: str) -> None:
    assert note in " ".join(spoken(rows).notes)


@pytest.mark.parametrize(
    ("rows", "lines"),
    [
        ([(0, 4, "a b"), (2, 6, "c d")], [(0, 2, "a b"), (2, 6, "c d")]),
        ([(0, 8, "a b"), (2, 3, "yeah")], [(0, 2, "a b"), (2, 3, "yeah"), (3, 8, "a b")]),
        (
            [(0, 8, "a b"), (2, 3, "yeah"), (5, 6, "no")],
            [(0, 2, "a b"), (2, 3, "yeah"), (3, 5, "a b"), (5, 6, "no"), (6, 8, "a b")],
        ),
        (
            [(0, 8, "a b"), (2, 6, "c d"), (3, 4, "e")],
            [(0, 2, "a b"), (2, 3, "c d"), (3, 4, "e"), (4, 6, "c d"), (6, 8, "a b")],
        ),
        ([(0, 8, "a b"), (0, 1, "yeah")], [(0, 1, "yeah"), (1, 8, "a b")]),
        ([(0, 8, "a b"), (7, 8, "yeah")], [(0, 7, "a b"), (7, 8, "yeah")]),
        ([(0, 4, "a b"), (0.1, 2, "c d")], [(0, 2, "c d"), (2, 4, "a b")]),  # no line of 0.1 s
        ([(0, 4, "a b"), (0, 4, "c d")], [(0, 4, "a b c d")]),
        ([(5, 6, "b"), (0, 1, "a")], [(0, 1, "a"), (5, 6, "b")]),
    ],
)
def test_lines_that_overlap(rows: list[Row], lines: list[Row]) -> None:
    assert said(spoken(rows)) == lines


@pytest.mark.parametrize(
    ("rows", "lines"),
    [
        ([(0, 4, "a b"), (0, 4, "a b"), (0, 4, "a b")], [(0, 4, "a b")]),
        ([(0, 4, "a b"), (0.02, 5, r"{\blur3}a b")], [(0, 5, "a b")]),
        ([(0, 4, "a b"), (1, 1.5, "c"), (1, 3, "a b")], [(0, 1, "a b"), (1, 1.5, "c"), (1.5, 4, "a b")]),
    ],
)
def test_layers_of_one_text_are_one_line(rows: list[Row], lines: list[Row]) -> None:
    assert said(spoken(rows)) == lines


ASS = r"""[Script Info]
ScriptType: v4.00+

[V4+ Styles]
Format: Name, Fontname, Fontsize
Style: Default,Arial,20
Style: OP-Romaji,Arial,20

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
Comment: 0,0:00:00.00,0:00:09.00,Default,,0,0,0,,not shown
Dialogue: 0,0:00:01.00,0:00:03.00,Default,Anna,0,0,0,,{\i1}I am{\i0}\Nso {remark}sad
Dialogue: 1,0:00:01.00,0:00:03.00,Default,Anna,0,0,0,,{\bord0}I am\Nso sad
Dialogue: 0,0:00:00.50,0:00:04.00,Default,,0,0,0,,{\pos(200,100)\fs40}POLICE STATION
Dialogue: 0,0:00:01.30,0:00:01.40,Default,,0,0,0,,{\p1}m 0 0 l 1 1{\p0}
Dialogue: 0,0:00:01.50,0:00:02.50,OP-Romaji,,0,0,0,,{\k20}ki{\k30}mi {\k40}no
Dialogue: 0,0:00:01.50,0:00:01.70,Default,,0,0,0,fx,{\move(1,2,3,4)\k20}ki
Dialogue: 0,0:00:05.00,0:00:06.00,Default,,0,0,0,,{\k20}And {\k30}then {\k20}he {\k20}left.
"""


def test_typesetting_and_songs_are_no_speech() -> None:
    result = spoken_lines(parse_subtitles(ASS.encode(), "x").cues, "x.ass", FILM_US)
    assert said(result) == [(1, 3, "I am so sad"), (5, 6, "And then he left.")]
    assert [line.speaker for line in result.lines] == ["Anna", None]
    assert result.notes == ("Not read as speech in x.ass: 1 repeated line, 3 sign or song lines.",)
    assert result.losses == ()


def test_captions_of_which_all_have_a_position_are_speech() -> None:
    rows = [(i, i + 1, rf"{{\an7}}{{\pos(10,{i})}}What do I know") for i in range(0, 9, 2)]
    assert len(spoken(rows).lines) == len(rows)
    assert len(spoken([*rows, (10, 11, "The end")]).lines) == len(rows) + 1


def test_capitals_at_the_top_over_speech_are_a_sign() -> None:
    rows = [
        (0, 4, r"{\an8}EMERGENCY EXIT"),
        (1, 3, "Where is he?"),
        (2, 3, r"{\an8}Tokyo, 1995"),
        (5, 6, r"{\an8}I am up here."),
    ]
    assert said(spoken(rows)) == [(1, 3, "Where is he?"), (5, 6, "I am up here.")]
    assert said(spoken(rows[:1])) == [(0, 4, "EMERGENCY EXIT")]  # nobody speaks below: it may be speech


@pytest.mark.parametrize(
    "tag",
    [
        "[laughter]",
        "(SOBBING)",
        "（掌声）",
        "【音乐】",
        "♪ ♪",
        "♪",
        "(both laughing)",
        "[door slams]",
        "*sobs*",
        "(MAN SPEAKING\nIN FRENCH)",
        "[♪ upbeat music ♪]",
        "♪ I will always love you ♪",
        "♪ I will\nlove you ♪",
        "# I will always love you #",
        "- [sighs]",
        "JOHN: (COUGHS)",
        "(indistinct chatter)",
        "[Music] [Applause]",
        "♫",
        "<i>[gasps]</i>",
        "（笑）",
        "[ Silence ]",
        "[...]",
        "JOHN:",
    ],
)
def test_a_tag_is_no_speech(tag: str) -> None:
    assert words(tag) == []


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("[door slams] Where are you going?", "Where are you going?"),
        ("I know. (SIGHS)", "I know."),
        ("(sighs) I know.", "I know."),
        ("谢谢大家（掌声）", "谢谢大家"),
        ("He (my brother) died.", "He (my brother) died."),
        ("He (the singer) died.", "He (the singer) died."),
        ("He (laughs) died.", "He died."),
        ("(I think) he died.", "(I think) he died."),
        ("(I cannot hear the music, you know.)", "(I cannot hear the music, you know.)"),
        ("(phone rings) Hello?", "Hello?"),
        ("［笑］ 好的", "好的"),
        ("(I can't believe he is gone.)", "(I can't believe he is gone.)"),
        ("（他真的走了吗？）", "（他真的走了吗？）"),
        ("♪ la la ♪ Where are you?", "Where are you?"),
        ("Where are you? ♪", "Where are you?"),
        ("♪ la la la\nlove you ♪\nHello there", "Hello there"),
        ("……", "……"),
        ("I am #1", "I am #1"),
        ("我很难过 [1]", "我很难过"),
        ("He works at NASA (JPL) in Pasadena.", "He works at NASA (JPL) in Pasadena."),
        ("He works at NASA (JPL)", "He works at NASA (JPL)"),
        ("He works at NASA (JPL).", "He works at NASA (JPL)."),
        ("We went (NEAR) the house", "We went (NEAR) the house"),
        ("(NEAR) the house", "(NEAR) the house"),
        ("I work for [NASA] now", "I work for [NASA] now"),
        ("He lost it (the ring).", "He lost it (the ring)."),
        ("I *NEVER* said that", "I *NEVER* said that"),
        ("*NEVER* say that", "*NEVER* say that"),
        ("我在（北京）上班", "我在（北京）上班"),
        ("I know. (CLOCK TICKING)", "I know."),
        ("I know. (GLASS SHATTERS)", "I know."),
        ("(MAN) Come here.", "Come here."),
        ("[whispering] and then he left", "and then he left"),
    ],
)
def test_speech_beside_a_tag_stays(text: str, left: str) -> None:
    assert [line for _, line in words(text)] == [left]


def test_a_song_over_two_cues_ends_with_its_last_note() -> None:
    rows = [(0, 2, "♪ I will always"), (2, 4, "love you ♪"), (5, 6, "Turn it off!")]
    assert said(spoken(rows)) == [(5, 6, "Turn it off!")]
    assert said(spoken([(0, 2, "♪ la la la"), (2, 4, "Turn it off!")])) == [(2, 4, "Turn it off!")]
    assert said(spoken([(0, 2, "♪ la la la"), (2, 4, "ANNA: ♪ la la ♪")])) == []


@pytest.mark.parametrize(
    ("text", "turns"),
    [
        ("JOHN: I am sad.", [("JOHN", "I am sad.")]),
        ("DR. O'NEIL: I am sad.", [("DR. O'NEIL", "I am sad.")]),
        ("MAN #2: Go!", [("MAN #2", "Go!")]),
        ("JOHN (V.O.): I am sad.", [("JOHN", "I am sad.")]),
        ("JOHN: [laughing] I am sad.", [("JOHN", "I am sad.")]),
        ("[JOHN]: I am sad.", [("JOHN", "I am sad.")]),
        ("[John]: I am sad.", [("John", "I am sad.")]),
        (">> I am sad.", [(None, "I am sad.")]),
        ("&gt;&gt; JOHN: I am sad.", [("JOHN", "I am sad.")]),
        (">> JOHN: Go. >> MARY: No!", [("JOHN", "Go."), ("MARY", "No!")]),
        ("JOHN: Go. MARY: No!", [("JOHN", "Go."), ("MARY", "No!")]),
        ("JOHN:\nI am\nsad.", [("JOHN", "I am sad.")]),
        ("- Where is he?\n- He left.", [(None, "Where is he?"), (None, "He left.")]),
        ("-Where is he?\n-He left.", [(None, "Where is he?"), (None, "He left.")]),
        ("- Where is he? - He left.", [(None, "Where is he?"), (None, "He left.")]),
        ("– Where is he,\nand when?\n– He left.", [(None, "Where is he, and when?"), (None, "He left.")]),
        ("- JOHN: Where?\n- MARY: Here.", [("JOHN", "Where?"), ("MARY", "Here.")]),
        ("<v John>Where?</v>\n<v.loud Mary>Here.", [("John", "Where?"), ("Mary", "Here.")]),
        ("- I am sad.", [(None, "I am sad.")]),
        ("-I am sad.", [(None, "I am sad.")]),
        ("—and then he left.", [(None, "—and then he left.")]),
        ("-5 degrees", [(None, "-5 degrees")]),
        ("I was - I am - sad.", [(None, "I was - I am - sad.")]),
        ("Remember: call me.", [(None, "Remember: call me.")]),
        ("It is 10:30: go.", [(None, "It is 10:30: go.")]),
        ("他说：我走了", [(None, "他说：我走了")]),
        ("SHE SAID ONE THING ONLY: NO", [(None, "SHE SAID ONE THING ONLY: NO")]),
        ("I'M SO HAPPY: HE IS BACK", [(None, "I'M SO HAPPY: HE IS BACK")]),
        ("<i>- Where?</i>\n<i>- Here.</i>", [(None, "Where?"), (None, "Here.")]),
        ("JOHN : I am sad.", [("JOHN", "I am sad.")]),
        (">> [Applause]", []),
    ],
)
def test_labels_are_speakers_and_no_words(text: str, turns: list[tuple[str | None, str]]) -> None:
    assert words(text) == turns


def test_names_not_in_capitals_are_speakers_where_they_come_again() -> None:
    rows = [
        (0, 1, "Anna: Hello."),
        (1, 2, "Ben: Hi."),
        (2, 3, "Anna: Bye."),
        (3, 4, "小明：再见"),
        (4, 5, "小明：走吧"),
    ]
    result = spoken(rows)
    assert [(line.speaker, line.text) for line in result.lines] == [
        ("Anna", "Hello."), ("Ben", "Hi."), ("Anna", "Bye."), ("小明", "再见"), ("小明", "走吧"),
    ]  # fmt: skip


def test_speakers_of_a_cue_divide_its_time_by_what_they_say() -> None:
    assert said(spoken([(0, 6, "- Yes!\n- Are you sure?")])) == [(0, 1.6, "Yes!"), (1.6, 6, "Are you sure?")]


@pytest.mark.parametrize(
    "credit",
    [
        "Subtitles by Anna",
        "Translated by: Anna",
        "Sync & corrections by anna - www.subs.com",
        "www.OpenSubtitles.org",
        "字幕：小明",
        "翻译：小明  校对：小红",
        "人人字幕组 荣誉出品",
        "http://subs.example.com/x",
        "Untertitel: Anna",
        "Sous-titres réalisés par Anna",
        "Captioned by the Media Group",
        "Subtítulos por Anna",
        "Subtitles: Anna",
        "Subtitles by anna for the community",
        "Ripped by XviD_Team",
        "Subs: anna",
        "Downloaded from www.example.com",
        "Translated by Anna Smith and Ben",
        "翻译：小明",
        "字幕组：小明",
        "Untertitel im Auftrag des ZDF für funk, 2017",
        "本字幕由人人影视制作",
    ],
)
def test_credits_are_no_speech(credit: str) -> None:
    assert words(credit) == []
    assert "1 credit line" in spoken([(1, 2, credit)]).notes[0]


def test_a_name_below_its_label_is_a_credit() -> None:
    assert words("Captioned by\nMedia Group") == []
    assert words("Timed by\nmy own father.") == [(None, "Timed by my own father.")]


@pytest.mark.parametrize("index", [0, 4, 8])
@pytest.mark.parametrize(
    ("credit", "in_the_middle"),
    [
        ("Subtitles by Anna", True),
        ("Sync & corrections by anna - www.subs.com", True),
        ("翻译：小明", True),
        ("Subtitles by the friends of film", False),
        ("Translated from Danish", False),
    ],
)
def test_credits_stand_at_the_edges_or_hold_names_only(credit: str, in_the_middle: bool, index: int) -> None:
    rows = [(float(i), i + 1.0, f"I am number {i} today") for i in range(9)]
    rows[index] = (float(index), index + 1.0, credit)
    assert len(spoken(rows).lines) == (8 if in_the_middle or index != 4 else 9)


@pytest.mark.parametrize(
    "text",
    [
        "Ripped from my mother's arms at three.",
        "Translated from the Greek, it means hope.",
        "Timed by my own father.",
        "Encoded by hand, my letters to her.",
        "Caption: I love it",
        "Translation: he is very sad.",
        "Correction: Tuesday, not Monday.",
        "翻译：他说他很难过。",
        "翻译：他说他很难过",
        "翻譯：我們走吧",
        "我在字幕组，很开心",
        "字幕由我父亲制作的。",
        "Did you get the translation?",
        "I write to you by night.",
        "字幕太小了",
        "Go to example.com and see what they say about me",
    ],
)
def test_speech_about_subtitles_is_speech(text: str) -> None:
    assert words(text) == [(None, text)]


TWO_LANGUAGES = [(0, 2, "我很难过\nI am sad"), (2, 4, "他走了\nHe left"), (4, 6, "再见\nBye")]
FRENCH_AND_ENGLISH = [
    (0, 2, "Je ne savais pas que tu étais là\nI did not know that you were there"),
    (2, 4, "Mon frère est mort la semaine dernière\nMy brother died last week"),
    (4, 6, "Nous étions si heureux ensemble\nWe were so happy together"),
    (6, 8, "Pourquoi ne m'as-tu rien dit\nWhy did you not tell me anything"),
]


@pytest.mark.parametrize(
    ("rows", "wanted", "first", "says"),
    [
        (TWO_LANGUAGES, {}, "我很难过", "zh is read; --language"),
        (TWO_LANGUAGES, {"language": "en"}, "I am sad", "en is read."),
        (TWO_LANGUAGES, {"language": "zh-Hans"}, "我很难过", "zh is read."),
        (TWO_LANGUAGES, {"sound_language": "eng"}, "I am sad", "en is read"),
        ([*TWO_LANGUAGES, (6, 7, "Bye bye"), (7, 8, "Go")], {}, "I am sad", "en is read"),
        (FRENCH_AND_ENGLISH, {"language": "en"}, "I did not know that you were there", "en is read"),
        (FRENCH_AND_ENGLISH, {}, "Je ne savais pas que tu étais là", "fr is read"),
        ([(0, 2, "我很难过"), (0, 2, "I am sad")], {"language": "en"}, "I am sad", "en is read"),
    ],
)
def test_of_two_languages_the_spoken_one_is_read(
    rows: list[Row], wanted: dict[str, str], first: str, says: str
) -> None:
    result = spoken(rows, **wanted)
    assert result.lines[0].text == first
    assert says in result.notes[0]


def test_a_foreign_line_now_and_then_is_no_second_language() -> None:
    rows = [(0, 1, "我的天\nOh my God!"), (1, 2, "他走了"), (2, 3, "再见"), (3, 4, "好的")]
    assert spoken(rows).lines[0].text == "我的天 Oh my God!"


@pytest.mark.parametrize(
    ("rows", "lines", "loss"),
    [
        ([(5, 5, "a"), (9, 9.5, "b")], [(5, 7, "a"), (9, 9.5, "b")], ""),
        ([(5, 3, "a"), (6, 7, "b")], [(5, 6, "a"), (6, 7, "b")], ""),
        (
            [(5, 5, "a"), (5.05, 7, "b")],
            [(5.05, 7, "b")],
            "1 of 2 lines of talk.srt is lost: 1 has no time of its own",
        ),
        ([(5, 6, "a"), (5, 5, "a")], [(5, 6, "a")], ""),
        ([(19, 19, "a")], [(19, 20, "a")], ""),
        (
            [(1, 2, "a"), (5, 6, "b"), (30, 31, "c")],
            [(1, 2, "a"), (5, 6, "b")],
            "1 lies after the film's end",
        ),
        (
            [(1, 2, "a"), (21, 22, "b"), (30, 31, "c")],
            [(1, 2, "a")],
            "2 of 3 lines of talk.srt lie outside the film (20.0 s): is this the right",
        ),
        ([(100, 101, "a"), (200, 201, "b")], [], "All 2 lines of talk.srt lie outside the film"),
    ],
)
def test_cues_without_time_are_mended_or_counted(rows: list[Row], lines: list[Row], loss: str) -> None:
    result = spoken(rows)
    assert said(result) == lines
    assert loss in " ".join(result.losses) and bool(loss) == bool(result.losses)


@pytest.mark.parametrize(
    ("after", "note"),
    [
        ("Subtitles by OpenSubtitles.org", "1 credit line"),
        ("Translated by Anna", "1 credit line"),
        ("♪♪", "1 sound tag"),
        ("♪ la la la ♪", "1 sung line"),
        ("[applause]", "1 sound tag"),
    ],
)
@pytest.mark.parametrize("hours", [0, 1])
def test_what_is_no_speech_is_not_lost_after_the_end(after: str, note: str, hours: int) -> None:
    at = 3600 * hours
    result = spoken([(at + 1, at + 2, "a"), (at + 3, at + 4, "b"), (at + 30, at + 33, after)])
    assert said(result) == [(1, 2, "a"), (3, 4, "b")]
    assert result.losses == () and note in result.notes[-1]


@pytest.mark.parametrize("hours", [1, 10, 23])
def test_broadcast_times_are_moved_by_whole_hours_and_said(hours: int) -> None:
    at = hours * 3600
    result = spoken([(at + 0.5, at + 4, "a"), (at + 5, at + 7, "b")])
    assert said(result) == [(0.5, 4, "a"), (5, 7, "b")]
    assert f"moved by {hours} hour" in result.notes[0] and result.losses == ()


def test_times_are_not_moved_where_that_does_not_make_them_fit() -> None:
    result = spoken([(3600 + 100, 3600 + 101, "a"), (3600 + 900, 3600 + 901, "b")])
    assert result.lines == () and result.notes == () and len(result.losses) == 1


texts = st.sampled_from(
    [
        "a b",
        "a b\nc d",
        "c d",
        "No!",
        "- a\n- b",
        "JOHN: a",
        "[x]",
        "♪",
        "♪ a",
        "我\nI",
        "我",
        r"{\an8}A B",
        "<v A>b",
        "a b c d e",
    ]
)


@given(st.lists(st.tuples(st.integers(0, 99), st.integers(-5, 50), texts), max_size=30))
@settings(deadline=None)
def test_lines_never_overlap_and_have_a_length(rows: list[tuple[int, int, str]]) -> None:
    cues = [Cue(start * 10**5, (start + length) * 10**5, text) for start, length, text in rows]
    lines = spoken_lines(cues, "x", FILM_US).lines
    assert all(a.span.end_us <= b.span.start_us for a, b in itertools.pairwise(lines))
    assert all(line.span.duration_us > 0 and line.text for line in lines)


@given(st.lists(st.tuples(st.integers(0, 99), st.integers(5, 50)), max_size=30))
@settings(deadline=None)
def test_no_words_are_lost_however_cues_overlap(rows: list[tuple[int, int]]) -> None:
    cues = [Cue(a * 10**5, (a + length) * 10**5, f"word{i} of mine") for i, (a, length) in enumerate(rows)]
    result = spoken_lines(cues, "x", FILM_US)
    lost = 0 if not result.losses else len(rows)
    assert (
        len({word for line in result.lines for word in line.text.split()} - {"of", "mine"})
        >= len(rows) - lost
    )
    start, end = min((c.start_us for c in cues), default=0), max((c.end_us for c in cues), default=0)
    assert all(start <= line.span.start_us and line.span.end_us <= end for line in result.lines)


@pytest.mark.parametrize(
    "make",
    [
        lambda i: (i * 0.36, i * 0.36 + 0.3, f"word {i}"),
        lambda i: (i * 0.36, 4000.0, f"word {i}"),
        lambda i: (0.0, 4000.0, f"word {i}"),
        lambda i: (i * 0.36, i * 0.36 + 0.36, f"line number {i}\nline number {i + 1}"),
        lambda i: (i * 0.36, i * 0.36, "- [x] (a) ♪\n- JOHN: b"),
    ],
)
def test_eight_times_the_cues_take_eight_times_the_time(make) -> None:  # type: ignore[no-untyped-def]
    def seconds(count: int) -> float:
        cues = [cue(*make(i)) for i in range(count)]
        start = thread_time()
        spoken_lines(cues, "x", 4000 * US_PER_S)
        return thread_time() - start

    seconds(100)
    few = min(seconds(1_000) for _ in range(3))
    assert min(seconds(8_000) for _ in range(2)) < 24 * few  # 64 times where it grows with the square


@pytest.mark.parametrize(
    "text",
    [
        "{" * 50_000,
        "<" * 50_000,
        "<v a" * 20_000,
        "[a]" * 20_000,
        "♪ " * 20_000,
        "- a " * 20_000,
        "a-" * 50_000,
        "(" * 50_000,
        "A" * 50_000,
        "# " * 30_000,
        ">> " * 20_000,
        r"{\p1}" * 20_000,
        "&a" * 30_000,
        " ".join("ab" for _ in range(50_000)),
        "字" * 50_000,
    ],
    ids=lambda text: text[:5],
)
def test_no_text_takes_long(text: str) -> None:
    start = process_time()
    spoken([(0, 1, text), (1, 2, text), (2, 3, "a" + text)])
    assert process_time() - start < 2
