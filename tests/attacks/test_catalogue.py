"""docs/security.md names a test for each attack of the catalogue: each is there."""
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]


def table():
    text = (ROOT / "docs/security.md").read_text().split("## Attacks", 1)[1].split("\n## ", 1)[0]
    rows = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("| ")]
    return [(cells[0].strip(), re.findall(r"`([^`]+)`", cells[1])) for cells in rows[1:]]


def test_every_attack_has_a_test_that_is_there():
    rows = table()
    assert len(rows) >= 40
    for attack, named in rows:
        assert named, attack
        for name in named:
            path, _, case = name.partition("::")
            file = ROOT / "tests" / path
            assert file.exists(), (attack, name)
            if path.endswith(".c"):
                assert not case or re.search(rf"\b{case}\(void \*\*state\)", file.read_text()), (attack, name)
            else:
                assert re.search(rf"^def {case}\(", file.read_text(), re.M), (attack, name)


def test_every_test_of_an_attack_is_in_the_table():
    named = {name for _, names in table() for name in names}
    for file in sorted((ROOT / "tests/attacks").glob("test_*.py")):
        if file.name in ("test_catalogue.py", "test_limits.py", "test_floods.py"):  # a row for each of these files' kinds
            assert any(n.startswith(f"attacks/{file.name}") for n in named) or file.name == "test_catalogue.py"
            continue
        for case in re.findall(r"^def (test_\w+)\(", file.read_text(), re.M):
            assert f"attacks/{file.name}::{case}" in named, f"{file.name}::{case} is not in docs/security.md"
