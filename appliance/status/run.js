// One run, asked for every two seconds while it goes on. What has not changed is not drawn anew.
"use strict";

const EVERY_MS = 2000;
const MOST_TABLES = 300;
const id = new URLSearchParams(location.search).get("id") || "";
const path = `runs/${encodeURIComponent(id)}`;
const drawn = new Map();
let workflow = "";

// A selection and what is unfolded survive, since only a part that differs is replaced.
function draw(place, parts) {
  const fresh = document.createElement("div");
  fresh.append(...parts);
  if (drawn.get(place) === fresh.innerHTML) return;
  const selection = getSelection();
  if (drawn.has(place) && !selection.isCollapsed && $(place).contains(selection.anchorNode)) return;
  drawn.set(place, fresh.innerHTML);
  $(place).replaceChildren(...parts);
}

function stepLines(steps) {
  const whole = new Map();
  for (const step of steps) {
    const line = whole.get(step.step) || { parts: 0, done: 0, seconds: 0, states: new Set(), attempt: 1 };
    line.parts += 1;
    line.done += step.state === "succeeded" ? 1 : 0;
    line.seconds = Math.max(line.seconds, step.seconds || 0);
    line.attempt = Math.max(line.attempt, step.attempt);
    line.states.add(step.state);
    whole.set(step.step, line);
  }
  return [...whole].map(([name, line]) => {
    const state = ["failed", "retrying", "running", "cancelled"].find((each) => line.states.has(each)) || [...line.states][0];
    return { name, state, ...line };
  });
}

function stepItem(line) {
  const item = element("li");
  const parts = line.parts > 1 ? `, ${line.done} of ${line.parts} parts` : "";
  const again = line.attempt > 1 ? `, try ${line.attempt}` : "";
  item.append(tag(line.state), ` ${line.name.replaceAll("_", " ")} `, element("span", `${duration(line.seconds)}${parts}${again}`, "quiet"));
  return item;
}

function showTrouble(run) {
  $("trouble").hidden = !run.failure;
  if (!run.failure) return;
  const { what, why: reason, next_step: next, step, table } = run.failure;
  const parts = [...textWithYaml(what), ...textWithYaml(reason)];
  if (next) {
    const box = element("div", null, "next");
    box.append(element("strong", "Next: "), ...textWithYaml(next));
    parts.push(box);
  }
  const where = [step && `In the step ${step}`, table && `table ${table}`].filter(Boolean).join(", ");
  if (where) parts.push(element("p", `${where}.`, "quiet"));
  draw("reasons", parts);
}

function verification(steps) {
  const result = steps.find((each) => each.step === "verify" && each.result)?.result;
  return (result?.checks || []).map((check) => {
    const item = element("li");
    item.append(tag(check.passed ? "ok" : "failed"), ` ${String(check.kind).replaceAll("_", " ")}`,
      element("span", check.checked === undefined ? "" : ` ${check.checked.toLocaleString()} checked`, "quiet"));
    return item;
  });
}

function logEnd(step, shard, lines) {
  const pre = element("pre", lines.join("\n"), "log");
  pre.tabIndex = 0;
  pre.setAttribute("aria-label", `End of the log of ${step}`);
  return [element("h3", `${step.replaceAll("_", " ")}${shard === null ? "" : `, part ${shard}`}`), pre];
}

// Of the steps under way while it runs, else of those that failed. Each stays scrolled to its end.
function showLogs(run, running) {
  const failed = run.steps.filter((each) => each.failure?.log_tail?.length);
  const ends = failed.flatMap((each) => logEnd(each.step, each.shard, each.failure.log_tail));
  const live = running.flatMap((each) => logEnd(each.step, each.shard, each.lines));
  $("logs-part").hidden = !ends.length && !live.length;
  $("logs-title").textContent = live.length ? "The end of each running step's log" : "The end of each failed step's log";
  const before = new Map([...$("logs").querySelectorAll("pre")].map((pre) => [pre.getAttribute("aria-label"), pre.scrollHeight - pre.scrollTop - pre.clientHeight < 24 ? null : pre.scrollTop]));
  draw("logs", [...live, ...ends]);
  for (const pre of $("logs").querySelectorAll("pre")) pre.scrollTop = before.get(pre.getAttribute("aria-label")) ?? pre.scrollHeight;
}

