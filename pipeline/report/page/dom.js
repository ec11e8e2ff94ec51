// Elements from names and text; text is never read as HTML.
const SVG = "http://www.w3.org/2000/svg";

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(2).filter((child) => child !== null && child !== undefined));
  return node;
}
const h = (name, attributes, ...children) => fill(document.createElement(name), attributes, children);
const s = (name, attributes, ...children) => fill(document.createElementNS(SVG, name), attributes, children);

// What opens large when it is chosen; `main.js` listens.
const zoom = (picture) => h("button", { type: "button", class: "zoom", "aria-label": `Open large: ${picture.alt ?? picture.ariaLabel}` }, picture);

const route = (...parts) => "#/" + parts.map(encodeURIComponent).join("/");
// As the tables print: percent with one decimal, halves up, float noise ignored.
const percent = (share) => (Math.floor(Number((1000 * share).toFixed(8)) + 0.5) / 10).toFixed(1);
const short = (number) => (Math.abs(number) >= 1e4 || (number && Math.abs(number) < 1e-3) ? number.toExponential(2) : number.toFixed(3));
