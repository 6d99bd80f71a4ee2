// The form of an exchange account: what is typed as a key is sealed to the vault before the form is sent, and is not in
// the request. A form marked data-seal is never sent in the clear from here on, whatever fails.

const FAILED = "Your keys cannot be encrypted on this page, so nothing is sent. Reload it.";
const STALE = "These are not the fields of the exchange you chose. Choose it again, or reload the page.";

const load = () => import("./sealing.js");
document.documentElement.dataset.seals = "";

const entriesOf = form => [...form.querySelectorAll("[data-credential]")];

function tell(form, words) {
  const note = form.querySelector("[data-form-error]");
  note.querySelector("p").textContent = words;
  note.hidden = !words;
  if (words) note.focus();
}

function mark(entry, words) {
  const error = document.getElementById(`${entry.id}_error`);
  error.textContent = words;
  error.hidden = !words;
  entry.setAttribute("aria-describedby", `${entry.id}_help ${error.id}`);
  if (words) {
    error.setAttribute("role", "alert");
    entry.setAttribute("aria-invalid", "true");
  } else {
    entry.removeAttribute("aria-invalid");
  }
}

// The fields as they will be sealed, or null where one of them is not what the exchange gives out.
function checked(entries, rules, faultOf) {
  const fields = {};
  let first = null;
  for (const entry of entries) {
    fields[entry.name] = entry.value.trim();
    const words = faultOf(rules[entry.name], fields[entry.name]);
    mark(entry, words);
    if (words) first ??= entry;
  }
  first?.focus();
  return first ? null : fields;
}

const LIMITS = "The limits of this account are amounts in dollars, a minute not below one order and a day not below a minute.";

// What the owner agrees to, with the limits that stand in the form; null where they cannot be.
function agreedOf(form, text) {
  const agreed = JSON.parse(text);
  const entered = name => form.elements[name]?.value.replace(/[$,\s]/g, "").replace(/^0+(?=\d)/, "");
  const amounts = ["order_usd", "minute_usd", "day_usd"].map(entered);
  const leverage = entered("leverage");
  if (amounts.some(one => !/^\d{1,15}(\.\d{1,2})?$/.test(one ?? ""))) return null;
  const [order, minute, day] = amounts.map(Number);
  if (!(order > 0 && order <= minute && minute <= day)) return null;
  if (!/^\d{1,3}$/.test(leverage ?? "") || leverage < 1 || leverage > 125) return null;
  agreed.caps = [...amounts, Number(leverage)];
  return JSON.stringify(agreed);
}

function hide(form, name, value) {
  const input = form.querySelector(`input[type=hidden][name="${name}"]`) ?? document.createElement("input");
  Object.assign(input, {type: "hidden", name, value});
  form.append(input);
}

async function send(form, submitter) {
  const asked = JSON.parse(form.querySelector("[data-seal]").dataset.seal);
  if (!asked.key) return tell(form, asked.unready);
  if (asked.exchange !== form.elements.exchange.value) return tell(form, STALE);
  const {faultOf, seal} = await load();
  tell(form, "");
  const entries = entriesOf(form);
  const fields = checked(entries, asked.rules, faultOf);
  if (!fields) return;
  Object.assign(fields, asked.beside, {agreed: agreedOf(form, asked.agreed)});
  if (!fields.agreed) return tell(form, LIMITS);
  hide(form, "sealed", seal({key: asked.key, tenant: asked.tenant, account: asked.account, fields}));
  hide(form, "account", asked.account_id);
  for (const entry of entries) {
    entry.value = "";
    entry.disabled = true;
  }
  form.requestSubmit(submitter);
}

document.addEventListener("submit", event => {
  const form = event.target;
  if (!form.querySelector("[data-seal]") || form.elements.sealed) return;
  event.preventDefault();
  if (form.dataset.sealing) return;
  form.dataset.sealing = "1";
  send(form, event.submitter)
    .catch(() => tell(form, FAILED))
    .finally(() => delete form.dataset.sealing);
});

// It is loaded before it is needed; where it does not arrive, that is said before anything is typed.
const here = document.querySelector("[data-seal]")?.closest("form");
if (here) load().catch(() => tell(here, FAILED));

// Coming back by the browser's button, the form is empty and may be filled again; its account's id has been used.
addEventListener("pageshow", event => {
  if (event.persisted && document.querySelector("[data-seal]")) location.reload();
});
