const INSET = 14; // px between the edge of the drawing and its first moment; the same in the style sheet
const ROW = { conflict: 14, lane: 30, gap: 4, curve: 84, axis: 26 }; // px
const FINE = 4; // px: where moments are narrower, they are summed up in columns this wide
const SLIVER = 0.04; // of a lane's height: less than that is not drawn
const LETTER = 15; // px a block needs for its letter
const TICK = 85; // px that a written time takes at least
const STEPS = [0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200]; // s
const DASHES = [[], [7, 3], [2, 2], [8, 3, 2, 3]];
const CURVE_STEP = 3; // px between the points of a curve; finer samples are averaged
const CURVE_GAP = 8; // px without a sample that break a curve

/** `M:SS`, `H:MM:SS` from one hour on, as the rest of the page writes times; tenths where asked for. */
function clock(seconds, tenths = false) {
  const all = Math.max(0, Math.floor(seconds * 10 + 1e-6));
  const [hours, minutes, rest] = [Math.floor(all / 36000), Math.floor(all / 600) % 60, all % 600];
  const pad = (n) => String(n).padStart(2, "0");
  const text = `${pad(Math.floor(rest / 10))}${tenths ? `.${rest % 10}` : ""}`;
  return hours ? `${hours}:${pad(minutes)}:${text}` : `${minutes}:${text}`;
}

/** A share as the rest of the page writes it: .5 and 99.5 are what only rounding would make nothing or all. */
const percent = (share) => ({ 0.5: "<1%", 99.5: ">99%" })[share] ?? `${share}%`;

/** Colours of the page as it is shown now, light or dark. */
function themeColours() {
  const probe = document.createElement("i");
  document.body.append(probe);
  const read = (name) => {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  };
  const names = ["text", "quiet", "line", "back", "panel", "gap-a", "gap-b"];
  const colours = Object.fromEntries(names.map((name) => [name, read(name)]));
  probe.remove();
  return colours;
}

/** First place of a sorted array whose value is above `value`. */
function after(sorted, value) {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] > value) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Top edge and height of everything drawn, in px from above. */
function rowsOf(data) {
  const depth = Math.max(1, ...data.conflicts.map((c) => c.row + 1));
  const marks = { top: 0, height: depth * ROW.conflict };
  let top = marks.height + ROW.gap + 2;
  const lanes = data.lanes.map(() => {
    const lane = { top, height: ROW.lane };
    top += ROW.lane + ROW.gap;
    return lane;
  });
  const curve = data.curves.length ? { top: top + ROW.gap, height: ROW.curve } : null;
  return { marks, lanes, curve, height: curve ? curve.top + curve.height : top };
}

/** What of a lane to draw between two times (ms), as [from, to, key, bottom, top], the last two as shares of its
 * height. Moments as they are where there is room for them; otherwise columns, each stacked with what fills it.
 * Where nothing could be read there is no block: the hatching behind shows. */
function blocksOf(data, lane, from, to, width) {
  const first = Math.max(0, after(data.starts, from) - 1);
  const last = after(data.starts, to);
  const kinds = data.fills.length;
  const blocks = [];
  if (last - first <= width / FINE) {
    for (let i = first; i < last; i += 1)
      if (lane.keys[i] < kinds) blocks.push([data.starts[i], data.ends[i], lane.keys[i], 0, 1]);
    return blocks;
  }
  const columns = Math.floor(width / FINE);
  const step = (to - from) / columns;
  const filled = new Float64Array(columns * kinds);
  for (let i = first; i < last; i += 1) {
    const kind = lane.keys[i];
    if (kind >= kinds) continue;
    const [start, end] = [Math.max(data.starts[i], from), Math.min(data.ends[i], to)];
    for (let column = Math.floor((start - from) / step); column < columns; column += 1) {
      const left = from + column * step;
      if (left >= end) break;
      filled[column * kinds + kind] += Math.min(end, left + step) - Math.max(start, left);
    }
  }
  for (let column = 0; column < columns; column += 1) {
    const shares = filled.subarray(column * kinds, (column + 1) * kinds);
    const left = from + column * step;
    let base = 0;
    shares.forEach((share, kind) => {
      const high = share / step > 1 - SLIVER ? 1 : share / step;
      if (high < SLIVER) return;
      const before = blocks[blocks.length - 1];
      if (high === 1 && before && before[2] === kind && before[4] - before[3] === 1) before[1] = left + step;
      else blocks.push([left, left + step, kind, base, base + high]);
      base += high;
    });
  }
  return blocks;
}

