const LEAST_WINDOW = 2; // seconds that the closest view shows
const GRIP = 8; // px from the playhead at which it is taken hold of
const TIP_GAP = 8; // px between the tip and what is beside it
const TAP = 5; // px a pointer may stray and still be a click
const SPREAD_KEY = 1.6; // how much closer one step of zooming comes

/** What everything says at a time, told to one element: the readout under the timeline, or the tip. */
function teller(data, wordsOf) {
  const make = (tag, text, name) => {
    const one = document.createElement(tag);
    if (name) one.className = name;
    if (text) one.textContent = text;
    return one;
  };
  const momentAt = (ms) => {
    const i = after(data.starts, ms) - 1;
    return i >= 0 && (ms < data.ends[i] || i === data.starts.length - 1) ? i : -1;
  };
  const chip = (lane, i) => {
    const [key, share] = [lane.keys[i], lane.shares[i]];
    const text = data.keys[key] + (share === null ? "" : ` ${percent(share)}`);
    if (key >= data.fills.length) return make("span", text, "absent");
    return make("span", text, `chip e-${data.keys[key]}`);
  };
  const conflictsAt = (ms) => data.conflicts.flatMap((c, i) => (c.start <= ms && ms < c.end ? [i] : []));
  const tell = (host, ms) => {
    const i = momentAt(ms);
    const parts = [make("span", clock(ms / 1000, true), "time")];
    for (const lane of i < 0 ? [] : data.lanes) {
      const part = make("span", `${lane.name} `);
      part.append(chip(lane, i));
      parts.push(part);
    }
    for (const place of conflictsAt(ms)) parts.push(make("span", `${place + 1} · ${data.conflicts[place].title}`, `clash ${data.conflicts[place].kind}`));
    const words = make("p", i < 0 ? "" : wordsOf(i), "words");
    words.dir = "auto";
    host.replaceChildren(...parts, words);
  };
  return { tell, momentAt, conflictsAt };
}

/** The view of the timeline: which stretch is shown, and how it is moved. Times in seconds. */
function makeView(length, show) {
  const view = { from: 0, to: Math.max(length, 0.001) };
  const whole = view.to;
  const set = (from, to) => {
    const width = Math.min(whole, Math.max(Math.min(LEAST_WINDOW, whole), to - from));
    const start = Math.min(Math.max(0, from + (to - from - width) / 2), whole - width);
    [view.from, view.to] = [start, start + width];
    show(view);
  };
  view.set = set;
  view.zoom = (factor, at) => set(at - (at - view.from) / factor, at + (view.to - at) / factor);
  view.move = (by) => {
    const width = view.to - view.from;
    const from = Math.min(Math.max(0, view.from + by), whole - width);
    set(from, from + width);
  };
  view.reset = () => set(0, whole);
  view.isWhole = () => view.to - view.from > whole - 1e-6;
  return view;
}

