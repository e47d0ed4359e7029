"""What is known of the errors of DWR v3 beyond the common table of both APIs. Pure."""

from __future__ import annotations

import re

from batcher.model import Cause
from batcher.rules.service.obs_v2_errors import ADVICE, FORM, OF_CONTENTS, RULES
from batcher.rules.service.verdicts import Table

ERRORS = Table(
    RULES,
    {
        **ADVICE,
        Cause.UNSERVED: "Give the endpoint of DWR in the workflow's region, https://dwr.REGION.myhuaweicloud.com, and"
        " check --project-id. For a workflow of OBS, give the endpoint of OBS and --api obs-v2.",
    },
    # The codes of some errors are documented as whole numbers. `dwr_v3.py` passes on those in the service's own form.
    re.compile(rf"{FORM.pattern}|[0-9]{{1,9}}"),
    OF_CONTENTS,
)
