"""Which execution is which row in doubt: tables, and what may never happen."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher.model import Execution, ExecutionDetail, Status, Unsettled
from batcher.rules.doubts.contents import Content, contents_of, likeness
from batcher.rules.doubts.matching import match, merged, window
from batcher.rules.rows.identity import canonical
from batcher.rules.service.clock import posix, posix_of_header
from batcher.rules.service.dialect import Window

WIDE = Window(0.0, 1000.0)


def row(id_, key, inputs=None, *, intent_at=100.0, doubt_at=101.0):
    return Unsettled(id_, Status.IN_DOUBT, id_, "b", key, canonical(inputs or {}), "", intent_at, doubt_at)


def execution(name, key, inputs=None, *, bucket="b", at=100.5, is_event=False):
    told = {"bucket": bucket, "object": key} | ({} if inputs is None else {"inputs": inputs})
    listed = Execution(name, f"urn:{name}", "t", at, is_event=is_event)
    return ExecutionDetail(listed, None if key is None else json.dumps(told))


def outcome(rows, executions, windows=None):
    found = match(rows, executions, windows or [WIDE] * len(rows))
    return {
        "started": {each.id: detail.execution.name for each, detail in found.started},
        "absent": [each.id for each in found.absent],
        "unclear": sorted(each.id for each in found.unclear),
        "elsewhere": [detail.execution.name for detail in found.elsewhere],
    }


def expected(*, started=(), absent=(), unclear=(), elsewhere=()):
    return {"started": dict(started), "absent": [*absent], "unclear": [*unclear], "elsewhere": [*elsewhere]}


A, B = row(1, "a"), row(2, "b")
SAME = [row(1, "a"), row(2, "a"), row(3, "a")]
X, Y = row(1, "a", {"id": 1}), row(2, "a", {"id": 2})
TABLE = {
    "nothing is listed": ([A], [], expected(absent=[1])),
    "one match": ([A], [execution("e1", "a")], expected(started={1: "e1"})),
    "another key is nobody's": ([A], [execution("e1", "z")], expected(absent=[1])),
    "another bucket is nobody's": ([A], [execution("e1", "a", bucket="c")], expected(absent=[1])),
    "two rows, two executions": (
        [A, B], [execution("e2", "b"), execution("e1", "a")], expected(started={1: "e1", 2: "e2"}),
    ),
    "two executions of one row: one is adopted, one is somebody else's": (
        [A], [execution("e1", "a"), execution("e2", "a")], expected(started={1: "e1"}, elsewhere=["e2"]),
    ),
    "identical rows share what there is": (
        SAME, [execution("e1", "a"), execution("e2", "a")], expected(started={1: "e1", 2: "e2"}, absent=[3]),
    ),
    "before the row's time": ([A], [execution("e1", "a", at=-1)], expected(absent=[1])),
    "after the row's time": ([A], [execution("e1", "a", at=1001)], expected(absent=[1])),
    "of an unknown time": ([A], [execution("e1", "a", at=None)], expected(unclear=[1])),
    "unreadable and of an unknown time": ([A], [execution("e1", None, at=None)], expected(unclear=[1])),
    "a bucket's event is never adopted": (
        [A], [execution("e1", "a", is_event=True)], expected(absent=[1], elsewhere=["e1"]),
    ),
    "inputs tell rows apart": (
        [X, Y],
        [execution("e1", "a", {"id": 2}), execution("e2", "a", {"id": 1})],
        expected(started={1: "e2", 2: "e1"}),
    ),
    "inputs that became text": ([X], [execution("e1", "a", {"id": "1"})], expected(started={1: "e1"})),
    "more inputs than the row's: defaults, or somebody else's": (
        [X], [execution("e1", "a", {"id": 1, "d": 5})], expected(unclear=[1]),
    ),
    "more inputs than the row's do not keep it from its match": (
        [X], [execution("e1", "a", {"id": 1, "d": 5}), execution("e2", "a", {"id": 1})], expected(started={1: "e2"}),
    ),
    "other inputs": ([X], [execution("e1", "a", {"id": 3})], expected(absent=[1])),
    "an input missing": ([X], [execution("e1", "a", {})], expected(absent=[1])),
    "no inputs told for a row that has some: it may be the row's": ([X], [execution("e1", "a")], expected(unclear=[1])),
    "no inputs told for a row without": ([A], [execution("e1", "a")], expected(started={1: "e1"})),
    "no inputs told, two rows and one execution: nobody knows whose": (
        [X, Y], [execution("e1", "a")], expected(unclear=[1, 2]),
    ),
    "no inputs told, two rows and two executions: they may be theirs": (
        [X, Y], [execution("e1", "a"), execution("e2", "a")], expected(unclear=[1, 2]),
    ),
    "a percent-encoded key": (
        [row(1, "a b+\u7247")], [execution("e1", "a%20b%2B%E7%89%87")], expected(started={1: "e1"}),
    ),
    "plus for a space": ([row(1, "a b")], [execution("e1", "a+b")], expected(started={1: "e1"})),
    "a key that looks encoded and is not": ([row(1, "a%20b")], [execution("e1", "a%20b")], expected(started={1: "e1"})),
    "encoded or not, when both rows are in doubt: nobody knows whose": (
        [row(1, "a%20b"), row(2, "a b")], [execution("e1", "a%20b")], expected(unclear=[1, 2]),
    ),
    "encoded or not, with an execution for each": (
        [row(1, "a%20b"), row(2, "a b")],
        [execution("e1", "a%20b"), execution("e2", "a b")],
        expected(started={1: "e1", 2: "e2"}),
    ),
    "a lost leading slash": ([row(1, "/a")], [execution("e1", "a")], expected(started={1: "e1"})),
    "with and without a leading slash, one execution: nobody knows whose": (
        [row(1, "/a"), row(2, "a")], [execution("e1", "a")], expected(unclear=[1, 2]),
    ),
    "a normalised key may be the row's": (
        [row(1, "cafe\u0301")], [execution("e1", "caf\u00e9")], expected(unclear=[1]),
    ),
    "a trimmed key may be the row's": ([row(1, " a ")], [execution("e1", "a")], expected(unclear=[1])),
    "lost leading slashes": ([row(1, "//a//b/")], [execution("e1", "a//b/")], expected(started={1: "e1"})),
    "an unreadable execution may be a row's": ([A], [execution("e1", None)], expected(unclear=[1])),
    "an unreadable execution of another time is not": ([A], [execution("e1", None, at=2000)], expected(absent=[1])),
    "an unreadable execution does not keep a row from its match": (
        [A], [execution("e1", None), execution("e2", "a")], expected(started={1: "e2"}),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", TABLE)
def test_rows_are_matched_with_executions_one_to_one(case):
    rows, executions, wanted = TABLE[case]
    assert outcome(rows, executions) == wanted


def test_a_row_gets_the_execution_of_its_own_time():
    rows = [row(1, "a"), row(2, "a")]
    windows = [Window(0, 50), Window(40, 100)]
    # 45 fits both and 10 only the first: each gets one
    executions = [execution("e45", "a", at=45), execution("e10", "a", at=10)]
    assert outcome(rows, executions, windows)["started"] == {1: "e10", 2: "e45"}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('{"bucket": "b", "object": "o"}', [Content("b", "o", None)]),
        ('{"bucket": "b", "object": "o", "inputs": {"id": 1}}', [Content("b", "o", {"id": 1})]),
        ('{"bucket": "b", "object": "o", "inputs": "{\\"id\\": 1}"}', [Content("b", "o", {"id": 1})]),
        (json.dumps(json.dumps({"bucket": "b", "object": "o"})), [Content("b", "o", None)]),
        (
            '{"Records": [{"obs": {"bucket": {"name": "b"}, "object": {"key": "o"}}}], "inputs": {"id": 1}}',
            [Content("b", "o", {"id": 1})],
        ),
        ('{"Records": [{"obs": {"bucket": {"bucket": "b"}, "object": {"key": "o"}}}]}', [Content("b", "o", None)]),
        ('{"event": "{\\"bucket\\": \\"b\\", \\"object\\": \\"o\\"}"}', [Content("b", "o", None)]),
        ('{"inputs": {"bucket": "b", "object": "o"}}', None),
        ("", None),
        ("not json", None),
        ("[]", None),
        ('{"bucket": 1, "object": null}', None),
        ("[" * 5000 + "]" * 5000, None),
    ],
)
def test_the_content_is_found_in_every_known_shape_of_an_input(text, wanted):
    found = contents_of(text)
    assert found == (None if wanted is None else tuple(wanted))


def test_the_better_a_content_fits_the_lower_is_its_number():
    this = row(1, "/a b", {"id": 1})
    ladder = [
        Content("b", "/a b", {"id": 1}),
        Content("b", "/a%20b", {"id": 1}),
        Content("b", "/a+b", {"id": 1}),
        Content("b", "a b", {"id": 1}),
        Content("b", "/a b", {"id": "1"}),
        Content("b", "/a b", {"id": 1, "more": 2}),
    ]
    fits = [likeness(this, content) for content in ladder]
    assert fits == sorted(fits)
    assert fits[0] == 0
    assert len(set(fits)) == len(fits)
    assert likeness(this, Content("b", "/a b", {"id": 2})) is None


def test_windows_run_from_the_intent_to_the_doubt_and_overlapping_ones_are_joined():
    first, second = row(1, "a", intent_at=100, doubt_at=130), row(2, "b", intent_at=140, doubt_at=140)
    windows = [window(first, 90.0), window(second, 10.0)]
    # 5 s early, and 60 s late or the settle time if that is longer
    assert windows == [Window(95.0, 220.0), Window(135.0, 200.0)]
    assert merged([windows[1], Window(500, 600), windows[0]]) == [Window(95.0, 220.0), Window(500, 600)]


def test_the_window_of_a_doubt_without_a_date_is_open():
    assert window(row(1, "a", intent_at=100, doubt_at=None), 30.0) == Window(95.0, math.inf)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("2026-11-24T08:30:00.123Z", 1795509000.123),
        ("2026-11-24T08:30:00Z", 1795509000.0),
        ("2026-11-24T08:30:00", 1795509000.0),
        ("2026-11-24T16:30:00+08:00", 1795509000.0),
        ("", None),
        ("yesterday", None),
        ("1796010112345", None),
        ("20261124", None),
    ],
)
def test_the_services_times_are_read(text, wanted):
    assert posix(text) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Tue, 24 Nov 2026 08:30:00 GMT", 1795509000.0),
        ("Tuesday, 24-Nov-26 08:30:00 GMT", 1795509000.0),
        ("Tue Nov 24 08:30:00 2026", 1795509000.0),
        ("Tue, 24 Nov 2026 08:30:00 -0000", 1795509000.0),
        ("", None),
        ("soon", None),
        ("Tue, 24 Nov 99999999999999999999 08:30:00 GMT", None),
    ],
)
def test_the_services_headers_are_read(text, wanted):
    assert posix_of_header(text) == wanted


KEYS = st.sampled_from(["a", "/a", "a b", "a%20b", "a+b"])
INPUTS = st.sampled_from([None, {"id": 1}, {"id": 2}])


@given(
    st.lists(st.tuples(KEYS, INPUTS), max_size=8),
    st.lists(st.tuples(st.one_of(KEYS, st.none()), INPUTS, st.floats(50, 150)), max_size=8),
)
def test_every_row_gets_one_answer_and_no_execution_explains_two(rows, executions):
    rows = [row(n, key, inputs) for n, (key, inputs) in enumerate(rows)]
    listed = [execution(f"e{n}", key, inputs, at=at) for n, (key, inputs, at) in enumerate(executions)]
    found = outcome(rows, listed, [Window(80, 120)] * len(rows))
    answered = [*found["started"], *found["absent"], *found["unclear"]]
    assert sorted(answered) == [each.id for each in rows]
    names = [*found["started"].values(), *found["elsewhere"]]
    assert len(names) == len(set(names))
    times = {each.execution.name: each.execution.at for each in listed}
    contents = {each.execution.name: each.input and contents_of(each.input)[0] for each in listed}
    for id_, name in found["started"].items():
        assert likeness(rows[id_], contents[name]) is not None
        assert 80 <= times[name] <= 120
    # a row that something could be is never given back, unless all that it could be is somebody else's by content
    for id_ in found["absent"]:
        fitting = [
            name for name, content in contents.items()
            if content and 80 <= times[name] <= 120 and likeness(rows[id_], content) is not None
        ]  # fmt: skip
        assert set(fitting) <= set(found["started"].values())


def test_hundreds_of_identical_rows_are_matched():
    rows = [row(n, "a") for n in range(600)]
    executions = [execution(f"e{n}", "a") for n in range(500)]
    found = match(rows, executions, [WIDE] * len(rows))
    assert (len(found.started), len(found.absent), found.elsewhere) == (500, 100, [])
