// Times in the reader's own words, copying, parts that keep themselves current, and asking before what cannot be undone.
"use strict";

const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });
const inZone = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });
const zone = new Intl.DateTimeFormat("en", { timeZoneName: "short" }).formatToParts(new Date()).find((part) => part.type === "timeZoneName").value;
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

function distance(moment) {
  const seconds = (moment - Date.now()) / 1000;
  for (const [unit, size] of [["day", 86400], ["hour", 3600], ["minute", 60]]) {
    if (Math.abs(seconds) >= size) return relative.format(Math.round(seconds / size), unit);
  }
  return relative.format(Math.round(seconds), "second");
}

function tellTimes(root) {
  for (const element of root.querySelectorAll("time[data-ago], time[data-when]")) {
    const moment = new Date(element.dateTime);
    element.title = inZone.format(moment);
    element.textContent = "ago" in element.dataset ? distance(moment) : exact.format(moment);
  }
}

function keepCurrent(element) {
  let mark = "";
  let failures = 0;
  let every = Number(element.dataset.every || 4) * 1000;
  async function refresh() {
    if (!element.isConnected) return;
    if (document.hidden) return schedule(every);
    try {
      const response = await fetch(element.dataset.live, {
        headers: { "x-requested-with": "fetch", "x-have": mark }, cache: "no-store",
      });
      if (response.status === 401) { location.reload(); return; }
      const go = response.headers.get("x-go");
      if (go) { location.replace(go); return; }
      if (response.status === 200) {
        const text = await response.text();
        // What is marked is about to be copied; the next look draws what is new.
        if (!holdsSelection(element)) {
          mark = response.headers.get("x-mark") || "";
          replace(element, text);
          announce(element);
        }
      }
      every = 1000 * Number(response.headers.get("x-every")) || every;
      failures = 0;
    } catch {
      failures += 1;
    }
    element.classList.toggle("stale", failures > 2);
    schedule(Math.min(every * 2 ** failures, 60000));
  }
  function schedule(milliseconds) { setTimeout(refresh, milliseconds); }
  schedule(every);
}

function holdsSelection(element) {
  const selection = getSelection();
  return selection && !selection.isCollapsed && element.contains(selection.anchorNode);
}

// What a screen reader says: a sentence that the page has for it, and only when it has changed.
function announce(element) {
  const says = element.querySelector("[data-says]")?.dataset.says;
  const region = document.getElementById("news");
  if (says && region.textContent !== says) region.textContent = says;
}

function replace(element, html) {
  // What has the focus, and what is opened, stays so.
  const focused = element.contains(document.activeElement) ? document.activeElement.id : "";
  const opened = [...element.querySelectorAll("details[open]")].map((details) => details.id);
  const ticked = [...element.querySelectorAll("input[type=checkbox]:checked")].map((box) => box.id);
  element.innerHTML = html;
  for (const id of ticked) {
    const box = document.getElementById(id);
    if (box) box.checked = true;
  }
  countTicked();
  for (const id of opened) document.getElementById(id)?.setAttribute("open", "");
  tellTimes(element);
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
}

async function copy(button) {
  const text = button.closest(".copy").querySelector("pre").textContent;
  try {
    await navigator.clipboard.writeText(text.trim());
    button.textContent = "Copied";
  } catch {
    const range = document.createRange();
    range.selectNodeContents(button.closest(".copy").querySelector("pre"));
    getSelection().removeAllRanges();
    getSelection().addRange(range);
    button.textContent = "Selected";
  }
  setTimeout(() => { button.textContent = "Copy"; }, 2000);
}

function ask(form) {
  const dialog = document.getElementById("ask");
  dialog.querySelector("p").textContent = form.dataset.confirm;
  // It is called by what it does, as the button that does it.
  dialog.querySelector("h2").textContent = `${form.dataset.yes || "Go on"}?`;
  const yes = dialog.querySelector("[data-yes]");
  yes.textContent = form.dataset.yes || "Go on";
  yes.onclick = () => { dialog.close(); form.dataset.confirmed = "yes"; form.requestSubmit(); };
  dialog.querySelector("[data-no]").onclick = () => dialog.close();
  dialog.showModal();
}

document.addEventListener("click", (event) => {
  const target = event.target.closest("[data-copy], [data-theme-toggle]");
  if (!target) return;
  if ("copy" in target.dataset) copy(target);
  else {
    const root = document.documentElement;
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    document.cookie = `theme=${root.dataset.theme}; path=/; max-age=31536000; samesite=lax`;
  }
});

// What is done to those that are ticked: the bar shows while some are, with the field that the choice takes.
function countTicked() {
  const bar = document.getElementById("bulk");
  if (!bar) return;
  const boxes = [...document.querySelectorAll('input[form="bulk"][name="id"]')];
  const count = boxes.filter((box) => box.checked).length;
  const chosen = bar.querySelector("[data-takes]").selectedOptions[0];
  bar.hidden = !count;
  const noun = `${count} ${bar.dataset.tickedNoun}${count === 1 ? "" : "s"}`;
  const said = bar.querySelector("[data-ticked]");
  if (said.textContent !== noun) said.textContent = noun;
  for (const field of bar.querySelectorAll("[data-field-of]")) {
    const isTaken = field.dataset.fieldOf === chosen.dataset.field;
    field.hidden = !isTaken;
    for (const input of field.querySelectorAll("input, select")) {
      input.disabled = !isTaken;
      input.required = isTaken;
    }
  }
  if (chosen.dataset.ask) {
    bar.dataset.confirm = `${noun}. ${chosen.dataset.ask}`;
    bar.dataset.yes = chosen.textContent;
  } else {
    delete bar.dataset.confirm;
  }
  const all = document.querySelector("[data-tick-all]");
  if (all) {
    all.checked = count > 0 && count === boxes.length;
    all.indeterminate = count > 0 && count < boxes.length;
  }
}

document.addEventListener("change", (event) => {
  const target = event.target;
  if ("tickAll" in target.dataset) {
    for (const box of document.querySelectorAll('input[form="bulk"][name="id"]')) box.checked = target.checked;
  }
  if ("tickAll" in target.dataset || "takes" in target.dataset || target.getAttribute("form") === "bulk") countTicked();
});

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.dataset.confirm && !form.dataset.confirmed) {
    event.preventDefault();
    ask(form);
  } else if (form.method === "post" && !event.defaultPrevented) {
    // A second click must not ask twice.
    setTimeout(() => { for (const button of form.querySelectorAll("button")) button.disabled = true; });
  }
});

document.addEventListener("change", (event) => {
  if ("submitOnChange" in event.target.dataset) event.target.form.requestSubmit();
});

addEventListener("pageshow", () => {
  countTicked();
  for (const button of document.querySelectorAll("form button:disabled:not([data-off])")) button.disabled = false;
});

for (const each of document.querySelectorAll("[data-zone]")) each.textContent = `(${zone})`;
// On a phone the sections lie beside one another, some of them out of sight.
document.querySelector(".side nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
tellTimes(document);
countTicked();
setInterval(() => tellTimes(document), 5000);
for (const element of document.querySelectorAll("[data-live]")) keepCurrent(element);
