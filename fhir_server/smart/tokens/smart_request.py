"""What SMART asks of an authorization request beyond OAuth.

https://hl7.org/fhir/smart-app-launch/app-launch.html#request-4
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from authlib.oauth2.rfc6749 import InvalidRequestError


class SmartRequest:
    """What SMART asks of an authorization request beyond OAuth, as an extension of Authlib's grant."""

    def __call__(self, grant: Any) -> None:
        """Join the grant's own checks."""
        grant.register_hook("after_validate_authorization_request_payload", self.check)

    def check(self, grant: Any, _: Any) -> None:
        """Refuse a request for another server, one without `state`, and ways of asking that are not offered."""
        form = grant.request.form
        if form.get("aud", "").rstrip("/") != grant.request.addresses.base:
            raise InvalidRequestError("The aud is not this FHIR server.")
        if not form.get("state") or len(form["state"]) > 2_000:
            raise InvalidRequestError("A state is required.")
        if "request" in form or "request_uri" in form or form.get("response_mode", "query") != "query":
            raise InvalidRequestError("The parameters request, request_uri and response_mode are not supported.")
        if len(form.get("nonce", "")) > 2_000:
            raise InvalidRequestError("The nonce is too long.")
        _check_openid(form)


def _check_openid(form: Mapping[str, str]) -> None:
    """OpenID Connect Core §3.1.2.1: `none` stands alone, and an age is a number of seconds."""
    prompts = form.get("prompt", "").split()
    if "none" in prompts and len(prompts) > 1:
        raise InvalidRequestError("The prompt none goes with no other.")
    if "max_age" in form and not _SECONDS.fullmatch(form["max_age"]):
        raise InvalidRequestError("The max_age is a number of seconds.")


_SECONDS = re.compile(r"[0-9]{1,9}", re.ASCII)