function runFacts(run, now) {
  const found = [
    ["Workflow", run.workflow],
    ["Asked for by", { schedule: "its schedule", command: "the dashboard", operator: "an operator on the appliance" }[run.trigger] || run.trigger],
    ["Asked for", moment(run.queued_at)],
    ["Took", duration(run.seconds)],
  ];
  if (run.plan) {
    const { tables_total: tables, not_carried: missing, warnings } = run.plan;
    const kept = run.plan.tables.reduce((sum, each) => sum + (each.kept || 0), 0);
    const masked = run.plan.tables.reduce((sum, each) => sum + (each.masked || 0), 0);
    found.push(["Plan", `${tables} tables, ${masked} columns masked, ${kept} kept, ${warnings} warnings`]);
    if (missing) found.push(["Not carried", [`${missing} objects of the source: `, element("code", `appliance runs ${run.run_id}`)]]);
  }
  for (const twin of run.twins || []) {
    const since = `stands since ${moment(twin.since)}`;
    found.push([`Twin ${twin.connection}`, twin.replaced_by ? ["was replaced by ", runLink(twin.replaced_by)] : since]);
  }
  return found;
}

function show(run, running) {
  const now = new Date();
  workflow = run.workflow;
  document.title = `${run.state}: ${run.run_id}`;
  if ($("name").textContent !== run.run_id) $("name").textContent = run.run_id;
  draw("state", [tag(run.state)]);
  const going = ["queued", "running"].includes(run.state);
  const steps = stepLines(run.steps);
  const at = [...steps].reverse().find((each) => each.state === "running");
  const news = going ? `${run.state}${at ? `: ${at.name.replaceAll("_", " ")}` : ""}` : `The run has ${run.state}.`;
  if ($("news").textContent !== news) $("news").textContent = news;
  facts($("facts"), runFacts(run, now));
  showTrouble(run);
  draw("steps", steps.map(stepItem));
  const tables = [...run.tables].sort((a, b) => a.done - b.done || a.table.localeCompare(b.table));
  $("tables-part").hidden = !tables.length;
  draw("tables", tables.slice(0, MOST_TABLES).map(bar));
  const checks = verification(run.steps);
  $("proof").hidden = !checks.length;
  draw("checks", checks);
  $("notices-part").hidden = !run.notices.length;
  draw("notices", run.notices.map((each) => element("li", each.text)));
  showLogs(run, running);
  $("cancel").hidden = !going;
  $("again").hidden = going;
  return going;
}

async function look() {
  let going = true;
  if (!document.hidden) {
    try {
      const run = await ask(path);
      going = show(run, run.state === "running" ? await ask(`${path}/logs`).catch(() => []) : []);
    } catch (error) {
      $("said").textContent = error.message === "404" ? "There is no such run. Next: appliance runs" : "Not known: the appliance's database does not answer.";
    }
  }
  setTimeout(look, going ? EVERY_MS : 5 * EVERY_MS);
}

$("cancel").addEventListener("click", (event) => {
  if (confirm("The run ends, and the twin stays as it was. Cancel it?")) act(event.target, $("said"), `${path}/cancel`);
});
$("again").addEventListener("click", (event) => act(event.target, $("said"), "runs", { workflow }));
$("as-data").href = path;
$("log-command").textContent = `appliance logs ${id}`;
whoAmI().then((found) => {
  $("actions").hidden = !found.is_owner;
  $("sign-in").hidden = found.is_owner;
  $("token-file").textContent = found.token_file;
});
look();
