"""The service of the simulation with the API of DWR v3: other paths, and a list that is asked for by time."""

import json
import math
from datetime import UTC, datetime
from urllib.parse import parse_qs, unquote

from simulated_service import MOST_SKEW, Exchange, Service

SKEWED = b'{"error_code": "APIGW.0301", "error_msg": "signature expired", "request_id": "r"}'


class ServiceV3(Service):
    """A simulated service with another front."""

    _walk = ("", "", "")
    """The two ends of the first span of the latest walk, and the last end that was asked for."""

    def take(self, method, target, headers, body):
        path, _, query = target.partition("?")
        is_dated = self._lies.told("date", 0.0) is not None
        signed_at = datetime.strptime(headers["X-Sdk-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
        if is_dated and abs(signed_at - self._service_time()) > MOST_SKEW:
            return Exchange(self._lag(), lambda: self._reply(401, SKEWED), self._lag())
        assert headers["Authorization"].startswith("SDK-HMAC-SHA256 Access=EXAMPLEAK, SignedHeaders=content-type;host;")
        assert path.startswith("/v3/simulated/")
        if method == "POST":
            return self._start(body)
        if path.endswith("/workflowexecutions"):
            asked = {name: values[0] for name, values in parse_qs(query).items()}
            back = self._dice.uniform(3, 28) if self._dice.random() < self.nature.slow_list else self._lag()
            return Exchange(self._lag(), lambda: self._span(asked), back)
        if "/workflowexecution/" not in path:
            return Exchange(self._lag(), lambda: self._trouble(self.get_mood) or self._reply(200, {}), self._lag())
        name = unquote(path.rpartition("/")[2])
        return Exchange(self._lag(), lambda: self._get(name), self._lag())

    def _span(self, asked):
        """List the executions of a span of time, as far as they fit."""
        trouble = self._trouble(self.list_mood)
        if trouble is not None:
            return trouble
        now = self._clock()
        seen = self._lies.told("seen", now)
        begin, end = (datetime.fromisoformat(asked[name]).timestamp() for name in ("start_time", "end_time"))
        within = [each for each in self._listed(seen, now) if begin <= math.floor(each.at + self.nature.offset) <= end]
        within.sort(key=lambda each: (each.at, each.name))
        at = int(asked.get("offset", 1)) - 1
        shown = within[at : at + self.nature.page]
        is_truncated = len(within) > at + len(shown)
        page = {
            "count": len(shown),
            "is_truncated": is_truncated,
            "executions": [self._shown(each) for each in shown],
        }
        following = range(at + len(shown) + 1, len(within) + 1)
        if is_truncated and self.list_mood != "markerless":
            page["next_marker"] = str(following[0])
        page = self._lies.told("page", page, [str(each) for each in following[1:]])
        self._note_walk(asked, now)
        self._listed_names |= {each.name for each in shown}
        self._truly_listed |= {each.name for each in shown if self._is_shown_truly(each)}
        return self._reply(200, page, self._lies.told("list_date", seen, now))

    def _note_walk(self, asked, now):
        """Begin another walk where a client begins with another span of the same time or an earlier one."""
        first, last, latest = self._walk
        span = asked["start_time"], asked["end_time"]
        if not first or (span[0] <= first and span != (latest, last)):
            self._listed_names, self._truly_listed, self._walked_at = set(), set(), now
            self._walk = (span[0], span[1], span[0])
        else:
            self._walk = (first, span[1], span[0])

    def _detail(self, execution, text):
        if self.nature.shape == "records":
            return super()._detail(execution, text)
        item = self._shown(execution)
        return {
            "workflow_id": f"urn:fss:{execution.workflow}",
            "execution_id": f"0-{execution.name[:8]}",
            "status": "running",
            "begin_time": item["started_at"],
            "input": _opened(text) if self.nature.shape == "plain" else text,
        }


def _opened(text):
    """Give the object of a text, as the SDK documents an input."""
    try:
        return json.loads(text)
    except ValueError:
        return text
