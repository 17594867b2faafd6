"""Fixtures of the tests of sessions."""

from tests.data.conftest import small_disk as small_disk
