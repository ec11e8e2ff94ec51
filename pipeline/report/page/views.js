// Pages that are made when they are opened: data sets, one data set, one subset with one of its cells.
const METRIC = new Map(INDEX.metrics.map((metric, at) => [metric.name, at]));
const ROLES = [
  ["found", "Found: anomalous images with the highest scores"],
  ["missed", "Missed: anomalous images with the lowest scores"],
  ["alarm", "False alarms: normal images with the highest scores"],
];
const cellsOf = (dataset, subset) => INDEX.cells.filter((cell) => cell.dataset === dataset && (subset === undefined || cell.subset === subset));
const cellTitle = (cell) => INDEX.systems[cell.system].title + (cell.seed === null ? "" : `, seed ${cell.seed}`);
const missing = (text) => [h("h1", {}, "Not found"), h("p", {}, text), h("p", {}, h("a", { href: "#/data" }, "All data sets"))];

function dataSets() {
  const part = (domain) => h("section", { class: "block" }, h("h2", {}, domain[0].toUpperCase() + domain.slice(1)),
    h("ul", { class: "sets" }, INDEX.datasets.filter((it) => it.domain === domain).map((it) => h("li", {},
      h("a", { href: route("data", it.name) }, it.title), " ",
      h("span", { class: "quiet" }, `${it.subsets.length} subset${it.subsets.length === 1 ? "" : "s"}${it.masks ? "" : ", no masks"}`)))));
  return [h("h1", {}, "Data sets"), [...new Set(INDEX.datasets.map((it) => it.domain))].map(part)];
}

// Mean over the seeds of a system on a subset: null where a seed has no number.
function seedMean(cells, metric) {
  const values = cells.map((cell) => cell.values?.[metric] ?? null);
  return values.length && !values.includes(null) ? values.reduce((a, b) => a + b, 0) / values.length : null;
}

function dataSet(name, metricName) {
  const at = INDEX.datasets.findIndex((it) => it.name === name);
  if (at < 0) return missing(`This report has no data set ${name}.`);
  const set = INDEX.datasets[at];
  const metric = METRIC.get(metricName) ?? set.metrics[0];
  const cells = cellsOf(at);
  const systems = [...new Set(cells.map((cell) => cell.system))].sort((a, b) => a - b);
  const columns = [];
  const rows = set.subsets.map((subset, place) => {
    const means = systems.map((system) => seedMean(cells.filter((cell) => cell.subset === place && cell.system === system), metric));
    columns.push(means);
    const rank = ranks(means);
    return { label: h("a", { href: route("subset", name, subset) }, subset), cells: systems.map((system, column) => {
      const own = cells.find((cell) => cell.subset === place && cell.system === system);
      return { sort: means[column], text: means[column] === null ? "-" : percent(means[column]), rank: rank[column],
        title: own?.error, link: own ? route("subset", name, subset, own.id) : null };
    }) };
  });
  if (rows.length > 1) {
    const means = systems.map((_, column) => columns.map((row) => row[column]));
    const plain = means.map((column) => (column.includes(null) ? null : column.reduce((a, b) => a + b, 0) / column.length));
    const rank = ranks(plain);
    rows.push({ label: "Mean", last: true, cells: plain.map((value, column) => ({ sort: value, text: value === null ? "-" : percent(value), rank: rank[column] })) });
  }
  const choice = h("select", { id: "metric" }, set.metrics.map((it) => h("option", { value: INDEX.metrics[it].name, selected: it === metric }, INDEX.metrics[it].title)));
  choice.addEventListener("change", () => { location.hash = route("data", name, choice.value); });
  return [h("p", { class: "crumbs" }, h("a", { href: "#/data" }, "Data sets")), h("h1", {}, `${set.title}: ${INDEX.metrics[metric].title}`),
    h("p", { class: "tools" }, h("label", {}, "Metric ", choice)),
    sortableTable({ name: `${set.title} by subset`, label: "Subset", columns: systems.map((system) => INDEX.systems[system].title), rows }),
    h("p", { class: "legend" }, "Percent, mean over seeds. A number opens its subset, with images, heatmaps and provenance.")];
}

function metricsTable(set, subset, cells, current) {
  const shown = set.metrics;
  const rank = shown.map((metric) => ranks(cells.map((cell) => cell.values?.[metric] ?? null)));
  const rows = cells.map((cell, place) => ({
    label: h("a", { href: route("subset", set.name, subset, cell.id), "aria-current": cell === current ? "true" : null }, cellTitle(cell)),
    current: cell === current,
    cells: shown.map((metric, column) => {
      const value = cell.values?.[metric] ?? null;
      return { sort: value, text: value === null ? "-" : percent(value), rank: rank[column][place], title: cell.error };
    }),
  }));
  return sortableTable({ name: "Methods on this subset", label: "Method", columns: shown.map((metric) => INDEX.metrics[metric].title), rows });
}

