import sys
import threading
import time
from importlib import import_module
from types import ModuleType

import pytest

from pipeline.models.cards import ModelError
from pipeline.models.load import is_folder, load_backend


@pytest.fixture
def loader(monkeypatch):
    """A module whose loader notes how many threads are in it."""
    module = ModuleType("slow_loader")
    module.now = module.most = 0

    def load(name, device):
        module.now += 1
        module.most = max(module.most, module.now)
        time.sleep(0.02)
        module.now -= 1
        return name, device

    module.load = load
    monkeypatch.setitem(sys.modules, "slow_loader", module)
    return module


def test_back_ends_are_loaded_one_at_a_time(loader):
    names = {"a": "slow_loader:load"}
    threads = [threading.Thread(target=load_backend, args=(names, "a", "cpu")) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert loader.most == 1


def test_folders_and_hub_ids_go_to_transformers(loader, tmp_path):
    names = {"transformers": "slow_loader:load"}
    assert load_backend(names, str(tmp_path), "cpu") == (str(tmp_path), "cpu")
    assert load_backend(names, "owner/model", "cuda") == ("owner/model", "cuda")
    (tmp_path / "card.json").touch()
    ours = {**names, "compact": "slow_loader:ours"}
    loader.ours = lambda name, device: "ours"
    assert load_backend(ours, str(tmp_path), "cpu") == "ours"
    (tmp_path / "config.json").touch()
    assert load_backend(ours, str(tmp_path), "cpu") == (str(tmp_path), "cpu")
    with pytest.raises(ModelError, match="unknown back-end 'magic'"):
        load_backend(names, "magic", "cpu")


@pytest.mark.parametrize("modality", ["face", "voice", "text"])
def test_a_listed_name_is_never_a_folder(modality, tmp_path, monkeypatch):
    (tmp_path / "compact").mkdir()
    monkeypatch.chdir(tmp_path)
    backends = import_module(f"pipeline.{modality}.backends").BACKENDS
    assert not is_folder("compact", backends) and is_folder("./compact", backends)
    assert load_backend(backends, "compact", "cpu").card.id == f"{modality}_compact"
