from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from pipeline.engine.disk import NotEnoughSpaceError
from pipeline.media.audio import AUDIO_FILE, SAMPLE_RATE_HZ, as_mono, run, write_audio
from pipeline.media.probe import probe
from pipeline.records import LOSSES_FILE, MEDIA_FILE, WARNINGS_FILE, write_record
from tests.conftest import Made
from tests.made import media, streams


def read(path: Path, folder: Path) -> np.ndarray:
    write_audio(path, probe(path), folder / AUDIO_FILE, lambda share: None)
    return np.load(folder / AUDIO_FILE)


def test_the_stage_writes_mono_float32(made: Made, tmp_path: Path) -> None:
    path, shares = made("plain.mp4"), list[float]()
    write_record(tmp_path / MEDIA_FILE, probe(path))
    run({"source": path, "probe": tmp_path}, None, tmp_path, shares.append)
    samples = np.load(tmp_path / AUDIO_FILE, mmap_mode="r")
    assert samples.dtype == np.float32
    assert samples.shape == (3 * SAMPLE_RATE_HZ,)
    assert np.abs(samples).max() == pytest.approx(0.6, abs=0.05)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_no_sound_is_no_samples(made: Made, tmp_path: Path) -> None:
    assert read(made(media.make_no_audio), tmp_path).shape == (0,)


def test_silence_is_zeros(made: Made, tmp_path: Path) -> None:
    samples = read(made(media.make_silence), tmp_path)
    assert len(samples) == 3 * SAMPLE_RATE_HZ
    assert np.abs(samples).max() < 1e-3


def test_sound_without_picture(made: Made, tmp_path: Path) -> None:
    assert len(read(made(media.make_audio_only), tmp_path)) == 3 * SAMPLE_RATE_HZ


def test_a_cut_off_film_gives_the_sound_that_is_there(made: Made, tmp_path: Path) -> None:
    path = made(media.make_truncated)
    assert len(read(path, tmp_path)) / SAMPLE_RATE_HZ == pytest.approx(probe(path).duration_us / 1e6, abs=0.2)


def test_same_bytes_twice(made: Made, tmp_path: Path) -> None:
    read(made("ntsc.mp4"), tmp_path)
    first = (tmp_path / AUDIO_FILE).read_bytes()
    read(made("ntsc.mp4"), tmp_path)
    assert (tmp_path / AUDIO_FILE).read_bytes() == first


@pytest.mark.parametrize("name", media.ODD_NAMES)
def test_odd_names(name: str, made: Made, tmp_path: Path) -> None:
    path = tmp_path / f"{name}.mp4"
    path.write_bytes(made("plain.mp4").read_bytes())
    assert len(read(path, tmp_path)) == 3 * SAMPLE_RATE_HZ


@pytest.mark.parametrize("name", ["-dash.mp4", "12:30.mp4"])
def test_odd_names_in_the_working_folder(
    name: str, made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).write_bytes(made("plain.mp4").read_bytes())
    assert len(read(Path(name), tmp_path)) == 3 * SAMPLE_RATE_HZ


def staged(path: Path, folder: Path) -> np.ndarray:
    write_record(folder / MEDIA_FILE, probe(path))
    run({"source": path, "probe": folder}, None, folder, lambda share: None)
    return np.load(folder / AUDIO_FILE)


def test_a_bad_stretch_is_silence_and_is_told(tmp_path: Path) -> None:
    samples = staged(streams.make_noisy_sound(tmp_path, 0.3, 0.5), tmp_path)
    assert len(samples) == pytest.approx(3 * SAMPLE_RATE_HZ, abs=400)
    tenths = np.array([np.abs(part).max() for part in np.array_split(samples, 30)])
    assert (tenths[:8] > 1e-3).all()
    assert (tenths[17:] > 1e-3).all()
    assert (tenths == 0).any()
    said = (tmp_path / LOSSES_FILE).read_text()
    assert "packets of the sound cannot be decoded, between 0." in said
    assert said.endswith("silence stands there.\n")


def test_channels_in_opposite_phase_do_not_become_silence(tmp_path: Path) -> None:
    samples = staged(streams.make_opposed(tmp_path), tmp_path)
    assert np.sqrt(np.mean(samples[SAMPLE_RATE_HZ : 2 * SAMPLE_RATE_HZ] ** 2)) > 0.05
    assert "in opposite phase for 3 s" in (tmp_path / WARNINGS_FILE).read_text()
    assert not (tmp_path / LOSSES_FILE).exists()


def test_channels_that_differ_are_added() -> None:
    rng = np.random.default_rng(0)
    left, right = rng.standard_normal((2, 8_000)).astype(np.float32) / 10
    for block, expected, opposed in (
        ((left, left), left * 2**0.5, False),
        ((left, right), (left + right) * 0.5**0.5, False),
        ((left, -left), left * 2**0.5, True),
        ((left * 1e-6, -left * 1e-6), left * 0, False),
    ):
        mono, is_opposed = as_mono(np.stack(block))
        assert np.allclose(mono, expected, atol=1e-6)
        assert is_opposed == opposed


def test_what_a_decoder_makes_up_is_told(made: Made, tmp_path: Path) -> None:
    path = tmp_path / "made_up.ogg"
    streams.ffmpeg("-i", made("plain.mp4"), "-vn", "-c:a", "libvorbis", path)
    staged(path, tmp_path)
    assert not (tmp_path / LOSSES_FILE).exists()
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux() if packet.size]
        template = container.streams[0]
        with av.open(str(tmp_path / "noisy.mkv"), "w") as copy:
            writer = copy.add_stream_from_template(template)
            for i, packet in enumerate(packets):
                noise = bytes([bytes(packet)[0], *((91 * k + 37 * i) % 251 for k in range(packet.size - 1))])
                new = av.Packet(noise if 40 <= i < 60 else bytes(packet))
                new.pts, new.dts, new.time_base, new.stream = packet.pts, packet.dts, packet.time_base, writer
                copy.mux_one(new)
    staged(tmp_path / "noisy.mkv", tmp_path)
    assert "sound" in (tmp_path / LOSSES_FILE).read_text()


def test_a_disk_without_room_is_told_before_the_work(made: Made, tmp_path: Path) -> None:
    info = replace(probe(made("plain.mp4")), duration_us=10**18)
    with pytest.raises(NotEnoughSpaceError):
        write_audio(made("plain.mp4"), info, tmp_path / AUDIO_FILE, lambda share: None)
    assert not (tmp_path / AUDIO_FILE).exists()
