"""The suite catches each of the broken workers, by the test that is meant for it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from corn_testkit.conformance import SUITE, given, run, surroundings
from corn_testkit.runner import Runner
from corn_testkit.waiting import DEADLINE

HERE = Path(__file__).parent

# The class, the test that has to fail, and what it has to say.
BROKEN = {
    "DropsRequestsInFlight": (
        "test_stopping.py::test_term_finishes_the_request_in_flight",
        "closed without a response",
    ),
    "DoesNotDrain": (
        "test_stopping.py::test_term_answers_all_that_have_connected",
        "(closed|reset) without a response",
    ),
    "StaysOpen": (
        "test_stopping.py::test_term_refuses_new_clients_while_a_request_is_finished[reuse_port]",
        "waited in vain for the port to be closed",
    ),
    "IgnoresTerm": (
        "test_stopping.py::test_term_to_a_worker_replaces_it",
        r"waited in vain for worker \d+ to end",
    ),
    "SwallowsQuit": ("test_stopping.py::test_quit_does_not_wait[QUIT]", "TimeoutExpired"),
    "ForgetsIdleConnections": (
        "test_stopping.py::test_term_closes_kept_connections",
        "TimeoutError",
    ),
    "OutlivesItsMaster": (
        "test_processes.py::test_workers_end_when_their_master_was_killed",
        "waited in vain for the orphans to end",
    ),
    "DiesOfHangup": (
        "test_processes.py::test_signals_for_the_master_do_nothing[SIGHUP]",
        "assert",
    ),
    "NeverNotifies": ("test_silence.py::test_waiting_is_not_silence", "WORKER TIMEOUT"),
    "DoesNotCountRequests": (
        "test_replacing.py::test_worker_is_replaced_after_its_requests",
        "waited in vain for 'Autorestarting",
    ),
    "ClaimsLongRequests": (
        "test_silence.py::test_request_may_take_longer_than_timeout",
        "WORKER TIMEOUT",
    ),
    "ClaimsKeepalive": (
        "test_connections.py::test_connection_carries_requests_one_after_another",
        "'close'",
    ),
    "KeepsInSecret": (
        "test_connections.py::test_connection_is_closed_after_the_response",
        "TimeoutError|too many values",
    ),
    "ClaimsConcurrency": (
        "test_concurrency.py::test_slow_request_holds_up_nobody",
        "TimeoutError",
    ),
    "LeaksDescriptors": (
        "test_connections.py::test_every_descriptor_is_let_go",
        "waited in vain for the descriptors to be closed",
    ),
    "AnswersBehindTheApplicationsBack": (
        "test_sockets.py::test_a_talk_is_one_request_with_101[page]",
        "b'H' == b''",
    ),
    "KeepsWhatCameEarly": (
        "test_sockets.py::test_what_the_client_says_early_is_heard",
        "TimeoutError",
    ),
    "WaitsForSlowClients": ("test_slow_clients.py::test_slow_sender[line]", "TimeoutError"),
    "HasOneDoor": ("test_listeners.py::test_all_addresses_are_served[1]", "TimeoutError"),
    "StaysClosed": (
        "test_slow_clients.py::test_more_clients_than_a_worker_takes",
        "TimeoutError",
    ),
    "AnswersThemAllFirst": (
        "test_fairness.py::test_all_who_come_at_once_are_answered_before_any_is_answered_much",
        "turns_until_all",
    ),
    "AnswersPipelinesToTheirEnd": (
        "test_fairness.py::test_those_who_ask_once_have_their_turn_among_those_who_pipeline",
        "waited in vain for another answer|assert",
    ),
    "ReadsUploadsAtOnce": (
        "test_fairness.py::test_those_who_ask_have_their_turn_among_those_who_upload",
        "polite",
    ),
    "ReadsWhateverComes": (
        "test_fairness.py::test_client_that_pipelines_without_end_does_not_fill_the_memory",
        "resident",
    ),
    "TakesAllClients": (
        "test_fairness.py::test_workers_share_the_clients_who_come_at_once",
        r"\[0, 0, 0, 64\]",
    ),
    "ForgetsEverySecond": ("test_fairness.py::test_every_client_has_its_share", "counts"),
    "IgnoresTls": ("test_tls.py::test_requests_over_tls", "SSLError"),
    "IgnoresLimits": ("test_limits.py::test_limit[body]", "408 == 413"),
    "ForgivesBadFields": (
        "test_framing.py::test_message_on_the_wire[a space before the colon]",
        r"At index 0 diff: 'GET /mirror/' != 400",
    ),
    "NeverSaysContinue": (
        "test_requests.py::test_continue_is_sent_when_it_is_waited_for",
        "TimeoutError",
    ),
    "SendsFilesFromTheirBeginning": ("test_files.py::test_from_where_it_stands[70000]", "assert"),
    "LosesPostRequest": (
        "test_hooks.py::test_order_and_process_of_a_whole_life",
        "waited in vain for 1 calls of post_request",
    ),
    "LosesPostRequestOfFailures": (
        "test_hooks.py::test_application_that_fails_before_its_response",
        "waited in vain for 1 calls of post_request",
    ),
    "WritesNoAccessLog": (
        "test_logs.py::test_access_line_for_each_request",
        "waited in vain for access line 1",
    ),
    "DoesNotReopen": (
        "test_logs.py::test_usr1_reopens_the_files",
        "waited in vain for the worker to let go of the old file",
    ),
    "WritesTracebacks": ("test_logs.py::test_log_of_a_good_day", "while stopping"),
}

BROKEN_ASGI = {
    "ReadsAhead": (
        "test_asgi_bodies.py::test_continue_is_sent_when_the_body_is_asked_for",
        "assert False",
    ),
    "MergesFields": ("test_asgi_scope.py::test_fields_are_in_order_and_apart", "Right contains"),
    "SharesItsState": ("test_asgi_scope.py::test_state_is_a_shallow_copy", "'mine'"),
    "LosesPipelinedRequests": (
        "test_connections.py::test_pipelined_requests_are_answered_in_order",
        "TimeoutError",
    ),
    "BuffersTheStream": (
        "test_asgi_responses.py::test_each_part_leaves_at_once",
        "TimeoutError",
    ),
    "LetsLineEndsThrough": (
        "test_asgi_responses.py::test_wrong_message_is_refused[line-end]",
        "assert 200 == 500",
    ),
    "CompletesWhatHasFailed": (
        "test_asgi_responses.py::test_response_that_is_not_complete_shows[/crash-late]",
        "assert False",
    ),
    "HidesDisconnects": (
        "test_asgi_clients.py::test_disconnect_is_told_at_once",
        "waited in vain for the application to tell http.disconnect",
    ),
    "KeepsWhatIsNotRead": (
        "test_asgi_clients.py::test_client_that_does_not_read_stops_the_application",
        "all of it is in memory somewhere",
    ),
    "ServesBeforeStartup": (
        "test_asgi_lifespan.py::test_nothing_is_served_before_startup_is_complete",
        "assert False",
    ),
    "IgnoresFailedStartup": (
        "test_asgi_lifespan.py::test_failed_startup_is_a_failed_boot",
        "TimeoutExpired",
    ),
    "ForgetsShutdown": (
        "test_asgi_lifespan.py::test_startup_and_shutdown_in_their_order",
        "waited in vain for '\\^shuts down",
    ),
    "ClosesWithAnyCode": (
        "test_asgi_lifespan.py::test_shutdown_comes_after_the_last_socket[TERM]",
        "assert False",
    ),
    "HidesFailuresOfSockets": (
        "test_websocket_frames.py::test_end_of_the_application_is_that_of_the_socket[/raises-1011]",
        "assert False",
    ),
    "TakesFragmentsForMessages": (
        "test_websocket_frames.py::test_cases_of_the_protocol[5]",
        "5.3",
    ),
}


def rules() -> dict[str, str]:
    """Read the rule of each test in the suite, by the name that pytest gives it."""
    found = {}
    for path in SUITE.glob("test_*.py"):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                text = (ast.get_docstring(node) or "").partition("\n\n")[0]
                found[f"{path.name}::{node.name}"] = text
    return found


RULES = rules()


@pytest.mark.parametrize("test", RULES)
def test_every_test_of_the_suite_states_a_rule(test: str) -> None:
    assert re.fullmatch(r"\S.*\w\.", RULES[test]), "one sentence that says what a worker must do"
    assert list(RULES.values()).count(RULES[test]) == 1


@pytest.fixture(scope="module")
def runner() -> Iterator[Runner]:
    # What never comes is not waited for as long as usual.
    shorter = {"CORN_TESTKIT_DEADLINE": str(DEADLINE / 4)}
    made = Runner({**surroundings(), **shorter, "PYTHONPATH": str(HERE)})
    yield made
    made.close()


CASES = [
    *((f"broken.{name}", *expected) for name, expected in BROKEN.items()),
    *((f"broken_asgi.{name}", *expected) for name, expected in BROKEN_ASGI.items()),
]


@pytest.mark.parametrize(("name", "test", "reason"), CASES, ids=[case[0] for case in CASES])
def test_broken_worker_is_caught(runner: Runner, name: str, test: str, reason: str) -> None:
    status, report = runner.run([*given(name), test])
    failed = re.findall(r"^(?:FAILED|ERROR) (\S+::.*?)(?: - .*)?$", report, re.M)
    assert status == 1, report
    assert test in failed, report
    assert re.search(reason, report), report
    assert "the rule that was broken -" in report
    assert RULES[test.partition("[")[0]] in report


@pytest.mark.slow
def test_sound_worker_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of it: this is what the broken ones are made of."""
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    run("broken.Sound")
