import asyncio
import itertools
import random
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest
import sqlalchemy as sa

from robo_rlhf.core.errors import BusyError, NotFoundError
from robo_rlhf.core.types import Segment
from robo_rlhf.database import writers
from robo_rlhf.feedback.assignment.assign import AssignedQuestion, Assigner, QuestionFilter, Randomness, end
from robo_rlhf.feedback.assignment.assign_cache import AssignmentCache
from robo_rlhf.feedback.assignment.assign_sql import MOST_AT_ONCE
from robo_rlhf.feedback.assignment.lease_clock import LeaseClock
from robo_rlhf.feedback.assignment.submission import SubmissionResult, SubmittedAnswer
from robo_rlhf.feedback.store import Store
from robo_rlhf.feedback.tables import questions
from tests.feedback.making import make_question

A, B = {"choice": "A"}, {"choice": "B"}
COUNT = 12  # questions
PLAIN = {"gold_share": 0.0, "repeat_share": 0.0, "lease": 60.0}


class Time:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def team(where: str, time: Time) -> Store:  # type: ignore[misc]
    """A store of twelve questions, each for two people, without gold and repeats; leases last 60 s."""
    with Store(where, clock=LeaseClock(time, time), rng=random.Random(0)) as store:
        store.tasks.set_sharing(**PLAIN)
        store.add_questions([replace(make_question(i), overlap=2) for i in range(COUNT)])
        yield store


def take(store: Store, person: str, **options: object) -> AssignedQuestion:
    handed = store.leases.next(person, **options)  # type: ignore[arg-type]
    assert handed is not None
    return handed


def say(
    store: Store, handed: AssignedQuestion, person: str, value: object = A, key: str | None = None
) -> SubmissionResult:
    name = key or f"{handed.lease}"
    return store.submit(SubmittedAnswer(handed.question.id, person, "human", value, name, 2.0, handed.lease, None))  # type: ignore[arg-type]


def finish(store: Store, person: str, chosen: QuestionFilter = QuestionFilter()) -> list[AssignedQuestion]:  # noqa: B008
    done = []
    while (handed := store.leases.next(person, chosen)) is not None:
        say(store, handed, person)
        done.append(handed)
    return done


def test_questions_come_in_their_order_and_nobody_gets_one_twice(team: Store) -> None:
    ids = [question.id for question in team.questions()]
    assert [handed.question.id for handed in finish(team, "anna")] == ids
    assert team.leases.next("anna") is None
    assert [handed.question.id for handed in finish(team, "ben")] == ids
    assert team.leases.next("carl") is None, "each has its two answers"
    assert team.counts().answers == 2 * COUNT


def test_a_page_that_is_loaded_anew_gets_what_it_had(team: Store, time: Time) -> None:
    first = take(team, "anna")
    time.now += 50
    again = take(team, "anna")
    assert (again.lease, again.order, again.question) == (first.lease, first.order, first.question)
    assert again.seconds == pytest.approx(60)
    second = take(team, "anna", have=[first.lease])
    assert second.question.id != first.question.id
    assert [handed.lease for handed in team.leases.held_by("anna")] == [first.lease, second.lease]


def test_nobody_has_too_many_questions_open(team: Store) -> None:
    have: list[int] = []
    for _ in range(MOST_AT_ONCE):
        have.append(take(team, "anna", have=have).lease)
    with pytest.raises(BusyError, match="The review of anna is busy: 10 questions are open and not answered"):
        team.leases.next("anna", have=have)


def test_never_to_more_people_than_the_overlap(team: Store) -> None:
    people = ["anna", "ben", "carl", "dora"]
    handed = [take(team, person) for person in people]
    ids = [h.question.id for h in handed]
    assert ids[0] == ids[1] != ids[2] == ids[3]
    say(team, handed[0], "anna")
    assert take(team, "emil").question.id not in ids[:2]


def test_what_runs_out_goes_to_somebody_else_first(team: Store, time: Time) -> None:
    lost = take(team, "anna").question.id
    take(team, "ben")
    time.now += 61
    assert team.leases.end_overdue() == 2
    assert take(team, "anna").question.id != lost, "there is something else for her"
    assert take(team, "carl").question.id == lost
    assert take(team, "dora").question.id == lost
    assert take(team, "emil").question.id != lost


def test_who_works_alone_gets_back_what_ran_out_when_nothing_else_is_left(team: Store, time: Time) -> None:
    left = take(team, "anna")
    time.now += 61
    done = finish(team, "anna")
    assert len(done) == COUNT
    assert done[-1].question.id == left.question.id
    assert done[-1].lease == left.lease
    assert done[-1].order == left.order


