from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from tests.conftest import Made
from tests.writers.film.filming import film

Filmed = Callable[[str], Path]


@pytest.fixture(scope="package")
def filmed(made: Made, tmp_path_factory: pytest.TempPathFactory) -> Filmed:
    """The film of one of the made clips, made once."""
    return cache(lambda name: film(made(name), tmp_path_factory.mktemp("film")))
