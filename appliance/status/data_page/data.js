// What there is for people who use data. Asked once: it changes with a run, not with the second.
"use strict";

function table(label, heads, lines) {
  const box = element("div", null, "scroll");
  box.tabIndex = 0;
  box.setAttribute("role", "group");
  box.setAttribute("aria-label", label);
  const made = document.createElement("table");
  const head = document.createElement("tr");
  heads.forEach((each) => { const th = element("th", each); th.scope = "col"; head.append(th); });
  const top = document.createElement("thead");
  top.append(head);
  const body = document.createElement("tbody");
  lines.forEach((cells) => {
    const row = document.createElement("tr");
    cells.forEach((cell) => {
      const td = document.createElement("td");
      td.append(...[cell].flat().filter((part) => part !== null && part !== undefined && part !== ""));
      row.append(td);
    });
    body.append(row);
  });
  made.append(top, body);
  box.append(made);
  return box;
}

function until(text, now) {
  return text ? `until ${moment(text)} (${ago(text, now)})` : "no end is set";
}

// As libpq takes it: a value with a space, a quote or a backslash is quoted.
const libpq = (value) => (/^[\w.-]+$/.test(value) ? value : `'${String(value).replace(/[\\']/g, "\\$&")}'`);
const shell = (text) => `'${text.replace(/'/g, "'\\''")}'`;

function connecting(at) {
  if (!at.host) return element("p", `The connection ${at.connection} is not known here any more.`, "quiet");
  const parts = [["host", at.host], ["port", at.port], ["dbname", at.database], ["user", "YOUR_ROLE"]];
  if (at.sslmode) parts.push(["sslmode", at.sslmode]);
  return copyable(`psql ${shell(parts.map(([name, value]) => `${name}=${libpq(value)}`).join(" "))}`);
}

function databases(title, offers, now, ends) {
  const made = [element("h3", title)];
  offers.forEach((each) => {
    const line = element("p");
    line.append(element("strong", each.at.database), ` on ${each.at.connection}, of the run ${each.run}, ${ago(each.made_at, now)}; ${until(each[ends], now)}`);
    made.push(line, connecting(each.at));
  });
  return made;
}

function exportsOf(workflow, now) {
  const lines = workflow.exports.map((each) => [
    each.run, each.formats.join(", "), ago(each.created_at, now),
    `${each.rows.toLocaleString()} rows in ${each.tables.toLocaleString()} ${each.tables === 1 ? "table" : "tables"}`, size(each.bytes), until(each.expires_at, now),
  ]);
  const made = [element("h3", "Files to fetch"), table(`Exports of ${workflow.id}`, ["Run", "Formats", "Made", "What", "Size", "Stays"], lines)];
  if (workflow.exports.some((each) => each.restorable)) {
    made.push(element("p", "Into a database on your own machine:", "quiet"),
      copyable(`appliance pull ${workflow.id} --from ${location.origin} --to postgresql://localhost/${workflow.id.replace(/-/g, "_")}`));
  }
  made.push(element("p", "As files, in a folder:", "quiet"), copyable(`appliance pull ${workflow.id} --from ${location.origin} --into ./${workflow.id}`));
  return made;
}

function masking(workflow) {
  const columns = workflow.tables.flatMap((each) => each.columns);
  const masked = columns.filter((each) => each.mask).length;
  const box = document.createElement("details");
  box.append(element("summary", `What is masked how: ${masked.toLocaleString()} of ${columns.length.toLocaleString()} columns in ${workflow.tables.length.toLocaleString()} tables`));
  workflow.tables.forEach((each) => {
    const left = each.left_out ? `, ${each.left_out.toLocaleString()} left out by filters` : "";
    box.append(element("h3", `${each.table}: ${each.rows === null ? "" : `${each.rows.toLocaleString()} rows`}${left}`));
    box.append(table(`Columns of ${each.table}`, ["Column", "Type", "Masked by"], each.columns.map((column) => [
      column.name, column.type,
      column.mask ? [element("strong", column.mask), column.options ? ` (${column.options})` : ""]
        : element("span", column.because ? `kept: ${column.because}` : "kept as it is", "quiet"),
    ])));
  });
  const made = [box];
  if (workflow.not_carried.length) {
    const left = document.createElement("details");
    const list = document.createElement("ul");
    list.append(...workflow.not_carried.map((each) => element("li", each)));
    left.append(element("summary", `Left out of the source: ${workflow.not_carried.length.toLocaleString()}`), list);
    made.push(left);
  }
  return made;
}

function card(workflow, now) {
  const made = document.createElement("section");
  const title = element("h2", workflow.id);
  title.id = `workflow-${workflow.id}`;
  made.setAttribute("aria-labelledby", title.id);
  made.append(title);
  if (workflow.title) made.append(element("p", workflow.title));
  made.append(element("p", workflow.as_of
    ? `As ${workflow.source} was ${ago(workflow.as_of, now)}, at ${moment(workflow.as_of)}; proven by receipt ${workflow.receipt}, run ${workflow.run}.`
    : "No run of it was released yet, or its receipt is not here any more.", "quiet"));
  if (workflow.twins.length) made.append(...databases("Twins", workflow.twins, now, "expires_at"));
  if (workflow.branches.length) made.append(...databases("Branches", workflow.branches, now, "ends_at"));
  if (workflow.exports.length) made.append(...exportsOf(workflow, now));
  if (workflow.buckets.length) {
    made.append(element("h3", "In buckets"), table(`Buckets of ${workflow.id}`, ["Connection and folder", "Run", "Delivered"],
      workflow.buckets.map((each) => [each.place, each.run, ago(each.made_at, now)])));
  }
  if (workflow.tables.length) made.append(...masking(workflow));
  return made;
}

async function show() {
  const answer = await fetch("data/offers", { headers: { accept: "application/json" } }).catch(() => null);
  const said = answer && await answer.json().catch(() => null);
  if (!answer || !answer.ok) {
    $("verdict").textContent = said?.detail || "The status service does not answer.";
    $("needs-token").hidden = answer?.status !== 401;
    return;
  }
  const now = new Date(said.now);
  const count = said.workflows.length;
  $("verdict").textContent = count ? `${count.toLocaleString()} ${count === 1 ? "workflow" : "workflows"}` : "Nothing is there yet";
  $("about").textContent = said.person ? `For ${said.person}; the token ends ${ago(said.expires_at, now)}.` : "";
  $("data").replaceChildren(...said.workflows.map((each) => card(each, now)));
}

show();