/** Click, drag, pinch and wheel on the timeline. */
function listen(surface, view, { go, point, leave }) {
  const [band, head] = ["band", "playhead"].map((id) => document.getElementById(id));
  const width = () => surface.clientWidth - 2 * INSET;
  const left = () => surface.getBoundingClientRect().left + INSET;
  const timeAt = (x) => {
    const share = Math.min(1, Math.max(0, (x - left()) / width()));
    return view.from + share * (view.to - view.from);
  };
  // What moves the film when dragged: the playhead, and the scale under the rows.
  const grips = (event) =>
    Math.abs(event.clientX - head.getBoundingClientRect().x) < GRIP ||
    event.clientY - surface.getBoundingClientRect().top > surface.clientHeight - ROW.axis;
  const fingers = new Map();
  let held = null;
  const drop = () => {
    held = null;
    band.hidden = true;
  };
  surface.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    surface.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, event.clientX);
    const touch = event.pointerType === "touch";
    const scrubs = !event.shiftKey && (grips(event) || (touch && view.isWhole()));
    const pans = !scrubs && (event.shiftKey || touch);
    held = fingers.size > 1 ? null : { x: event.clientX, last: event.clientX, scrubs, pans, moved: false };
  });
  surface.addEventListener("pointermove", (event) => {
    surface.style.cursor = held?.scrubs || grips(event) ? "ew-resize" : "";
    point(timeAt(event.clientX), event);
    if (fingers.size === 2 && fingers.has(event.pointerId)) {
      const [a, b] = [...fingers.values()];
      fingers.set(event.pointerId, event.clientX);
      const [c, d] = [...fingers.values()];
      const [before, now] = [Math.abs(a - b), Math.abs(c - d)];
      view.move((((a + b - c - d) / 2) * (view.to - view.from)) / width());
      if (before > 10 && now > 10) view.zoom(now / before, timeAt((c + d) / 2));
      return;
    }
    if (!held) return;
    if (Math.abs(event.clientX - held.x) > TAP) held.moved = true;
    if (!held.moved) return;
    if (held.scrubs) {
      go(timeAt(event.clientX));
      fingers.set(event.pointerId, event.clientX);
      return;
    }
    if (held.pans) {
      view.move(((held.last - event.clientX) * (view.to - view.from)) / width());
      held.last = event.clientX;
      fingers.set(event.pointerId, event.clientX);
      return;
    }
    const inside = (x) => Math.min(width(), Math.max(0, x - left()));
    const [a, b] = [inside(held.x), inside(event.clientX)].sort((one, other) => one - other);
    band.hidden = false;
    [band.style.left, band.style.width] = [`${INSET + a}px`, `${b - a}px`];
  });
  surface.addEventListener("pointerup", (event) => {
    fingers.delete(event.pointerId);
    if (held && !held.moved) go(timeAt(event.clientX));
    else if (held && !held.pans && !held.scrubs) {
      const [a, b] = [timeAt(held.x), timeAt(event.clientX)].sort((one, other) => one - other);
      view.set(a, b);
    }
    drop();
  });
  surface.addEventListener("pointercancel", (event) => {
    fingers.delete(event.pointerId);
    drop();
  });
  surface.addEventListener("pointerleave", leave);
  const wheel = (event) => {
    const zooms = event.ctrlKey || event.metaKey || event.altKey;
    const across = event.shiftKey ? event.deltaX || event.deltaY : event.deltaX;
    if (zooms) view.zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.003)), timeAt(event.clientX));
    else if (Math.abs(across) > Math.abs(event.shiftKey ? 0 : event.deltaY)) view.move((across * (view.to - view.from)) / width());
    else return; // a plain wheel scrolls the page
    event.preventDefault();
  };
  surface.addEventListener("wheel", wheel, { passive: false });
}

/** Puts the names of the rows beside them, and says which line is whose. */
function nameRows(data, rows) {
  const names = document.getElementById("lane-names");
  const put = (text, top, height, name = "") => {
    const one = document.createElement("span");
    one.textContent = text;
    one.className = name;
    Object.assign(one.style, { marginTop: `${top}px`, height: `${height}px` });
    names.append(one);
  };
  let below = 0;
  const next = (text, { top, height }, name) => {
    put(text, top - below, height, name);
    below = top + height;
  };
  next("conflicts", rows.marks);
  data.lanes.forEach((lane, i) => next(lane.name, rows.lanes[i]));
  if (!rows.curve) return;
  const { top, height } = rows.curve;
  next("pleasant", { top, height: 14 }, "end");
  next("unpleasant", { top: top + height - 14, height: 14 }, "end");
  const legend = document.getElementById("curve-legend");
  legend.append("how pleasant: ");
  data.curves.forEach((curve, i) => {
    const svg = (tag, attributes) => {
      const one = document.createElementNS("http://www.w3.org/2000/svg", tag);
      Object.entries(attributes).forEach(([key, value]) => one.setAttribute(key, value));
      return one;
    };
    const sample = svg("svg", { width: 28, height: 8, "aria-hidden": "true" });
    const dashes = DASHES[i % DASHES.length].join(" ");
    sample.append(svg("line", { x1: 0, x2: 28, y1: 4, y2: 4, stroke: "currentColor", "stroke-width": 1.6, "stroke-dasharray": dashes }));
    const key = document.createElement("span");
    key.className = "key";
    key.append(sample, curve.name);
    legend.append(key);
  });
}

