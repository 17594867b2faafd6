import pytest

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.feedback.assignment.task_settings import Sharing
from robo_rlhf.feedback.store import Store


def test_a_task_says_what_differs_from_all_others(store: Store) -> None:
    assert store.tasks.sharing("lift") == Sharing()
    store.tasks.set_sharing(overlap=3, gold_share=0.1)
    assert store.tasks.set_sharing("lift", overlap=5).gold_share == 0.1
    store.tasks.set_sharing(gold_share=0.2)
    assert (store.tasks.sharing("lift").overlap, store.tasks.sharing("lift").gold_share) == (5, 0.2)
    assert set(store.tasks.settings()) == {"", "lift"}
    with Store(store.database.engine.url.render_as_string(hide_password=False)) as again:
        assert again.tasks.settings() == store.tasks.settings()


def test_a_setting_is_unset(store: Store) -> None:
    store.tasks.set_sharing(overlap=3, lease=60)
    store.tasks.set_sharing("lift", overlap=5, lease=30)
    assert store.tasks.own("lift") == {"overlap": 5, "lease": 30}
    found = store.tasks.set_sharing("lift", overlap=None, lease=40)
    assert (found.overlap, found.lease) == (3, 40)
    assert store.tasks.own("lift") == {"lease": 40}
    store.tasks.set_sharing(overlap=None)
    assert store.tasks.sharing("lift").overlap == store.tasks.sharing().overlap == Sharing().overlap
    assert store.tasks.own("never") == {}
    with pytest.raises(InvalidValueError, match="setting of a task"):
        store.tasks.set_sharing(colour=None)


def test_settings_that_cannot_be(store: Store) -> None:
    with pytest.raises(InvalidValueError, match=r"gold_share of a task: expected a share of at most 0\.5, got 0\.9"):
        store.tasks.set_sharing(gold_share=0.9)
    with pytest.raises(InvalidValueError, match="setting of a task: expected one of overlap, lease"):
        store.tasks.set_sharing(colour=1)
    assert store.tasks.settings() == {"": store.tasks.settings()[""]}


def test_guidelines_keep_their_versions(store: Store) -> None:
    assert store.tasks.guidelines("lift") is None
    store.tasks.write_guidelines("lift", "# first", "anna")
    found = store.tasks.write_guidelines("lift", "# second", "ben")
    assert (found.version, found.text, found.author) == (2, "# second", "ben")
    assert store.tasks.guidelines("reach") is None
    with pytest.raises(InvalidValueError, match="guidelines"):
        store.tasks.write_guidelines("lift", "x" * 70_000, "anna")
