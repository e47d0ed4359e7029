"""What JSON Lines and plain text hold comes out exactly, and a bad line does not spoil the next."""

import pytest
from manifests import only_bad, read

from batcher.edges.manifest import open_manifest
from batcher.rules.rows.identity import bad_key


def test_json_lines_are_read_with_their_types(written):
    content = (
        '\ufeff{"object": "a", "inputs": {"n": 18446744073709551615, "f": 1.5, "l": [1e20], "s": "\\u00e9"}}\r\n'
        '\n  \t\n{"bucket": "own", "object": "\\ud83c\\udfac"}\n{"bucket": null, "object": "c", "inputs": null}'
    )
    one, two, three = read(written(content, "a.jsonl"), static_inputs={"n": 1})
    assert [(row.number, row.line, row.bucket, row.object) for row in (one, two, three)] == [
        (1, 1, "my-videos", "a"),
        (2, 4, "own", "\U0001f3ac"),
        (3, 5, "my-videos", "c"),
    ]
    assert one.inputs == '{"f":1.5,"l":[1e+20],"n":18446744073709551615,"s":"é"}'.encode()
    assert two.inputs == three.inputs == b'{"n":1}'


@pytest.mark.parametrize(
    ("text", "key", "said"),
    [
        ("[]", "", "not a JSON object"),
        ('"b"', "", "not a JSON object"),
        ("null", "", "not a JSON object"),
        ("{", "", "not JSON: "),
        ("b", "", "not JSON: "),
        ("{'object': 'b'}", "", "not JSON: "),
        ('{"object": "b"} {"object": "c"}', "", "not JSON: "),
        ('{"object": "b", "inputs": {"n": NaN}}', "", "not JSON: "),
        ("{}", "", "object: the key is missing or empty"),
        ('{"object": ""}', "", "object: the key is missing or empty"),
        ('{"object": null}', "", "object: the key is missing or empty"),
        ('{"object": 7}', "", "object: a number, not a string"),
        ('{"object": ["b"]}', "", "object: an array, not a string"),
        ('{"object": "b", "bucket": false}', "b", "bucket: a boolean, not a string"),
        ('{"object": "b", "inputs": []}', "b", "inputs: an array, not an object"),
        ('{"object": "b", "inputs": "{}"}', "b", "inputs: a string, not an object"),
        ('{"object": "b", "inputs": 0}', "b", "inputs: a number, not an object"),
        ('{"object": "b\\u0000"}', "b\0", "object: the key contains a NUL"),
        ('{"object": "b\\ud83d"}', "", "not JSON: "),
        ('{"object": "b", "inputs": {"n": 18446744073709551616}}', "b", "is not a 64-bit integer"),
        ('{"object": "b", "inputs": {"n": [{"m": -9223372036854775809}]}}', "b", "is not a 64-bit integer"),
        ('{"object": "b", "inputs": {"n": ' + "[" * 1000 + "]" * 1000 + "}}", "b", "line 2: "),
        ('{"object": "' + "b" * 1025 + '"}', "b" * 1025, "1,025 bytes"),
    ],
)
def test_a_bad_json_line_is_told_and_its_neighbours_are_read(written, text, key, said):
    first, bad, last = read(written(f'{{"object":"a"}}\n{text}\n{{"object":"d"}}\n', "a.jsonl"))
    assert (first.object, last.object, last.number, last.line) == ("a", "d", 3, 3)
    assert (bad.number, bad.line, bad.object, bad.key) == (2, 2, key, bad_key(text))
    assert bad.reason.startswith("line 2: ")
    assert said in bad.reason


def test_fields_that_nobody_asked_for_are_named_once_and_not_without_end(written):
    lines = [f'{{"object":"{number}","x{number}":1,"size":1}}\n' for number in range(100)]
    with open_manifest(written("".join(lines), "a.jsonl"), "jsonl") as manifest:
        assert [len(block) for block in manifest.blocks(bucket="my-videos")] == [100]
        (warning,) = manifest.warnings
    assert "ignored: x0, size, x1, x2," in warning
    assert warning.endswith("x18 and more")


def test_plain_text_is_one_key_a_line(written):
    path = written('\ufeffa\r\n\n b \n\r\nc\rd\n"e"\nlast', "a.txt")
    assert [(row.line, row.object) for row in read(path)] == [
        (1, "a"),
        (3, " b "),
        (5, "c\rd"),
        (6, '"e"'),
        (7, "last"),
    ]


def test_a_bad_key_in_plain_text_is_told(written):
    bad = only_bad(written("a\n" + "b" * 1025 + "\nc\n", "a.txt"))
    assert (bad.number, bad.line, bad.reason) == (
        2,
        2,
        "line 2: object: the key has 1,025 bytes of UTF-8; the maximum is 1,024",
    )
