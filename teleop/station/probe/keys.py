"""The keys of the page that asks a policy."""

from teleop.input.key_bindings import Binding
from teleop.input.player_keys import player_keys

KEYS: tuple[Binding, ...] = (
    *player_keys("play", "step_back", "step_on", "second_back", "second_on"),
    Binding("rollout", "What-if rollouts", "answer", ("KeyI", "Enter"), act="rollout"),
    Binding("correct", "Correct from here", "answer", ("KeyC",), act="correct"),
    Binding("compare", "Ask for a comparison", "answer", ("KeyA",), act="compare"),
    *player_keys("before", "after", "camera", "drawer", "insets"),
    Binding("help", "All keys", "page", ("Slash", "F1"), act="help"),
)
