// @ts-check
/** Operate: the page in which a person drives. It joins the connection, the views, the hands and the panel. */

import { pageData, send, tellRefusals } from "./api.js";
import { ask } from "./dialog.js";
import { bindKeys } from "./keys.js";
import { tell } from "./toast.js";
import { Hands } from "./operate-hands.js";
import { Latency, SPEEDS } from "./operate-input.js";
import { banner, Panel } from "./operate-panel.js";
import { Connection } from "./operate-socket.js";
import { Sounds } from "./operate-sound.js";
import { Views } from "./operate-views.js";

/** @typedef {import("./operate-socket.js").LinkState} LinkState */

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
  changed: () => link.send(views.wanted),
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
  actions: () => panel.scene?.action_names ?? [],
  act: (act) => perform(act),
  changed: () => push(false),
});

const link = new Connection(data.session, {
  message: (message) => hear[message.type]?.(message),
  picture: (picture) => views.draw(picture),
  state: linkIs,
});

/** @type {Record<string, (message: any) => void>} */
const hear = {
  scene: (scene) => {
    panel.showScene(scene);
    views.setScene(scene.cameras);
    link.send(views.wanted);
    fillSession();
  },
  status: (status) => {
    const before = panel.status;
    if (othersGrip(before, status)) hands.gripper = status.gripper > 0 ? 1 : -1;
    if (status.success && before && !before.success && status.phase === "running") sounds.play("success");
    panel.showStatus(status, drives());
    by("takeover").hidden = !status.policy;
    if (before?.policy !== status.policy) fillSession();
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
    sayWho();
  },
  reply: (reply) => {
    waiting.get(reply.id)?.(reply);
    waiting.delete(reply.id);
  },
  notice: ({ text, tone, sound, offer }) => {
    sounds.play(sound);
    const action = offer && { label: "Go on from there", run: () => act("open", [...offer, "continue"]) };
    tell(text, tone, action || undefined);
  },
  figures: (figures) => (panel.figures = figures),
};

/** Whether the gripper is where another frame, or a policy, has it. @param {any} before @param {any} status */
function othersGrip(before, status) {
  if (before === null || status.source === "policy") return true;
  return status.phase !== "running" && (before.phase === "running" || before.frame !== status.frame || before.seed !== status.seed);
}

/** Have something done once; what comes of it is told. @param {string} name @param {any} [value] @returns {Promise<any>} */
function act(name, value = null) {
  const id = ++asked;
  if (!link.send({ type: "do", fence: controls?.fence ?? 0, id, act: name, value })) {
    tell("The connection is lost: nothing was done. It comes back by itself.", "bad");
    return Promise.resolve(null);
  }
  return new Promise((resolve) => {
    waiting.set(id, (reply) => {
      if (reply.text && (!reply.ok || SPOKEN.has(name))) tell(reply.text, reply.ok ? "good" : "bad");
      resolve(reply);
    });
  });
}
const SPOKEN = new Set(["keep", "discard", "undo", "note", "success", "failure", "unmark", "policy", "open", "task"]);

/** Do what a key, a button or a gamepad asks for. @param {string} name */
function perform(name) {
  if (name === "rewind") return act("rewind", 1);
  if (name === "start" && panel.status?.phase === "running") return act("pause");
  return act(name);
}