/** The whole timeline: drawing, playhead, tip and readout. Returns how keys and buttons move it. */
function makeTimeline(data, player, wordsOf) {
  const chart = document.getElementById("chart");
  const [surface, playhead, tip, now] = ["surface", "playhead", "tip", "now"].map((id) => document.getElementById(id));
  data.curves.forEach((curve) => {
    let at = 0;
    curve.at = curve.steps.map((step) => (at += step));
  });
  const rows = rowsOf(data);
  const { tell, momentAt, conflictsAt } = teller(data, wordsOf);
  let drawing = null;
  let asked = false;
  let told = "";
  let announced = null;
  const width = () => surface.clientWidth - 2 * INSET;
  const refill = () => {
    if (!drawing || asked || width() <= 0) return; // not shown, on paper for instance
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      drawing.range.setv({ start: view.from, end: view.to });
      drawing.fill(width());
    });
  };
  const place = () => {
    const share = (player.time() - view.from) / (view.to - view.from);
    playhead.hidden = share < -1e-9 || share > 1 + 1e-9;
    playhead.style.transform = `translateX(${INSET + share * width()}px)`;
  };
  const shown = document.getElementById("shown");
  const view = makeView(player.length, ({ from, to, isWhole }) => {
    shown.textContent = isWhole() ? "" : `${clock(from, true)} – ${clock(to, true)}`;
    place();
    refill();
  });
  const follow = (sought) => {
    const [at, span] = [player.time(), view.to - view.from];
    if ((player.playing() || sought) && (at > view.to || at < view.from)) view.set(at - span * 0.1, at + span * 0.9);
    place();
    const ms = at * 1000;
    const what = `${Math.floor(at * 10)}`;
    if (what !== told) tell(now, ms);
    told = what;
    // A film that runs is not read out ten times a second: only where another moment or conflict begins.
    const stretch = `${momentAt(ms)} ${conflictsAt(ms)}`;
    if (!sought && stretch === announced) return;
    announced = stretch;
    const parts = [...now.children].map((one) => one.textContent.trim());
    surface.setAttribute("aria-valuenow", at.toFixed(1));
    surface.setAttribute("aria-valuetext", parts.filter(Boolean).join(", "));
  };
  const point = (seconds, event) => {
    if (event.pointerType === "touch" || event.buttons) return leave();
    tell(tip, seconds * 1000);
    tip.hidden = false;
    const box = surface.getBoundingClientRect();
    const below = box.bottom + TIP_GAP;
    const fits = below + tip.offsetHeight <= innerHeight;
    const room = document.documentElement.clientWidth - tip.offsetWidth - TIP_GAP;
    tip.style.top = `${fits ? below : Math.max(0, box.top - tip.offsetHeight - TIP_GAP)}px`;
    tip.style.left = `${Math.max(TIP_GAP, Math.min(room, event.clientX - tip.offsetWidth / 2))}px`;
  };
  const leave = () => {
    tip.hidden = true;
  };
  const start = async () => {
    chart.hidden = false;
    now.hidden = false;
    playhead.style.height = `${rows.height}px`;
    document.getElementById("band").style.height = `${rows.height}px`;
    document.getElementById("plot").style.minHeight = `${rows.height + ROW.axis}px`;
    document.getElementById("still").hidden = true;
    nameRows(data, rows);
    listen(surface, view, { go: (seconds) => player.seek(seconds), point, leave });
    follow(true);
    drawing = await drawTimeline(data, document.getElementById("canvas"), rows);
    new ResizeObserver(() => {
      place();
      refill();
    }).observe(surface);
    requestAnimationFrame(() => requestAnimationFrame(() => (chart.dataset.drawn = "yes")));
  };
  player.onMove(follow);
  return {
    start,
    momentAt,
    conflictsAt,
    closer: () => view.zoom(SPREAD_KEY, Math.min(view.to, Math.max(view.from, player.time()))),
    wider: () => view.zoom(1 / SPREAD_KEY, Math.min(view.to, Math.max(view.from, player.time()))),
    whole: view.reset,
    view,
    recolour: () => drawing && drawing.recolour(),
  };
}
