"""Services that refuse, of every kind in the table of `simulated_cells`: what a run uses of each, and at what cost."""

import pytest
from simulated_cells import CELLS, TODAY, Today, measured

SEEDS = range(200)


@pytest.mark.long(small=1 / 2000, ci=1 / 100)
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", CELLS)
def test_every_run_uses_the_part_of_a_service_that_it_must_and_is_refused_little(name, seed):
    cell, today = CELLS[name], TODAY.get(name, Today())
    run = measured(cell, seed)
    assert run.part >= (cell.must if today.part is None else today.part)
    # what is refused beyond chance is sent again
    assert run.refused <= (today.refused or cell.most_refused)
    assert run.per_row <= (today.refused or 0.0) * 2 + 0.05


def test_a_bound_of_today_is_one_that_misses_what_a_run_must_reach():
    for name, today in TODAY.items():
        assert today.part is None or today.part < CELLS[name].must
        assert today.refused is None or today.refused > CELLS[name].most_refused
    assert all(cell.must <= cell.aim <= 1 for cell in CELLS.values())
