// Plan this draft: the appliance is asked with the text as it stands, and its answer is shown beside it.
"use strict";

const planDraft = document.getElementById("plan-draft");
const planSaid = document.getElementById("plan-said");
const planned = document.getElementById("planned");
let plannedText = "";

async function askForPlan() {
  planDraft.disabled = true;
  planSaid.textContent = "Asking…";
  await settled(); // what was clicked or typed just now is in the YAML
  plannedText = yaml.value;
  try {
    const response = await fetch("/plan-draft", {
      method: "POST", body: new FormData(form), headers: { "x-requested-with": "fetch" },
    });
    const answer = await response.json();
    if (!response.ok) throw new Error([answer.what, answer.why, answer.next_step].filter(Boolean).join(" "));
    const live = document.createElement("div");
    live.dataset.live = `/plan-draft/${answer.command}`;
    live.dataset.every = "1";
    planned.replaceChildren(live);
    planSaid.textContent = `Asked ${answer.appliance}.`;
    keepCurrent(live);
  } catch (error) {
    planned.replaceChildren();
    planSaid.textContent = error.message || "The dashboard does not answer.";
  }
  planDraft.disabled = save.disabled;
}

function sayOutdated() {
  const mark = planned.querySelector("[data-outdated]");
  if (mark) mark.hidden = yaml.value === plannedText;
}

planDraft.addEventListener("click", askForPlan);
planned.addEventListener("click", (event) => {
  const button = event.target.closest("[data-merge]");
  if (button) change(button.dataset.merge, { act: "merge" });
});
new MutationObserver(() => {
  sayOutdated();
  const heading = planned.querySelector(".callout h2");
  // What is seen in the answer is still said aloud.
  planSaid.classList.toggle("visually-hidden", Boolean(heading));
  if (heading && planSaid.textContent !== heading.textContent) planSaid.textContent = heading.textContent;
}).observe(planned, { childList: true, subtree: true });
