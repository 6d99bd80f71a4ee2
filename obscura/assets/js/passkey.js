// A form that a passkey confirms: the browser asks for it, and its answer is sent along. Whether it is right, the vault says.

function bytes(text) {
  const plain = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(plain, letter => letter.charCodeAt(0));
}

function base64url(buffer) {
  const plain = String.fromCharCode(...new Uint8Array(buffer));
  return btoa(plain).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

async function answerTo({challenge, passkeys, site}) {
  const {rawId, response} = await navigator.credentials.get({
    publicKey: {
      challenge: bytes(challenge),
      rpId: site,
      allowCredentials: passkeys.map(id => ({type: "public-key", id: bytes(id)})),
      userVerification: "required",
    },
  });
  return {
    id: rawId,
    authenticator: response.authenticatorData,
    client: response.clientDataJSON,
    signature: response.signature,
  };
}

// Loaded before page.js, whose guard leaves alone what is prevented here: a form can be tried again until it is complete.
document.addEventListener("submit", async event => {
  const form = event.target;
  if (!form.dataset.passkey) return;
  event.preventDefault();
  if (form.dataset.busy) return;
  form.dataset.busy = "1";
  const trouble = form.querySelector("[data-passkey-trouble]");
  trouble.hidden = true;
  try {
    const answer = await answerTo(JSON.parse(document.getElementById(form.dataset.passkey).textContent));
    for (const [name, part] of Object.entries(answer)) form.elements[`passkey_${name}`].value = base64url(part);
    form.submit();
  } catch {
    // Refused, timed out, or no passkey at hand: the browser has told the reader which.
    trouble.hidden = false;
    delete form.dataset.busy;
  }
});

// Coming back by the browser's button, the form can be sent again.
addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-busy]")) delete form.dataset.busy;
});