def test_what_ran_out_in_front_of_somebody_is_not_shown_twice(team: Store, time: Time) -> None:
    held = take(team, "anna")
    while (other := team.leases.next("anna", have=[held.lease])) is not None:
        assert other.question.id != held.question.id
        say(team, other, "anna")
    time.now += 61
    assert team.leases.next("anna", have=[held.lease]) is None
    assert say(team, held, "anna").standing == "late"


def test_what_ends_while_somebody_asks_for_it_again_is_not_revived(team: Store, time: Time) -> None:
    """Another process may end it between the query for open leases and the lock."""
    held = take(team, "anna")
    time.now += 61

    def work(connection: sa.Connection) -> AssignedQuestion | None:
        chance = Randomness(number=lambda: 0.9, shuffled=lambda clips: "ABCDEF"[:clips], pick=lambda rows: None)
        turn = Assigner(connection, "anna", QuestionFilter(), team.tasks, chance, AssignmentCache(), time.now)
        rows = turn.open_already((), False)
        assert [row.number for row in rows] == [held.lease]
        end(connection, rows)
        return turn.resume(rows)

    assert team.database.write(work) is None
    assert len({take(team, name).question.id for name in ("ben", "carl")} & {held.question.id}) == 1, "each once"
    assert team.leases.next("anna", have=[]) is not None


def test_in_an_event_loop_many_at_once_get_every_question_as_often_as_asked(team: Store) -> None:
    """Several write side by side there, and who finds all that is left in others' hands waits for them."""
    people = [f"p{number}" for number in range(8)]
    found: dict[str, list[AssignedQuestion]] = {person: [] for person in people}

    async def work(person: str) -> None:
        while (handed := await team.leases.next_async(person)) is not None:
            found[person].append(handed)
            value = SubmittedAnswer(handed.question.id, person, "human", A, f"{handed.lease}", 2.0, handed.lease, None)
            assert (await team.submit_async(value)).standing == "counted"

    async def main() -> None:
        await asyncio.gather(*(work(person) for person in people))
        await team.database.close_async()

    asyncio.run(main())
    times = Counter(handed.question.id for those in found.values() for handed in those)
    assert times == {question.id: 2 for question in team.questions()}
    assert all(len({handed.question.id for handed in those}) == len(those) for those in found.values())
    assert {(question.given, question.held) for question in counters(team)} == {(2, 0)}


def counters(store: Store) -> list[sa.Row[tuple[int, int]]]:
    with store.database.read() as connection:
        return list(connection.execute(sa.select(questions.c.given, questions.c.held)).all())


def test_a_late_answer_counts_while_there_is_room(team: Store, time: Time) -> None:
    late = take(team, "anna")
    time.now += 61
    ben = take(team, "ben")
    assert ben.question.id == late.question.id
    assert say(team, late, "anna").standing == "late"
    assert say(team, ben, "ben").standing == "counted"
    assert {answer.annotator for answer in team.answers()} == {"anna", "ben"}
    assert team.leases.next("carl") is not None


def test_a_late_answer_without_room_is_kept_and_does_not_count(team: Store, time: Time) -> None:
    late = take(team, "anna")
    time.now += 61
    others = [take(team, person) for person in ("ben", "carl")]
    assert {h.question.id for h in others} == {late.question.id}
    assert say(team, late, "anna").standing == "surplus", "ben and carl hold it"
    for person, handed in zip(("ben", "carl"), others, strict=True):
        assert say(team, handed, person).standing == "counted"
    assert {answer.annotator for answer in team.answers()} == {"ben", "carl"}
    assert [answer.annotator for answer in team.answers(standing=["surplus"])] == ["anna"]
    assert team.counts().answers == 2
    assert late.question.id not in [handed.question.id for handed in finish(team, "anna")], "she has answered it"


def test_an_answer_before_anybody_looked_at_the_clock_is_in_time(team: Store, time: Time) -> None:
    handed = take(team, "anna")
    time.now += 500
    assert say(team, handed, "anna").standing == "counted"


def test_undo_gives_the_place_back_to_the_same_person(team: Store) -> None:
    handed = take(team, "anna")
    other = take(team, "ben")
    say(team, handed, "anna", A, "1")
    say(team, handed, "anna", None, "2")
    assert team.answers() == []
    assert take(team, "carl").question.id != handed.question.id, "anna's place is kept"
    assert take(team, "anna").lease == handed.lease
    say(team, handed, "anna", B, "3")
    say(team, other, "ben")
    assert [answer.value for answer in team.answers()] == [B, A]
    say(team, handed, "anna", A, "4")
    assert len(team.answers()) == 2, "changing an answer is no third one"


