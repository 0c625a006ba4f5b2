const PAGE = 10; // s that the page keys move the timeline by
const BACK = 1.5; // s: pressed within them, "previous" goes to the conflict before the one just begun

/** Everything that is clicked. */
function listenToClicks(player) {
  const all = document.getElementById("show-all");
  const section = document.getElementById("conflicts");
  const open = () => {
    section.classList.remove("few");
    if (all) all.parentElement.hidden = true;
  };
  section.classList.toggle("few", Boolean(all));
  all?.addEventListener("click", open);
  document.addEventListener("click", (event) => {
    const link = event.target.closest('a[href^="#conflict-"]');
    if (link) {
      if (document.querySelector(link.hash)?.classList.contains("more")) open();
      return;
    }
    const row = event.target.closest(".moments tbody tr");
    if (row && String(getSelection())) return; // words are being copied
    const target = event.target.closest("[data-seek]") ?? row?.querySelector("[data-seek]");
    if (!target) return;
    player.seek(Number(target.dataset.seek), true);
    player.uncover(target.closest("article, tr"));
    // After a click with the mouse the space bar is to pause the film, not to press the button again.
    if (event.detail) target.blur();
  });
  if (document.querySelector(":target")?.classList.contains("more")) open();
}

/** Light or dark, as the system has it until the person chooses. */
function listenToTheme(recolour) {
  const system = matchMedia("(prefers-color-scheme: dark)");
  const root = document.documentElement;
  document.getElementById("theme").addEventListener("click", () => {
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : system.matches;
    root.dataset.theme = dark ? "light" : "dark";
    recolour();
  });
  system.addEventListener("change", recolour);
}

/** The keyboard, wherever no one is typing. */
function listenToKeys(data, player, timeline, table) {
  const help = document.getElementById("help");
  document.getElementById("keys").addEventListener("click", () => help.showModal());
  const begins = data.conflicts.map((c) => c.start / 1000).sort((a, b) => a - b);
  const next = () => begins.find((at) => at > player.time() + 0.05);
  const previous = () => begins.findLast((at) => at < player.time() - (player.playing() ? BACK : 0.05));
  const to = (seconds) => seconds !== undefined && player.seek(seconds);
  const step = (event) => (event.shiftKey ? 5 : 1);
  const keys = {
    " ": () => player.toggle(),
    k: () => player.toggle(),
    ArrowLeft: (event) => player.seek(player.time() - step(event)),
    ArrowRight: (event) => player.seek(player.time() + step(event)),
    n: () => to(next()),
    p: () => to(previous()),
    "+": () => timeline?.closer(),
    "=": () => timeline?.closer(),
    "-": () => timeline?.wider(),
    0: () => timeline?.whole(),
    "/": () => table?.search.focus(),
    "?": () => help.showModal(),
  };
  const by = (seconds) => () => player.seek(player.time() + seconds);
  // What a slider answers to (ARIA Authoring Practices), beside the arrows that everything answers to.
  const slider = {
    Home: () => player.seek(0),
    End: () => player.seek(player.length),
    PageUp: by(PAGE),
    PageDown: by(-PAGE),
    ArrowUp: by(1),
    ArrowDown: by(-1),
  };
  document.addEventListener("keydown", (event) => {
    const { target, key } = event;
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || help.open) return;
    if (target.closest("input, textarea, select, [contenteditable]")) return;
    // These have a use of their own for the space bar, and a focused film for the arrows too.
    if (key === " " && target.closest("button, a, summary, video")) return;
    if (key.startsWith("Arrow") && target.closest("video")) return;
    const act = keys[key] ?? (target.id === "surface" && slider[key]);
    if (!act) return;
    event.preventDefault();
    act(event);
  });
}

/** Marks the card and the row of what is being shown. */
function markNow(player, timeline, table) {
  let marked = "";
  let lit = [];
  player.onMove(() => {
    const ms = player.time() * 1000;
    const [moment, conflicts] = [timeline.momentAt(ms), timeline.conflictsAt(ms)];
    const what = `${moment} ${conflicts}`;
    if (what === marked) return;
    marked = what;
    lit.forEach((one) => one.classList.remove("now"));
    lit = [table.rows[moment], ...conflicts.map((i) => document.getElementById(`conflict-${i + 1}`))];
    lit = lit.filter(Boolean);
    lit.forEach((one) => one.classList.add("now"));
  });
}

/** Paper has nothing to click on: what is folded is laid open for it. */
function listenToPrinting() {
  const folds = [...document.querySelectorAll("details")];
  const stills = [...document.querySelectorAll("img")];
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = folds.filter((one) => !one.open);
    closed.forEach((one) => (one.open = true));
    stills.forEach((one) => (one.loading = "eager"));
  });
  addEventListener("afterprint", () => closed.forEach((one) => (one.open = false)));
}

function main() {
  document.documentElement.classList.add("js");
  const data = JSON.parse(document.getElementById("data").textContent);
  const player = makePlayer(data.duration / 1000);
  const table = makeTable(data);
  const timeline = data.starts.length ? makeTimeline(data, player, table.wordsOf) : null;
  listenToClicks(player);
  listenToPrinting();
  listenToTheme(() => timeline?.recolour());
  listenToKeys(data, player, timeline, table);
  if (!timeline) return;
  markNow(player, timeline, table);
  const buttons = { closer: timeline.closer, wider: timeline.wider, whole: timeline.whole };
  Object.entries(buttons).forEach(([id, act]) => document.getElementById(id).addEventListener("click", act));
  timeline.start();
}

main();
