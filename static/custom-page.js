// The custom page inside HighLevel: asks the parent who is there, keeps the session's token in memory only, and sends it
// with every request. When the session is over it asks again, and repeats the request once.
(() => {
  "use strict";

  const HEADER = "X-Sendero-Session", AGAIN = "X-Sendero-Again";
  const ASK_EVERY = 700, GIVE_UP_AFTER = 7000; // milliseconds: HighLevel may load its own half later than ours
  let token = "", asking = null, session = "";

  const payload = () => new Promise((resolve, reject) => {
    if (window.parent === window) { reject("outside"); return; }
    const ask = () => window.parent.postMessage({ message: "REQUEST_USER_DATA" }, "*");
    const heard = ({ source, data }) => {
      if (source !== window.parent || !data || data.message !== "REQUEST_USER_DATA_RESPONSE") return;
      if (typeof data.payload === "string" && data.payload) end(resolve, data.payload);
    };
    const end = (how, what) => {
      window.removeEventListener("message", heard);
      clearInterval(asks);
      clearTimeout(limit);
      how(what);
    };
    window.addEventListener("message", heard);
    const asks = setInterval(ask, ASK_EVERY);
    const limit = setTimeout(() => end(reject, "silent"), GIVE_UP_AFTER);
    ask();
  });

  const post = (address, fields) => fetch(address, {
    method: "POST", headers: { [HEADER]: token }, body: new URLSearchParams(fields),
  }).catch(() => { throw "unreachable"; });

  const begin = async (said) => {
    const answer = await post(session, { payload: said });
    if (!answer.ok) throw { html: await answer.text() };
    token = (await answer.json()).token;
  };

  const handshake = () => {
    asking = asking || payload().then(begin).finally(() => { asking = null; });
    return asking;
  };

  // The server's own words: why nobody is let in, and what to do. Instead of the page, or above what somebody has typed.
  const cards = {};
  const say = (why, place) => {
    const found = new DOMParser().parseFromString((why && why.html) || cards[why] || cards.unreachable, "text/html");
    const said = found.querySelector("main") || found.body;
    place.replaceChildren(...said.childNodes);
    place.querySelector("h1")?.focus();
  };
  const refuse = (why) => say(why, document.getElementById("main"));
  const warn = (why) => say(why, document.getElementById("notices"));

  const load = (path, more) => window.htmx.ajax("GET", path, {
    target: "body", swap: "innerHTML", headers: { "HX-Boosted": "true" }, ...more,
  });
  const here = () => location.pathname + location.search;
  const enter = () => handshake().then(() => load(here()), refuse);

  document.addEventListener("DOMContentLoaded", () => {
    const shell = document.getElementById("handshake");
    document.querySelectorAll("template[id]").forEach((card) => { cards[card.id] = card.innerHTML; });
    session = document.body.dataset.session;
    if (shell) enter();
    else handshake().catch(() => {}); // a cookie let the page in: the header takes over
  });

  document.addEventListener("htmx:configRequest", (event) => { event.detail.headers[HEADER] = token; });
  document.addEventListener("htmx:historyCacheMiss", (event) => event.detail.xhr.setRequestHeader(HEADER, token));
  document.addEventListener("htmx:historyCacheMissLoadError", enter);

  document.addEventListener("htmx:beforeOnLoad", (event) => {
    const { xhr, elt, target, requestConfig: asked } = event.detail;
    const leave = xhr.getResponseHeader("HX-Redirect");
    if (leave && leave.startsWith("/app")) { // loading it anew would lose the token, and what is to be said
      event.preventDefault();
      load(leave, { push: "true" });
      return;
    }
    if (xhr.status !== 401) return;
    event.preventDefault();
    const poll = (elt.getAttribute("hx-trigger") || "").startsWith("every");
    // What a poll meets is said already, unless HighLevel itself was heard; a form stays as it was typed.
    const refused = poll ? (why) => { if (why.html) refuse(why); } : asked.verb === "get" ? refuse : warn;
    if (asked.headers[AGAIN]) { refused("silent"); return; }
    const headers = { [AGAIN]: "1" };
    if (asked.headers["HX-Boosted"]) headers["HX-Boosted"] = "true";
    const source = elt.isConnected ? elt : document.body;
    handshake().then(() => window.htmx.ajax(asked.verb, asked.path, {
      source, target, headers, values: asked.formData, ...(elt === document.body ? { swap: "innerHTML" } : {}),
    }), refused);
  });

  // A page that is not there, or not answered, is shown like any other; a form stays as it was typed.
  document.addEventListener("htmx:beforeSwap", (event) => {
    const { xhr, requestConfig: asked } = event.detail;
    if (xhr.status < 400 || xhr.status === 422 || asked.verb !== "get" || !asked.headers["HX-Boosted"]) return;
    event.detail.shouldSwap = true;
    event.detail.isError = false;
  });

  const fresh = async (target) => {
    let answer = await post(document.body.dataset.renew, { target });
    if (answer.status === 401) {
      await handshake();
      answer = await post(document.body.dataset.renew, { target });
    }
    if (!answer.ok) throw "unreachable";
    return answer.text();
  };

  // Before htmx hears of it: a download cannot carry the header, so its address is made anew, for once.
  document.addEventListener("click", (event) => {
    const again = event.target.closest("[data-try-again]");
    if (again) {
      const notices = again.closest("#notices");
      if (notices) handshake().then(() => notices.replaceChildren(), warn);
      else enter();
      return;
    }
    const link = event.target.closest("a[href*='once=']");
    if (!link) return;
    event.preventDefault();
    event.stopPropagation();
    fresh(link.getAttribute("href")).then((address) => {
      const once = document.createElement("a");
      Object.assign(once, { href: address, target: link.target, rel: "noopener" });
      once.click();
    }, warn);
  }, true);
})();
