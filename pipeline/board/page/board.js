// The pages of the board. Rows that are ranked share a profile, a track and a protocol; what tunes nothing is in every protocol.
const INDEX = JSON.parse(document.getElementById("index").textContent);
const METRIC = new Map(INDEX.metrics.map((it) => [it.name, it.title]));
const DATASET = new Map(INDEX.datasets.map((it) => [it.name, it]));
const METHOD = new Map(INDEX.methods.map((it) => [it.name, it]));
const PLACE = new Map(INDEX.numbers.map((it, at) => [it, at]));
const ENTRY = new Map(INDEX.entries.map((it) => [it.name, it]));
const unique = (values) => [...new Set(values)];
const PROTOCOLS = unique(INDEX.numbers.map((it) => it.protocol ?? "not said")).filter((it) => it !== "none");
const chosen = { metric: "pixel_auroc", domain: "all", track: "main", protocol: PROTOCOLS[0] ?? "none",
  profile: unique(INDEX.entries.map((it) => it.profile)).sort((a, b) => (b === "paper") - (a === "paper"))[0] };
const systemOf = (it) => (it.variant ? `${it.method}[${it.variant}]` : it.method);
const inTrack = (it) => (it.track ?? "main") === chosen.track && it.profile === chosen.profile;
const inProtocol = (it) => [chosen.protocol, "none"].includes(it.protocol ?? "not said");
const meanOf = (values) => (values.length && !values.includes(null) ? values.reduce((a, b) => a + b, 0) / values.length : null);
const crumbs = (name, title) => h("p", { class: "crumbs" }, h("a", { href: route(name) }, title));
const facts = (pairs) => h("dl", { class: "facts" }, pairs.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value ?? "not said"))));
const list = (title, lines) => (lines.length ? h("section", { class: "block" }, h("h2", {}, title), h("ul", {}, lines.map((it) => h("li", {}, it)))) : null);
const none = (text) => [h("h1", {}, "Not found"), h("p", {}, text)];

function choice(key, title, options) {
  const select = h("select", { id: key }, options.map(([value, text]) => h("option", { value, selected: value === chosen[key] }, text)));
  select.addEventListener("change", () => { chosen[key] = select.value; show(); document.getElementById(key).focus(); });
  return h("label", {}, `${title} `, select);
}

function choices(keys) {
  const all = {
    metric: ["Metric", INDEX.metrics.map((it) => [it.name, it.title])],
    domain: ["Domain", ["all", ...unique(INDEX.datasets.map((it) => it.domain))].map((it) => [it, it])],
    track: ["Track", unique(["main", ...INDEX.numbers.map((it) => it.track ?? "main")]).map((it) => [it, it])],
    protocol: ["Protocol", (PROTOCOLS.length ? PROTOCOLS : ["none"]).map((it) => [it, it])],
    profile: ["Profile", unique(INDEX.entries.map((it) => it.profile)).map((it) => [it, it])],
  };
  return h("p", { class: "tools" }, keys.map((key) => choice(key, ...all[key])));
}

function cell(number, rank) {
  if (!number || number.value === null) return { sort: null, text: "-" };
  const ends = number.low === null ? "no interval" : `95 % interval ${percent(number.low)} to ${percent(number.high)}`;
  return { sort: number.value, text: percent(number.value), rank, title: ends, link: route("number", PLACE.get(number)) };
}

const flags = (it) => [`tuned by ${it.protocol ?? "?"}`, `build ${it.build_name ?? "?"}`, `epoch ${it.epochs_rule ?? "?"}`, `chosen on the target: ${it.chosen_on_target ?? "?"}`].join(", ");
const publishedFor = (own, dataset, metric) => INDEX.published.find((it) => it.method === own.method && it.variant === own.variant && it.dataset === dataset && it.metric === metric);

function publishedCell(own, dataset, metric) {
  const told = publishedFor(own, dataset, metric);
  if (!told) return { sort: null, text: "-" };
  return { sort: told.percent, text: told.percent.toFixed(1), title: `${told.source}; ${flags(told)}`, below: told.chosen_on_target === "no" ? null : `chosen on the target: ${told.chosen_on_target ?? "?"}` };
}

// Systems of the chosen profile, track and protocol, each with its numbers of a metric by data set.
function systems(metric) {
  const found = new Map();
  for (const it of INDEX.numbers.filter((it) => it.metric === metric && inTrack(it) && inProtocol(it))) {
    const key = `${it.entry} ${systemOf(it)}`;
    if (!found.has(key)) found.set(key, { own: it, numbers: new Map() });
    found.get(key).numbers.set(it.dataset, it);
  }
  return [...found.values()];
}

const label = (own) => [h("a", { href: route("method", own.method) }, own.title), " ", h("a", { class: "quiet", href: route("entry", own.entry) }, own.entry)];

