"""A list that ascends goes on to ascend in later runs: its new rows are judged as by a look at all that is known."""

import random
import sqlite3
from contextlib import closing
from hashlib import sha256
from itertools import accumulate, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batcher.edges.checkpoint.facts import HIGHEST
from batcher.edges.checkpoint.schema import write_facts
from batcher.edges.checkpoint.store import Store
from batcher.errors import DamageError
from batcher.model import BEGINNING, Admitted, BadRow, Mark, Row, Settlement, Status
from batcher.rules.job.card import Card
from batcher.rules.rows.admission import Policy, admission, left_alone
from batcher.rules.rows.identity import bad_key, content_key
from batcher.rules.rows.plain_rows import PlainRows
from batcher.rules.rows.settled_prefix import (
    Frontier,
    Prefix,
    decoded,
    dismissed,
    encoded,
    encoded_ascent,
    is_passable,
    with_ascent,
)

CARD = Card("https://obs.example.com", "transcode")
LEFT = left_alone(Policy())
EMPTY = Prefix(BEGINNING, {}, "rules")
ENDS = (Status.STARTED, Status.REJECTED, Status.PENDING, Status.IN_DOUBT, None)
"""How a row that was sent stands at the end of a run. None: it was killed."""
BUCKETS, OBJECTS, INPUTS = "ab", "mnopqrst", (b"", b"", b'{"n":1}')


def entry(dice, after=("", "")):
    """Draw an entry, if possible with a name after another one."""
    names = [name for name in product(BUCKETS, OBJECTS) if name > after] or [(BUCKETS[-1], OBJECTS[-1])]
    return *dice.choice(names), dice.choice(INPUTS)


def edited(dice, entries):
    """Change a list in one way. Most often it grows, and goes on to ascend if it did."""
    entries, at = list(entries), dice.randint(0, len(entries))
    match dice.choice(("grow",) * 5 + ("add", "add", "repeat", "sort", "cut", "put", "bad")):
        case "grow":
            last = max([each[:2] for each in entries if each[2] is not None], default=("", ""))
            grown = {each[:2]: each for each in (entry(dice, last) for _ in range(dice.randint(1, 5)))}
            entries += [grown[name] for name in sorted(grown)]
        case "add":
            entries += [entry(dice) for _ in range(dice.randint(1, 4))]
        case "repeat":
            entries += entries[:at]
        case "sort":
            entries = sorted(each for each in entries if each[2] is not None)
        case "cut":
            del entries[at:]
        case "put":
            entries.insert(at, entry(dice))
        case _:
            # An entry that is no row has no inputs, and its name is not what it is known by.
            entries.insert(at, (BUCKETS[-1], dice.choice("yz"), None))
    return entries


def blocks_of(entries, lengths):
    """Cut entries into blocks of rows. Blocks of good rows are columns."""
    ends = [0, *accumulate(lengths)]
    for first, last in zip(ends, [*ends[1:], len(entries)], strict=True):
        some = entries[first:last]
        if some and all(inputs is not None for *_, inputs in some):
            yield PlainRows(first + 1, first + 1, *map(list, zip(*some, strict=True)))
        elif some:
            yield [row_of(number, *entry) for number, entry in enumerate(some, first + 1)]


def row_of(number, bucket, name, inputs):
    if inputs is None:
        return BadRow(number, number, bucket, name, "no row", bad_key("text"))
    return Row(number, number, bucket, name, inputs, content_key(bucket, name, inputs))


class Job:
    """A checkpoint that is run list by list. If it is not `carried`, it is left as by a version without ascents."""

    def __init__(self, folder, *, carried):
        self._path = folder / ("carried" if carried else "plain")
        self._path.touch()
        self._is_carried = carried
        self._kept = ""
        self._ascent = ""

    def run(self, blocks, entries, *, ends, may_enter, most, is_dismissed):
        """Run a list, admit `most` rows. Return what was found about each block, with the place where it began."""
        if not self._is_carried and self._path.stat().st_size:
            with closing(sqlite3.connect(self._path, isolation_level=None)) as db:
                write_facts(db, {HIGHEST: 0})
        store = Store.open(self._path, CARD)
        store.begin()
        prefix = self._entered(entries) if may_enter else EMPTY
        store.enter(prefix.mark.rows, prefix.ascended if self._is_carried else None)
        frontier, found = Frontier(prefix), [prefix.mark.rows]
        for block in blocks:
            rows = _part(block, max(0, prefix.mark.rows + 1 - block[0].number))
            if not rows:
                continue
            sifted = store.sift(rows, LEFT)
            found.append(sifted._replace(ascended=None))
            frontier.sifted(
                sifted.last, len(sifted.found), sifted.passed, is_in_order=sifted.in_order, ascended=sifted.ascended
            )
            frontier.reached(Mark(sifted.last, 1, sifted.last, digest_of(entries, sifted.last)))
            admitted = [each for each in (admission(one, Policy()) for one in sifted.found) if each is not None]
            admitted, most = admitted[:most], max(0, most - len(admitted))
            self._send(store, frontier, admitted, ends)
        self._keep(frontier.prefix)
        if is_dismissed:
            store.dismiss({})
            self._kept = encoded(dismissed(decoded(self._kept)))
        store.commit()
        store.close()
        return found

    @staticmethod
    def _send(store, frontier, admitted, ends):
        store.admit(admitted, 0.0)
        stands = [(each, _end(each, ends)) for each in admitted]
        settlements = [Settlement(each.id, end) for each, end in stands if end is not None]
        store.settle(settlements, {}, 0.0)
        frontier.settled(settlements)

    def _keep(self, prefix):
        self._kept = encoded(prefix)
        if prefix.ascended is not None:
            self._ascent = encoded_ascent(prefix)

    def _entered(self, entries):
        if not self._kept:
            return EMPTY
        prefix = decoded(self._kept)
        prefix = with_ascent(prefix, self._ascent) if self._ascent else prefix
        is_same = prefix.mark.digest == digest_of(entries, prefix.mark.rows)
        return prefix if is_same and is_passable(prefix, "rules", LEFT) else EMPTY


