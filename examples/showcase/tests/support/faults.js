// All that is wrong with a page, as sentences.
const done = arguments[arguments.length - 1];
const faults = [];
const root = document.documentElement;
const all = (css) => [...document.querySelectorAll(css)];
const isVisible = (one) => one.getClientRects().length > 0 && getComputedStyle(one).visibility === "visible";
const name = (one) => one.outerHTML.slice(0, 80);

if (root.scrollWidth > innerWidth) faults.push(`it scrolls sideways: ${root.scrollWidth} > ${innerWidth}`);
if (!root.lang || !document.title) faults.push("it has no language or no title");
if (all("h1").length !== 1) faults.push("it has not one h1");
if (all("main").length !== 1) faults.push("it has not one main");
let level = 1;
for (const heading of all("h1, h2, h3, h4")) {
  if (Number(heading.tagName[1]) > level + 1) faults.push(`a level of headings is left out: ${name(heading)}`);
  level = Number(heading.tagName[1]);
}
const ids = all("[id]").map((one) => one.id);
if (new Set(ids).size < ids.length) faults.push("an id is there twice");
for (const one of all("[aria-describedby], [aria-labelledby]")) {
  for (const id of (one.getAttribute("aria-describedby") ?? one.getAttribute("aria-labelledby")).split(" ")) {
    if (!document.getElementById(id)) faults.push(`it refers to nothing: ${name(one)}`);
  }
}
for (const input of all("input:not([type=hidden])").filter(isVisible)) {
  if (!input.labels.length) faults.push(`no label: ${name(input)}`);
  if (input.type !== "checkbox" && !input.autocomplete) faults.push(`no autocomplete: ${name(input)}`);
}
for (const one of all("a, button").filter(isVisible)) {
  if (!(one.getAttribute("aria-label") || one.innerText).trim()) faults.push(`no name: ${name(one)}`);
}
for (const image of all("img")) if (!image.hasAttribute("alt")) faults.push(`no alt: ${name(image)}`);

// WCAG 2.2, 2.5.8: what is clicked on has room, unless it is in a sentence.
for (const one of all("button, .button, input:not([type=hidden]):not([type=checkbox]), nav a").filter(isVisible)) {
  const { width, height } = one.getBoundingClientRect();
  if (width < 24 || height < 24) faults.push(`too small, ${width} x ${height}: ${name(one)}`);
}

// WCAG 2.2, 1.4.3 and 1.4.11: contrast of texts, and of the edges of controls.
const parse = (color) => {
  const numbers = color.match(/[\d.]+/g).map(Number);
  return { rgb: numbers.slice(0, 3), alpha: numbers[3] ?? 1 };
};
const luminance = (rgb) => {
  const [r, g, b] = rgb.map((part) => (part / 255 <= 0.04045 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const ratio = (one, other) => {
  const [high, low] = [luminance(one), luminance(other)].sort((a, b) => b - a);
  return (high + 0.05) / (low + 0.05);
};
const ground = (one) => {
  for (let at = one; at; at = at.parentElement) {
    const { rgb, alpha } = parse(getComputedStyle(at).backgroundColor);
    if (alpha === 1) return rgb;
  }
  return [255, 255, 255];
};
const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (texts.nextNode()) {
  const text = texts.currentNode.data.trim();
  const one = texts.currentNode.parentElement;
  if (!text || !isVisible(one)) continue;
  const style = getComputedStyle(one);
  const size = parseFloat(style.fontSize);
  const isLarge = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
  const found = ratio(parse(style.color).rgb, ground(one));
  if (found < (isLarge ? 3 : 4.5)) faults.push(`contrast ${found.toFixed(2)}: ${text.slice(0, 40)}`);
}
for (const one of all("input:not([type=hidden]):not([type=checkbox]), .quiet").filter(isVisible)) {
  const found = ratio(parse(getComputedStyle(one).borderTopColor).rgb, ground(one.parentElement));
  if (found < 3) faults.push(`contrast of an edge ${found.toFixed(2)}: ${name(one)}`);
}
done(faults);