/** The points of a curve between two times (ms), one per `CURVE_STEP` px at most; NaN breaks the line where
 * nothing was read for longer than `CURVE_GAP` px. */
function pointsOf(curve, from, to, width) {
  const [x, y] = [[], []];
  const ms = (to - from) / width;
  let [sumX, sumY, count, column] = [0, 0, 0, null];
  const flush = () => {
    if (count) {
      x.push(sumX / count / 1000);
      y.push(sumY / count);
    }
    [sumX, sumY, count] = [0, 0, 0];
  };
  let broken = null;
  for (let i = Math.max(0, after(curve.at, from) - 2); i < curve.at.length; i += 1) {
    const [at, value] = [curve.at[i], curve.values[i]];
    if (value === null) {
      broken = at;
    } else {
      if (broken !== null && at - broken > CURVE_GAP * ms) {
        flush();
        x.push(broken / 1000);
        y.push(NaN);
      }
      broken = null;
      const now = Math.floor((at - from) / (ms * CURVE_STEP));
      if (now !== column) flush();
      column = now;
      [sumX, sumY, count] = [sumX + at, sumY + value, count + 1];
    }
    if (at > to) break;
  }
  flush();
  return [x, y];
}

/** Round times (s) to write under a view, as many as there is room for. */
function ticksOf(from, to, width) {
  const most = Math.max(2, width / TICK);
  const step = STEPS.find((one) => (to - from) / one <= most) ?? STEPS[STEPS.length - 1];
  const ticks = [];
  for (let at = Math.ceil(from / step - 1e-6); at * step <= to + 1e-6; at += 1) ticks.push(at * step);
  return ticks;
}

