"""The official v3 SDK: an independent client agrees on signatures, calls and documents of DWR v3.

Its source: https://github.com/huaweicloud/huaweicloud-sdk-python-v3 .
"""

import random
from urllib.parse import quote

from sdk_v3 import BasicCredentials, SdkRequest, Signer
from test_sdk_signing import OF_IAM, TYPED

from batcher.model import Credentials
from batcher.rules.service.sdk_signing import sdk_date, sdk_query, seal, sealed

CHARACTERS = "aZ09-_.~ /%+&=?#:@!$'()*,;éü中\u00a0"


def made_up(dice):
    """Make up a request: odd paths, queries, headers and bodies, with and without a token."""

    def text(least, most):
        return "".join(dice.choice(CHARACTERS) for _ in range(dice.randint(least, most)))

    path = "/v3/" + "/".join(quote(text(1, 9), safe="") for _ in range(dice.randint(1, 5))) + dice.choice(["", "/"])
    query = [(text(1, 6), text(0, 9)) for _ in range(dice.randint(0, 5))]
    keys = Credentials(f"AK{dice.randrange(10**9)}", text(8, 30), dice.choice(["", "token/+=="]))
    headers = dice.choice([TYPED, OF_IAM]) | {"X-Sdk-Date": sdk_date(dice.randrange(2 * 10**9))}
    return keys, dice.choice(["GET", "POST", "PUT"]), path, query, headers, text(0, 60).encode()


def test_1000_requests_are_signed_as_the_official_sdk_signs_them():
    dice = random.Random(21)
    for _ in range(1000):
        keys, method, path, query, headers, body = made_up(dice)
        token = {"X-Security-Token": keys.security_token} if keys.security_token else {}
        theirs = SdkRequest(
            method=method, host=headers["Host"], resource_path=path, query_params=[*query],
            header_params=headers | token, body=body,
        )  # fmt: skip
        Signer(BasicCredentials(keys.access_key, keys.secret_key)).sign(theirs)
        ours = sealed(seal(keys, method, path, query, headers), body)
        assert ours["Authorization"] == theirs.header_params["Authorization"], (path, query)
        assert sdk_query(query) == theirs.uri.partition("?")[2]
