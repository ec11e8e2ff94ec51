// Routes, and the tables that came with the page.
const pages = [...document.querySelectorAll("[data-page]")];
let visit = 0;

async function drawFigures(page) {
  for (const image of page.querySelectorAll("img[data-figure]:not([src])")) {
    const open = await chunk(`figure ${image.dataset.figure}`);
    image.src = URL.createObjectURL(open.blob(open.header, "image/svg+xml"));
  }
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
  await drawFigures(page);
}

document.querySelectorAll("table.sortable").forEach(makeSortable);
document.querySelectorAll("input[data-filter]").forEach((input) => {
  makeFilter(input, document.getElementById(input.dataset.filter), document.querySelector(`[data-count="${input.dataset.filter}"]`));
});
addEventListener("hashchange", show);
show();
