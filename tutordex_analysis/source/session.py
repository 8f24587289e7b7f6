"""One HTTP session to a Prometheus: who we are to it, what is asked again, and every fault as a sentence."""

from __future__ import annotations

import base64
import io
import ipaddress
import random
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3
from requests.auth import AuthBase

from tutordex_analysis.errors import SourceError
from tutordex_analysis.source import answer

ATTEMPTS = 4
FIRST_WAIT_SECONDS = 0.4  # then twice as long each time, with jitter
LONGEST_WAIT_SECONDS = 30.0
CONNECT_SECONDS = 10.0
_TOKEN = re.compile(r"[!-~]+")


class Session(requests.Session):
    """A `requests.Session` that raises `SourceError` and nothing else.

    Credentials go to this server only: redirects are refused, .netrc is not read. Proxies and CA bundles come from the
    environment, except for a server on this machine. Making one sends nothing.

    Args:
        url: Of the server, with its path prefix if it has one.
        token: Sent as bearer token.
        basic_auth: "user:password".
        ca_file: PEM file of the CA that signed the server's certificate.
        verify: False accepts any certificate.
        gzip: Whether to ask for compressed answers.
        timeout: Seconds of silence after which a request is given up.
        server: What answers there, for sentences.
        pause: Waits that many seconds between two attempts.

    Raises:
        SourceError: The URL, the credentials or the CA file cannot be used.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        basic_auth: str | None = None,
        ca_file: str | Path | None = None,
        verify: bool = True,
        gzip: bool = False,
        timeout: float = 60.0,
        server: str = "Prometheus",
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        super().__init__()
        self.address, self.server = address(url, server=server), server
        self.auth = _Authorization(_authorization(token, basic_auth))
        self.trust_env = not _is_loopback(self.address)
        self.max_redirects = 0
        self.headers.update({"Accept-Encoding": "gzip" if gzip else "identity", "User-Agent": "tutordex-analysis"})
        if ca_file is not None and not Path(ca_file).is_file():
            raise SourceError(f"there is no CA file {ca_file}; give the PEM file of the CA that signed the server")
        self.verify = str(ca_file) if ca_file is not None and verify else verify
        if not verify:
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        self.timeout, self.pause = timeout, pause

    def fetch(self, method: str, url: str, form: Mapping[str, str]) -> bytes:
        """The body of a 200 answer; asks again, within limits, where the fault may pass.

        Raises:
            TooHeavy: The server gave up on this much; a shorter range may pass.
            SourceError: Any other fault.
        """
        asked = answer.asked(self.address, form.get("query"))
        attempt = 1
        while True:
            try:
                sent = {"data": dict(form)} if method == "POST" else {"params": dict(form)}
                return self._once(method, url, sent, asked)
            except answer.TryAgain as fault:
                wait = fault.after_seconds
                if attempt >= ATTEMPTS or (wait is not None and wait > LONGEST_WAIT_SECONDS):
                    raise SourceError(f"{fault} (asked {attempt} times)" if attempt > 1 else str(fault)) from fault
                self.pause(wait if wait is not None else _backoff(attempt))
                attempt += 1

    def change(self, method: str, url: str, document: object = None) -> bytes:
        """The body of a 200 answer to a request that changes something, with a document as JSON; asked once only.

        Raises:
            TryAgain: It may or may not have been done; look before asking again.
            SourceError: Any other fault.
        """
        return self._once(method, url, {} if document is None else {"json": document}, self.address)

    def request(  # the signature is that of requests
        self,
        method: str | bytes,
        url: str | bytes,
        *args: Any,  # noqa: ANN401
        **options: Any,  # noqa: ANN401
    ) -> requests.Response:
        """What prometheus-api-client calls: parameters go into a POST's body, any fault is raised, `warnings` too.

        Its own way puts a query into the URL, where proxies cut it, and drops the server's warnings. The options that
        it passes (auth, verify, timeout) are this session's own.
        """
        form = {str(key): str(value) for key, value in (options.get("params") or {}).items()}
        body = self.fetch(str(method), str(url), form)
        answer.envelope(body, asked=answer.asked(self.address, form.get("query")))
        response = requests.Response()
        response.status_code, response.raw, response.encoding = 200, io.BytesIO(body), "utf-8"
        return response

    def _once(self, method: str, url: str, sent: Mapping[str, Any], asked: str) -> bytes:
        timeout = (min(CONNECT_SECONDS, self.timeout), self.timeout)
        try:
            response = super().request(method, url, stream=True, verify=self.verify, timeout=timeout, **sent)
            with response:
                # read in one go: .content would take it in pieces of 10 kB
                body = response.raw.read(decode_content=True)
        except requests.TooManyRedirects as error:
            response = error.response or requests.Response()
            status = response.status_code or 302
            raise answer.refusal(status, response.headers, b"", asked=asked, server=self.server) from error
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            raise _broken(error, asked, self.timeout, self.server) from error
        if response.status_code != 200:
            raise answer.refusal(response.status_code, response.headers, body, asked=asked, server=self.server)
        return bytes(body)


class _Authorization(AuthBase):
    """Sets the header, or nothing; being there keeps requests from looking into .netrc."""

    def __init__(self, header: str | None) -> None:
        self._header = header

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._header:
            request.headers["Authorization"] = self._header
        return request


def address(url: str, *, server: str = "Prometheus") -> str:
    """A server's URL in one form: scheme, host and path prefix, no slash at the end.

    Raises:
        SourceError: No http(s) URL, or one that carries a user, a query or a fragment.

    Example:
        >>> address("https://example.org/prometheus/")
        'https://example.org/prometheus'
    """
    try:
        parts = urlsplit(url.strip())
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise SourceError(f"the URL of {server} cannot be read; write it like http://127.0.0.1:9090") from error
    if "@" in parts.netloc:
        raise SourceError(f"the URL of {server} at {host} must not carry a user or a password; give them as basic_auth")
    if parts.scheme not in ("http", "https") or not host:
        raise SourceError(f"{url.split('@')[-1]!r} is not the URL of a server; write it like http://127.0.0.1:9090")
    if parts.query or parts.fragment:
        raise SourceError(f"the URL of {server} ends at its path, without ? and #; use {parts.scheme}://{parts.netloc}")
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"


def _authorization(token: str | None, basic_auth: str | None) -> str | None:
    if token and basic_auth:
        raise SourceError("give either a token or basic_auth, not both")
    if token:
        if not _TOKEN.fullmatch(token.strip()):
            raise SourceError("the token has characters that no HTTP header can carry; is it the right text?")
        return f"Bearer {token.strip()}"
    if basic_auth:
        if ":" not in basic_auth:
            raise SourceError('basic_auth is written "user:password"; the colon is missing')
        return "Basic " + base64.b64encode(basic_auth.encode()).decode("ascii")
    return None


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _backoff(attempt: int) -> float:
    return FIRST_WAIT_SECONDS * float(2 ** (attempt - 1)) * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, no secret


def _broken(error: Exception, asked: str, timeout: float, server: str) -> SourceError:
    """What a fault below HTTP means."""
    if isinstance(error, (requests.ConnectTimeout, requests.exceptions.ProxyError)):
        return answer.TryAgain(f"{asked} cannot be reached ({_reason(error)}); check the URL and the way there")
    if isinstance(error, (requests.ReadTimeout, urllib3.exceptions.ReadTimeoutError)):
        return SourceError(
            f"{asked} was silent for {timeout:g} s; ask for a shorter range or a longer step, or raise the timeout"
        )
    if isinstance(error, requests.exceptions.SSLError):
        return SourceError(
            f"the certificate of {asked} is not accepted ({_reason(error)}); give ca_file, the PEM file of its CA"
        )
    if "resolve" in str(error).lower():
        return SourceError(f"the host of {asked} is not known; correct the URL")
    if isinstance(error, requests.ConnectionError) and "refused" in str(error):
        return answer.TryAgain(f"nothing answers at {asked} (connection refused); start {server} or correct the URL")
    if isinstance(error, (requests.ConnectionError, urllib3.exceptions.HTTPError, OSError)) and not isinstance(
        error, (requests.exceptions.InvalidURL, requests.exceptions.InvalidHeader)
    ):
        return answer.TryAgain(f"the answer of {asked} broke off ({_reason(error)}); ask again")
    return SourceError(f"{asked} cannot be asked ({type(error).__name__}); check the URL")


def _reason(error: BaseException) -> str:
    """The innermost cause in a few words."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    text = str(getattr(error, "verify_message", "") or getattr(error, "strerror", "") or error or type(error).__name__)
    return text.strip("()'\" ")[:100]