def _part(block, first):
    return block.part(first, len(block)) if isinstance(block, PlainRows) and first < len(block) else block[first:]


def _end(admitted, ends):
    return ends[admitted.id % len(ends)] if admitted.status is Status.SENDING else admitted.status


def digest_of(entries, rows):
    return sha256(repr(entries[:rows]).encode()).hexdigest()


@settings(max_examples=40, deadline=None)
@given(st.integers(0))
def test_the_rows_of_every_edition_of_a_list_are_found_as_without_the_ascents_of_earlier_runs(tmp_path_factory, seed):
    dice, folder = random.Random(seed), tmp_path_factory.mktemp("jobs")
    carried, plain = Job(folder, carried=True), Job(folder, carried=False)
    entries = [entry(dice) for _ in range(dice.randint(0, 6))]
    if dice.random() < 2 / 3:
        entries = sorted({each[:2]: each for each in entries}.values())
    for _ in range(3):
        lengths = [dice.randint(1, 6) for _ in range(dice.randint(0, 12))]
        how = {
            "ends": dice.choices(ENDS, (30, 1, 1, 1, 1), k=7),
            "may_enter": dice.random() < 3 / 4,
            "most": dice.choice((99, 99, 99, 2)),
            "is_dismissed": dice.random() < 1 / 8,
        }
        found = [job.run([*blocks_of(entries, lengths)], entries, **how) for job in (carried, plain)]
        assert found[0] == found[1]
        entries = edited(dice, entries)


def ascending(first, last):
    return PlainRows(
        first, first, ["a"] * (last - first), [f"o{each:06}" for each in range(first, last)], [b""] * (last - first)
    )


def touched(path):
    path.touch()
    return path


def settle(store, rows, size=100, *, is_backwards=False):
    """Admit new rows, and settle them in groups of `size`."""
    found = store.sift(rows, LEFT).found
    store.admit([Admitted(each.id, each.row, Status.SENDING) for each in found], 0.0)
    groups = [found[first : first + size] for first in range(0, len(found), size)]
    for group in groups[::-1] if is_backwards else groups:
        store.settle([Settlement(each.id, Status.STARTED, f"{each.id:032x}") for each in group], {}, 0.0)


def settled_job(path, last, size=100, *, is_backwards=False):
    """Make a checkpoint of the rows 1 to `last` of a list that ascends."""
    with closing(Store.open(touched(path), CARD)) as store:
        store.begin()
        settle(store, ascending(1, last + 1), size, is_backwards=is_backwards)
        store.commit()


@pytest.mark.parametrize("begin", [0, 1500, 2500])
def test_new_rows_that_go_on_to_ascend_are_found_without_a_look_at_the_keys_of_settled_ones(tmp_path, begin):
    settled_job(tmp_path / "checkpoint", 2500)
    store = Store.open(tmp_path / "checkpoint", CARD)
    store.enter(begin, ("a", f"o{begin:06}") if begin else None)
    for first in range(begin + 1, 2501, 500):
        assert store.sift(ascending(first, first + 500), LEFT).found == []
    asked = []
    store._db.set_trace_callback(asked.append)
    new, last = store.sift(ascending(2501, 3001), LEFT), ("a", "o003000")
    assert [(each.id, each.status, each.copy) for each in new.found] == [(id_, None, 1) for id_ in range(2501, 3001)]
    assert (new.in_order, new.ascended) == (True, last)
    assert [each for each in asked if "keys FROM settled" in each and "id >= " not in each] == []
    # The first that does not ascend, and what follows it, is looked up among all.
    again = store.sift([ascending(known, known + 1)[0] for known in (2700, 9, 4000)], frozenset())
    assert [(each.id, each.status, each.copy) for each in again.found] == [
        (3001, None, 2), (3002, None, 2), (3003, None, 1),
    ]  # fmt: skip
    assert again.ascended is None
    store.close()


