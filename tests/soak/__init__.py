"""Load on a server that is reloaded, resized, recycled and robbed of its workers meanwhile."""
