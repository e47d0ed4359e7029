"""The official v3 SDK. Importing it, or making a client, writes into the home folder: here it gets one of its own."""

import os
import tempfile
from unittest import mock

import pytest

with tempfile.TemporaryDirectory() as home, mock.patch.dict(os.environ, {"HOME": home}):
    pytest.importorskip("huaweicloudsdkcore")
    pytest.importorskip("huaweicloudsdkdwr")
    from huaweicloudsdkcore.auth.credentials import BasicCredentials
    from huaweicloudsdkcore.exceptions.exceptions import ClientRequestException
    from huaweicloudsdkcore.http.http_config import HttpConfig
    from huaweicloudsdkcore.sdk_request import SdkRequest
    from huaweicloudsdkcore.signer.signer import Signer
    from huaweicloudsdkdwr import v3 as dwr

__all__ = ["BasicCredentials", "ClientRequestException", "HttpConfig", "SdkRequest", "Signer", "dwr"]
