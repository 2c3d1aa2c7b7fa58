// How a method looks in every chart, and which of them a reader has hidden.
const methods = {
  hidden: new Set(),
  listeners: [],

  colour: (place) => {
    const colours = theme.dark ? data.looks.dark : data.looks.light;
    return colours[place % colours.length];
  },
  dash: (place) => data.looks.dashes[place % data.looks.dashes.length],
  shape: (place) => data.looks.shapes[place % data.looks.shapes.length],
  show(names) {
    this.hidden = new Set(data.names.filter((name) => !names.has(name)));
    this.listeners.forEach((listen) => listen());
  },
};

const SHAPES = {
  circle: "M15 6a3.6 3.6 0 1 0-7.2 0a3.6 3.6 0 1 0 7.2 0",
  square: "M8.2 2.8h6.4v6.4h-6.4z",
  "triangle-up": "M11.4 2l4 7.4h-8z",
  "triangle-down": "M11.4 10l4-7.4h-8z",
  "triangle-right": "M15.4 6l-7.2 4v-8z",
  diamond: "M11.4 1.6l3.8 4.4l-3.8 4.4l-3.8-4.4z",
  cross: "M10 2h2.8v2.6h2.6v2.8h-2.6v2.6h-2.8v-2.6h-2.6v-2.8h2.6z",
};

/** Line and point of a method as the charts draw them. */
function swatch(place, into) {
  const picture = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const draw = (attributes) => {
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    for (const [name, value] of Object.entries(attributes)) path.setAttribute(name, value);
    picture.append(path);
  };
  picture.setAttribute("viewBox", "0 0 23 12");
  picture.setAttribute("aria-hidden", "true");
  draw({ d: "M0 6H23", stroke: methods.colour(place), "stroke-width": 1.6, "stroke-dasharray": methods.dash(place).join(" "), fill: "none" });
  draw({ d: SHAPES[methods.shape(place)], fill: methods.colour(place) });
  into.replaceChildren(picture);
}

/** Buttons that show and hide methods in the charts; ``drawn`` are the names that have anything to show. */
function legend(drawn) {
  const list = make("ul", { class: "legend", "aria-label": words("methods_shown") });
  const item = (...children) => make("li", {}, ...children);
  for (const name of data.names.filter((one) => drawn.has(one))) {
    const mark = make("span", { class: "swatch" });
    const button = make("button", { type: "button", "data-name": name }, mark, name);
    button.addEventListener("click", () => {
      const shown = new Set(data.names.filter((one) => !methods.hidden.has(one)));
      if (!shown.delete(name)) shown.add(name);
      methods.show(shown);
    });
    list.append(item(button));
  }
  const all = (title, names) => item(make("button", { type: "button", class: "all", onclick: () => methods.show(new Set(names)) }, title));
  list.append(all(words("all"), data.names), all(words("none"), []));
  const update = () => {
    for (const button of list.querySelectorAll("[data-name]")) {
      button.setAttribute("aria-pressed", String(!methods.hidden.has(button.dataset.name)));
      swatch(data.names.indexOf(button.dataset.name), button.querySelector(".swatch"));
    }
  };
  methods.listeners.push(update);
  theme.listeners.push(update);
  update();
  return list;
}

function tableSwatches() {
  const drawn = new Set(Object.values(data.charts).flatMap((chart) => (chart.choices ?? [chart]).flatMap(({ rows }) => unpacked(rows).map((row) => row.name))));
  for (const mark of document.querySelectorAll(".results .swatch")) {
    const place = Number(mark.dataset.method);
    if (drawn.has(data.names[place])) swatch(place, mark);
  }
}
theme.listeners.push(tableSwatches);
