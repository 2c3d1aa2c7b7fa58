// Test rows on which methods disagree: their text, and who answered what.
if (data.disputed?.count) {
  const PAGE = 10;
  const { labels } = data.classes;
  const { methods: asked, seeds, rows } = data.disputed;
  const place = document.getElementById("rows");
  const state = { text: "", truth: "", right: "", wrong: "", shown: PAGE };
  const found = make("output", { class: "count", "aria-live": "polite" });
  const isRight = (row, method) => row[3][method] === row[2];

  const wanted = (row) =>
    row[1].some((text) => text.toLowerCase().includes(state.text)) &&
    (state.truth === "" || row[2] === Number(state.truth)) &&
    (state.right === "" || isRight(row, Number(state.right))) &&
    (state.wrong === "" || !isRight(row, Number(state.wrong)));

  const told = ([number, texts, truth, answers, right]) => {
    const list = make("dl");
    const said = [...new Set(answers)].sort((one, other) => Number(other === truth) - Number(one === truth) || one - other);
    for (const answer of said) {
      const who = answers.flatMap((given, method) => (given === answer ? [method] : []));
      const names = who.map((method) => {
        const part = seeds[method] > 1 && right[method] > 0 && right[method] < seeds[method];
        return data.names[asked[method]] + (part ? ` (${words("seeds", { right: right[method], seeds: seeds[method] })})` : "");
      });
      list.append(make("dt", { class: answer === truth ? "right" : "wrong" }, labels[answer]), make("dd", { class: answer === truth ? "right" : null }, names.join(", ")));
    }
    const place = make("p", { class: "place" }, `${number} · ${words("true")}: `, make("b", {}, labels[truth]));
    return make("article", { class: "row" }, place, make("p", { class: "text" }, texts.join("\n")), list);
  };

  const show = () => {
    const chosen = rows.filter(wanted);
    found.textContent = words("found", { found: chosen.length });
    place.replaceChildren(...chosen.slice(0, state.shown).map(told));
    if (chosen.length > state.shown) {
      const more = make("button", { type: "button" }, words("more"));
      more.addEventListener("click", () => {
        const first = state.shown;
        state.shown += PAGE;
        show();
        const next = place.children[first];
        next.tabIndex = -1;
        next.focus({ preventScroll: true });
      });
      place.append(more);
    }
  };

  const change = (key) => (value) => {
    state[key] = value;
    state.shown = PAGE;
    show();
  };
  const any = ["", words("any")];
  const who = [any, ...asked.map((name, at) => [String(at), data.names[name]])];
  const truths = [...new Set(rows.map((row) => row[2]))].sort((one, other) => one - other);
  controls("disputed").append(
    search(words("search"), change("text")),
    select(words("true"), [any, ...truths.map((at) => [String(at), labels[at]])], "", change("truth")),
    select(words("right"), who, "", change("right")),
    select(words("wrong"), who, "", change("wrong")),
    found,
  );
  show();
}
