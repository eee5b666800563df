"""The programs are run by the test, and are no modules."""

collect_ignore_glob = ["program_*.py"]
