// Refreshes the report while a study runs: asks every two seconds, draws what is at work, loads the page again when it was rewritten.
// Texts come as data and are set as text, never as markup.
"use strict";
(() => {
  const SECONDS = 2, WIDTH = 260, HEIGHT = 70, SVG = "http://www.w3.org/2000/svg";
  const QUIET_SECONDS = 20; // Nobody who is reading or sorting loses their place.
  let version, touched = 0;
  for (const kind of ["pointerdown", "keydown", "wheel", "touchstart"]) {
    addEventListener(kind, () => { touched = Date.now(); }, { passive: true });
  }

  const make = (tag, style = {}, text) => {
    const element = document.createElement(tag);
    Object.assign(element.style, style);
    if (text !== undefined) element.textContent = text;
    return element;
  };

  const panel = make("aside", {
    position: "fixed", right: "12px", bottom: "12px", zIndex: "1000", maxWidth: "300px", maxHeight: "70vh", overflow: "auto",
    padding: "8px 12px", font: "13px system-ui, sans-serif", color: "CanvasText", background: "Canvas",
    border: "1px solid GrayText", borderRadius: "6px",
  });
  panel.id = "tuneoff-live";
  panel.setAttribute("aria-live", "off"); // Numbers that change every two seconds are not to be read out.
  const sheet = new CSSStyleSheet(); // An element would need the page's policy to allow it.
  sheet.replaceSync("@media print { #tuneoff-live { display: none } }");

  const line = (points, key, steps, dash) => {
    const known = points.filter((point) => point[key] !== null);
    if (known.length < 2) return null;
    const values = known.map((point) => point[key]);
    const low = Math.min(...values), span = Math.max(...values) - low || 1;
    const path = document.createElementNS(SVG, "polyline");
    path.setAttribute("points", known.map((point) =>
      `${(WIDTH * point.step / steps).toFixed(1)},${(HEIGHT - 4 - (HEIGHT - 8) * (point[key] - low) / span).toFixed(1)}`).join(" "));
    path.setAttribute("fill", "none");
    path.setAttribute("stroke", "currentColor");
    path.setAttribute("stroke-width", "1.5");
    if (dash) path.setAttribute("stroke-dasharray", dash);
    return path;
  };

  const drawn = (one, words) => {
    const block = make("section", { marginTop: "8px" });
    block.append(make("strong", {}, one.title));
    const steps = one.steps || 1, last = one.points[one.points.length - 1];
    const judged = one.points.filter((point) => point.validation_accuracy !== null).pop();
    let text = one.steps ? `${words.step} ${one.step}/${one.steps}` : words.step + " …";
    if (last) text += ` · ${words.loss} ${last.loss.toFixed(3)}`;
    if (judged) text += ` · ${words.accuracy} ${judged.validation_accuracy.toFixed(3)}`;
    block.append(make("div", {}, text));
    const bar = make("progress", { width: "100%" });
    bar.max = steps;
    bar.value = one.step;
    bar.setAttribute("aria-label", one.title);
    block.append(bar);
    const picture = document.createElementNS(SVG, "svg");
    picture.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
    picture.setAttribute("width", "100%");
    picture.setAttribute("role", "img");
    picture.setAttribute("aria-label", `${words.loss}, ${words.accuracy}`);
    const lines = [line(one.points, "loss", steps, ""), line(one.points, "validation_accuracy", steps, "5 3")].filter(Boolean);
    if (lines.length) {
      picture.append(...lines);
      block.append(picture, make("small", {}, `— ${words.loss}   - - ${words.accuracy}`));
    }
    return block;
  };

  const show = (live) => {
    panel.replaceChildren(make("div", { fontWeight: "600" }, live.running.length ? live.words.running : live.words.idle));
    panel.append(make("div", {}, live.summary), ...live.running.map((one) => drawn(one, live.words)));
    if (version !== undefined && live.version !== version) {
      if (Date.now() - touched > QUIET_SECONDS * 1000) return location.reload();
      const button = make("button", { marginTop: "8px" }, live.words.new);
      button.addEventListener("click", () => location.reload());
      panel.append(button);
    } else {
      version = live.version;
    }
  };

  const ask = async () => {
    try {
      const answer = await fetch("live.json", { cache: "no-store" });
      if (!answer.ok) throw new Error(answer.statusText);
      show(await answer.json());
      panel.style.opacity = "1";
    } catch {
      panel.style.opacity = "0.4"; // The server has ended; what is shown is the last that was known.
    }
    setTimeout(ask, SECONDS * 1000);
  };
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
  document.body.append(panel);
  ask();
})();
