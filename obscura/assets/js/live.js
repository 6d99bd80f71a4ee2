// The live feed in words: says whether it is on, asks for what was missed, and keeps each copy in one row.

const WORDS = {
  on: "Live",
  off: "Reconnecting…",
  stopped: "Live updates stopped. Reload the page.",
};
// The close codes after which htmx connects again; after any other one nothing more arrives.
const COMES_BACK = new Set([1001, 1005, 1006, 1011, 1012, 1013, 1014]);

function say(state) {
  document.body.dataset.live = state;
  for (const word of document.querySelectorAll("[data-live-word]")) word.textContent = WORDS[state];
}

// Cursors are whole numbers in decimal and may exceed what a double holds: the longer one is the greater.
function isNewer(left, right) {
  return left.length === right.length ? left > right : left.length > right.length;
}

function newestCursor() {
  let newest = "";
  for (const element of document.querySelectorAll("[data-cursor]")) {
    if (isNewer(element.dataset.cursor, newest)) newest = element.dataset.cursor;
  }
  return newest;
}

function askForWhatWasMissed(connection) {
  const address = new URL(connection.url);
  const cursor = newestCursor();
  if (cursor) address.searchParams.set("after", cursor);
  connection.url = address.href;
}

// A copy stands in one row for all its states, in the order of the leads' trades. The server may send one again (a new
// state, or an overlap after a reconnect); what is older than the row that is there changes nothing.
function place(table, row) {
  const known = table.querySelector(`:scope > [data-id="${CSS.escape(row.dataset.id)}"]`);
  if (known) {
    if (!isNewer(known.dataset.cursor, row.dataset.cursor)) known.replaceWith(row);
    return;
  }
  const rows = [...table.querySelectorAll(":scope > [data-id]")];
  const behind = rows.find(other => Number(other.dataset.at) <= Number(row.dataset.at));
  table.insertBefore(row, behind ?? table.querySelector(":scope > [data-empty]"));
}

// Returns whether the message was rows for a table of ours.
function takeRows(text) {
  const message = JSON.parse(text);
  const table = message.content && message.target && document.querySelector(message.target);
  if (!table?.matches("[data-keep]")) return false;
  const fragment = document.createElement("template");
  fragment.innerHTML = message.content;
  for (const row of [...fragment.content.querySelectorAll("[data-id]")].reverse()) place(table, row);
  trim(table);
  return true;
}

function trim(table) {
  for (const row of [...table.querySelectorAll(":scope > [data-id]")].slice(Number(table.dataset.keep))) row.remove();
}

document.addEventListener("htmx:ws:before:connection", event => askForWhatWasMissed(event.detail.connection));
document.addEventListener("htmx:ws:after:connection", () => say("on"));
document.addEventListener("htmx:ws:before:message:incoming", event => {
  const data = event.detail.message.data;
  if (typeof data === "string" && takeRows(data)) event.detail.cancelled = true;
});
document.addEventListener("htmx:ws:close", event => {
  const {code, connection} = event.detail;
  // A tab coming back to the front connects again without asking first, so the address is made ready here.
  if (connection) askForWhatWasMissed(connection);
  say(code === null || COMES_BACK.has(code) ? "off" : "stopped");
});
// A page taken out of the browser's back-forward cache has lost its socket for good.
addEventListener("pageshow", event => {
  if (event.persisted && document.body.dataset.live) location.reload();
});
