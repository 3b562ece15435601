// What can stand at the cursor in the YAML, by the workflow's JSON Schema: keys, and values of which there are few.
"use strict";

const LINE_PX = 20;
const MOST_OFFERED = 60;
const KEY = /^("[^"]*"|'[^']*'|[^\s"'#{}[\],&*!|>%@`:][^:]*?)\s*:(?=\s|$)/;
const CONNECTIONS = new Set(["source", "connection", "build_in"]);

// The way to the cursor's place: keys, and null for an entry of a list. Of block style; what is in braces comes after.
function wayTo(lines, column, isEntry) {
  const way = [];
  // An entry of a list may stand at the column of the key that the list belongs to.
  const close = (from, ofEntry) => {
    while (way.length && (way[way.length - 1].at > from || (way[way.length - 1].at === from && !(ofEntry && way[way.length - 1].key !== null)))) way.pop();
  };
  for (const line of lines) {
    if (/^\s*(#|$)/.test(line)) continue;
    let at = line.length - line.trimStart().length;
    let rest = line.trimStart();
    close(at, rest.startsWith("- ") || rest === "-");
    while (/^-(\s|$)/.test(rest)) {
      way.push({ at, key: null });
      const inner = rest.slice(1).trimStart();
      at += rest.length - inner.length;
      rest = inner;
    }
    const found = KEY.exec(rest);
    if (found) way.push({ at, key: found[1].replace(/^(["'])(.*)\1$/, "$2") });
  }
  close(column, isEntry);
  return way.map((each) => each.key);
}

// Every form that the schema has for a node: what it refers to, and each of several.
function forms(schema, node) {
  if (!node || node === true) return [];
  if (node.$ref) return forms(schema, { ...schema.$defs[node.$ref.split("/").pop()] });
  const several = [...(node.anyOf || []), ...(node.properties ? [] : node.oneOf || [])];
  return several.length ? several.flatMap((each) => forms(schema, each)) : [node];
}

function nodesAt(schema, way) {
  return way.reduce((nodes, key) => nodes.flatMap((node) => {
    if (key === null) return forms(schema, node.items);
    return forms(schema, node.properties?.[key] ?? node.additionalProperties);
  }), forms(schema, schema));
}

function keysOf(schema, nodes, present) {
  const known = new Map();
  for (const node of nodes) {
    for (const [key, value] of Object.entries(node.properties || {})) {
      if (!present.has(key)) known.set(key, value.description || forms(schema, value)[0]?.description || "");
    }
  }
  return [...known].map(([name, about]) => ({ name, about, text: `${name}: ` }));
}

function valuesOf(nodes, key, connections) {
  const known = new Set(CONNECTIONS.has(key) ? connections : []);
  for (const node of nodes) {
    for (const value of [...(node.enum || []), ...("const" in node ? [node.const] : [])]) known.add(value === null ? "null" : String(value));
    if (node.type === "boolean") { known.add("true"); known.add("false"); }
  }
  return [...known].map((name) => ({ name, about: "", text: /^(null|true|false)$/.test(name) && nodes.some((node) => node.enum?.includes(name)) ? `"${name}"` : name }));
}

// Of the forms of a mask only the one that is named in the braces.
function narrowed(nodes, written) {
  const mask = /(?:^|[{,]\s*)mask:\s*"?(\w+)/.exec(written)?.[1];
  const named = nodes.filter((node) => { const known = node.properties?.mask; return known && (known.const === mask || known.enum?.includes(mask)); });
  if (mask && named.length) return named;
  const masks = nodes.filter((node) => node.properties?.mask);
  return masks.length > 1 ? [{ properties: { mask: masks[0].properties.mask } }] : nodes;
}

const keysIn = (text) => new Set([...text.matchAll(/[{,]\s*["']?([\w.*]+)["']?\s*:/g)].map((found) => found[1]));

// What is offered at a place: { from, options }, or null. Pure, so that it can be tried without a page.
function offeredAt(text, cursor, schema, connections) {
  const begin = text.lastIndexOf("\n", cursor - 1) + 1;
  const line = text.slice(begin, cursor);
  const above = text.slice(0, begin).split("\n").slice(0, -1);
  if (/(^|\s)#/.test(line)) return null;
  const head = /^(\s*(?:-\s+)*)(.*)$/.exec(line);
  const column = head[1].length;
  const marks = [...head[1].matchAll(/-/g)].length;
  const way = [...wayTo(above, marks ? head[1].indexOf("-") : column, marks > 0), ...Array(marks).fill(null)];
  const rest = head[2];
  const found = KEY.exec(rest);
  const brace = rest.lastIndexOf("{") > rest.lastIndexOf("}") ? rest.lastIndexOf("{") : -1;
  let options = null;
  let typed = "";
  if (brace >= 0) {
    const before = [...rest.slice(0, brace).matchAll(/(?:^|[{,]\s*)("[^"]*"|'[^']*'|[\w.*-]+)\s*:\s*/g)].map((each) => each[1].replace(/["']/g, ""));
    const nodes = nodesAt(schema, [...way, ...before.slice(-1 - (rest.slice(0, brace).match(/{/g) || []).length)]);
    const inside = rest.slice(brace);
    const value = /[{,]\s*["']?([\w]+)["']?:\s+["']?([\w-]*)$/.exec(inside);
    const key = /[{,]\s*([\w]*)$/.exec(inside);
    if (value) {
      typed = value[2];
      const mine = nodes.flatMap((node) => forms(schema, node.properties?.[value[1]] ?? node.additionalProperties));
      options = valuesOf(mine, value[1], connections);
    } else if (key) {
      typed = key[1];
      options = keysOf(schema, narrowed(nodes, inside), keysIn(inside.slice(0, inside.length - typed.length)));
    }
  } else if (found) {
    const key = found[1].replace(/["']/g, "");
    const value = /^\s+([\w-]*)$/.exec(rest.slice(found[0].length));
    if (!value) return null;
    typed = value[1];
    options = valuesOf(nodesAt(schema, [...way, key]), key, connections);
  } else if (/^[\w-]*$/.test(rest)) {
    typed = rest;
    const nodes = nodesAt(schema, way);
    const keys = keysOf(schema, nodes, siblings(text, begin, column, marks));
    options = keys.length ? keys : valuesOf(nodes, "", connections);
  }
  if (!options) return null;
  const lower = typed.toLowerCase();
  options = options.filter((each) => each.name.toLowerCase().startsWith(lower) && each.name !== typed).slice(0, MOST_OFFERED);
  return options.length ? { from: cursor - typed.length, options } : null;
}

// The keys that stand beside the cursor's own, above and below it.
function siblings(text, begin, column, marks) {
  const own = text.slice(0, begin).split("\n").length - 1;
  const lines = text.split("\n");
  const present = new Set();
  const walk = (step) => {
    for (let at = own + step; at >= 0 && at < lines.length; at += step) {
      const line = lines[at];
      if (/^\s*(#|$)/.test(line)) continue;
      const lead = /^\s*(?:-\s+)*/.exec(line)[0];
      const isEntry = lead.includes("-");
      if (lead.length < column || (isEntry && step > 0 && lead.length <= column)) return;
      if (lead.length === column) {
        const found = KEY.exec(line.slice(lead.length));
        if (found) present.add(found[1].replace(/["']/g, ""));
        if (isEntry) return;
      }
    }
  };
  if (!marks) walk(-1);
  walk(1);
  return present;
}

(() => {
  const area = document.getElementById("yaml");
  const list = document.getElementById("offered");
  if (!area || !list) return;
  let schema = null;
  let offered = null;
  let active = 0;
  fetch(area.dataset.schema).then((answer) => (answer.ok ? answer.json() : null)).then((found) => { schema = found; }).catch(() => {});

  const connections = () => [...document.querySelectorAll("#f-source option")].map((each) => each.value).filter(Boolean);

  function close() {
    offered = null;
    list.hidden = true;
    area.removeAttribute("aria-activedescendant");
  }

  function open(asked) {
    offered = schema && area.selectionStart === area.selectionEnd
      ? offeredAt(area.value, area.selectionStart, schema, connections()) : null;
    const typed = offered ? area.selectionStart - offered.from : 0;
    if (!offered || (!asked && !typed)) return close();
    active = 0;
    list.replaceChildren(...offered.options.map((each, index) => {
      const item = document.createElement("li");
      item.id = `offered-${index}`;
      item.setAttribute("role", "option");
      const name = document.createElement("code");
      name.textContent = each.name;
      const about = document.createElement("span");
      about.className = "faint small";
      about.textContent = each.about.replaceAll("`", "");
      item.append(name, about);
      item.addEventListener("mousedown", (event) => { event.preventDefault(); active = index; take(); });
      return item;
    }));
    place();
    list.hidden = false;
    mark();
    return undefined;
  }

  function place() {
    const before = area.value.slice(0, offered.from).split("\n");
    const top = before.length * LINE_PX + 12 - area.scrollTop;
    const below = area.clientHeight - top;
    list.style.setProperty("--left", `${before[before.length - 1].length}ch`);
    list.style.setProperty("--scrolled", `${area.offsetLeft - area.scrollLeft + 12}px`);
    list.style.setProperty("--top", below > 170 ? `${top}px` : "auto");
    list.style.setProperty("--bottom", below > 170 ? "auto" : `${below + LINE_PX}px`);
  }

  function mark() {
    [...list.children].forEach((item, index) => item.setAttribute("aria-selected", String(index === active)));
    area.setAttribute("aria-activedescendant", `offered-${active}`);
    list.children[active].scrollIntoView({ block: "nearest" });
  }

  function take() {
    const { from, options } = offered;
    const { text } = options[active];
    close();
    area.focus();
    area.setSelectionRange(from, area.selectionEnd);
    // Kept by the browser for undoing; where it cannot, the text is set.
    if (!document.execCommand("insertText", false, text)) {
      area.setRangeText(text, from, area.selectionEnd, "end");
      area.dispatchEvent(new InputEvent("input", { bubbles: true }));
    }
    if (text.endsWith(": ")) open(true);
  }

  area.addEventListener("input", (event) => { if (event.inputType?.startsWith("insert") && event.inputType !== "insertFromPaste") open(false); else close(); });
  area.addEventListener("keydown", (event) => {
    if (event.key === " " && event.ctrlKey) { event.preventDefault(); open(true); return; }
    if (!offered) return;
    if (event.key === "Escape") { event.preventDefault(); close(); }
    else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      active = (active + (event.key === "ArrowDown" ? 1 : offered.options.length - 1)) % offered.options.length;
      mark();
    } else if (event.key === "Enter" || event.key === "Tab") { event.preventDefault(); take(); }
    else if (["ArrowLeft", "ArrowRight", "Home", "End", "PageUp", "PageDown"].includes(event.key)) close();
  });
  area.addEventListener("blur", close);
  area.addEventListener("scroll", () => { if (offered) place(); });
})();
