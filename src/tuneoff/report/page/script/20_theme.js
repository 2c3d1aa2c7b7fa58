// Light or dark: the system's, until a reader chooses. Whoever draws in colours listens.
const theme = {
  button: document.getElementById("theme"),
  system: matchMedia("(prefers-color-scheme: dark)"),
  chosen: null,
  listeners: [],

  get dark() {
    return (this.chosen ?? (this.system.matches ? "dark" : "light")) === "dark";
  },
  apply() {
    document.documentElement.style.colorScheme = this.chosen ?? "";
    this.button.setAttribute("aria-pressed", String(this.dark));
    this.listeners.forEach((listen) => listen());
  },
  /** What a custom property is at this moment, as a plain colour. */
  colour(name) {
    const probe = make("span");
    probe.style.color = `var(--${name})`;
    document.body.append(probe);
    const { color } = getComputedStyle(probe);
    probe.remove();
    return color;
  },
  stored(value) {
    // A browser may refuse storage to a local file; the choice then holds until the page is left.
    try {
      if (value === undefined) return localStorage.getItem("tuneoff-theme");
      localStorage.setItem("tuneoff-theme", value);
    } catch (error) {
      if (!(error instanceof DOMException)) throw error;
    }
    return null;
  },
};

theme.chosen = ["light", "dark"].find((one) => one === theme.stored()) ?? null;
theme.button.hidden = false;
theme.button.addEventListener("click", () => {
  theme.chosen = theme.dark ? "light" : "dark";
  theme.stored(theme.chosen);
  theme.apply();
});
theme.system.addEventListener("change", () => theme.apply());
