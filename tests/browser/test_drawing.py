"""Scenes that Chromium draws by itself, in software WebGL: every shape where MuJoCo draws it."""

import base64
import gzip
import json
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
import pytest
from playwright.sync_api import Browser, Page, WebSocket, expect

from robo_rlhf.core.types import Array
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.processes.worker import START
from robo_rlhf.sim.rendering import renderer as rendering
from robo_rlhf.sim.rendering.annotations import Arrow, Trail
from robo_rlhf.sim.rendering.renderer import STATE, FrameRenderer, load_model
from robo_rlhf.sim.scene_description.description import describe
from robo_rlhf.sim.scene_description.movers import Movers
from robo_rlhf.sim.scenes.appearance import PALETTE
from robo_rlhf.sim.tasks import TASKS
from teleop.ipc.messages import FRAME, JPEG, POSES
from teleop.station.media.scenes import packed
from tests.browser.conftest import NAMES, OPTIONS, SAMPLES, Served, serving
from tests.browser.operating import holding, number, phase, toast
from tests.browser.test_library import check_axe
from tests.reviewing import ask, questions_about
from tests.sim.foreign_scene import foreign_mjcf, foreign_states
from tests.teleop.policy_probe.making import FLOW, models
from tests.teleop.station.web.test_static import static_url

WIDTH, HEIGHT = 320, 240
SAME = 0.985  # of the pixels show the same shape
OVERLAP, LARGE = 0.75, 250  # intersection over union of a shape seen in so many pixels; faces in one plane may differ
HARNESS = """
async ([base, description, assets, size]) => {
  const { loadScene, LoadedScene, three } = await import(base + 'scene.js');
  const { Eye } = await import(base + 'views.js');
  const { painter } = await import(base + 'painter.js');
  const { Marks } = await import(base + 'marks.js');
  const { readPoses } = await import(base + 'poses.js');
  const bytes = (text) => Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
  const drawing = await three();
  const scene = new LoadedScene(drawing, JSON.parse(description), bytes(assets).buffer);
  const by = await painter();
  while (by.effort.antialias) by.lower();
  window.colours = () => scene.meshes.forEach((mesh, i) => {  // every shape in a colour of its own
    const color = new drawing.Color(((i + 1) % 16) / 15, Math.floor((i + 1) / 16) / 15, 0.5);
    mesh.material = new drawing.MeshBasicMaterial({ color, side: drawing.DoubleSide });
  });
  window.mark = (marks) => {
    const drawn = new Marks(scene);
    drawn.set(marks);
    drawn.group.visible = true;
  };
  window.view = (poses, camera, kept = null) => {
    const found = readPoses(bytes(poses).buffer);
    scene.place(found.at(0));
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = size;
    const eye = new Eye(scene);
    const window_ = kept ? eye.windowOf(camera, found) : null;
    scene.place(found.at(0));
    scene.predict(found.frames > 1 ? found.of(1) : null);
    by.paint(scene, eye.look(camera, size[0] / size[1], window_), canvas);
    const { data } = canvas.getContext('2d').getImageData(0, 0, ...size);
    let text = '';
    for (let i = 0; i < data.length; i += 8192) text += String.fromCharCode(...data.subarray(i, i + 8192));
    return btoa(text);
  };
}
"""


