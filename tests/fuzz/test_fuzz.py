"""The bounded run of all targets; ``make fuzz`` is the long one."""

from __future__ import annotations

import keyword
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from corn_core.builtin import corn_settings
from corn_core.config import Origin
from corn_core.errors import ConfigError
from corn_core.setting import Expected
from corn_core.settings.configfile import execute
from tests.fuzz.targets import TARGETS
from tests.fuzzing import examples


@st.composite
def near_misses(draw: st.DrawFn, name: str) -> bytes:
    """Change a few octets of a seed: that finds more than noise does."""
    target = TARGETS[name]
    data = draw(st.sampled_from(target.seeds))
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.integers(0, 4)))
        data = data[:start] + draw(st.sampled_from(target.telling) | st.binary()) + data[end:]
    # Long cases are for the limits, which the corpus tests one by one.
    return data[:2000]


@pytest.mark.parametrize("name", TARGETS)
@examples(150)
@given(data=st.data())
def test_target(name: str, data: st.DataObject) -> None:
    TARGETS[name].act(data.draw(near_misses(name) | st.binary(max_size=200)))


@pytest.mark.parametrize("name", TARGETS)
def test_seeds(name: str) -> None:
    for seed in TARGETS[name].seeds:
        TARGETS[name].act(seed[:2000])


literals = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.binary(max_size=20)
    | st.sampled_from(["127.0.0.1:0", "unix:/a", "fd://3", "*", "10.0.0.0/8", "0x1f"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5), inner, max_size=3)
        | st.tuples(inner, inner)
    ),
    max_leaves=5,
)


@pytest.mark.parametrize("digits", ["1" * 5000, "\u0663", "\xb2"], ids=["many", "Arabic", "raised"])
@pytest.mark.parametrize(
    "form", ["{}", "{}M", "fd://{}", "a:{}", "10.0.0.0/{}", "%(h){}s", "\ud800"]
)
def test_no_digits_are_too_much_for_a_setting(form: str, digits: str) -> None:
    for setting in corn_settings():
        try:
            setting.parse(form.format(digits))
        except Expected as error:
            assert str(error)


@examples(150)
@given(literals)
def test_settings_accept_a_value_or_say_what_they_expect(value: object) -> None:
    for setting in corn_settings():
        try:
            setting.parse(value)
        except Expected as error:
            assert str(error)


# Names of two underscores at the beginning are Python's own.
names = st.sampled_from([setting.name for setting in corn_settings()]) | st.from_regex(
    r"[a-z][a-z_]{0,7}", fullmatch=True
).filter(lambda name: not keyword.iskeyword(name))
assignments = st.builds(lambda name, value: f"{name} = {value!r}", names, literals)
# No letters: what these octets say can be nothing but a mistake.
noise = st.binary(max_size=12).map(lambda data: bytes(o for o in data if not chr(o).isalpha()))


@settings(examples(100), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(assignments, max_size=4), noise)
def test_config_file_is_read_or_refused(tmp_path: Path, lines: list[str], end: bytes) -> None:
    source = "\n".join(lines).encode("utf-8", "surrogatepass") + b"\n" + end
    (tmp_path / "conf.py").write_bytes(source)
    try:
        found = execute("conf.py", str(tmp_path), Origin("flag", "-c"))
    except ConfigError as error:
        assert str(error).startswith("conf.py") and "\n" not in str(error)
    else:
        assert set(found.values) >= {line.partition(" ")[0] for line in lines}
