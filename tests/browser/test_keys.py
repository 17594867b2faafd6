from collections.abc import Callable
from dataclasses import asdict

import pytest
from playwright.sync_api import Page, expect

from teleop.input.key_bindings import KEYS
from teleop.station.probe.keys import KEYS as PROBE_KEYS
from tests.browser.conftest import OpenPage, Served
from tests.browser.looks import findings, sticks_out

TABLE = [asdict(binding) for binding in KEYS]
BIND = """async (table) => {
  const base = document.querySelector('script[src*="base.js"]').src;
  const keys = await import(base.replace("base.js", "keys.js"));
  window.heard = [];
  const handlers = {};
  for (const row of table) {
    const name = row.act || row.name;
    handlers[name] = (pressed, binding) => heard.push(`${binding.name}${pressed ? "+" : "-"}`);
  }
  delete handlers.help;
  window.keys?.stop();
  window.keys = keys.bindKeys(table, handlers, { scope: "test" });
}"""


CONTENT = """<label for=field>Field</label><input id=field>
<button class=button>A button <kbd data-key=keep></kbd></button>"""
KEEP = next(binding.keys[0] for binding in KEYS if binding.name == "keep")


@pytest.fixture
def page(open_page: OpenPage, station: Served) -> Page:
    """A page that binds no keys of its own."""
    return open_page(f"{station.url}/nowhere", link=station.new_link())


@pytest.fixture
def heard(page: Page) -> Callable[[], list[str]]:
    """A page with the keys of the operate page; returns what was heard since the last call."""
    page.evaluate("content => { document.querySelector('main').innerHTML = content; }", CONTENT)
    page.evaluate(BIND, TABLE)
    return lambda: list(page.evaluate("heard.splice(0)"))


def test_held_keys_are_heard_when_pressed_and_let_go(page: Page, heard: Callable[[], list[str]]) -> None:
    page.keyboard.down("w")
    page.keyboard.down("w")  # as the system repeats it
    page.keyboard.down("ArrowUp")
    page.keyboard.up("w")
    assert heard() == ["ahead+", "ahead+"]
    page.keyboard.up("ArrowUp")
    page.keyboard.press(KEEP)
    assert heard() == ["ahead-", "keep+"]


def test_keys_rest_while_a_field_has_the_focus(page: Page, heard: Callable[[], list[str]]) -> None:
    page.keyboard.down("w")
    page.get_by_label("Field").focus()
    assert heard() == ["ahead+", "ahead-"]  # let go, so that the robot does not go on
    page.keyboard.type("wasd gkx")
    assert heard() == []
    expect(page.get_by_label("Field")).to_have_value("wasd gkx")


def test_keys_are_let_go_when_the_window_loses_the_focus(page: Page, heard: Callable[[], list[str]]) -> None:
    page.keyboard.down("a")
    page.evaluate("window.dispatchEvent(new Event('blur'))")
    assert heard() == ["left+", "left-"]


def test_the_browsers_own_keys_stay_its_own(page: Page, heard: Callable[[], list[str]]) -> None:
    page.keyboard.press(f"Control+{KEEP}")
    page.keyboard.press(f"Alt+{KEEP}")
    assert heard() == []


def test_a_button_that_was_clicked_is_not_pressed_again_by_space(page: Page, heard: Callable[[], list[str]]) -> None:
    page.evaluate("document.querySelector('main button').addEventListener('click', () => heard.push('click'))")
    button = page.get_by_role("button", name="A button")
    button.click()
    page.keyboard.press("Space")
    assert heard() == ["click", "gripper+"]
    button.focus()
    page.keyboard.press("Space")
    assert heard() == ["click"]


def test_the_overlay_shows_every_key_of_the_table(page: Page, heard: Callable[[], list[str]]) -> None:
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keys")
    for binding in KEYS:
        expect(dialog.get_by_text(binding.label, exact=True)).to_be_visible()
    page.keyboard.press("w")
    assert heard() == []  # keys rest while it is open
    assert findings(page) == []
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    page.get_by_role("button", name="Keys ?").click()
    expect(dialog).to_be_visible()
    page.keyboard.press("?")
    expect(dialog).to_have_count(0)


def test_a_key_of_ones_own_is_remembered_and_taken_from_another(page: Page, heard: Callable[[], list[str]]) -> None:
    expect(page.locator("[data-key=keep]")).to_have_text(KEEP[-1])
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keys")
    dialog.get_by_role("button", name=f"Keep: {KEEP[-1]}. Change").click()
    expect(dialog.get_by_text("Press the key for “Keep”")).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog.get_by_role("button", name=f"Keep: {KEEP[-1]}. Change")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("x")
    expect(dialog.get_by_text("X now is “Keep”; “Discard” keeps its other key.")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("[data-key=keep]")).to_have_text("X")
    page.keyboard.press("x")
    page.keyboard.press(KEEP)
    page.keyboard.press("Delete")
    assert heard() == ["keep+", "discard+"]
    page.evaluate(BIND, TABLE)
    page.keyboard.press("x")
    assert heard() == ["keep+"]
    page.keyboard.press("?")
    dialog.get_by_role("button", name="Usual keys").click()
    page.keyboard.press("Escape")
    page.keyboard.press(KEEP)
    page.keyboard.press("x")
    assert heard() == ["keep+", "discard+"]
    assert page.evaluate("localStorage.getItem('keys:test')") is None