@pytest.fixture(scope="module")
def station(sample_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    home = tmp_path_factory.mktemp("drawn") / "home"
    shutil.copytree(sample_home, home)
    ask(home, questions_about(home, "samples/pick_place", "pairwise", 4, run="pairs", overlap=9))
    models(home)
    with serving(home) as served:
        yield served


@pytest.fixture(scope="module")
def webgl(browser: Browser) -> Iterator[Browser]:
    """Chromium that draws WebGL in software."""
    chromium = browser.browser_type.launch(
        executable_path=browser_path(), args=[*OPTIONS, "--enable-unsafe-swiftshader"]
    )
    yield chromium
    chromium.close()


def browser_path() -> str:
    return next(found for name in NAMES if (found := shutil.which(name)))


def signed_in(browser: Browser, station: Served, drawn: str = "here", **options: Any) -> Page:
    context = browser.new_context(viewport={"width": 1280, "height": 900}, **options)
    context.add_init_script(f"localStorage.setItem('drawn', '{drawn}')")
    origin, _, token = station.new_link().partition("/enter#")
    assert context.request.post(f"{origin}/enter", data={"token": token}, headers={"origin": origin}).ok
    return context.new_page()


@pytest.fixture(scope="module")
def bench(webgl: Browser, station: Served) -> Iterator[Page]:
    """A page without anything, that may load the scripts of the station."""
    page = signed_in(webgl, station)
    page.goto(f"{station.url}/guidelines")
    yield page
    page.context.close()


def scene_of(page: Page, model: mujoco.MjModel) -> None:
    files = describe(model)
    base = static_url("shared/scene/")
    assets = gzip.decompress(files.assets) if files.assets else b""
    text = gzip.decompress(files.scene).decode()
    page.evaluate(HARNESS, [base, text, base64.b64encode(assets).decode(), [WIDTH, HEIGHT]])


def poses_of(model: mujoco.MjModel, states: Array) -> str:
    poses = Movers(model).poses(states)
    about: dict[str, object] = {"scene": "x", "assets": "", "size": 0, "fps": 20}
    return base64.b64encode(packed({**about, "frames": len(poses), "movers": poses.shape[1]}, poses)).decode()


def drawn(page: Page, poses: str, camera: str, *, kept: bool = False) -> Array:
    """Return the browser's picture (H, W, 4)."""
    content = page.evaluate("(asked) => window.view(...asked)", [poses, camera, kept])
    return np.frombuffer(base64.b64decode(content), np.uint8).reshape(HEIGHT, WIDTH, 4).astype(int)


def drawn_ids(page: Page, poses: str, camera: str, *, kept: bool = False) -> Array:
    """Return which shape (H, W) the browser shows in each pixel, as they are numbered in the description; -1: none."""
    red, green, blue, _ = np.moveaxis(drawn(page, poses, camera, kept=kept), -1, 0)
    found: Array = np.where(np.abs(blue - 127.5) < 2, np.round(red / 17) + 16 * np.round(green / 17) - 1, -1)
    return found.astype(int)


def true_ids(renderer: FrameRenderer, state: Array, camera: str) -> Array:
    """Return which shape (H, W) MuJoCo shows in each pixel, as they are numbered in the description; -1: none."""
    renderer.place(state)
    scene = renderer._scene
    scene.flags[mujoco.mjtRndFlag.mjRND_SEGMENT] = scene.flags[mujoco.mjtRndFlag.mjRND_IDCOLOR] = True
    pixels = renderer.draw(camera).astype(int)
    number = pixels[..., 0] + 256 * pixels[..., 1] + 65536 * pixels[..., 2] - 1
    ours, of_segment = 0, {-1: -1}
    for geom in scene.geoms[: scene.ngeom]:
        if int(geom.objtype) in (int(mujoco.mjtObj.mjOBJ_GEOM), int(mujoco.mjtObj.mjOBJ_SITE)) and geom.rgba[3] > 0:
            of_segment[int(geom.segid)] = ours
            ours += 1
    return np.vectorize(lambda one: of_segment.get(one, -1))(number)


def state_of(task: str, model: mujoco.MjModel) -> Array:
    """Return a state (nstate,) in the middle of a sample, in which the hand is at work."""
    path = SAMPLES / task
    if path.is_dir():
        dataset = Dataset(path)
        states = dataset.load(sorted(dataset.ids())[0]).state
        return states[len(states) // 2]
    state = np.empty(mujoco.mj_stateSize(model, STATE))
    mujoco.mj_getState(model, mujoco.MjData(model), state, STATE)
    return state


def compare(page: Page, model: mujoco.MjModel, state: Array) -> None:
    scene_of(page, model)
    page.evaluate("window.colours()")
    poses = poses_of(model, state[None])
    with FrameRenderer(model, WIDTH, HEIGHT) as renderer:
        for camera in renderer.camera_names:
            mine, true = drawn_ids(page, poses, camera), true_ids(renderer, state, camera)
            assert len(np.unique(true)) > 2, f"nothing is seen from {camera}"
            assert (mine == true).mean() >= SAME, f"{camera}: {(mine == true).mean():.4f}"
            for shape in np.unique(true):
                one, other = mine == shape, true == shape
                if shape >= 0 and other.sum() >= LARGE:
                    overlap = (one & other).sum() / (one | other).sum()
                    assert overlap >= OVERLAP, f"shape {shape} from {camera}: {overlap:.3f}"


@pytest.fixture(autouse=True)
def round_shapes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(rendering.QUALITIES, "fast", replace(rendering.QUALITIES["fast"], slices=40))


@pytest.mark.parametrize("task", TASKS)
def test_every_shape_of_a_task_is_where_mujoco_draws_it(bench: Page, task: str) -> None:
    model = load_model(task)
    compare(bench, model, state_of(task, model))


def test_shapes_of_a_foreign_model_are_where_mujoco_draws_them(bench: Page) -> None:
    model = mujoco.MjModel.from_xml_string(foreign_mjcf())
    for state in foreign_states(model, 2):
        compare(bench, model, state)


def test_what_is_at_work_is_kept_in_the_picture(bench: Page) -> None:
    model = mujoco.MjModel.from_xml_string(foreign_mjcf())
    state = foreign_states(model, 1)[0]
    qpos = 1 + 2  # after the time, of the cube
    state[qpos : qpos + 3] = (0.2, 0.0, 1.1)  # above what the camera sees
    scene_of(bench, model)
    bench.evaluate("window.colours()")
    poses = poses_of(model, state[None])
    shapes = json.loads(gzip.decompress(describe(model).scene))["shapes"]
    cube = next(i for i, shape in enumerate(shapes) if shape["rgba"] == [0.85, 0.2, 0.2, 1.0])
    assert not (drawn_ids(bench, poses, "front") == cube).any()
    rows, columns = np.nonzero(drawn_ids(bench, poses, "front", kept=True) == cube)
    assert len(rows) > 20
    assert min(rows.min(), columns.min()) > 0  # whole
    still = drawn_ids(bench, poses_of(model, foreign_states(model, 1)), "top", kept=True)
    assert (still == drawn_ids(bench, poses_of(model, foreign_states(model, 1)), "top")).all()  # nothing to be gained


def test_arrows_and_paths_are_where_mujoco_draws_them(bench: Page) -> None:
    model = load_model("reach")
    state = state_of("reach", model)
    shown = (
        Arrow((0.3, -0.2, 0.3), (0.5, 0.1, 0.35), "guide", 0.012),
        Trail(((0.3, 0.2, 0.1), (0.35, 0.25, 0.3), (0.5, 0.2, 0.4)), "purple", 0.01, fade=1.0),
    )
    scene_of(bench, model)
    bench.evaluate("window.colours()")
    bench.evaluate("window.mark", [{"kind": type(one).__name__.lower(), **asdict(one)} for one in shown])
    picture = drawn(bench, poses_of(model, state[None]), "front")[..., :3]
    with FrameRenderer(model, WIDTH, HEIGHT) as renderer:
        bare = renderer.frame(state, "front").astype(int)
        for one in shown:
            true = np.abs(renderer.frame(state, "front", annotations=(one,)).astype(int) - bare).max(axis=2) > 20
            mine = np.abs(picture - 255 * np.array(PALETTE[one.colour][:3])).max(axis=2) < 3
            assert (true & mine).sum() / (true | mine).sum() > 0.65
            assert true.sum() > 100


def test_what_is_predicted_is_blue_and_leaves_no_trace(bench: Page) -> None:
    model = load_model("reach")
    dataset = Dataset(SAMPLES / "reach")
    states = dataset.load(sorted(dataset.ids())[0]).state[[0, -1]]
    scene_of(bench, model)
    alone = drawn(bench, poses_of(model, states[:1]), "front")
    there = drawn_where(alone, drawn(bench, poses_of(model, states[1:]), "front"))
    both = drawn(bench, poses_of(model, states), "front")
    added = drawn_where(alone, both)
    assert (added & there).sum() > 0.6 * there.sum() / 2  # where the hand is predicted, it was or is in one of the two
    assert (both - alone)[added][:, 2].mean() > (both - alone)[added][:, 0].mean() + 20  # bluer
    np.testing.assert_array_equal(drawn(bench, poses_of(model, states[:1]), "front"), alone)


def drawn_where(one: Array, other: Array) -> Array:
    """Return where two pictures (H, W, 4) differ."""
    found: Array = np.abs(one - other).max(axis=2) > 12
    return found


def test_between_two_frames_bodies_are_between_their_poses(bench: Page) -> None:
    model = mujoco.MjModel.from_xml_string(foreign_mjcf())
    states = foreign_states(model, 3)
    states[2, 3] = np.nan
    code = """async ([base, poses]) => {
      const { readPoses } = await import(base + 'poses.js');
      const found = readPoses(Uint8Array.from(atob(poses), (one) => one.charCodeAt(0)).buffer);
      return [0, 0.25, 1, 1.5, 2, 9].map((moment) => [...found.at(moment)]);
    }"""
    moments = bench.evaluate(code, [static_url("shared/scene/"), poses_of(model, states)])
    true = Movers(model).poses(states).reshape(3, -1)
    first, quarter, second, after, broken, last = (np.array(moment) for moment in moments)
    np.testing.assert_allclose(first, true[0])
    np.testing.assert_allclose(
        quarter.reshape(-1, 7)[:, :3], (0.75 * true[0] + 0.25 * true[1]).reshape(-1, 7)[:, :3], atol=1e-6
    )
    np.testing.assert_allclose(np.linalg.norm(quarter.reshape(-1, 7)[:, 3:], axis=1), 1, atol=1e-6)
    for moment in (second, after, broken, last):  # the state that is not finite shows the one before
        np.testing.assert_allclose(moment, true[1])


MEGABYTES = """async ([base, count, cut]) => {
  const { loadScene } = await import(base + 'scene.js');
  const [real, asked, shares] = [window.fetch, [], []];
  const none = { shapes: [], lights: [], cameras: [], focus: [] };
  const about = { reason: '', movers: 0, ...none, center: [0, 0, 0], extent: 1, free_fovy: 45 };
  let sent = 0;
  const parts = new ReadableStream({
    pull: (sink) => (++sent > count - cut ? sink.close() : sink.enqueue(new Uint8Array(2 ** 20))),
  });
  window.fetch = async (address) => {
    asked.push(address);
    return new Response(address === 'assets' ? parts : JSON.stringify(about));
  };
  const places = { scene: 'scene' + cut, assets: 'assets', size: count * 2 ** 20 };
  try {
    const first = await loadScene(places, (share) => shares.push(share));
    const again = await loadScene(places);
    return { asked, shares, same: first === again };
  } catch (error) {
    return { why: error.message };
  } finally {
    window.fetch = real;
  }
}"""


def test_fifty_megabytes_of_meshes_say_how_far_they_are_and_come_once(bench: Page) -> None:
    found = bench.evaluate(MEGABYTES, [static_url("shared/scene/"), 50, 0])
    assert found["asked"] == ["scene0", "assets"]
    assert found["same"]
    assert found["shares"] == pytest.approx([(i + 1) / 50 for i in range(50)])
    found = bench.evaluate(MEGABYTES, [static_url("shared/scene/"), 50, 1])
    assert found == {"why": "The meshes of the scene came short."}


@pytest.fixture
def demos(station: Served) -> Dataset:
    """A dataset with an episode in which a state is not finite."""
    demos = Dataset(station.home / "demos", create=True)
    whole = Dataset(SAMPLES / "pick_place").load("pick_place-3000001")
    state = whole.state.copy()
    state[31, 5] = np.nan
    if "broken" not in demos:
        demos.add(replace(whole, state=state, meta=replace(whole.meta, id="broken")))
    return demos


def lose_context(page: Page) -> None:
    """Take the page's WebGL away, as a driver that resets does."""
    page.evaluate(
        """async (base) => {
          const { painter } = await import(base + 'painter.js');
          (await painter()).renderer.getContext().getExtension('WEBGL_lose_context').loseContext();
        }""",
        static_url("shared/scene/"),
    )


def at_frame(page: Page, frame: int) -> None:
    expect(page.locator(f".stage canvas[data-frame='{frame}']")).to_be_visible(timeout=60_000)


def test_the_library_draws_by_itself_all_cameras_in_step(webgl: Browser, station: Served, demos: Dataset) -> None:
    page = signed_in(webgl, station)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{station.url}/library/episode/demos/broken?frame=29")
    at_frame(page, 29)
    expect(page.locator(".strip canvas[data-frame='29']")).to_have_count(3)
    page.keyboard.press("ArrowRight")
    at_frame(page, 30)
    expect(page.locator(".stage-trouble")).to_be_hidden()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".stage-trouble")).to_have_text(
        "The state of this frame is not finite: the last one that is can be seen."
    )
    expect(page.locator(".plot")).to_have_count(4)
    page.locator(".plot svg").first.click(position={"x": 1, "y": 20})
    at_frame(page, 0)
    cursor = page.locator(".plot-cursor").first
    expect(cursor).to_have_attribute("x1", "0")
    page.keyboard.press("End")
    expect(cursor).to_have_attribute("x1", "1000")
    page.get_by_role("button", name="Look from wrist").click()
    expect(page.get_by_role("combobox", name="Camera")).to_have_value("wrist")
    expect(page.get_by_role("button", name="Look from front")).to_be_visible()
    check_axe(page)
    assert not [url for url in asked if "/media/part" in url or "/media/clip" in url or "/media/frame" in url]
    lose_context(page)
    expect(page.get_by_text("The browser lost its drawing; the server draws now.")).to_be_visible()
    expect(page.locator(".stage video")).to_have_count(1)
    expect(page.locator(".clock")).to_contain_text("frame 84 of")
    page.get_by_role("button", name="Drawn by the server").click()
    at_frame(page, 84)
    page.context.close()


