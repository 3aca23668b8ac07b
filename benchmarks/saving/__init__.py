"""What is saved of a run, in pytest-benchmark's JSON, and how it is written and read again."""
