// The table of results: sorted by its headings, filtered, with the columns that a reader wants.
{
  const table = document.getElementById("table");
  const body = table.tBodies[0];
  const lines = [...body.rows];
  const headings = [...table.tHead.rows[0].cells];
  const state = { text: "", show: "all" };
  const count = make("output", { class: "count", "aria-live": "polite" });

  const value = (line, place) => line.cells[place].dataset.value;
  const sort = (place, order) => {
    const numeric = lines.every((line) => value(line, place) === "" || Number.isFinite(Number(value(line, place))));
    const compare = (one, other) => {
      const [a, b] = [value(one, place), value(other, place)];
      // What was not measured is last, whichever way it is sorted.
      if (a === "" || b === "") return Number(a === "") - Number(b === "");
      return order * (numeric ? Number(a) - Number(b) : a.localeCompare(b, data.lang));
    };
    body.append(...lines.toSorted(compare));
    headings.forEach((heading, at) => heading.setAttribute("aria-sort", at !== place ? "none" : order > 0 ? "ascending" : "descending"));
    say();
  };

  const say = () => {
    const sorted = headings.find((heading) => heading.getAttribute("aria-sort")?.endsWith("ing"));
    const shown = words("rows_shown", { shown: lines.filter((line) => !line.hidden).length, total: lines.length });
    const order = sorted && words("sorted", { column: sorted.textContent, order: words(sorted.getAttribute("aria-sort")) });
    count.textContent = order ? `${shown}; ${order}` : shown;
  };

  const filter = () => {
    for (const line of lines) {
      const { kind, flags } = line.dataset;
      const chosen = state.show === "all" || `kind_${kind}` === state.show || flags.split(" ").includes(state.show);
      line.hidden = !(chosen && line.cells[0].textContent.toLowerCase().includes(state.text));
    }
    say();
  };

  headings.forEach((heading, place) => {
    heading.setAttribute("aria-sort", "none");
    // Small is good for costs, large for scores: the first press shows the best on top.
    const first = heading.dataset.group === "score" && heading.dataset.key !== "ece" ? -1 : 1;
    const press = () => {
      const now = heading.getAttribute("aria-sort");
      sort(place, now === "none" ? first : now === "ascending" ? -1 : 1);
    };
    heading.replaceChildren(make("button", { type: "button", onclick: press }, heading.textContent));
  });

  const column = (key, shown) => {
    for (const cell of table.querySelectorAll(`[data-key="${key}"]`)) cell.classList.toggle("later", !shown);
  };
  const groups = make("div", { class: "groups" });
  for (const group of new Set(headings.slice(1).map((heading) => heading.dataset.group))) {
    const box = make("fieldset", {}, make("legend", {}, words(`group_${group}`)));
    for (const heading of headings.filter((one) => one.dataset.group === group)) {
      const input = make("input", { type: "checkbox", "data-column": heading.dataset.key, checked: !heading.classList.contains("later") });
      input.addEventListener("change", () => column(heading.dataset.key, input.checked));
      box.append(make("label", {}, input, " ", heading.textContent));
    }
    groups.append(box);
  }
  const every = make("button", { type: "button" }, words("all_columns"));
  every.addEventListener("click", () => {
    for (const input of groups.querySelectorAll("input:not(:checked)")) input.click();
  });

  const has = (flag) => lines.some((line) => line.dataset.flags.split(" ").includes(flag));
  const kinds = ["0", "1", "2", "3"].filter((kind) => lines.some((line) => line.dataset.kind === kind));
  const options = [["all", words("show_all")], ...["tied", "front", "incomplete"].filter(has).map((flag) => [flag, words(`show_${flag}`)])];
  options.push(...kinds.map((kind) => [`kind_${kind}`, words(`kind_${kind}`)]));
  controls("results").append(
    search(words("filter"), (text) => { state.text = text; filter(); }),
    select(words("show"), options, "all", (show) => { state.show = show; filter(); }),
    count,
    make("details", { class: "columns" }, make("summary", {}, words("columns")), groups, every),
  );
  filter();
  const accuracy = headings.findIndex((heading) => heading.dataset.key === "accuracy");
  if (accuracy > 0) sort(accuracy, -1);
}