APART = """async (seconds) => {
  const until = performance.now() + 1000 * seconds;
  const apart = [];
  while (performance.now() < until) {
    await new Promise(requestAnimationFrame);
    const frames = [...document.querySelectorAll('.clips.now canvas')].map((canvas) => Number(canvas.dataset.frame));
    apart.push(Math.max(...frames) - Math.min(...frames));
  }
  return apart;
}"""


def test_pairs_are_drawn_in_step_and_answered(webgl: Browser, station: Served) -> None:
    page = signed_in(webgl, station)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{station.url}/review?run=pairs")
    expect(page.locator(".clips.now canvas[data-frame]")).to_have_count(2, timeout=60_000)
    apart = page.evaluate(APART, 1.0)
    assert sorted(apart)[int(0.9 * len(apart))] <= 1  # but for the moment at which a loop begins anew
    first = page.locator("#workspace").get_attribute("data-question") or ""
    page.keyboard.press("1")
    expect(page.locator("#workspace")).not_to_have_attribute("data-question", first)
    expect(page.locator(".clips.now canvas[data-frame]")).to_have_count(2, timeout=60_000)
    assert not [url for url in asked if "/review/clip/" in url]
    assert len([url for url in asked if "/media/scene" in url]) == 1
    page.keyboard.press("b")
    expect(page.locator(".clips.now video:not([hidden])")).to_have_count(2)
    page.wait_for_function("() => document.querySelector('.clips.now video').currentTime > 0")
    expect(page.get_by_role("button", name="Drawn by the server")).to_be_visible()
    page.context.close()