def test_new_rows_are_looked_up_if_the_checkpoint_knows_rows_that_the_list_has_not(tmp_path):
    settled_job(tmp_path / "checkpoint", 2500)
    store = Store.open(tmp_path / "checkpoint", CARD)
    store.enter(2000, ("a", "o002000"))
    found = store.sift(ascending(2101, 2600), frozenset()).found
    assert [each.status for each in found] == [Status.STARTED] * 400 + [None] * 99
    assert [each.id for each in found[:400]] == list(range(2101, 2501))
    store.close()


def test_an_ascent_ends_at_the_first_row_that_is_none_since_its_name_is_not_what_it_is_known_by(tmp_path):
    path, (first,) = touched(tmp_path / "checkpoint"), ascending(1, 2)
    rows = [first, *[BadRow(number, number, "b", f"y{number}", "no row", bad_key("text")) for number in (2, 3)]]
    for statuses in ([None] * 3, [Status.STARTED, Status.INVALID, Status.INVALID]):
        with closing(Store.open(path, CARD)) as store:
            sifted = store.sift(rows, frozenset())
            assert [(each.status, each.copy) for each in sifted.found] == list(zip(statuses, (1, 1, 2), strict=True))
            assert (sifted.last, sifted.ascended) == (3, None)
            if statuses == [None] * 3:
                store.begin()
                store.admit([Admitted(each.id, each.row, Status.SENDING, each.copy) for each in sifted.found], 0.0)
                store.settle(
                    [Settlement(1, Status.STARTED, "1" * 32), *(Settlement(id_, Status.INVALID) for id_ in (2, 3))],
                    {},
                    0.0,
                )
                store.commit()


def statuses_of(path, prefix, last):
    """Find the rows after a prefix up to `last`. Return their statuses, None if the checkpoint is refused."""
    try:
        with closing(Store.open(path, CARD)) as store:
            store.enter(prefix, ("a", f"o{prefix:06}"))
            return [each.status for each in store.sift(ascending(prefix + 1, last + 1), frozenset()).found]
    except (DamageError, sqlite3.DatabaseError):
        return None


@pytest.mark.parametrize("prefix", [2000, 2550])
def test_an_entry_whose_place_was_changed_hides_no_row_from_the_rows_that_follow(tmp_path, prefix):
    path = tmp_path / "checkpoint"
    settled_job(path, 2600, size=50, is_backwards=True)
    whole, truth = path.read_bytes(), [Status.STARTED] * (2600 - prefix) + [None] * 50
    with closing(sqlite3.connect(path)) as db:
        entries = [id_ for (id_,) in db.execute("SELECT id FROM settled ORDER BY id")]
    found = []
    for entry in entries[-12:]:
        for segment, place in ((0, 0), (1, 0), (1, 999), (2, 0), (2, 999), (3, 0)):
            path.write_bytes(whole)
            with closing(sqlite3.connect(path)) as db, db:
                db.execute("UPDATE settled SET id = ? WHERE id = ?", (segment << 40 | place, entry))
            found.append(statuses_of(path, prefix, 2650))
    assert found.count(None) + found.count(truth) == len(found)
    assert found.count(None) > 0
    path.write_bytes(whole)
    assert statuses_of(path, prefix, 2650) == truth


def test_rows_that_a_damaged_entry_hides_between_others_are_not_new_where_the_list_has_them_at_its_end(tmp_path):
    path = tmp_path / "checkpoint"
    first, hidden, after = ascending(1, 1024), ascending(9001, 9051), ascending(1024, 1074)
    with closing(Store.open(touched(path), CARD)) as store:
        store.begin()
        for rows in (first, hidden, after):
            settle(store, rows)
        store.commit()
    with closing(sqlite3.connect(path)) as db, db:
        moved = "SELECT min(id) FROM settled WHERE id >> 40 = 1"
        assert db.execute(f"UPDATE settled SET id = 999 WHERE id = ({moved})").rowcount == 1
    with closing(Store.open(path, CARD)) as store:
        store.enter(1023, ("a", "o001023"))
        assert len(store.sift(after, LEFT).found) == 0
        with pytest.raises(sqlite3.DatabaseError, match="wrong checksums in the table settled: 1"):
            store.sift(hidden, LEFT)


def test_the_name_of_a_prefix_counts_only_for_the_rows_that_it_was_written_for():
    prefix = Prefix(Mark(5, 6, 50, "5" * 64), {Status.STARTED: 5}, "rules", ("a", "o5"))
    as_earlier_versions_read_it = decoded(encoded(prefix))
    assert as_earlier_versions_read_it == prefix._replace(ascended=None)
    assert with_ascent(as_earlier_versions_read_it, encoded_ascent(prefix)) == prefix
    assert dismissed(prefix).ascended == ("a", "o5")
    for other in (
        prefix._replace(mark=prefix.mark._replace(rows=4)),
        prefix._replace(mark=prefix.mark._replace(digest="6" * 64)),
        prefix._replace(mark=prefix.mark._replace(elsewhere=1)),
        prefix._replace(reading="other rules"),
    ):
        assert with_ascent(as_earlier_versions_read_it, encoded_ascent(other)).ascended is None
