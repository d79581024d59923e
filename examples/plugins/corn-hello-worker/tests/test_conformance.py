from corn_testkit.conformance import run


def test_conformance():
    run("hello")