/** Draws the timeline with Bokeh. Resolves, once it stands on the page, to what moves and recolours it. */
async function drawTimeline(data, host, rows) {
  const field = (name) => ({ field: name });
  const source = (...names) =>
    new Bokeh.ColumnDataSource({ data: Object.fromEntries(names.map((name) => [name, []])) });
  const length = Math.max(data.duration / 1000, 0.001);
  const xRange = new Bokeh.Range1d({ start: 0, end: length });
  const figure = Bokeh.Plotting.figure({
    x_range: xRange,
    y_range: new Bokeh.Range1d({ start: -rows.height, end: 0 }),
    height: rows.height + ROW.axis,
    sizing_mode: "stretch_width",
    tools: [],
    toolbar_location: null,
    min_border: 0,
    min_border_left: INSET,
    min_border_right: INSET,
    min_border_bottom: ROW.axis,
    outline_line_color: null,
    background_fill_color: null,
    border_fill_color: null,
  });
  figure.toolbar.logo = null;
  figure.yaxis.visible = false;
  figure.ygrid.visible = false;
  figure.xgrid.visible = false;
  const [axis] = figure.below;
  axis.ticker = new Bokeh.FixedTicker();
  axis.formatter.doFormat = (ticks) => ticks.map((t) => (Number.isInteger(t) ? clock(t) : clock(t, true)));
  axis.major_tick_in = 0;

  const edges = { left: field("l"), right: field("r"), top: field("t"), bottom: field("b") };
  const known = source("l", "r", "t", "b", "c", "e");
  const [begin, end] = [data.starts[0] / 1000, data.ends[data.ends.length - 1] / 1000];
  const clashes = source("l", "r", "t", "b", "c");
  const blends = source("l", "r", "t", "b"); // apart: a hatching per row would be made anew for each
  const maskings = source("l", "r", "t", "b");
  const letters = source("x", "y", "s", "c");
  const drawn = {
    absent: figure.quad({ left: begin, right: end, top: rows.lanes.map(({ top }) => -top), bottom: rows.lanes.map(({ top, height }) => -(top + height)), line_color: null, hatch_pattern: "right_diagonal_line", hatch_scale: 7, hatch_weight: 1 }),
    known: figure.quad({ ...edges, fill_color: field("c"), line_alpha: field("e"), source: known }),
    clashes: figure.quad({ ...edges, line_color: null, fill_color: field("c"), source: clashes }),
    blends: figure.quad({ ...edges, line_color: null, fill_color: null, hatch_pattern: "left_diagonal_line", hatch_scale: 7, hatch_weight: 1.4, hatch_color: "#4d3500", source: blends }),
    maskings: figure.quad({ ...edges, line_width: 2, source: maskings }), // hollow, as in the film
    letters: figure.text({ x: field("x"), y: field("y"), text: field("s"), text_color: field("c"), text_align: "center", text_baseline: "middle", text_font_size: "12px", text_font_style: "bold", source: letters }),
  };
  const lines = data.curves.map((curve, i) => {
    const points = source("x", "y");
    return { points, glyph: figure.line({ x: field("x"), y: field("y"), line_dash: DASHES[i % DASHES.length], line_width: 1.6, source: points }) };
  });
  let zero = null;
  if (rows.curve) {
    const y = -(rows.curve.top + rows.curve.height / 2);
    zero = figure.line({ x: [0, length], y: [y, y], line_width: 1, line_dash: [1, 3] });
  }

  let colours = themeColours();
  const fill = (width) => {
    const [from, to] = [xRange.start * 1000, xRange.end * 1000];
    axis.ticker.ticks = ticksOf(xRange.start, xRange.end, width);
    const px = width / (to - from);
    const [k, c, h, m, s] = [known, clashes, blends, maskings, letters].map((one) =>
      Object.fromEntries(Object.keys(one.data).map((name) => [name, []])),
    );
    const add = (columns, values) => Object.keys(columns).forEach((name, i) => columns[name].push(values[i]));
    data.lanes.forEach((lane, row) => {
      const { top, height } = rows.lanes[row];
      const base = -(top + height);
      for (const [start, end, key, bottom, upper] of blocksOf(data, lane, from, to, width)) {
        const edge = [start / 1000, end / 1000, base + upper * height, base + bottom * height];
        add(k, [...edge, data.fills[key], (end - start) * px > 6 ? 1 : 0]); // a narrow one has no room for an edge
        const [left, right] = [Math.max(start, from), Math.min(end, to)];
        if ((right - left) * px >= LETTER && upper - bottom === 1)
          add(s, [(left + right) / 2000, base + height / 2, data.letters[key], data.inks[key]]);
      }
    });
    for (const { start, end, kind, mark, row } of data.conflicts) {
      const spare = Math.max(0, 3 / px - (end - start)) / 2; // no conflict is too short to be seen
      const masking = kind === "masking";
      const [top, bottom] = [row * ROW.conflict + 1.5, (row + 1) * ROW.conflict - 1.5];
      const edge = [(start - spare) / 1000, (end + spare) / 1000, -top, -bottom];
      if (masking) add(m, edge);
      else add(c, [...edge, data.conflictFill]);
      if (kind === "blend") add(h, edge);
      const ink = masking ? colours.text : "#000000";
      if ((end - start) * px >= LETTER) add(s, [(start + end) / 2000, -(top + bottom) / 2, mark, ink]);
    }
    [known.data, clashes.data, blends.data, maskings.data, letters.data] = [k, c, h, m, s];
    lines.forEach(({ points }, i) => {
      const [x, y] = pointsOf(data.curves[i], from, to, width);
      const { top, height } = rows.curve;
      points.data = { x, y: y.map((value) => -(top + height * (0.5 - value / 200))) };
    });
  };
  const recolour = () => {
    const now = (colours = themeColours());
    axis.major_label_text_color = now.quiet;
    axis.major_label_text_font_size = "12px";
    axis.major_label_text_font = getComputedStyle(document.body).fontFamily;
    axis.axis_line_color = axis.major_tick_line_color = now.line;
    axis.minor_tick_line_color = null;
    drawn.known.glyph.line_color = now.back;
    drawn.absent.glyph.fill_color = now["gap-a"];
    drawn.absent.glyph.hatch_color = now["gap-b"];
    drawn.maskings.glyph.line_color = now.quiet;
    drawn.maskings.glyph.fill_color = now.back;
    lines.forEach(({ glyph }) => (glyph.glyph.line_color = now.text));
    if (zero) zero.glyph.line_color = now.quiet;
  };
  recolour();
  fill(host.clientWidth - 2 * INSET);
  const view = await Bokeh.Plotting.show(figure, host);
  return { fill, recolour, range: xRange, view };
}
