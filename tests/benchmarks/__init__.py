"""Benchmarks against other implementations and against targets; commands, not tests, so pytest does not collect them."""
