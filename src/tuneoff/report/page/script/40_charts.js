// Vega-Lite charts in the page's own looks. Expressions are interpreted, never compiled: the page's policy forbids eval.
const tip = document.getElementById("tip");

function pointedAt(_, event, item, value) {
  if (!value) {
    tip.hidden = true;
    return;
  }
  const list = make("dl");
  for (const [title, text] of Object.entries(value)) list.append(make("dt", {}, title), make("dd", {}, String(text)));
  tip.replaceChildren(list);
  tip.hidden = false;
  const { width, height } = tip.getBoundingClientRect();
  tip.style.left = `${Math.max(4, Math.min(event.clientX + 14, innerWidth - width - 8))}px`;
  tip.style.top = `${Math.max(4, event.clientY + 18 + height > innerHeight ? event.clientY - height - 12 : event.clientY + 18)}px`;
}

function looks(small) {
  const ink = theme.colour("ink");
  const soft = theme.colour("soft");
  const font = getComputedStyle(document.body).fontFamily;
  const labelFontSize = small ? 10.5 : 12;
  return {
    font,
    background: "transparent",
    aria: false,
    range: { category: theme.dark ? data.looks.dark : data.looks.light },
    axis: {
      grid: true, gridColor: theme.colour("line"), gridOpacity: 0.55, domainColor: soft, tickColor: soft,
      labelColor: soft, titleColor: ink, labelFontSize, titleFontSize: small ? 11.5 : 12.5, titleFontWeight: 500, titlePadding: 10, labelPadding: 5,
    },
    legend: { labelColor: ink, titleColor: soft, labelFontSize, orient: "top", direction: "horizontal", symbolOpacity: 1 },
    view: { stroke: null },
  };
}

/** A mark that writes names beside points where there is room, which Vega-Lite does not have (Kittivorawong et al. 2020). */
const beside = (layer, font, small) => ({
  type: "text",
  from: { data: `${layer}_marks` },
  interactive: false,
  encode: { enter: { text: { field: "datum.name" }, fontSize: { value: small ? 10.5 : 12 }, font: { value: font }, fill: { value: theme.colour("ink") } } },
  transform: [{
    type: "label",
    size: [{ signal: "width" }, { signal: "height" }],
    anchor: ["top-right", "bottom-right", "right", "top-left", "bottom-left", "left", "top", "bottom"],
    offset: [5],
    avoidMarks: [`${layer}_marks`],
  }],
});

/** Draws a definition with rows into a figure, in place of what stood there. */
function draw(figure, definition, rows) {
  const plot = figure.querySelector(".plot");
  const width = Math.max(260, Math.min(plot.clientWidth || 700, 1200));
  const small = width < 560;
  const shown = rows.filter((row) => !methods.hidden.has(row.name));
  const config = looks(small);
  try {
    const own = structuredClone(definition);
    for (const layer of own.layer) {
      // Methods have their legend above the chart.
      for (const [channel, encoding] of Object.entries(layer.encoding)) {
        if (encoding.field === "name" && channel !== "tooltip") encoding.legend = null;
      }
    }
    const { spec } = charts.compile({
      ...own, config, data: { values: shown }, width, height: small ? 270 : 380, padding: 4, autosize: { type: "fit", contains: "padding" },
    });
    const layer = definition.usermeta?.labels;
    if (layer && shown.length) spec.marks.push(beside(layer, config.font, small));
    plot.view?.finalize();
    const view = new charts.View(charts.parse(spec, null, { ast: true }), { expr: charts.expressionInterpreter, renderer: "svg" });
    plot.view = view.tooltip(pointedAt).initialize(plot).run();
  } catch (error) {
    plot.replaceChildren(make("p", { class: "note" }, words("chart_failed")));
    console.error(error);
  }
}

const figures = [];

/** A chart that is drawn when it comes near the window, and again when anything that it shows changes. */
function figure(key, build) {
  const element = document.querySelector(`[data-chart="${key}"]`);
  if (!element || !data.charts[key]) return;
  const one = { element, seen: false, draw: () => {} };
  one.draw = build(element, data.charts[key], () => one.draw());
  figures.push(one);
}

/** One definition and its own rows for each choice. */
function switched(title) {
  return (element, { choices }, redraw) => {
    const rows = choices.map((one) => unpacked(one.rows));
    let chosen = 0;
    const box = controls(element.dataset.chart);
    if (choices.length > 1) {
      box.append(choice(title, choices.map((one, place) => [String(place), one.title]), "0", (place) => { chosen = Number(place); redraw(); }));
    }
    box.after(legend(new Set(rows.flat().map((row) => row.name))));
    return () => draw(element, choices[chosen].chart, rows[chosen]);
  };
}

figure("trade", switched(words("cost")));
figure("curves", (element, curves, redraw) => {
  const rows = unpacked(curves.rows);
  let [measure, over] = [curves.measures[0].key, "done"];
  const overs = ["done", "step", "epoch", "seconds"].map((key) => [key, words(`over_${key}`)]);
  controls("curves").append(
    choice(words("measure"), curves.measures.map(({ key, title }) => [key, title]), measure, (key) => { measure = key; redraw(); }),
    choice(words("over"), overs, over, (key) => { over = key; redraw(); }),
  );
  controls("curves").after(legend(new Set(rows.map((row) => row.name))));
  return () => draw(element, curves.charts[measure][over], rows);
});
figure("rates", switched(""));
figure("forecast", switched(words("quantity")));

const redrawn = () => figures.filter((one) => one.seen).forEach((one) => one.draw());
const near = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    const one = figures.find(({ element }) => element === target);
    if (isIntersecting && !one.seen) {
      one.seen = true;
      one.draw();
    }
  }
}, { rootMargin: "600px" });
figures.forEach(({ element }) => near.observe(element));
theme.listeners.push(redrawn);
methods.listeners.push(redrawn);

let lastWidth = innerWidth;
let waiting = 0;
addEventListener("resize", () => {
  clearTimeout(waiting);
  waiting = setTimeout(() => {
    if (innerWidth !== lastWidth) redrawn();
    lastWidth = innerWidth;
  }, 150);
});
