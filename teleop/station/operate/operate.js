// @ts-check
/** The operate page, where an operator drives: it joins connection, views, the operator's input and the panel. */

import { pageData, send, tellRefusals } from "../shared/api.js";
import { ask } from "../shared/dialog.js";
import { bindKeys } from "../shared/keys.js";
import { tell } from "../shared/toast.js";
import { inWords, whenBack } from "./away.js";
import { banksOf, Controls, partOf } from "./controls.js";
import { bindFields, bindTimeline, fillSession } from "./fields.js";
import { Goals } from "./goal.js";
import { Hands } from "./hands.js";
import { Insets, insetSwitch, insetsShown } from "../shared/player/insets.js";
import { Latency, SPEEDS } from "./input.js";
import { banner, Panel } from "./panel.js";
import { Connection } from "../shared/player/session-socket.js";
import { Sounds } from "./sound.js";
import { Views } from "../shared/player/session-views.js";
import { sayWho } from "./who.js";

/** @typedef {import("../shared/player/session-socket.js").LinkState} LinkState */

const EVERY = 50; // [ms] between two inputs while something is held
const IDLE_EVERY = 100; // [ms] while nothing is, so that the station knows the page is there
const SAY_LATENCY = 500; // [ms]

const data = pageData();
const by = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));
const panel = new Panel();
const sounds = new Sounds();
const latency = new Latency();
let sequence = 0;
let asked = 0;
let lastSent = -Infinity; // [ms]
let lastText = "";
/** @type {any} */
let controls = null;
/** @type {Map<number, (reply: any) => void>} */
const waiting = new Map();

const drives = () => controls?.holder?.id === controls?.you && controls !== null;

const views = new Views(["view-0", "view-1", "view-2"].map(by), {
  changed: () => look(),
  drawn: ({ frame, sequence: shows, tick }) => {
    const now = performance.now();
    const took = latency.shown(shows, now);
    document.dispatchEvent(new CustomEvent("operate:drawn", { detail: { frame, tick, sequence: shows, took, now } }));
    lastTook = took;
  },
  done: (frame) => link.send({ type: "drawn", frame, latency: lastTook }),
});
/** @type {number | null} */
let lastTook = null;

const hands = new Hands([], {
  azimuth: () => views.azimuth,
  actions: () => sources(),
  act: (act) => perform(act),
  changed: () => push(false),
  padUnknown: (name) => tell(`This browser does not know the buttons of ${name.replace(/ \(.*/, "")}, so that it drives nothing. Use another browser, or the keys.`, "bad"),
  padFound: (name) => tell(`Gamepad: ${name.replace(/ \(.*/, "")}. The left stick moves, the right one lifts and turns.`),
  padLost,
});

const insets = new Insets(by("view-0"));
const insetsOn = insetSwitch();
insetsOn.classList.add("small");
by("sound").before(insetsOn);
document.addEventListener("insets", () => look());

/** Ask for the views that are shown. */
function look() {
  link.send({ ...views.wanted, insets: Boolean(insets.sight) && insetsShown() });
}

/** The policy sees this from now on; null: no pictures. @param {import("../shared/player/insets.js").Sight | null} sight */
function see(sight) {
  insets.open(sight);
  insetsOn.hidden = !sight;
  look();
}

/** What drives the columns of the task's action. @returns {string[]} */
const sources = () => (panel.scene?.controls ?? []).map((/** @type {any} */ one) => one.source);
const controlling = new Controls(/** @type {HTMLDetailsElement} */ (by("controls-menu")), {
  change: (controls) => act("controls", controls && JSON.stringify(controls)),
  keys: () => hands.table,
});

const goals = new Goals(/** @type {HTMLDetailsElement} */ (by("goal-menu")), by("view-0"), {
  camera: () => views.camera,
  loosen: () => views.loosen(),
  fovy: () => panel.scene?.fovy ?? 45,
  move: ({ name, position }) => act("goal", [name, ...position]),
  seed: () => act("seed", panel.status.seed),
});

const link = new Connection(data.session, {
  message: (message) => handlers[message.type]?.(message),
  picture: (picture) => (picture.seen ? insets.draw(picture.jpeg) : views.draw(picture)),
  state: linkIs,
});

/** @type {Record<string, (message: any) => void>} */
const handlers = {
  scene: (scene) => {
    panel.showScene(scene);
    views.setScene(scene.cameras, scene.task);
    look();
    fill();
    bindTable(sources());
    controlling.setControls(scene.controls);
    changeBank(0);
  },
  status: (status) => {
    const before = panel.status;
    if (othersGrip(before, status)) hands.gripper = status.gripper > 0 ? 1 : -1;
    if (status.success && before && !before.success && status.phase === "running") sounds.play("success");
    panel.update(status, drives(), hands.longHeld(performance.now()));
    goals.show(status.goals, drives());
    controlling.show(status.action);
    by("takeover").hidden = !status.policy;
    if (before?.policy !== status.policy) fill();
    if (JSON.stringify(before?.sees) !== JSON.stringify(status.sees)) see(status.sees);
  },
  controls: (now) => {
    const [had, was] = [controls, drives()];
    controls = now;
    if (had?.fence !== now.fence) {
      sequence = 0;
      latency.waiting = [];
    }
    if (was && !drives()) hands.letGo();
    panel.showControls(now);
    by("hand-over").hidden = !drives();
    if (link.state === "open") sayWho(now, data.mayDrive, lease);
  },
  reply: (reply) => {
    waiting.get(reply.id)?.(reply);
    waiting.delete(reply.id);
  },
  notice: ({ text, tone, sound, offer }) => {
    sounds.play(sound);
    const action = offer && { label: "Continue from there", run: () => act("open", [...offer, "continue"]) };
    tell(text, tone, action || undefined);
  },
  figures: (figures) => (panel.figures = figures),
};

