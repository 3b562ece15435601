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

const seconds = (value) => `${(value / 1000).toFixed(value < 10000 ? 2 : 1)} s`;
const WAITED = { both: "readers and writers", writers: "writers" };
const MOST_STRETCHES = 6;

function waits(table, whole) {
  const cell = element("td", null, "waited");
  const picture = shape("svg", { viewBox: "0 0 100 8", preserveAspectRatio: "none", "aria-hidden": "true", class: "waits" });
  picture.append(shape("rect", { class: "whole", width: 100, height: 8 }));
  for (const each of table.blocked) {
    const width = Math.min(Math.max((each.end_ms - each.start_ms) / whole * 100, 0.8), 100);
    const high = each.who === "both" ? { height: 8 } : { y: 4, height: 4 };
    picture.append(shape("rect", { class: each.who, x: Math.min(each.start_ms / whole * 100, 100 - width), width, ...high }));
  }
  const said = table.blocked.slice(0, MOST_STRETCHES).map((each) => `${WAITED[each.who]} from ${seconds(each.start_ms)} to ${seconds(each.end_ms)}`);
  if (table.blocked.length > MOST_STRETCHES) said.push(`and ${table.blocked.length - MOST_STRETCHES} times more`);
  cell.append(picture, element("div", said.join("; ") || "no one waited", "quiet"));
  return cell;
}

function shape(name, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
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
  $("tables").replaceChildren(...ways.flatMap((way) => {
    const whole = Math.max(way.seconds * 1000, 1, ...way.tables.flatMap((each) => each.blocked.map((part) => part.end_ms)));
    return way.tables.map((each) => {
      const shown = row([each.table, each.strongest, milliseconds(each.reader_blocked_ms), milliseconds(each.writer_blocked_ms)]);
      shown.append(waits(each, whole));
      return shown;
    });
  }));
  $("bars").hidden = !ways.some((way) => way.tables.length);
  $("notes").textContent = [`On a branch of ${report.twin}, of the run ${report.run}.`, ...report.notes].join(" ");
}

async function look() {
  let over = false;
  try {
    const work = await ask(`work/${encodeURIComponent(id)}`);
    const verdict = work.answer && work.answer.verdict;
    const ended = work.state === "cancelled" ? work.problem : WORDS[verdict] || work.problem;
    $("state").replaceChildren(tag(work.state), ` ${ended || ""}`);
    $("about").textContent = `${work.workflow}, asked for ${moment(work.asked_at)}${work.origin === "cloud" ? " by the dashboard" : ""}`;
    $("said").replaceChildren(...work.said.map((line) => element("li", line)));
    if (work.answer && work.answer.up) showReport(work.answer);
    over = Boolean(work.ended_at);
    $("cancel").hidden = over;
    $("ending").hidden = over;
  } catch (error) {
    $("state").textContent = error.message || "The appliance does not answer.";
  }
  if (!over) setTimeout(look, EVERY_MS);
}

$("cancel").addEventListener("click", (event) => {
  if (confirm("Its branch is dropped, and its report says what was seen until then. Cancel it?")) act(event.target, $("ending-said"), `work/${encodeURIComponent(id)}/cancel`);
});
whoAmI().then((found) => {
  $("actions").hidden = !found.is_owner;
  $("sign-in").hidden = found.is_owner;
  $("token-file").textContent = found.token_file;
});
look();
