"""Where keys are found, and what is said when they are not."""

import pytest

from batcher.edges.credentials import FAMILIES, find_credentials
from batcher.model import CredentialsError


@pytest.mark.parametrize("family", FAMILIES)
def test_each_family_of_names_is_found(family):
    found = find_credentials({family.access_key: "AK", family.secret_key: "SK", family.security_token: "T"})
    assert (found.access_key, found.secret_key, found.security_token) == ("AK", "SK", "T")
    assert found.source == f"environment ({family.access_key})"


def test_the_first_family_wins_and_families_are_never_mixed():
    environment = {
        "OBS_ACCESS_KEY_ID": "AK1",
        "OBS_SECRET_ACCESS_KEY": "SK1",
        "HUAWEICLOUD_SDK_AK": "AK2",
        "HUAWEICLOUD_SDK_SK": "SK2",
        "HUAWEICLOUD_SDK_SECURITY_TOKEN": "T2",
    }
    found = find_credentials(environment)
    assert (found.access_key, found.secret_key, found.security_token) == ("AK1", "SK1", "")


def test_half_a_pair_is_an_error_even_beside_a_whole_pair_of_another_family():
    environment = {"OBS_ACCESS_KEY_ID": "AK", "HW_ACCESS_KEY": "AK3", "HW_SECRET_KEY": "SK3"}
    with pytest.raises(CredentialsError, match="OBS_SECRET_ACCESS_KEY is not set"):
        find_credentials(environment)


def test_no_keys_at_all_names_the_variables_to_set():
    with pytest.raises(CredentialsError) as caught:
        find_credentials({})
    assert "OBS_ACCESS_KEY_ID" in caught.value.advice
    assert caught.value.exit_code == 77


@pytest.mark.parametrize("secret", ["sec ret", "secret\n", "secr\u00e9t", "s\x00"])
def test_a_key_that_no_header_can_carry_is_refused_without_showing_it(secret):
    with pytest.raises(CredentialsError) as caught:
        find_credentials({"OBS_ACCESS_KEY_ID": "AK", "OBS_SECRET_ACCESS_KEY": secret})
    assert "OBS_SECRET_ACCESS_KEY" in str(caught.value)
    assert secret.strip() not in str(caught.value) + caught.value.advice


def test_the_repr_of_credentials_shows_no_key():
    found = find_credentials({"OBS_ACCESS_KEY_ID": "AKSHOWN", "OBS_SECRET_ACCESS_KEY": "SKSHOWN"})
    assert "SHOWN" not in repr(found)
