// What both pages of the status service draw with. No library, nothing from outside.
"use strict";

const LOOKS = {
  ok: "good", succeeded: "good", done: "good", active: "good", running: "busy", queued: "busy", retrying: "wait", waiting: "wait",
  cancelled: "wait", unknown: "wait", down: "bad", failed: "bad", refused: "bad", invalid: "bad",
};
const $ = (id) => document.getElementById(id);

function element(name, text, look) {
  const made = document.createElement(name);
  if (text !== undefined && text !== null) made.textContent = text;
  if (look) made.className = look;
  return made;
}

const tag = (state, look) => element("span", state, `tag ${look || LOOKS[state] || ""}`);

function ago(moment, now) {
  if (!moment) return "";
  const seconds = (now - new Date(moment)) / 1000;
  const size = Math.abs(seconds);
  const shown = size < 90 ? `${Math.round(size)} s` : size < 5400 ? `${Math.round(size / 60)} min`
    : size < 129600 ? `${Math.round(size / 3600)} h` : `${Math.round(size / 86400)} days`;
  return seconds < 0 ? `in ${shown}` : `${shown} ago`;
}

// The reader's own time, with its zone.
const moment = (text) => new Date(text).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "long" });

// How long ago, or until when; the moment itself, with its zone, where a pointer rests.
function since(text, now, look) {
  const shown = element("time", ago(text, now), look);
  if (text) {
    shown.dateTime = text;
    shown.title = moment(text);
  }
  return shown;
}

function duration(seconds) {
  if (seconds === null || seconds === undefined) return "";
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.round((seconds % 3600) / 60)} min`;
}

function size(bytes) {
  const units = ["B", "KB", "MB", "GB", "TB"];
  let place = 0;
  while (bytes >= 1000 && place < 4) { bytes /= 1000; place += 1; }
  return `${bytes.toFixed(place ? 1 : 0)} ${units[place]}`;
}

function facts(list, pairs) {
  list.replaceChildren(...pairs.flatMap(([name, value]) => {
    const dd = document.createElement("dd");
    dd.append(...[value].flat().filter((part) => part !== null && part !== undefined));
    return [element("dt", name), dd];
  }));
}

function bar(table) {
  const line = element("div", null, "bar");
  const part = document.createElement("progress");
  const most = Math.max(table.rows_expected || 0, table.rows, 1);
  part.max = most;
  part.value = table.done ? most : table.rows;
  part.setAttribute("aria-label", table.table);
  line.append(element("span", table.table), part, element("span", `${table.rows.toLocaleString()} rows`));
  return line;
}

async function ask(path) {
  const answer = await fetch(path, { headers: { accept: "application/json" } });
  if (!answer.ok) throw new Error(String(answer.status));
  return answer.json();
}

const why = (text) => (text ? element("span", text, "why") : null);

// Lines to paste into a workflow, as a block that one click copies; the rest as it is.
const YAML_LINE = /^\s+(?:- |"[^"]+":|[\w.*$-]+:(?:\s|$))|^(?:masks|keep|tables|rows|limits|deliver):\s*$/;

function textWithYaml(text) {
  const parts = [];
  let block = [];
  const close = () => {
    if (block.length) parts.push(copyable(block.join("\n")));
    block = [];
  };
  for (const line of (text || "").split("\n")) {
    if (YAML_LINE.test(line)) { block.push(line); continue; }
    close();
    if (line.trim()) parts.push(element("p", line));
  }
  close();
  return parts;
}

function copyable(text) {
  const box = element("div", null, "copy");
  const pre = element("pre", text);
  pre.tabIndex = 0;
  const button = element("button", "Copy");
  button.type = "button";
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      const range = document.createRange();
      range.selectNodeContents(pre);
      getSelection().removeAllRanges();
      getSelection().addRange(range);
      button.textContent = "Selected";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  });
  box.append(pre, button);
  return box;
}

function runLink(runId) {
  const link = element("a", runId);
  link.href = `run.html?id=${encodeURIComponent(runId)}`;
  return link;
}

// What changes something is asked for with the owner's token, which the browser keeps once it was given.
let owner = null;

async function whoAmI() {
  owner ??= await ask("owner").catch(() => ({ is_owner: false, token_file: "" }));
  return owner;
}

async function act(button, said, path, body) {
  button.disabled = true;
  said.textContent = "Asking…";
  try {
    const answer = await fetch(path, {
      method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body || {}),
    });
    const found = await answer.json();
    said.textContent = answer.ok ? found.said : [found.detail].flat().map((each) => each.msg || each).join("\n");
    if (answer.status === 401) location.href = "sign-in";
  } catch {
    said.textContent = "The status service does not answer. Next: appliance status";
  }
  button.disabled = false;
}
