"""How the emulator shows an execution's bucket, key and inputs, over real sockets. The ledger keeps what was sent."""

import json

import pytest
from asking import quirks, shown, start

from batcher.emulator.settings import InputShape

KEY = "/In//Cafe\u0301 \ufb01lm+100%25 &<'1'>.MP4"
"""Composed and decomposed letters, a ligature, slashes, blanks, plus, percent, markup and upper case."""
INPUTS = {
    "template-id": 7,
    "note": "a & b",
    "speed": 1.5,
    "loud": True,
    "sizes": [1, None],
    "labels": {"b": 2, "a": None},
}


@pytest.mark.parametrize(
    ("odd", "bucket"),
    [
        ("", "b"),
        ("bucket-upper", "B"),
        ("bucket-domain", "b.obs.example.com"),
        ("bucket-domain=.local", "b.local"),
        ("bucket-upper bucket-domain", "B.obs.example.com"),
        ("bucket-lost", ""),
    ],
)
@pytest.mark.parametrize("shape", InputShape)
async def test_a_bucket_is_shown_in_the_form_asked_for(emulator, call, shape, odd, bucket):
    service = await emulator(input_shape=shape, quirks=quirks(odd))
    content = await shown(call, service, (await start(call, service))["execution_name"])
    assert bucket == (content["bucket"] if "bucket" in content else content["Records"][0]["obs"]["bucket"]["name"])
    assert service.ledger.starts[0].bucket == "b"


@pytest.mark.parametrize(
    ("odd", "key", "expected"),
    [
        ("", KEY, KEY),
        ("keys-normalised", " Cafe\u0301 ", "Caf\u00e9"),
        ("keys-decoded", "a%20b+c%2Fd", "a b+c/d"),
        ("keys-plus-decoded", "a%20b+c%2Fd", "a b c/d"),
        ("keys-encoded", "a b+c/d%20\u00e9", "a%20b%2Bc/d%2520%C3%A9"),
        ("keys-encoded-fully", "a b+c/d", "a%20b%2Bc%2Fd"),
        ("keys-plus-encoded", "a b+c/d", "a+b%2Bc/d"),
        ("keys-slashes-doubled", "/a/b", "//a//b"),
        ("keys-slashes-merged", "//a///b/", "/a/b/"),
        ("keys-slashes-trimmed", "//a//b/", "a//b"),
        ("keys-slashes-removed", "//a//b/", "ab"),
        ("keys-slash-added", "/a", "//a"),
        ("keys-basename", "a/b/c.mp4", "c.mp4"),
        ("keys-nfc", "Cafe\u0301 \ufb01", "Caf\u00e9 \ufb01"),
        ("keys-nfd", "Caf\u00e9", "Cafe\u0301"),
        ("keys-nfkc", "Cafe\u0301 \ufb01", "Caf\u00e9 fi"),
        ("keys-folded", "In/CAF\u00c9.MP4", "in/caf\u00e9.mp4"),
        ("keys-entities", "a&b<'c'>", "a&amp;b&lt;&#x27;c&#x27;&gt;"),
        ("keys-ascii", "Caf\u00e9/\u7247", "Caf?/?"),
        ("keys-mojibake", "Caf\u00e9", "Caf\u00c3\u00a9"),
        ("keys-cut=5", "abcdefgh", "abcde"),
        ("keys-cut=5", "abc", "abc"),
        ("keys-nfkc keys-folded keys-slashes-trimmed keys-cut=8", KEY, "in//caf\u00e9"),
        ("keys-plus-decoded keys-encoded", "a+b", "a%20b"),
    ],
)
async def test_a_key_is_shown_in_the_form_asked_for(emulator, call, odd, key, expected):
    service = await emulator(quirks=quirks(odd))
    content = await shown(call, service, (await start(call, service, key))["execution_name"])
    assert content == {"bucket": "b", "object": expected, "inputs": {}}
    assert service.ledger.starts[0].object == key


@pytest.mark.parametrize(
    ("odd", "inputs", "expected"),
    [
        ("", INPUTS, INPUTS),
        ("inputs-masked", {"template-id": 7, "note": "x"}, {"template-id": "*", "note": "*"}),
        ("inputs-blank", {"template-id": 7, "note": "x"}, {"template-id": "", "note": ""}),
        ("inputs-null-dropped", INPUTS, INPUTS | {"sizes": [1], "labels": {"b": 2}}),
        ("inputs-padded", {"template-id": 7, "note": "x"}, {"template-id": 7, "note": " x "}),
        ("inputs-extra", {"template-id": 7}, {"template-id": 7, "x-request-id": "0123456789ABCDEF"}),
        (
            "numbers-as-text",
            INPUTS,
            INPUTS | {"template-id": "7", "speed": "1.5", "sizes": ["1", None], "labels": {"b": "2", "a": None}},
        ),
        (
            "inputs-as-text",
            {"template-id": 7, "loud": True, "note": "x"},
            {"template-id": "7", "loud": "true", "note": "x"},
        ),
        ("numbers-as-floats numbers-as-text", {"template-id": 7}, {"template-id": "7.0"}),
        (
            "inputs-added",
            {"template-id": 7, "note": "x"},
            {"template-id": 7, "note": "x", "speed": "1", "loud": "false", "sizes": "[]", "labels": "{}"},
        ),
    ],
)
async def test_inputs_are_shown_in_the_form_asked_for(emulator, call, odd, inputs, expected):
    service = await emulator(quirks=quirks(odd))
    content = await shown(call, service, (await start(call, service, inputs=inputs))["execution_name"])
    assert content == {"bucket": "b", "object": "o", "inputs": expected}
    assert json.loads(service.ledger.starts[0].inputs) == inputs


async def test_inputs_can_be_in_another_order_and_whole_numbers_can_have_a_fraction(emulator, call):
    service = await emulator(quirks=quirks("inputs-reordered numbers-as-floats"))
    content = await shown(call, service, (await start(call, service, inputs=INPUTS))["execution_name"])
    assert json.dumps(content["inputs"]) == (
        '{"labels": {"b": 2.0, "a": null}, "sizes": [1.0, null], "loud": true, "speed": 1.5, "note": "a & b",'
        ' "template-id": 7.0}'
    )


async def test_a_detail_can_lack_the_inputs(emulator, call):
    service = await emulator(quirks=quirks("inputs-lost"))
    content = await shown(call, service, (await start(call, service, inputs=INPUTS))["execution_name"])
    assert content == {"bucket": "b", "object": "o"}
    assert json.loads(service.ledger.starts[0].inputs) == INPUTS


async def test_a_detail_can_lack_the_whole_input(emulator, call):
    service = await emulator(input_twice=True, quirks=quirks("input-empty"))
    name = (await start(call, service, inputs=INPUTS))["execution_name"]
    with pytest.raises(json.JSONDecodeError):
        await shown(call, service, name)
    assert json.loads(service.ledger.starts[0].inputs) == INPUTS


async def test_bucket_key_and_inputs_can_change_together(emulator, call):
    service = await emulator(quirks=quirks("bucket-domain keys-folded inputs-masked"))
    content = await shown(call, service, (await start(call, service, "A", {"note": "x"}))["execution_name"])
    assert content == {"bucket": "b.obs.example.com", "object": "a", "inputs": {"note": "*"}}
