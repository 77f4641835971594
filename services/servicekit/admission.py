"""Who is let in: the name in a caller's certificate, and a person's token."""

from __future__ import annotations

from typing import Any, Final

import grpc

from services.servicekit.callers import WORKLOADS, Callers
from services.servicekit.errors import PermissionDenied, Unauthenticated
from services.servicekit.refusal_log import RefusalLog
from services.servicekit.token_file import TokenFile

# gRPC's name for the URIs among the SANs; those of all kinds are in one list as well, where a DNS name could look like
# a URI.
_URIS: Final = "peer_uri"
_SCHEME: Final = "bearer "


class Admission:
    """Decides by certificate and token; only for connections that have TLS.

    Args:
        callers: Who may call what.
        tokens: Of people; None asks for none.
    """

    def __init__(self, callers: Callers, tokens: TokenFile | None = None) -> None:
        self._callers = callers
        self._tokens = tokens
        self._refusals = RefusalLog()

    def require(self, method: str, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        """Returns if the caller may call `/package.Service/Method`; who may not is logged.

        Raises:
            PermissionDenied: Its certificate has no name that may.
            Unauthenticated: It is no workload of ours, and has no token, or a wrong one.
        """
        uris = context.auth_context().get(_URIS, ())
        names = [uri.decode("utf-8", "replace") for uri in uris]
        called = method.rpartition("/")[2]
        try:
            name = self._callers.require(called, names)
            if self._tokens is not None and name not in WORKLOADS:
                self._require_token(context, self._tokens)
        except (PermissionDenied, Unauthenticated) as error:
            self._refusals.note(str(error), method=called, names=names, peer=context.peer())
            raise

    def _require_token(
        self, context: grpc.aio.ServicerContext[Any, Any], tokens: TokenFile
    ) -> None:
        metadata = context.invocation_metadata() or ()
        given = [str(value) for key, value in metadata if key == "authorization"]
        if not given:
            raise Unauthenticated("a token is needed, as metadata: `authorization: Bearer TOKEN`")
        [value, *more] = given
        is_bearer = not more and value.lower().startswith(_SCHEME)
        if not is_bearer or tokens.find(value[len(_SCHEME) :].strip()) is None:
            raise Unauthenticated("the token is not a valid one")
