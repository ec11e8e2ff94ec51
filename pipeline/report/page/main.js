// Routes, and the tables that came with the page.
const pages = [...document.querySelectorAll("[data-page]")];
let visit = 0;

// Colours of the figures (pipeline/tables/figures.py) as the dark theme shows them.
const DARK = { "#ffffff": "#1b1f23", "#111111": "#e6e8ea", "#000000": "#e6e8ea", "#dddddd": "#343a41", "#bbbbbb": "#6a727b",
  "#888888": "#a2abb4", "#0072b2": "#4aa3dd", "#d55e00": "#f0803c" };

async function drawFigures() {
  const theme = document.documentElement.dataset.theme;
  for (const image of document.querySelectorAll("[data-page]:not([hidden]) img[data-figure]")) {
    if (image.dataset.theme === theme) continue;
    image.dataset.theme = theme;
    const open = await chunk(`figure ${image.dataset.figure}`);
    const drawing = await open.blob(open.header, "image/svg+xml").text();
    const shown = theme === "dark" ? drawing.replace(/#[0-9a-f]{6}\b/g, (colour) => DARK[colour] ?? colour) : drawing;
    URL.revokeObjectURL(image.src);
    image.src = URL.createObjectURL(new Blob([shown], { type: "image/svg+xml" }));
  }
}

// The picture, or all pictures of its strip, as large as the window lets them be.
function enlarge(chosen) {
  const dialog = document.getElementById("large");
  const strip = chosen.closest(".strip");
  const shown = [...(strip ?? chosen).querySelectorAll("img, canvas")];
  dialog.querySelector(".large").replaceChildren(...shown.map((it) => {
    if (it.tagName === "IMG") return h("img", { src: it.src, alt: it.alt, class: it.dataset.figure ? "drawing" : null });
    const copy = h("canvas", { width: it.width, height: it.height, role: "img", "aria-label": it.ariaLabel });
    copy.getContext("2d").drawImage(it, 0, 0);
    return copy;
  }));
  dialog.querySelector("p").textContent = chosen.closest("figure").querySelector("figcaption")?.textContent ?? "";
  dialog.showModal();
}

async function show() {
  if (!location.hash.startsWith("#/") && location.hash) return;
  const now = ++visit;
  const [name = "", ...rest] = location.hash.slice(2).split("/").map(decodeURIComponent);
  const page = pages.find((it) => it.dataset.page === name) ?? pages[0];
  let content = null;
  if (name === "data") content = rest.length ? dataSet(...rest) : dataSets();
  if (name === "subset") { content = null; forgetPictures(); content = await subsetPage(...rest); }
  if (now !== visit) return;
  if (content) page.replaceChildren(...content.flat(2).filter((it) => it !== null));
  for (const it of pages) it.hidden = it !== page;
  for (const link of document.querySelectorAll("[data-nav]")) {
    const here = link.dataset.nav === (name === "subset" ? "data" : page.dataset.page);
    if (here) link.setAttribute("aria-current", "page"); else link.removeAttribute("aria-current");
  }
  const title = page.querySelector("h1");
  document.title = `${title.textContent} · zsad report`;
  if (now > 1) { document.getElementById("content").focus({ preventScroll: true }); scrollTo(0, 0); }
  document.body.dataset.shown = location.hash;
  await drawFigures();
}

document.querySelectorAll("table.sortable").forEach(makeSortable);
document.querySelectorAll("input[data-filter]").forEach((input) => {
  makeFilter(input, document.getElementById(input.dataset.filter), document.querySelector(`[data-count="${input.dataset.filter}"]`));
});
document.addEventListener("click", (event) => {
  const chosen = event.target.closest(".zoom");
  const dialog = document.getElementById("large");
  if (chosen) enlarge(chosen);
  else if (dialog.open && (event.target === dialog || event.target.closest("dialog > button"))) dialog.close();
});
document.addEventListener("theme", drawFigures);
addEventListener("hashchange", show);
show();
