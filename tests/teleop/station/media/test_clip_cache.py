import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from robo_rlhf.core.errors import DiskFullError
from teleop.station.media import clip_cache
from teleop.station.media.clip_cache import ClipCache


@pytest.fixture
def cache(tmp_path: Path) -> ClipCache:
    return ClipCache(tmp_path / "clips", limit=100)


class Maker:
    """Makes content slowly, and counts how often."""

    def __init__(self, content: bytes = b"clip", error: Exception | None = None) -> None:
        self.made, self.cancelled, self._content, self._error = 0, 0, content, error

    async def __call__(self) -> bytes:
        self.made += 1
        try:
            await asyncio.sleep(0.05)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self._error is not None:
            raise self._error
        return self._content


async def text(cache: ClipCache, key: str, make: Callable[[], Awaitable[bytes]]) -> bytes:
    body = await cache.get(key, make)
    try:
        return body.read(0, body.size)
    finally:
        body.close()


def test_fifty_who_ask_at_once_are_answered_by_one_making(cache: ClipCache) -> None:
    async def ask() -> list[bytes]:
        return await asyncio.gather(*(text(cache, "aa1", make) for _ in range(50)))

    make = Maker()
    assert asyncio.run(ask()) == [b"clip"] * 50
    assert make.made == 1
    assert asyncio.run(ask()) == [b"clip"] * 50
    assert make.made == 1


def test_what_is_there_is_found_by_the_next_server_and_half_files_go(cache: ClipCache) -> None:
    asyncio.run(text(cache, "aa1", Maker()))
    half = cache.folder / "aa" / ".aa2.9.partial"
    half.write_bytes(b"x")
    make = Maker(b"other")
    later = ClipCache(cache.folder, limit=100)
    assert asyncio.run(text(later, "aa1", make)) == b"clip"
    assert make.made == 0
    assert later.total == 4
    assert not half.exists()


def test_an_error_reaches_all_and_is_not_kept(cache: ClipCache) -> None:
    async def ask() -> list[object]:
        return await asyncio.gather(*(text(cache, "aa1", broken) for _ in range(3)), return_exceptions=True)

    broken = Maker(error=ValueError("broken"))
    assert [str(error) for error in asyncio.run(ask())] == ["broken"] * 3
    assert broken.made == 1
    assert asyncio.run(text(cache, "aa1", Maker())) == b"clip"


def test_the_least_recently_used_goes_first_also_over_a_restart(cache: ClipCache) -> None:
    for index, key in enumerate(("aa1", "bb2", "cc3")):
        asyncio.run(text(cache, key, Maker(bytes(30))))
        os.utime(cache.folder / key[:2] / key, (1000 + index, 1000 + index))
    asyncio.run(text(cache, "aa1", Maker()))
    asyncio.run(text(cache, "dd4", Maker(bytes(30))))
    assert ["aa1" in cache, "bb2" in cache, "cc3" in cache, "dd4" in cache] == [True, False, True, True]
    assert not (cache.folder / "bb" / "bb2").exists()
    os.utime(cache.folder / "aa" / "aa1", (500, 500))
    later = ClipCache(cache.folder, limit=100)
    asyncio.run(text(later, "ee5", Maker(bytes(30))))
    assert "aa1" not in later
    assert later.total == 90


def test_what_is_larger_than_all_room_is_shown_and_not_kept(cache: ClipCache) -> None:
    asyncio.run(text(cache, "aa1", Maker()))
    assert asyncio.run(text(cache, "bb2", Maker(bytes(101)))) == bytes(101)
    assert ("aa1" in cache, "bb2" in cache) == (True, False)


def test_an_open_body_stays_readable_when_it_is_thrown_away(cache: ClipCache) -> None:
    async def both() -> bytes:
        await text(cache, "aa1", Maker(bytes(range(80))))
        body = await cache.get("aa1", Maker())
        await text(cache, "bb2", Maker(bytes(80)))
        assert "aa1" not in cache
        try:
            return body.read(70, 80)
        finally:
            body.close()

    assert asyncio.run(both()) == bytes(range(70, 80))


def test_a_file_that_somebody_deleted_is_made_again(cache: ClipCache) -> None:
    asyncio.run(text(cache, "aa1", Maker()))
    (cache.folder / "aa" / "aa1").unlink()
    make = Maker(b"again")
    assert asyncio.run(text(cache, "aa1", make)) == b"again"
    assert make.made == 1


def test_a_full_disk_shows_the_clip_all_the_same(cache: ClipCache, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, content: bytes, **_: object) -> None:
        raise DiskFullError(path, len(content), 0)

    monkeypatch.setattr(clip_cache, "write_atomic", refuse)
    assert asyncio.run(text(cache, "aa1", Maker())) == b"clip"
    assert "aa1" not in cache


def test_making_is_given_up_when_the_last_who_waits_has_gone(cache: ClipCache) -> None:
    async def leave() -> None:
        asks = [asyncio.create_task(cache.get("aa1", make)) for _ in range(2)]
        await asyncio.sleep(0.02)
        asks[0].cancel()
        await asyncio.sleep(0)
        assert make.cancelled == 0
        asks[1].cancel()
        await asyncio.gather(*asks, return_exceptions=True)
        assert await text(cache, "aa1", Maker(b"new")) == b"new"
        assert make.cancelled == 1

    make = Maker()
    asyncio.run(leave())