def test_the_probe_draws_what_the_policy_would_do(webgl: Browser, station: Served) -> None:
    page = signed_in(webgl, station)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{station.url}/ask?task=reach&policy={FLOW}")
    page.wait_for_selector("#stage[data-frame='0']", timeout=1e3 * START)
    expect(page.locator("#stage canvas[data-frame='0']")).to_be_visible()
    expect(page.locator("#shown")).to_be_hidden()
    scene = static_url("shared/scene/")
    marked = f"async () => (await (await import('{scene}painter.js')).painter()).views"
    shown = f"async () => [...(await ({marked})())].map((view) => view.marked.length)"
    assert page.evaluate(shown) == [8]  # an arrow for each action that chance may choose
    page.locator(".scrub").focus()
    page.keyboard.press("i")
    page.wait_for_selector("#duo[data-ms]", timeout=60_000)
    expect(page.locator("#duo canvas[data-frame]")).to_have_count(2)
    assert page.evaluate(shown) == [6, 0, 0]
    expect(page.get_by_text(", and in blue what the policy would do")).to_be_visible()
    assert not [url for url in asked if re.search("/(media|ask)/(clip|part)|picture=true", url)]
    check_axe(page)
    page.keyboard.press("b")
    expect(page.locator("#shown")).to_be_visible(timeout=60_000)
    expect(page.locator("#stage video")).to_have_count(1)
    page.goto(f"{station.url}/signal?dataset=samples/reach&episode=reach-3000000")
    page.keyboard.press("b")
    expect(page.locator("#stage canvas[data-frame]")).to_be_visible(timeout=60_000)
    expect(page.get_by_role("button", name="Drawn here")).to_be_visible()
    page.context.close()


