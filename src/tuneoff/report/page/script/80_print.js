// On paper everything is drawn and unfolded, in light colours; afterwards the page is as it was.
{
  let before = null;
  addEventListener("beforeprint", () => {
    before = { chosen: theme.chosen, closed: [...document.querySelectorAll("main details:not([open])")].filter((one) => !one.classList.contains("columns")) };
    before.closed.forEach((one) => { one.open = true; });
    figures.forEach((one) => { one.seen = true; });
    theme.chosen = "light";
    theme.apply();
  });
  addEventListener("afterprint", () => {
    if (!before) return;
    before.closed.forEach((one) => { one.open = false; });
    theme.chosen = before.chosen;
    before = null;
    theme.apply();
  });
}
theme.apply();
