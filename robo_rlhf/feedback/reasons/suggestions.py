"""Suggestions for new reasons out of the notes of people: notes that say alike are grouped, by a plain method.

Notes become TF-IDF vectors of their words and of pieces of three to four characters, so that "slow", "slowly" and
"sloow" are near each other, in any language. Groups come of joining the two nearest groups until none are near enough
(mean of cosines; Sokal and Michener 1958). No model is fetched.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import sqlalchemy as sa

from robo_rlhf.core.types import Array
from robo_rlhf.feedback.question_kind import NOTE
from robo_rlhf.feedback.reasons.listed import LONGEST, Reason
from robo_rlhf.feedback.store import Store
from robo_rlhf.feedback.tables import answers, notes, questions

MOST_NOTES = 600  # that are grouped, the newest
MOST, FEWEST = 8, 3  # suggestions; notes in one
NEAR = 0.2  # mean cosine from which two groups are one
KNOWN = 0.35  # cosine with a reason of the list from which a note says nothing new
_PIECES, _SHORT = (3, 4), 3  # characters of pieces; of words that say little
_WORD = re.compile(r"[^\W\d_]+")


class PersonNote(NamedTuple):
    """A note of a person."""

    person: str
    text: str


class Suggestion(NamedTuple):
    """A group of notes that say alike."""

    name: str  # short enough for a reason: that of the most typical note
    notes: int
    people: int
    examples: tuple[str, ...]  # as they were written: to be escaped when they are shown


def suggestions_for(store: Store, task: str) -> list[Suggestion]:
    """Return what people's notes about a task suggest as reasons, the most frequent first."""
    return group(notes_about(store, task), store.tasks.reasons(task))


def notes_about(store: Store, task: str) -> list[PersonNote]:
    """Return the newest notes beside answers and about questions of a task, one of each person and question."""
    found: dict[tuple[str, str], str] = {}
    about = sa.select(answers.c.question_id, answers.c.annotator, answers.c.value).join(
        questions, questions.c.id == answers.c.question_id
    )
    noted = answers.c.value.like(f'%"{NOTE}"%')
    about = about.where(questions.c.task == task, noted).order_by(answers.c.number.desc()).limit(MOST_NOTES)
    alone = sa.select(notes.c.name, notes.c.annotator, notes.c.text).join(questions, questions.c.id == notes.c.name)
    alone = alone.where(questions.c.task == task, notes.c.about == "question")
    with store.database.read() as connection:
        for question, person, value in connection.execute(about):
            text = json.loads(value).get(NOTE)
            if isinstance(text, str):
                found.setdefault((person, question), text)
        for question, person, text in connection.execute(alone.order_by(notes.c.number.desc()).limit(MOST_NOTES)):
            found.setdefault((person, question), text)
    return [PersonNote(person, text) for (person, _), text in found.items()][:MOST_NOTES]


def group(remarks: Sequence[PersonNote], listed: Sequence[Reason] = ()) -> list[Suggestion]:
    """Return the groups among notes that say alike, without what a reason of the list says already."""
    texts = [remark.text for remark in remarks]
    vectors = _vectors([*texts, *(reason.name for reason in listed)])
    mine, theirs = vectors[: len(texts)], vectors[len(texts) :]
    new = [i for i in range(len(texts)) if mine[i].any() and not (theirs @ mine[i] > KNOWN).any()]
    groups = [[new[i] for i in members] for members in _joined(mine[new] @ mine[new].T)] if new else []
    wanted = [members for members in groups if len(members) >= FEWEST]
    found = [_suggestion([remarks[i] for i in members], mine[members]) for members in wanted]
    return sorted(found, key=lambda one: (-one.people, -one.notes, one.name))[:MOST]


def _suggestion(remarks: Sequence[PersonNote], vectors: Array) -> Suggestion:
    typical = vectors @ vectors.mean(0)
    short = np.array([len(remark.text) <= LONGEST for remark in remarks])
    order = sorted(range(len(remarks)), key=lambda i: (not short[i], -typical[i], remarks[i].text))
    name = " ".join(re.sub(r"[;@/]", " ", remarks[order[0]].text).split())[:LONGEST].strip(" .,!")
    examples = tuple(dict.fromkeys(remarks[i].text for i in order))[:3]
    return Suggestion(name, len(remarks), len({remark.person for remark in remarks}), examples)


def _vectors(texts: Sequence[str]) -> Array:
    """Return TF-IDF vectors (N, terms) of length one, zero where a text has no words."""
    counts = [Counter(_terms(text)) for text in texts]
    of_texts = Counter(term for count in counts for term in count)
    place = {term: i for i, term in enumerate(term for term, times in sorted(of_texts.items()) if times > 1)}
    found = np.zeros((len(texts), max(len(place), 1)), np.float64)
    for row, count in zip(found, counts, strict=True):
        for term, times in count.items():
            if term in place:
                row[place[term]] = (1.0 + np.log(times)) * np.log(len(texts) / of_texts[term] + 0.1)
    length = np.linalg.norm(found, axis=1, keepdims=True)
    scaled: Array = found / np.maximum(length, 1e-12)
    return scaled


def _terms(text: str) -> Iterator[str]:
    """Yield the words of a text, and their pieces with the word's ends marked.

    Short words count only where there are no others: "the", "too" and "it" are most of what short notes share.
    """
    words = _WORD.findall(text.casefold())
    for word in [word for word in words if len(word) > _SHORT] or words:
        yield word
        marked = f"<{word}>"
        for size in _PIECES:
            yield from (marked[i : i + size] for i in range(len(marked) - size + 1))


def _joined(cosines: Array) -> list[list[int]]:
    """Return groups of rows: the two whose mean cosine is highest are joined, as long as it is at least NEAR."""
    members = [[i] for i in range(len(cosines))]
    sums = cosines.copy()  # of the cosines between the members of two groups
    sizes = np.ones(len(cosines))
    means = cosines.copy()
    np.fill_diagonal(means, -np.inf)
    while len(means) and means.max() >= NEAR:
        first, second = sorted(np.unravel_index(int(means.argmax()), means.shape))
        sums[first] += sums[second]
        sums[:, first] += sums[:, second]
        sizes[first] += sizes[second]
        members[first] += members[second]
        gone = np.isneginf(means[first])
        means[first] = means[:, first] = np.where(gone, -np.inf, sums[first] / (sizes[first] * sizes))
        means[second] = means[:, second] = -np.inf
        members[second] = []
    return [some for some in members if some]
