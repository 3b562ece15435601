// Asks /status every two seconds while the page is looked at, and writes what it says. No library, nothing from outside.
"use strict";

const EVERY_MS = 2000;
const MOST_BARS = 40;
let last = null;

// Rows are kept by key and only changed where they differ, so that focus and selection survive.
function rows(body, items) {
  const present = new Map([...body.children].map((row) => [row.dataset.key, row]));
  items.forEach(({ key, cells }, index) => {
    const fresh = document.createElement("tr");
    fresh.dataset.key = key;
    cells.forEach((cell) => {
      const td = document.createElement("td");
      td.append(...[cell].flat().filter((part) => part !== null && part !== undefined));
      fresh.append(td);
    });
    let row = present.get(key);
    present.delete(key);
    if (row && row.innerHTML !== fresh.innerHTML) { row.replaceWith(fresh); row = fresh; }
    row = row || fresh;
    if (body.children[index] !== row) body.insertBefore(row, body.children[index] || null);
  });
  present.forEach((row) => row.remove());
}

function looked(kept) {
  if (!kept) return null;
  const text = `Looked into ${kept.looked_at.toLocaleString()} of ${kept.columns.toLocaleString()} kept columns, over ${kept.rows.toLocaleString()} rows: `;
  if (!kept.found) return element("span", `${text}nothing looks personal`, "look quiet");
  return element("span", `${text}${kept.found.toLocaleString()} look personal (${kept.found_in.join(", ")})`, "look why");
}

function checked(workflow, now) {
  const check = workflow.drift_check;
  if (!check) return null;
  const at = `Checked for drift ${ago(check.checked_at, now)}: `;
  if (check.outcome === "goes") return element("span", `${at}the next run would go`, "look quiet");
  const failed = check.failure || {};
  const verdict = check.outcome === "halts" ? "the next run would halt" : "could not be looked at";
  const said = why([`${at}${verdict}.`, failed.what, ...check.columns.slice(0, 20), ...check.changes.slice(0, 20)].filter(Boolean).join("\n"));
  said.append(element("span", `Next: appliance plan ${workflow.file}`, "next"));
  return said;
}

const urgency = (workflow) =>
  ({ invalid: 0, refused: 0, waiting: 2 })[workflow.state] ?? (workflow.last_run?.state === "failed" ? 1 : 3);

function showWorkflows(workflows, now) {
  const wanted = $("filter").value.trim().toLowerCase();
  document.querySelector(".filter").hidden = workflows.length < 12;
  $("no-workflows").hidden = workflows.length > 0;
  const shown = workflows
    .filter((each) => !wanted || `${each.id} ${each.title} ${each.file}`.toLowerCase().includes(wanted))
    .sort((a, b) => urgency(a) - urgency(b) || String(a.id || a.file).localeCompare(b.id || b.file));
  rows($("workflow-rows"), shown.map((each) => ({
    key: each.file,
    cells: [
      [element("strong", each.id || each.file), " ", element("span", each.title, "quiet"), why(each.problem), checked(each, now)],
      tag(each.state),
      each.last_run ? [lastRun(each.last_run), " ", since(each.last_run.ended_at, now, "quiet"), looked(each.kept)] : "never",
      each.last_success_at ? since(each.last_success_at, now) : "never",
      [each.next_run_at ? since(each.next_run_at, now) : each.schedule || "on demand", runButton(each)],
    ],
  })));
}

function lastRun(run) {
  const link = document.createElement("a");
  link.href = `run.html?id=${encodeURIComponent(run.run_id)}`;
  link.append(tag(run.state));
  return link;
}

function runButton(workflow) {
  if (!owner?.is_owner || workflow.state !== "active") return null;
  const button = element("button", "Run now");
  button.type = "button";
  button.dataset.run = workflow.id;
  button.setAttribute("aria-label", `Run ${workflow.id} now`);
  return button;
}

function failure(run) {
  if (!run.failure) return null;
  // One line here; the run's own page says the rest.
  return why((run.failure.what || "").split("\n")[0]);
}

function showRuns(runs, now) {
  $("no-runs").hidden = (runs || []).length > 0;
  $("no-runs").textContent = runs ? "No run yet." : "Not known: the appliance's database does not answer.";
  rows($("run-rows"), (runs || []).slice(0, 10).map((each) => ({
    key: each.run_id,
    cells: [
      [runLink(each.run_id), failure(each)],
      tag(each.state), since(each.started_at || each.queued_at, now), duration(each.seconds),
    ],
  })));
}

async function showNow(current, known) {
  if (current === null) {
    $("now").replaceChildren(element("p", "Not known: the appliance's database does not answer.", "quiet"));
    return;
  }
  if (!current.length) {
    $("now").replaceChildren(element("p", "Nothing is running.", "quiet"));
    return;
  }
  const cards = await Promise.all(current.slice(0, 6).map(async (run) => {
    const details = run.state === "running" ? await ask(`runs/${encodeURIComponent(run.run_id)}`).catch(() => null) : null;
    const card = element("article", null, "run");
    const title = element("h3");
    title.append(runLink(run.run_id), " ");
    const step = details && [...details.steps].reverse().find((each) => each.state === "running");
    title.append(tag(run.state), ` ${step ? step.step : ""} ${duration(run.seconds)}`);
    const tables = details ? details.tables : [];
    const unfinished = [...tables].sort((a, b) => a.done - b.done || a.table.localeCompare(b.table));
    card.append(title, ...unfinished.slice(0, MOST_BARS).map(bar));
    if (tables.length > MOST_BARS) card.append(element("p", `and ${tables.length - MOST_BARS} more tables`, "quiet"));
    return card;
  }));
  if (current.length > 6) cards.push(element("p", `and ${current.length - 6} more runs`, "quiet"));
  $("now").replaceChildren(...cards);
}

