"""The corpus: requests as bytes on the wire, good and bad, and what they mean."""

from tests.http_corpus.cases import chunks, fields, framing, limits, request_line

CASES = (
    *request_line.CASES,
    *fields.CASES,
    *framing.CASES,
    *chunks.CASES,
    *limits.CASES,
)