/** Send what the hands want, where it is new or due. @param {boolean} timed  the timer asks: nothing was pressed or let go */
function push(timed) {
  if (!drives() || document.hidden || !panel.status) return;
  const now = performance.now();
  const due = now - lastSent >= (lastIdle ? IDLE_EVERY : EVERY) - 4;
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
    link.send(views.wanted);
    banner("");
    return;
  }
  if (state === "opening") return;
  for (const answer of waiting.values()) answer({ ok: false, text: "The connection was lost before the answer came." });
  waiting.clear();
  hands.letGo();
  const back = { label: "Sessions", run: () => location.assign("/operate") };
  if (state === "lost") {
    sounds.play("lost");
    banner("Connection lost. The robot holds still and the episode stays open; this page connects again by itself.", "warn");
  } else if (state === "superseded") {
    banner("This session is open in another tab.", "plain", [{ label: "Use it here", run: () => link.comeBack() }]);
  } else if (state === "signed_out") {
    banner("Your sign-in has ended. The episode stays open: sign in again, then load this page.", "bad", [
      { label: "Sign in", run: () => location.assign(`/sign-in?next=${encodeURIComponent(location.pathname)}`) },
    ]);
  } else {
    banner("This session has ended. What was recorded is in the library.", "plain", [back]);
  }
}

/** Say who drives, where it is not this page, and what can be done about it. */
function sayWho() {
  if (link.state !== "open") return;
  const lease = (/** @type {string} */ name, to = "") => ({ label: LEASES[name], run: () => link.send({ type: "lease", act: name, to }) });
  by("hand-over").hidden = !drives();
  if (drives()) {
    const asker = controls.spectators.find((/** @type {any} */ one) => one.asks);
    if (!asker) return banner("");
    return banner(`${asker.name} asks for the controls.`, "plain", [{ ...lease("give", asker.id), label: `Hand them to ${asker.name}` }]);
  }
  const me = controls.spectators.find((/** @type {any} */ one) => one.id === controls.you);
  if (!data.mayDrive) return banner("You watch.", "plain");
  if (!controls.holder) return banner("Nobody drives.", "plain", [lease("take")]);
  const { name } = controls.holder;
  if (me && name === me.name) return banner("You drive in another tab.", "plain", [lease("take")]);
  const actions = controls.away ? [lease("take")] : me?.asks ? [] : [lease("ask")];
  banner(`${name} drives${controls.away ? ", and is away" : ""}.${me?.asks ? " You asked for the controls." : ""}`, "plain", actions);
}
const LEASES = /** @type {Record<string, string>} */ ({ take: "Drive here", ask: "Ask for the controls", give: "Hand over", release: "Let go" });

/** Fill the menu of the session, and mark what holds now. */
function fillSession() {
  const [task, policy] = ["task-field", "policy-field"].map((id) => /** @type {HTMLSelectElement} */ (by(id)));
  const now = panel.scene?.task ?? "";
  task.replaceChildren(...data.tasks.map((/** @type {string} */ name) => new Option(name, name, false, name === now)));
  const fitting = data.policies.filter((/** @type {any} */ one) => one.task === now).map((/** @type {any} */ one) => one.path);
  const driving = panel.status?.policy ?? "";
  if (driving && !fitting.includes(driving)) fitting.unshift(driving);
  policy.replaceChildren(new Option("none: you drive", ""), ...fitting.map((/** @type {string} */ path) => new Option(path, path)));
  policy.value = driving;
}

