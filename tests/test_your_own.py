"""docs/guides/your-own.md: its example is a file that is tried, and what it names is there."""

import importlib
import re
from pathlib import Path

from robo_rlhf.contracts.all import CONTRACTS
from robo_rlhf.sim.robots import ROBOTS

TEXT = (Path(__file__).parents[1] / "docs" / "guides" / "your-own.md").read_text()
GUESTS = Path(__file__).parent / "guests"


def test_the_example_is_a_guest_of_the_tests() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    assert code == (GUESTS / "my_terms.py").read_text()


def test_the_table_names_every_kind_with_its_base_class_and_group() -> None:
    rows = re.findall(r"^\| ([a-z ]+) \| `([\w.]+)\.(\w+)`", TEXT, re.MULTILINE)
    found = {kind: getattr(importlib.import_module(module), name) for kind, module, name in rows}
    registries = [*(contract.registry for contract in CONTRACTS), ROBOTS]
    assert found.keys() == {registry.kind for registry in registries}
    for registry in registries:
        assert registry.derives(found[registry.kind])
        assert f"`robo_rlhf.{registry.group}`" in TEXT or f"`.{registry.group}`" in TEXT
