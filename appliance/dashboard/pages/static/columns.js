// The columns screen: what is picked here is written into the YAML by the dashboard, and the screen follows it.
"use strict";

const columns = document.getElementById("columns");
const unfolded = document.getElementById("c-unfolded");
const shownFilter = document.getElementById("c-filter");
const optionsOf = document.getElementById("c-options");
const search = document.getElementById("c-search");
const statusLine = document.getElementById("c-status");
const WHILE_SCANNING = 3000;
let drawn = columns.innerHTML;
let scanning = 0;

function foldedOpen() {
  return [...columns.querySelectorAll("details.coltable[open]")].map((each) => each.dataset.table);
}

function redraw(extra = {}, pause = 0) {
  later("columns", extra, pause);
}

function change(what, extra = {}, pause = 0) {
  redraw({ change: JSON.stringify({ what, ...extra }), about: `${what} ${extra.act} ${extra.to || ""}` }, pause);
}

// Called by editor.js with the answer's part for this screen.
function drawColumns(html) {
  if (html !== drawn) {
    const focused = columns.contains(document.activeElement) ? document.activeElement : null;
    const picks = [...columns.querySelectorAll("[data-decide]")];
    const row = focused ? focused.closest("tr") : null;
    const at = row ? picks.findIndex((each) => row.contains(each)) : -1;
    const typed = focused?.matches("input:not([type=search])") ? focused : null;
    const cursor = typed?.selectionStart;
    const accepts = document.getElementById("c-accept")?.open;
    columns.innerHTML = html;
    drawn = html;
    if (accepts) document.getElementById("c-accept")?.setAttribute("open", "");
    tellTimes(columns);
    if (focused) {
      const again = focused.id ? document.getElementById(focused.id) : null;
      if (typed && again) { // typed on meanwhile, perhaps
        again.value = typed.value;
        again.setSelectionRange(cursor, cursor);
      }
      const left = columns.querySelectorAll("[data-decide]");
      (again || left[Math.min(Math.max(at, 0), left.length - 1)] || search).focus({ preventScroll: Boolean(again) });
    }
    statusLine.textContent = document.getElementById("c-said")?.textContent || "";
  }
  clearTimeout(scanning);
  if (columns.querySelector("[data-pending]")) scanning = setTimeout(() => redraw(), WHILE_SCANNING);
}

async function askForScan(button) {
  button.disabled = true;
  button.textContent = "Asking…";
  const body = new FormData(form);
  try {
    const response = await fetch("/ask-for-scan", { method: "POST", body, headers: { "x-requested-with": "fetch" } });
    if (!response.ok) throw new Error((await response.json()).what || "");
  } catch (error) {
    statusLine.textContent = error.message || "The dashboard does not answer.";
    button.disabled = false;
    button.textContent = "Scan now";
    return;
  }
  redraw();
}

columns.addEventListener("change", (event) => {
  const { dataset, value } = event.target;
  if ("decide" in dataset) change(dataset.decide, { act: "decide", to: value });
  else if ("option" in dataset) change(dataset.of, { act: "option", to: dataset.option, value });
  else if ("because" in dataset) change(dataset.because, { act: "because", value });
  else if ("redraw" in dataset) redraw();
});

columns.addEventListener("input", (event) => {
  const { dataset, value } = event.target;
  if ("option" in dataset && event.target.matches("input")) {
    change(dataset.of, { act: "option", to: dataset.option, value }, TYPING_PAUSE);
  }
});

columns.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !event.target.matches("input")) return;
  event.preventDefault(); // it would send the whole form
  event.target.dispatchEvent(new Event("change", { bubbles: true }));
});

columns.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  const { dataset } = button;
  if ("accept" in dataset) change(dataset.what, { act: "accept", scope: dataset.accept });
  else if ("include" in dataset) change(dataset.include, { act: "include" });
  else if ("drop" in dataset) change(dataset.drop, { act: "drop" });
  else if ("options" in dataset) { optionsOf.value = dataset.options; redraw(); }
  else if ("filter" in dataset) { shownFilter.value = dataset.filter; redraw(); }
  else if ("scan" in dataset) askForScan(button);
});

columns.addEventListener("toggle", (event) => {
  if (!event.target.matches("details.coltable")) return;
  unfolded.value = JSON.stringify(foldedOpen());
  if (event.target.open && !event.target.querySelector("table, .hint")) redraw();
}, true);

search.addEventListener("input", (event) => { event.stopPropagation(); redraw({}, TYPING_PAUSE); });
search.addEventListener("keydown", (event) => {
  // Enter would send the whole form.
  if (event.key === "Enter") { event.preventDefault(); redraw(); }
});
// What was changed on the appliance meanwhile, a connection perhaps, is here when the page is looked at again.
document.addEventListener("visibilitychange", () => { if (!document.hidden) redraw(); });
drawColumns(drawn);