async function showDiagnostics() {
  let found = null;
  try {
    found = await ask("diagnostics");
  } catch {
    $("diagnosed").textContent = "Not from here while the appliance's database is away. On the appliance: sudo appliance diagnostics";
    return;
  }
  $("diagnose").disabled = found.state === "under way";
  $("diagnostics-file").hidden = found.state !== "ready";
  $("diagnosed").textContent = found.state === "ready"
    ? `Made ${moment(found.made_at)}, ${size(found.bytes)}, without secrets; look at what is in them, then give them to the person who helps. They are deleted after an hour.`
    : found.state === "under way" ? "They are being made…" : found.problem || "";
  if (found.state === "under way") setTimeout(showDiagnostics, EVERY_MS);
}

$("diagnose").addEventListener("click", async (event) => {
  await act(event.target, $("diagnosed"), "diagnostics");
  showDiagnostics();
});

async function showOwner() {
  const found = await whoAmI();
  $("diagnostics").hidden = !found.is_owner;
  if (found.is_owner) showDiagnostics();
  $("sign-in").hidden = found.is_owner;
  $("token-file").textContent = found.token_file;
  if (last) {
    showWorkflows(last.workflows, new Date(last.now));
    showConnections(last.connections, new Date(last.now));
  }
}

$("connection-rows").addEventListener("click", (event) => {
  const button = event.target.closest("[data-test]");
  if (button) act(button, $("tested"), "connections/test", { connection: button.dataset.test });
});

$("workflow-rows").addEventListener("click", (event) => {
  const button = event.target.closest("[data-run]");
  if (button) act(button, $("said"), "runs", { workflow: button.dataset.run });
});

async function showRehearsals(now) {
  const found = await ask("rehearsals").catch(() => []);
  $("rehearsals").hidden = !found.length;
  $("rehearsal-rows").replaceChildren(...found.map((each) => {
    const line = element("li");
    const link = element("a", each.workflow);
    link.href = `rehearsal.html?id=${encodeURIComponent(each.id)}`;
    const outcome = { 1: "failed", 3: "above a threshold, or refused" }[each.exit_code] || "";
    line.append(tag(each.state), " ", link, ` ${outcome} `, element("span", ago(each.asked_at, now), "quiet"));
    return line;
  }));
}

function show(status) {
  last = status;
  const now = new Date(status.now);
  const verdict = status.healthy ? "Healthy" : "Not healthy";
  if ($("verdict").textContent !== verdict) $("verdict").textContent = verdict;
  $("verdict").className = `verdict ${status.healthy ? "good" : "bad"}`;
  const name = status.name || "Appliance";
  if ($("name").textContent !== name) $("name").textContent = name;
  document.title = `${status.healthy ? "" : "✗ "}${name}: ${verdict.toLowerCase()}`;
  $("about").textContent = `release ${status.version}, up since ${moment(status.started_at)}`;
  $("problems").hidden = !status.reasons.length;
  $("reasons").replaceChildren(...status.reasons.map((reason) => element("li", reason)));
  showWorkflows(status.workflows, now);
  showRuns(status.runs.recent, now);
  showErasures(status.erasures, now);
  showRefused(status, now);
  showTwins(status.twins, now);
  showConnections(status.connections, now);
  showPolicy(status.policy);
  facts($("kept"), keptHere(status, now));
  facts($("parts"), status.components.map((each) => [PARTS[each.name] || each.name.replaceAll("_", " "), [tag(each.state), why(each.problem)]]));
  facts($("machine"), machine(status, now));
  $("enrol").hidden = !status.dashboard || status.dashboard.enrolled || !status.dashboard.url;
  // While its database is away there is nothing to ask for.
  return Promise.all([showNow(status.runs.current), status.runs.current && showRehearsals(now)]);
}

async function look() {
  if (!document.hidden) {
    try {
      await show(await ask("status"));
    } catch {
      $("verdict").textContent = "The status service does not answer";
      $("verdict").className = "verdict bad";
    }
  }
  setTimeout(look, EVERY_MS);
}

$("enrol").addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.target;
  const button = form.querySelector("button");
  button.disabled = true;
  $("enrol-said").textContent = "Asking the dashboard…";
  try {
    const answer = await fetch("enrol", {
      method: "POST", headers: { "content-type": "application/json" },
      body: JSON.stringify({ token: form.elements.token.value.trim() }),
    });
    const { name, detail } = await answer.json();
    $("enrol-said").textContent = answer.ok ? `Enrolled as ${name}.` : [detail].flat().map((each) => each.msg || each).join("\n");
    $("enrol-said").className = answer.ok ? "" : "why";
    if (answer.ok) form.reset();
  } catch {
    $("enrol-said").textContent = "The status service does not answer. Next: appliance status";
  }
  button.disabled = false;
});
$("filter").addEventListener("input", () => last && showWorkflows(last.workflows, new Date(last.now)));
document.addEventListener("visibilitychange", () => { if (!document.hidden && last) ask("status").then(show).catch(() => {}); });
look();
showOwner();