const fill = () => fillSession(data, panel);
const lease = (/** @type {string} */ name, to = "") => link.send({ type: "lease", act: name, to });

/** Whether the gripper is where another frame, or a policy, has it. @param {any} before @param {any} status */
function othersGrip(before, status) {
  if (before === null || (status.phase === "running" && status.source === "policy")) return true;
  return status.phase !== "running" && (before.phase === "running" || before.frame !== status.frame || before.seed !== status.seed);
}

/** Send a command, and show its result. @param {string} name @param {any} [value] @returns {Promise<any>} */
function act(name, value = null) {
  const id = ++asked;
  if (!link.send({ type: "do", fence: controls?.fence ?? 0, id, act: name, value })) {
    tell("The connection is lost: nothing was done. It comes back by itself.", "bad");
    return Promise.resolve(null);
  }
  return new Promise((resolve) => {
    waiting.set(id, (reply) => {
      if (reply.ok) sounds.play(SOUNDS[name]);
      if (reply.text && (!reply.ok || SPOKEN.has(name))) tell(reply.text, reply.ok ? "good" : "bad");
      resolve(reply);
    });
  });
}
const SOUNDS = /** @type {Record<string, string>} */ ({ keep: "kept", undo: "kept", discard: "discarded" });
const SPOKEN = new Set(["keep", "controls", "discard", "undo", "note", "success", "failure", "unmark", "policy", "open", "task"]);

/** The gamepad is gone: a policy that it had taken over from does not continue by itself. @param {boolean} drove */
function padLost(drove) {
  if (drove && panel.status?.policy && panel.status.phase === "running") perform("pause");
  sounds.play("lost");
  tell("The gamepad is gone. The robot holds still; connect it again, or continue with the keys.", "bad");
}

/** Run the command of a key, a button or a gamepad. @param {string} name */
function perform(name) {
  if (name === "help") return keys?.showKeys();
  if (name === "rewind") return act("rewind", 1);
  if (name === "start" && panel.status?.phase === "running") return act("pause");
  return act(name);
}

/** Send the operator's input, where it is new or due. @param {boolean} timed  called by the timer, not by an event */
function push(timed) {
  if (!drives() || document.hidden || !panel.status) return;
  const now = performance.now();
  const due = now - lastSent >= (lastIdle ? IDLE_EVERY : EVERY) - 4;
  if (timed && !due && !(lastIdle && hands.busy)) return;
  const wants = hands.wants(now, due || lastIdle); // a drag is taken off step by step, so only with what is sent
  const text = JSON.stringify(wants);
  const changed = text !== lastText;
  const running = panel.status.phase === "running";
  if (timed ? !(due && (changed || !wants.idle || running)) && wants.idle === lastIdle : !changed) return;
  if (!link.send({ type: "input", fence: controls.fence, sequence: sequence + 1, at: now, ...wants })) return;
  sequence += 1;
  latency.sent(sequence, now, running && changed && !timed);
  [lastSent, lastText, lastIdle] = [now, text, wants.idle];
}
let lastIdle = true;

/** @param {LinkState} state */
function linkIs(state) {
  by("operate").dataset.link = state;
  if (state === "open") {
    views.reconnected();
    look();
    banner("");
    return;
  }
  if (state === "opening") return;
  for (const answer of waiting.values()) answer({ ok: false, text: "The connection was lost before the answer came." });
  waiting.clear();
  hands.letGo();
  const back = { label: "Sessions", run: () => location.assign(`/operate?ended=${encodeURIComponent(data.dataset)}`) };
  if (state === "lost") {
    sounds.play("lost");
    banner("Connection lost. The robot holds still and nothing is lost; it comes back by itself.", "warn");
  } else if (state === "superseded") {
    banner("This session is open in another tab.", "plain", [{ label: "Use it here", run: () => link.comeBack() }]);
  } else if (state === "signed_out") {
    banner("Your sign-in has ended. The episode stays open: sign in again, then load this page.", "bad", [
      { label: "Sign in", run: () => location.assign(`/sign-in?next=${encodeURIComponent(location.pathname)}`) },
    ]);
  } else {
    const library = { label: "Continue from there", run: () => location.assign(`/library?dataset=${encodeURIComponent(data.dataset)}`) };
    banner("This session has ended. What was recorded is in the library, an open episode too.", "plain", [library, back]);
  }
}

