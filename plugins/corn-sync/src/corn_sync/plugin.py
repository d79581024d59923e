"""What every server that has corn-sync installed loads: nothing but this docstring.

The worker needs no setting and no hook of its own; its class is found by its entry point.
"""
