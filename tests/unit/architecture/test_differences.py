"""The table of defects: every one answered, and every proof a test that is there."""

import ast
import re
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

PROJECT = Path(__file__).resolve().parents[3]
PAGE = PROJECT / "docs" / "differences.md"
DEFECTS = tuple(f"D{number}" for number in range(1, 27))
ANSWERS = frozenset({"impossible", "caught", "not covered"})
PROOF = re.compile(r"`(tests/[^`]+)`")


@dataclass(frozen=True)
class Row:
    """One defect."""

    defect: str
    answer: str
    proofs: tuple[str, ...]


def rows() -> tuple[Row, ...]:
    found: list[Row] = []
    for line in PAGE.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if re.fullmatch(r"D\d+", cells[0]) and len(cells) == 5:
            found.append(Row(cells[0], cells[2], tuple(PROOF.findall(cells[4]))))
    return tuple(found)


def names(path: Path) -> frozenset[str]:
    """Tests of a file, and names of the cases that are data in it."""
    if path.suffix == ".yaml":
        return frozenset(yaml.safe_load(path.read_text()))
    tree = ast.parse(path.read_text())
    functions = {one.name for one in ast.walk(tree) if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)}
    texts = {one.value for one in ast.walk(tree) if isinstance(one, ast.Constant) and isinstance(one.value, str)}
    return frozenset({name for name in functions if name.startswith("test_")} | texts)


def test_every_defect_has_one_row():
    assert tuple(row.defect for row in rows()) == DEFECTS


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.defect)
def test_a_defect_has_one_of_three_answers_and_a_proof_unless_it_is_not_covered(row: Row):
    assert row.answer in ANSWERS
    assert bool(row.proofs) == (row.answer != "not covered")


@pytest.mark.parametrize("proof", sorted({proof for row in rows() for proof in row.proofs}))
def test_a_proof_is_a_test_that_is_there(proof: str):
    path, _, name = proof.partition("::")
    assert (PROJECT / path).is_file(), path
    assert name in names(PROJECT / path), f"{path} has no test or case {name}"


def test_a_proof_that_is_not_there_is_noticed():
    assert "test_that_nobody_wrote" not in names(Path(__file__).with_name("test_words.py"))
    assert "test_every_defect_has_one_row" in names(Path(__file__))
