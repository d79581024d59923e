"""Decides where a body ends: the whole decision, for requests and for responses.

Everything about request smuggling is in these two functions. Two recipients that disagree
about the end of a message disagree about where the next one begins. So anything ambiguous is
refused, even where an RFC would allow repairing it.
"""

from __future__ import annotations

from corn_core.errors import BadFraming, BodyTooLarge, CodingNotImplemented
from corn_core.http.grammar import is_content_length, shown
from corn_core.http.head import HTTP_11, Request, split_list


def frame_request(request: Request, body_limit: int) -> None:
    """Set ``chunked``, ``content_length`` and ``has_body`` of a request (RFC 9112 section 6.3).

    A repeated Content-Length has already been refused, and the values of a repeated
    Transfer-Encoding are one list. ``fields.py`` ensures that no other field can pass for these.

    :param body_limit: in bytes, 0 for none.
    :raises BadFraming: when the length is malformed or ambiguous.
    :raises CodingNotImplemented: for transfer codings other than chunked.
    :raises BodyTooLarge: when the announced length exceeds the limit.
    """
    coding = request.fields.get("HTTP_TRANSFER_ENCODING")
    length = request.fields.get("CONTENT_LENGTH")
    # 1. Neither field: no body (section 6.3, rule 7).
    if coding is None and length is None:
        return
    if coding is not None:
        # 2. Transfer-Encoding in HTTP/1.0, which does not have it (section 6.1: treat the
        #    framing as faulty).
        if request.version < HTTP_11:
            raise BadFraming("Transfer-Encoding in HTTP/1.0")
        # 3. Both fields (section 6.1: ought to be handled as an error; 6.3 rule 3).
        if length is not None:
            raise BadFraming("both Transfer-Encoding and Content-Length")
        # 4. Exactly "chunked", in any case: the body ends with the last chunk (6.3 rule 4).
        if coding.lower() == "chunked":
            request.chunked = request.has_body = True
            return
        # 5. Everything else is refused, and only the status is in question. An empty member
        #    (section 5.6.1 of RFC 9110 would ignore it) and a parameter of chunked (section 7.1)
        #    are errors; so is chunked before another coding or twice (sections 6.1, 6.3 rule 4).
        codings = split_list(coding)
        names = [member.partition(";")[0].rstrip(" \t") for member in codings]
        if "" in names or "chunked" in names[:-1] or codings[-1] != names[-1] == "chunked":
            raise BadFraming(f"malformed Transfer-Encoding: {shown(coding)}")
        raise CodingNotImplemented(f"unknown transfer coding: {shown(coding)}")
    # 6. Content-Length alone: digits, and nothing else: no sign, no list (6.3 rule 5).
    assert length is not None
    if not is_content_length(length):
        raise BadFraming(f"malformed Content-Length: {shown(length)}")
    # 7. The body has that many bytes (6.3 rule 6), if we want it.
    request.content_length = int(length)
    request.has_body = request.content_length > 0
    if 0 < body_limit < request.content_length:
        raise BodyTooLarge(f"body of {length} bytes, more than {body_limit}")


Framing = tuple[bool, bool, int | None, bool]
"""Body allowed, chunked, Content-Length to send, keep-alive."""


def frame_response(
    code: int,
    method: str,
    version: tuple[int, int],
    keep_alive: bool,
    declared: int | None,
    known: int | None,
) -> Framing:
    """Decide how to delimit a response body (RFC 9112 section 6.3, RFC 9110 section 8.6).

    :param method: the request's, as is ``version``.
    :param declared: the application's own Content-Length.
    :param known: the length of the body if the server knows it.
    """
    # 1. 1xx and 204 have no body and no Content-Length (RFC 9110 section 8.6). After a 1xx
    #    the client waits for a final response, or speaks another protocol.
    if code < 200 or code == 204:
        return False, False, None, keep_alive and code >= 200
    # 2. 2xx to CONNECT: no field, and bytes that are not HTTP until the connection ends
    #    (RFC 9110 section 9.3.6).
    if method == "CONNECT" and code < 300:
        return True, False, None, False
    # 3. 304 has no body. Its Content-Length is that of the 200 it stands for, which only the
    #    application can know (RFC 9110 section 15.4.5).
    if code == 304:
        return False, False, declared, keep_alive
    length = known if declared is None else declared
    # 4. HEAD: the fields of GET, as far as they are known, and no body (RFC 9110 section 9.3.2).
    if method == "HEAD":
        return False, False, length, keep_alive
    # 5. The length is known.
    if length is not None:
        return True, False, length, keep_alive
    # 6. It is not, and the client knows chunked (RFC 9112 section 6.1: never to HTTP/1.0).
    if version >= HTTP_11:
        return True, True, None, keep_alive
    # 7. It does not: the body ends with the connection (RFC 9112 section 6.3 rule 8).
    return True, False, None, False
