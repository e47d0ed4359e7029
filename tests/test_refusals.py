"""Services that refuse, of every kind in the table of `simulated_cells`: what a run uses of each, and at what cost."""

import pytest
from simulated_cells import CELLS, TODAY, measured

SEEDS = range(200)


@pytest.mark.long(small=1 / 2000, ci=1 / 100)
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", CELLS)
def test_every_run_uses_the_part_of_a_service_that_it_must_and_is_refused_little(name, seed):
    cell = CELLS[name]
    run = measured(cell, seed)
    assert run.part >= TODAY.get(name, cell.must)
    # what is refused beyond chance is sent again
    assert run.refused <= cell.most_refused
    assert run.per_row <= 0.05


def test_a_bound_of_today_is_one_that_misses_what_a_run_must_reach():
    assert all(part < CELLS[name].must for name, part in TODAY.items())
    assert all(cell.must <= cell.aim <= 1 for cell in CELLS.values())
