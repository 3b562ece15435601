// One rehearsal, asked for every two seconds until it is over.
"use strict";

const EVERY_MS = 2000;
const id = new URLSearchParams(location.search).get("id") || "";
const WORDS = { passed: "The migration passed.", failed: "The migration failed.", above: "The migration is above a threshold." };
const milliseconds = (value) => (value < 1000 ? `${Math.round(value)} ms` : `${(value / 1000).toFixed(1)} s`);

function row(cells) {
  const tr = document.createElement("tr");
  for (const cell of cells) tr.append(element("td", cell));
  return tr;
}

function did(each) {
  const named = { rewrites: "rewrote", reindexed: "rebuilt", built: "made", validated: "validated", invalid: "left not valid:", dropped: "dropped" };
  const parts = Object.entries(named).flatMap(([key, word]) => (each[key] || []).map((name) => `${word} ${name}`));
  for (const finding of each.findings || []) parts.push(`lint: ${finding.rule}`);
  if (each.failure) parts.push(`failed: ${each.failure.why}${each.failure.sqlstate ? ` (SQLSTATE ${each.failure.sqlstate})` : ""}`);
  return parts.join("; ");
}

function showReport(report) {
  $("how").hidden = false;
  const ways = [report.up, report.down].filter(Boolean);
  $("reasons").replaceChildren(...report.reasons.map((reason) => element("li", reason)));
  $("statements").replaceChildren(...ways.flatMap((way) => way.statements.map((each) => row([
    `${each.file}:${each.line}`, each.statement, milliseconds(each.ms),
    each.locks.map((lock) => `${lock.table}: ${lock.mode}, ${milliseconds(lock.held_ms)}`).join("; "), did(each),
  ]))));
  $("tables").replaceChildren(...ways.flatMap((way) => way.tables.map((each) => row([
    each.table, each.strongest, milliseconds(each.reader_blocked_ms), milliseconds(each.writer_blocked_ms),
  ]))));
  $("notes").textContent = [`On a branch of ${report.twin}, of the run ${report.run}.`, ...report.notes].join(" ");
}

async function look() {
  let over = false;
  try {
    const work = await ask(`work/${encodeURIComponent(id)}`);
    const verdict = work.answer && work.answer.verdict;
    $("state").replaceChildren(tag(work.state), ` ${WORDS[verdict] || work.problem || ""}`);
    $("about").textContent = `${work.workflow}, asked for ${moment(work.asked_at)}${work.origin === "cloud" ? " by the dashboard" : ""}`;
    $("said").replaceChildren(...work.said.map((line) => element("li", line)));
    if (work.answer && work.answer.up) showReport(work.answer);
    over = Boolean(work.ended_at);
  } catch (error) {
    $("state").textContent = error.message || "The appliance does not answer.";
  }
  if (!over) setTimeout(look, EVERY_MS);
}

look();
