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
let pending = null;
let working = false;
let leaving = false;
const questions = [];
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

// What is waited with, and what is asked one after the other: an answer is drawn before the next question is put, so
// that two decisions in quick succession are both in the YAML.
function later(edited, extra = {}, pause = TYPING_PAUSE) {
  const about = edited + (extra.about || "");
  if (pending && pending.about !== about) flush();
  clearTimeout(timer);
  pending = { edited, extra, about };
  timer = setTimeout(flush, pause);
}

function flush() {
  clearTimeout(timer);
  if (!pending) return;
  const { edited, extra } = pending;
  pending = null;
  const last = questions[questions.length - 1];
  // Of what only draws again, the newest is enough.
  if (last && last.edited === edited && !does(last) && !does({ extra })) questions.pop();
  questions.push({ edited, extra });
  if (!working) work();
}

function does({ extra }) {
  return "change" in extra || "add" in extra;
}

async function work() {
  working = true;
  while (questions.length) await preview(questions.shift());
  working = false;
  if (leaving) form.requestSubmit(save);
}

// Once all that was asked is answered.
async function settled() {
  flush();
  while (working) await new Promise((resume) => { setTimeout(resume, 50); });
}

async function preview({ edited, extra }) {
  const body = new FormData(form);
  body.set("edited", edited);
  const { then, ...asked } = extra;
  for (const [key, value] of Object.entries(asked)) body.set(key, value);
  let answer;
  try {
    const response = await fetch("/preview-workflow", {
      method: "POST", body, headers: { "x-requested-with": "fetch" },
    });
    if (!response.ok) throw new Error(`${response.status}`);
    answer = await response.json();
  } catch {
    problems.textContent = "The dashboard does not answer; what you typed is kept here. It is checked again as you go on.";
    leaving = false;
    return;
  }
  if (pending?.edited === "yaml") { // typed on meanwhile: that first, then what was clicked
    flush();
    if ("change" in extra) questions.push({ edited, extra });
    return;
  }
  show(edited, answer, "redraw" in extra || "add" in extra, "add" in extra, then);
}

function show(edited, answer, redraw, adds, then = []) {
  problems.innerHTML = answer.problems;
  wrongLines = new Set(answer.lines);
  save.disabled = !answer.valid;
  planDraft.disabled = !answer.valid;
  if (edited !== "yaml" && yaml.value !== answer.yaml) yaml.value = answer.yaml;
  drawGutter();
  fields.inert = !answer.readable;
  if (answer.readable && (edited !== "form" || redraw) && pending?.edited !== "form") redrawFields(answer.fields, adds, then);
  else if (answer.readable) redrawHints(answer.fields);
  drawErrors(answer.errors);
  drawColumns(answer.columns);
  sayOutdated();
}

// What is wrong is said at its field too; where that is folded away, it is unfolded.
function drawErrors(errors) {
  for (const field of fields.querySelectorAll("[aria-invalid]")) {
    field.removeAttribute("aria-invalid");
    const hints = (field.getAttribute("aria-describedby") || "").split(" ").filter((id) => id && id !== `${field.id}-error`);
    if (hints.length) field.setAttribute("aria-describedby", hints.join(" "));
    else field.removeAttribute("aria-describedby");
  }
  for (const said of fields.querySelectorAll(".field-error")) said.remove();
  for (const [id, text] of Object.entries(errors)) {
    const field = document.getElementById(id);
    if (!field || !fields.contains(field)) continue;
    const said = document.createElement("p");
    said.className = "field-error";
    said.id = `${id}-error`;
    said.textContent = text;
    (field.closest(".top") || field).after(said);
    field.setAttribute("aria-invalid", "true");
    field.setAttribute("aria-describedby", `${said.id} ${field.getAttribute("aria-describedby") || ""}`.trim());
    for (let around = field.closest("details"); around; around = around.parentElement.closest("details")) around.open = true;
  }
}

function redrawHints(html) {
  // What is said under a field follows what is typed into it, which itself must not be replaced.
  const fresh = new DOMParser().parseFromString(html, "text/html");
  for (const hint of fields.querySelectorAll(".hint[id]")) {
    const now = fresh.getElementById(hint.id);
    if (now && now.innerHTML !== hint.innerHTML) hint.innerHTML = now.innerHTML;
  }
}

function redrawFields(html, adds, then) {
  const focused = fields.contains(document.activeElement) ? document.activeElement.id : "";
  const before = new Set([...fields.querySelectorAll("[id]")].map((each) => each.id));
  const opened = [...fields.querySelectorAll("details[open]")].map((details) => details.id);
  fields.innerHTML = html;
  for (const id of opened) document.getElementById(id)?.setAttribute("open", "");
  // A row that was added is filled in next; after one that was removed comes the one that took its place.
  const added = adds && [...fields.querySelectorAll("[data-row] :is(input, select, textarea)[id]")]
    .find((each) => !before.has(each.id));
  const next = [focused, ...then].map((id) => id && document.getElementById(id)).find(Boolean);
  (added || next)?.focus();
}

yaml.addEventListener("input", () => { drawGutter(); later("yaml"); });
yaml.addEventListener("scroll", () => { gutter.scrollTop = yaml.scrollTop; });
fields.addEventListener("input", (event) => {
  if (event.target.matches("select")) return;
  later("form");
});
fields.addEventListener("change", (event) => {
  if (event.target.matches("select, [name=twin]")) later("form", { redraw: "yes" }, 0);
});
fields.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  event.preventDefault();
  if (button.dataset.add) {
    later("form", { add: button.dataset.add }, 0);
  } else if ("remove" in button.dataset) {
    const row = button.closest("[data-row]");
    const adds = [...fields.querySelectorAll("[data-add]")];
    const add = adds.find((each) => each.dataset.add === row.dataset.row)
      || adds.find((each) => row.compareDocumentPosition(each) & Node.DOCUMENT_POSITION_FOLLOWING);
    row.remove();
    later("form", { redraw: "yes", then: [button.id, add?.id] }, 0);
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
form.addEventListener("submit", (event) => {
  flush();
  leaving = working;
  if (working) event.preventDefault(); // until what was clicked or typed just now is in the YAML
  else sent = true;
});
addEventListener("beforeunload", (event) => { if (!sent && yaml.value !== begun) event.preventDefault(); });
drawGutter();
drawErrors(JSON.parse(fields.dataset.errors));
if (yaml.dataset.at) goTo(Number(yaml.dataset.at));