function boardPage() {
  const metric = chosen.metric;
  // A suite beside the paper's (suite/domain) has means of its own: all are those of the paper's.
  const inDomain = (it) => (chosen.domain === "all" ? !it.domain.includes("/") : it.domain === chosen.domain);
  const sets = INDEX.datasets.filter((it) => it.metrics.includes(metric) && inDomain(it));
  const found = systems(metric);
  const means = found.map(({ numbers }) => meanOf(sets.map((it) => numbers.get(it.name)?.value ?? null)));
  const meanRank = ranks(means);
  const rank = new Map(sets.map((it) => [it.name, ranks(found.map(({ numbers }) => numbers.get(it.name)?.value ?? null))]));
  const paper = chosen.profile === "paper";
  const rows = found.map(({ own, numbers }, at) => ({ label: label(own), cells: [
    { sort: means[at], text: means[at] === null ? "-" : percent(means[at]), rank: meanRank[at] },
    sets.flatMap((it) => [cell(numbers.get(it.name), rank.get(it.name)[at]), ...(paper ? [publishedCell(own, it.name, metric)] : [])]),
  ].flat() }));
  const columns = ["Mean", ...sets.flatMap((it) => [it.title, ...(paper ? [`${it.title}, published`] : [])])];
  return [h("h1", {}, `Zero-shot anomaly detection: ${METRIC.get(metric)}`),
    choices(["metric", "domain", "track", "protocol", "profile"]),
    rows.length ? sortableTable({ name: "board", label: "Method", columns, rows }) : h("p", {}, "No entry has this metric under these choices."),
    h("p", { class: "legend" }, "Percent. ", h("b", {}, "Bold"), ": best; ", h("i", {}, "italics"), ": second best, among rows of one profile, track and protocol; what tunes nothing is in every protocol. ",
      "A number opens its rows and provenance; resting on it shows its interval. The mean is over all data sets shown, or there is none. Published numbers stand in columns of their own, beside runs of the paper's profile only.")];
}

function metricsTable(name, first, found, metrics, titleOf) {
  const groups = new Map();
  for (const it of found) {
    const key = [it.entry, systemOf(it), it.dataset].join(" ");
    if (!groups.has(key)) groups.set(key, []);
    groups.get(key).push(it);
  }
  const rows = [...groups.values()].map((own) => ({ label: titleOf(own[0]), cells: metrics.map((metric) => cell(own.find((it) => it.metric === metric), 0)) }));
  if (!rows.length) return h("p", {}, "No numbers under these choices.");
  return h("section", { class: "block" }, sortableTable({ name, label: first, columns: metrics.map((it) => METRIC.get(it)), rows }));
}

function publishedTable(found) {
  if (!found.length) return null;
  const metrics = unique(found.map((it) => it.metric));
  const keys = unique(found.map((it) => JSON.stringify([it.method, it.variant, it.dataset, it.source])));
  const rows = keys.map((key) => {
    const [, variant, , source] = JSON.parse(key);
    const own = found.filter((it) => JSON.stringify([it.method, it.variant, it.dataset, it.source]) === key);
    return { label: own[0].title + (variant ? ` (${variant})` : ""), cells: [
      ...metrics.map((metric) => { const it = own.find((one) => one.metric === metric); return { sort: it?.percent ?? null, text: it ? it.percent.toFixed(1) : "-" }; }),
      { text: `${source}; ${flags(own[0])}`, title: own[0].shown_by || "no file shows it", sort: "" }] };
  });
  return h("section", { class: "block" }, h("h2", {}, "Published"), sortableTable({ name: "published", label: "Method, data set", columns: [...metrics.map((it) => METRIC.get(it)), "source and flags"], rows }),
    h("p", { class: "legend" }, "As printed, on the published data sets; never ranked with what was measured here."));
}

function dataPage(name) {
  if (name === undefined) return [h("h1", {}, "Data sets"), unique(INDEX.datasets.map((it) => it.domain)).map((domain) => list(domain,
    INDEX.datasets.filter((it) => it.domain === domain).map((it) => [h("a", { href: route("data", it.name) }, it.title), ` ${it.full}`])))];
  const set = DATASET.get(name);
  if (!set) return none(`This board has no data set ${name}.`);
  const found = INDEX.numbers.filter((it) => it.dataset === name && inTrack(it) && inProtocol(it));
  return [crumbs("data", "Data sets"), h("h1", {}, set.title),
    facts([["Full name", set.full], ["Modality", set.modality], ["Subsets", set.subsets.join(", ")], ["Builds (normal/anomalous)", set.builds.join("; ")], ["Licence", set.licence]]),
    choices(["track", "protocol", "profile"]), metricsTable("measured", "Method", found, set.metrics, label),
    publishedTable(INDEX.published.filter((it) => it.dataset === name)), list("What to know of its files", set.quirks), list("Not confirmed", set.unconfirmed)];
}

