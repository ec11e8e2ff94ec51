// Heavy parts: unpacked when asked for, the last few kept. Layout: see pipeline/report/chunks.py.
const KEPT = 6;
const opened = new Map();

async function unpack(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const plain = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  const buffer = await new Response(plain).arrayBuffer();
  const length = new DataView(buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  const blob = (place, type) => new Blob([new Uint8Array(buffer, 4 + length + place[0], place[1])], { type });
  return { header, blob };
}

function chunk(name) {
  if (!opened.has(name)) {
    const script = [...document.querySelectorAll("script[data-chunk]")].find((it) => it.dataset.chunk === name);
    if (!script) return Promise.resolve(null);
    opened.set(name, unpack(script.textContent));
    if (opened.size > KEPT) opened.delete(opened.keys().next().value);
  }
  return opened.get(name);
}
