// One method's confusions: a matrix where it can be read, else its most frequent mistakes.
if (data.classes.methods.length) {
  const MOST_CLASSES = 20;
  const MOST_MISTAKES = 30;
  const { labels, methods: found } = data.classes;
  const place = document.getElementById("confusion");
  const percent = (share) => `${(100 * share).toFixed(share < 0.0995 && share > 0 ? 1 : 0)} %`;

  const matrix = ({ totals, cells }) => {
    const counts = labels.map(() => labels.map(() => 0));
    for (const [truth, said, count] of cells) counts[truth][said] = count;
    const head = make("tr", {}, make("th", { scope: "col" }, `${words("true")} ↓\n${words("answered")} →`));
    head.append(...labels.map((label) => make("th", { scope: "col" }, label)));
    const lines = labels.map((label, truth) => {
      const line = make("tr", {}, make("th", { scope: "row" }, label));
      labels.forEach((_, said) => {
        const share = totals[truth] ? counts[truth][said] / totals[truth] : 0;
        const cell = make("td", { class: truth === said ? "same" : null }, percent(share), make("small", {}, String(counts[truth][said])));
        cell.style.setProperty("--share", share.toFixed(3));
        line.append(cell);
      });
      return line;
    });
    return make("table", { class: "matrix" }, make("thead", {}, head), make("tbody", {}, ...lines));
  };

  const mistakes = ({ totals, cells }) => {
    const titles = [words("true"), words("answered"), words("count"), words("share")];
    const head = make("tr", {}, ...titles.map((title, at) => make("th", { scope: "col", class: at > 1 ? "number" : null }, title)));
    const lines = cells.filter(([truth, said]) => truth !== said).slice(0, MOST_MISTAKES).map(([truth, said, count]) => make(
      "tr", {}, make("th", { scope: "row" }, labels[truth]), make("td", {}, labels[said]),
      make("td", { class: "number" }, String(count)), make("td", { class: "number" }, percent(count / totals[truth])),
    ));
    return make("table", {}, make("thead", {}, head), make("tbody", {}, ...lines));
  };

  const byClass = ({ f1 }) => {
    const order = labels.map((_, at) => at).sort((one, other) => f1[one] - f1[other]);
    const head = make("tr", {}, make("th", { scope: "col" }, words("true")), make("th", { scope: "col", class: "number" }, words("f1")));
    const lines = order.map((at) => make("tr", {}, make("th", { scope: "row" }, labels[at]), make("td", { class: "number" }, f1[at].toFixed(3))));
    return make("table", {}, make("thead", {}, head), make("tbody", {}, ...lines));
  };

  const show = (at) => {
    const method = found[at];
    const tables = labels.length <= MOST_CLASSES ? [matrix(method)] : [mistakes(method), byClass(method)];
    tables.forEach((table) => table.prepend(make("caption", { class: "hidden" }, data.names[method.name])));
    place.replaceChildren(...tables);
  };
  const best = Math.max(0, found.findIndex(({ name }) => document.querySelector(`.results tbody tr:first-child .swatch`)?.dataset.method === String(name)));
  controls("confusion").append(
    select(words("method"), found.map(({ name }, at) => [String(at), data.names[name]]), String(best), (at) => show(Number(at))),
  );
  show(best);
}
