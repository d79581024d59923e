"""The master: it forks workers, watches them, and decides who goes and who comes."""
