"""A stage whose code changed must get a new version, or old artifacts would pass for new ones.

The lock holds, per stage, its version and a digest of the code of its module and of all that it imports
(comments and docstrings aside), the loaders of its back-ends included. `make accept` writes the lock anew.
"""

import ast
import hashlib
import importlib
import importlib.util
import json
import sys
from pathlib import Path

import grimp

from pipeline.graph import MODALITIES, STAGES

LOCK = Path(__file__).with_name("stage_lock.json")
DATA = {".toml", ".html", ".css", ".js"}
DETECTORS = {"faces": "pipeline.face.backends:DETECTORS"}
LOADED = DETECTORS | {name: modality.backends for name, modality in MODALITIES.items()}


def code(module: str) -> str:
    tree = ast.parse(Path(importlib.util.find_spec(module).origin).read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        first = body[0] if isinstance(body, list) and body else None
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
            node.body = body[1:] or [ast.Pass()]
    return ast.dump(tree)


def data_beside(modules: list[str]) -> list[str]:
    """Rules, templates and model lists that lie in the modules' folders; weights are in the keys."""
    folders = {Path(importlib.util.find_spec(module).origin).parent for module in modules}
    files = sorted(path for folder in folders for path in folder.iterdir() if path.suffix in DATA)
    return [path.read_text(encoding="utf-8") for path in files]


def roots(stage) -> list[str]:
    found = [stage.run.args[0].split(":")[0]]
    if stage.name in LOADED:
        module, attribute = LOADED[stage.name].split(":")
        targets = getattr(importlib.import_module(module), attribute).values()
        found += [target.split(":")[0] for target in targets]
    return found


def current() -> dict[str, list]:
    graph = grimp.build_graph("pipeline", cache_dir=None)
    digests = {}
    for stage in STAGES:
        own = roots(stage)
        modules = sorted({m for root in own for m in ({root} | graph.find_upstream_modules(root))})
        text = "\n".join([*(code(module) for module in modules), *data_beside(modules)])
        digests[stage.name] = [stage.version, hashlib.sha256(text.encode()).hexdigest()[:16]]
    return digests


def stale(now: dict[str, list], locked: dict[str, list]) -> list[str]:
    return [n for n in now if n in locked and now[n] != locked[n] and now[n][0] == locked[n][0]]


def test_changed_code_has_a_new_version():
    now, locked = current(), json.loads(LOCK.read_text(encoding="utf-8"))
    advice = "bump the version in pipeline/graph.py (not if no byte changes), then `make accept`"
    assert not stale(now, locked), f"{stale(now, locked)}: code changed; {advice}"
    assert now == locked, "a version was bumped: `make accept`"


def test_a_changed_helper_is_noticed():
    assert stale({"a": [1, "x"], "b": [2, "y"]}, {"a": [1, "z"], "b": [1, "z"]}) == ["a"]
    assert "pipeline.face.compact" in roots(next(s for s in STAGES if s.name == "face"))


if __name__ == "__main__":
    LOCK.write_text(json.dumps(current(), indent=1) + "\n", encoding="utf-8")
    print(f"wrote {LOCK.name}", file=sys.stderr)
