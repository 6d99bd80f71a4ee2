// The few things a page does without the server: the theme, a slider beside a number, questions before a last step.

function currentTheme() {
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  return document.documentElement.dataset.theme || (dark ? "dark" : "light");
}

// The theme lives in a cookie that the server reads, so a page never flashes in the wrong one.
function switchTheme() {
  const next = currentTheme() === "dark" ? "light" : "dark";
  document.documentElement.dataset.theme = next;
  document.cookie = `theme=${next};path=/;max-age=31536000;samesite=lax`;
  document.dispatchEvent(new CustomEvent("obscura:theme"));
}

document.addEventListener("click", event => {
  if (event.target.closest("[data-theme-switch]")) switchTheme();
});

// A slider and a number say the same thing; the one that was moved leads. A slider may end where another amount ends.
document.addEventListener("input", event => {
  const other = document.getElementById(event.target.dataset?.mirror ?? "");
  if (other && other.value !== event.target.value) other.value = event.target.value;
  const slider = event.target.id && document.querySelector(`[data-max-of="${CSS.escape(event.target.id)}"]`);
  if (slider && Number(event.target.value) > 0) slider.max = event.target.value;
});

// What the server could not answer is said, not swallowed: the page stays as it was.
const TROUBLE = "That did not work, and nothing was changed. Check your connection, then reload the page.";
for (const name of ["htmx:error", "htmx:response:error"]) {
  document.addEventListener(name, event => {
    const status = event.detail?.ctx?.response?.status;
    const note = document.getElementById("trouble");
    if (!note || status === 422 || event.detail?.error?.name === "AbortError") return;
    note.querySelector("p").textContent = TROUBLE;
    note.hidden = false;
  });
}
document.addEventListener("htmx:after:request", event => {
  if (event.detail.ctx.response.status < 400) document.getElementById("trouble")?.setAttribute("hidden", "");
});

// Steps that cannot be taken back are asked about first.
document.addEventListener("submit", event => {
  const question = event.submitter?.dataset.confirm ?? event.target.dataset.confirm;
  if (question && !confirm(question)) event.preventDefault();
});

// A form is sent once, however often the button is pressed; coming back by the browser's button frees it again.
document.addEventListener("submit", event => {
  if (event.defaultPrevented || event.target.method !== "post") return;
  if (event.target.dataset.sent) event.preventDefault();
  event.target.dataset.sent = "1";
});
addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
});