function comparison(open, set, subset, cells) {
  const shown = cells.flatMap((cell) => (open.header.cells[cell.id]?.examples ?? []).filter((it) => it.reference).map((it) => [cell, it]));
  if (!shown.length) return null;
  const image = open.header.images[shown[0][1].image];
  return h("section", { class: "block" }, h("h2", {}, "The same image, method by method"),
    h("div", { class: "compare" },
      image.photo ? h("figure", {}, zoom(picture(open.blob(image.photo, "image/webp"), `photo ${image.name}`)), h("figcaption", {}, "image")) : null,
      image.mask ? h("figure", {}, zoom(picture(open.blob(image.mask, "image/png"), "mask of the anomaly")), h("figcaption", {}, "mask")) : null,
      shown.map(([cell, it]) => h("figure", {}, zoom(heatmap(open, it, [it.low, it.high])),
        h("figcaption", {}, h("a", { href: route("subset", set.name, subset, cell.id) }, cellTitle(cell)))))),
    h("p", { class: "legend" }, `${image.name}. Chosen by its place in the list, not by any score. Each map has its own scale: colours say where, not how much.`));
}

function exampleFigure(open, example, span) {
  const image = open.header.images[example.image];
  const none = (text) => h("div", { class: "none" }, text);
  return h("figure", {}, h("div", { class: "strip" },
    image.photo ? zoom(picture(open.blob(image.photo, "image/webp"), `photo ${image.name}`)) : none("photo not at hand"),
    image.mask && example.label ? zoom(picture(open.blob(image.mask, "image/png"), "mask of the anomaly")) : none(example.label ? "no mask" : "normal"),
    zoom(heatmap(open, example, span))),
  h("figcaption", {}, h("b", {}, `score ${short(example.score)}`), ` ${image.name}`));
}

function examples(open, found) {
  if (!found.examples.length) return h("p", {}, "This cell kept no examples.");
  const span = [Math.min(...found.examples.map((it) => it.low)), Math.max(...found.examples.map((it) => it.high))];
  const colours = Array.from({ length: 9 }, (_, at) => { const c = 3 * Math.round((at * 255) / 8); return `rgb(${PALETTE.slice(c, c + 3).join()})`; });
  return [ROLES.map(([role, title]) => {
    const own = found.examples.filter((it) => it.role === role);
    if (role === "missed") own.reverse();
    return own.length ? h("section", { class: "block" }, h("h3", {}, title), h("div", { class: "pictures" }, own.map((it) => exampleFigure(open, it, span)))) : null;
  }), h("div", { class: "bar", style: `background: linear-gradient(90deg, ${colours.join()})` }),
  h("p", { class: "legend" }, `Image, mask, heatmap. One scale for all maps of this cell, from ${short(span[0])} (dark) to ${short(span[1])} (bright).`)];
}

function facts(pairs) {
  return h("dl", { class: "facts" }, pairs.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
}

function cellDetail(open, set, cell) {
  if (cell.error) return h("section", { class: "block" }, h("h2", {}, cellTitle(cell)), h("p", { class: "error" }, `No numbers: ${cell.error}`));
  const found = open?.header.cells[cell.id];
  const numbers = set.metrics.map((metric) => [INDEX.metrics[metric].title, interval(cell.values[metric], found?.intervals?.[INDEX.metrics[metric].name])]);
  const known = found ? [...Object.entries(found.facts), ...Object.entries(found.digests)] : [];
  const provenance = known.map(([name, value]) => [name, typeof value === "number" ? String(Number(value.toFixed(4))) : h("code", {}, value)]);
  return h("section", { class: "block", id: "cell" }, h("h2", {}, cellTitle(cell)),
    h("div", { class: "split" }, h("div", {}, h("h3", {}, "Metrics"), facts(numbers)),
      found?.histogram ? h("div", {}, h("h3", {}, "Image scores"), histogram(found.histogram)) : null),
    found ? examples(open, found) : null,
    h("h3", {}, "Provenance"), facts(provenance));
}

function interval(value, ends) {
  if (value === null) return "undefined";
  return percent(value) + (ends ? ` (95 % interval ${percent(ends[0])} to ${percent(ends[1])})` : "");
}

function pager(set, place) {
  const link = (at, text) => (set.subsets[at] === undefined ? h("span", {}) : h("a", { href: route("subset", set.name, set.subsets[at]) }, text(set.subsets[at])));
  return h("nav", { class: "pager", "aria-label": "Subsets" }, link(place - 1, (name) => `← ${name}`), link(place + 1, (name) => `${name} →`));
}

async function subsetPage(name, subset, id) {
  const at = INDEX.datasets.findIndex((it) => it.name === name);
  const place = at < 0 ? -1 : INDEX.datasets[at].subsets.indexOf(subset);
  if (place < 0) return missing(`This report has no subset ${name}/${subset}.`);
  const set = INDEX.datasets[at];
  const cells = cellsOf(at, place).sort((a, b) => a.system - b.system || (a.seed ?? -1) - (b.seed ?? -1));
  const current = cells.find((cell) => cell.id === id) ?? cells.findLast((cell) => !INDEX.systems[cell.system].name.includes("[")) ?? cells.at(-1);
  const open = await chunk(`${name}/${subset}`);
  const counts = cells.find((cell) => cell.images)?.images;
  return [h("p", { class: "crumbs" }, h("a", { href: "#/data" }, "Data sets"), " / ", h("a", { href: route("data", name) }, set.title)),
    h("h1", {}, set.title === subset ? subset : `${set.title}: ${subset}`),
    counts ? h("p", { class: "quiet" }, `${counts[0]} normal and ${counts[1]} anomalous images.`) : null,
    h("section", { class: "block" }, metricsTable(set, subset, cells, current)),
    open ? comparison(open, set, subset, cells) : null,
    current ? cellDetail(open, set, current) : h("p", {}, "Nothing was run on this subset."),
    pager(set, place)];
}
