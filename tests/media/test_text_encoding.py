import pytest

from pipeline.media.text_encoding import decode

# What a subtitle file holds besides its words.
CUE = "1\n00:00:01,000 --> 00:00:02,000\n{}\n"
SAMPLES = [
    ("gb18030", "我觉得这就是最后一次了，真的很难过，可是没有办法。"),
    ("gb18030", "谢谢大家"),
    ("gb18030", "你怎么了"),
    ("gb18030", "好"),
    ("big5hkscs", "我覺得這就是最後一舉了，真的很難過，可是沒有辦法。"),
    ("big5hkscs", "謝謝大家"),
    ("cp949", "정말 보고 싶었어. 왜 이제야 왔어?"),
    ("cp949", "안녕하세요 여러분"),
    ("cp949", "엄마가 돌아가셨어요. 너무 슬퍼요."),
    ("cp932", "本当に会いたかった。どうして来なかったの？"),
    ("cp932", "ありがとうございます"),
    ("euc_jp", "本当に会いたかった。どうして来なかったの？"),
    ("cp1252", "I’m so happy today! It’s wonderful — thank you…"),
    ("cp1252", "“Don’t go.”"),
    ("cp1252", "C'était déjà l'été, j'étais très fâchée à côté."),
    ("cp1252", "Ich möchte dich nicht verlieren, schöne Grüße"),
    ("cp1252", "¿Dónde estás? Mañana será otro día."),
    ("cp1252", "Não acredito, coração, você não está aqui."),
    ("cp1252", "Jag är så ledsen, förlåt mig"),
    ("cp1250", "nie wiem, co się dzieje"),
    ("cp1250", "Nie mogę w to uwierzyć, że już cię nie ma, łzy płyną"),
    ("cp1250", "Příliš žluťoučký kůň úpěl ďábelské ódy"),
    ("cp1250", "Nem hiszem el, hogy elment, őrült és szűk"),
    ("cp1251", "Я так счастлива сегодня, спасибо вам всем"),
    ("cp1251", "Привет"),
    ("cp1251", "Где ты был?"),
    ("koi8-r", "Я так счастлива сегодня, спасибо вам всем"),
    ("cp1253", "Είμαι τόσο χαρούμενη σήμερα, ευχαριστώ πολύ"),
    ("cp1254", "Çok üzgünüm, şimdi gidiyorum, görüşürüz değil mi"),
    ("cp1254", "İyi günler, nasılsınız"),
    ("cp1255", "אני כל כך שמחה היום, תודה לכולם"),
    ("cp1256", "أنا سعيدة جدا اليوم شكرا لكم"),
    ("cp1257", "Aš esu labai laiminga šiandien, ačiū jums visiems žmonės"),
    ("cp874", "ฉันมีความสุขมากวันนี้"),
    ("utf-8", "今天我真的很高兴 😀"),
]


@pytest.mark.parametrize(("encoding", "text"), SAMPLES)
def test_text_is_read_in_the_encoding_it_was_written_in(encoding: str, text: str) -> None:
    cue = CUE.format(text)
    read = decode(cue.encode(encoding))
    assert read is not None
    assert (read.text, read.unreadable) == (cue, 0), read.encoding


@pytest.mark.parametrize("text", ["I’m glad. “Yes”", "我觉得这就是最后一次了", "Где ты был?"])
@pytest.mark.parametrize(
    "encoding",
    ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"],
)
def test_unicode_with_and_without_a_mark(encoding: str, text: str) -> None:
    read = decode(CUE.format(text).encode(encoding))
    assert read is not None
    assert (read.text, read.unreadable) == (CUE.format(text), 0)


def test_a_character_cut_in_half_is_replaced_and_counted() -> None:
    read = decode(CUE.format("今天很高兴，我很难过").encode()[:-3])
    assert read is not None
    assert read.unreadable == 1
    assert read.text.endswith("我很难\ufffd")


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030", "big5hkscs"])
def test_a_damaged_byte_in_the_middle_costs_little(encoding: str) -> None:
    text = CUE.format("我覺得這就是最後一次了，真的很難過，可是沒有辦法，謝謝大家，我們明天再見。")
    data = bytearray(text.encode(encoding))
    data[len(data) // 2] = 0xFF
    read = decode(bytes(data))
    assert read is not None
    assert (read.text[:40], read.text[-10:]) == (text[:40], text[-10:])
    assert read.unreadable <= 3


@pytest.mark.parametrize("data", [b"\xff\x80\xff\xfe\x80\x81" * 20, bytes(range(128, 256))])
def test_what_is_no_text_has_no_encoding(data: bytes) -> None:
    assert decode(data) is None
