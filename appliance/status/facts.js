// What the page says beside workflows and runs: twins, connections, policy, exports, the machine, what was refused.
"use strict";

// As the dashboard calls them.
const PARTS = {
  scheduler: "Scheduler", dag_processor: "DAG processor", api_server: "Execution API", status: "Status service",
  postgres: "PostgreSQL", docker: "Docker", airflow_database: "Airflow's database", disk: "Disk",
};
const TEST_WORDS = { received: "asked for", accepted: "under way", done: "works", refused: "refused", failed: "fails" };
const FILLED_IN = { ready: "filled in", placeholder: "still changeme", missing: "missing", invalid: "cannot be read" };

function showTwins(twins, now) {
  $("no-twins").hidden = (twins || []).length > 0;
  if (twins === null) $("no-twins").textContent = "Not known: the appliance's database does not answer.";
  rows($("twin-rows"), (twins || []).map((each) => ({
    key: each.connection,
    cells: [element("strong", each.connection), since(each.since, now), each.workflow, runLink(each.run_id)],
  })));
}

function showConnections(connections, now) {
  $("no-connections").hidden = (connections || []).length > 0;
  rows($("connection-rows"), (connections || []).map((each) => {
    const { test } = each;
    const going = test && ["received", "accepted"].includes(test.state);
    const said = test ? [tag(TEST_WORDS[test.state], TEST_LOOKS[test.state]), " ", since(test.at, now, "quiet"), failureOf(test)] : ["not tested"];
    return {
      key: each.name,
      cells: [
        element("strong", each.name),
        tag(FILLED_IN[each.state] || each.state, each.state === "ready" ? "good" : "bad"),
        said,
        [test?.worked_at ? since(test.worked_at, now) : test ? "never" : "–", going ? null : testButton(each)],
      ],
    };
  }));
}

const TEST_LOOKS = { received: "wait", accepted: "busy", done: "good", refused: "bad", failed: "bad" };

function failureOf(test) {
  if (!test.problem) return null;
  return why(`${test.failure ? `${test.failure}: ` : ""}${test.problem}`);
}

function testButton(connection) {
  if (!owner?.is_owner || connection.state !== "ready") return null;
  const button = element("button", "Test");
  button.type = "button";
  button.dataset.test = connection.name;
  button.setAttribute("aria-label", `Test the connection ${connection.name}`);
  return button;
}

function showPolicy(policy) {
  if (!policy) return;
  const says = !policy.is_there ? `There is no ${policy.file}: the dashboard may do the least, and local workflows are not limited.`
    : policy.problem ? `${policy.problem} Next: appliance policy check` : policy.rules.length ? "" : `${policy.file} names no rule.`;
  $("no-policy").hidden = !says;
  $("no-policy").textContent = says;
  facts($("policy"), policy.rules.map((each) => [each.rule, element("span", each.value, "break")]));
}

function keptHere(status, now) {
  const found = [];
  const { exports, last_backup: backup } = status;
  if (exports) {
    found.push(["Exports", exports.count ? [`${exports.count.toLocaleString()}, ${size(exports.bytes)}`] : "none"]);
    exports.newest.slice(0, 3).forEach((each) =>
      found.push([each.workflow, [since(each.created_at, now), `, ${each.rows.toLocaleString()} rows, ${size(each.bytes)} `, runLink(each.run)]]));
    if (exports.count > 3) found.push(["All of them", element("code", "appliance exports list")]);
  } else {
    found.push(["Exports", "not known"]);
  }
  found.push(["Last backup", backup ? [since(backup.at, now), `, ${size(backup.bytes)}, release ${backup.release}, `, element("code", backup.file)]
    : ["none is known: ", element("code", "sudo appliance backup create FILE")]]);
  return found;
}

function showRefused(status, now) {
  const taken = (status.dashboard?.not_taken || []).map((each) => ({ what: each.id, ...each }));
  const asked = (status.refused || []).map((each) => ({
    what: [each.kind, ...Object.entries(each.payload).filter(([key]) => key !== "by").map(([, value]) => value)].join(" "), when: ago(each.at, now), ...each,
  }));
  const all = [...taken, ...asked];
  $("refused").hidden = !all.length;
  $("refusals").replaceChildren(...all.map((each) => {
    const line = element("li");
    line.append(element("strong", each.what), each.rule ? ` (rule ${each.rule}) ` : ` ${each.state} `,
      element("span", each.when || "", "quiet"), why(each.problem) || "");
    return line;
  }));
}

function showErasures(erasures, now) {
  $("erasures").hidden = !erasures?.length;
  $("erasure-rows").replaceChildren(...(erasures || []).map((each) => {
    const line = element("li");
    line.append(element("strong", each.reference), each.begun ? " is begun, and a place is open; asked for " : " asked for ",
      element("span", ago(each.received_at, now), "quiet"));
    return line;
  }));
}

function machine(status, now) {
  const found = [];
  if (status.disk) {
    const { total_bytes: total, free_bytes: free, level } = status.disk;
    const tight = level === "ok" ? [] : [tag(level === "full" ? "down" : "degraded")];
    found.push(["Disk", [`${size(free)} of ${size(total)} free `, ...tight]]);
  }
  const dashboard = status.dashboard;
  if (dashboard) {
    const none = dashboard.url ? `${dashboard.url}, not enrolled yet` : "none (sudo appliance enrol URL -)";
    found.push(["Dashboard", dashboard.enrolled ? dashboard.url : none]);
    if (dashboard.enrolled) found.push(["Last contact", [ago(dashboard.last_contact_at, now) || "never", why(dashboard.problem)]]);
    else if (dashboard.problem) found.push(["Enrolment", why(dashboard.problem)]);
    if (Math.abs(dashboard.clock_offset_seconds || 0) > 5) found.push(["Clock", `${dashboard.clock_offset_seconds} s from the dashboard's`]);
  }
  const wish = status.wanted_release;
  if (wish) found.push(["Wanted release", [`${wish.version} `, tag(wish.state), why(wish.problem)]]);
  const looked = status.release_look;
  if (looked) {
    const newest = looked.newer ? `${looked.newer} is newer in ${looked.channel}` : `none is newer in ${looked.channel}`;
    found.push(["Releases", [`${newest}, looked ${ago(looked.at, now)}`, why(looked.problem)]]);
    if (looked.revoked) found.push(["This release", ["was revoked", why(looked.revoked)]]);
  }
  if (status.outbox) {
    const { waiting, oldest_seconds: oldest } = status.outbox;
    found.push(["Outbox", waiting ? `${waiting.toLocaleString()} events wait, the oldest for ${duration(oldest)}` : "empty"]);
  }
  (status.certificates || []).slice(0, 4).forEach((each) =>
    found.push(["Certificate", `${each.file} expires ${ago(each.expires_at, now)}`]));
  if (status.receipts) {
    const { number, digest, public_key: key } = status.receipts;
    found.push(["Receipts", digest ? `${number.toLocaleString()}, the newest ${digest}` : "none yet"]);
    if (key) found.push(["Key of receipts", key.split("\n")[1]]);
  }
  return found;
}
