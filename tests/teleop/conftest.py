"""What the tests of sessions share."""

from tests.data.conftest import small_disk as small_disk
