"""Real servers and tools for the tests: started on free loopback ports, stopped and forgotten afterwards.

``conftest.py`` makes fixtures of them. Everything that is not there (a tool, a package with a model in it) skips the test
that needs it and says what to install; ``MODELPACK_TEST_STRICT=1`` turns every skip into a failure of the run.
"""
