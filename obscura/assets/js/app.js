// Everything the pages do by themselves: htmx, the live feed, the theme and mirrored inputs. Nothing here decides anything.
import htmx from "htmx.org/dist/htmx.esm.js";
import "htmx.org/dist/ext/hx-ws.js";
import "./live.js";
import "./connect.js"; // before page.js: what is not ready to be sent does not count as sent
import "./passkey.js";
import "./page.js";

// A token that protects writes has no business in the address of a read.
document.addEventListener("htmx:config:request", event => {
  const request = event.detail.ctx.request;
  if (request.method === "GET") request.body.delete("csrfmiddlewaretoken");
});

export default htmx;
