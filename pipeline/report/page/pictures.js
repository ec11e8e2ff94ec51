// Photos, masks and heatmaps of a subset, and the histogram of a cell.
const INDEX = JSON.parse(document.getElementById("index").textContent);
const PALETTE = Uint8Array.from(INDEX.palette.match(/../g), (pair) => parseInt(pair, 16));
const CANVAS = 192;
let urls = [];

// Pictures of the page before are given back.
function forgetPictures() {
  urls.forEach((url) => URL.revokeObjectURL(url));
  urls = [];
}

function picture(blob, alt) {
  const url = URL.createObjectURL(blob);
  urls.push(url);
  return h("img", { src: url, alt, width: CANVAS, height: CANVAS });
}

async function coloured(blob, low, high, span) {
  const bitmap = await createImageBitmap(blob);
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  const image = context.getImageData(0, 0, bitmap.width, bitmap.height);
  const width = span[1] - span[0] || 1;
  for (let at = 0; at < image.data.length; at += 4) {
    const value = low + (image.data[at] / 255) * (high - low);
    const colour = 3 * Math.max(0, Math.min(255, Math.round((255 * (value - span[0])) / width)));
    image.data.set(PALETTE.subarray(colour, colour + 3), at);
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

// A heatmap in the colours of `span`.
function heatmap(open, example, span) {
  const canvas = h("canvas", { width: CANVAS, height: CANVAS, role: "img",
    "aria-label": `heatmap, from ${short(example.low)} to ${short(example.high)}` });
  canvas.dataset.state = "drawing";
  const draw = async () => {
    const map = await coloured(open.blob(example.heatmap, "image/webp"), example.low, example.high, span);
    canvas.getContext("2d").drawImage(map, 0, 0, CANVAS, CANVAS);
    canvas.dataset.state = "drawn";
  };
  draw();
  return canvas;
}

function histogram({ low, high, normal, anomalous }) {
  const [width, height, floor] = [420, 130, 112];
  const step = width / normal.length;
  const share = (counts) => { const sum = counts.reduce((a, b) => a + b, 0) || 1; return counts.map((count) => count / sum); };
  const [plain, odd] = [share(normal), share(anomalous)];
  const top = Math.max(...plain, ...odd, 1e-9);
  const y = (value) => floor - (value / top) * (floor - 20);
  const outline = odd.map((value, at) => `${at ? "L" : "M"}${at * step} ${y(value)}H${(at + 1) * step}`).join("");
  const total = (counts) => counts.reduce((a, b) => a + b, 0);
  const title = `Histogram of image scores from ${short(low)} to ${short(high)}: ${total(normal)} normal and ${total(anomalous)} anomalous images.`;
  return s("svg", { viewBox: `0 0 ${width} ${height}`, class: "histogram", role: "img", "aria-label": title },
    plain.map((value, at) => s("rect", { class: "normal", x: at * step, y: y(value), width: step - 1, height: floor - y(value) })),
    total(anomalous) ? s("path", { class: "anomalous", d: outline }) : null,
    s("line", { class: "axis", x1: 0, x2: width, y1: floor, y2: floor }),
    s("rect", { class: "normal", x: 0, y: 2, width: 10, height: 10 }), s("text", { x: 15, y: 11 }, `normal (${total(normal)})`),
    s("path", { class: "anomalous", d: "M110 7H122" }), s("text", { x: 127, y: 11 }, `anomalous (${total(anomalous)})`),
    s("text", { x: 0, y: height - 4 }, short(low)), s("text", { x: width, y: height - 4, "text-anchor": "end" }, short(high)));
}
