// The stand-in HighLevel answers the custom page's handshake as HighLevel's own page does: any frame of its own that asks.
(() => {
  "use strict";

  const frame = document.querySelector("iframe[data-sign-in]");

  window.addEventListener("message", async ({ source, origin, data }) => {
    if (source !== frame.contentWindow || !data || data.message !== "REQUEST_USER_DATA") return;
    const answer = await fetch(frame.dataset.signIn);
    if (!answer.ok) return; // it stays silent
    const { payload } = await answer.json();
    source.postMessage({ message: "REQUEST_USER_DATA_RESPONSE", payload }, origin);
  });
})();
