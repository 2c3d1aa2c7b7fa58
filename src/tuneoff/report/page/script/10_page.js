// What the parts share: the data, the words, and small ways to build elements. Text only ever becomes a text node.
const data = JSON.parse(document.getElementById("payload").textContent);

const words = (key, facts = {}) => data.words[key].replace(/\{(\w+)\}/g, (_, name) => String(facts[name]));

/** An element with attributes, listeners ("onclick") and children; strings become text. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

const controls = (name) => document.querySelector(`[data-controls="${name}"]`);

/** Rows whose keys are written once. */
const unpacked = ({ fields, values }) => values.map((row) => Object.fromEntries(row.map((value, place) => [fields[place], value])));

/** Radio buttons that look like one switch; the arrow keys move in it. */
function choice(title, options, chosen, onchange) {
  const name = `choice-${choice.count++}`;
  const box = make("div", { class: "choice" });
  for (const [value, text] of options) {
    const input = make("input", { type: "radio", name, value, checked: value === chosen, onchange: () => onchange(value) });
    box.append(make("label", {}, input, text));
  }
  return make("fieldset", {}, make("legend", {}, title), box);
}
choice.count = 0;

const labelled = (title, field) => make("div", { class: "field" }, make("label", { for: field.id }, title), field);
labelled.count = 0;

function select(title, options, chosen, onchange) {
  const field = make("select", { id: `field-${labelled.count++}`, onchange: () => onchange(field.value) });
  for (const [value, text] of options) field.append(make("option", { value, selected: value === chosen }, text));
  return labelled(title, field);
}

function search(title, oninput) {
  const field = make("input", { id: `field-${labelled.count++}`, type: "search", autocomplete: "off", spellcheck: "false", oninput: () => oninput(field.value.trim().toLowerCase()) });
  return labelled(title, field);
}
