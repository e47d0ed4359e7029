"""Where keys are found, and what is said when they are not: the environment, a file, and the chain of all places."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher.edges.credentials import FAMILIES, find_credentials
from batcher.errors import CredentialsError, UsageError
from batcher.model import Credentials, Fault, Lost
from batcher.rules.choices import Place
from batcher.rules.service.credentials import described, is_due, metadata_address
from batcher.rules.service.credentials_file import read_file

PAIR = {"OBS_ACCESS_KEY_ID": "AK", "OBS_SECRET_ACCESS_KEY": "SK"}
SECRET = "CanarySecret/+%=0123"


async def no_ecs(*_):
    return Lost(Fault.UNREACHED, "169.254.169.254:80: no connection: no route to host")


async def find(environment, place=None):
    return await find_credentials(place, environment, no_ecs)


def keys(credentials):
    return credentials.access_key, credentials.secret_key, credentials.security_token


@pytest.fixture
def home(tmp_path):
    """Write the default credentials file: `environment = home(text)` is an environment that leads to it."""

    def write(text, mode=0o600):
        path = tmp_path / ".huaweicloud" / "credentials"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        path.chmod(mode)
        return {"HOME": str(tmp_path)}

    return write


# The environment


@pytest.mark.parametrize("family", FAMILIES)
async def test_each_family_of_names_is_found(family):
    found = await find({family.access_key: "AK", family.secret_key: "SK", family.security_token: "T"})
    assert keys(found.credentials) == ("AK", "SK", "T")
    assert found.credentials.source == f"environment {family.access_key}"
    assert found.renew is None


async def test_the_first_family_wins_and_families_are_never_mixed():
    environment = {
        "OBS_ACCESS_KEY_ID": "AK1",
        "OBS_SECRET_ACCESS_KEY": "SK1",
        "HUAWEICLOUD_SDK_AK": "AK2",
        "HUAWEICLOUD_SDK_SK": "SK2",
        "HUAWEICLOUD_SDK_SECURITY_TOKEN": "T2",
    }
    assert keys((await find(environment)).credentials) == ("AK1", "SK1", "")


async def test_half_a_pair_is_an_error_even_beside_a_whole_pair_of_another_family():
    environment = {"OBS_ACCESS_KEY_ID": "AK", "HW_ACCESS_KEY": "AK3", "HW_SECRET_KEY": "SK3"}
    with pytest.raises(CredentialsError, match="OBS_SECRET_ACCESS_KEY is not set"):
        await find(environment)


@pytest.mark.parametrize("secret", ["sec ret", "secret\n", "secr\u00e9t", "s\x00"])
async def test_a_key_that_no_header_can_carry_is_refused_without_showing_it(secret):
    with pytest.raises(CredentialsError) as caught:
        await find({"OBS_ACCESS_KEY_ID": "AK", "OBS_SECRET_ACCESS_KEY": secret})
    assert "OBS_SECRET_ACCESS_KEY" in str(caught.value)
    assert secret.strip() not in str(caught.value) + caught.value.advice


# The file


async def test_the_default_file_is_found_with_its_section(home):
    text = f"[global]\nak = AK2\nsk = SK2\n[basic]\nak = AK1\nsk = {SECRET}\nsecurity_token = T1\nproject_id = p\n"
    found = await find(home(text))
    assert keys(found.credentials) == ("AK1", SECRET, "T1")
    assert found.credentials.source == "file ~/.huaweicloud/credentials [basic]"
    assert found.warnings == ()


@pytest.mark.parametrize("text", ["[global]\nak=AK\nsk=SK\n", "[basic]\nidp_id=x\n[global]\nAK : AK\nSK : SK\n"])
async def test_the_second_section_is_taken_where_the_first_holds_no_key(home, text):
    found = await find(home(text))
    assert keys(found.credentials) == ("AK", "SK", "")
    assert found.credentials.source == "file ~/.huaweicloud/credentials [global]"


async def test_a_byte_order_mark_and_windows_line_ends_are_fine(home):
    found = await find(home(b"\xef\xbb\xbf[basic]\r\nak = AK\r\nsk = SK\r\n"))
    assert keys(found.credentials) == ("AK", "SK", "")


async def test_a_file_named_in_the_environment_takes_the_place_of_the_default_one(home, tmp_path):
    (tmp_path / "mine").write_text("[basic]\nak=AK1\nsk=SK1\n")
    (tmp_path / "mine").chmod(0o600)
    named = {"HUAWEICLOUD_SDK_CREDENTIALS_FILE": str(tmp_path / "mine")}
    found = await find(home("[basic]\nak=AK2\nsk=SK2\n") | named)
    assert keys(found.credentials) == ("AK1", "SK1", "")
    assert found.credentials.source == f"file {tmp_path}/mine [basic]"


async def test_a_file_named_in_the_environment_must_be_there(tmp_path):
    with pytest.raises(CredentialsError, match=r"nowhere: no such file or directory"):
        await find({"HUAWEICLOUD_SDK_CREDENTIALS_FILE": str(tmp_path / "nowhere")})
    with pytest.raises(CredentialsError, match=r"is a directory"):
        await find({"HUAWEICLOUD_SDK_CREDENTIALS_FILE": str(tmp_path)})


@pytest.mark.parametrize(("mode", "warned"), [(0o600, 0), (0o400, 0), (0o640, 1), (0o604, 1), (0o644, 1)])
async def test_a_file_that_others_can_read_gets_a_warning(home, mode, warned):
    found = await find(home("[basic]\nak=AK\nsk=SK\n", mode))
    told = "~/.huaweicloud/credentials: other users can read this file; run chmod 600 ~/.huaweicloud/credentials"
    assert found.warnings == (told,) * warned


async def test_the_file_is_read_again_on_request(home):
    found = await find(home("[basic]\nak=AK1\nsk=SK1\nsecurity_token=T1\n"))
    home("[basic]\nak=AK2\nsk=SK2\nsecurity_token=T2\n")
    assert keys(await found.renew()) == ("AK2", "SK2", "T2")
    home("[basic]\n")
    with pytest.raises(CredentialsError, match="no section"):
        await found.renew()


MALFORMED = {
    f"ak = AK\nsk = {SECRET}\n": "line 1 is neither",
    f"[basic]\nak = AK\n{SECRET.replace('=', '')}\n": "line 3 is neither",
    f"[basic]\nak = AK\nsk = {SECRET}\nsk = {SECRET}\n": "line 4 is neither",
    f"[basic]\nak = AK\n[basic]\nsk = {SECRET}\n": "line 3 is neither",
    f"[basic]\nsk = {SECRET}\n": r"section \[basic\] has sk but no ak",
    f"[basic]\nak = {SECRET}\n": r"section \[basic\] has ak but no sk",
    f"[basic]\nak =\nsk = {SECRET}\n[global]\nak = AK\nsk = SK\n": r"section \[basic\] has sk but no ak",
    f"[basic]\nak = AK\nsk = {SECRET} {SECRET}\n": r"sk in section \[basic\] contains a space",
    f"[basic]\nak = AK\nsk = {SECRET}\n  {SECRET}\n": r"sk in section \[basic\] contains a space",
    f"[basic]\nak = AK\nsk = SK\nsecurity_token = {SECRET}\u00e9\n": r"security_token in section \[basic\] contains",
    f"[default]\nak = AK\nsk = {SECRET}\n": r"no section \[basic\] or \[global\]",
    "": r"no section \[basic\] or \[global\]",
    b"[basic]\nak = AK\nsk = " + SECRET.encode() + b"\xff\n": "not UTF-8",
}


@pytest.mark.parametrize("text", MALFORMED)
async def test_a_malformed_file_is_told_with_file_and_place_and_what_to_do_and_never_with_a_key(home, text):
    with pytest.raises(CredentialsError, match=MALFORMED[text]) as caught:
        await find(home(text))
    assert str(caught.value).startswith("~/.huaweicloud/credentials: ")
    assert "Fix the file" in caught.value.advice
    assert "Canary" not in str(caught.value) + caught.value.advice
    assert caught.value.exit_code == 77


lines = st.lists(
    st.sampled_from(["[basic]", "[global]", "ak = A", "sk = B", "sk", "= x", "  y", "%", "]", "", "[", "#"])
)


@given(st.one_of(st.text(), lines.map("\n".join)))
def test_any_text_is_read_as_keys_or_told_in_a_sentence(text):
    read = read_file(text, "f")
    assert isinstance(read, str | Credentials)
    assert read


# The chain


async def test_the_environment_comes_before_the_file_and_the_file_before_the_ecs(home):
    environment = home("[basic]\nak=AK2\nsk=SK2\n")
    assert keys((await find(environment | PAIR)).credentials) == ("AK", "SK", "")
    assert keys((await find(environment)).credentials) == ("AK2", "SK2", "")


async def test_a_chosen_place_is_the_only_one(home, tmp_path):
    environment = home("[basic]\nak=AK2\nsk=SK2\n") | PAIR
    assert keys((await find(environment, Place.FILE)).credentials) == ("AK2", "SK2", "")
    assert keys((await find(environment, Place.ENV)).credentials) == ("AK", "SK", "")
    with pytest.raises(CredentialsError, match="no answer from the ECS metadata service"):
        await find(environment, Place.ECS)
    with pytest.raises(CredentialsError, match=r"no credentials found: none in the environment$"):
        await find(home("[basic]\nak=AK2\nsk=SK2\n"), Place.ENV)
    with pytest.raises(CredentialsError, match=r"no credentials found: no file ~/.huaweicloud/credentials$"):
        await find({"HOME": str(tmp_path / "elsewhere")} | PAIR, Place.FILE)


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        # A name that is too long is refused as a folder that may not be entered is, also for root.
        ({"HOME": f"/{'x' * 300}"}, " (file name too long)"),
        ({"HOME": "/proc/version"}, " (not a directory)"),
        ({"HOME": "relative"}, " (HOME is not set)"),
        ({"HOME": ""}, " (HOME is not set)"),
        ({}, " (HOME is not set)"),
    ],
)
async def test_a_home_that_cannot_be_entered_or_is_none_leads_to_the_next_place(environment, told):
    with pytest.raises(CredentialsError) as caught:
        await find(environment)
    assert f"no file ~/.huaweicloud/credentials{told}; no answer from the ECS" in str(caught.value)


@pytest.mark.skipif(not os.geteuid(), reason="root may enter every folder")
async def test_a_closed_home_leads_to_the_next_place(home, tmp_path):
    environment = home("[basic]\nak=AK\nsk=SK\n")
    tmp_path.chmod(0)
    try:
        with pytest.raises(CredentialsError, match=r"\(permission denied\); no answer from the ECS"):
            await find(environment)
    finally:
        tmp_path.chmod(0o700)


async def test_no_keys_at_all_tells_each_place_and_the_variables_to_set(tmp_path):
    with pytest.raises(CredentialsError) as caught:
        await find({"HOME": str(tmp_path)})
    assert str(caught.value) == (
        "no credentials found: none in the environment; no file ~/.huaweicloud/credentials; no answer from the ECS"
        " metadata service (169.254.169.254:80: no connection: no route to host)"
    )
    assert "OBS_ACCESS_KEY_ID" in caught.value.advice
    assert caught.value.exit_code == 77


# What is told


def test_the_repr_of_credentials_shows_no_key_and_no_end():
    credentials = Credentials("AKSHOWN", "SKSHOWN", "TSHOWN", "environment", 1795509000.0)
    assert repr(credentials) == "Credentials(source='environment')"


@pytest.mark.parametrize(
    ("access_key", "told"),
    [
        ("EXAMPLEAK0123456789A", "file f [basic], access key ...789A"),
        ("ABCDEFGHI", "file f [basic], access key ...FGHI"),
        ("ABCDEFGH", "file f [basic]"),
        ("AK", "file f [basic]"),
    ],
)
def test_credentials_are_described_by_their_source_and_four_characters_of_a_long_key(access_key, told):
    assert described(Credentials(access_key, "SECRET0123456789", "TOKEN0123456789", "file f [basic]")) == told


def test_credentials_that_sign_alike_are_equal_wherever_they_come_from():
    assert Credentials("A", "S", "T", "file", 1.0) == Credentials("A", "S", "T", "environment")
    assert Credentials("A", "S", "T") != Credentials("A", "S", "T2")


# When they are due


@pytest.mark.parametrize(("left", "due"), [(3600.0, False), (600.1, False), (600.0, True), (0.0, True), (-5.0, True)])
def test_keys_are_due_from_ten_minutes_before_their_end(left, due):
    assert is_due(Credentials("A", "S", "T", expires_at=1000.0 + left), 1000.0) is due


def test_keys_without_an_end_are_never_due():
    assert not is_due(Credentials("A", "S"), 1e12)


# The stand-in for the metadata service


def test_the_metadata_service_is_at_its_link_local_address():
    assert metadata_address("") == "http://169.254.169.254"


def test_a_stand_in_on_this_machine_may_take_its_place():
    assert metadata_address("http://127.0.0.1:8080") == "http://127.0.0.1:8080"


@pytest.mark.parametrize(
    "setting",
    [
        "http://10.0.0.1:80",
        "http://127.0.0.1",
        "http://127.0.0.1:80/x",
        "http://127.0.0.1:80@evil.example",
        "http://127.0.0.1.evil.example:80",
        "http://127.0.0.1:65536",
        "http://localhost:80",
        "https://127.0.0.1:80",
        "http://127.0.0.1:80\n",
        "http://169.254.169.254:80",
        " ",
    ],
)
def test_any_other_stand_in_is_refused(setting):
    with pytest.raises(UsageError, match="not on this machine"):
        metadata_address(setting)


async def test_nothing_is_read_from_this_process_and_its_own_environment(monkeypatch, tmp_path):
    monkeypatch.setitem(os.environ, "OBS_ACCESS_KEY_ID", "AK")
    monkeypatch.setitem(os.environ, "OBS_SECRET_ACCESS_KEY", "SK")
    with pytest.raises(CredentialsError, match="no credentials found"):
        await find({"HOME": str(tmp_path)})