function bind() {
  const table = /** @type {import("./operate-input.js").Binding[]} */ (data.keys);
  const axes = table.filter((binding) => binding.axis !== null || ["slow", "clutch"].includes(binding.act));
  const speed = (/** @type {number} */ step) => () => {
    hands.changeSpeed(step);
    by("speed").textContent = `${Math.round(SPEEDS[hands.speed] * 100)} %`;
  };
  const acts = ["start", "pause", "keep", "discard", "undo", "success", "failure", "unmark", "again", "next", "rewind"];
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
  hands.table = bindKeys(/** @type {any} */ (table), {
    ...Object.fromEntries(axes.map((binding) => [binding.name, (/** @type {boolean} */ on, /** @type {any} */ row) => hands.key(on, row)])),
    ...Object.fromEntries(acts.map((name) => [name, () => perform(name)])),
    gripper: grip,
    takeover,
    faster: speed(1),
    slower: speed(-1),
    note: () => by("note").focus(),
    camera: () => views.next(),
    sound,
    fullscreen,
  }, { scope: "operate" }).table.map((row) => /** @type {any} */ (row));

  for (const button of document.querySelectorAll("[data-act]")) {
    button.addEventListener("click", () => perform(/** @type {HTMLElement} */ (button).dataset.act || ""));
  }
  for (const [id, run] of /** @type {[string, () => void][]} */ ([
    ["rewind", () => perform("rewind")], ["sound", sound], ["fullscreen", fullscreen], ["faster", speed(1)],
    ["slower", speed(-1)], ["pad-gripper", grip], ["hand-over", () => link.send({ type: "lease", act: "release" })], ["end", endSession],
  ])) by(id).addEventListener("click", run);
  by("sound").setAttribute("aria-pressed", String(!sounds.muted));
  by("end").hidden = !data.mayEnd;
  const hold = by("takeover");
  hold.addEventListener("pointerdown", () => takeover(true));
  for (const end of ["pointerup", "pointercancel", "pointerleave"]) hold.addEventListener(end, () => takeover(false));
  hands.listen(by("view-0"), { turn: (dx, dy) => views.turn(dx, dy), zoom: (step) => views.zoom(step) });
  hands.addPad(by("pad-move"), "move");
  hands.addPad(by("pad-lift"), "lift");
  by("pads").hidden = !matchMedia("(any-pointer: coarse)").matches;
}

function bindFields() {
  const seed = /** @type {HTMLInputElement} */ (by("seed-field"));
  by("seed-form").addEventListener("submit", (event) => {
    event.preventDefault();
    act("seed", Number(seed.value));
    /** @type {HTMLDetailsElement} */ (by("seed-menu")).open = false;
    seed.blur();
  });
  const note = /** @type {HTMLInputElement} */ (by("note"));
  by("note-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const reply = await act("note", note.value);
    if (reply?.ok) note.value = "";
    note.blur();
  });
  for (const field of [seed, note]) field.addEventListener("keydown", (event) => event.key === "Escape" && field.blur());
  for (const [id, name] of [["task-field", "task"], ["policy-field", "policy"]]) {
    const field = /** @type {HTMLSelectElement} */ (by(id));
    field.addEventListener("change", async () => {
      await act(name, field.value || null);
      fillSession();
      field.blur();
    });
  }
  for (const menu of document.querySelectorAll(".strip details")) {
    document.addEventListener("click", (event) => {
      if (event.target instanceof Node && !menu.contains(event.target)) /** @type {HTMLDetailsElement} */ (menu).open = false;
    });
  }
  bindTimeline(/** @type {HTMLInputElement} */ (by("timeline")));
}

/** A drag of the timeline looks at frames, the newest only: the next is asked for when the last has come. @param {HTMLInputElement} line */
function bindTimeline(line) {
  let asking = false;
  let wanted = -1;
  const seek = async () => {
    panel.dragging = true;
    wanted = Number(line.value);
    if (asking) return;
    asking = true;
    while (wanted >= 0) {
      const frame = wanted;
      wanted = -1;
      await act("seek", frame);
    }
    asking = false;
  };
  line.addEventListener("input", seek);
  for (const end of ["change", "pointerup", "blur"]) line.addEventListener(end, () => (panel.dragging = false));
  line.addEventListener("pointerup", () => line.blur());
}

async function endSession() {
  const answer = await ask({
    title: "End the session?",
    text: "What was kept stays. The open episode is kept too, marked as interrupted.",
    choices: [{ label: "Go on", value: "" }, { label: "End it", value: "end", tone: "danger" }],
  });
  if (answer !== "end") return;
  await tellRefusals(async () => {
    const { address } = await send(`/operate/${data.session}/end`);
    location.assign(address);
  });
}

bind();
bindFields();
setInterval(() => push(true), EVERY / 5);
setInterval(() => panel.showLatency(latency.usual), SAY_LATENCY);
document.addEventListener("visibilitychange", () => document.hidden && hands.letGo());
