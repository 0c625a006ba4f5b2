const PORTION = 100; // rows put into the page at a time
const NOTHING = "-1"; // choice of a filter: where there was nothing to read

/** The same letters whatever their case or width. */
const folded = (text) => text.normalize("NFKC").toLowerCase();

/** Sorting, filtering and searching the table of moments. */
function makeTable(data) {
  const table = document.querySelector("table.moments");
  if (!table) return null;
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const words = rows.map((row) => row.querySelector(".said").textContent);
  const searched = words.map(folded);
  const ranks = rows.map((row) => Number(row.querySelector(".ranks a")?.textContent ?? Infinity));
  const persons = rows.map((row) => [...row.querySelectorAll(".person")].map((one) => one.textContent));
  const form = document.getElementById("filters");
  const search = document.getElementById("search");
  const person = document.getElementById("person");
  const only = document.getElementById("only");
  const choices = [...form.querySelectorAll("[data-lane]")];
  const [count, none, box] = ["count", "none", "rows"].map((id) => document.getElementById(id));

  let order = rows.map((_, i) => i);
  let kept = order;
  const numbered = (i, place) => {
    rows[i].setAttribute("aria-rowindex", place + 2); // the head is the first
    return rows[i];
  };
  const extend = (upTo) => {
    const there = body.rows.length;
    body.append(...kept.slice(there, upTo).map((i, n) => numbered(i, there + n)));
  };
  const show = () => {
    table.setAttribute("aria-rowcount", kept.length + 1);
    body.replaceChildren();
    extend(PORTION);
    box.scrollTop = 0;
  };
  const filter = () => {
    const wanted = folded(search.value.trim());
    const lanes = choices.flatMap((one) => (one.value ? [[data.lanes[one.dataset.lane].keys, one.value]] : []));
    const fits = (key, value) => (value === NOTHING ? key >= data.fills.length : key === Number(value));
    kept = order.filter(
      (i) =>
        (!wanted || searched[i].includes(wanted)) &&
        (!only.checked || ranks[i] < Infinity) &&
        (!person?.value || persons[i].includes(person.value)) &&
        lanes.every(([keys, value]) => fits(keys[i], value)),
    );
    show();
    count.textContent = `${kept.length} of ${rows.length}`;
    form.classList.toggle("filtered", kept.length < rows.length);
    none.hidden = kept.length > 0;
  };
  // Only what is near is in the page: an hour has some 2,000 rows.
  show();
  new IntersectionObserver(([end]) => end.isIntersecting && extend(body.rows.length + PORTION), {
    root: box,
    rootMargin: "0px 0px 600px",
  }).observe(document.getElementById("end"));
  addEventListener("beforeprint", () => extend(Infinity)); // what fits the filter, all of it
  let asked = false;
  const soon = () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      filter();
    });
  };
  form.addEventListener("input", soon);
  form.addEventListener("reset", () => setTimeout(filter));
  form.addEventListener("submit", (event) => event.preventDefault());

  const collator = new Intl.Collator(undefined, { numeric: true });
  const compare = {
    time: (a, b) => a - b,
    said: (a, b) => (words[a] === "") - (words[b] === "") || collator.compare(words[a], words[b]),
    rank: (a, b) => (ranks[a] === ranks[b] ? 0 : ranks[a] - ranks[b]),
  };
  data.lanes.forEach(({ keys, shares }, lane) => {
    compare[lane] = (a, b) => keys[a] - keys[b] || shares[b] - shares[a];
  });
  const sort = (head) => {
    const up = head.getAttribute("aria-sort") !== "ascending";
    table.querySelectorAll("[aria-sort]").forEach((one) => one.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    const by = compare[head.dataset.sort];
    order = rows.map((_, i) => i).sort((a, b) => (up ? by(a, b) : by(b, a)) || a - b);
    filter();
  };
  table.tHead.addEventListener("click", (event) => {
    const head = event.target.closest("[data-sort]");
    if (head) sort(head);
  });
  table.querySelector('[data-sort="time"]').setAttribute("aria-sort", "ascending");
  return { rows, wordsOf: (i) => words[i], search };
}