function methodPage(name) {
  const method = METHOD.get(name);
  if (!method) return none(`This board has no method ${name}.`);
  const found = INDEX.numbers.filter((it) => it.method === name && inTrack(it) && inProtocol(it));
  const titleOf = (it) => [h("a", { href: route("data", it.dataset) }, DATASET.get(it.dataset).title), ` ${it.variant ? `(${it.variant}) ` : ""}`, h("span", { class: "quiet" }, it.entry)];
  return [crumbs("methods", "Methods"), h("h1", {}, method.title), h("p", {}, method.about),
    facts([["Name", method.name], ["Tuned on an auxiliary set", method.learnt === null ? null : method.learnt ? "yes" : "no"]]),
    choices(["track", "protocol", "profile"]), metricsTable("measured", "Data set", found, INDEX.metrics.map((it) => it.name), titleOf),
    publishedTable(INDEX.published.filter((it) => it.method === name))];
}

const methodsPage = () => [h("h1", {}, "Methods"), h("ul", {}, INDEX.methods.map((it) => h("li", {}, h("a", { href: route("method", it.name) }, it.title), ` ${it.about}`)))];

function entryPage(name) {
  const it = ENTRY.get(name);
  if (!it) return none(`This board has no entry ${name}.`);
  return [crumbs("entries", "Entries"), h("h1", {}, it.name), facts([["Profile", it.profile], ["Release", it.release], ["Revision", it.revision], ["Protocols", it.protocols.join(", ")], ["Cells", String(it.cells)],
    ["Checked", "rows, scores and tables agree (zsad verify); a forgery that agrees in all of them is not seen"]])];
}

const entriesPage = () => [h("h1", {}, "Entries"), h("ul", {}, INDEX.entries.map((it) => h("li", {}, h("a", { href: route("entry", it.name) }, it.name), ` ${it.profile} profile, release ${it.release}, ${it.cells} cells`)))];

function numberPage(at) {
  const it = INDEX.numbers[Number(at)];
  if (!it) return none("This board has no such number.");
  const own = INDEX.rows.filter((row) => ["entry", "dataset", "method", "variant"].every((key) => row[key] === it[key]));
  const rows = own.map((row) => {
    const ends = row.ends[it.metric];
    const value = row.values[it.metric] ?? null;
    return { label: row.subset + (row.seed === null ? "" : `, seed ${row.seed}`), cells: [
      { sort: value, text: value === null ? "-" : percent(value) },
      { sort: ends?.[0] ?? null, text: ends ? `${percent(ends[0])} to ${percent(ends[1])}` : "-" },
      { sort: row.images[0], text: row.images.map((n) => n ?? "?").join(" / ") }, { sort: "", text: row.auxiliary ?? "none" },
      ...Object.values(row.digests).map((digest) => ({ sort: "", text: (digest ?? "-").slice(0, 12), title: digest }))] };
  });
  const ends = it.low === null ? "no interval" : `95 % interval ${percent(it.low)} to ${percent(it.high)}`;
  return [crumbs("", "Board"), h("h1", {}, `${it.title} on ${DATASET.get(it.dataset).title}: ${METRIC.get(it.metric)}`),
    facts([["Value", it.value === null ? "none" : `${percent(it.value)} (${ends})`], ["Entry", h("a", { href: route("entry", it.entry) }, it.entry)], ["Method", h("a", { href: route("method", it.method) }, systemOf(it))],
      ["Data set", h("a", { href: route("data", it.dataset) }, it.dataset)], ["Track", it.track], ["Protocol", it.protocol], ["Build", it.build_name], ["Epoch", it.epochs_rule], ["Chosen on the target", it.chosen_on_target], ["Shown by", it.shown_by]]),
    h("section", { class: "block" }, h("h2", {}, "Rows"), sortableTable({ name: "rows", label: "Subset", columns: ["value", "95 % interval", "normal / anomalous", "tuned on", "build", "weights", "settings", "code", "key"], rows })),
    h("p", { class: "legend" }, "Plain mean over the subsets and seeds. Digests are shortened; resting on one shows it whole.")];
}

const PAGES = { "": boardPage, data: dataPage, methods: methodsPage, method: methodPage, entries: entriesPage, entry: entryPage, number: numberPage };
const PARENT = { method: "methods", entry: "entries", number: "" };

function show() {
  if (location.hash && !location.hash.startsWith("#/")) return;
  let parts;
  try { parts = location.hash.slice(2).split("/").map(decodeURIComponent); } catch { parts = [""]; }
  const [name = "", ...rest] = parts;
  const page = Object.hasOwn(PAGES, name) ? PAGES[name] : PAGES[""];
  const main = document.getElementById("content");
  main.replaceChildren(...page(...rest.filter((it) => it !== "")).flat(2).filter((it) => it !== null && it !== undefined));
  for (const link of document.querySelectorAll("[data-nav]")) {
    if (link.dataset.nav === (PARENT[name] ?? name)) link.setAttribute("aria-current", "page"); else link.removeAttribute("aria-current");
  }
  document.title = `${main.querySelector("h1").textContent} · zsad board`;
  document.body.dataset.shown = location.hash;
}
addEventListener("hashchange", () => { show(); scrollTo(0, 0); });
show();