def test_released_questions_go_to_others(team: Store) -> None:
    handed = take(team, "anna")
    take(team, "ben")
    team.leases.release(handed.lease, "anna")
    team.leases.release(handed.lease, "anna")
    assert take(team, "carl").question.id == handed.question.id
    with pytest.raises(NotFoundError, match=r"No lease '1'.*not one of ben"):
        team.leases.release(1, "ben")


def test_leases_can_be_renewed_while_they_live(team: Store, time: Time) -> None:
    handed = take(team, "anna")
    time.now += 50
    assert team.leases.renew(handed.lease, "anna") == 60
    assert team.leases.renew(handed.lease, "ben") == 0
    time.now += 50
    assert team.leases.end_overdue() == 0
    time.now += 11
    assert team.leases.end_overdue() == 1
    assert team.leases.renew(handed.lease, "anna") == 0


def test_answers_need_a_lease_of_the_same_person(team: Store) -> None:
    handed = take(team, "anna")
    with pytest.raises(NotFoundError, match="does not belong to ben"):
        say(team, handed, "ben")
    assert team.answers() == []


def test_withdrawn_questions_are_not_asked_and_answers_to_them_do_not_count(team: Store) -> None:
    handed = take(team, "anna")
    clip = handed.question.segments[0]
    gone = team.clips.mark("quarantined", handed.question.dataset, clip.episode_id, reason="file is missing")
    assert handed.question.id in gone
    assert take(team, "anna").question.id not in gone, "nor is it shown again"
    assert not {h.question.id for h in finish(team, "ben")} & set(gone)
    assert say(team, handed, "anna").standing == "withdrawn"
    assert handed.question.id not in [answer.question_id for answer in team.answers()]
    assert [c.reason for c in team.clips.list("quarantined")] == ["file is missing"] * len(
        team.clips.list("quarantined")
    )
    back = team.clips.mark("good", handed.question.dataset, clip.episode_id)
    assert set(back) == set(gone)
    assert set(back) <= {h.question.id for h in finish(team, "carl")}


def test_questions_about_a_broken_clip_are_withdrawn_when_they_are_added(team: Store) -> None:
    question = team.questions()[0]
    team.clips.mark("quarantined", question.dataset, question.segments[0].episode_id, question.segments[0])
    clips = (question.segments[0], Segment("fresh", 0, 9))
    more = replace(make_question(0, run="other"), segments=clips, id="more", dataset=question.dataset)
    team.add_questions([more])
    assert team.leases.next("anna", QuestionFilter(run="other")) is None
    team.clips.withdraw_question(team.questions()[5].id, "a duplicate")
    assert len(finish(team, "anna")) == COUNT - 2
    team.clips.mark("good", question.dataset, question.segments[0].episode_id)
    assert len(finish(team, "anna")) == 2, "what was withdrawn by hand stays so"


def test_people_choose_what_they_work_on(team: Store) -> None:
    team.add_questions([replace(make_question(i, run="other"), task="lift") for i in range(3)])
    assert {h.question.run for h in finish(team, "anna", QuestionFilter(run="other"))} == {"other"}
    assert {h.question.task for h in finish(team, "ben", QuestionFilter(task="reach"))} == {"reach"}
    assert team.leases.next("carl", QuestionFilter(run="nothing")) is None
    assert len(finish(team, "anna")) == COUNT, "another choice has a place of its own"


