// Sorting and filtering of any table of class "sortable". Rows of class "last" stay below the others.
function columnTitles(table) {
  return [...table.tHead.querySelectorAll("th:not(.group)")];
}

function sortKey(row, column) {
  const cell = row.cells[column];
  return column === 0 ? cell.textContent.trim() : cell.dataset.sort === "" ? null : Number(cell.dataset.sort);
}

function sortBy(table, column) {
  const titles = columnTitles(table);
  const falling = titles[column].getAttribute("aria-sort") === "descending";
  const rising = titles[column].getAttribute("aria-sort") === "ascending";
  const direction = column === 0 ? (rising ? -1 : 1) : falling ? 1 : -1;
  titles.forEach((title) => title.removeAttribute("aria-sort"));
  titles[column].setAttribute("aria-sort", direction === 1 ? "ascending" : "descending");
  const rows = [...table.tBodies[0].rows];
  const compare = (one, other) => {
    if (one.classList.contains("last") !== other.classList.contains("last")) return one.classList.contains("last") ? 1 : -1;
    const [a, b] = [sortKey(one, column), sortKey(other, column)];
    if (a === null || b === null) return (a === null) - (b === null);
    return direction * (column === 0 ? a.localeCompare(b, "en", { numeric: true }) : a - b);
  };
  table.tBodies[0].append(...rows.sort(compare));
}

function makeSortable(table) {
  columnTitles(table).forEach((title, column) => {
    title.querySelector("button")?.addEventListener("click", () => sortBy(table, column));
  });
}

function makeFilter(input, table, count) {
  input.addEventListener("input", () => {
    const wanted = input.value.trim().toLowerCase();
    const rows = [...table.tBodies[0].rows].filter((row) => !row.classList.contains("last"));
    for (const row of rows) row.hidden = !row.cells[0].textContent.toLowerCase().includes(wanted);
    count.textContent = wanted ? `${rows.filter((row) => !row.hidden).length} of ${rows.length} rows` : "";
  });
}

// A table as the views make it: `columns` are titles, `rows` have a label, cells and marks.
function sortableTable({ name, label, columns, rows }) {
  const head = (title) => h("th", { scope: "col" }, h("button", { type: "button" }, title));
  const table = h("table", { id: name, class: "sortable" },
    h("thead", {}, h("tr", {}, fill(head(label), { class: "label" }, []), columns.map(head))),
    h("tbody", {}, rows.map((row) => h("tr", { class: row.last ? "last" : null, "aria-current": row.current ? "true" : null },
      h("th", { scope: "row" }, row.label),
      row.cells.map((cell) => h("td", { "data-sort": cell.sort ?? "", title: cell.title, class: cell.rank ? `rank${cell.rank}` : null },
        cell.link ? h("a", { href: cell.link }, cell.text) : cell.text, cell.below ? h("small", {}, cell.below) : null))))));
  const input = h("input", { type: "search", autocomplete: "off" });
  const count = h("output", {});
  makeSortable(table);
  makeFilter(input, table, count);
  return [h("div", { class: "tools" }, h("label", {}, "Filter rows ", input), count),
    h("div", { class: "scroll", role: "region", "aria-label": name, tabindex: "0" }, table)];
}

// Ranks of numbers that compete: 1 best, 2 second best, compared as printed; the lowest is not the best of anything.
function ranks(numbers) {
  const printed = numbers.map((number) => (number === null ? null : percent(number)));
  const order = [...new Set(printed.filter((text) => text !== null))].sort((a, b) => b - a).slice(0, -1);
  return printed.map((text) => (text !== null && order.indexOf(text) < 2 ? order.indexOf(text) + 1 : 0));
}
