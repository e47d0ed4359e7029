"""An independent judge: a start endpoint that knows the signature from its own code and keeps what it was sent.

It shares nothing with the project: plain asyncio, hmac and json.
"""

import asyncio
import base64
import hashlib
import hmac
import json
from contextlib import asynccontextmanager

ACCESS_KEY = "EXAMPLEAK0123456789A"
SECRET_KEY = "ExampleSecretKey/abc+DEF0123456789xyzWXYZ"


class Judge:
    """What arrived: `bodies` are the raw bytes of correctly signed starts, `refused` counts the others.

    `keys` are those that it takes: secret key and security token by access key. After `rotate_at` starts it takes
    `next_keys` and no others.
    """

    def __init__(self):
        self.keys = {ACCESS_KEY: (SECRET_KEY, "")}
        self.rotate_at = None
        self.next_keys = {}
        self.bodies = []
        self.refused = []
        self.url = ""
        self.answer_with = None
        self._waiting = []

    async def received(self, count):
        """Wait until so many starts have arrived."""
        event = asyncio.Event()
        self._waiting.append((count, event))
        await asyncio.wait_for(event.wait(), 60)

    def objects(self):
        return [json.loads(body)["object"] for body in self.bodies]

    async def serve(self, reader, writer):
        try:
            while head := await self._head(reader):
                method, path, headers = head
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                writer.write(self._answer(method, path, headers, body))
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _head(self, reader):
        first = await reader.readline()
        if not first:
            return None
        method, path, _ = first.decode().split(" ")
        headers = {}
        while (line := (await reader.readline()).decode().rstrip("\r\n")) != "":
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        return method, path, headers

    def _answer(self, method, path, headers, body):
        if len(self.bodies) == self.rotate_at:
            self.keys = self.next_keys
        given = headers.get("x-obs-security-token", "")
        access_key, _, given_signature = headers.get("authorization", "").removeprefix("OBS ").partition(":")
        secret_key, token = self.keys.get(access_key, ("", None))
        if given != token:
            self.refused.append((method, path))
            told = f"<Error><Code>InvalidAccessKeyId</Code><Message>x-obs-security-token:{given}</Message></Error>"
            return _http(403, told.encode())
        lines = [method, headers.get("content-md5", ""), headers.get("content-type", ""), headers["date"]]
        signed = "\n".join([*lines, *([f"x-obs-security-token:{token}"] if token else []), path])
        mac = hmac.new(secret_key.encode(), signed.encode(), hashlib.sha1).digest()
        if given_signature != base64.b64encode(mac).decode():
            self.refused.append((method, path))
            return _http(403, b"<Error><Code>SignatureDoesNotMatch</Code><Message>no</Message></Error>")
        if method != "POST":
            # These keys may start workflows, and read nothing.
            return _http(403, b"<Error><Code>AccessDenied</Code></Error>")
        self.bodies.append(body)
        for count, event in self._waiting:
            if len(self.bodies) >= count:
                event.set()
        if self.answer_with is not None:
            return _http(*self.answer_with)
        return _http(200, json.dumps({"execution_name": f"{len(self.bodies):032x}"}).encode())


def _http(status, body):
    return b"HTTP/1.1 %d X\r\nContent-Length: %d\r\nX-Request-ID: R%d\r\n\r\n%s" % (status, len(body), status, body)


@asynccontextmanager
async def judging():
    judge = Judge()
    server = await asyncio.start_server(judge.serve, "127.0.0.1", 0)
    judge.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield judge
    finally:
        server.close()
        server.close_clients() if hasattr(server, "close_clients") else None