def test_a_place_in_the_queue_is_kept_over_many_questions(
    team: Store, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("robo_rlhf.feedback.assignment.assign_cache.MARK_EVERY", 4)
    team.add_questions([replace(make_question(i, run="long"), overlap=2) for i in range(12)])
    chosen = QuestionFilter(run="long")
    assert len(finish(team, "anna", chosen)) == 12
    held = [take(team, person, chosen=chosen) for person in ("ben", "carl")]
    assert held[0].question.id != held[1].question.id, "anna has answered all: there is room for one more each"
    time.now += 61
    assert take(team, "dora", chosen=chosen).question.id == held[0].question.id, "what is free again comes first"


def test_a_larger_overlap_asks_anew_and_a_smaller_one_no_more(team: Store) -> None:
    for person in ("anna", "ben"):
        finish(team, person)
    assert team.set_overlap(3) == COUNT
    assert team.leases.next("anna") is None
    assert len(finish(team, "carl")) == COUNT
    assert team.set_overlap(1, run="run") == COUNT
    assert team.leases.next("dora") is None


def test_direct_answers_of_programs_count_and_are_not_asked_again(team: Store) -> None:
    first, second = team.questions(limit=2)
    team.answer(first.id, "anna", A, key="1")
    assert take(team, "anna").question.id == second.id
    for person in ("ben", "carl", "dora"):
        team.answer(first.id, person, A, key="1")
    assert len(team.answers()) == 4
    assert first.id not in {h.question.id for h in finish(team, "emil")}


def test_order_of_the_clips_is_shuffled_stored_and_kept_with_the_answer(team: Store) -> None:
    shown = Counter()
    for handed in finish(team, "anna"):
        assert sorted(handed.order) == [0, 1]
        shown[handed.shown] += 1
    assert set(shown) == {"AB", "BA"}
    assert Counter(answer.shown for answer in team.answers()) == shown


def test_gold_comes_at_its_share_and_each_only_once(team: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = itertools.cycle([0.7, 0.2])
    monkeypatch.setattr(team._rng, "random", lambda: next(drawn))
    known = [replace(make_question(100 + i), role="gold") for i in range(6)]
    team.add_questions(known)
    for question in known:
        team.gold.set(question.id, A, explanation="it reaches the goal")
    assert team.leases.next("zoe", QuestionFilter(run="nothing")) is None
    team.tasks.set_sharing(gold_share=0.5)
    done = finish(team, "anna")
    assert Counter(handed.purpose for handed in done) == {"work": COUNT, "gold": 6}
    assert team.counts().answers == COUNT, "gold is not among the answers that train"
    assert {a.question_id for a in team.answers(standing=["gold"])} == {q.id for q in known}
    team.gold.retire(known[0].id)
    others = {h.question.id for h in finish(team, "ben")}
    assert known[0].id not in others
    assert known[1].id in others


def test_what_a_task_says_holds_for_its_questions_whatever_was_chosen(
    team: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the queue are twelve of reach, then eight of lift, which says something itself."""
    monkeypatch.setattr(team._rng, "random", lambda: 0.19)
    lift = [replace(make_question(300 + i), task="lift", overlap=2) for i in range(8)]
    known = [replace(make_question(400 + i), role="gold", task=task) for i, task in enumerate(["reach", "lift"] * 3)]
    team.add_questions([*lift, *known])
    for question in known:
        team.gold.set(question.id, A)
    team.tasks.set_sharing("lift", gold_share=0.2, lease=90.0)
    seconds = {"reach": 60, "lift": 90}
    for person, chosen in (("anna", QuestionFilter()), ("ben", QuestionFilter(run="run"))):
        done = finish(team, person, chosen)
        gold = [handed.question.id for handed in done if handed.purpose == "gold"]
        assert sorted(gold) == sorted(q.id for q in known if q.task == "lift"), "0.19 is below the share of lift alone"
        assert [handed.question.task for handed in done] == ["reach"] * COUNT + ["lift"] * 11
        assert all(handed.seconds == pytest.approx(seconds[handed.question.task]) for handed in done)


def test_what_a_task_says_of_repeats_holds_for_its_questions(team: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(team._rng, "random", lambda: 0.3)
    team.add_questions([replace(make_question(300 + i), task="lift", overlap=2) for i in range(8)])
    team.tasks.set_sharing("lift", repeat_share=0.5, repeat_gap=2)
    done = finish(team, "anna")
    again = [handed.question.task for handed in done if handed.purpose == "repeat"]
    assert len(again) >= 3
    assert set(again) == {"lift"}


def test_practice_is_apart_and_comes_in_order(team: Store) -> None:
    practice = [replace(make_question(200 + i), role="practice") for i in range(3)]
    team.add_questions(practice)
    for question in practice:
        team.gold.set(question.id, B)
    team.tasks.set_sharing(gold_share=0.5)
    real = take(team, "anna")
    for question in practice:
        handed = take(team, "anna", practice=True)
        assert (handed.question.id, handed.purpose) == (question.id, "practice")
        assert say(team, handed, "anna").standing == "practice"
        assert not team.gold.get(question.id).right(A)
    assert team.leases.next("anna", practice=True) is None
    assert take(team, "anna").lease == real.lease


def test_repeats_come_at_their_share_after_a_gap_and_do_not_replace_the_answer(team: Store) -> None:
    team.tasks.set_sharing(repeat_share=0.5, repeat_gap=5)
    order: list[str] = []
    repeats = []
    while (handed := team.leases.next("anna")) is not None:
        if handed.purpose == "repeat":
            repeats.append(handed.question.id)
            assert order.index(handed.question.id) <= len(order) - 5
            assert say(team, handed, "anna", B).standing == "repeat"
        else:
            assert say(team, handed, "anna", A).standing == "counted"
        order.append(handed.question.id)
    assert len(repeats) >= 3
    assert len(set(repeats)) == len(repeats)
    assert all(answer.value == A for answer in team.answers())
    assert len(team.answers(standing=["repeat"])) == len(repeats)


@pytest.mark.parametrize("jump", [-3600.0, 3600.0, 1e8, -1e8])
def test_a_jump_of_the_servers_clock_changes_nothing(where: str, jump: float) -> None:
    wall, steady = Time(), Time()
    with Store(where, clock=LeaseClock(wall, steady)) as store:
        store.tasks.set_sharing(**PLAIN)
        store.add_questions([make_question(i) for i in range(3)])
        first = take(store, "anna")
        wall.now += jump
        steady.now += 59
        assert store.leases.end_overdue() == 0
        assert take(store, "ben").question.id != first.question.id
        steady.now += 2
        assert store.leases.end_overdue() == 1


@pytest.mark.parametrize("jump", [-3600.0, -1e8])
def test_after_a_start_with_the_clock_set_back_leases_still_end(where: str, jump: float) -> None:
    wall, steady = Time(), Time()
    with Store(where, clock=LeaseClock(wall, steady)) as store:
        store.tasks.set_sharing(**PLAIN)
        store.add_questions([make_question(0)])
        take(store, "anna")
    wall.now += jump
    with Store(where, clock=LeaseClock(wall, steady)) as again:
        assert again.leases.next("ben") is None
        steady.now += 61
        assert again.leases.next("ben") is not None


def crowd(store: Store, people: int, work: Callable[[str], None]) -> None:
    failures: list[BaseException] = []

    def run(person: str) -> None:
        try:
            work(person)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(f"p{i}",)) for i in range(people)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_many_at_once_never_exceed_the_overlap(team: Store, time: Time, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of the people leave every third question lying; time passes; late answers come."""
    monkeypatch.setattr(writers, "ATTEMPTS", 1)  # no writer waits for one that waits for it
    team.set_overlap(3)
    lock = threading.Lock()
    seen: list[tuple[str, str]] = []

    def work(person: str) -> None:
        rng = random.Random(person)
        late: list[AssignedQuestion] = []
        while (handed := team.leases.next(person, have=[h.lease for h in late])) is not None:
            with lock:
                seen.append((person, handed.question.id))
            if rng.random() < 0.3 and len(late) < 3:
                late.append(handed)
                with lock:
                    time.now += 61
            else:
                say(team, handed, person)
        for handed in late:
            say(team, handed, person)

    crowd(team, 12, work)
    while any(finish(team, f"extra{i}") for i in range(3)):
        time.now += 61
    counted = Counter(answer.question_id for answer in team.answers())
    assert set(counted.values()) == {3}
    assert len(counted) == COUNT
    assert team.counts().answers == 3 * COUNT
    assert len({(answer.question_id, answer.annotator) for answer in team.answers()}) == 3 * COUNT


def test_one_answer_sent_fifty_times_at_once_under_a_lease(team: Store) -> None:
    handed = take(team, "anna")
    found: list[SubmissionResult] = []

    def send(_: str) -> None:
        found.append(say(team, handed, "anna", key="k"))

    crowd(team, 50, send)
    assert sorted(written.new for written in found) == [False] * 49 + [True]
    assert {written.standing for written in found} == {"counted"}
    assert len(team.answers()) == 1


def test_where_somebody_is_counts_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another program may send everybody back to the start, and the place is to be noted anew then."""
    memory, now = AssignmentCache(), 1000.0
    monkeypatch.setattr("robo_rlhf.feedback.assignment.assign_cache.time.monotonic", lambda: now)
    assert memory.needs_new_place("anna", QuestionFilter(), 5100)
    memory.note_place("anna", QuestionFilter(), 5000)
    assert not memory.needs_new_place("anna", QuestionFilter(), 5100)
    assert memory.needs_new_place("anna", QuestionFilter(), 5600)
    now += 61
    assert memory.needs_new_place("anna", QuestionFilter(), 5100)
