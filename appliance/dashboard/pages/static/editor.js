// Form and YAML side by side: whichever is typed in, the other follows, and both are checked by the dashboard.
"use strict";

const form = document.getElementById("workflow");
const yaml = document.getElementById("yaml");
const gutter = document.getElementById("gutter");
const fields = document.getElementById("fields");
const problems = document.getElementById("problems");
const save = document.getElementById("save");
const TYPING_PAUSE = 300;
let timer = 0;
let asked = 0;
let wrongLines = new Set(JSON.parse(gutter.dataset.lines));

function drawGutter() {
  const lines = yaml.value.split("\n").length;
  gutter.replaceChildren();
  for (let number = 1; number <= lines; number += 1) {
    const mark = document.createElement(wrongLines.has(number) ? "b" : "span");
    mark.textContent = `${number}`;
    gutter.append(mark, "\n");
  }
  gutter.scrollTop = yaml.scrollTop;
}

function later(edited, extra = {}, pause = TYPING_PAUSE) {
  clearTimeout(timer);
  timer = setTimeout(() => preview(edited, extra), pause);
}

async function preview(edited, extra) {
  const number = ++asked;
  const body = new FormData(form);
  body.set("edited", edited);
  for (const [key, value] of Object.entries(extra)) body.set(key, value);
  let answer;
  try {
    const response = await fetch("/preview-workflow", {
      method: "POST", body, headers: { "x-requested-with": "fetch" },
    });
    if (!response.ok) throw new Error(`${response.status}`);
    answer = await response.json();
  } catch {
    problems.textContent = "The dashboard does not answer; what you typed is kept here. It is checked again as you go on.";
    return;
  }
  if (number !== asked) return; // typed on meanwhile
  show(edited, answer, "redraw" in extra || "add" in extra);
}

function show(edited, answer, redraw) {
  problems.innerHTML = answer.problems;
  wrongLines = new Set(answer.lines);
  save.disabled = !answer.valid;
  if (edited !== "yaml" && yaml.value !== answer.yaml) yaml.value = answer.yaml;
  drawGutter();
  fields.inert = !answer.readable;
  if (answer.readable && (edited !== "form" || redraw)) redrawFields(answer.fields);
  else if (answer.readable) redrawHints(answer.fields);
  drawColumns(answer.columns);
}

function redrawHints(html) {
  // What is said under a field follows what is typed into it, which itself must not be replaced.
  const fresh = new DOMParser().parseFromString(html, "text/html");
  for (const hint of fields.querySelectorAll(".hint[id]")) {
    const now = fresh.getElementById(hint.id);
    if (now && now.innerHTML !== hint.innerHTML) hint.innerHTML = now.innerHTML;
  }
}

function redrawFields(html) {
  const focused = fields.contains(document.activeElement) ? document.activeElement.id : "";
  const before = fields.querySelectorAll("[data-row]").length;
  const opened = [...fields.querySelectorAll("details[open]")].map((details) => details.id);
  fields.innerHTML = html;
  for (const id of opened) document.getElementById(id)?.setAttribute("open", "");
  const rows = fields.querySelectorAll("[data-row]");
  if (focused && document.getElementById(focused)) document.getElementById(focused).focus();
  else if (focused && rows.length > before) rows[rows.length - 1].querySelector("input")?.focus();
}

yaml.addEventListener("input", () => { drawGutter(); later("yaml"); });
yaml.addEventListener("scroll", () => { gutter.scrollTop = yaml.scrollTop; });
fields.addEventListener("input", (event) => {
  if (event.target.matches("select")) return;
  later("form");
});
fields.addEventListener("change", (event) => {
  if (event.target.matches("select")) later("form", { redraw: "yes" }, 0);
});
fields.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  event.preventDefault();
  if (button.dataset.add) {
    later("form", { add: button.dataset.add }, 0);
  } else if ("remove" in button.dataset) {
    button.closest("[data-row]").remove();
    later("form", { redraw: "yes" }, 0);
  }
});
form.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-line]");
  if (!link) return;
  event.preventDefault();
  goTo(Number(link.dataset.line));
});

function goTo(line) {
  const lines = yaml.value.split("\n");
  const start = lines.slice(0, line - 1).join("\n").length + (line > 1 ? 1 : 0);
  yaml.focus();
  yaml.setSelectionRange(start, start + (lines[line - 1] || "").length);
  yaml.scrollTop = Math.max(0, (line - 5) * 20);
}

let sent = false;
const begun = yaml.value;
form.addEventListener("submit", () => { sent = true; });
addEventListener("beforeunload", (event) => { if (!sent && yaml.value !== begun) event.preventDefault(); });
drawGutter();
if (yaml.dataset.at) goTo(Number(yaml.dataset.at));