def test_remembered_nonsense_is_passed_over(page: Page, heard: Callable[[], list[str]]) -> None:
    for nonsense in ("{", "[]", '{"keep": 3}', '{"keep": [3]}', "null", '{"gone": ["KeyQ"]}'):
        page.evaluate("text => localStorage.setItem('keys:test', text)", nonsense)
        page.evaluate(BIND, TABLE)
        page.keyboard.press(KEEP)
        assert heard() == ["keep+"]


def test_custom_keys_under_an_old_name_are_kept(page: Page, heard: Callable[[], list[str]]) -> None:
    page.evaluate("""localStorage.setItem('keys:test', '{"imagine": ["KeyB"]}')""")
    page.evaluate(BIND, [asdict(binding) for binding in PROBE_KEYS])
    page.keyboard.press("b")
    page.keyboard.press("i")
    assert heard() == ["rollout+"]


def test_the_overlay_shows_all_at_once_on_a_laptop(page: Page, heard: Callable[[], list[str]]) -> None:
    page.set_viewport_size({"width": 1280, "height": 720})
    page.keyboard.press("?")
    assert page.evaluate("(d => d.scrollHeight - d.clientHeight)(document.querySelector('dialog'))") <= 0
    last = page.get_by_role("dialog", name="Keys").get_by_role("button", name="Close Esc")
    expect(last).to_be_in_viewport(ratio=1)


def test_the_overlay_fits_a_phone(page: Page, heard: Callable[[], list[str]]) -> None:
    page.set_viewport_size({"width": 360, "height": 640})
    page.keyboard.press("?")
    assert sticks_out(page) <= 0
    assert page.evaluate("(d => d.scrollWidth - d.clientWidth)(document.querySelector('dialog'))") <= 0


GERMAN = {"KeyY": "z", "KeyZ": "y", "Minus": "ß", "BracketLeft": "ü"}
FRENCH = {"KeyQ": "a", "KeyA": "q", "KeyW": "z", "KeyZ": "w", "Semicolon": "m", "KeyM": ","}
LAYOUT = """layout => {
  const map = new Map(Object.entries(layout));
  Object.defineProperty(navigator, "keyboard", { value: { getLayoutMap: () => Promise.resolve(map) } });
}"""


def test_signs_say_what_is_printed_and_letters_go_by_their_letter(page: Page, station: Served) -> None:
    page.add_init_script(f"({LAYOUT})({FRENCH})")
    page.goto(f"{station.url}/nowhere")
    signs = (
        "<kbd data-key=ahead></kbd><kbd data-key=undo></kbd><kbd data-key=sound></kbd><kbd data-key=turn_left></kbd>"
    )
    page.evaluate("content => { document.querySelector('main').innerHTML = content; }", signs)
    page.evaluate(BIND, TABLE)
    shown = page.locator("main [data-key]")
    expect(shown).to_have_text(["Z", "W", "M", "A"])  # driving stays in its place, so that undo has to
    for code, key in (("KeyW", "z"), ("KeyZ", "w"), ("Semicolon", "m"), ("KeyM", ",")):
        _press(page, code, key)
    assert page.evaluate("heard.splice(0)") == ["ahead+", "ahead-", "undo+", "sound+"]


def test_where_the_browser_does_not_tell_the_first_contradiction_does_nothing(
    page: Page, heard: Callable[[], list[str]]
) -> None:
    page.evaluate("document.querySelector('main').innerHTML = '<kbd data-key=sound></kbd><kbd data-key=undo></kbd>'")
    page.evaluate(BIND, TABLE)
    expect(page.locator("main [data-key]")).to_have_text(["M", "Z"])
    _press(page, "KeyW", "z")  # its sign says Undo, its place drives ahead
    assert heard() == []
    expect(page.get_by_text("This key did nothing")).to_be_visible()
    _press(page, "KeyW", "z")
    _press(page, "Semicolon", "m")  # as its sign says
    assert heard() == ["ahead+", "ahead-", "sound+"]
    page.evaluate(BIND, TABLE)  # as another page does
    _press(page, "KeyZ", "w")
    expect(page.locator("main [data-key]")).to_have_text(["M", "W"])
    _press(page, "Minus", "?")
    assert heard() == ["undo+"]
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()  # by its sign


def test_a_german_page_without_driving_undoes_by_z(page: Page, heard: Callable[[], list[str]]) -> None:
    page.add_init_script(f"({LAYOUT})({GERMAN})")
    page.reload()
    page.evaluate(BIND, [row for row in TABLE if row["axis"] is None])
    for code, key in (("KeyY", "z"), ("KeyZ", "y"), ("Minus", "ß")):
        _press(page, code, key)
    assert page.evaluate("heard.splice(0)") == ["undo+", "slower+"]


def _press(page: Page, code: str, key: str) -> None:
    """Press a key as a keyboard of another layout does."""
    client = page.context.new_cdp_session(page)
    for kind in ("keyDown", "keyUp"):
        client.send("Input.dispatchKeyEvent", {"type": kind, "code": code, "key": key, "text": key})
