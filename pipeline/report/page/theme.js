// Light, dark, or as the system has it; remembered where a page may remember.
const themes = ["system", "light", "dark"];
const dark = matchMedia("(prefers-color-scheme: dark)");
const remembered = { get: () => { try { return localStorage.getItem("zsad-theme"); } catch { return null; } },
  set: (value) => { try { localStorage.setItem("zsad-theme", value); } catch { /* a page from disk may have no storage */ } } };
let theme = themes.includes(remembered.get()) ? remembered.get() : "system";

function applyTheme() {
  document.documentElement.dataset.theme = theme === "system" ? (dark.matches ? "dark" : "light") : theme;
  document.getElementById("theme").textContent = `Theme: ${theme}`;
  document.dispatchEvent(new Event("theme"));
}

document.getElementById("theme").addEventListener("click", () => {
  theme = themes[(themes.indexOf(theme) + 1) % themes.length];
  remembered.set(theme);
  applyTheme();
});
dark.addEventListener("change", applyTheme);
applyTheme();