const speed = (/** @type {number} */ step) => () => {
  hands.changeSpeed(step);
  by("speed").textContent = `${Math.round(SPEEDS[hands.speed] * 100)} %`;
};
const sound = () => {
  sounds.mute(!sounds.muted);
  by("sound").setAttribute("aria-pressed", String(!sounds.muted));
};
const fullscreen = () => (document.fullscreenElement ? document.exitFullscreen() : by("operate").requestFullscreen());
const grip = () => {
  hands.grip();
  sounds.play("grip");
};
const takeover = (/** @type {boolean} */ pressed) => {
  hands.takeoverHeld = pressed;
  push(false);
};
const ACTS = ["start", "pause", "keep", "discard", "undo", "success", "failure", "unmark", "again", "next", "rewind"];
/** @type {import("../shared/keys.js").Keys | null} */
let keys = null;

/** Let the keys drive another set of joints. @param {number} bank */
function changeBank(bank) {
  hands.bank = bank;
  by("bank").hidden = banksOf(sources()) < 2;
  by("bank").textContent = `, set ${bank + 1} of ${banksOf(sources())}`;
}

/** Bind the keys that mean something in a task. @param {string[]} actions  what drives its action columns */
function bindTable(actions) {
  const table = /** @type {import("./input.js").Binding[]} */ (data.keys);
  const moves = actions.includes("forward") ? [0, 1, 5] : actions.map((name) => partOf(name)?.axis);
  const held = table.filter(({ axis, act }) => (axis === null ? ["slow", "clutch"].includes(act) : moves.includes(axis)));
  const bound = new Set([...held.map(({ name }) => name), ...(actions.includes("gripper") ? ["gripper"] : [])]);
  panel.legend.draw(table.filter(({ name }) => bound.has(name)));
  keys?.stop();
  keys = bindKeys(/** @type {any} */ (table), {
    ...Object.fromEntries(held.map(({ name }) => [name, (/** @type {boolean} */ on, /** @type {any} */ row) => hands.key(on, row)])),
    ...Object.fromEntries(ACTS.map((name) => [name, () => perform(name)])),
    ...(actions.includes("gripper") ? { gripper: grip } : {}),
    ...(banksOf(actions) > 1 ? { joints: () => changeBank((hands.bank + 1) % banksOf(actions)) } : {}),
    takeover,
    faster: speed(1),
    slower: speed(-1),
    note: () => by("note").focus(),
    camera: () => views.next(),
    sound,
    drawer: () => views.swap(),
    fullscreen,
  }, { scope: "operate" });
  by("pad-gripper").hidden = !actions.includes("gripper");
  hands.table = keys.table.map((row) => /** @type {any} */ (row));
}

function bind() {
  for (const button of document.querySelectorAll("[data-act]")) {
    button.addEventListener("click", () => perform(/** @type {HTMLElement} */ (button).dataset.act || ""));
  }
  for (const [id, run] of /** @type {[string, () => void][]} */ ([
    ["rewind", () => perform("rewind")], ["sound", sound], ["fullscreen", fullscreen], ["faster", speed(1)],
    ["slower", speed(-1)], ["pad-gripper", grip], ["hand-over", () => lease("release")], ["end", endSession],
    ["drawer", () => views.swap()],
  ])) by(id).addEventListener("click", run);
  by("sound").setAttribute("aria-pressed", String(!sounds.muted));
  by("end").hidden = !data.mayEnd;
  views.writeDrawer();
  const hold = by("takeover");
  hold.addEventListener("pointerdown", () => takeover(true));
  for (const end of ["pointerup", "pointercancel", "pointerleave"]) hold.addEventListener(end, () => takeover(false));
  hands.listen(by("view-0"), { turn: (dx, dy) => views.turn(dx, dy), zoom: (step) => views.zoom(step) });
  hands.addPad(by("pad-move"), "move");
  hands.addPad(by("pad-lift"), "lift");
  by("pads").hidden = !matchMedia("(any-pointer: coarse)").matches;
}

async function endSession() {
  const answer = await ask({
    title: "End the session?",
    text: "What was kept stays. The open episode is kept too, marked as interrupted.",
    choices: [{ label: "Continue", value: "" }, { label: "End it", value: "end", tone: "danger" }],
  });
  if (answer !== "end") return;
  await tellRefusals(async () => {
    const { address } = await send(`/operate/${data.session}/end`);
    location.assign(address);
  });
}

bind();
bindFields(act, fill);
bindTimeline(act, (dragging) => (panel.dragging = dragging));
setInterval(() => push(true), EVERY / 4);
setInterval(() => panel.showLatency(latency.usual), SAY_LATENCY);
document.addEventListener("visibilitychange", () => document.hidden && hands.letGo());
whenBack((seconds) => {
  hands.letGo();
  latency.waiting = []; // what was under way says nothing of the link
  link.wake();
  const open = drives() && panel.status?.phase !== "ready";
  if (open) tell(`This page was away for ${inWords(seconds)}: asleep, or in the background. The robot held still, and the episode is open: move to continue.`);
});