def test_a_session_is_driven_by_poses(webgl: Browser, station: Served) -> None:
    page = signed_in(webgl, station)
    contents: list[int] = []  # of binary frames

    def heard(socket: WebSocket) -> None:
        socket.on("framereceived", lambda data: isinstance(data, bytes) and contents.append(FRAME.unpack_from(data)[3]))

    page.on("websocket", heard)
    page.goto(f"{station.url}/operate?task=pick_place&dataset=driven&start=1&fresh=1")
    page.wait_for_function("() => document.querySelectorAll('.view canvas[data-frame]').length === 3", timeout=60_000)
    until = time.monotonic() + 60
    while POSES not in contents:  # pictures come until the scene is loaded
        assert time.monotonic() < until
        page.wait_for_timeout(50)
    contents.clear()
    with holding(page, "KeyW"):
        phase(page, "running")
        page.wait_for_function("() => Number(document.querySelector('#steps').textContent) > 10")
        assert set(contents) == {POSES}
        steps = number(page, "steps")
        lose_context(page)
        expect(page.get_by_text("The browser lost its drawing; the server draws now.")).to_be_visible()
        frame = int(page.locator("#view-0 canvas").get_attribute("data-frame") or 0)
        page.wait_for_function(
            "(last) => Number(document.querySelector('#view-0 canvas').dataset.frame) > last + 3", arg=frame
        )
        assert JPEG in contents
        assert number(page, "steps") > steps  # the robot went on
    page.click("#session-menu summary")
    expect(page.get_by_role("button", name="Drawn by the server")).to_be_visible()
    contents.clear()
    page.keyboard.press("b")
    expect(page.get_by_role("button", name="Drawn here")).to_be_visible()
    until = time.monotonic() + 60
    while POSES not in contents:
        assert time.monotonic() < until
        page.wait_for_timeout(50)
    page.keyboard.press("k")
    toast(page, "Kept")
    page.context.close()
    station.end_sessions()


def test_a_browser_without_webgl_has_the_servers_pictures(webgl: Browser, station: Served, demos: Dataset) -> None:
    page = signed_in(webgl, station)
    page.context.add_init_script(
        """const real = HTMLCanvasElement.prototype.getContext;
        HTMLCanvasElement.prototype.getContext = function (kind, ...more) {
          return kind.startsWith('webgl') ? null : real.call(this, kind, ...more);
        };"""
    )
    page.goto(f"{station.url}/library/episode/demos/broken?frame=3")
    expect(page.locator(".stage video")).to_have_count(1)
    expect(page.get_by_role("button", name=re.compile("Drawn"))).to_have_count(0)
    page.context.close()


def test_software_webgl_leaves_it_to_the_server(webgl: Browser, station: Served, demos: Dataset) -> None:
    page = signed_in(webgl, station, drawn="")
    page.goto(f"{station.url}/library/episode/demos/broken?frame=3")
    expect(page.get_by_role("button", name="Drawn by the server")).to_be_visible()
    expect(page.locator(".stage video")).to_have_count(1)
    page.context.close()
