// What is stored beside the page (in scripts) or in it (in elements), by key; unpacked.
const wsssStore = (() => {
  "use strict";
  const waiting = new Map();
  globalThis.wsssData = (key, value) => waiting.get(key)(value);

  /** Whether this browser can unpack what is stored. */
  const isAble = () => typeof DecompressionStream === "function";

  /** Bytes of base64 that zlib deflated. */
  async function inflate(text) {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  }

  /** Float64 whose first bytes come first, then all second ones; little-endian, as browsers are. */
  async function inflateFloats(text) {
    const split = await inflate(text);
    const count = split.length / 8;
    const bytes = new Uint8Array(split.length);
    for (let byte = 0; byte < 8; byte += 1) {
      for (let index = 0; index < count; index += 1) bytes[8 * index + byte] = split[byte * count + index];
    }
    return new Float64Array(bytes.buffer);
  }

  /** A function that gives a promise of what is stored under a key; `folder` null: in the page. */
  function open(folder) {
    const asked = new Map();
    const inPage = (key) => Promise.resolve(JSON.parse(document.getElementById(`data-${key}`).textContent));
    const beside = (key) => new Promise((resolve, reject) => {
      waiting.set(key, resolve);
      const script = document.createElement("script");
      script.src = `${folder}/${key}.js`;
      script.onerror = () => reject(new Error(`${folder}/${key}.js is not there`));
      document.head.append(script);
    });
    return (key) => {
      if (!asked.has(key)) asked.set(key, folder === null ? inPage(key) : beside(key));
      return asked.get(key);
    };
  }

  return { inflate, inflateFloats, isAble, open };
})();
