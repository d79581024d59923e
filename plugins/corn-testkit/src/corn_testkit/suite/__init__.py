"""The rules that every worker must keep: ``pytest --pyargs corn_testkit --corn-worker NAME``.

Each test begins with a server of its own, unless it changes nothing of a server: those share one.
"""
